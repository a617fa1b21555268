"""
Label weights from one label per class on, compared with graphlearning
======================================================================

The methods of graphlearning and ``WNLLClassifier`` on the same graph (its symmetrized weights are
passed on) and the same draws of labels, from 1 to 100 labels per class: accuracy on the rows whose
labels were hidden. Ours also with labels drawn at random, whatever their classes. Writes
``docs/benchmarks/label_rates.md``. MNIST is read from ``--data-home`` or the folder in the
environment variable ``SKLEARN_WNLL_DATA``. Finished draws are stored in ``--results``, a file for
each method, and are not repeated. ``--draws 0`` writes the page from these.
"""

import sys
import warnings
from functools import partial
from itertools import product
from pathlib import Path

import numpy as np
from graphlearning import ssl
from scipy import sparse
from sklearn.datasets import load_digits

sys.path.insert(0, str(Path(__file__).parent))
from cells import Cells, parse_options
from graphs import scaled_distances
from measure import machine, measured, shown, table, write_page
from readers import load_mnist

from sklearn_wnll import WNLLClassifier
from sklearn_wnll.datasets import hide_labels

NAMES = {"digits": "Digits, 1,797 rows", "mnist": "MNIST, 60,000 training images as pixels"}
RATES = 1, 2, 4, 10, 100
TOTALS = 20, 40, 100, 1000
TENTH = "max(1, n / (10 m))"
PEERS = {
    "Laplace": lambda T, sizes: ssl.laplace(T),
    "WNLL": lambda T, sizes: ssl.laplace(T, reweighting="wnll"),
    "Poisson-reweighted": lambda T, sizes: ssl.laplace(T, reweighting="poisson"),
    "Poisson": lambda T, sizes: ssl.poisson(T),
    "random walk": lambda T, sizes: ssl.randomwalk(T),
    "centered kernel": lambda T, sizes: ssl.centered_kernel(T),
    "p-Laplace": lambda T, sizes: ssl.plaplace(T),
    "AMLE": lambda T, sizes: ssl.amle(T),
    "p-eikonal": lambda T, sizes: ssl.peikonal(T),
    "multiclass MBO": lambda T, sizes: ssl.multiclass_mbo(T),
    "sparse label propagation": lambda T, sizes: ssl.sparse_label_propagation(T),
    "dynamic label propagation": lambda T, sizes: ssl.dynamic_label_propagation(T),
    "Volume MBO, true sizes": ssl.volume_mbo,
    "Poisson MBO, true sizes": ssl.poisson_mbo,
}
GRAPHLEARNING = "graphlearning, "
PEERS = {f"{GRAPHLEARNING}{name}": make for name, make in PEERS.items()}
WEIGHTS = "auto", "laplace", "wnll", "poisson", TENTH
OURS = {
    f"{weight}{', class_prior=labeled' if prior else ''}": {"class_prior": prior, "weight": weight}
    for prior, weight in product((None, "labeled"), WEIGHTS)
}
OURS["auto, true sizes"] = {"weight": "auto", "volume_constraint": True}
AT_RANDOM = [f"{weight}{end}" for end in ("", ", class_prior=labeled")
             for weight in ("auto", "wnll", TENTH)]  # fmt: skip
SHORT = "auto", "laplace", "wnll", "poisson", "auto, class_prior=labeled", "auto, true sizes"
MOST_DRAWS = {
    ("mnist", "graphlearning, Poisson MBO, true sizes"): 3,
    ("mnist", "graphlearning, sparse label propagation"): 2,
    ("mnist", "graphlearning, dynamic label propagation"): 0,  # refuses more than 5,000 points
}


def load(name, data_home):
    """Load rows and labels: the 1,797 digits, or MNIST's 60,000 training images as pixels."""
    if name == "digits":
        return load_digits(return_X_y=True)
    data = load_mnist(subset="train", data_home=data_home)
    return data.data.reshape(len(data.data), -1).astype(np.float32), data.target.astype(int)


