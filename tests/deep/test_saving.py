"""Files of weights, and pickles that another program cannot load."""

import copy
import hashlib
import io
import pickle
import subprocess
import sys
import warnings
from decimal import Decimal
from pathlib import Path

import cloudpickle
import joblib
import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.neighbors import KNeighborsTransformer
from sklearn.pipeline import make_pipeline
from torch import nn

import sklearn_wnll
from sklearn_wnll import WNLLClassifier, _fit_memory
from sklearn_wnll.deep import (
    DeepWNLLClassifier,
    LinearStep,
    PseudoLabelStep,
    WNLLHead,
    WNLLStep,
)
from sklearn_wnll.deep.backbones import mlp
from sklearn_wnll.exceptions import DividedRowsWarning, UnportableModelWarning

from ..clouds import examples

pytestmark = [
    pytest.mark.filterwarnings("ignore::sklearn_wnll.exceptions.FewLabelsWarning"),
    pytest.mark.filterwarnings("ignore::sklearn_wnll.exceptions.UnreachedPointsWarning"),
]

RNG = np.random.default_rng(0)
ROWS = RNG.normal(size=(40, 6)) + 3 * (np.arange(40) % 2)[:, None]
IMAGES = RNG.integers(0, 256, (40, 3, 9, 8)).astype(np.uint8)
IMAGES[1::2] //= 4
NEW_ROWS, NEW_IMAGES = ROWS[:20] + 0.3, IMAGES[:20] ^ 3
CODES = np.arange(40) % 2
SOME = np.where(np.arange(40) % 3, CODES, -1)


class Pooled(nn.Module):
    """A convolution, batch normalization and pooling."""

    def __init__(self, in_channels, activation=nn.ReLU):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(in_channels, 4, 3), nn.BatchNorm2d(4), activation(), nn.AdaptiveAvgPool2d(2)
        )

    def forward(self, x):
        return self.layers(x).flatten(1)


class Noisy(nn.Module):
    """A network that computes different features each time."""

    def forward(self, x):
        return x + 1e-3 * torch.randn_like(x)


def quick(module=mlp, **params):
    """An estimator with a short training."""
    return DeepWNLLClassifier(
        module,
        linear_step=LinearStep(1),
        pseudo_step=PseudoLabelStep(1),
        wnll_step=WNLLStep(1, n_template_batches=2, n_query_batches=2),
        random_state=0,
    ).set_params(**params)


def again(model, path, **params):
    """An estimator loaded from the file of another."""
    model.save_weights(path)
    return clone(model).set_params(**params).load_weights(path)


def assert_same(loaded, model, new):
    """Fitted attributes and predictions are equal, bit for bit."""
    assert vars(loaded).keys() == vars(model).keys()
    assert loaded.classes_.dtype == model.classes_.dtype
    assert list(map(type, loaded.classes_)) == list(map(type, model.classes_))
    for name in ("classes_", "transduction_", "label_distributions_", "reached_"):
        np.testing.assert_array_equal(getattr(loaded, name), getattr(model, name))
    assert loaded.history_ == model.history_
    assert loaded.n_features_in_ == model.n_features_in_
    for name, tensor in model.network_.state_dict().items():
        assert torch.equal(loaded.network_.state_dict()[name], tensor)
    for head in ("wnll", "linear"):
        u, v = (copy.copy(m).set_params(head=head).predict_proba(new) for m in (loaded, model))
        np.testing.assert_array_equal(u, v)
    np.testing.assert_array_equal(loaded.predict(new), model.predict(new))


