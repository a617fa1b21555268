"""
Pictures of the benchmark pages, drawn from their tables
========================================================

A picture therefore shows the numbers of its page. ``python examples/benchmarks/pictures.py NAME``
draws the picture of one or more pages again; without names, all pictures and the front page's.
"""

import sys
from pathlib import Path

import numpy as np
from drawing import bars, curves, heads, read_tables, value

DOCS = Path(__file__).parents[2] / "docs"
PAGES = DOCS / "benchmarks"
PALE = "pale: linear head, full: WNLL head"
NEWS = "20 newsgroups, 7,948 texts by all-MiniLM-L6-v2"
# Methods on the front page, in the order of its table.
FRONT = (
    "WNLL beside logistic regression",
    "WNLL",
    "self-training",
    "logistic regression",
    "LabelSpreading",
)
SIZES = {
    "class_sizes": (11, 5.4),
    "embeddings": (11, 7),
    "few_labels": (11.5, 4.6),
    "label_rates": (11, 4.5),
    "multilabel": (11, 4.6),
    "neighbors": (11, 4.2),
    "classifier": (11, 3.6),
    "trust": (11.5, 4.8),
    "regression": (13, 6.2),
    "paper": (8, 8),
    "session": (8, 5),
    "templates": (11, 4.2),
    "at_a_glance": (6.6, 4.4),
}
ALTS = {
    "accuracy": "Accuracy on MNIST with 100 labels, by method",
    "active_learning": "Accuracy against the number of labels, by the way in which they are chosen",
    "class_sizes": "What class sizes add to the accuracy, against labels per class",
    "classifier": "Seconds to fit MNIST beside LabelSpreading; seconds and memory against rows",
    "embeddings": "Accuracy on hidden rows against labels per class, by method and data set",
    "few_labels": "Error of networks with and without unlabelled images, by head",
    "gpu": "Seconds on a GPU, in parts of the goal",
    "interpolation": "Seconds of wnll_interpolate and of the published graph learning layer",
    "label_rates": "Accuracy against labels per class, by label weight",
    "memory": "Measured memory of fits and the formula for it, against rows",
    "multilabel": "F1 score of labels against the number of labelled rows, by method and data set",
    "neighbors": "Accuracy against the number of neighbours",
    "paper": "Error of the paper's algorithm and of an ordinary network, by head",
    "regression": "Mean absolute error against the number of values, by method and data set",
    "session": "Accuracy against the number of labels, by model and way of choosing",
    "templates": "Accuracy against the number of graphs, by number of labels and data set",
    "trust": "Score minus accuracy, calibration error, and wrong labels among suspects",
}


def accuracy(figure, tables):
    """Draw methods on MNIST with 100 labels."""
    (table,) = tables["Beside LabelSpreading"]
    table = table.where(job="70,000, of which 100 labelled")
    ax = figure.subplots()
    names = [name.replace("WNLLClassifier", "WNLL") for name in table.column("method")]
    colors = ["C2" if "LabelSpreading" in name else "C0" for name in names]
    colors = ["C1" if "laplace" in name else c for name, c in zip(names, colors, strict=True)]
    bars(ax, names, table.column("accuracy, %"), colors)
    ax.invert_yaxis()
    ax.set(xlim=(0, 115), xlabel="accuracy on 69,900 images without a label, %")
    ax.set_title("MNIST, 100 labels")


def active_learning(figure, tables):
    """Draw ways to choose the next ten labels."""
    tables = {title: of for title, of in tables.items() if title.startswith("MNIST")}
    figure.set_size_inches(6 * len(tables) + 1, 4.6)
    axes = figure.subplots(1, len(tables), squeeze=False)[0]
    for ax, (title, (table, *_)) in zip(axes, tables.items(), strict=True):
        names = {name: name for name in table.column("rows chosen by") if "from the" not in name}
        thin = [name for name in names if name not in ("suggest_labels", "random")]
        curves(ax, table, "rows chosen by", " labels", names=names, thin=thin)
        ax.set(title=title, xlabel="labels, ten more at a time")
        ax.set_ylim(bottom=40)
    axes[0].set_ylabel("accuracy on the other images, %")
    axes[-1].legend()


