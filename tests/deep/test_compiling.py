"""Trainings of a compiled network."""

import pickle
from copy import deepcopy
from functools import partial

import pytest
import torch
from skorch.callbacks import Callback

from sklearn_wnll.exceptions import CompilationFailedWarning

from .tiny import data, model, rows, weights


@pytest.fixture
def graphs(monkeypatch):
    """Let a compiler leave networks as they are; return the sizes of batches that it has seen."""
    seen = []

    def keep(graph, inputs):
        seen.append(len(inputs[-1]) if inputs[-1].ndim == 2 else None)
        return graph.forward

    monkeypatch.setattr(torch, "compile", partial(torch.compile, backend=keep))
    return seen


class Copies(Callback):
    """Copy and pickle the network within an epoch, and look at its state."""

    def __deepcopy__(self, memo):
        return self

    def on_batch_end(self, net, batch, **kwargs):
        assert net.module_.compiled is not None
        for copy in (deepcopy(net.module_), pickle.loads(pickle.dumps(net.module_))):
            assert copy.compiled is None
            assert type(copy) is type(net.module_)
            assert list(copy.state_dict()) == list(net.module_.state_dict())
        assert not any("compiled" in name for name in net.module_.state_dict())
        assert net.predict_proba(net.context.samples.X).shape == (60, 3)
        net.module_.train()


def test_a_compiled_training_is_the_same_in_each_step(graphs):
    X, y = data(n_unlabeled=25)
    params = {"n_stages": 2, "wnll_step__epochs": 1, "linear_step__batch_size": 12}
    expected = model(**params).fit(X, y)
    assert graphs == []
    found = model(**params, compile=True, callbacks=[Copies()]).fit(X, y)
    assert rows(found) == rows(expected)
    assert torch.equal(weights(found), weights(expected))
    # Linear steps have batches of 12 and 11, pseudo-label steps of 20: each is compiled once.
    assert len(graphs) == 3
    assert found.network_.compiled is None
    again = pickle.loads(pickle.dumps(found))
    assert (again.predict(X) == found.predict(X)).all()


def test_more_trainings_than_torch_compiles_of_a_function_are_compiled(graphs):
    for _ in range(10):
        model(compile=True, linear_step__epochs=1).fit(*data())
    assert len(graphs) == 10


def test_where_compiling_fails_the_training_continues_without(monkeypatch):
    def fail(graph, inputs):
        raise RuntimeError("There is no compiler.\nAnd more lines.")

    X, y = data(n_unlabeled=20)
    expected = model(n_stages=2).fit(X, y)
    monkeypatch.setattr(torch, "compile", partial(torch.compile, backend=fail))
    with pytest.warns(CompilationFailedWarning) as told:
        found = model(n_stages=2, compile=True).fit(X, y)
    assert len(told) == 1
    assert told[0].filename == __file__
    message = str(told[0].message)
    assert "There is no compiler. The training continues" in message
    assert rows(found) == rows(expected)
    assert torch.equal(weights(found), weights(expected))


class Branches(torch.nn.Module):
    """A network whose course depends on its numbers."""

    def __init__(self):
        super().__init__()
        self.linear = torch.nn.Linear(64, 8)

    def forward(self, x):
        return self.linear(x if x.sum() > 0 else -x)


def test_a_network_that_cannot_be_compiled_as_a_whole_is_trained_without(graphs):
    params = {"module": Branches, "module_params": None}
    expected = model(**params).fit(*data())
    with pytest.warns(CompilationFailedWarning, match=r"the network cannot be compiled: \w+: \w+"):
        found = model(**params, compile=True).fit(*data())
    assert torch.equal(weights(found), weights(expected))
    assert graphs == []


class FailsInTraining(torch.nn.Linear):
    def forward(self, x):
        if self.training:
            raise ArithmeticError("the network's own")
        return super().forward(x)


def test_an_error_of_the_network_is_not_blamed_on_the_compiler(graphs):
    fitted = model(module=FailsInTraining(64, 8), module_params=None, compile=True)
    with pytest.raises(ArithmeticError, match="the network's own"):
        fitted.fit(*data())


def test_a_training_may_go_on_compiled(graphs, tmp_path):
    expected = model().fit(*data())
    model(checkpoint_dir=tmp_path, linear_step__epochs=2).fit(*data())
    assert graphs == []
    found = model(checkpoint_dir=tmp_path, compile=True).fit(*data())
    assert rows(found) == rows(expected)
    assert len(graphs) == 1


@pytest.mark.slow
def test_a_network_that_is_really_compiled_learns_the_same_up_to_rounding():
    expected = model(linear_step__epochs=2).fit(*data())
    found = model(linear_step__epochs=2, compile=True).fit(*data())
    torch.testing.assert_close(weights(found), weights(expected), rtol=1e-3, atol=1e-4)