CASES = {
    "rows": (quick(), ROWS, CODES, NEW_ROWS),
    "unlabelled rows": (quick(), ROWS, SOME, NEW_ROWS),
    "images": (quick(Pooled), IMAGES, CODES, NEW_IMAGES),
    "unlabelled images": (quick(Pooled), IMAGES, SOME, NEW_IMAGES),
    "unlabelled images without mirror images": (
        quick(Pooled, augment=None, standardize=False), IMAGES, SOME, NEW_IMAGES,
    ),
    "float images": (quick(Pooled), IMAGES / 255, CODES, NEW_IMAGES / 255),
    "linear head": (quick(head="linear"), ROWS, CODES, NEW_ROWS),
    "a network that is made": (quick(nn.Sequential(nn.Linear(6, 5))), ROWS, CODES, NEW_ROWS),
    "a width that is found": (quick(nn.Sequential(nn.LazyLinear(5))), ROWS, CODES, NEW_ROWS),
    "a buffer block": (quick(buffer=nn.Linear(64, 3), module__hidden=(64,)), ROWS, SOME, NEW_ROWS),
    "equal rows": (quick(), np.repeat(ROWS[:20], 2, axis=0), CODES, NEW_ROWS),
    "templates": (
        quick(wnll=WNLLHead(5, template_size=15, query_size=7)), ROWS, SOME, NEW_ROWS,
    ),
    "inductive": (quick(wnll=WNLLHead(predict_mode="inductive")), ROWS, SOME, NEW_ROWS),
    "a transformer": (
        quick(wnll=WNLLHead(9, neighbors=KNeighborsTransformer(n_neighbors=9))),
        ROWS, SOME, NEW_ROWS,
    ),
    "random numbers that are drawn": (
        quick(wnll=WNLLClassifier(9, template_size=15, random_state=np.random.RandomState(3))),
        ROWS, SOME, NEW_ROWS,
    ),
    "class frequencies": (quick(class_prior={0: 0.7, 1: 0.3}), ROWS, SOME, NEW_ROWS),
    "a network that is random": (quick(Noisy(), head="linear"), ROWS, CODES, None),
    "names": (quick(), pd.DataFrame(ROWS, columns=list("abcdef")), CODES, None),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_loaded_weights_are_the_fitted_model_bit_for_bit(name, tmp_path):
    estimator, X, y, new = CASES[name]
    model = clone(estimator).fit(X, y)
    loaded = again(model, tmp_path / "model.weights")
    if new is not None:
        assert_same(loaded, model, new)
    if name == "names":
        assert loaded.feature_names_in_.tolist() == list("abcdef")
        assert_same(loaded, model, X + 0.3)
    np.testing.assert_array_equal(loaded.set_params(head="wnll").predict(X), model.transduction_)


def test_loaded_templates_are_the_saved_ones_whatever_memory_is_free(tmp_path, monkeypatch):
    monkeypatch.setattr(_fit_memory, "_SMALLEST", 5)
    for name in ("_GRAPH", "_SOLVER", "_KEPT"):  # few rows behave like many
        monkeypatch.setattr(_fit_memory, name, (0.0, *getattr(_fit_memory, name)[1:]))
    monkeypatch.setattr(_fit_memory, "free_memory", lambda: 10)
    estimator = quick(wnll=WNLLHead(5, template_size="auto"))
    with pytest.warns(DividedRowsWarning):
        model = estimator.fit(ROWS, SOME)
    assert len(model._predictor.wnll.templates_) > 1
    monkeypatch.setattr(_fit_memory, "free_memory", lambda: None)
    loaded = again(model, tmp_path / "model.weights")
    assert_same(loaded, model, NEW_ROWS)
    assert_same(again(loaded, tmp_path / "again.weights"), model, NEW_ROWS)


@pytest.fixture(scope="module")
def fitted():
    return quick().fit(ROWS, SOME)


@pytest.fixture(scope="module")
def written(fitted, tmp_path_factory):
    path = tmp_path_factory.mktemp("weights") / "model.weights"
    fitted.save_weights(path)
    return path.read_bytes()


LABELS = {
    "strings": ["cat", "dog"],
    "objects": np.array(["cat", "dog"], dtype=object),
    "integers of 8 bits": np.array([3, 7], dtype=np.int8),
    "floats": [1.0, 3.0],
    "floats of 32 bits": np.array([1, 3], dtype=np.float32),
    "truth values": [False, True],
    "dates": np.array(["2020-01-01", "2021-06-05"], dtype="datetime64[D]"),
    "large integers": np.array([2**60 + 1, 2**60 + 3]),
}


@pytest.mark.parametrize("name", LABELS)
def test_labels_keep_their_type(name, tmp_path):
    labels = np.asarray(LABELS[name])[CODES]
    model = quick(n_stages=1).fit(ROWS, labels)
    assert_same(again(model, tmp_path / "model.weights"), model, NEW_ROWS)


def test_other_labels_are_refused_by_name(fitted, tmp_path):
    model = copy.copy(fitted)
    model.classes_ = np.array([Decimal(1), Decimal(2)])
    with pytest.raises(ValueError, match=r"classes_ holds Decimal, .*numpy's dates as labels; or"):
        model.save_weights(tmp_path / "model.weights")
    assert not list(tmp_path.iterdir())


def test_a_history_of_objects_is_refused_by_name(fitted, tmp_path):
    model = copy.copy(fitted)
    model.history_ = [{"epoch": np.int64(1), "score": np.float32(0.5)}, {"note": object()}]
    with pytest.raises(ValueError, match=r"history\[1\]\['note'\] is of type object"):
        model.save_weights(tmp_path / "model.weights")
    model.history_.pop()
    assert again(model, tmp_path / "model.weights").history_ == [{"epoch": 1, "score": 0.5}]


def test_loading_runs_no_code_and_changes_no_random_numbers(written, tmp_path):
    path = tmp_path / "model.weights"
    path.write_bytes(written)
    before = torch.random.get_rng_state()
    quick().load_weights(path)
    assert torch.equal(torch.random.get_rng_state(), before)
    content = io.BytesIO()
    torch.save({"classes": print}, content)  # with a correct digest
    head = written[: written.index(b"\n") + 1]
    path.write_bytes(head + hashlib.sha256(content.getvalue()).digest() + content.getvalue())
    with pytest.raises(ValueError, match="is not safe to load"):
        quick().load_weights(path)


@examples(50)
@given(data=st.data())
def test_a_damaged_file_is_refused(written, tmp_path_factory, data):
    path = tmp_path_factory.getbasetemp() / "damaged.weights"
    place = data.draw(st.integers(0, len(written) - 1))
    damaged = bytearray(written)
    damaged[place] ^= 1 << data.draw(st.integers(0, 7))
    path.write_bytes(data.draw(st.sampled_from([damaged, written[:place]])))
    with pytest.raises(ValueError, match=r"damaged\.weights (is damaged|cannot be read)"):
        quick().load_weights(path)


def other_files():
    """Contents of files of other kinds, and the messages about them."""
    state = quick(n_stages=1).fit(ROWS, CODES).network_.state_dict()
    content = io.BytesIO()
    torch.save(state, content)
    yield content.getvalue(), "it is something else, not sklearn-wnll weights"
    yield pickle.dumps(state), "it is something else"
    yield b"", "it is something else"
    yield b"sklearn-wnll checkpoint 1\n...", "it is sklearn-wnll checkpoint 1, not"
    yield b"sklearn-wnll weights of DeepWNLLClassifier 2\n...", "Classifier 2, not .* 1"


def test_files_of_other_kinds_are_refused(tmp_path):
    for content, message in other_files():
        (tmp_path / "other").write_bytes(content)
        with pytest.raises(ValueError, match=message):
            quick().load_weights(tmp_path / "other")
    with pytest.raises(FileNotFoundError, match=r"nothing\.weights"):
        quick().load_weights(tmp_path / "nothing.weights")


def test_a_file_is_written_whole_or_not_at_all(fitted, tmp_path):
    path = tmp_path / "model.weights"
    fitted.save_weights(path)
    model = copy.copy(fitted)
    model.history_ = [{"note": object()}]
    before = path.read_bytes()
    with pytest.raises(ValueError, match="note"):
        model.save_weights(path)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]
    for parent in (tmp_path / "nowhere", path):
        with pytest.raises(FileNotFoundError, match=rf"There is no folder {parent}\."):
            fitted.save_weights(parent / "model.weights")
    with pytest.raises(IsADirectoryError, match="is a folder"):
        fitted.save_weights(tmp_path)
    with pytest.raises(NotFittedError):
        quick().save_weights(path)


