"""
Numbers from few values: a graph beside tuned methods of scikit-learn
=====================================================================

10 to 1,000 values at random, mean absolute error on the other rows, on images and points that lie
on a manifold, and on two tables that do not. Writes ``docs/benchmarks/regression.md``. The other
methods are in ``regression_rivals.py``, and are tuned on the given values. MNIST is read from
``--data-home`` or the folder in the environment variable ``SKLEARN_WNLL_DATA``. Finished draws are
stored in ``--results``, a file for each method, and are not repeated. The method ``interval``
measures the coverage of ``predict_interval``. ``--draws 0`` writes the page from what is finished.
"""

import sys
import time
import warnings
from functools import partial
from itertools import product
from pathlib import Path
from typing import NamedTuple

import numpy as np
from sklearn.decomposition import PCA
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import RidgeCV
from sklearn.pipeline import make_pipeline

sys.path.insert(0, str(Path(__file__).parent))
from cells import Cells, parse_options
from regression_data import LOAD
from regression_page import COUNTS, COVERAGE, INTERVAL, METHODS, write
from regression_rivals import COMPONENTS, RIVALS, Given, TunedProcess, make_features

STRENGTHS = np.logspace(-2, 4, 13)  # of ridge regression beside the graph
MOST = 0.7  # part of the rows that may have a value


class Draw(NamedTuple):
    """A data set, the features that rivals choose from, and rows with a value."""

    X: np.ndarray
    y: np.ndarray
    features: list
    rows: np.ndarray
    seed: int

    @property
    def values(self):
        """Values of all rows, NaN where they are hidden; (n,) for a single target."""
        values = np.full(self.y.shape, np.nan)
        values[self.rows] = self.y[self.rows]
        return values[:, 0] if values.shape[1] == 1 else values

    @property
    def hidden(self):
        """Rows without a value."""
        return np.setdiff1d(np.arange(len(self.y)), self.rows)


def fit(draw, **parameters):
    """Fit WNLLRegressor."""
    from sklearn_wnll import WNLLRegressor

    return WNLLRegressor(random_state=draw.seed, **parameters).fit(draw.X, draw.values)


def extend(draw, **parameters):
    """Predict the values of all rows by WNLLRegressor."""
    return fit(draw, **parameters).transduction_.reshape(draw.y.shape)


def extend_beside_process(draw):
    """Predict beside a Gaussian process, on images of the first principal components."""
    steps, most = [TunedProcess()], max(COMPONENTS)
    if draw.X.shape[1] > most:
        steps.insert(0, FrozenEstimator(PCA(most, random_state=0).fit(draw.X)))
    return extend(draw, estimator=make_pipeline(*steps))


def tuned(draw, method):
    """Predict the values of all rows by another method, target by target."""
    given = [Given(draw.features, draw.rows, one[draw.rows], draw.seed) for one in draw.y.T]
    return np.column_stack([method(one) for one in given])


PREDICT = {
    "default": extend,
    "noise": partial(extend, label_noise="auto"),
    "beside_ridge": partial(extend, estimator=RidgeCV(STRENGTHS)),
    "beside_process": extend_beside_process,
    "laplace": partial(extend, label_weight="laplace"),
    **{name: partial(tuned, method=method) for name, method in RIVALS.items()},
}


def measure_errors(method, draw):
    """Measure the mean absolute error of each target on hidden rows, and CPU seconds."""
    start = time.process_time()
    predicted = PREDICT[method](draw)
    seconds = time.process_time() - start
    errors = np.abs(predicted - draw.y)[draw.hidden].mean(axis=0)
    return [errors.tolist(), seconds]


def measure_coverage(draw):
    """Measure the coverage and the mean width of intervals on hidden rows, by target."""
    intervals = fit(draw).predict_interval(draw.X[draw.hidden], coverage=COVERAGE)
    low, high = np.moveaxis(intervals.reshape(*draw.y[draw.hidden].shape, 2), -1, 0)
    covered = (low <= draw.y[draw.hidden]) & (draw.y[draw.hidden] <= high)
    return [covered.mean(axis=0).tolist(), (high - low).mean(axis=0).tolist()]


MEASURE = {INTERVAL: measure_coverage}


def main():
    """Run the unfinished draws, and write the page."""
    args = parse_options(
        __doc__.split("\n\n")[1],
        data=LOAD,
        methods=[*METHODS, INTERVAL],
        draws=10,
        results="regression_results",
    )
    warnings.simplefilter("ignore")
    cells = Cells(args.results)
    sets = {name: LOAD[name](args.data_home) for name in args.data if args.draws}
    features = {name: make_features(numbers.X) for name, numbers in sets.items()}
    for seed, (name, numbers), count in product(range(args.draws), sets.items(), COUNTS):
        if count > MOST * len(numbers.y):
            continue
        rows = np.random.default_rng(seed).permutation(len(numbers.y))[:count]
        draw = Draw(numbers.X, numbers.y, features[name], rows, seed)
        for method in args.methods:
            measure = MEASURE.get(method, partial(measure_errors, method))
            cells.measured(method, (name, count, seed), partial(measure, draw))
        print(f"{name}, draw {seed}, {count} values", flush=True)
    write({method: cells.of(method) for method in [*METHODS, INTERVAL]})


if __name__ == "__main__":
    main()
