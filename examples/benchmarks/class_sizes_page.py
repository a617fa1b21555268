"""
The page of class_sizes.py: its tables, from the finished draws
===============================================================
"""

from textwrap import fill

import numpy as np
from measure import machine, measured, table, write_page

# The class prior, and the constraint of classes to its sizes.
METHODS = {
    "none": (None, False),
    "true": ("true", False),
    "true, constraint": ("true", True),
    "wrong": ("wrong", False),
    "wrong, constraint": ("wrong", True),
    "labeled": ("labeled", False),
    "labeled, constraint": ("labeled", True),
    "estimated": ("estimated", False),
    "estimated, constraint": ("estimated", True),
}
TITLES = {
    "none": "no sizes",
    "true": "true sizes",
    "wrong": "wrong sizes",
    "labeled": '`"labeled"`',
    "estimated": '`"estimated"`',
    "mbo": "graphlearning, Poisson MBO",
}
CONSTRAINT = ", constraint"
SETS = (
    "digits",
    "news",
    "CIFAR",
    "MNIST",
    "digits, uneven",
    "news, uneven A",
    "news, uneven B",
    "CIFAR, uneven",
    "MNIST, uneven A",
    "MNIST, uneven B",
)
WHOLE_MNIST = "all of MNIST"
TABLES = "parts", "mnist", "mbo"
RATES = {"parts": (1, 2, 5, 10, 20), "mnist": (1, 2, 4, 10), "mbo": (1, 2, 4, 10)}
LARGE, WITHIN = 0.03, 1.5  # part of the rows of a class; times its size
HARM = 0.3  # points; larger losses are marked


def title(method):
    """Return the name of a method in a table."""
    name = TITLES[method.removesuffix(CONSTRAINT)]
    return f"{name}, constraint" if method.endswith(CONSTRAINT) else name


def draws_of(cells, kind, name):
    """Return the results of draws by rate and seed."""
    found = {}
    for (table_name, data, rate, seed), value in sorted(cells.items()):
        if (table_name, data) == (kind, name):
            found.setdefault(rate, {})[seed] = value
    return found


def accuracies(draws, method):
    """Return the accuracy in each draw (n_draws,)."""
    return np.array([found[method][0] for found in draws.values()])


def shown(draws, method, base):
    """Format mean accuracy and deviation; the constraint's is marked if it does harm."""
    values, text = accuracies(draws, method), ""
    if method.endswith(CONSTRAINT):
        others = base or method.removesuffix(CONSTRAINT)
        text = " †" * bool(round((values - accuracies(draws, others)).mean(), 2) < -HARM)
    return f"{values.mean():.1f} ± {values.std():.1f}{text}"


def lines_of_sets(cells, methods, base=None):
    """Make a line for each set and method, with its accuracy at each rate."""
    for name in SETS:
        by_rate = draws_of(cells, "parts", name)
        if not by_rate:
            continue
        counts = [len(draws) for draws in by_rate.values()]
        for method in methods:
            accuracy = [
                shown(by_rate[rate], method, base) if rate in by_rate else ""
                for rate in RATES["parts"]
            ]
            yield [name, str(min(counts)), title(method), *accuracy]


def nearness(cells, name):
    """Count, at each rate, the large classes whose estimated size is near the true one."""
    by_rate, texts = draws_of(cells, "parts", name), []
    for rate in RATES["parts"]:
        values = np.array([found["sizes"] for found in by_rate.get(rate, {}).values()])
        texts.append(
            f"{100 * values[:, 0].sum() / values[:, 1].sum():.0f} %, {values[:, 2].mean():.2f}"
            if len(values)
            else ""
        )
    return texts


def mnist_lines(cells):
    """Make a line for each method on all of MNIST; the last on the draws of Poisson MBO."""
    ours, theirs = (draws_of(cells, kind, WHOLE_MNIST) for kind in ("mnist", "mbo"))
    best = "true, constraint"
    yield from (mnist_line(title(method), method, ours) for method in ("none", "true", best))
    if theirs:
        shared = {
            rate: {seed: found for seed, found in draws.items() if seed in theirs.get(rate, {})}
            for rate, draws in ours.items()
        }
        yield mnist_line(f"{title(best)}, draws of Poisson MBO", best, shared)
        yield mnist_line(title("mbo"), "mbo", theirs)


def mnist_line(name, method, by_rate):
    """Format accuracy, number of draws and seconds of a method at each rate."""
    texts, costs = [], []
    for draws in (by_rate.get(rate) for rate in RATES["mnist"]):
        values = accuracies(draws, method) if draws else []
        several = (
            f" ± {np.std(values):.1f} ({len(values)} draws)" if len(values) > 1 else " (1 draw)"
        )
        texts.append(f"{np.mean(values):.1f}{several}" if draws else "")
        costs.append(f"{np.median([found[method][1] for found in draws.values()]):.1f}"
                     if draws else "")  # fmt: skip
    return [name, *texts, *costs]


def takeaway(cells):
    """Summarize the gain of true sizes and of the constraint, in a sentence."""
    gains = {}
    for (kind, name, _, _), found in cells.items():
        if kind == "parts":
            none, true, constraint = (
                found[method][0] for method in ("none", "true", "true, constraint")
            )
            gains.setdefault("uneven" in name, []).append((true - none, constraint - true))
    if len(gains) < 2:
        return ""
    (even, even_more), (uneven, uneven_more) = (
        np.mean(gains[key], axis=0) for key in (False, True)
    )
    text = (
        f"**Where classes of very different size have the same number of labels, their true "
        f"sizes as `class_prior` add {uneven:.1f} points on average, and `volume_constraint=True` "
        f"{uneven_more:.1f} more. Where classes are nearly equal, the prior adds {even:.1f} and "
        f"the constraint {even_more:.1f}.**"
    )
    return fill(text, 100)