OTHERS = {
    "another width": ({"module__hidden": (32, 8)}, r"\d+ tensors differ, such as .*module_params"),
    "more layers": ({"module__hidden": (64, 64, 64)}, r"None: absent.*module_params and buffer"),
    "another buffer": ({"buffer": nn.Identity()}, "buffer.0.weight.* in the file and None here"),
    "another activation": ({"buffer": nn.Sequential(nn.Linear(64, 64), nn.Tanh())}, "activation"),
    "images": ({"module": Pooled}, r"fails on inputs|cannot be made for X"),
    "neighbours": ({"wnll__n_neighbors": 7}, r"with wnll__n_neighbors=30, .* has .*=7\. Pass"),
    "prediction": (
        {"wnll__predict_mode": "inductive", "head": "linear"},
        r"with head='wnll', wnll__predict_mode='transductive', .*may be set after loading",
    ),
    "marker": ({"unlabeled": -9}, r"unlabeled='auto', but this estimator has unlabeled=-9"),
    "a parameter": ({"n_stages": 0}, "n_stages"),
}


@pytest.mark.parametrize("name", OTHERS)
def test_parameters_of_another_model_are_named(fitted, tmp_path, name):
    params, message = OTHERS[name]
    with pytest.raises(ValueError, match=message):
        again(fitted, tmp_path / "model.weights", **params)


