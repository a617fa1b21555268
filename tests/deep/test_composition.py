"""The estimator consists of steps and a graph, which can be reached, replaced and added to."""

import joblib
import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.model_selection import GridSearchCV, PredefinedSplit
from skorch.callbacks import Callback
from torch import nn
from torch.nn.functional import cross_entropy, mse_loss
from torch.utils.data import DataLoader

from sklearn_wnll import DeepWNLLClassifier, WNLLClassifier
from sklearn_wnll.datasets import hide_labels
from sklearn_wnll.deep import LinearStep, PseudoLabelStep, TrainingStep, WNLLHead, WNLLStep
from sklearn_wnll.exceptions import TrainingInterruptedWarning


def narrow(in_features, width=4):
    return nn.Sequential(nn.Linear(in_features, width), nn.ReLU())


def quick(**params):
    """An estimator with a short training of two stages."""
    return DeepWNLLClassifier(
        linear_step=LinearStep(2),
        pseudo_step=PseudoLabelStep(2),
        wnll_step=WNLLStep(1, n_template_batches=1, n_query_batches=2),
        random_state=0,
    ).set_params(**params)


@pytest.fixture(scope="module")
def digits():
    """200 digits with 5 labels per class, their classes, and 100 other digits."""
    X, y = load_digits(return_X_y=True)
    return X[:200], hide_labels(y[:200], 5, random_state=0), y[:200], X[200:300]


def weights(model):
    return torch.cat([part.flatten() for part in model.network_.state_dict().values()])


def numbers(history):
    """The history without its times."""
    return [{key: value for key, value in row.items() if key != "dur"} for row in history]


# --- parameters -----------------------------------------------------------------------

NESTED = {
    "linear_step__epochs": 1,
    "pseudo_step__lr": 0.07,
    "wnll_step__n_neighbors": 9,
    "wnll__n_neighbors": 11,
    "module__width": 5,
    "module_params__width": 6,
}


def value(model, name):
    """The value of a nested parameter, by its attributes."""
    outer, _, inner = name.partition("__")
    if outer.startswith("module"):
        return model.module_params[inner]
    return getattr(getattr(model, outer), inner)


def test_there_are_at_most_22_parameters():
    assert len(DeepWNLLClassifier().get_params(deep=False)) <= 22


def test_defaults_are_the_default_objects_bit_for_bit(digits):
    X, few, _, new = digits
    implicit = DeepWNLLClassifier(narrow, random_state=0).fit(X, few)
    explicit = DeepWNLLClassifier(
        narrow,
        linear_step=LinearStep(),
        pseudo_step=PseudoLabelStep(),
        wnll_step=WNLLStep(),
        wnll=WNLLHead(),
        random_state=0,
    ).fit(X, few)
    assert numbers(implicit.history_) == numbers(explicit.history_)
    assert torch.equal(weights(implicit), weights(explicit))
    np.testing.assert_array_equal(implicit.predict_proba(new), explicit.predict_proba(new))


@pytest.mark.parametrize("unlabeled", [True, False])
def test_what_is_automatic_depends_on_the_pseudo_label_step(digits, unlabeled):
    X, few, y, new = digits
    automatic = quick().fit(X, few if unlabeled else y)
    graph = {"n_neighbors": 30, "metric": "cosine"} if unlabeled else {}
    graph |= {"label_weight": "wnll", "scale_neighbor": 8}
    classifier = WNLLClassifier(**graph, template_size=5000, query_size=1000)
    given = quick(wnll=classifier).fit(X, few if unlabeled else y)
    np.testing.assert_array_equal(automatic.predict_proba(new), given.predict_proba(new))


def test_setting_what_makes_no_difference_makes_none(digits):
    X, _, y, new = digits
    plain = quick().fit(X, y).predict_proba(new)
    touched = quick().set_params(wnll__query_size=500).set_params(wnll__tol=1e-6).fit(X, y)
    np.testing.assert_array_equal(touched.predict_proba(new), plain)


