"""
Other methods of regression.py, tuned on the given values alone
===============================================================

Each predicts all rows from the given values, target by target. On images, features are either the
pixels or the first principal components of all rows, also of those without a value; the same
criterion as for the other parameters chooses them. It is the absolute error of left-out values, or
the marginal likelihood of a Gaussian process.
"""

from itertools import product
from typing import NamedTuple

import numpy as np
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.decomposition import PCA
from sklearn.ensemble import HistGradientBoostingRegressor, RandomForestRegressor
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import RBF, ConstantKernel, Matern, WhiteKernel
from sklearn.kernel_ridge import KernelRidge
from sklearn.metrics import euclidean_distances, pairwise_distances
from sklearn.model_selection import GridSearchCV, KFold, ParameterGrid
from sklearn.neighbors import KNeighborsRegressor

COMPONENTS = 10, 30
NEIGHBORS = {"n_neighbors": (1, 2, 3, 5, 8, 12, 20), "weights": ("uniform", "distance")}
N_TREES = 100
ROUNDS = 150
# Candidates for trees, on pixels, where they take long, and on a few features.
FOREST_ON_PIXELS = {"max_features": [1 / 3], "min_samples_leaf": [1]}
FOREST = {"max_features": [1 / 3, 1.0], "min_samples_leaf": [1, 3]}
BOOSTED_ON_PIXELS = ({"max_depth": 4, "min_samples_leaf": 4},)
BOOSTED = (
    {"max_depth": 2, "min_samples_leaf": 3},
    {"max_depth": 4, "min_samples_leaf": 4},
    {"max_depth": None, "min_samples_leaf": 20},
)
SCALES = 0.2, 0.35, 0.5, 0.7, 1, 2  # widths of the kernel, in median distances
ALPHAS = np.logspace(-5, 1, 7)
N_FIRST = 200  # values that choose the kernel of a Gaussian process, and begin its search
N_RESTARTS = 2


class Given(NamedTuple):
    """Features of all rows in several ways, the rows with a value, and their values."""

    features: list
    rows: np.ndarray
    values: np.ndarray
    seed: int

    @property
    def parts(self):
        """Features of all rows, and those of the rows with a value, in each way."""
        return [(X, X[self.rows]) for X in self.features]

    @property
    def parts_for_trees(self):
        """Those of ``parts`` that trees choose from: all features, and the fewest components."""
        return self.parts[:2]

    def folds(self, most):
        """Folds of the rows with a value."""
        return KFold(min(most, len(self.rows)), shuffle=True, random_state=self.seed)


def make_features(X):
    """Make the features of a data set that methods choose from, all of them first."""
    X = np.asarray(X, dtype=np.float64)
    if X.shape[1] <= max(COMPONENTS):
        return [X]
    scores = PCA(max(COMPONENTS), random_state=0).fit_transform(X)
    return [X, *(scores[:, :count] for count in COMPONENTS)]