def test_a_load_that_fails_changes_nothing_and_one_that_does_not_changes_all(fitted, tmp_path):
    fitted.save_weights(tmp_path / "model.weights")
    frame = pd.DataFrame(ROWS[:, :4], columns=list("abcd"))
    model = quick(module__hidden=(8, 64)).fit(frame, CODES)
    before = dict(vars(model))
    with pytest.raises(ValueError, match="tensors differ"):
        model.load_weights(tmp_path / "model.weights")
    assert vars(model) == before
    model.set_params(module_params=None).load_weights(tmp_path / "model.weights")
    assert_same(model, fitted, NEW_ROWS)
    assert again(model, tmp_path / "again").fit(frame, CODES).n_features_in_ == 4


@pytest.fixture
def of_main(monkeypatch, fitted):
    """A fitted model whose augmentation is a function of ``__main__``."""

    def mine(x):
        return x

    mine.__module__, mine.__qualname__ = "__main__", "mine"
    monkeypatch.setattr(sys.modules["__main__"], "mine", mine, raising=False)
    return copy.copy(fitted).set_params(augment=mine)


SAVED = {
    "pickle": lambda model, path: pickle.dumps(model),
    "joblib": joblib.dump,
    "torch": torch.save,
    "in a pipeline": lambda model, path: joblib.dump(make_pipeline(model), path),
}
KEPT_HERE = {
    "copy": lambda model: copy.copy(model),
    "deepcopy": lambda model: copy.deepcopy(model),
    "deepcopy of a pipeline": lambda model: copy.deepcopy(make_pipeline(model)),
    "prediction": lambda model: model.predict(NEW_ROWS),
    "hash": joblib.hash,
    "cloudpickle": cloudpickle.dumps,
    "not fitted": lambda model: pickle.dumps(clone(model)),
}


@pytest.mark.parametrize("way", SAVED)
def test_saving_what_refers_to_main_is_warned_of(of_main, tmp_path, way):
    with pytest.warns(UnportableModelWarning) as caught:
        SAVED[way](of_main, tmp_path / "model")
    (warning,) = caught
    assert "refers to mine of __main__" in str(warning.message)
    assert "or use save_weights" in str(warning.message)
    assert warning.filename == __file__


@pytest.mark.parametrize("way", KEPT_HERE)
def test_what_stays_in_this_program_is_not_warned_of(of_main, way):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        KEPT_HERE[way](of_main)


def test_any_estimator_that_refers_to_main_is_warned_of(monkeypatch):
    of_main = type("Mine", (KNeighborsTransformer,), {"__module__": "__main__"})
    monkeypatch.setattr(sys.modules["__main__"], "Mine", of_main, raising=False)
    model = WNLLClassifier(5, neighbors=of_main(n_neighbors=5)).fit(ROWS, CODES)
    with pytest.warns(UnportableModelWarning, match=r"refers to Mine of .* both import\.$"):
        pickle.dumps(model)


def test_what_another_program_can_import_is_not_warned_of(fitted):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        pickle.dumps(fitted)
        pickle.dumps(WNLLClassifier().fit(ROWS, CODES))


NOTEBOOK = """
import pickle
import sys
import warnings

import numpy as np
from torch import nn

from sklearn_wnll.deep import DeepWNLLClassifier, LinearStep, WNLLStep


class Net(nn.Sequential):
    def __init__(self, in_features):
        super().__init__(nn.Linear(in_features, 5), nn.ReLU())


X = np.load("X.npy")
model = DeepWNLLClassifier(Net, n_stages=1, linear_step=LinearStep(1), wnll_step=WNLLStep(0))
model.fit(X, np.arange(len(X)) % 2).save_weights("model.weights")
np.save("predicted.npy", model.predict_proba(X + 0.3))
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    with open("model.pickle", "wb") as file:
        pickle.dump(model, file)
(warning,) = caught
assert warning.category.__name__ == "UnportableModelWarning", warning
assert "refers to Net of __main__" in str(warning.message), warning
assert warning.filename == __file__
"""


class Net(nn.Sequential):
    """The network of the notebook, defined again."""

    def __init__(self, in_features):
        super().__init__(nn.Linear(in_features, 5), nn.ReLU())


@pytest.mark.slow
def test_a_network_of_a_notebook_is_loaded_elsewhere_by_its_weights(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    np.save("X.npy", ROWS)
    Path("notebook.py").write_text(NOTEBOOK)
    monkeypatch.setenv("PYTHONPATH", str(Path(sklearn_wnll.__file__).parents[1]))
    command = [sys.executable, "-W", "error", str(tmp_path / "notebook.py")]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    with pytest.raises(AttributeError, match="Net"):
        pickle.loads(Path("model.pickle").read_bytes())
    loaded = DeepWNLLClassifier(Net).load_weights("model.weights")
    np.testing.assert_array_equal(loaded.predict_proba(ROWS + 0.3), np.load("predicted.npy"))
