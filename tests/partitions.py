"""What tests of rows in dask collections share."""

import numpy as np
import pytest

dask = pytest.importorskip("dask", reason="needs the extra [distributed]")
da = pytest.importorskip("dask.array", reason="needs the extra [distributed]")

IN_ONE_THREAD = [
    pytest.mark.filterwarnings("ignore::sklearn_wnll.exceptions.FewLabelsWarning"),
    pytest.mark.filterwarnings("ignore::sklearn_wnll.exceptions.CollapsedClassesWarning"),
    pytest.mark.usefixtures("one_thread"),
]
LAZY = "label_distributions_", "reached_", "transduction_"


def partitioned(X, *sizes):
    """Rows in partitions of some sizes."""
    return da.from_array(X, chunks=(sizes if len(sizes) > 1 else sizes[0], *X.shape[1:]))


def computed(model):
    """Results for the fitted rows."""
    return dict(zip(LAZY, dask.compute(*(getattr(model, name) for name in LAZY)), strict=True))


def same(one, two):
    """Check that two models have the same results for the fitted rows."""
    for name, values in computed(one).items():
        np.testing.assert_array_equal(values, computed(two)[name])
