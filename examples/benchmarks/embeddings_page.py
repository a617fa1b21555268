"""
The page of embeddings.py: its tables and its picture, from the finished draws
==============================================================================
"""

import re
from textwrap import fill
from typing import NamedTuple

import numpy as np
from measure import PAGES, machine, measured, shown, table, write_page
from pictures import draw

RATES = 1, 2, 5, 10, 20, 50
TIMED = 1, 5, 50
C_BESIDE = 10  # of logistic regression beside the graph
STRENGTHS = 0.1, 1, 10, 100  # candidates for logistic regression alone
SETS = {
    "news": "20 newsgroups, 7,948 texts by all-MiniLM-L6-v2",
    "cifar": "CIFAR-10, 8,000 images by EfficientNet-Lite0",
}
SHORT = {"news": "news", "cifar": "CIFAR"}
FRONT_PAGES = PAGES.parents[1] / "README.md", PAGES.parent / "index.md"


class Method(NamedTuple):
    """A method's name, and whether it is ours and knows the class sizes."""

    title: str
    ours: bool = False
    knows_sizes: bool = False


METHODS = {
    "default": Method("WNLL", ours=True),
    "beside": Method("WNLL beside logistic regression", ours=True),
    "logistic": Method("logistic regression"),
    "centroid": Method("nearest centroid"),
    "neighbors": Method("nearest neighbours"),
    "spreading": Method("LabelSpreading"),
    "self_training": Method("self-training"),
    "poisson": Method("Poisson learning"),
    "sizes": Method("WNLL, sizes", ours=True, knows_sizes=True),
    "beside_sizes": Method("WNLL beside logistic regression, sizes", ours=True, knows_sizes=True),
    "poisson_mbo": Method("Poisson MBO, sizes", knows_sizes=True),
}
# Names of methods on the front page.
FRONT = {
    "beside": "**WNLL beside logistic regression**",
    "default": "**WNLL**",
    "self_training": "self-training",
    "logistic": "logistic regression",
    "spreading": "LabelSpreading",
}


def finished(cells, name):
    """Collect accuracies and seconds by method (n_rates, n_draws, 2), of complete draws."""
    done = {}
    for method, known in cells.items():
        seeds = [{seed for data, at, seed in known if (data, at) == (name, rate)} for rate in RATES]
        if shared := sorted(set.intersection(*seeds)):
            results = [[known[name, rate, seed] for seed in shared] for rate in RATES]
            done[method] = np.array(results)
    return done


def means(found):
    """Compute mean accuracies by method (n_rates,), rounded as shown."""
    return {method: results[..., 0].mean(axis=1).round(1) for method, results in found.items()}


def alike(found, method):
    """Select methods with the same knowledge of class sizes as this one."""
    return [other for other in found if METHODS[other].knows_sizes == METHODS[method].knows_sizes]


def is_best(mean, method):
    """Mark rates at which no method of the same knowledge has a larger mean (n_rates,)."""
    return mean[method] == np.max([mean[other] for other in alike(mean, method)], axis=0)


def beats_ours(mean, method):
    """Mark rates at which another method beats all of ours of the same knowledge (n_rates,)."""
    ours = [mean[other] for other in alike(mean, method) if METHODS[other].ours]
    return (mean[method] > np.max(ours, axis=0)) if ours else np.zeros(len(RATES), bool)


def section(name, found):
    """Make the section of accuracies on a data set."""
    mean, rows = means(found), []
    for method in (method for method in METHODS if method in found):
        accuracies = found[method][..., 0]
        cells = [shown(one) for one in accuracies]
        best, above = is_best(mean, method), beats_ours(mean, method)
        marked = [
            (f"**{text}**" if first else text) + " †" * bool(over)
            for text, first, over in zip(cells, best, above, strict=True)
        ]
        rows.append([METHODS[method].title, str(accuracies.shape[1]), *marked])
    header = ["method", "draws", *(f"{rate} per class" for rate in RATES)]
    return f"## {SETS[name]}\n\n{table(header, rows)}\n\n{measured()}"