@pytest.mark.parametrize("name", NESTED)
@pytest.mark.parametrize("given", [False, True], ids=["None", "given"])
def test_double_underscores_reach_inside(name, given):
    objects = {
        "linear_step": LinearStep(),
        "pseudo_step": PseudoLabelStep(labels="linear"),
        "wnll_step": WNLLStep(),
        "wnll": WNLLClassifier(),
        "module_params": {"depth": 3},
    }
    model = DeepWNLLClassifier(**objects) if given else DeepWNLLClassifier()
    for changed in (model.set_params(**{name: NESTED[name]}), clone(model)):
        assert value(changed, name) == NESTED[name]
        listed = changed.get_params(deep=True)
        assert listed[name.replace("module_params__", "module__")] == NESTED[name]
    assert objects["module_params"] == {"depth": 3}
    if given:
        assert model.module_params["depth"] == 3
        assert model.pseudo_step.labels == "linear"


def test_all_nested_parameters_are_listed():
    listed = DeepWNLLClassifier(module_params={"width": 3}).get_params(deep=True)
    for name, part in {
        "linear_step": LinearStep(),
        "pseudo_step": PseudoLabelStep(),
        "wnll_step": WNLLStep(),
        "wnll": WNLLHead(),
    }.items():
        for key, default in part.get_params().items():
            assert listed[f"{name}__{key}"] == default
    assert listed["module__width"] == 3


def test_setting_what_was_listed_changes_nothing(digits):
    X, _, y, new = digits
    model = quick()
    again = clone(model).set_params(**model.get_params(deep=True))
    np.testing.assert_array_equal(
        again.fit(X, y).predict_proba(new), model.fit(X, y).predict_proba(new)
    )


def test_short_lists_of_neighbors_need_no_other_parameter(digits):
    X, few, _, new = digits
    model = quick().set_params(wnll__n_neighbors=15).set_params(wnll__n_neighbors=5)
    assert model.fit(X, few).predict(new).shape == (100,)


def test_a_grid_reaches_inside(digits):
    X, _, y, _ = digits
    for name, best in NESTED.items():
        model = quick(module=narrow, n_stages=1, linear_step__epochs=1)
        split = PredefinedSplit(np.where(np.arange(200) < 150, -1, 0))
        search = GridSearchCV(model, {name: [best]}, cv=split).fit(X, y)
        assert search.best_params_ == {name: best}
        assert np.isfinite(search.best_score_)
        assert value(search.best_estimator_, name) == best
        if name.startswith("module"):
            assert search.best_estimator_.network_.backbone[0].out_features == best
        assert not hasattr(search.estimator, "network_")


def test_a_nested_parameter_is_that_of_the_training(digits):
    X, few, _, _ = digits
    model = quick(module=narrow, module__width=7, linear_step__epochs=3, pseudo_step__lr=0.07)
    model.set_params(linear_step__lr_halving_epochs=None, linear_step__batch_size=32)
    model.set_params(linear_step__lr=0.03).fit(X, few)
    rates = {(row["step"], row["epoch"]): row["lr"] for row in model.history_}
    assert rates["linear", 3] == 0.03
    assert rates["pseudo", 1] == 0.07
    assert model.network_.linear.in_features == 7


@pytest.mark.parametrize(
    "name", ["lr", "wnll__epochs", "pseudo_step__max_epochs", "nonsense__lr", "linear_step__a__b"]
)
@pytest.mark.parametrize("given", [False, True], ids=["None", "given"])
def test_an_unknown_name_is_refused(name, given):
    model = quick(wnll=WNLLClassifier()) if given else DeepWNLLClassifier()
    with pytest.raises(ValueError, match="Invalid parameter"):
        model.set_params(**{name: 1})


def test_an_unknown_argument_of_the_module_is_refused_by_fit(digits):
    model = quick(module=narrow, module__breadth=3)
    with pytest.raises(ValueError, match=r"module cannot be made .*'breadth'.* module_params"):
        model.fit(digits[0], digits[2])


# --- the graph ------------------------------------------------------------------------