def distances_and_weights(X):
    """Compute distances to 15 neighbors in units of each row's scale, and symmetric weights."""
    W = WNLLClassifier(random_state=0).fit(X, np.arange(len(X)) % 2).graph_
    return scaled_distances(W), sparse.csr_matrix(W + W.T)


def labels_of(y, few_of, number, seed):
    """Keep a number of labels: of each class, or of all at random."""
    if few_of == "class":
        return hide_labels(y, number, random_state=seed)
    few = np.full_like(y, -1)
    rows = np.random.RandomState(seed).choice(len(y), number, replace=False)
    few[rows] = y[rows]
    return few


def knows_sizes(method):
    """Return whether a method gets the true class sizes."""
    return method.endswith("true sizes")


def predict(method, graphs, y, few):
    """Predict labels by one method."""
    (D, T), labeled, sizes = graphs, np.flatnonzero(few != -1), np.bincount(y) / len(y)
    if method in PEERS:
        np.random.seed(0)  # noqa: NPY002 -- graphlearning starts from NumPy's global state
        return PEERS[method](T, sizes).fit_predict(labeled, y[labeled])
    parameters = OURS[method].copy()
    if (weight := parameters.pop("weight")) == TENTH:
        weight = max(1.0, len(y) / (10 * len(labeled)))
    if knows_sizes(method):
        parameters["class_prior"] = sizes
    model = WNLLClassifier(metric="precomputed", label_weight=weight, unlabeled=-1, **parameters)
    return model.fit(D, few).transduction_