def seconds_section(found):
    """Make the section of median seconds on all data sets."""
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
    """Summarize the gain of a classifier beside the graph, in a sentence."""
    gains, best = [], 0
    for name, results in found.items():
        if {"beside", "logistic"} <= results.keys():
            mean = means(results)
            gain = mean["beside"] - mean["logistic"]
            gains.append(f"{gain.min():.1f} to {gain.max():.1f} points on {SHORT[name]}")
            best += np.count_nonzero(is_best(mean, "beside"))
    if not gains:
        return ""
    columns = len(gains) * len(RATES)
    return fill(
        f"**Beside a logistic regression, the WNLL is more accurate than the regression alone by "
        f"{' and '.join(gains)}, from {RATES[0]} to {RATES[-1]} labels per class. In {best} of "
        f"{columns} columns, no method that does not know the class sizes is better.**",
        100,
    )


def write_front(found):
    """Write the table of the front page into README and the first page of the documentation."""
    mean = means(found)
    rows = [[title, *(f"{one:.1f}" for one in mean[method])] for method, title in FRONT.items()]
    lines = table([FRONT_HEADER, *map(str, RATES)], rows)
    old = re.compile(rf"(?m)^\| {FRONT_HEADER} \|.*\n(?:\|.*\n?)+")
    for page in FRONT_PAGES:
        page.write_text(old.sub(f"{lines}\n", page.read_text()))
    draw("at_a_glance")


def write(cells):
    """Write the page, and the front page's table and picture, if there are finished draws."""
    found = {name: finished(cells, name) for name in SETS}
    found = {name: results for name, results in found.items() if results}
    if found:
        sections = [section(name, results) for name, results in found.items()]
        head = HEAD.format(
            C=C_BESIDE, strengths=", ".join(map(str, STRENGTHS)), machine=machine("graphlearning")
        )
        sections.append(seconds_section(found))
        write_page("embeddings.md", head, sections, takeaway=takeaway(found))
    if found.get("news", {}).keys() >= FRONT.keys():
        write_front(found["news"])


FRONT_HEADER = "labels per class"
SECONDS = """\
Median CPU seconds on one core, to fit and to predict all rows. Those of Poisson learning and
Poisson MBO begin with the graph of `WNLLClassifier`; those of the others include their search for
neighbours."""

HEAD = """\
# Few labels on embeddings

Accuracy in % on the rows whose labels were hidden, mean ± standard deviation over draws of the
labels. If a method has fewer draws, they are the first of the others'. The largest mean of a column
is bold, once for methods that know nothing but the labels, and once for those that know the class
sizes. † marks a mean above all of ours that know as much.

- **WNLL** is `WNLLClassifier(metric="cosine")`. **WNLL beside logistic regression** has
  `estimator=LogisticRegression(C={C:g})`. With **sizes**, it has `volume_constraint=True` and the
  true class frequencies as `class_prior`.
- **Logistic regression**, **nearest centroid** and **nearest neighbours** learn from the labelled
  rows alone.
- **LabelSpreading** and **self-training** are scikit-learn's; **Poisson learning** and **Poisson
  MBO**, which knows the true class frequencies, are graphlearning's.

## How it was measured

Rows are scaled to unit length for all methods. Of equal rows, one is kept. Cross-validation chooses
the `C` of logistic regression from {strengths}; with one label per class, it is 10. There is
one neighbour below 5 labels per class, and there are 5 from there on, by cosine distance.
LabelSpreading has `kernel="knn"`, 15 neighbours and `alpha=0.8`, self-training is
`SelfTrainingClassifier(LogisticRegression())`. On other draws, `alpha=0.8` was better for
LabelSpreading than its default, and `C=10` made self-training collapse. graphlearning's `poisson`
and `poisson_mbo` are on the graph of `WNLLClassifier`.

Command: `python examples/benchmarks/embeddings.py`.
{machine}
"""
