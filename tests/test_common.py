"""scikit-learn's own checks, for the default estimator and for variants."""

import pytest
from sklearn.linear_model import Ridge
from sklearn.neighbors import KNeighborsTransformer
from sklearn.utils.estimator_checks import parametrize_with_checks

from sklearn_wnll import WNLLClassifier, WNLLRegressor

VARIANTS = [
    WNLLClassifier(),
    WNLLClassifier(predict_mode="inductive"),
    WNLLClassifier(label_weight="laplace"),
    WNLLClassifier(label_weight="poisson", class_prior="labeled"),
    WNLLClassifier(neighbors=KNeighborsTransformer(n_neighbors=15)),
    WNLLClassifier(metric="cosine"),
    WNLLClassifier(metric="manhattan"),
    WNLLClassifier(metric="canberra"),
    WNLLClassifier(metric="precomputed"),
    WNLLRegressor(),
    WNLLRegressor(predict_mode="inductive", held_out=5),
    WNLLRegressor(label_weight="poisson"),
    WNLLRegressor(metric="precomputed"),
    WNLLRegressor(estimator=Ridge()),
]
# For sparse rows, these search with pynndescent, which compiles.
APPROXIMATE = [
    WNLLClassifier(neighbors="approximate"),
    WNLLClassifier(neighbors="approximate", predict_mode="inductive"),
]
# The checks fit a few rows, some of them not reached by labels, and use the labels -1 and 1.
pytestmark = [
    pytest.mark.filterwarnings("ignore::sklearn_wnll.exceptions.FewLabelsWarning"),
    pytest.mark.filterwarnings("ignore::sklearn_wnll.exceptions.UnreachedPointsWarning"),
    pytest.mark.filterwarnings("ignore::sklearn_wnll.exceptions.AmbiguousLabelsWarning"),
]


@parametrize_with_checks(VARIANTS)
def test_scikit_learn_checks(estimator, check):
    check(estimator)


@pytest.mark.slow
@parametrize_with_checks(APPROXIMATE)
def test_scikit_learn_checks_with_the_approximate_search(estimator, check):
    check(estimator)
