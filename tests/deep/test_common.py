"""scikit-learn's own checks for the deep estimator."""

import pytest
from sklearn.utils.estimator_checks import parametrize_with_checks

from sklearn_wnll import DeepWNLLClassifier

VARIANTS = [
    DeepWNLLClassifier(max_epochs=2, wnll_epochs=1, n_stages=2),
    DeepWNLLClassifier(max_epochs=1, wnll_epochs=1, n_stages=1, gradient="surrogate"),
    DeepWNLLClassifier(max_epochs=1, wnll_epochs=1, n_stages=1, predict_mode="inductive"),
]


# The checks fit a few rows, in parts that no label reaches, with labels -1 and 1.
@pytest.mark.filterwarnings("ignore::sklearn_wnll.exceptions.FewLabelsWarning")
@pytest.mark.filterwarnings("ignore::sklearn_wnll.exceptions.UnreachedPointsWarning")
@pytest.mark.filterwarnings("ignore::sklearn_wnll.exceptions.AmbiguousLabelsWarning")
@parametrize_with_checks(VARIANTS)
def test_scikit_learn_checks(estimator, check):
    check(estimator)
