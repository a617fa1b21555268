"""
The page of templates.py: its tables and its picture, from the finished draws
=============================================================================
"""

from textwrap import fill
from typing import NamedTuple

import numpy as np
from measure import machine, measured, shown, table, write_page

COUNTS = 2, 4, 8, 16
LABELS = 10, 100, 1000
METHODS = {
    "one": "one graph",
    "templates": "templates",
    "landmarks 20": "20 % landmarks",
    "tied 20": "20 % landmarks, tied",
    "landmarks 50": "50 % landmarks",
    "tied 50": "50 % landmarks, tied",
    "twice": "dealt twice",
}
SETS = {"mnist": "MNIST", "cifar": "CIFAR-10 as embeddings"}


class Cell(NamedTuple):
    """A draw of labels: the data, the numbers of rows, labels and templates, and the seed."""

    name: str
    n_rows: int
    n_labels: int
    count: int
    seed: int


def differences(cells, method, name, n_rows, n_labels, count, rivals=()):
    """Return accuracies minus those of one graph, in the draws that have both, and the rivals."""
    found = []
    for key, (accuracy, _) in cells[method].items():
        cell = Cell(*key)
        known = all(key in cells[rival] for rival in rivals)
        if known and cell[:-1] == (name, n_rows, n_labels, count):
            one = cells["one"].get(tuple(cell._replace(count=1)))
            found += [] if one is None else [accuracy - one[0]]
    return found


def row_of(cells, method, name, n_rows, n_labels, first, rivals=()):
    """Make a row of differences, one for each number of templates; None if there are none."""
    each = [differences(cells, method, name, n_rows, n_labels, count, rivals) for count in COUNTS]
    if not any(each):
        return None
    return [
        *first,
        str(max(map(len, each))),
        *(shown(one, sign="+") if one else "" for one in each),
    ]


def sets_of(cells):
    """List the data sets, and their numbers of rows."""
    return sorted({Cell(*key)[:2] for key in cells["one"]}, reverse=True)


def section(cells, name, n_rows):
    """Make the section of templates on a data set."""
    rows = []
    for n_labels in LABELS:
        ones = [
            accuracy
            for key, (accuracy, _) in cells["one"].items()
            if Cell(*key)[:3] == (name, n_rows, n_labels)
        ]
        if ones:
            first = [f"{n_labels:,}", shown(ones)]
            rows.append(row_of(cells, "templates", name, n_rows, n_labels, first))
    header = ["labels", "one graph, %", "draws", *(f"{count} templates" for count in COUNTS)]
    lines = table(header, [row for row in rows if row])
    return f"## {SETS[name]}, {n_rows:,} rows\n\n{lines}\n\n{measured()}"


def trial(cells, name, n_rows):
    """Make the section of other ways to deal; None if they were not tried."""
    rows, dealt = [], [method for method in METHODS if method != "one"]
    for n_labels in LABELS:
        several = [
            row_of(cells, method, name, n_rows, n_labels, [f"{n_labels:,}", METHODS[method]], dealt)
            for method in dealt
        ]
        if sum(row is not None for row in several) > 1:
            rows += [row for row in several if row]
    if not rows:
        return None
    header = ["labels", "dealing", "draws", *(f"{count} templates" for count in COUNTS)]
    return f"## Landmarks on {SETS[name]}, {n_rows:,} rows\n\n{table(header, rows)}\n\n{measured()}"


def takeaway(cells):
    """Summarize the loss in a sentence."""
    parts = []
    for n_labels in (LABELS[0], LABELS[-1]):
        losses = [
            -np.mean(found)
            for name, n_rows in sets_of(cells)
            for count in COUNTS
            if (found := differences(cells, "templates", name, n_rows, n_labels, count))
        ]
        parts.append(f"{min(losses):.1f} to {max(losses):.1f} points with {n_labels:,} labels")
    return fill(f"**Templates lose {' and '.join(parts)}, the more the smaller they are.**", 100)


def write(cells):
    """Write the page and the notes."""
    sets = sets_of(cells)
    sections = [section(cells, *one) for one in sets]
    trials = [text for one in sets if (text := trial(cells, *one))]
    head = HEAD.format(machine=machine())
    write_page("templates.md", head, sections, notes=[TRIED, *trials], takeaway=takeaway(cells))


HEAD = """\
# Templates

If one graph does not fit in memory, `template_size` divides the rows among several, called
templates. All labelled rows are in every template, each unlabelled row is in one. Accuracy on the
hidden rows in %, and accuracy minus that of one graph, in points: mean ± standard deviation over
draws of the labels, as many of each class.

## How it was measured

`WNLLClassifier(template_size=...)` with its defaults, on training images only. The embeddings are
compared by `metric="cosine"`.

Command: `python examples/benchmarks/templates.py --rows 20000`. Without `--rows`, it takes all
60,000 training images of MNIST.
{machine}
"""

TRIED = """\
## What was tried

*Landmarks* are unlabelled rows that all templates share: 20 % or 50 % of the unlabelled rows of a
template, at random. Templates are as large as those without landmarks, so there are 1.25 or 2 times
as many. A landmark's distribution is the mean over the templates; *tied* means that this mean then
pulls at the landmark in each template, with 8 times the weight of its neighbours, and the labels
are extended a second time. *Dealt twice* has no landmarks, but deals the rows twice, which also
makes twice as many templates; the two distributions of a row are averaged.

Tied landmarks lose less than templates, but not less than rows dealt twice, which take the same
work as 50 % landmarks and need no second solution: over the cells below, the two differ by nothing
on average. With 10 labels on MNIST, tied landmarks are up to 1.1 points better; with 100 labels,
and on most of the embeddings, dealing twice is. So landmarks are not part of the package.
[Two fits](../guide/templates.md#two-fits) deal the rows twice."""
