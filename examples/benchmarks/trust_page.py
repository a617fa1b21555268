"""
The page of trust.py: its tables, from the finished draws
=========================================================
"""

from collections.abc import Callable
from itertools import product
from textwrap import fill
from typing import NamedTuple

import numpy as np
from measure import machine, measured, table, write_page

NAMES = {"digits": "digits", "mnist": "MNIST", "news": "news", "cifar": "CIFAR"}
WEIGHTS = "wnll", "laplace", "poisson"
FOLDS = 5, 10
PLACES = "fitted rows", "new rows, transductive", "new rows, inductive"
NOISES = (
    *(("wnll", noise) for noise in (0.0, 0.2, "auto")),
    *product(("laplace", "poisson"), (0.0, "auto")),
)


class Draws(NamedTuple):
    """Finished draws of a table for a data set."""

    title: str
    number: int
    of_rate: dict

    def values(self, rate, name):
        """Return the results of each draw (n_draws, ...)."""
        return np.array([found[name] for found in self.of_rate[rate]])


def bold(text, condition):
    """Make text bold if a condition holds."""
    return f"**{text}**" if condition else text


def score_lines(draws, rates):
    """Make lines of differences at each rate."""
    for folds in FOLDS:
        cells = [draws.values(rate, str(folds)) for rate in rates]
        shown = [
            bold(
                f"{values.mean():+.1f} ± {values.std():.1f}", rate >= 10 and abs(values.mean()) > 2
            )
            for rate, values in zip(rates, cells, strict=True)
        ]
        yield [draws.title, str(draws.number), str(folds), *shown]


def calibration_lines(draws, rates):
    """Make lines without and with calibration; bold above 0.03 from 5 labels per class on."""
    for weight, place in product((*WEIGHTS, 100.0), PLACES):
        cells = [draws.values(rate, f"{weight}, {place}") for rate in rates]
        shown = []
        for rate, values in zip(rates, cells, strict=True):
            without, loss, ece, other_loss = values.mean(axis=0)
            after = f"{ece:.3f} ± {values[:, 2].std():.3f}"
            shown.append(f"{without:.3f} → {bold(after, rate >= 5 and round(ece, 3) > 0.03)}")
            if rate == 5:
                losses = f"{loss:.2f} → {other_loss:.2f}"
        yield [draws.title, str(draws.number), str(weight), place, *shown, losses]


def short_calibration_lines(draws, rates):
    """Make the lines of one label weight."""
    return [line for line in calibration_lines(draws, rates) if line[2] == WEIGHTS[0]]


def suspect_lines(draws, rates):
    """Make lines of the parts found, with the largest in bold."""
    names = list(draws.of_rate[rates[0]][0])
    cells = {name: [draws.values(rate, name) for rate in rates] for name in names}
    best = [max(values.mean() for values in column) for column in zip(*cells.values(), strict=True)]
    for name in names:
        shown = [
            bold(f"{values.mean():.1f} ± {values.std():.1f}", values.mean() == largest)
            for values, largest in zip(cells[name], best, strict=True)
        ]
        yield [draws.title, str(draws.number), name, *shown]


def noise_lines(draws, rates):
    """Make lines of right hidden and labelled rows, with and without wrong labels."""
    names = [f"{weight}, {noise}" for weight, noise in NOISES]
    for rate, part in product(rates, (1, 0)):
        means = {
            name: draws.values(rate, name).mean(axis=0)[[2 - 2 * part, 3 - 2 * part]]
            for name in draws.of_rate[rate][0]
        }
        shown = [means[name] for name in names]
        spread = [mean for name, mean in means.items() if name not in names]
        shown += [max(spread, key=lambda mean: mean[0])] if spread else []
        cells = [f"{hidden:.1f}, {labeled:.1f}" for hidden, labeled in shown]
        wrong = "a fifth" if part else "none"
        cells += [""] * (not spread)
        yield [draws.title, str(draws.number), str(rate), wrong, *cells]


def collapse_lines(draws, rates):
    """Make lines of the number of warnings, and the accuracy."""
    for weight in WEIGHTS:
        cells = [draws.values(rate, weight) for rate in rates]
        shown = [f"{found[:, 0].sum():.0f}: {found[:, 1].mean():.1f}" for found in cells]
        yield [draws.title, str(draws.number), weight, *shown]


class Table(NamedTuple):
    """A table: its numbers of labels per class, the function that makes lines, and its place."""

    title: str
    rates: tuple
    lines: Callable
    columns: tuple
    note: str
    more_columns: tuple = ()
    in_notes: bool = False
    short: Callable | None = None


