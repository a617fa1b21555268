"""
Tables of the benchmark pages, and drawings of their rows
=========================================================
"""

import re
from typing import NamedTuple

import numpy as np

# A method has the same color everywhere: a number in matplotlib's cycle, or a name.
COLORS = {
    "WNLL": "C0",
    "WNLL beside logistic regression": "C9",
    "WNLL, uncorrected": "C0",
    "WNLL, one label at a time": "C8",
    "LabelSpreading": "C2",
    "logistic regression": "C3",
    "logistic regression, balanced": "C1",
    "self-training": "C4",
    "nearest neighbours": "C5",
    "nearest centroid": "black",
    "Poisson learning": "C6",
    "WNLL, label noise": "C8",
    "WNLL beside ridge regression": "C9",
    "WNLL beside a Gaussian process": "black",
    "graph Laplacian": "C1",
    "random forest": "C2",
    "gradient boosting": "C4",
    "kernel ridge": "C6",
    "Gaussian process": "C3",
    "WNLL, sizes": "C0",
    "WNLL beside logistic regression, sizes": "C9",
    "Poisson MBO, sizes": "C6",
    "auto": "C0",
    "laplace": "C1",
    "poisson": "C6",
    "wnll": "C8",
    "best of graphlearning": "black",
    "suggest_labels": "C0",
    "random": "C7",
    "least certain": "black",
    "unc_sampling": "C4",
    "model_change": "C5",
    "var_opt": "C6",
    "sigma_opt": "C8",
}
# Those of networks.
HEADS = {
    "vanilla": "C3",
    "vanilla, same updates": "C1",
    "softmax self-training": "C4",
    "WNLL": "C0",
    "WNLL, surrogate gradient": "C9",
    "WNLL, exact gradient": "C0",
}


class Table(NamedTuple):
    """A table of a page, with the displayed text of its cells."""

    header: list
    rows: list

    def column(self, name):
        """Return the cells of a column."""
        return [row[self.header.index(name)] for row in self.rows]

    def where(self, **cells):
        """Select the rows with these cells."""
        places = {self.header.index(name.replace("_", " ")): cell for name, cell in cells.items()}
        kept = [row for row in self.rows if all(row[at] == cell for at, cell in places.items())]
        return Table(self.header, kept)

    def numbers(self, ending):
        """Find the columns named by a number with this ending."""
        found = {}
        for at, name in enumerate(self.header):
            if name.endswith(ending) and name.removesuffix(ending).replace(",", "").isdigit():
                found[int(name.removesuffix(ending).replace(",", ""))] = at
        return found


def value(cell):
    """Read mean and spread of a cell such as ``**80.0 ± 0.5** †``; nan if missing."""
    found = re.findall(r"[-+]?\d[\d,]*\.?\d*", cell.replace("*", ""))
    numbers = [float(text.replace(",", "")) for text in found]
    if not numbers:
        return np.nan, 0.0
    return numbers[0], numbers[1] if "±" in cell else 0.0


def read_tables(page):
    """Read the tables of a page by the headings above them."""
    found = {}
    for section in re.split(r"(?m)^## ", page.read_text())[1:]:
        heading, _, text = section.partition("\n")
        for block in re.findall(r"(?m)(?:^\|.*\n)+", text + "\n"):
            header, _, *rows = (
                [cell.strip() for cell in line.strip("| ").split(" |")]
                for line in block.splitlines()
            )
            rows = [row + [""] * (len(header) - len(row)) for row in rows]
            found.setdefault(heading, []).append(Table(header, rows))
    return found


def curves(ax, table, key, ending, *, names=None, dashed=(), thin=()):
    """Draw a line for each row, against the numbers in the names of columns."""
    at = table.numbers(ending)
    for name, row in zip(table.column(key), table.rows, strict=True):
        if names is None or name in names:
            label = (names or {}).get(name, name)
            means, spreads = np.array([value(row[place]) for place in at.values()]).T
            ax.errorbar(
                list(at),
                means,
                None if label in thin else spreads,
                color=COLORS.get(label),
                linestyle="--" if label in dashed else "-",
                linewidth=1 if label in thin else 2,
                marker="." if label in thin else "o",
                markersize=4,
                elinewidth=1,
                capsize=2,
                label=label,
            )
    ax.set_xscale("log")
    ax.set_xticks(list(at), [f"{number:,}" for number in at])
    ax.minorticks_off()
    ax.grid(alpha=0.3)


def bars(ax, names, cells, colors, *, places=None, log=False, **look):
    """Draw horizontal bars, the first on top, and write their values."""
    means, spreads = np.array([value(cell) for cell in cells]).T
    places = np.arange(len(names)) if places is None else places
    ax.barh(places, means, xerr=np.where(spreads > 0, spreads, np.nan), color=colors, **look)
    for place, cell, mean, spread in zip(places, cells, means, spreads, strict=True):
        text = f" {cell.replace('*', '')}" if np.isfinite(mean) else ""
        ax.text(mean + spread, place, text, va="center", fontsize="small")
    if names[0] is not None:
        ax.set_yticks(places, names)
    if log:
        ax.set_xscale("log")
    ax.spines[["top", "right"]].set_visible(False)


def heads(ax, table, title):
    """Draw errors of the two heads of networks, in a group for each method."""
    networks = dict.fromkeys(table.column("network")) if "network" in table.header else [""]
    several = len(networks) > 1
    names, colors = [], []
    for row in table.rows:
        method = row[table.header.index("method")]
        names.append(f"{row[0]}, {method}" if several else method)
        colors.append(HEADS.get(method, "C0"))
    places = 3.0 * np.arange(len(names))
    linear, wnll = (table.column(f"{head} head, error %") for head in ("linear", "WNLL"))
    bars(ax, names, linear, colors, places=places, alpha=0.45, height=0.9)
    bars(ax, [None] * len(names), wnll, colors, places=places + 1, height=0.9)
    ax.set_yticks(places + 0.5, names)
    ax.invert_yaxis()
    ax.margins(x=0.2)
    ax.set(title=title, xlabel="error, %")
