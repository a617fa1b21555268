import pickle
import subprocess
import sys
import warnings

import joblib
import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.datasets import load_digits, make_blobs
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler, StandardScaler
from torch import nn

from sklearn_wnll import DeepWNLLClassifier, WNLLClassifier
from sklearn_wnll._certainty import certainty
from sklearn_wnll.deep import LinearStep, WNLLStep
from sklearn_wnll.deep.backbones import mlp, resnet20
from sklearn_wnll.exceptions import (
    FewLabelsWarning,
    InputRangeWarning,
    SlowPrecisionWarning,
    UnreachedPointsWarning,
)


def quick(module=None, **params):
    """An estimator with a short training."""
    return DeepWNLLClassifier(
        module,
        n_stages=1,
        linear_step=LinearStep(3),
        wnll_step=WNLLStep(1, n_template_batches=2, n_query_batches=3),
        random_state=0,
    ).set_params(**params)


class Small(nn.Module):
    """A convolution and its mean over places."""

    def __init__(self, in_channels, width=8):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(in_channels, width, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten()
        )

    def forward(self, x):
        return self.layers(x)


def unpooled(in_channels):
    return nn.Conv2d(in_channels, 2, 3)


@pytest.fixture(scope="module")
def rows():
    """Digits: 800 rows to fit, 300 of them unlabelled, and 400 more."""
    X, y = load_digits(return_X_y=True)
    few = y[:800].copy()
    few[::8] = few[1::8] = few[2::8] = -1
    return X[:800], few, X[800:1200], y[800:1200]


@pytest.fixture(scope="module")
def dumped(rows):
    return pickle.dumps(quick(linear_step__epochs=8).fit(*rows[:2]))


@pytest.fixture
def fitted(dumped):
    """A fitted estimator, new for each test, which may set its parameters."""
    return pickle.loads(dumped)


