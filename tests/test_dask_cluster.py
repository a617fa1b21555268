"""Rows on a cluster that loses workers."""

import os
import pickle
import signal

import numpy as np
import pytest
from sklearn.neighbors import KNeighborsTransformer

from sklearn_wnll import WNLLClassifier

from .partitions import IN_ONE_THREAD, partitioned, same

pytestmark = IN_ONE_THREAD


class Fragile(KNeighborsTransformer):
    """A neighbour search that ends the worker process the first time a template is fitted."""

    def __init__(self, n_neighbors=15, *, flag=None):
        super().__init__(n_neighbors=n_neighbors)
        self.flag = flag

    def transform(self, X):
        """Die once."""
        try:
            os.close(os.open(self.flag, os.O_CREAT | os.O_EXCL))
        except FileExistsError:
            return super().transform(X)
        os._exit(1)


@pytest.mark.slow
def test_a_cluster_that_loses_workers_gives_the_same_result(few_digits, tmp_path):
    distributed = pytest.importorskip("distributed", reason="needs the extra [distributed]")
    X, few = few_digits
    rows, queries, flag = partitioned(X, 60), X + 0.1, tmp_path / "killed"
    params = {"neighbors": Fragile(flag=str(flag)), "template_size": 250, "random_state": 0}
    flag.touch()
    alone = WNLLClassifier(**params).fit(rows, few)
    expected = alone.predict_proba(queries)
    flag.unlink()
    with (
        distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=":0") as hub,
        distributed.Client(hub) as client,
    ):
        model = WNLLClassifier(**params).fit(rows, few)
        assert flag.exists()  # a worker has been killed
        same(alone, model)
        with pytest.raises(ValueError, match=r"live on the workers .* save_templates"):
            pickle.dumps(model)
        holders = [worker for workers in client.who_has().values() for worker in workers]
        pids = client.run(os.getpid)
        os.kill(pids[holders[0]], signal.SIGKILL)  # with the templates that it holds
        np.testing.assert_array_equal(model.predict_proba(queries), expected)
        lazy = model.predict_proba(partitioned(queries, len(queries)))
        np.testing.assert_array_equal(lazy.compute(), expected)
        same(alone, model)
        model.save_templates(tmp_path / "folder")
        loaded = WNLLClassifier.load_templates(tmp_path / "folder")
        np.testing.assert_array_equal(loaded.predict_proba(queries), expected)
        pickle.dumps(loaded)
    for call in (lambda: model.predict(queries), lambda: model.save_templates(tmp_path / "late")):
        with pytest.raises(RuntimeError, match=r"client has been closed.* save_templates"):
            call()
    np.testing.assert_array_equal(loaded.predict_proba(queries), expected)
