"""Labels held out on the graph of a network's features."""

import warnings

import numpy as np
import pytest

from sklearn_wnll import WNLLClassifier
from sklearn_wnll.deep import WNLLHead
from sklearn_wnll.exceptions import MemorizedLabelsWarning, SingleLabelWarning

from .tiny import data, model

pytestmark = pytest.mark.filterwarnings("ignore::sklearn_wnll.exceptions.MemorizedLabelsWarning")


def test_what_is_held_out_is_that_of_the_graph_of_the_features():
    X, y = data(n_unlabeled=20)
    net = model(wnll=WNLLHead(5, held_out=4), pseudo_step=None).fit(X, y)
    wnll = net._predictor.wnll
    graph = WNLLClassifier(**wnll.get_params()).fit(net._predictor.Z, y)
    np.testing.assert_array_equal(net.held_out_distributions_, graph.held_out_distributions_)
    assert net.held_out_score_ == graph.held_out_score_
    assert np.isnan(net.held_out_distributions_[y < 0]).all()
    assert not hasattr(model(wnll=WNLLHead(5)).fit(X, y), "held_out_score_")


def test_calibration_changes_no_prediction_and_not_the_linear_head():
    X, y = data(n_unlabeled=20)
    plain, calibrated = (
        model(wnll=WNLLHead(5, calibrate=calibrate)).fit(X, y) for calibrate in (False, True)
    )
    new = X[:10] + 0.3
    assert plain.temperature_ == 1
    assert calibrated.temperature_ != 1
    np.testing.assert_array_equal(plain.predict(new), calibrated.predict(new))
    assert not np.array_equal(plain.predict_proba(new), calibrated.predict_proba(new))
    for net in (plain, calibrated):
        net.set_params(head="linear")
    np.testing.assert_array_equal(plain.predict_proba(new), calibrated.predict_proba(new))


def test_a_wrong_label_is_suspected_by_its_name():
    X, y = data()
    names = np.array(["nought", "one", "two"])[y]
    row = np.flatnonzero(y == 1)[3]
    names[row] = "two"
    net = model(wnll=WNLLHead(5)).fit(X, names)
    rows, proposals, strengths = net.suspect_labels(3, return_proposals=True)
    assert proposals[rows == row] == "one"
    assert (np.diff(strengths) <= 0).all()
    np.testing.assert_array_equal(net.suspect_labels(3), rows)


def test_weights_that_are_loaded_bring_what_was_held_out(tmp_path):
    X, y = data(n_unlabeled=20)
    net = model(wnll=WNLLHead(5, held_out=3, calibrate=True)).fit(X, y)
    net.save_weights(tmp_path / "net")
    loaded = model(wnll=WNLLHead(5, held_out=3, calibrate=True)).load_weights(tmp_path / "net")
    assert (loaded.temperature_, loaded.held_out_score_) == (net.temperature_, net.held_out_score_)
    np.testing.assert_array_equal(loaded.held_out_distributions_, net.held_out_distributions_)
    np.testing.assert_array_equal(loaded.predict_proba(X + 0.3), net.predict_proba(X + 0.3))
    other = model(wnll=WNLLHead(5, held_out=3))
    with pytest.raises(ValueError, match=r"calibrate=True, but this estimator has .*False"):
        other.load_weights(tmp_path / "net")


def test_a_finished_training_needs_no_other_for_what_is_held_out(tmp_path):
    X, y = data(n_unlabeled=20)
    first = model(wnll=WNLLHead(5), checkpoint_dir=tmp_path).fit(X, y)
    asked = model(wnll=WNLLHead(5, held_out=3, calibrate=True), checkpoint_dir=tmp_path).fit(X, y)
    assert asked.history_ == first.history_
    assert asked.temperature_ != first.temperature_


def test_of_a_class_with_one_label_is_warned_once_for_all_epochs():
    X, y = data(n_unlabeled=20)
    y[np.flatnonzero(y == 2)[1:]] = -1
    with pytest.warns(SingleLabelWarning, match="only ones of their class: 1") as said:
        model(wnll=WNLLHead(5, held_out=3), n_stages=2, validation=0.2).fit(X, y)
    assert len(said) == 1
    assert said[0].filename == __file__


def test_a_network_that_has_learned_its_labels_is_warned_of_once_and_only_if_it_matters():
    X, y = data(n_unlabeled=20)
    long = {"linear_step__epochs": 40, "linear_step__lr_halving_epochs": 20}
    with pytest.warns(MemorizedLabelsWarning, match="has learned 100% of them") as caught:
        model(wnll=WNLLHead(5, held_out=3), **long).fit(X, y)
    assert len(caught) == 1
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model(wnll=WNLLHead(5), **long).fit(X, y)
        model(wnll=WNLLHead(5, held_out=3), linear_step__epochs=0).fit(X, y)
