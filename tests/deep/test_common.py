"""scikit-learn's own checks for the deep estimator."""

import pytest
from sklearn.utils.estimator_checks import parametrize_with_checks

from sklearn_wnll import DeepWNLLClassifier, WNLLClassifier
from sklearn_wnll.deep import LinearStep, PseudoLabelStep, WNLLStep


def quick(**params):
    """An estimator whose training is short."""
    return DeepWNLLClassifier(
        linear_step=LinearStep(1),
        pseudo_step=PseudoLabelStep(2),
        wnll_step=WNLLStep(1, n_template_batches=2, n_query_batches=3),
    ).set_params(**params)


VARIANTS = [
    quick(linear_step__epochs=2),
    quick(n_stages=1, wnll_step__gradient="surrogate"),
    quick(n_stages=1, wnll=WNLLClassifier(predict_mode="inductive")),
]


# The checks fit a few rows, some of them not reached by labels, and use the labels -1 and 1.
@pytest.mark.filterwarnings("ignore::sklearn_wnll.exceptions.FewLabelsWarning")
@pytest.mark.filterwarnings("ignore::sklearn_wnll.exceptions.UnreachedPointsWarning")
@pytest.mark.filterwarnings("ignore::sklearn_wnll.exceptions.AmbiguousLabelsWarning")
@parametrize_with_checks(VARIANTS)
def test_scikit_learn_checks(estimator, check):
    check(estimator)
