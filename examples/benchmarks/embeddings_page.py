"""
The page of embeddings.py: its tables and its picture, from the draws that are finished
=======================================================================================
"""

from pathlib import Path
from textwrap import fill
from typing import NamedTuple

import numpy as np
from measure import machine, measured, table, write_page

RATES = 1, 2, 5, 10, 20, 50
TIMED = 1, 5, 50
C_BESIDE = 10  # of logistic regression beside the graph
STRENGTHS = 0.1, 1, 10, 100  # of logistic regression alone, among which is chosen
SETS = {
    "news": "20 newsgroups, 7,948 texts by all-MiniLM-L6-v2",
    "cifar": "CIFAR-10, 8,000 images by EfficientNet-Lite0",
}
SHORT = {"news": "news", "cifar": "CIFAR"}
PICTURE = Path(__file__).parents[2] / "docs" / "_static" / "embeddings.png"


class Method(NamedTuple):
    """How a method is shown: methods of one color differ in whether they know the class sizes."""

    title: str
    color: str
    ours: bool = False
    knows_sizes: bool = False


# The colors of sklearn_wnll.plotting.
METHODS = {
    "default": Method("WNLL", "#0072B2", ours=True),
    "beside": Method("WNLL and logistic regression", "#D55E00", ours=True),
    "logistic": Method("logistic regression", "#009E73"),
    "centroid": Method("nearest centroid", "#56B4E9"),
    "neighbors": Method("nearest neighbours", "#CC79A7"),
    "spreading": Method("LabelSpreading", "#666666"),
    "self_training": Method("self-training", "#882255"),
    "poisson": Method("Poisson learning", "#E69F00"),
    "sizes": Method("WNLL, sizes", "#0072B2", ours=True, knows_sizes=True),
    "beside_sizes": Method(
        "WNLL and logistic regression, sizes", "#D55E00", ours=True, knows_sizes=True
    ),
    "poisson_mbo": Method("Poisson MBO, sizes", "#E69F00", knows_sizes=True),
}


def finished(cells, name):
    """Accuracies and seconds by method (n_rates, n_draws, 2), of draws done by all at all rates."""
    done = {}
    for method, known in cells.items():
        seeds = [{seed for data, at, seed in known if (data, at) == (name, rate)} for rate in RATES]
        if all(seeds):
            done[method] = set.intersection(*seeds)
    shared = sorted(set.intersection(*done.values())) if done else []
    return {
        method: np.array([[cells[method][name, rate, seed] for seed in shared] for rate in RATES])
        for method in done
        if shared
    }


def means(found):
    """Mean accuracies by method (n_rates,), to the decimal that is shown."""
    return {method: results[..., 0].mean(axis=1).round(1) for method, results in found.items()}


def alike(found, method):
    """Methods that know the class sizes, if this one does, and those that do not, if not."""
    return [other for other in found if METHODS[other].knows_sizes == METHODS[method].knows_sizes]


def is_best(mean, method):
    """Rates at which no method that knows as much has a larger mean (n_rates,)."""
    return mean[method] == np.max([mean[other] for other in alike(mean, method)], axis=0)


def beats_ours(mean, method):
    """Rates at which another method is above all of ours that know as much (n_rates,)."""
    ours = [mean[other] for other in alike(mean, method) if METHODS[other].ours]
    return (mean[method] > np.max(ours, axis=0)) if ours else np.zeros(len(RATES), bool)


def section(name, found):
    """The accuracies on a data set."""
    mean, rows = means(found), []
    for method in (method for method in METHODS if method in found):
        accuracies = found[method][..., 0]
        shown = [f"{one.mean():.1f} ± {one.std():.1f}" for one in accuracies]
        best, above = is_best(mean, method), beats_ours(mean, method)
        marked = [
            (f"**{text}**" if first else text) + " †" * bool(over)
            for text, first, over in zip(shown, best, above, strict=True)
        ]
        rows.append([METHODS[method].title, str(accuracies.shape[1]), *marked])
    header = ["method", "draws", *(f"{rate} per class" for rate in RATES)]
    return f"## {SETS[name]}\n\n{table(header, rows)}\n\n{measured()}"


def seconds_section(found):
    """Median seconds of all data sets."""
    rows = [
        [method.title]
        + [
            f"{np.median(results[key][RATES.index(rate), :, 1]):.2f}" if key in results else ""
            for results in found.values()
            for rate in TIMED
        ]
        for key, method in METHODS.items()
        if any(key in results for results in found.values())
    ]
    header = ["method", *(f"{SHORT[name]}, {rate} per class" for name in found for rate in TIMED)]
    return f"## Seconds\n\n{SECONDS}\n\n{table(header, rows)}\n\n{measured()}"