def class_sizes(figure, tables):
    """Draw the gain of class sizes."""
    (table,) = tables["What sizes add"]
    axes = figure.subplots(1, 2)
    for ax, kind in zip(axes, ("nearly equal", "very different"), strict=True):
        some = table.where(classes=kind)
        for at, (name, row) in enumerate(zip(some.column("class_prior"), some.rows, strict=True)):
            line = "--" if row[some.header.index("constraint")] == "no" else "-"
            points = {
                rate: value(row[place])[0] for rate, place in some.numbers(" per class").items()
            }
            label = f"{name.strip('`')}{', constraint' if line == '-' else ''}"
            ax.plot(
                list(points),
                list(points.values()),
                line,
                color=f"C{at // 2}",
                marker="o",
                label=label,
            )
        ax.axhline(0, color="C7", linewidth=1)
        ax.set_xscale("log")
        ax.set_xticks(list(points), list(map(str, points)))
        ax.minorticks_off()
        ax.set(title=f"classes of {kind} size", xlabel="labels per class")
        ax.grid(alpha=0.3)
    axes[0].set_ylabel("accuracy minus that without sizes, points")
    figure.legend(
        *axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=4, fontsize="small"
    )


def classifier(figure, tables):
    """Draw seconds compared with LabelSpreading, and against the number of rows."""
    left, right = figure.subplots(1, 2)
    (fits,) = tables["Fitting, beside LabelSpreading"]
    fits = fits.where(data="MNIST, 70,000 x 784")
    names = fits.column("method")
    bars(left, names, fits.column("later fit, s"), ["C2", "C0"], log=True)
    left.invert_yaxis()
    left.margins(x=0.2)
    left.set(title="MNIST, 70,000 rows", xlabel="seconds to fit")
    (many,) = tables["Many rows"]
    many = many.where(features="32")
    rows, seconds, peaks = (
        [value(cell)[0] for cell in many.column(name)] for name in ("rows", "fit, s", "peak, GB")
    )
    right.loglog(rows, seconds, "o-", color="C0", label="seconds to fit")
    right.loglog(rows, peaks, "s--", color="C7", label="peak memory, GB")
    right.set(title="synthetic rows of 32 features", xlabel="rows")
    right.grid(alpha=0.3)
    right.legend()


def embeddings(figure, tables):
    """Draw accuracy against labels per class, for both sets."""
    tables = {name: table for name, (table, *_) in tables.items() if name != "Seconds"}
    axes = figure.subplots(1, len(tables), squeeze=False)[0]
    for ax, (name, table) in zip(axes, tables.items(), strict=True):
        methods = table.column("method")
        sizes = [method for method in methods if method.endswith(", sizes")]
        thin = [method for method in methods if not method.startswith("WNLL")]
        curves(ax, table, "method", " per class", dashed=sizes, thin=thin)
        ax.set(title=name, xlabel="labels per class")
    axes[0].set_ylabel("accuracy on hidden rows, %")
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=4, fontsize="small")


def few_labels(figure, tables):
    """Draw errors of networks with and without unlabelled images."""
    axes = figure.subplots(1, len(tables), width_ratios=[1.3, 1, 1][: len(tables)])
    for ax, (title, (table,)) in zip(np.atleast_1d(axes), tables.items(), strict=True):
        heads(ax, table, ", ".join(title.split(", ")[:2]))
    figure.supxlabel(PALE, fontsize="medium")


def gpu(figure, tables):
    """Draw seconds in parts of their goals, and images per second the other way round."""
    (table,) = tables["Time"]
    names, parts = [], []
    for name, options, measured, goal, _ in table.rows:
        part = value(measured)[0] / value(goal)[0]
        names.append(f"{name}{options and f', {options}'}")
        parts.append(f"{1 / part if 'images' in goal else part:.2f}")
    figure.set_size_inches(9, 1 + 0.3 * len(names))
    ax = figure.subplots()
    if names:
        bars(ax, names, parts, ["C0" if float(part) <= 1 else "C3" for part in parts], log=True)
    ax.axvline(1, color="C7", linewidth=1)
    ax.invert_yaxis()
    ax.set_xlabel("time, in parts of the goal")