@pytest.mark.parametrize("labels", ["wnll", "linear"])
def test_neighbors_of_the_graph_count_where_samples_are_unlabelled(digits, labels):
    X, few, _, new = digits
    model = quick(pseudo_step__labels=labels, wnll_step__epochs=0)
    few_neighbors, many_neighbors = (
        model.set_params(wnll__n_neighbors=n).fit(X, few).predict_proba(new) for n in (15, 40)
    )
    assert np.abs(few_neighbors - many_neighbors).max() > 0.01


@pytest.mark.parametrize(
    ("wnll", "message"),
    [
        (WNLLClassifier(class_prior="labeled"), "class_prior='labeled', .* Pass class_prior to"),
        (WNLLClassifier(class_prior=[0.5, 0.5]), "class_prior=.* Pass class_prior to Deep"),
        (WNLLClassifier(unlabeled=7), "unlabeled=7, which would be ignored. Pass unlabeled to"),
        (WNLLClassifier(unlabeled=None), "unlabeled=None, .* Pass unlabeled to DeepWNLL"),
        (WNLLClassifier(metric="precomputed"), "metric='precomputed', .* Pass another metric"),
    ],
)
def test_what_is_the_estimators_own_is_refused_in_the_graph(digits, wnll, message):
    with pytest.raises(ValueError, match=f"wnll has {message}"):
        quick(wnll=wnll).fit(digits[0], digits[1])


def test_what_is_given_is_neither_changed_nor_fitted(digits):
    given = {
        "module": narrow(64),
        "buffer": nn.Linear(4, 3),
        "linear_step": LinearStep(1),
        "pseudo_step": PseudoLabelStep(1),
        "wnll_step": WNLLStep(1),
        "wnll": WNLLClassifier(10, n_jobs=1),
    }
    model = DeepWNLLClassifier(**given, verbose=1, random_state=0)
    before = {name: joblib.hash(part) for name, part in given.items()}
    model.fit(digits[0], digits[1]).predict(digits[3])
    assert {name: joblib.hash(part) for name, part in given.items()} == before
    assert model.get_params(deep=False).items() >= given.items()
    for name in ("linear_step", "pseudo_step", "wnll_step", "wnll"):
        assert vars(given[name]) == given[name].get_params()


# --- invalid parameters ---------------------------------------------------------------


def never(in_features):
    raise AssertionError("The parameters are to be checked before a network is made.")


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"linear_step__lr": 0}, "'lr' parameter of LinearStep must be"),
        ({"linear_step__lr_halving_epochs": 0}, "'lr_halving_epochs' parameter of LinearStep"),
        ({"pseudo_step__batch_size": 1}, "'batch_size' parameter of PseudoLabelStep"),
        ({"pseudo_step__epochs": -1}, "'epochs' parameter of PseudoLabelStep"),
        ({"wnll_step__template_fraction": 1.5}, "'template_fraction' parameter of WNLLStep"),
        ({"wnll_step__momentum": 1}, "'momentum' parameter of WNLLStep"),
        ({"wnll__n_neighbors": 0}, "'n_neighbors' parameter of WNLLHead"),
        ({"wnll__scale_neighbor": 50}, "In wnll, scale_neighbor=50 is not in 1 to n_neighbors=30"),
        ({"wnll_step__scale_neighbor": 20}, "In wnll_step, scale_neighbor=20 is not in 1 to"),
        ({"linear_step": "linear"}, "'linear_step' parameter of DeepWNLLClassifier must be"),
        ({"linear_step": LinearStep}, "'linear_step' parameter of DeepWNLLClassifier must be"),
        ({"wnll": LinearStep()}, "'wnll' parameter of DeepWNLLClassifier must be"),
        ({"module_params": 3}, "'module_params' parameter of DeepWNLLClassifier must be"),
    ],
)
def test_invalid_parameters_are_named_before_the_training(digits, params, message):
    model = DeepWNLLClassifier(never, **{k: v for k, v in params.items() if "__" not in k})
    model.set_params(**params)
    with pytest.raises(ValueError, match=message):
        model.fit(digits[0], digits[1])


# --- steps ----------------------------------------------------------------------------