@pytest.fixture(scope="module")
def images():
    """Digits as colour images of bytes, channels first."""
    X, y = load_digits(return_X_y=True)
    grey = (16 * X[:120]).clip(0, 255).astype(np.uint8).reshape(-1, 1, 8, 8)
    return np.concatenate([grey, 255 - grey, grey // 2], axis=1), y[:120]


def test_it_learns(fitted, rows):
    _, few, new, y = rows
    assert fitted.score(new, y) > 0.9
    truth = load_digits().target[:800]
    assert (fitted.transduction_ == truth)[few == -1].mean() > 0.9
    assert fitted.classes_.tolist() == list(range(10))
    assert fitted.set_params(head="linear").score(new, y) > 0.85


def test_fitted_samples_have_their_fitted_values(fitted, rows):
    X, few, new, _ = rows
    labeled = few != -1
    np.testing.assert_array_equal(fitted.transduction_[labeled], few[labeled])
    for mode in ("inductive", "transductive"):
        fitted.set_params(wnll__predict_mode=mode)
        mixed = np.vstack([new[:5], X[::-1]])
        proba = fitted.predict_proba(mixed)
        np.testing.assert_array_equal(proba[5:], fitted.label_distributions_[::-1])
        np.testing.assert_array_equal(fitted.predict(X), fitted.transduction_)
    assert fitted.reached_.all()


def test_samples_that_no_label_reaches_are_flagged_and_told_once():
    X, y = make_blobs([30] * 3, centers=[[0, 0], [50, 0], [0, 50]], random_state=0)
    few = np.where(y == 2, -1, y)
    as_they_are = {"module": nn.Sequential(), "buffer": lambda width: nn.Identity()}
    model = quick(**as_they_are, linear_step__epochs=1)
    with pytest.warns(UnreachedPointsWarning, match="30 rows of X") as caught:
        model.fit(X, few)
    assert len(caught) == 1
    np.testing.assert_array_equal(model.reached_, y != 2)
    with pytest.warns(UnreachedPointsWarning, match="30 queries") as caught:
        proba = model.predict_proba(X + 0.01)
    assert len(caught) == 1
    for u in (model.label_distributions_, proba):
        np.testing.assert_allclose(u[y == 2], 0.5)
        np.testing.assert_allclose(u.sum(axis=1), 1)


@pytest.mark.parametrize("n_copies", [2, 40])
def test_equal_samples_share_their_value(rows, n_copies):
    X, few, new, _ = rows
    copies = [0, *range(3, 3 + n_copies)]  # of an unlabelled sample
    X, few, new = X.copy(), few.copy(), new.copy()
    X[copies], few[copies] = X[0], -1
    new[:n_copies] = new[0]
    model = quick().fit(X, few)
    for u, equal in (
        (model.label_distributions_, copies),
        (model.predict_proba(new), range(n_copies)),
    ):
        assert (u[list(equal)] == u[0]).all()
        np.testing.assert_allclose(u.sum(axis=1), 1)


@pytest.mark.parametrize("query_size", [None, 37])
def test_predictions_do_not_depend_on_the_order(fitted, rows, query_size):
    new, order = rows[2], np.random.default_rng(0).permutation(400)
    fitted.set_params(wnll__query_size=query_size)
    proba = fitted.predict_proba(new)
    np.testing.assert_array_equal(fitted.predict_proba(new[order]), proba[order])
    np.testing.assert_allclose(proba.sum(axis=1), 1)
    assert proba.min() >= 0


def test_inductive_predictions_are_those_of_each_sample_alone(fitted, rows):
    joined = fitted.predict_proba(rows[2][:20])
    fitted.set_params(wnll__predict_mode="inductive")
    proba = fitted.predict_proba(rows[2][:20])
    alone = np.vstack([fitted.predict_proba(row[None]) for row in rows[2][:20]])
    np.testing.assert_allclose(proba, alone, atol=1e-4)
    assert np.abs(proba - joined).max() > 1e-3


@pytest.mark.parametrize("head", ["wnll", "linear"])
def test_blocks_of_samples_are_calls_of_their_own(fitted, rows, head):
    model, new = fitted.set_params(head=head), rows[2]
    blocks = [new[:30], new[30:70]]
    for ask in (model.predict, model.predict_proba, model.certainty):
        found = ask(iter([*blocks, new[:0], new[:, 1:]]))
        for block in blocks:
            np.testing.assert_array_equal(next(found), ask(block))
        assert next(found).shape == (0, *ask(new[:1]).shape[1:])
        with pytest.raises(ValueError, match=r"^Block 3 of X, counted from 0: .*63 features"):
            next(found)


def test_the_linear_head_is_the_softmax_of_the_network(fitted, rows):
    scaled = StandardScaler().fit_transform(rows[0])
    with torch.no_grad():
        inputs = torch.tensor(scaled, dtype=torch.float32)
        expected = fitted.network_.eval()(inputs).softmax(dim=1)
    fitted.set_params(head="linear")
    np.testing.assert_allclose(fitted.predict_proba(rows[0]), expected, atol=1e-5)


def test_several_templates_vote(rows):
    X, few, new, y = rows
    model = quick(wnll=WNLLClassifier(template_size=300, query_size=100)).fit(X, few)
    assert len(model._predictor.wnll.templates_) > 1
    assert model.score(new, y) > 0.85
    np.testing.assert_array_equal(model.predict(X), model.transduction_)


def test_images_of_any_layout_and_container_are_the_same(images):
    X, y = images
    model = quick(Small).fit(X[:100], y[:100])
    proba = model.predict_proba(X[100:])
    layouts = {
        "channels last": X.transpose(0, 2, 3, 1),
        "float": X.astype(np.float64),
        "tensor": torch.from_numpy(X),
        "list": list(X),
    }
    for name, same in layouts.items():
        labels = torch.from_numpy(y[:100]) if name == "tensor" else y[:100]
        other = quick(Small).fit(same[:100], labels)
        np.testing.assert_allclose(other.predict_proba(same[100:]), proba, atol=1e-3, err_msg=name)
        np.testing.assert_array_equal(model.predict(same[:100]), y[:100])
    assert model.n_features_in_ == 3 * 8 * 8


def test_a_resnet_is_the_default_for_images(images):
    X, y = images
    model = quick(linear_step__epochs=1).fit(X, y)
    names = [name for name, _ in model.network_.backbone.named_parameters()]
    assert names == [name for name, _ in resnet20().named_parameters()]


def test_any_labels_will_do(rows):
    X, few, new, y = rows
    names = np.array([None if code == -1 else f"digit {code}" for code in few], dtype=object)
    model = quick().fit(X, names)
    numbers = quick().fit(X, few)
    assert model.predict(new).tolist() == [f"digit {code}" for code in numbers.predict(new)]
    assert model.score(new, [f"digit {code}" for code in y]) > 0.85


def test_a_module_may_be_a_function_a_class_or_a_network(rows, images):
    X, y = images
    model = quick(Small, module_params={"width": 5}).fit(X, y)
    assert model.network_.linear.in_features == 5
    network = mlp(64)
    before = network[0].weight.clone()
    model = quick(network, buffer=lambda width: nn.Linear(width, 7))
    model.fit(*rows[:2])
    assert torch.equal(network[0].weight, before)
    assert torch.equal(clone(model).module[0].weight, before)
    assert model.network_.linear.in_features == 7
    model = quick(nn.Sequential()).fit(*rows[:2])  # ready features
    assert model.network_.linear.in_features == 64
    nothing = quick(mlp, buffer=lambda width: nn.Identity()).fit(*rows[:2])
    assert {row["step"] for row in nothing.history_} == {"linear"}


def test_clones_pickles_and_dumps_work(fitted, rows, tmp_path):
    proba = fitted.predict_proba(rows[2])
    assert not hasattr(clone(fitted), "network_")
    joblib.dump(fitted, tmp_path / "model.joblib")
    for again in (pickle.loads(pickle.dumps(fitted)), joblib.load(tmp_path / "model.joblib")):
        np.testing.assert_array_equal(again.predict_proba(rows[2]), proba)
    # So a model fitted on a GPU can be loaded without one.
    assert {parameter.device.type for parameter in fitted.network_.parameters()} == {"cpu"}


@pytest.mark.slow
def test_a_grid_search_over_a_pipeline(rows, tmp_path):
    X, few, new, y = rows
    labeled = few != -1
    pipeline = make_pipeline(MinMaxScaler(), quick())
    grid = {
        "deepwnllclassifier__linear_step__lr": [1e-6, 0.1],
        "deepwnllclassifier__wnll__n_neighbors": [8, 12],
    }
    search = GridSearchCV(pipeline, grid, cv=2, n_jobs=2).fit(X[labeled], few[labeled])
    assert search.best_params_["deepwnllclassifier__linear_step__lr"] == 0.1
    assert search.score(new, y) > 0.85
    assert search.classes_.tolist() == list(range(10))
    joblib.dump(search, tmp_path / "search.joblib")
    for again in (pickle.loads(pickle.dumps(search)), joblib.load(tmp_path / "search.joblib")):
        assert again.score(new, y) == search.score(new, y)
    assert not hasattr(search.estimator[-1], "network_")
    assert not hasattr(clone(search.best_estimator_)[-1], "network_")


def test_fitting_leaves_the_random_numbers_of_torch_alone(rows):
    torch.manual_seed(3)
    expected = torch.rand(5)
    torch.manual_seed(3)
    quick().fit(*rows[:2])
    assert torch.equal(torch.rand(5), expected)


def test_the_same_seed_gives_the_same_model(rows):
    first = quick().fit(*rows[:2]).predict_proba(rows[2])
    again = quick().fit(*rows[:2]).predict_proba(rows[2])
    np.testing.assert_array_equal(first, again)
    other = quick(random_state=1).fit(*rows[:2])
    assert (other.predict_proba(rows[2]) != first).any()


def test_mixed_precision_trains_in_bfloat16_and_predicts_in_float32(rows, monkeypatch):
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: "AVX512")
    seen = []
    network = nn.Sequential(mlp(64), Watch(seen))
    model = quick(network, mixed_precision=True).fit(*rows[:2])
    in_training, count = {dtype for dtype, training in seen if training}, len(seen)
    assert in_training == {torch.bfloat16}
    # The backbone is not in training mode in a WNLL step.
    n_wnll = sum(dtype == torch.bfloat16 for dtype, training in seen if not training)
    assert n_wnll == 5  # 2 template and 3 query batches
    assert model.score(rows[2], rows[3]) > 0.85
    assert {dtype for dtype, _ in seen[count:]} == {torch.float32}
    assert {parameter.dtype for parameter in model.network_.parameters()} == {torch.float32}


@pytest.mark.parametrize(
    ("machine", "capability", "slow"),
    [("x86_64", "AVX2", True), ("AMD64", "DEFAULT", True), ("arm64", "DEFAULT", False)],
)
def test_mixed_precision_warns_where_bfloat16_is_slow(rows, monkeypatch, machine, capability, slow):
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: capability)
    monkeypatch.setattr("platform.machine", lambda: machine)
    model = quick(mixed_precision=True, device="cpu")
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        model.fit(*rows[:2])
    assert [warning.category for warning in told] == slow * [SlowPrecisionWarning]
    if slow:
        assert "Pass mixed_precision=False" in str(told[0].message)
        assert told[0].filename == __file__