TABLES = {
    "score": Table(
        "The score of held-out labels",
        (5, 10, 20, 50),
        score_lines,
        ("data", "draws", "folds"),
        "`held_out_score_` with 5 and 10 folds, minus the accuracy on hidden rows, in points: mean "
        "± standard deviation of single draws. Means off by more than 2 points from 10 labels per "
        "class on are bold.",
    ),
    "calibration": Table(
        "Calibration by label weight",
        (1, 2, 5, 10, 20, 50),
        calibration_lines,
        ("data", "draws", "label_weight", "rows"),
        "Expected calibration error without → with `calibrate=True`, in 10 bins of equal width of "
        "the largest probability: means, and the standard deviation of single draws. Above 0.03 "
        "from 5 labels per class on, it is bold. Fitted rows are those without a label. A fifth of "
        "all rows is new. For the log loss, probabilities are at least 1e-6.",
        more_columns=("log loss, 5 per class",),
        in_notes=True,
        short=short_calibration_lines,
    ),
    "suspects": Table(
        "Suspects",
        (5, 20, 50),
        suspect_lines,
        ("data", "draws", "method"),
        "A fifth of the labels is wrong. Percentage of these among equally many suspects, mean ± "
        "standard deviation of single draws. The largest mean is bold. cleanlab is "
        "`find_label_issues` with the probabilities of a logistic regression, cross-validated in 5 "
        "folds. Labels that it does not list follow, ranked by self-confidence.",
    ),
    "noise": Table(
        "Wrong labels",
        (5, 20, 50),
        noise_lines,
        ("data", "draws", "per class", "wrong"),
        "Percentage of hidden rows, labelled rows that get their true class, by `label_weight` and "
        "`label_noise`. LabelSpreading uses the neighbours (7, 15), `alpha` (0.2, 0.5, 0.8) and "
        "answer (`predict`, `transduction_`) that are best for the hidden rows of each line.",
        more_columns=(*(f"{weight}, {noise or 0}" for weight, noise in NOISES), "LabelSpreading"),
        in_notes=True,
    ),
    "collapse": Table(
        "Collapsed classes",
        (1, 2, 5, 10),
        collapse_lines,
        ("data", "draws", "label_weight"),
        "Draws in which `CollapsedClassesWarning` is issued: mean accuracy on hidden rows in %.",
        in_notes=True,
    ),
}

HEAD = """\
# Answers that can be trusted

- `held_out_score_` is within 2 points of the accuracy on digits, MNIST and CIFAR. On news it is too
  low, by up to 2.8 points with 5 folds, and 2.2 with 10. These are means: a single score has a
  standard deviation of up to 5 points. With 5 labels per class, more folds make it worse.
- `calibrate=True` misses an error of 0.03 on both embeddings, by most with the weight `"wnll"` and
  with 100. On MNIST and for new digits it reaches 0.05, except for MNIST with the weight 100. The
  error is halved in most cases. With one label per class, nothing changes.
- `suspect_labels` finds more wrong labels than cleanlab on digits and MNIST, and on news from 20
  labels per class on. On CIFAR, cleanlab finds more from there on. With 20 labels per class or
  more, `label_noise="auto"` finds more than 0.
- `label_noise="auto"` with the weight `"wnll"` repairs wrong labels on all sets with 20 or 50
  labels per class. On digits it equals or beats the better of `"laplace"` and LabelSpreading,
  within 0.1 points. With 5 labels per class, it improves digits and news, and harms CIFAR by 4 to 5
  points. With clean labels it costs nothing on digits, but 0.6 points on CIFAR with 5 per class.
- `CollapsedClassesWarning` is issued for `"laplace"` alone: in all draws of one label per class
  except on digits, and never where it is as good as the other weights.

## How it was measured

Digits are scikit-learn's 1,797. MNIST is 10,000 of its images, drawn at random, as pixels. News is
8,000 texts of 20 newsgroups, embedded by all-MiniLM-L6-v2. CIFAR is 8,000 images of CIFAR-10,
embedded by EfficientNet-Lite0. Embeddings are scaled to unit length. No draw of labels served to
choose a constant of the method. The search for neighbours is exact. Each table names its command.

{machine}
"""


def section(name, cells, short=False):
    """Make a table of the draws finished at all rates, or nothing without any."""
    one, lines = TABLES[name], []
    for data, title in NAMES.items():
        seeds = [
            {cell[3] for cell in cells if cell[:3] == (name, data, rate)} for rate in one.rates
        ]
        done = sorted(set.intersection(*seeds))
        of_rate = {rate: [cells[name, data, rate, seed] for seed in done] for rate in one.rates}
        if done:
            make = one.short if short else one.lines
            lines += make(Draws(title, len(done), of_rate), one.rates)
    if not lines:
        return ""
    per_class = [] if "per class" in one.columns else [f"{rate} per class" for rate in one.rates]
    header = [*one.columns, *per_class, *one.more_columns]
    command = f"Command: `python examples/benchmarks/trust.py {name}`. {measured()}"
    heading, note = one.title, one.note
    if short:
        heading = heading.removesuffix(" by label weight")
        note += f' Other values of `label_weight` than `"{WEIGHTS[0]}"` are in the notes.'
    return "\n\n".join([f"## {heading}", fill(note, 100), table(header, lines), command])


def write(names, cells):
    """Write tables on the page or in the notes."""
    page = [section(name, cells) for name in names if not TABLES[name].in_notes]
    page += [section(name, cells, short=True) for name in names if TABLES[name].short]
    notes = [section(name, cells) for name in names if TABLES[name].in_notes]
    sections, notes = ([text for text in texts if text] for texts in (page, notes))
    write_page("trust.md", HEAD.format(machine=machine("cleanlab")), sections, notes=notes)
