"""
Several labels of each row
==========================

Tags of 20 newsgroups, and two made-up sets of scikit-learn: one :class:`WNLLClassifier` for all
labels, compared with one for each label, and with classifiers of the labelled rows. Every method
sees the same rows and labels, drawn again for each seed; scores are those on the rows whose labels
were hidden. Writes ``docs/benchmarks/multilabel.md``. The embeddings ``news_minilm.npz``, with rows
``X`` and the names of the newsgroups ``y``, are read from ``--data-home`` or the folder in the
environment variable ``SKLEARN_WNLL_DATA``. Finished draws are stored in ``--results``, and are not
repeated.
"""

import os
import sys
import time
import warnings
from functools import partial
from itertools import product
from pathlib import Path
from textwrap import fill

import numpy as np
from sklearn.datasets import make_multilabel_classification
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score, f1_score
from sklearn.multiclass import OneVsRestClassifier
from sklearn.multioutput import MultiOutputClassifier
from sklearn.neighbors import KNeighborsClassifier
from sklearn.preprocessing import StandardScaler

sys.path.insert(0, str(Path(__file__).parent))
from cells import Cells, parse_options
from measure import machine, measured, shown, table, write_page

from sklearn_wnll import WNLLClassifier

NEWS_ROWS = 4000
TITLES = {
    "news": "Tags of 20 newsgroups",
    "few": "Made-up rows, 5 labels",
    "many": "Made-up rows, 20 labels",
}
RATES = 20, 100, 300, 1000
SCORES = "F1, macro", "F1, micro", "average precision", "all labels right"


def load_news(home=None):
    """Load embeddings of texts, and a tag for each part of the newsgroups' hierarchy."""
    path = Path(home or os.environ.get("SKLEARN_WNLL_DATA", ".")) / "news_minilm.npz"
    with np.load(path, allow_pickle=False) as file:
        X, names = file["X"].astype(np.float32), file["y"]
    some = np.random.RandomState(0).choice(len(names), NEWS_ROWS, replace=False)
    X, names = X[some], [str(name).split(".") for name in names[some]]
    tags = {".".join(parts[:depth]) for parts in names for depth in range(1, len(parts) + 1)}
    ways = [
        [f"{'.'.join(parts)}.".startswith(f"{tag}.") for parts in names] for tag in sorted(tags)
    ]
    ways += [[part in parts for parts in names] for part in ("hardware", "misc", "sport")]
    return X, np.unique(np.array(ways, dtype=int), axis=0).T  # without equal tags


def load(data, home=None):
    """Load rows, a matrix of labels, and the metric."""
    if data == "news":
        return *load_news(home), "cosine"
    shape = {"few": (20, 5, 2), "many": (50, 20, 4)}[data]
    X, Y = make_multilabel_classification(
        2000, n_features=shape[0], n_classes=shape[1], n_labels=shape[2], random_state=0
    )
    return StandardScaler().fit_transform(X), Y, "euclidean"


def extend(X, Y, metric, **parameters):
    """Extend all labels by one WNLLClassifier."""
    return (
        WNLLClassifier(metric=metric, random_state=0, **parameters).fit(X, Y).label_distributions_
    )


def extend_trial(X, Y, metric, *, tenth, prior):
    """Extend labels with the weight n / m, or a tenth of it, and correct the frequencies or not."""
    weight = len(X) / np.count_nonzero((Y != -1).all(axis=1)) / (10 if tenth else 1)
    return extend(X, Y, metric, label_weight=max(1.0, weight), class_prior=prior)


def extend_beside(X, Y, metric):
    """Extend all labels by one WNLLClassifier beside logistic regressions."""
    return extend(X, Y, metric, estimator=LogisticRegression(C=10 if metric == "cosine" else 1))