def test_rates_fall_where_a_plan_repeats_a_step(digits):
    X, few, y, _ = digits
    model = DeepWNLLClassifier(
        n_stages=3,
        linear_step=LinearStep(1, lr=0.04, batch_size=50, stage_lr_factor=0.5),
        pseudo_step=PseudoLabelStep(1, lr=0.03, stage_lr_factor=0.1),
        wnll_step=WNLLStep(1, lr=0.01, n_query_batches=2, stage_lr_factor=0.3),
        random_state=0,
    )

    def rates(y):
        history = model.fit(X, y).history_
        return [(row["stage"], row["step"], pytest.approx(row["lr"])) for row in history]

    wnll = [(1, "wnll", 0.01), (2, "wnll", 0.01 * 0.3), (3, "wnll", 0.01 * 0.3**2)]
    linear = [(1, "linear", 0.04), (2, "linear", 0.04 * 0.5), (3, "linear", 0.04 * 0.5**2)]
    pseudo = [linear[0], (2, "pseudo", 0.03), (3, "pseudo", 0.03 * 0.1)]
    assert rates(y) == [step for stage in zip(linear, wnll, strict=True) for step in stage]
    assert rates(few) == [step for stage in zip(pseudo, wnll, strict=True) for step in stage]


class ConsistencyStep(TrainingStep):
    """Two augmented views of a sample, labelled or not, should have the same distribution."""

    name = "consistency"

    def __init__(self, epochs=2, lr=0.02, batch_size=50, stage_lr_factor=0.5):
        self.epochs, self.lr, self.batch_size = epochs, lr, batch_size
        self.stage_lr_factor = stage_lr_factor

    def batches(self, context):
        return DataLoader(context.samples, self.batch_size, shuffle=True)

    def loss(self, net, batch):
        X, codes = batch
        net.module_.train()
        one, other = (net.module_(net.inputs(X)) for _ in range(2))
        loss = mse_loss(one.softmax(dim=1), other.softmax(dim=1))
        labeled = codes >= 0
        if labeled.any():
            loss = loss + cross_entropy(one[labeled], codes[labeled])
        return loss, one


def with_noise(batch):
    return batch + 0.1 * torch.randn_like(batch)


def consistent(**params):
    return quick(
        n_stages=3, pseudo_step=ConsistencyStep(), augment=with_noise, wnll_step__epochs=0
    ).set_params(**params)


def test_a_step_of_ones_own_trains(digits):
    X, few, _, _ = digits
    seen = []
    model = consistent(callbacks=[CountRows(seen)]).fit(X, few)
    steps = [(row["stage"], row["step"], row["epoch"], row["lr"]) for row in model.history_]
    assert steps[2:] == [
        (2, "consistency", 1, 0.02), (2, "consistency", 2, 0.02),
        (3, "consistency", 1, 0.01), (3, "consistency", 2, 0.01),
    ]  # fmt: skip
    losses = [row["train_loss"] for row in model.history_ if row["step"] == "consistency"]
    assert losses[-1] < losses[0]
    assert seen[2:] == 4 * [200]  # labelled and unlabelled ones
    other = clone(model).set_params(pseudo_step__lr=1e-6).fit(X, few)
    assert not torch.equal(weights(other), weights(model))


class CountRows(Callback):
    """Count the samples of each epoch."""

    def __init__(self, seen):
        self.seen = seen

    def __deepcopy__(self, memo):
        return CountRows(self.seen)

    def on_epoch_begin(self, net, **kwargs):
        self.seen.append(0)

    def on_batch_begin(self, net, batch, training, **kwargs):
        self.seen[-1] += len(batch[0])


class InterruptStep(Callback):
    """Press Ctrl-C in the second epoch of a step."""

    def __init__(self, name):
        self.name = name

    def on_epoch_begin(self, net, **kwargs):
        if net.step.name == self.name and len(net.history) == 2:
            raise KeyboardInterrupt


