"""
The page of regression.py: its tables, from the finished draws
==============================================================
"""

from itertools import product
from textwrap import fill
from typing import NamedTuple

import numpy as np
from measure import machine, measured, shown, table, write_page
from regression_data import POSES, TURNED

COUNTS = 10, 30, 100, 300, 1000
FEW = 300  # values up to which the first lines count columns
TIMED = 300
COVERAGE = 0.9
INTERVAL = "interval"


class Target(NamedTuple):
    """A table: its heading and short name, the set and its targets, decimals, and the kind."""

    title: str
    short: str
    data: str
    places: tuple
    decimals: int
    manifold: bool = True


TARGETS = (
    Target("Rotated digits, 4,000 images: angle, degrees", "digits: angle", "digits", (0,), 2),
    Target("Swiss roll, 3,000 points: angle, radians", "swiss roll: angle", "swiss", (0,), 3),
    Target("Heads, 3,000 images: azimuth, degrees", "heads: azimuth", "pose", (0,), 2),
    Target("Heads, 3,000 images: elevation, degrees", "heads: elevation", "pose", (1,), 2),
    Target("Ring, 3,000 images: place, pixels", "ring: place", "sprite", (0, 1), 3),
    Target("Diabetes, 442 patients", "diabetes", "diabetes", (0,), 1, manifold=False),
    Target("Friedman 1, 2,500 rows", "Friedman 1", "friedman", (0,), 2, manifold=False),
)
SHORT = {
    "digits": "digits",
    "swiss": "swiss roll",
    "pose": "heads",
    "sprite": "ring",
    "diabetes": "diabetes",
    "friedman": "Friedman 1",
}


class Method(NamedTuple):
    """A method's name, and whether it is ours."""

    title: str
    ours: bool = False


METHODS = {
    "default": Method("WNLL", ours=True),
    "noise": Method("WNLL, label noise", ours=True),
    "beside_ridge": Method("WNLL beside ridge regression", ours=True),
    "beside_process": Method("WNLL beside a Gaussian process", ours=True),
    "laplace": Method("graph Laplacian", ours=True),
    "neighbors": Method("nearest neighbours"),
    "forest": Method("random forest"),
    "boosting": Method("gradient boosting"),
    "kernel_ridge": Method("kernel ridge"),
    "gaussian_process": Method("Gaussian process"),
}


def of_target(known, target, part=0):
    """Collect errors by count, one for each draw, from the cells of a method."""
    found = {}
    for count in COUNTS:
        cells = {cell: one for cell, one in known.items() if cell[:2] == (target.data, count)}
        values = [
            np.mean([cells[cell][part][at] for at in target.places]) for cell in sorted(cells)
        ]
        if values:
            found[count] = np.array(values)
    return found


def errors(cells, target):
    """Collect errors on a target by method and count."""
    found = {method: of_target(cells[method], target) for method in METHODS}
    return {method: counts for method, counts in found.items() if counts}


def means(found, count, decimals):
    """Compute mean errors by method, rounded as shown."""
    return {
        method: round(float(counts[count].mean()), decimals)
        for method, counts in found.items()
        if count in counts
    }


def best(mean, *, ours):
    """Find the smallest mean of our methods, or of the others; inf without any."""
    return min((mean[one] for one in mean if METHODS[one].ours == ours), default=np.inf)


def section(target, found):
    """Make the section of errors on a target."""
    at = [count for count in COUNTS if any(count in counts for counts in found.values())]
    rows = []
    for method, counts in found.items():
        row = [METHODS[method].title]
        for count in at:
            mean = means(found, count, target.decimals)
            text = shown(counts[count], target.decimals) if count in counts else ""
            if text and mean[method] == min(mean.values()):
                text = f"**{text}**"
            if text and not METHODS[method].ours and mean[method] < best(mean, ours=True) < np.inf:
                text += " †"
            row.append(text)
        rows.append(row)
    header = ["method", *(f"{count:,} values" for count in at)]
    return f"## {target.title}\n\n{table(header, rows)}\n\n{measured()}"


def intervals_section(known):
    """Make the section of coverage and width of intervals."""
    covered, widths = [], []
    for target in TARGETS:
        parts = (covered, 0, 100, 1), (widths, 1, 1, target.decimals)
        for rows, part, scale, decimals in parts:
            found = of_target(known, target, part)
            cells = [shown(scale * found[n], decimals) if n in found else "" for n in COUNTS]
            rows.append([target.short, *cells])
    counts = [f"{count:,} values" for count in COUNTS]
    draws = len({seed for _, _, seed in known})
    return INTERVALS.format(
        coverage=COVERAGE,
        percent=100 * COVERAGE,
        draws=draws,
        covered=table(["covered, %", *counts], covered),
        widths=table(["mean width", *counts], widths),
        measured=measured(),
    )


