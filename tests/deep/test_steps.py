"""Steps in slots where they cannot work, and losses from which nothing can be learned."""

import math

import pytest

from sklearn_wnll.deep import LinearStep, PseudoLabelStep, WNLLStep

from .tiny import data, model


def never(in_features):
    raise AssertionError("The steps are to be checked before a network is made.")


@pytest.mark.parametrize("name", ["linear_step", "wnll_step"])
@pytest.mark.parametrize(
    "params",
    [{"n_stages": 2}, {"n_stages": 1, "unlabeled": 2}, {"n_stages": 2, "unlabeled": 2,
                                                      "pseudo_step__epochs": 0}],
    ids=["no sample is unlabelled", "one stage", "no pseudo-label step"],
)  # fmt: skip
def test_a_step_for_unlabelled_samples_is_refused_where_there_are_none(name, params):
    fitted = model(module=never, **{name: PseudoLabelStep(2)}, **params)
    with pytest.raises(ValueError, match=rf"{name} is a PseudoLabelStep, .* Pass it as"):
        fitted.fit(*data())


def test_a_pseudo_label_step_may_take_any_place_if_samples_are_unlabelled():
    fitted = model(
        n_stages=2,
        linear_step=PseudoLabelStep(1, batch_size=20),
        wnll_step=PseudoLabelStep(1, batch_size=20),
        pseudo_step__epochs=1,
    ).fit(*data(n_unlabeled=20))
    assert [row["step"] for row in fitted.history_] == 4 * ["pseudo"]


def test_any_other_step_may_take_any_place():
    fitted = model(
        n_stages=2,
        linear_step=WNLLStep(1, n_neighbors=5),
        pseudo_step=WNLLStep(1, n_neighbors=5),
        wnll_step=LinearStep(1),
    ).fit(*data(n_unlabeled=20))
    assert [row["step"] for row in fitted.history_] == ["wnll", "linear", "wnll", "linear"]


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"linear_step": 3}, "'linear_step' parameter .* a TrainingStep, such as .* Got 3 instead"),
        ({"wnll_step": WNLLStep}, "Got the class WNLLStep instead"),
        ({"pseudo_step": "linear"}, "Got 'linear' instead"),
        ({"wnll": LinearStep()}, "a WNLLHead or a WNLLClassifier, or None"),
    ],
)
def test_a_message_names_what_a_user_can_import(params, message):
    with pytest.raises(ValueError, match=message) as caught:
        model().set_params(**params).fit(*data())
    assert "._" not in str(caught.value)


class Loss(LinearStep):
    """A step with a given loss in one batch of each epoch, from the second epoch on."""

    def __init__(self, epochs=3, lr=0.1, batch_size=20, value=math.nan, detached=False):
        super().__init__(epochs, lr=lr, batch_size=batch_size)
        self.value, self.detached = value, detached

    def loss(self, net, batch):
        loss, logits = super().loss(net, batch)
        if len(net.history) == 2:
            loss = 0 * loss + self.value if self.detached else loss * self.value
        return loss, logits


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("detached", [False, True])
def test_a_loss_that_is_no_number_ends_the_training(value, detached, tmp_path):
    # With a loss without a gradient, the weights do not change, and nothing else would show it.
    step = Loss(value=value, detached=detached)
    fitted = model(checkpoint_dir=tmp_path, linear_step=step)
    message = rf"loss is {value} in epoch 2 of the linear step: .*diverged.*linear_step__lr"
    with pytest.raises(ValueError, match=message):
        fitted.fit(*data())
    assert not hasattr(fitted, "history_")


@pytest.mark.parametrize("step", ["wnll", "pseudo"])
def test_a_step_whose_loss_diverges_says_so(step):
    if step == "wnll":
        params = {"wnll_step__epochs": 3, "wnll_step__lr": 1e30}
    else:
        params = {"n_stages": 2, "pseudo_step__lr": 1e30, "linear_step__epochs": 0}
    with pytest.raises(ValueError, match=r"diverged|NaN or infinity"):
        model(**params).fit(*data(n_unlabeled=20))