def extend_each(X, Y, metric):
    """Extend each label by a WNLLClassifier, and so over a graph, of its own."""
    each = WNLLClassifier(metric=metric, random_state=0, unlabeled=-1)
    found = MultiOutputClassifier(each).fit(X, Y).estimators_
    # A label that all labelled rows have, or none, has one class.
    return np.column_stack([one.label_distributions_ @ one.classes_ for one in found])


def regress(X, Y, metric, **parameters):
    """Predict each label by a logistic regression on the labelled rows."""
    labeled = (Y != -1).all(axis=1)
    model = LogisticRegression(C=10 if metric == "cosine" else 1, max_iter=300, **parameters)
    return OneVsRestClassifier(model).fit(X[labeled], Y[labeled]).predict_proba(X)


def nearest(X, Y, metric):
    """Predict the labels of a row by its five nearest labelled rows."""
    labeled = (Y != -1).all(axis=1)
    model = KNeighborsClassifier(5, metric=metric).fit(X[labeled], Y[labeled])
    each = zip(model.predict_proba(X), model.classes_, strict=True)
    return np.column_stack([p @ classes for p, classes in each])


METHODS = {
    "WNLL": extend,
    "WNLL, uncorrected": partial(extend, label_weight="wnll"),
    "WNLL beside logistic regression": extend_beside,
    "WNLL, one label at a time": extend_each,
    "logistic regression": regress,
    "logistic regression, balanced": partial(regress, class_weight="balanced"),
    "nearest neighbours": nearest,
}
TRIALS = {
    "n / (10 m), corrected": partial(extend_trial, tenth=True, prior="labeled"),
    "n / (10 m), uncorrected": partial(extend_trial, tenth=True, prior=None),
}


def run(method, X, Y, metric, n_labeled, seed):
    """Return the scores of a method on the hidden rows in percent, and its CPU seconds."""
    labeled = np.random.RandomState(seed).choice(len(X), n_labeled, replace=False)
    few = np.full(Y.shape, -1)
    few[labeled] = Y[labeled]
    start = time.process_time()
    probability = (METHODS | TRIALS)[method](X, few, metric)
    seconds = time.process_time() - start
    p, truth = np.delete(probability, labeled, axis=0), np.delete(Y, labeled, axis=0)
    found = (p > 0.5).astype(int)
    scores = [
        f1_score(truth, found, average="macro", zero_division=0),
        f1_score(truth, found, average="micro", zero_division=0),
        average_precision_score(truth, p, average="macro"),
        (found == truth).all(axis=1).mean(),
    ]
    return [*(100 * float(score) for score in scores), seconds]


def draws_of(cells, method, data, rate):
    """Return the results of the finished draws (n_draws, n_scores + 1)."""
    return np.array([found for cell, found in cells.of(method).items() if cell[:2] == (data, rate)])


def section(cells, data, methods=METHODS, title=""):
    """Make the table of a data set; the best method of a column is bold."""
    rows = []
    for place, score in enumerate(SCORES):
        values = {
            method: [draws[:, place] if len(draws) else None for draws in of_rates]
            for method in methods
            for of_rates in [[draws_of(cells, method, data, rate) for rate in RATES]]
        }
        best = [
            max((one[at].mean() for one in values.values() if one[at] is not None), default=np.nan)
            for at in range(len(RATES))
        ]
        for method, of_rates in values.items():
            texts = []
            for found, top in zip(of_rates, best, strict=True):
                text = "" if found is None else shown(found)
                bold = found is not None and round(found.mean(), 1) == round(top, 1)
                texts.append(f"**{text}**" if bold else text)
            rows.append([method, score, *texts])
    header = ["method", "score", *(f"{rate:,} rows" for rate in RATES)]
    draws = len(draws_of(cells, "WNLL", data, RATES[0]))
    return f"## {title}{TITLES[data]}\n\n{table(header, rows)}\n\n{draws} draws. {measured()}"


