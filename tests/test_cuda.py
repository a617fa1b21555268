"""Tensors, the interpolation and the training on a GPU; skipped where there is none."""

import os
import pickle

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs the extra [deep]")
if not torch.cuda.is_available():
    pytest.skip("needs a CUDA device", allow_module_level=True)

# cuBLAS is deterministic only with this, which is read when it first starts.
os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")

from sklearn import config_context  # noqa: E402
from sklearn.datasets import load_digits  # noqa: E402
from skorch.callbacks import Callback  # noqa: E402

from sklearn_wnll import DeepWNLLClassifier, WNLLClassifier  # noqa: E402
from sklearn_wnll.deep import LinearStep, PseudoLabelStep, WNLLStep, wnll_interpolate  # noqa: E402

DEVICE = "cuda"


@pytest.fixture(autouse=True)
def _deterministic():
    torch.use_deterministic_algorithms(True)
    yield
    torch.use_deterministic_algorithms(False)


def cloud(seed, n_template=30, n_query=60, gap=0.0, device="cuda"):
    """Random points in two groups, a gap apart, and soft targets."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n_template + n_query, 3))
    X[n_template + n_query // 2 :, 0] += gap
    parts = X[:n_template], rng.dirichlet([1, 1, 1], n_template), X[n_template:]
    return [torch.tensor(part, device=device, requires_grad=True) for part in parts]


@pytest.mark.parametrize("seed", range(6))
def test_the_exact_gradient_passes_gradcheck_without_tolerance_for_other_orders(seed):
    assert torch.autograd.gradcheck(
        lambda *tensors: wnll_interpolate(*tensors, n_neighbors=8),
        cloud(seed, 8, 10),
        eps=1e-6,
        atol=1e-6,
        rtol=1e-5,
        nondet_tol=0.0,
    )


@pytest.mark.parametrize("gap", [0.0, 18.0])
def test_values_and_gradients_are_those_of_the_cpu(gap):
    results = []
    for device in ("cpu", "cuda"):
        tensors = cloud(0, gap=gap, device=device)
        u = wnll_interpolate(*tensors)
        results.append([u, *torch.autograd.grad(u[:, 0].square().sum(), tensors)])
    for a, b in zip(*results, strict=True):
        torch.testing.assert_close(a, b.cpu(), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("gap", [0.0, 18.0])
def test_two_runs_agree_in_all_bits(gap, dtype):
    results = []
    for _ in range(2):
        tensors = [part.detach().to(dtype).requires_grad_() for part in cloud(0, 300, 700, gap)]
        u = wnll_interpolate(*tensors)
        results.append([u, *torch.autograd.grad(u[:, 0].square().sum(), tensors)])
    for a, b in zip(*results, strict=True):
        assert torch.equal(a, b)


def test_tensor_cores_confuse_no_neighbors():
    template, targets, query = (part.detach().float() for part in cloud(0, 300, 700))
    expected = wnll_interpolate(template, targets, query)
    before = torch.backends.cuda.matmul.allow_tf32
    torch.backends.cuda.matmul.allow_tf32 = True
    try:
        u = wnll_interpolate(template, targets, query)
    finally:
        torch.backends.cuda.matmul.allow_tf32 = before
    torch.testing.assert_close(u, expected, rtol=0, atol=1e-6)


def small(in_channels):
    """A backbone that trains in a moment."""
    return torch.nn.Sequential(
        torch.nn.Conv2d(in_channels, 8, 3, padding=1),
        torch.nn.BatchNorm2d(8),
        torch.nn.ReLU(),
        torch.nn.AdaptiveAvgPool2d(1),
        torch.nn.Flatten(),
    )


def digits():
    """Images of digits, as bytes, some of them labelled."""
    X, y = load_digits(return_X_y=True)
    images = X[:400].reshape(-1, 1, 8, 8).astype(np.uint8)
    return images, np.where(np.arange(400) < 100, y[:400], -1)


def model(**params):
    """A training of two stages, with all kinds of steps."""
    return DeepWNLLClassifier(
        small,
        linear_step=LinearStep(3),
        pseudo_step=PseudoLabelStep(3),
        wnll_step=WNLLStep(1, n_template_batches=1, n_query_batches=2),
        device=DEVICE,
        random_state=0,
    ).set_params(**params)


def weights(fitted):
    return torch.cat([part.flatten() for part in fitted.network_.state_dict().values()])


def losses(fitted):
    return [row["train_loss"] for row in fitted.history_]


@pytest.fixture(scope="module")
def unbroken():
    torch.use_deterministic_algorithms(True)
    return model().fit(*digits())


def test_the_same_seed_on_the_same_gpu_gives_the_same_weights(unbroken):
    again = model().fit(*digits())
    assert torch.equal(weights(again), weights(unbroken))
    assert losses(again) == losses(unbroken)
    assert {part.device.type for part in unbroken.network_.parameters()} == {"cpu"}


class Stop(Callback):
    """End the training by an error, at the end of an epoch of a step."""

    def __init__(self, step, epoch):
        self.step, self.epoch = step, epoch

    def on_batch_end(self, net, **kwargs):
        here = len(net.history), len(net.history[-1]["batches"])
        if net.step.name == self.step and here == (self.epoch, 2):
            raise OSError("stopped")


@pytest.mark.parametrize("place", [("linear", 2), ("wnll", 1), ("pseudo", 1), ("pseudo", 3)])
def test_a_resumed_training_ends_with_the_weights_of_an_unbroken_one(unbroken, place, tmp_path):
    with pytest.raises(OSError, match="stopped"):
        model(checkpoint_dir=tmp_path, callbacks=[Stop(*place)]).fit(*digits())
    resumed = model(checkpoint_dir=tmp_path).fit(*digits())
    assert torch.equal(weights(resumed), weights(unbroken))
    assert losses(resumed) == losses(unbroken)


def test_a_training_begun_on_the_cpu_goes_on(tmp_path):
    with pytest.raises(OSError, match="stopped"):
        model(device="cpu", checkpoint_dir=tmp_path, callbacks=[Stop("pseudo", 2)]).fit(*digits())
    assert len(model(checkpoint_dir=tmp_path).fit(*digits()).history_) == 8


class WithoutWaiting(Callback):
    """Refuse, from the first batch of an epoch to its last one, all that waits for the GPU."""

    def __init__(self, seen):
        self.seen = seen

    def __deepcopy__(self, memo):
        return self

    def on_batch_begin(self, net, batch, **kwargs):
        if net.step.name != "wnll" and len(net.history[-1]["batches"]) == 1:
            self.n_batches = len(net.batches)
            torch.cuda.set_sync_debug_mode("error")

    def on_batch_end(self, net, batch, **kwargs):
        if net.step.name != "wnll":
            self.seen.append([part.device.type for part in batch])
            if len(net.history[-1]["batches"]) == self.n_batches:
                torch.cuda.set_sync_debug_mode("default")


@pytest.mark.parametrize("fits", [True, False])
def test_nothing_waits_for_the_gpu_within_an_epoch(unbroken, fits, monkeypatch):
    if not fits:
        monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (0, 0))
    seen = []
    try:
        fitted = model(callbacks=[WithoutWaiting(seen)]).fit(*digits())
    finally:
        torch.cuda.set_sync_debug_mode("default")
    assert {device for devices in seen for device in devices} == {DEVICE}
    assert torch.equal(weights(fitted), weights(unbroken))


def test_a_compiled_training_learns_as_well(unbroken):
    pytest.importorskip("triton", reason="needs Triton")
    fitted = model(compile=True).fit(*digits())
    np.testing.assert_allclose(losses(fitted), losses(unbroken), rtol=0.1)


def test_a_training_in_bfloat16_learns_too(unbroken):
    fitted = model(mixed_precision=True).fit(*digits())
    np.testing.assert_allclose(losses(fitted), losses(unbroken), rtol=0.2)


def few_labels(n=2000):
    """Random rows of three classes, some labels, and new rows."""
    rng = np.random.default_rng(0)
    code = rng.integers(3, size=n + 200)
    X = rng.normal(size=(3, 8))[code] + 0.5 * rng.normal(size=(n + 200, 8))
    return X[:n], np.where(np.arange(n) < 30, code[:n], -1), X[n:]


@pytest.mark.parametrize("params", [
    {}, {"label_weight": "poisson"}, {"metric": "cosine"}, {"held_out": 3, "calibrate": True},
    {"class_prior": "labeled", "volume_constraint": True}, {"template_size": 900},
    {"predict_mode": "inductive"}, {"metric": "manhattan"},
], ids=str)  # fmt: skip
def test_rows_on_a_gpu_are_answered_there_and_alike(params):
    X, y, new = few_labels()
    model = WNLLClassifier(tol=1e-9, random_state=0, **params)
    expected = model.fit(X, y).predict_proba(new)
    distributions = model.label_distributions_
    with config_context(array_api_dispatch=True):
        model.fit(torch.tensor(X, device="cuda"), torch.tensor(y, device="cuda"))
        found = model.predict_proba(torch.tensor(new, device="cuda"))
    assert (found.device.type, model.transduction_.device.type) == ("cuda", "cuda")
    np.testing.assert_allclose(model.label_distributions_.cpu(), distributions, atol=1e-6)
    np.testing.assert_allclose(found.cpu(), expected, atol=1e-6)


def test_the_approximate_search_on_a_gpu_agrees_on_nearly_all_rows():
    X, y, _ = few_labels(20_000)
    with config_context(array_api_dispatch=True):
        rows = torch.tensor(X, device="cuda", dtype=torch.float32)
        cells, exact = (
            WNLLClassifier(neighbors=neighbors, random_state=0).fit(rows, y).transduction_
            for neighbors in ("approximate", "exact")
        )
    assert float((cells == exact).double().mean()) > 0.98


def test_a_pickled_model_returns_to_the_gpu():
    X, y, new = few_labels()
    with config_context(array_api_dispatch=True):
        new = torch.tensor(new, device="cuda")
        model = WNLLClassifier().fit(torch.tensor(X, device="cuda"), y)
        loaded = pickle.loads(pickle.dumps(model))
        torch.testing.assert_close(loaded.predict_proba(new), model.predict_proba(new))
