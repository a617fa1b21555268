"""The fitted samples of a network in the plane."""

import numpy as np
import pytest
from sklearn.decomposition import PCA
from torch import nn

from sklearn_wnll import DeepWNLLClassifier
from sklearn_wnll.datasets import hide_labels
from sklearn_wnll.deep import LinearStep, WNLLStep
from sklearn_wnll.plotting import TransductionDisplay


def test_a_deep_estimator_is_drawn_without_edges(digits):
    X, y = (part[:300] for part in digits[:2])
    few = hide_labels(y, 5, random_state=0)
    images = X.reshape(-1, 1, 8, 8)
    model = DeepWNLLClassifier(
        nn.Flatten,
        n_stages=1,
        linear_step=LinearStep(1),
        wnll_step=WNLLStep(1),
        augment=None,
        random_state=0,
    ).fit(images, few)
    display = TransductionDisplay.from_estimator(model, images, few)
    np.testing.assert_allclose(display.embedding, PCA(2, random_state=0).fit_transform(X))
    assert display.axis_names == ["principal component 1", "principal component 2"]
    np.testing.assert_array_equal(model.classes_[display.codes], model.transduction_)
    with pytest.raises(ValueError, match="edges=True needs the attribute graph_, which DeepWNLL"):
        TransductionDisplay.from_estimator(model, images, edges=True)
