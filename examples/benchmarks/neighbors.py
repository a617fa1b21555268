"""
Accuracy against the number of neighbours and the neighbour that sets the scale
===============================================================================

Writes docs/benchmarks/neighbors.md. MNIST is read from the folder in SKLEARN_WNLL_DATA.
"""

import argparse
import warnings

import numpy as np
from measure import machine, measured, shown, table, write_page
from readers import load_mnist
from sklearn.datasets import load_digits

from sklearn_wnll import WNLLClassifier
from sklearn_wnll.datasets import hide_labels
from sklearn_wnll.exceptions import FewLabelsWarning, UnreachedPointsWarning

SETTINGS = [(5, 3), (8, 4), (10, 5), (15, 8), (25, 8), (25, 13), (50, 8), (50, 26)]

HEAD = """\
# How many neighbours

Accuracy of `WNLLClassifier(label_weight="wnll")` in % on the rows whose labels were hidden, mean ±
standard deviation over draws of the labels. The defaults are `n_neighbors=15` and
`scale_neighbor=8`.

## How it was measured

Command: `python examples/benchmarks/neighbors.py --data digits mnist`.
{machine}
"""


def section(title, X, y, rates, n_draws):
    """Measure one data set."""
    rows = []
    for n_neighbors, scale_neighbor in SETTINGS:
        row = [str(n_neighbors), str(scale_neighbor)]
        for rate in rates:
            right = []
            for seed in range(n_draws):
                few = hide_labels(y, rate, random_state=seed)
                model = WNLLClassifier(
                    n_neighbors, scale_neighbor=scale_neighbor, label_weight="wnll", random_state=0
                )
                right.append(np.mean((model.fit(X, few).transduction_ == y)[few == -1]))
            row.append(shown(100 * np.array(right)))
        print(*row, flush=True)
        rows.append(row)
    header = ["n_neighbors", "scale_neighbor", *(f"{rate} per class" for rate in rates)]
    return f"## {title}\n\n{table(header, rows)}\n\n{n_draws} draws. {measured()}"


def main():
    """Measure and write the page."""
    parser = argparse.ArgumentParser(description="Accuracy against the number of neighbours.")
    parser.add_argument("--data", choices=["digits", "mnist"], nargs="+", default=["digits"])
    args = parser.parse_args()
    warnings.simplefilter("ignore", FewLabelsWarning)
    warnings.simplefilter("ignore", UnreachedPointsWarning)
    sections = []
    if "digits" in args.data:
        X, y = load_digits(return_X_y=True)
        sections.append(section("Digits, 1,797 rows", X, y, (1, 2, 5, 20), 20))
    if "mnist" in args.data:
        X, y = load_mnist(return_X_y=True)
        X = X.astype(np.float32) / 255
        sections.append(section("MNIST, 70,000 rows, approximate search", X, y, (1, 10), 3))
    write_page("neighbors.md", HEAD.format(machine=machine()), sections)


if __name__ == "__main__":
    main()