def takeaway(found):
    """What a classifier beside the graph gains, in a sentence."""
    gains, best = [], 0
    for name, results in found.items():
        if {"beside", "logistic"} <= results.keys():
            mean = means(results)
            gain = mean["beside"] - mean["logistic"]
            gains.append(f"{gain.min():+.1f} to {gain.max():+.1f} points on {SHORT[name]}")
            best += np.count_nonzero(is_best(mean, "beside"))
    if not gains:
        return ""
    text = (
        f"**WNLL and logistic regression, minus logistic regression alone: "
        f"{' and '.join(gains)}, from {RATES[0]} to {RATES[-1]} labels per class. In {best} of "
        f"{len(gains) * len(RATES)} columns, no method that does not know the class sizes is more "
        f"accurate than the two together.**"
    )
    return fill(text, 100) + "\n\n"


def draw(found):
    """Accuracy against labels per class, a panel for each data set."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(
        1, len(found), figsize=(5.5 * len(found), 6), layout="constrained", squeeze=False
    )
    for ax, (name, results) in zip(axes[0], found.items(), strict=True):
        for key in (key for key in METHODS if key in results):
            method = METHODS[key]
            ax.plot(
                RATES,
                results[key][..., 0].mean(axis=1),
                color=method.color,
                linestyle="--" if method.knows_sizes else "-",
                linewidth=2.5 if method.ours else 1.2,
                marker="o" if method.ours else ".",
                label=method.title,
            )
        ax.set_xscale("log")
        ax.set_xticks(RATES, [str(rate) for rate in RATES], minor=False)
        ax.minorticks_off()
        ax.set(title=SETS[name], xlabel="labels per class", ylabel="accuracy on hidden rows in %")
        ax.grid(alpha=0.3)
    lines = {line.get_label(): line for ax in axes[0] for line in ax.lines}
    figure.legend(
        lines.values(),
        lines.keys(),
        loc="outside lower center",
        ncols=3,
        frameon=False,
        handlelength=3.5,
    )
    figure.savefig(PICTURE, dpi=110)
    plt.close(figure)


def write(cells):
    """Write the page and its picture, if draws are finished."""
    found = {name: finished(cells, name) for name in SETS}
    found = {name: results for name, results in found.items() if results}
    if found:
        draw(found)
        sections = [section(name, results) for name, results in found.items()]
        head = HEAD.format(
            takeaway=takeaway(found),
            C=C_BESIDE,
            strengths=", ".join(map(str, STRENGTHS)),
            machine=machine("graphlearning"),
        )
        write_page("embeddings.md", head, [*sections, seconds_section(found)])


SECONDS = """\
Median CPU seconds on one core, to fit and to predict all rows. Those of Poisson learning and
Poisson MBO begin with the graph of `WNLLClassifier`; those of the others include their search for
neighbours."""

HEAD = """\
# Few labels on embeddings

{takeaway}![Accuracy on hidden rows against labels per class, by method and data set][picture]

Accuracy in % on the rows whose labels were hidden, mean ± standard deviation over draws of the
labels. The largest mean of a column is bold, once for methods that know nothing but the labels, and
once for those that know the class sizes. † marks a mean above all of ours that know as much.

- **WNLL** is `WNLLClassifier(metric="cosine")`. **WNLL and logistic regression** has
  `estimator=LogisticRegression(C={C:g})`. With **sizes**, it has `volume_constraint=True` and the
  true class frequencies as `class_prior`.
- **Logistic regression**, **nearest centroid** and **nearest neighbours** learn from the labelled
  rows alone. Cross-validation chooses the `C` of logistic regression from {strengths}; with one
  label per class, it is 10. There is one neighbour below 5 labels per class, and there are 5 from
  there on, by cosine distance.
- **LabelSpreading** (`kernel="knn"`, 15 neighbours) and **self-training**
  (`SelfTrainingClassifier(LogisticRegression())`) are scikit-learn's. On other draws, `alpha=0.8`
  was better for LabelSpreading than its default, and `C=10` made self-training collapse.
- **Poisson learning** and **Poisson MBO**, with the true class frequencies, are graphlearning's
  `poisson` and `poisson_mbo`, on the graph of `WNLLClassifier`.

Rows are scaled to unit length for all methods. Of equal rows, one is kept.

Command: `python examples/benchmarks/embeddings.py`.
{machine}

[picture]: ../_static/embeddings.png
"""