def interpolation(figure, tables):
    """Draw seconds compared with the published layer."""
    (table,) = tables["Beside the published graph learning layer"]
    ax = figure.subplots()
    clouds = [f"{row[0]} to {row[1]} points" for row in table.rows]
    places = np.arange(len(clouds))
    for shift, name, color, at in ((0, "ours", "C0", 2), (0.4, "published layer", "C7", 5)):
        both = [f"{value(row[at])[0] + value(row[at + 1])[0]:.2f}" for row in table.rows]
        bars(ax, clouds, both, color, places=places + shift, height=0.35, label=name)
    ax.set_yticks(places + 0.2, clouds)
    ax.invert_yaxis()
    ax.legend()
    ax.margins(x=0.15)
    ax.set(xlabel="seconds, forward and backward", title="64 features, 25 neighbours, CPU")


def label_rates(figure, tables):
    """Draw weights of labels compared with graphlearning's best."""
    names = {name: name for name in ("auto", "laplace", "wnll", "poisson")}
    names["graphlearning, best of each column"] = "best of graphlearning"
    axes = figure.subplots(1, len(tables), squeeze=False)[0]
    for ax, (title, (table,)) in zip(axes, tables.items(), strict=True):
        curves(ax, table, "method", " per class", names=names, dashed=["best of graphlearning"])
        ax.set(title=title, xlabel="labels per class")
    axes[0].set_ylabel("accuracy on hidden rows, %")
    axes[0].legend(title="label_weight")


def memory(figure, tables):
    """Draw the formula for the memory against the measured one."""
    (table,) = tables["Fits"]
    left, right = figure.subplots(1, 2)
    for ax, found, bound in (
        (left, np.fmax(*(numbers(table, f"{phase}, GB") for phase in ("graph", "solver"))),
         numbers(table, "formula, GB")),
        (right, numbers(table, "kept, GB"), numbers(table, "formula for kept, GB")),
    ):  # fmt: skip
        ends = [min(found), max(bound)]
        ax.loglog(ends, ends, color="C7", linewidth=1)
        ax.loglog(found, bound, "o", color="C0", markersize=4)
        ax.set(xlabel="measured, GB", ylabel="formula, GB")
        ax.grid(alpha=0.3)
    left.set_title("peak of a fit")
    right.set_title("kept by the model")


def numbers(table, name):
    """Read the numbers of a column."""
    return np.array([value(cell)[0] for cell in table.column(name)])


def multilabel(figure, tables):
    """Draw the F1 score against the number of labelled rows."""
    tables = {name: table for name, (table, *_) in tables.items() if name != "Seconds"}
    axes = figure.subplots(1, len(tables), squeeze=False)[0]
    for ax, (name, table) in zip(axes, tables.items(), strict=True):
        some = table.where(score="F1, macro")
        thin = [method for method in some.column("method") if not method.startswith("WNLL")]
        dashed = ["WNLL, uncorrected", "WNLL, one label at a time"]
        curves(ax, some, "method", " rows", thin=thin, dashed=dashed)
        ax.set(title=name, xlabel="labelled rows")
    axes[0].set_ylabel("F1 on hidden rows, mean over the labels, %")
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=3, fontsize="small")


def neighbors(figure, tables):
    """Draw accuracy against the number of neighbours."""
    axes = figure.subplots(1, len(tables))
    for ax, (title, (table,)) in zip(axes, tables.items(), strict=True):
        rows = {int(row[0]): row for row in table.rows}  # the larger scale_neighbor of two
        at = table.numbers(" per class")
        for shade, (rate, place) in zip(np.linspace(0.35, 1, len(at)), at.items(), strict=True):
            means, spreads = np.array([value(row[place]) for row in rows.values()]).T
            label = f"{rate} per class"
            ax.errorbar(
                list(rows),
                means,
                spreads,
                color="C0",
                alpha=shade,
                marker="o",
                capsize=2,
                label=label,
            )
        ax.axvline(15, color="C7", linestyle=":")
        ax.set(title=title, xlabel="n_neighbors (dotted: the default)")
        ax.grid(alpha=0.3)
        ax.legend(loc="lower right")
    axes[0].set_ylabel("accuracy on hidden rows, %")