class Watch(nn.Module):
    """Record the type of the inputs."""

    def __init__(self, seen):
        super().__init__()
        self.seen = seen

    def __deepcopy__(self, memo):
        return Watch(self.seen)

    def forward(self, x):
        self.seen.append((x.dtype, self.training))
        return x


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"module": unpooled}, r"features of shape \(n, n_features\), got \(2, 2, 6, 6\)"),
        ({"module": nn.Linear(5, 2)}, r"module fails on inputs of shape \(2, 3, 8, 8\)"),
        ({"module": nn.Flatten(), "module_params": {"x": 1}}, r"module_params cannot be used"),
        ({"module": mlp}, r"module cannot be made for X, which holds images.*in_features"),
        ({"module": lambda in_channels: 3}, r"must return a torch.nn.Module, got int"),
        ({"device": "cuda:7"}, r"device='cuda:7' cannot be used.*'cpu'"),
        ({"device": "toaster"}, r"device='toaster' cannot be used"),
        (
            {"wnll_step__scale_neighbor": 20},
            r"In wnll_step, scale_neighbor=20 is not in 1 to n_neighbors=15",
        ),
        (
            {"wnll__scale_neighbor": 31},
            r"In wnll, scale_neighbor=31 is not in 1 to n_neighbors=15",
        ),
        ({"callbacks": [len]}, r"callbacks holds <built-in function len>, which is not a callback"),
        ({"wnll_step__gradient": "none"}, r"'gradient' parameter of WNLLStep must be"),
    ],
)
def test_bad_parameters_are_named_with_the_cure(images, params, message):
    with pytest.raises(ValueError, match=message):
        quick(**params).fit(*images)


