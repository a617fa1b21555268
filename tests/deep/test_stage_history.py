"""The training of a network: the drawing shows the recorded numbers."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from matplotlib.colors import to_rgb
from skorch.callbacks import Callback

from sklearn_wnll import DeepWNLLClassifier, WNLLClassifier
from sklearn_wnll.datasets import hide_labels
from sklearn_wnll.deep import LinearStep, PseudoLabelStep, WNLLStep
from sklearn_wnll.plotting import StageHistoryDisplay


def legend_names(legend):
    return [text.get_text() for text in legend.get_texts()]


def epoch(stage, step, loss, **more):
    return {"stage": stage, "step": step, "epoch": 1, "train_loss": loss, "lr": 0.1, **more}


@pytest.fixture
def history():
    """Two stages, four steps in all; the linear and the WNLL ones recorded accuracies."""
    return [
        epoch(1, "linear", 2.0, linear_acc=0.5),
        epoch(1, "linear", 1.0, linear_acc=0.6, wnll_acc=0.7),
        epoch(1, "wnll", 0.5, linear_acc=0.6, wnll_acc=0.8),
        epoch(2, "pseudo", 1.5, pseudo_weight=0.4),
        epoch(2, "pseudo", 1.2, pseudo_weight=0.5),
        epoch(2, "wnll", 0.4, linear_acc=0.8, wnll_acc=0.9),
    ]


def test_each_step_has_a_line_of_its_losses(history):
    display = StageHistoryDisplay(history).plot()
    xy = [line.get_xydata().tolist() for line in display.loss_lines_]
    assert xy == [[[1, 2.0], [2, 1.0]], [[3, 0.5]], [[4, 1.5], [5, 1.2]], [[6, 0.4]]]
    assert legend_names(display.legend_) == ["linear step", "WNLL step", "pseudo-label step"]
    colors = [line.get_color() for line in display.loss_lines_]
    assert colors[1] == colors[3]
    assert len(set(colors)) == 3
    assert len({line.get_marker() for line in display.loss_lines_}) == 3
    assert display.ax_.get_yscale() == "log"


def test_steps_are_shaded_and_stages_named(history):
    display = StageHistoryDisplay(history).plot()
    for ax in (display.ax_, display.score_ax_):
        to_data = ax.transData.inverted()
        spans = [to_data.transform_bbox(p.get_window_extent()).intervalx for p in ax.patches]
        np.testing.assert_allclose(spans, [(0.5, 2.5), (2.5, 3.5), (3.5, 5.5), (5.5, 6.5)])
    assert [patch.get_facecolor()[:3] for patch in display.ax_.patches] == [
        to_rgb(line.get_color()) for line in display.loss_lines_
    ]
    (top,) = display.ax_.child_axes
    ticks = dict(zip(top.get_xticks(), top.get_xticklabels(), strict=True))
    assert {place: text.get_text() for place, text in ticks.items()} == {2: "stage 1", 5: "stage 2"}


def test_recorded_accuracies_are_drawn(history):
    display = StageHistoryDisplay(history).plot()
    assert list(display.score_lines_) == ["linear_acc", "wnll_acc"]
    line = display.score_lines_["wnll_acc"]
    np.testing.assert_array_equal(line.get_ydata(), [np.nan, 0.7, 0.8, np.nan, np.nan, 0.9])
    np.testing.assert_array_equal(line.get_xdata(), range(1, 7))
    assert line in display.score_ax_.lines
    other = display.score_lines_["linear_acc"]
    for look in ("get_color", "get_marker", "get_linestyle"):
        assert getattr(line, look)() != getattr(other, look)()
    assert display.score_ax_ is not display.ax_
    assert (display.ax_.get_xlabel(), display.score_ax_.get_xlabel()) == ("", "epoch")
    assert display.score_ax_.yaxis.get_major_formatter()(0.5) == "50 %"


def test_any_recorded_column_may_be_asked_for(history):
    display = StageHistoryDisplay(history, columns=["pseudo_weight"]).plot()
    assert list(display.score_lines_) == ["pseudo_weight"]
    assert display.score_ax_.get_ylabel() == "recorded value"
    assert StageHistoryDisplay(history, columns=[]).plot().score_ax_ is None
    with pytest.raises(ValueError, match=r"columns holds 'f1', which .* linear_acc, lr,"):
        StageHistoryDisplay(history, columns=["f1"]).plot()


def test_without_accuracies_there_is_the_loss_alone():
    display = StageHistoryDisplay([epoch(1, "linear", 1.0), epoch(1, "linear", 0.0)]).plot()
    assert display.score_ax_ is None
    assert display.score_lines_ == {}
    assert display.figure_.axes == [display.ax_]
    assert display.ax_.get_yscale() == "linear"  # no logarithm of 0
    assert display.ax_.get_xlabel() == "epoch"


def test_a_history_is_drawn_in_one_or_two_given_axes(history):
    figure, axes = plt.subplots(1, 3)
    display = StageHistoryDisplay(history)
    assert display.plot(axes[0]) is display
    assert (display.ax_, display.score_ax_, display.figure_) == (axes[0], None, figure)
    assert display.score_lines_ == {}
    display.plot(axes[1:])
    assert (display.ax_, display.score_ax_) == tuple(axes[1:])
    assert [ax.get_xlabel() for ax in axes] == ["epoch"] * 3
    assert plt.get_fignums() == [figure.number]
    with pytest.raises(ValueError, match="ax must be one or two Axes, got 3"):
        display.plot(axes)


def test_an_empty_history_is_refused():
    with pytest.raises(ValueError, match="history is empty"):
        StageHistoryDisplay([])


def test_an_estimator_without_history_is_refused(moons):
    with pytest.raises(ValueError, match="WNLLClassifier has no history_"):
        StageHistoryDisplay.from_estimator(WNLLClassifier().fit(moons[0], moons[2]))


class RecordsAccuracy(Callback):
    """Records the accuracy of the linear head."""

    def __init__(self, X, y):
        self.X, self.y = X, y

    def on_epoch_end(self, net, **kwargs):
        with torch.no_grad():
            logits = net.module_.eval()(net.context.prepare(torch.tensor(self.X)))
        net.history.record("linear_acc", np.mean(logits.argmax(dim=1).numpy() == self.y))


def test_what_a_callback_records_is_drawn(digits):
    X, y = (part[:300] for part in digits[:2])
    X = X.astype(np.float32)
    model = DeepWNLLClassifier(
        linear_step=LinearStep(3),
        pseudo_step=PseudoLabelStep(2),
        wnll_step=WNLLStep(1),
        callbacks=[RecordsAccuracy(X, y)],
        random_state=0,
    ).fit(X, hide_labels(y, 5, random_state=0))
    display = StageHistoryDisplay.from_estimator(model)
    assert [len(line.get_xdata()) for line in display.loss_lines_] == [3, 1, 2, 1]
    losses = np.concatenate([line.get_ydata() for line in display.loss_lines_])
    np.testing.assert_array_equal(losses, [row["train_loss"] for row in model.history_])
    accuracy = display.score_lines_["linear_acc"].get_ydata()
    assert accuracy[-1] == model.set_params(head="linear").score(X, y) > 0.3