def gain_lines(cells):
    """Make a line for each kind of classes and sizes: mean gain over no sizes at each rate."""
    for kind, uneven in (("nearly equal", False), ("very different", True)):
        for method, (_, constraint) in METHODS.items():
            if method == "none":
                continue
            texts = []
            for rate in RATES["parts"]:
                gains = [
                    found[method][0] - found["none"][0]
                    for (table_name, name, at, _), found in cells.items()
                    if (table_name, at) == ("parts", rate) and ("uneven" in name) == uneven
                ]
                texts.append(f"{np.mean(gains):+.1f}" if gains else "")
            sizes = TITLES[method.removesuffix(CONSTRAINT)]
            yield [kind, sizes, "yes" if constraint else "no", *texts]


def write(cells):
    """Write the page, if there are finished draws."""
    rates = [f"{rate} per class" for rate in RATES["parts"]]
    header, sections = ["set", "draws", "sizes", *rates], []
    notes = []
    if any(kind == "parts" for kind, *_ in cells):
        known = lines_of_sets(cells, ("none", "true", "true, constraint"))
        wrong = lines_of_sets(
            cells, ("wrong", "wrong, constraint", "labeled", "labeled, constraint")
        )
        found = lines_of_sets(cells, ("none", "estimated", "estimated, constraint"), "none")
        near = [[name, *nearness(cells, name)] for name in SETS if draws_of(cells, "parts", name)]
        gains = table(["classes", "class_prior", "constraint", *rates], gain_lines(cells))
        sections.append(f"## What sizes add\n\n{GAINS}\n\n{gains}\n\n{measured()}")
        notes += [
            f"## Sizes that are known\n\n{KNOWN}\n\n{table(header, known)}\n\n{measured()}",
            f"## Sizes that are wrong\n\n{WRONG}\n\n{table(header, wrong)}\n\n{measured()}",
            f"## Sizes from the data\n\n{table(header, found)}\n\n{NEAR}\n\n"
            f"{table(['set', *rates], near)}\n\n{measured()}",
        ]
    if lines := list(mnist_lines(cells)):
        rates = RATES["mnist"]
        header = [
            "method",
            *(f"{rate} per class" for rate in rates),
            *(f"seconds, {rate}" for rate in rates),
        ]
        sections.append(f"## All of MNIST\n\n{MNIST}\n\n{table(header, lines)}\n\n{measured()}")
    if sections:
        head = HEAD.format(machine=machine("graphlearning"))
        write_page("class_sizes.md", head, sections, notes=notes, takeaway=takeaway(cells))


GAINS = """\
Accuracy minus that without sizes, in points: the mean over the sets and draws of a kind. Of the
sets with classes of very different size, only those of MNIST are large enough for 20 labels per
class. Each set by itself is in the [notes](../notes/class_sizes.md)."""

KNOWN = f"""\
Accuracy in % on the rows whose labels were hidden, mean ± standard deviation over draws of the
labels. † marks a constraint that costs more than {HARM} points on average, compared with the same
`class_prior` without it; for estimated sizes, with no sizes."""

WRONG = """\
Each true size is multiplied by a random factor between 1/2 and 2, which differs from draw to draw.
`"labeled"` takes equal sizes here, because each class has the same number of labels."""

NEAR = f"""\
With fewer than 3 labels per class, nothing is estimated. The next table has the percentage of
classes above {100 * LARGE:.0f} % of the rows whose estimated size is within a factor of {WITHIN:g}
of the true one, and the part of the rows by which the sizes are wrong."""

MNIST = """\
70,000 images as pixels, true sizes: accuracy in %, mean ± standard deviation. Seconds are the
median of CPU seconds on one core, without the search for neighbours. Poisson MBO has the same
graph, as symmetric weights. Some of these draws were seen while the method was developed."""

HEAD = """\
# Class sizes: known, wrong, and estimated

Each class has the same number of labels. `class_prior` multiplies the distributions by a factor for
each class; the **constraint** is `volume_constraint=True`.

- **True sizes** are those of all rows. **Wrong sizes** are the true ones, each multiplied by a
  random factor between 1/2 and 2.
- **`"labeled"`** takes equal sizes here, because each class has the same number of labels.
- **`"estimated"`** estimates sizes from the data, from 3 labels per class on.

## How it was measured

The sets are digits (1,797 rows), news (7,948 texts of 20 newsgroups by all-MiniLM-L6-v2), CIFAR
(8,000 images of CIFAR-10 by EfficientNet-Lite0) and MNIST (10,000 images as pixels); their classes
are nearly equal. Parts of them, of 8 to 10 classes, have classes of very different size: the
largest has 44 to 52 % of the rows and the smallest 1 to 2 %; of the digits, 28 and 3 %. On the same
parts, with other draws of labels, constants of the method were chosen; the first two draws of the
tables were seen then. Parameters that are not named are at their defaults.

Command: `python examples/benchmarks/class_sizes.py`.
{machine}
"""
