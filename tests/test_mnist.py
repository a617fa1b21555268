"""The method on real data, compared with known results."""

import numpy as np
import pytest

from sklearn_wnll import WNLLClassifier
from sklearn_wnll.datasets import hide_labels

TRAIN, TEST = slice(0, 60_000), slice(60_000, None)


def test_first_hundred_labelled(mnist):
    X, y = mnist
    model = WNLLClassifier(neighbors="exact").fit(X[:100], y[:100])
    assert model.score(X[TEST], y[TEST]) >= 0.83
    # The unlabelled images are where the accuracy comes from.
    assert model.set_params(predict_mode="inductive").score(X[TEST], y[TEST]) < 0.65


@pytest.mark.slow
def test_all_training_images_labelled(mnist):
    X, y = mnist
    model = WNLLClassifier(neighbors="exact").fit(X[TRAIN], y[TRAIN])
    assert model.score(X[TEST], y[TEST]) >= 0.974


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::sklearn_wnll.exceptions.FewLabelsWarning")
def test_ten_labels_per_class(mnist):
    X, y = mnist
    X, accuracy = X.astype(np.float32), []
    for seed in range(5):
        few = hide_labels(y, 10, random_state=seed)
        model = WNLLClassifier(random_state=0).fit(X, few)
        accuracy.append((model.transduction_ == y)[few == -1].mean())
    # Over 20 draws of labels the mean is 0.932 and the standard deviation 0.010.
    assert np.mean(accuracy) >= 0.932 - 2 * 0.010 / np.sqrt(5)
