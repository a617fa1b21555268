import os
import sys
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

# The tests run in two processes, whose threads would slow each other down. Set before numpy and
# torch are imported.
os.environ.setdefault("OMP_NUM_THREADS", "1")
# scikit-learn's checks of arrays of other libraries need it, before scipy is imported.
if tuple(map(int, version("scipy").split(".")[:2])) >= (1, 14):
    os.environ.setdefault("SCIPY_ARRAY_API", "1")

import numpy as np
import pytest
from hypothesis import settings
from readers import load_mnist
from sklearn.datasets import load_digits, make_moons

from sklearn_wnll.datasets import hide_labels

from .clouds import MANY

collect_ignore = [] if find_spec("torch") and find_spec("skorch") else ["deep"]

os.environ.setdefault("MPLBACKEND", "Agg")  # draw without a screen
# Each run draws different cases, so many runs cover as much as one with the profile "many".
for name, n_cases in (("few", 20), ("default", 100), ("many", MANY)):
    settings.register_profile(name, max_examples=n_cases, deadline=None)
settings.load_profile("default")

# Left out with --oldest: tests of algorithms alone, which depend little on the versions of other
# packages. The oldest torch is also the newest, so only network tests that involve others run.
OF_ALGORITHMS = {
    "active_learning", "all_or_nothing", "balance", "beside", "cell_search", "class_sizes",
    "collapse", "concurrency", "first_labels", "harmonic", "held_out", "label_matrix_limits",
    "many_rows", "noise", "number_beside", "number_limits", "number_spread", "prior", "reach",
    "reweighting", "session", "solvers", "templates", "trust_combinations", "unary", "volume",
}  # fmt: skip
OF_NETWORKS = {"common", "estimator", "inputs", "saving", "session"}


def pytest_addoption(parser):
    """Add the option of tests with the oldest versions."""
    parser.addoption(
        "--oldest", action="store_true", help="only tests that depend on other packages' versions"
    )


def pytest_ignore_collect(collection_path, config):
    """Leave out files, with the option ``--oldest``."""
    name = collection_path.stem.removeprefix("test_")
    if not config.getoption("oldest") or collection_path.suffix != ".py" or name == "__init__":
        return None
    folder = collection_path.parent.name
    left_out = name in OF_ALGORITHMS if folder == "tests" else name not in OF_NETWORKS
    return left_out or None


@pytest.fixture(autouse=True)
def _close_figures():
    """Close the figures of a test, which pyplot would keep."""
    yield
    if "matplotlib.pyplot" in sys.modules:
        sys.modules["matplotlib.pyplot"].close("all")


@pytest.fixture(scope="session")
def digits():
    """The 1,797 digits, their labels, and a copy of the labels with 5 kept per class."""
    X, y = load_digits(return_X_y=True)
    return X, y, hide_labels(y, 5, random_state=0)


@pytest.fixture(scope="session")
def few_digits(digits):
    """600 digits, and their labels with 10 kept per class."""
    X, y, _ = digits
    return X[:600], hide_labels(y[:600], 10, random_state=0)


@pytest.fixture(scope="session")
def moons():
    """200 points of two moons, and their labels with 3 kept per class."""
    X, y = make_moons(200, noise=0.1, random_state=0)
    return X, y, hide_labels(y, 3, random_state=0)


@pytest.fixture(scope="session")
def jittered(digits):
    """Digits without any equal distances."""
    X, y, few = digits
    return X + 0.1 * np.random.default_rng(0).normal(size=X.shape), y, few


@pytest.fixture(scope="session")
def data_home():
    """Folder of the local image data sets."""
    here = Path(__file__).parents[2] / "shared" / "data"
    home = Path(os.environ.get("SKLEARN_WNLL_DATA", here))
    if not (home / "mnist.npz").exists():
        pytest.skip(f"no mnist.npz in {home}: set SKLEARN_WNLL_DATA to a folder that has it")
    return home


@pytest.fixture(scope="session")
def mnist(data_home):
    """All 70,000 images as rows and their labels, the 10,000 test images last."""
    return load_mnist(data_home=data_home, return_X_y=True)


@pytest.fixture
def one_thread():
    """Let dask compute in this thread."""
    with pytest.importorskip("dask", reason="needs the extra [distributed]").config.set(
        scheduler="synchronous"
    ):
        yield