def test_samples_of_another_shape_are_refused(images, fitted):
    X, y = images
    model = quick(Small).fit(X, y)
    with pytest.raises(ValueError, match=r"images of 3 channels, height 7 and width 8, but .* 8"):
        model.predict(X[:, :, 1:])
    with pytest.raises(ValueError, match="X holds rows of features, but the estimator was fitted"):
        model.predict(X.reshape(len(X), -1))
    with pytest.raises(ValueError, match=r"X has shape .* makes grey images"):
        model.predict(X[:, 0])
    with pytest.raises(ValueError, match=r"images of .* fitted to rows of features"):
        fitted.predict(X)


@pytest.mark.parametrize("gather", [list, lambda parts: np.fromiter(parts, dtype=object)])
def test_images_of_different_shapes_are_refused(gather):
    X = gather([np.zeros((3, 8, 8)), np.zeros((3, 9, 9))])
    with pytest.raises(ValueError, match=r"different shapes, such as \(3, 8, 8\) and \(3, 9, 9\)"):
        quick(Small).fit(X, [0, 1])


def test_images_of_another_range_are_told(images):
    shape = images[0].shape[1:]
    X = np.random.default_rng(0).integers(0, 256, (20, *shape)).astype(np.uint8)
    model = quick(Small).fit(X, np.arange(20) % 2).set_params(head="linear")
    with pytest.warns(InputRangeWarning, match=r"0\.0039 times .* 0 to 255 in both"):
        model.predict(X / 255)
    for known in (X, X // 4, X.astype(float), X[:1] / 255):
        model.predict(known)


def test_a_made_buffer_block_is_copied(images):
    X, y = images
    buffer = nn.Sequential(nn.Linear(8, 5), nn.ReLU())
    model = quick(Small, buffer=buffer).fit(X, y)
    width = model.network_.linear.in_features
    assert width == 5
    assert model.network_.buffer is not buffer


def test_a_diverged_training_says_so(rows):
    model = quick(wnll_step__epochs=0, linear_step__lr=1e12)
    with pytest.raises(ValueError, match="has diverged"):
        model.fit(*rows[:2])


@pytest.mark.parametrize("dtype", [np.float32, np.uint8])
def test_samples_may_be_read_only(rows, dtype):
    X = rows[0].astype(dtype)
    X.setflags(write=False)
    model = quick().fit(X, rows[1])
    np.testing.assert_array_equal(model.predict(X), model.transduction_)


@pytest.mark.filterwarnings("ignore::sklearn_wnll.exceptions.FewLabelsWarning")
@pytest.mark.filterwarnings("ignore::sklearn_wnll.exceptions.UnreachedPointsWarning")
@pytest.mark.parametrize("n", [2, 3, 5])
def test_a_few_samples_in_small_batches_are_enough(rows, n):
    model = quick(linear_step__batch_size=2).fit(rows[2][:n], np.arange(n) % 2)
    np.testing.assert_array_equal(model.transduction_, np.arange(n) % 2)


@pytest.mark.filterwarnings("ignore")
def test_too_few_labels_for_a_template_and_a_query_are_refused(rows):
    few = np.where(np.arange(800) == 7, rows[1], -1)
    few[7] = 4
    with pytest.raises(ValueError, match=r"at least 2 labelled samples.*WNLLClassifier"):
        quick().fit(rows[0], few)


def test_few_labels_are_said_once(rows):
    few = np.full(800, -1)
    few[:10] = np.arange(10)
    with pytest.warns(FewLabelsWarning) as caught:
        quick().fit(rows[0], few)
    assert len(caught) == 1


def test_without_torch_the_error_names_the_extra():
    code = """
import sys

class Missing:
    def find_spec(name, *args):
        if name == "torch":
            raise ModuleNotFoundError("No module named 'torch'", name="torch")

sys.meta_path.insert(0, Missing)
import sklearn_wnll
sklearn_wnll.WNLLClassifier
sklearn_wnll.DeepWNLLClassifier
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert 'pip install "sklearn-wnll[deep]"' in done.stderr.splitlines()[-1]
    code = "import sys, sklearn_wnll; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


# --- certainty ------------------------------------------------------------------------


def test_certainty_of_both_heads_is_that_of_their_distributions(rows, fitted):
    queries = rows[2]
    for head in ("wnll", "linear"):
        fitted.set_params(head=head)
        expected = certainty(fitted.predict_proba(queries))
        np.testing.assert_array_equal(fitted.certainty(queries), expected)
        assert expected.std() > 0