def complete(cells, data, draws, methods, data_home):
    """Measure unknown results on a data set, beginning with the first draw of all methods."""
    X, y = load(data, data_home)
    graphs = distances_and_weights(X)
    kinds = [("class", rate) for rate in RATES] + [("all", total) for total in TOTALS]
    for seed in range(draws):
        for few_of, number in kinds:
            few = labels_of(y, few_of, number, seed)
            for method in methods:
                most = MOST_DRAWS.get((data, method), draws)
                if few_of == "all":
                    most = max(1, draws // 2) if method in AT_RANDOM else 0
                if seed < most:
                    find = partial(predict, method, graphs, y, few)
                    cells.complete(method, (data, few_of, number, seed), find, y, few)
        print(f"{data}, draw {seed}", flush=True)


def finished(cells, data, few_of, numbers):
    """Collect accuracies and seconds by method, draw and number, of complete draws."""
    found = {}
    for method in (*PEERS, *OURS):
        known = cells.of(method)
        done = [
            {seed for *cell, seed in known if cell == [data, few_of, number]} for number in numbers
        ]
        for seed in sorted(set.intersection(*done)):
            results = [known[data, few_of, number, seed] for number in numbers]
            found.setdefault(method, {})[seed] = np.array(results)
    return found


def mean_and_error(mean, error, n_draws):
    """Format a difference; one draw has no error."""
    return f"{mean:+.2f}" + (f" ± {error:.2f}" if n_draws > 1 else " (1 run)")


def accuracy_rows(found):
    """Make rows of draws, accuracy at each number of labels, and seconds."""
    for method, draws in found.items():
        results = np.array(list(draws.values()))
        cells = [shown(one, 2) for one in results[..., 0].T]
        yield [method, str(len(draws)), *cells, f"{np.median(results[..., 1]):.2f}"]


def difference_rows(found):
    """Make rows of mean differences to the graphlearning method with the smallest one."""
    for method in (method for method in OURS if method in found):
        differences, n_shared = [], []
        for peer in PEERS:
            shared = sorted(found[method].keys() & found.get(peer, {}).keys())
            if shared and knows_sizes(peer) == knows_sizes(method):
                one = [(found[method][seed] - found[peer][seed])[:, 0] for seed in shared]
                differences.append((np.mean(one, axis=0), np.std(one, axis=0) / len(one) ** 0.5))
                n_shared.append(len(shared))
        if differences:
            means, errors = np.array(differences).swapaxes(0, 1)
            best = means.argmin(axis=0), np.arange(means.shape[1])
            n_shared = np.array(n_shared)
            cells = zip(means[best], errors[best], n_shared[best[0]], strict=True)
            yield [method, *(mean_and_error(*one) for one in cells)]


def short_rows(found):
    """Make rows of ours by weight, and graphlearning's best at each number of labels."""
    for method in SHORT:
        if method in found:
            results = np.array(list(found[method].values()))
            yield [method, str(len(results)), *(shown(one) for one in results[..., 0].T)]
    for sizes, end in ((False, ""), (True, " with true sizes")):
        peers = {
            peer.removeprefix(GRAPHLEARNING): np.array(list(found[peer].values()))[..., 0]
            for peer in PEERS
            if peer in found and knows_sizes(peer) == sizes
        }
        if peers:
            best = [
                max(peers, key=lambda peer: peers[peer][:, at].mean()) for at in range(len(RATES))
            ]
            cells = [
                f"{shown(peers[name][:, at])}, {name.removesuffix(', true sizes')}"
                for at, name in enumerate(best)
            ]
            yield [f"graphlearning, best of each column{end}", "", *cells]


def sections(cells, data):
    """Make the table of one data set, and those of the notes; none without finished draws."""
    found = finished(cells, data, "class", RATES)
    if not found:
        return [], []
    rates = [f"{rate} per class" for rate in RATES]
    short = table(["method", "draws", *rates], short_rows(found))
    parts = [
        f"## {NAMES[data]}, all methods",
        table(["method", "draws", *rates, "seconds"], accuracy_rows(found)),
    ]
    if differences := list(difference_rows(found)):
        parts.append(table(["minus graphlearning's best", *rates], differences))
    if at_random := finished(cells, data, "all", TOTALS):
        totals = [f"{total:,} at random" for total in TOTALS]
        parts.append(table(["method", "draws", *totals, "seconds"], accuracy_rows(at_random)))
    page = f"## {NAMES[data]}\n\n{short}\n\n{measured()}"
    return [page], ["\n\n".join([*parts, measured()])]


HEAD = """\
# Label weights from one label per class on, beside graphlearning

Accuracy in % on the rows whose labels were hidden, mean ± standard deviation over draws. All
methods are on the same graph. `auto`, `laplace`, `wnll` and `poisson` are values of `label_weight`;
`auto` is the default. For graphlearning, each column shows its best method and the name.

- **`class_prior=labeled`** uses that as many rows of each class are labelled. Poisson learning has
  this built in.
- **True sizes** are the class frequencies of all rows. Ours have them as `class_prior`, with
  `volume_constraint=True`.

## How it was measured

The graph is that of `WNLLClassifier()` with 15 neighbours; graphlearning gets it as symmetric
weights. Parameters that are not named are at their defaults. Of graphlearning's methods,
`modularity_mbo` ends with an error, `graph_nearest_neighbor` takes distances instead of weights,
and `dynamic_label_propagation` refuses more than 5,000 points. Methods that take long on MNIST have
fewer draws there.

Command: `python examples/benchmarks/label_rates.py`.
{machine}
"""

NOTES = """\
## How to read the tables

- `max(1, n / (10 m))` is a number that was passed as `label_weight`, for `n` rows of which `m` are
  labelled.
- Seconds are CPU seconds on one core, the median over all columns and draws, without the search for
  neighbours.
- The second table of a set has the mean difference ± its standard error, on the draws that both
  have, to the method of graphlearning for which it is smallest. Methods with true sizes are
  compared with such methods, the others with the others.
- The third table has labels drawn at random of all rows, so that classes have different numbers of
  them, or none."""


def main():
    """Run the unfinished draws, and write the page."""
    args = parse_options(
        __doc__.split("\n\n")[1],
        data=NAMES,
        methods=[*PEERS, *OURS],
        draws=20,
        results="label_rates_results",
    )
    warnings.simplefilter("ignore")
    cells = Cells(args.results)
    for data in args.data if args.draws else ():
        complete(cells, data, args.draws, args.methods, args.data_home)
    pages, notes = [], [NOTES]
    for data in NAMES:
        short, full = sections(cells, data)
        pages += short
        notes += full
    head = HEAD.format(machine=machine("graphlearning"))
    write_page("label_rates.md", head, pages, notes=notes)


if __name__ == "__main__":
    main()
