import os
from pathlib import Path

import pytest
from hypothesis import settings

from sklearn_wnll.datasets import load_mnist

settings.register_profile("default", max_examples=200, deadline=None)
settings.load_profile("default")


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