def seconds(cells):
    """Make the table of seconds with 300 labelled rows."""
    rows = []
    for method in METHODS:
        found = [draws_of(cells, method, data, 300) for data in TITLES]
        rows.append(
            [method, *(f"{np.median(one[:, -1]):.2f}" if len(one) else "" for one in found)]
        )
    header = ["method", *(f"{title}, s" for title in TITLES.values())]
    return (
        "## Seconds\n\nCPU seconds of a fit and the probabilities of all rows, 300 rows labelled: "
        f"median over the draws.\n\n{table(header, rows)}\n\n{measured()}"
    )


def takeaway(cells):
    """Summarize F1 and seconds on the newsgroups, in a sentence."""
    f1 = {
        (method, rate): draws_of(cells, method, "news", rate)[:, 0].mean()
        for method in METHODS
        for rate in (100, 1000)
    }
    one, each = (
        np.median(draws_of(cells, method, "news", 300)[:, -1])
        for method in ("WNLL", "WNLL, one label at a time")
    )
    balanced = "logistic regression, balanced"
    text = (
        f"**On the tags of 20 newsgroups, `WNLLClassifier()` has an F1 of {f1['WNLL', 100]:.0f} % "
        f"with 100 labelled rows and {f1['WNLL', 1000]:.0f} % with 1,000; balanced logistic "
        f"regression, {f1[balanced, 100]:.0f} and {f1[balanced, 1000]:.0f} %. One graph for all "
        f"labels takes {one:.1f} seconds, one for each label {each:.0f}. On the made-up rows, "
        "balanced logistic regression has the higher F1.**"
    )
    return fill(text, 100)


def main():
    """Run the unfinished draws, and write the page."""
    args = parse_options(
        __doc__.split("\n\n")[1],
        data=TITLES,
        methods=METHODS | TRIALS,
        draws=5,
        results="multilabel_results",
    )
    warnings.simplefilter("ignore")
    cells = Cells(args.results)
    sets = {data: load(data, args.data_home) for data in args.data}
    for seed, data, rate, method in product(range(args.draws), sets, RATES, args.methods):
        cells.measured(method, (data, rate, seed), partial(run, method, *sets[data], rate, seed))
    sections = [*(section(cells, data) for data in TITLES), seconds(cells)]
    tried = dict.fromkeys(("WNLL", "WNLL, uncorrected", *TRIALS))
    write_page(
        "multilabel.md",
        HEAD.format(machine=machine()),
        sections,
        notes=[section(cells, data, tried, "Label weights: ") for data in TITLES],
        takeaway=takeaway(cells),
    )


HEAD = """\
# Several labels of each row

Scores in % on the rows whose labels were hidden, mean ± standard deviation over draws of the
labelled rows; the best of a column is bold. *Macro* is the mean over the labels, *micro* counts all
cells together, and *all labels right* is the share of rows without a mistake. A label is predicted
if its probability is above 0.5.

- **WNLL** is `WNLLClassifier()`, on the newsgroups with `metric="cosine"`.
- **WNLL, uncorrected** has `label_weight="wnll"`: the probabilities as the graph gives them.
- **WNLL beside logistic regression** adds `estimator=LogisticRegression()`.
- **WNLL, one label at a time** is `MultiOutputClassifier(WNLLClassifier())`.
- **Logistic regression** is `OneVsRestClassifier(LogisticRegression())` on the labelled rows,
  *balanced* with `class_weight="balanced"`. On the newsgroups, `C=10`, also beside the graph.
- **Nearest neighbours** is `KNeighborsClassifier(5)` on the labelled rows.

The tags of a text are the parts of its newsgroup's name: `comp.sys.mac.hardware` has the tags
`comp`, `comp.sys`, `comp.sys.mac` and `hardware`. There are 28 on 4,000 texts. The made-up rows are
2,000 of `make_multilabel_classification`, with 20 features, 5 labels and 2 labels per row, or with
50, 20 and 4, scaled to unit variance.

## How it was measured

Command: `python examples/benchmarks/multilabel.py`. The seeds of the draws are 0, 1, ...
{machine}
"""

if __name__ == "__main__":
    main()