def nearest(given):
    """Predict by nearest neighbours, their number, weights and distance chosen by five folds."""
    fewest = len(given.rows) - -(-len(given.rows) // 5)  # rows of the smallest training part
    grid = NEIGHBORS | {"n_neighbors": [k for k in NEIGHBORS["n_neighbors"] if k <= fewest]}
    found = []
    for (X, known), metric in product(given.parts, ("manhattan", "euclidean")):
        model = KNeighborsRegressor(metric="precomputed")
        search = GridSearchCV(model, grid, scoring="neg_mean_absolute_error", cv=given.folds(5))
        search.fit(pairwise_distances(known, metric=metric), given.values)
        found.append((search.best_score_, search, X, known, metric))
    _, search, X, known, metric = max(found, key=lambda one: one[0])
    return search.predict(pairwise_distances(X, known, metric=metric))


def forest(given):
    """Predict by the random forest with the best out-of-bag predictions."""
    found = []
    for X, known in given.parts_for_trees:
        grid = FOREST if X.shape[1] <= max(COMPONENTS) else FOREST_ON_PIXELS
        for chosen in ParameterGrid(grid):
            model = RandomForestRegressor(
                N_TREES, oob_score=True, random_state=given.seed, **chosen
            )
            model.fit(known, given.values)
            found.append((np.mean(np.abs(model.oob_prediction_ - given.values)), model, X))
    _, model, X = min(found, key=lambda one: one[0])
    return model.predict(X)


def boosting(given):
    """Predict by boosted trees, their number and shape chosen by three folds."""
    found = []
    for X, known in given.parts_for_trees:
        for shape in BOOSTED if X.shape[1] <= max(COMPONENTS) else BOOSTED_ON_PIXELS:
            model = HistGradientBoostingRegressor(
                max_iter=ROUNDS, max_bins=64, early_stopping=False, **shape
            )
            errors = np.zeros(ROUNDS)
            for learn, test in given.folds(3).split(known):
                model.fit(known[learn], given.values[learn])
                staged = model.staged_predict(known[test])
                errors += [np.sum(np.abs(one - given.values[test])) for one in staged]
            best = int(np.argmin(errors))
            found.append((errors[best], model.set_params(max_iter=best + 1), X, known))
    _, model, X, known = min(found, key=lambda one: one[0])
    return model.fit(known, given.values).predict(X)


class TunedKernelRidge(RegressorMixin, BaseEstimator):
    """Ridge regression with the Gaussian kernel and penalty of least leave-one-out error."""

    def fit(self, X, y):
        """Fit to values (n,) or (n, k), in units of their standard deviation."""
        self.mean_, self.unit_ = np.mean(y, axis=0), np.std(y, axis=0)
        self.unit_ = np.where(self.unit_ > 0, self.unit_, 1)
        values = (y - self.mean_) / self.unit_
        squared = euclidean_distances(X, squared=True)
        median = np.median(squared[~np.eye(len(squared), dtype=bool)])
        self.error_ = np.inf
        for scale in SCALES:
            gamma = 1 / (2 * scale**2 * median)
            errors = leave_one_out(np.exp(-gamma * squared), values)
            best = int(np.argmin(errors))
            if errors[best] < self.error_:
                self.error_ = errors[best]
                self.model_ = KernelRidge(kernel="rbf", gamma=gamma, alpha=ALPHAS[best])
        self.model_.fit(X, values)
        return self

    def predict(self, X):
        """Predict values (n,) or (n, k)."""
        return self.mean_ + self.unit_ * self.model_.predict(X)


def leave_one_out(kernel, values):
    """Compute the mean absolute leave-one-out error of kernel ridge regression, by alpha."""
    powers, vectors = np.linalg.eigh(kernel)
    shrunk = 1 / (np.maximum(powers, 0)[:, None] + ALPHAS)
    left = vectors**2 @ shrunk
    errors = [
        np.mean(np.abs(vectors @ (shrunk * (vectors.T @ one)[:, None]) / left), axis=0)
        for one in values.reshape(len(values), -1).T
    ]
    return np.mean(errors, axis=0)


def kernel_ridge(given):
    """Predict by kernel ridge regression, on the features with the smallest error."""
    models = [(TunedKernelRidge().fit(known, given.values), X) for X, known in given.parts]
    model, X = min(models, key=lambda one: one[0].error_)
    return model.predict(X)


class TunedProcess(RegressorMixin, BaseEstimator):
    """Gaussian process whose kernel, a Gaussian one and noise, up to 200 values choose."""

    def fit(self, X, y):
        """Fit to values (n,), in units of their standard deviation."""
        self.mean_, self.unit_ = np.mean(y), np.std(y) or 1.0
        values, width = (y - self.mean_) / self.unit_, median_distance(X)
        kernel = ConstantKernel(1, (1e-2, 1e4)) * RBF(width, (1e-2 * width, 1e2 * width))
        self.model_ = GaussianProcessRegressor(kernel + WhiteKernel(0.01, (1e-8, 1e1)), alpha=1e-8)
        self.model_.fit(X[:N_FIRST], values[:N_FIRST])
        if len(X) > N_FIRST:
            kernel = self.model_.kernel_
            self.model_ = GaussianProcessRegressor(kernel, alpha=1e-8, optimizer=None)
            self.model_.fit(X, values)
        return self

    def predict(self, X):
        """Predict values (n,)."""
        return self.mean_ + self.unit_ * self.model_.predict(X)


def median_distance(X):
    """Compute the median distance between rows."""
    return np.sqrt(np.median(euclidean_distances(X, squared=True)))


def gaussian_process(given):
    """Predict by a Gaussian process with the kernel of largest marginal likelihood."""
    mean, unit = given.values.mean(), given.values.std() or 1.0
    values, found = (given.values - mean) / unit, []
    for X, known in given.parts:
        width = median_distance(known)
        bounds = (1e-2 * width, 1e2 * width)
        shapes = [RBF(width, bounds), Matern(width, bounds, nu=2.5)]
        if len(given.features) == 1:  # a scale for each column of a table
            shapes.append(RBF([width] * X.shape[1], bounds))
        for shape in shapes:
            kernel = ConstantKernel(1, (1e-2, 1e4)) * shape + WhiteKernel(0.01, (1e-8, 1e1))
            model = GaussianProcessRegressor(
                kernel, alpha=1e-8, n_restarts_optimizer=N_RESTARTS, random_state=given.seed
            ).fit(known[:N_FIRST], values[:N_FIRST])
            found.append((model.log_marginal_likelihood_value_, model, X, known))
    _, model, X, known = max(found, key=lambda one: one[0])
    if len(known) > N_FIRST:
        model = GaussianProcessRegressor(model.kernel_, alpha=1e-8).fit(known, values)
    return mean + unit * model.predict(X)


RIVALS = {
    "neighbors": nearest,
    "forest": forest,
    "boosting": boosting,
    "kernel_ridge": kernel_ridge,
    "gaussian_process": gaussian_process,
}
