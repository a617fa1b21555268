"""A labelling session on images: the features of the graph."""

import pickle

import numpy as np
import pandas as pd
import pytest
from sklearn.exceptions import NotFittedError
from sklearn.pipeline import make_pipeline
from torch import nn

from sklearn_wnll import WNLLClassifier

from .tiny import data, model

NEW = data(80)[0][60:]
ALL = {"n_stages": 2, "wnll_step__epochs": 2, "augment": None}  # all kinds of steps


def images(X):
    return X.reshape(-1, 1, 8, 8)


def small(in_channels):
    return nn.Sequential(nn.Conv2d(in_channels, 4, 3), nn.AdaptiveAvgPool2d(2), nn.Flatten())


def graph_of(net, Z, y):
    """The classifier with the parameters of the network's graph, fitted to features."""
    return WNLLClassifier(**net._predictor.wnll.get_params()).fit(Z, y)


@pytest.fixture(scope="module")
def dumped():
    """A training with all kinds of steps, of rows of which two in three have no label."""
    X, y = data(n_unlabeled=40)
    return pickle.dumps(model(**ALL).fit(X, y))


@pytest.fixture
def fitted(dumped):
    """A fitted estimator of each test's own."""
    return pickle.loads(dumped)


# Features


@pytest.mark.parametrize("params", [{}, ALL, {**ALL, "wnll__linear_weight": 0.5}])
def test_transform_gives_the_features_of_the_graph(params):
    X, y = data(n_unlabeled=40)
    net = model(**params).fit(X, y)
    predictor = net._predictor
    np.testing.assert_array_equal(net.transform(X[::-1]), predictor.Z[::-1])
    Z = net.transform(NEW)
    assert Z.dtype == np.float32
    assert Z.shape == (20, len(net.get_feature_names_out()))
    both = net.transform(np.concatenate([NEW, X[:3]]))
    np.testing.assert_array_equal(both, np.concatenate([Z, predictor.Z[:3]]))


@pytest.mark.parametrize("mode", ["transductive", "inductive"])
def test_a_classifier_on_the_features_predicts_as_the_network_does(fitted, mode):
    X, y = data(n_unlabeled=40)
    fitted.set_params(wnll__predict_mode=mode)
    graph = graph_of(fitted, fitted.transform(X), y).set_params(predict_mode=mode, query_size=None)
    np.testing.assert_array_equal(graph.label_distributions_, fitted.label_distributions_)
    # Only equal rows join in one place, whatever the order in which they come.
    expected = fitted.predict_proba(NEW)
    np.testing.assert_allclose(graph.predict_proba(fitted.transform(NEW)), expected, atol=1e-5)


def test_features_of_images_go_on_to_other_estimators():
    X, y = data()
    net = model(module=small, module_params=None, linear_step__epochs=1, augment=None)
    pipeline = make_pipeline(net, WNLLClassifier())
    assert pipeline.fit(images(X), y).predict(images(NEW)).shape == (20,)
    frame = pipeline[0].set_output(transform="pandas").transform(images(NEW))
    assert list(frame)[:2] == ["deepwnllclassifier0", "deepwnllclassifier1"]


def test_output_of_the_chosen_kind_stays_so_after_loading(fitted, tmp_path):
    fitted.save_weights(tmp_path / "net")
    other = model(**ALL).set_output(transform="pandas").load_weights(tmp_path / "net")
    assert isinstance(other.transform(NEW), pd.DataFrame)
    np.testing.assert_array_equal(other.transform(NEW), fitted.transform(NEW))


def test_there_are_no_features_before_a_fit():
    for call in (lambda net: net.transform(NEW), lambda net: net.get_feature_names_out()):
        with pytest.raises(NotFittedError):
            call(model())