def seconds_section(cells):
    """Make the section of median seconds."""
    rows = []
    for method, (title, _) in METHODS.items():
        row = []
        for data in SHORT:
            found = [one[1] for cell, one in cells[method].items() if cell[:2] == (data, TIMED)]
            row.append(f"{np.median(found):.2f}" if found else "")
        if any(row):
            rows.append([title, *row])
    text = table(["method", *SHORT.values()], rows)
    return f"## Seconds\n\n{SECONDS.format(count=TIMED)}\n\n{text}\n\n{measured()}"


def takeaway(found):
    """Count the columns in which no other method has a smaller error, in two sentences."""
    if len(found) < len(TARGETS) or any(len(one) < len(METHODS) for one in found.values()):
        return ""
    columns, default, ours = (dict.fromkeys((True, False), 0) for _ in range(3))
    for target, count in product(found, COUNTS):
        mean = means(found[target], count, target.decimals)
        if mean and (count <= FEW or not target.manifold):
            others = best(mean, ours=False)
            columns[target.manifold] += 1
            default[target.manifold] += mean["default"] <= others
            ours[target.manifold] += best(mean, ours=True) <= others
    return fill(
        f"**Where rows lie on a manifold, no other method has a smaller error than "
        f"`WNLLRegressor()` in {default[True]} of {columns[True]} columns from {COUNTS[0]} to "
        f"{FEW} values, nor than the best of its options in {ours[True]}. On the tables diabetes "
        f"and Friedman 1, that holds in {default[False]} and {ours[False]} of {columns[False]} "
        f"columns.**",
        100,
    )


def write(cells):
    """Write the page from the finished draws."""
    found = {target: errors(cells, target) for target in TARGETS}
    found = {target: methods for target, methods in found.items() if methods}
    if not found:
        return
    sections = [section(target, methods) for target, methods in found.items()]
    if cells[INTERVAL]:
        sections.append(intervals_section(cells[INTERVAL]))
    sections.append(seconds_section(cells))
    draws = len({seed for known in map(cells.get, METHODS) for _, _, seed in known})
    head = HEAD.format(draws=draws, machine=machine(), turned=TURNED, **POSES)
    write_page("regression.md", head, sections, takeaway=takeaway(found))


SECONDS = """\
Median CPU seconds on one core with {count} values, to tune, to fit and to predict all rows and
targets. Those of the WNLL include the graph."""

INTERVALS = """\
## Intervals

Rows without a value that `predict_interval(X, coverage={coverage:g})` covers, in %, and the mean
width of the intervals in units of the target. {percent:g} % are asked for. Mean ± standard
deviation over {draws} draws.

{covered}

{widths}

{measured}"""

HEAD = """\
# Numbers from few values

Mean absolute error on the rows without a value, mean ± standard deviation over {draws} draws of the
rows with one. The smallest mean of a column is bold. † marks a mean of another method below all of
ours.

- **WNLL** is `WNLLRegressor()`. With **label noise**, it has `label_noise="auto"`. **Beside ridge
  regression**, its `estimator` is a linear model, and **beside a Gaussian process**, one with a
  Gaussian kernel, on images of 30 principal components. **Graph Laplacian** is
  `label_weight="laplace"`.
- **Nearest neighbours**, **random forest**, **gradient boosting**, **kernel ridge** and **Gaussian
  process** are scikit-learn's, tuned on the given values.

Rows lie on a manifold in the first four sets:

- random digits of MNIST, rotated by up to {turned}°;
- a swiss roll, with a little noise;
- rendered heads that turn by up to {azimuth}° and nod by up to {elevation}°, in a varying light;
- a ring at a random place in front of a background, with a little noise.

Diabetes and Friedman 1 are tables. The noise of Friedman 1 has a standard deviation of 1, so the
error there can hardly be below 0.80.

## How it was measured

All methods see the same rows and values, drawn anew for each seed; the rows of fewer values are
among those of more. Features of tables are standardized. Our methods use all features as they are;
`RidgeCV` chooses the penalty of the linear model from 13 between 0.01 and 10,000. The others are
tuned for each draw and each target. On images, they choose between the pixels and the first 10 or
30 principal components of all rows (trees: 10).

- Nearest neighbours: 1 to 20 neighbours, uniform or by distance, Euclidean or Manhattan, by 5
  folds.
- Random forest: 100 trees; a third of the features or all, and leaves of 1 or 3 rows, by
  out-of-bag predictions. On pixels, a third of them and leaves of 1.
- Gradient boosting: on histograms; up to 150 trees of depth 2, 4 or any, by 3 folds. On pixels,
  depth 4.
- Kernel ridge: a Gaussian kernel, 6 widths from 0.2 to 2 median distances and 7 penalties, by
  leaving one out.
- Gaussian process: a Gaussian kernel or a Matérn kernel (ν = 2.5), on tables and the swiss roll
  also a Gaussian kernel with a scale for each feature, and white noise; by the marginal
  likelihood, from three starts. Above 200 values, 200 choose the kernel, and all optimize it.

The candidates were chosen on other draws.

Commands: `python examples/benchmarks/regression.py`, and for the intervals
`python examples/benchmarks/regression.py --methods interval --draws 20`.
{machine}
"""
