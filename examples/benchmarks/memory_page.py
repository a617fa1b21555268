"""
The page of memory.py: the formula for the memory of a fit, and its table
=========================================================================
"""

from textwrap import fill
from typing import NamedTuple

import numpy as np
from measure import machine, measured, table, write_page
from scipy.optimize import nnls

MANY = 100_000  # rows from which on the formula is a bound
TOGETHER, BLOCKS, BLOCK = 64, 8, 2**16  # classes solved, and rows searched, at the same time
REMEMBERED, FEW_FEATURES = 2**26, 128  # numbers that a search of few features keeps, at most
PHASES = "graph", "solver", "kept"
COMMON = "fixed", "row", "byte of a row", "4 bytes compared", "neighbour"


class Setting(NamedTuple):
    """Rows, in thousands, and the parameters of a fit."""

    thousands: int
    n_features: int = 32
    n_neighbors: int = 15
    n_classes: int = 10
    itemsize: int = 4
    n_threads: int = 1
    rank: int = 0  # of the rows, if it is small: few principal components are then compared

    @property
    def n(self):
        """Number of rows."""
        return 1000 * self.thousands


def terms(setting, found, phase):
    """Return the numbers that a phase's coefficients multiply."""
    n, k, c = setting.n, setting.n_neighbors, setting.n_classes
    numbers = n * found["compared"]
    if phase != "graph" and found["compared"] <= FEW_FEATURES:
        numbers = min(numbers, REMEMBERED)
    common = [1, n, n * setting.n_features * setting.itemsize, 4 * numbers, n * k]
    if phase == "graph":
        searched = min(n, setting.n_threads * min(n / BLOCKS, BLOCK))
        return np.array([*common, searched, searched * k])
    threads = min(setting.n_threads, BLOCKS * -(-n // (BLOCKS * BLOCK)))
    return np.array([*common, threads * (threads > 1), n * min(c, TOGETHER), n * c])


def fitted(fits, phase):
    """Find coefficients by nonnegative least squares of the relative errors.

    Those of the solver and of the fitted model are raised to an upper bound.
    """
    rows = np.array([terms(setting, found, phase) for setting, found in fits.items()])
    parts = rows / np.array([found[phase] for found in fits.values()])[:, None]
    coefficients, _ = nnls(parts, np.ones(len(parts)))
    return coefficients if phase == "graph" else coefficients / (parts @ coefficients).min()


def bounds(fits, coefficients):
    """Return the formula's bytes of each fit: at the peak, and kept."""
    values = [
        [terms(setting, found, phase) @ coefficients[phase] for phase in coefficients]
        for setting, found in fits.items()
    ]
    graph, solver, kept = np.array(values).T
    return np.maximum(graph, solver), kept


def rounded_up(coefficients):
    """Keep three digits of coefficients, rounded up."""
    unit = 10.0 ** (np.floor(np.log10(np.maximum(coefficients, 1e-9))) - 2)
    return np.ceil(coefficients / unit) * unit


def coefficient_table(coefficients):
    """Make the table of coefficients."""
    header = ["", *COMMON, "row in search", "neighbour of it", "thread", f"class, to {TOGETHER}",
              "class"]  # fmt: skip
    rows, n_common = [], len(COMMON)
    for phase, of_phase in coefficients.items():
        numbers = [f"{one:,.12g}" for one in of_phase]
        others = numbers[n_common:]
        others = [*others, "", "", ""] if phase == "graph" else ["", "", *others]
        rows.append([phase, *numbers[:n_common], *others])
    return table(header, rows)


def write(fits):
    """Print the coefficients, and write the page."""
    fits = dict(sorted(fits.items(), key=lambda item: item[0].thousands))
    many = {setting: found for setting, found in fits.items() if setting.n >= MANY}
    coefficients = {phase: rounded_up(fitted(many, phase)) for phase in PHASES}
    for phase, of_phase in coefficients.items():
        print(f"{phase}: ({', '.join(f'{one:.12g}' for one in of_phase)})")
    lines, worst, lowest = [], {}, np.inf
    for (setting, found), peak, kept in zip(fits.items(), *bounds(fits, coefficients), strict=True):
        highest = max(found["graph"], found["solver"])
        if setting.n >= MANY:
            for name, part in (("peak", peak / highest), ("kept", kept / found["kept"])):
                worst[name], lowest = max(worst.get(name, 0), part), min(lowest, part)
        lines.append([
            f"{setting.n:,}", str(setting.n_features), str(int(found["compared"])),
            f"float{8 * setting.itemsize}", str(setting.n_neighbors), str(setting.n_classes),
            str(setting.n_threads), f"{found['graph'] / 1e9:.3f}", f"{found['solver'] / 1e9:.3f}",
            f"{peak / 1e9:.3f}", f"{peak / highest:.2f}", f"{found['kept'] / 1e9:.3f}",
            f"{kept / 1e9:.3f}",
        ])  # fmt: skip
    print("at most", {name: f"{part:.2f}" for name, part in worst.items()}, "times the measured")
    assert lowest >= 1, "the formula is below a measured peak"
    header = ["rows", "features", "compared", "type", "neighbours", "classes", "threads",
              "graph, GB", "solver, GB", "formula, GB", "formula / peak", "kept, GB",
              "formula for kept, GB"]  # fmt: skip
    sections = [
        f"## Fits\n\n{table(header, lines)}\n\n{measured()}",
        f"## Coefficients\n\n{COEFFICIENTS}\n\n{coefficient_table(coefficients)}\n\n{measured()}",
    ]
    takeaway = fill(
        f"**From {MANY:,} to {max(setting.n for setting in fits):,} rows, the formula is nowhere "
        f"below the measured peak, and at most {worst['peak']:.2f} times as large.**",
        100,
    )
    write_page("memory.md", HEAD.format(machine=machine()), sections, takeaway=takeaway)


COEFFICIENTS = f"""\
Bytes. *Fixed* counts once, *row* for each row. The others count for each row, and each byte of it,
4 bytes that the search compares, neighbour, class among the first {TOGETHER}, or class. Of rows of
at most {FEW_FEATURES} features, solver and model hold at most {REMEMBERED:,} numbers that the
search compares. *Row in search* counts for rows that threads search at the same time: an eighth of
all for each thread, at most {BLOCK:,}. *Thread* counts if there are several: it is memory that they
have freed, and that is not returned to the system."""

HEAD = """\
# Memory of a fit

`template_size="auto"` needs to know how much memory a fit takes. The peak is that of the *graph*,
while neighbours are searched, or that of the *solver*; *kept* is the memory of the fitted model.
All are beyond the rows and the imports. *Compared* are the features that the search compares: all,
or principal components if there are more than 128 features and few components suffice.

## How it was measured

Each fit is a process of its own, on synthetic rows, with 5 labels per class: first without the
labels, then with them, on the same graph. The coefficients solve nonnegative least squares of the
relative errors, from 100,000 rows on. Those of the solver and the fitted model are then raised
until the formula is nowhere below such a measurement. They stand in `sklearn_wnll/_fit_memory.py`.
With 10,000 rows, the memory of a process is hard to tell from that of its other parts.

A fit of 10,000,000 rows takes less than the formula says: [its peak](classifier.md#many-rows).

Command: `python examples/benchmarks/memory.py --rows 10000 100000`, then `--rows 300000 1000000
--plain 1 2`.
{machine}
"""