def paper(figure, tables):
    """Draw errors of the paper's algorithm."""
    axes = figure.subplots(len(tables), 1, sharex=True)
    for ax, (title, (table,)) in zip(axes, tables.items(), strict=True):
        heads(ax, table, ", ".join(title.split(", ")[:3]))
        ax.set_xlabel("")
    axes[-1].set_xlabel("error, %")
    figure.supxlabel(PALE, fontsize="medium")


def regression(figure, tables):
    """Draw errors against the number of values, for each target."""
    from matplotlib.ticker import LogFormatter

    tables = {name: table for name, (table, *_) in tables.items() if table.header[0] == "method"}
    tables = {name: table for name, table in tables.items() if table.numbers(" values")}
    axes = figure.subplots(2, -(-(len(tables) + 1) // 2)).ravel()
    for ax, (name, table) in zip(axes, tables.items(), strict=False):
        thin = [one for one in table.column("method") if not one.startswith(("WNLL", "graph"))]
        curves(ax, table, "method", " values", thin=thin)
        ax.set_yscale("log")
        ax.yaxis.set_major_formatter("{x:g}")
        ax.yaxis.set_minor_formatter(LogFormatter())
        title, _, unit = name.partition(": ")
        ax.set_title(f"{title.split(',')[0]}{unit and ': '}{unit}", fontsize="medium")
    for ax in axes[len(tables) :]:
        ax.axis("off")
    axes[-1].legend(*axes[0].get_legend_handles_labels(), loc="center")
    figure.supxlabel("values", fontsize="medium")
    figure.supylabel("mean absolute error on the other rows", fontsize="medium")


def session(figure, tables):
    """Draw accuracy against labels in a session."""
    table = tables["From no label to 95 %"][0]
    ax = figure.subplots()
    lines = {"suggest_labels": "-", "half of each": "-.", "random": ":"}
    colors = {"WNLLClassifier": "C0", "logistic regression": "C3"}
    at = table.numbers(" labels")
    for model, way, *_ in table.rows:
        (row,) = table.where(model=model, labels=way).rows
        line = lines[way.split(" (")[0]]
        found = [value(row[place])[0] for place in at.values()]
        ax.plot(list(at), found, line, color=colors[model], marker=".", label=f"{model}, {way}")
    ax.axhline(95, color="C7", linewidth=1)
    ax.set(xlabel="labels", ylabel="accuracy on rows without a label, %", title="100,000 rows")
    ax.grid(alpha=0.3)
    ax.legend(fontsize="small")


def templates(figure, tables):
    """Draw accuracy against the number of templates, 1 for one graph."""
    tables = {title: of for title, of in tables.items() if title.endswith("rows")}
    axes = figure.subplots(1, len(tables), sharey=True, squeeze=False)[0]
    for ax, (title, (table,)) in zip(axes, tables.items(), strict=True):
        places = table.numbers(" templates")
        for row in table.rows:
            one = value(row[table.header.index("one graph, %")])[0]
            losses = {count: value(row[place])[0] for count, place in places.items()}
            points = [one, *(one + loss for loss in losses.values())]
            ax.plot([1, *losses], points, "o-", label=f"{row[0]} labels")
        ax.set_xscale("log", base=2)
        ax.set_xticks([1, *places], ["one", *map(str, places)])
        ax.set(title=title, xlabel="graphs")
        ax.grid(alpha=0.3)
    axes[0].set_ylabel("accuracy on hidden rows, %")
    axes[-1].legend()


def trust(figure, tables):
    """Draw scores minus accuracies, calibration, and the wrong labels among suspects."""
    left, middle, right = figure.subplots(1, 3)
    (score,) = tables["The score of held-out labels"]
    score = score.where(folds="5")
    for shift, row in zip((0.92, 0.97, 1.03, 1.08), score.rows, strict=True):
        at = score.numbers(" per class")
        means, spreads = np.array([value(row[place]) for place in at.values()]).T
        left.errorbar(
            np.array(list(at)) * shift, means, spreads, marker="o", capsize=2, label=row[0]
        )
    left.axhline(0, color="C7", linewidth=1)
    left.set_xscale("log")
    left.set_xticks(list(at), list(map(str, at)))
    left.minorticks_off()
    left.set(title="held-out score minus accuracy, points", xlabel="labels per class")
    left.legend(fontsize="small")
    (calibration,) = tables["Calibration"]
    calibration = calibration.where(rows="fitted rows")
    cells = calibration.column("20 per class")
    names, places = calibration.column("data"), np.arange(len(cells))
    for shift, part, color, label in ((0, 0, "C7", "without"), (0.4, 1, "C0", "calibrate=True")):
        found = [cell.split(" → ")[part].split(" ±")[0] for cell in cells]
        bars(middle, names, found, color, places=places + shift, height=0.35, label=label)
    middle.set_yticks(places + 0.2, names)
    middle.invert_yaxis()
    middle.margins(x=0.2)
    middle.set(title="calibration error, 20 labels per class")
    middle.legend(fontsize="small")
    (suspects,) = tables["Suspects"]
    data = list(dict.fromkeys(suspects.column("data")))
    methods = dict.fromkeys(suspects.column("method"))
    for shift, method, color in zip((0, 0.28, 0.56), methods, ("C9", "C0", "C7"), strict=True):
        found = [
            suspects.where(data=name, method=method).column("20 per class")[0] for name in data
        ]
        bars(
            right,
            data,
            found,
            color,
            places=np.arange(len(data)) + shift,
            height=0.26,
            label=method,
        )
    right.set_yticks(np.arange(len(data)) + 0.28, data)
    right.invert_yaxis()
    right.set(title="wrong labels among suspects, %", xlabel="20 labels per class", xlim=(0, 125))
    figure.legend(
        *right.get_legend_handles_labels(), loc="outside lower right", ncols=3, fontsize="small"
    )


def at_a_glance(figure, tables):
    """Draw the methods of the front page on 20 newsgroups."""
    table = tables[NEWS][0]
    ax = figure.subplots()
    curves(ax, table, "method", " per class", names={name: name for name in FRONT})
    ax.set(
        xlabel="labels per class",
        ylabel="accuracy on unlabelled texts, %",
        title="20 newsgroups, 7,948 texts as embeddings",
    )
    lines = dict(zip(*reversed(ax.get_legend_handles_labels()), strict=True))
    ax.legend([lines[name] for name in FRONT], FRONT)


DRAW = {
    draw.__name__: draw
    for draw in (
        accuracy, active_learning, at_a_glance, class_sizes, classifier, embeddings, few_labels,
        gpu, interpolation, label_rates, memory, multilabel, neighbors, paper, regression, session,
        templates, trust,
    )
}  # fmt: skip


def draw(name, docs=DOCS):
    """Draw the picture of a page, or that of the front page."""
    try:
        import matplotlib
    except ImportError:
        print(f"The picture of {name} is not drawn: matplotlib is not installed.")
        return
    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    front = name == "at_a_glance"
    figure = plt.figure(figsize=SIZES.get(name, (8, 3.6)), layout="constrained")
    DRAW[name](figure, read_tables(docs / f"benchmarks/{'embeddings' if front else name}.md"))
    folder = docs / "_static" / ("" if front else "benchmarks")
    folder.mkdir(parents=True, exist_ok=True)
    figure.savefig(folder / f"{name}.png", dpi=150 if front else 110)
    plt.close(figure)


if __name__ == "__main__":
    measured = [name for name in ALTS if (PAGES / f"{name}.md").exists()]
    for chosen in sys.argv[1:] or [*measured, "at_a_glance"]:
        draw(chosen)
