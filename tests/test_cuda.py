"""The interpolation on a GPU; skipped where there is none."""

import os

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs the extra [deep]")
if not torch.cuda.is_available():
    pytest.skip("needs a CUDA device", allow_module_level=True)

# cuBLAS is deterministic only with this, which is read when it first starts.
os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")

from sklearn_wnll.deep import wnll_interpolate  # noqa: E402


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