def test_a_step_of_ones_own_resumes_from_a_checkpoint(digits, tmp_path):
    X, few, _, new = digits
    unbroken = consistent().fit(X, few)
    cut = consistent(checkpoint_dir=tmp_path, callbacks=[InterruptStep("consistency")])
    with pytest.warns(TrainingInterruptedWarning, match="after 3 whole epochs"):
        cut.fit(X, few)
    whole = consistent(checkpoint_dir=tmp_path).fit(X, few)
    assert numbers(whole.history_) == numbers(unbroken.history_)
    assert torch.equal(weights(whole), weights(unbroken))
    np.testing.assert_array_equal(whole.predict_proba(new), unbroken.predict_proba(new))
    for change in ({"pseudo_step__batch_size": 40}, {"pseudo_step": PseudoLabelStep(2)}):
        with pytest.raises(ValueError, match=r"differs in .*pseudo_step"):
            consistent(checkpoint_dir=tmp_path, **change).fit(X, few)


@pytest.mark.parametrize("missing", ["batches", "loss"])
def test_a_step_without_a_needed_method_says_which(digits, missing):
    methods = {"batches": ConsistencyStep.batches, "loss": ConsistencyStep.loss}
    del methods[missing]

    class Unfinished(TrainingStep):
        name = "unfinished"

        def __init__(self, epochs=1, lr=0.1, batch_size=50):
            self.epochs, self.lr, self.batch_size = epochs, lr, batch_size

    for name, method in methods.items():
        setattr(Unfinished, name, method)
    with pytest.raises(NotImplementedError, match=rf"Unfinished needs a method {missing}\("):
        quick(linear_step=Unfinished()).fit(digits[0], digits[2])


@pytest.mark.parametrize("missing", ["name", "epochs", "lr"])
def test_a_step_that_lacks_what_it_needs_is_refused_before_the_training(digits, missing):
    class Lacking(TrainingStep):
        def __init__(self):
            pass

    for attribute, value in {"name": "lacking", "epochs": 1, "lr": 0.1}.items():
        if attribute != missing:
            setattr(Lacking, attribute, value)
    with pytest.raises(ValueError, match=rf"linear_step=Lacking\(\) has no {missing}\."):
        quick(linear_step=Lacking()).fit(digits[0], digits[2])


def test_batches_for_one_epoch_alone_are_refused(digits):
    class Once(ConsistencyStep):
        def batches(self, context):
            return iter(super().batches(context))

    with pytest.raises(ValueError, match=r"Once\.batches returned an iterator"):
        quick(linear_step=Once()).fit(digits[0], digits[2])


def test_one_object_in_two_places_is_two_steps(digits):
    X, _, y, _ = digits
    step = LinearStep(1, lr_halving_epochs=None, batch_size=50)
    model = quick(linear_step=step, wnll_step=step).fit(X, y)
    assert [row["lr"] for row in model.history_] == pytest.approx([0.05, 0.05, 0.01, 0.01])
    assert numbers(clone(model).fit(X, y).history_) == numbers(model.history_)


class EndEarly(Callback):
    """End the linear step after two epochs, as EarlyStopping does."""

    def on_epoch_end(self, net, **kwargs):
        if net.step.name == "linear" and len(net.history) == 2:
            raise KeyboardInterrupt


class FailInStep(Callback):
    """Fail at the start of the step with a name."""

    def __init__(self, name):
        self.name = name

    def on_epoch_begin(self, net, **kwargs):
        if net.step.name == self.name:
            raise RuntimeError("the machine stops")


def test_a_step_after_one_that_ended_early_begins_anew_when_resumed(digits, tmp_path):
    X, _, y, _ = digits
    params = {"n_stages": 1, "linear_step__epochs": 5}
    unbroken = quick(callbacks=[EndEarly()], **params).fit(X, y)
    cut = quick(callbacks=[EndEarly(), FailInStep("wnll")], checkpoint_dir=tmp_path, **params)
    with pytest.raises(RuntimeError, match="the machine stops"):
        cut.fit(X, y)
    whole = quick(callbacks=[EndEarly()], checkpoint_dir=tmp_path, **params).fit(X, y)
    assert numbers(whole.history_) == numbers(unbroken.history_)
    assert torch.equal(weights(whole), weights(unbroken))
