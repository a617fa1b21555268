"""Files of a training: complete or refused, kept apart, and continued if a plan allows it."""

import errno
import hashlib
import os
import pickle
import runpy
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from skorch.callbacks import Callback, EarlyStopping, LRScheduler
from torch import nn

import sklearn_wnll.deep._training.lock as lock_module
from sklearn_wnll.deep import LinearStep, PseudoLabelStep, WNLLStep
from sklearn_wnll.deep._training.checkpoint import Checkpoint
from sklearn_wnll.deep._training.lock import FileLock
from sklearn_wnll.exceptions import TrainingInterruptedWarning

from ..clouds import examples
from .tiny import data, model, rows, weights

# --- damaged files --------------------------------------------------------------------


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """A checkpoint, and the content of its file."""
    checkpoint = Checkpoint(tmp_path_factory.mktemp("saved"), {"X": "this"})
    with checkpoint:
        checkpoint.save(network={"weight": torch.arange(20.0)}, step=1)
    return checkpoint, checkpoint.path.read_bytes()


@given(st.data())
@examples(100)
def test_no_flipped_bit_goes_unnoticed(saved, data):
    checkpoint, content = saved
    place = data.draw(st.integers(0, len(content) - 1))
    changed = bytearray(content)
    changed[place] ^= 1 << data.draw(st.integers(0, 7))
    checkpoint.path.write_bytes(changed)
    with pytest.raises(ValueError, match=r"training\.pt cannot be read .*remove the file"):
        checkpoint.load()


@given(st.data())
@examples(50)
def test_no_missing_or_added_end_goes_unnoticed(saved, data):
    checkpoint, content = saved
    end = data.draw(st.binary(min_size=1, max_size=9))
    kept = data.draw(st.integers(0, len(content) - 1))
    for changed in (content[:kept], content + end):
        checkpoint.path.write_bytes(changed)
        with pytest.raises(ValueError, match="cannot be read"):
            checkpoint.load()


class Dangerous:
    def __reduce__(self):
        return os._exit, (3,)


def test_other_content_is_refused_and_never_run(saved, tmp_path):
    checkpoint = Checkpoint(tmp_path, {"X": "this"})
    torch.save({"fingerprints": Dangerous()}, tmp_path / "with_torch")
    whole = saved[1][:26]
    dangerous = (tmp_path / "with_torch").read_bytes()
    digest = hashlib.sha256(dangerous).digest()
    for content in (
        b"",
        b"text",
        pickle.dumps(Dangerous()),
        dangerous,
        whole + digest + dangerous,  # not the digest but the loader protects against attackers
    ):
        checkpoint.path.write_bytes(content)
        with pytest.raises(ValueError, match=r"cannot be read .*checkpoint_dir"):
            checkpoint.load()
    checkpoint.path.unlink()
    checkpoint.path.mkdir()
    with pytest.raises(ValueError, match="cannot be read"):
        checkpoint.load()


def test_a_fit_does_not_go_on_from_damaged_weights(tmp_path):
    fitted = model(checkpoint_dir=tmp_path).fit(*data())
    file = tmp_path / "training.pt"
    content = file.read_bytes()
    weight = fitted.network_.linear.weight.detach().numpy().tobytes()
    changed = bytearray(content)
    changed[content.index(weight) + 2] ^= 64
    file.write_bytes(changed)
    with pytest.raises(ValueError, match=r"training\.pt cannot be read .*damaged"):
        fitted.fit(*data())
    file.write_bytes(content)
    assert torch.equal(weights(model(checkpoint_dir=tmp_path).fit(*data())), weights(fitted))


# --- folders --------------------------------------------------------------------------


@pytest.mark.parametrize("below", ["folder", "a/b/c"])
def test_a_folder_below_a_file_is_refused_by_its_name(below, tmp_path):
    (tmp_path / "file").write_text("")
    fitted = model(checkpoint_dir=tmp_path / "file" / below)
    with pytest.raises(ValueError, match=r"checkpoint_dir=.*file.* cannot be made or written to"):
        fitted.fit(*data())


def test_a_link_to_nowhere_is_no_folder(tmp_path):
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    with pytest.raises(ValueError, match=r"checkpoint_dir=.*link.* is not a folder\. Pass"):
        model(checkpoint_dir=tmp_path / "link").fit(*data())


@pytest.mark.parametrize("name", ["a\0b", "x" * 300])
def test_a_name_that_no_folder_can_have_is_refused(name, tmp_path):
    with pytest.raises(ValueError, match=r"checkpoint_dir=.* cannot be made"):
        model(checkpoint_dir=tmp_path / name).fit(*data())


def test_a_folder_that_cannot_be_written_to_is_refused(tmp_path, monkeypatch):
    def denied(*args, **kwargs):
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(lock_module.os, "open", denied)
    with pytest.raises(ValueError, match=r"checkpoint_dir=.* cannot be made or written to"):
        model(checkpoint_dir=tmp_path).fit(*data())


class FillDisk(Callback):
    """Simulate a full disk from an epoch on."""

    def __init__(self, patch, epoch):
        self.patch, self.epoch = patch, epoch

    def __deepcopy__(self, memo):
        return self

    def on_epoch_end(self, net, **kwargs):
        if len(net.history) == self.epoch:

            def full(descriptor):
                raise OSError(errno.ENOSPC, "No space left on device")

            self.patch.setattr(os, "fsync", full)


def test_a_full_disk_ends_a_training_that_goes_on_when_there_is_room(tmp_path):
    X, y = data()
    with pytest.MonkeyPatch.context() as patch:
        cut = model(checkpoint_dir=tmp_path, callbacks=[FillDisk(patch, 3)])
        with pytest.raises(OSError, match=r"No space left.* continues from there") as caught:
            cut.fit(X, y)
    assert caught.value.errno == errno.ENOSPC
    assert not list(tmp_path.glob("*.partial"))
    assert len(Checkpoint(tmp_path).load(lambda *_: True)["history"]) == 2
    whole = model(checkpoint_dir=tmp_path).fit(X, y)
    assert torch.equal(weights(whole), weights(model().fit(X, y)))


def test_a_folder_in_the_place_of_a_file_of_a_training_is_named(tmp_path):
    (tmp_path / "training.partial").mkdir()
    with pytest.raises(OSError, match=r"cannot be written .*training\.partial.* Check the disk"):
        model(checkpoint_dir=tmp_path).fit(*data())


class Noted(nn.Linear):
    """A layer whose state holds an object."""

    def get_extra_state(self):
        return Path("notes")

    def set_extra_state(self, state):
        pass


def test_what_could_not_be_loaded_again_is_refused_when_it_is_saved(tmp_path):
    noted = model(module=Noted(64, 4), module_params=None, checkpoint_dir=tmp_path)
    message = r"cannot be kept in checkpoint_dir=.*_extra_state'\] is of type .*Path.*=None\."
    with pytest.raises(ValueError, match=message):
        noted.fit(*data())
    assert [path.name for path in tmp_path.iterdir()] == ["training.lock"]
    noted.set_params(checkpoint_dir=None).fit(*data())


# --- the lock -------------------------------------------------------------------------


class Wait(Callback):
    """Wait in the first epoch."""

    def __init__(self, begun, end):
        self.begun, self.end = begun, end

    def __deepcopy__(self, memo):
        return self

    def on_epoch_begin(self, net, **kwargs):
        self.begun.set()
        self.end.wait(60)


def test_two_trainings_at_once_do_not_share_a_folder(tmp_path):
    begun, end = threading.Event(), threading.Event()
    first = model(checkpoint_dir=tmp_path, callbacks=[Wait(begun, end)])
    thread = threading.Thread(target=first.fit, args=data())
    thread.start()
    assert begun.wait(60)
    try:
        with pytest.raises(ValueError, match="is in use by another training"):
            model(checkpoint_dir=tmp_path).fit(*data())
    finally:
        end.set()
        thread.join()
    second = model(checkpoint_dir=tmp_path).fit(*data())
    assert torch.equal(weights(second), weights(first))


class Fail(Callback):
    """Fail in the second epoch."""

    def on_epoch_begin(self, net, **kwargs):
        if len(net.history) == 2:
            raise RuntimeError("the machine stops")


def test_a_training_that_fails_leaves_its_folder_free(tmp_path):
    for _ in range(2):
        with pytest.raises(RuntimeError, match="the machine stops"):
            model(checkpoint_dir=tmp_path, callbacks=[Fail()]).fit(*data())
    assert len(model(checkpoint_dir=tmp_path).fit(*data()).history_) == 4


HOLD = """
import runpy, sys, time
lock = runpy.run_path(sys.argv[1])["FileLock"](sys.argv[2])
held = lock.acquire()
{forks}
print(held, flush=True)
time.sleep(60)
"""
FORKS = """
import os
if os.fork():
    time.sleep(60)
"""  # The fork speaks, after it has let go of the lock.


def holder(path, forks=""):
    """A process that holds a lock."""
    command = [sys.executable, "-c", HOLD.format(forks=forks), lock_module.__file__, str(path)]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, start_new_session=bool(forks)
    )
    assert process.stdout.readline() == "True\n"
    return process


def test_a_dead_process_holds_no_lock(tmp_path):
    lock = FileLock(tmp_path / "lock")
    with holder(tmp_path / "lock") as process:
        assert not lock.acquire()
        process.kill()
        process.wait()
        assert lock.acquire()
    lock.release()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_a_fork_does_not_hold_the_lock_of_its_dead_parent(tmp_path):
    lock = FileLock(tmp_path / "lock")
    with holder(tmp_path / "lock", FORKS) as process:
        process.kill()
        process.wait()
        try:
            assert lock.acquire()
        finally:
            os.killpg(process.pid, signal.SIGKILL)
    lock.release()


def test_a_file_system_without_locks_serves_without_them(tmp_path, monkeypatch):
    module = runpy.run_path(lock_module.__file__)

    def none(*args):
        raise OSError(errno.ENOLCK, "No locks available")

    locking = module.get("fcntl") or module["msvcrt"]
    monkeypatch.setattr(locking, "flock" if "fcntl" in module else "locking", none)
    assert module["FileLock"](tmp_path / "lock").acquire()


# --- more epochs ----------------------------------------------------------------------

LINEAR = {"linear_step__epochs": 2}
BOTH = {"linear_step__epochs": 2, "wnll_step__epochs": 1}
STAGES = BOTH | {"n_stages": 2}


@pytest.mark.parametrize(
    ("first", "then"),
    [
        (LINEAR, {"linear_step__epochs": 5}),
        (LINEAR, {"linear_step__epochs": 5, "wnll_step__epochs": 2}),
        (BOTH, {"wnll_step__epochs": 3}),
        (BOTH, {"n_stages": 2}),
        (BOTH, {"n_stages": 3}),
        (STAGES, {"n_stages": 3}),
        (LINEAR | {"callbacks": [LRScheduler("StepLR", step_size=1)]}, {"linear_step__epochs": 4}),
    ],
)
def test_a_finished_training_goes_on(first, then, tmp_path):
    X, y = data()
    short = model(checkpoint_dir=tmp_path, **first).fit(X, y)
    longer = model(checkpoint_dir=tmp_path, **first).set_params(**then).fit(X, y)
    unbroken = model(**first).set_params(**then).fit(X, y)
    assert len(longer.history_) > len(short.history_)
    assert longer.history_[: len(short.history_)] == short.history_  # the times of the same epochs
    assert rows(longer) == rows(unbroken)
    assert torch.equal(weights(longer), weights(unbroken))


@pytest.mark.parametrize(
    ("first", "then", "names"),
    [
        (BOTH, {"linear_step__epochs": 3}, "linear_step__epochs"),
        (LINEAR, {"linear_step__epochs": 1}, "linear_step__epochs"),
        (STAGES, {"wnll_step__epochs": 2}, "wnll_step__epochs"),
        (STAGES, {"n_stages": 1}, "n_stages"),
        (
            {"n_stages": 2, "linear_step__epochs": 1, "pseudo_step__epochs": 2},
            {"pseudo_step__epochs": 3},
            "pseudo_step__epochs",
        ),
        (LINEAR, {"linear_step__epochs": 3, "linear_step__lr": 0.2}, ".*linear_step__lr"),
    ],
    ids=str,
)
def test_a_training_that_could_not_have_come_there_is_refused(first, then, names, tmp_path):
    X, y = data(n_unlabeled=20 if "pseudo_step__epochs" in first else 0)
    model(checkpoint_dir=tmp_path, **first).fit(X, y)
    with pytest.raises(
        ValueError, match=rf"differs in {names}\. .* last trained step .*not .* in an earlier stage"
    ):
        model(checkpoint_dir=tmp_path, **first).set_params(**then).fit(X, y)


class Interrupt(Callback):
    """Press Ctrl-C in the second epoch of a step."""

    def on_epoch_begin(self, net, **kwargs):
        if len(net.history) == 2:
            raise KeyboardInterrupt


@pytest.mark.parametrize("patience", [2, 9], ids=["ended early", "all epochs"])
def test_weights_that_a_callback_loads_at_the_end_are_those_of_the_checkpoint(patience, tmp_path):
    # The number of the epoch grows, so the first one is the best.
    best = EarlyStopping("epoch", patience=patience, load_best=True, sink=lambda text: None)
    params = {"callbacks": [best], "wnll_step__epochs": 3, "checkpoint_dir": tmp_path}
    fitted = model(**params).fit(*data())
    assert torch.equal(weights(model(**params).fit(*data())), weights(fitted))


def test_an_interrupted_training_may_be_given_fewer_epochs(tmp_path):
    X, y = data()
    with pytest.warns(TrainingInterruptedWarning):
        model(checkpoint_dir=tmp_path, callbacks=[Interrupt()]).fit(X, y)
    short = model(checkpoint_dir=tmp_path, linear_step__epochs=2).fit(X, y)
    assert torch.equal(weights(short), weights(model(linear_step__epochs=2).fit(X, y)))


class InterruptOf(Callback):
    """Interrupt the training in an epoch of the pseudo-label step."""

    def __init__(self, epoch):
        self.epoch = epoch

    def on_epoch_begin(self, net, **kwargs):
        if net.step.name == "pseudo" and len(net.history) == self.epoch:
            raise KeyboardInterrupt


@pytest.mark.parametrize("epoch", [2, 3, 4])
def test_a_resumed_training_keeps_its_labels_as_long_as_an_unbroken_one(epoch, tmp_path):
    X, y = data(n_unlabeled=30)
    params = {"n_stages": 2, "pseudo_step__label_epochs": 3}
    with pytest.warns(TrainingInterruptedWarning):
        model(**params, checkpoint_dir=tmp_path, callbacks=[InterruptOf(epoch)]).fit(X, y)
    resumed = model(**params, checkpoint_dir=tmp_path).fit(X, y)
    assert torch.equal(weights(resumed), weights(model(**params).fit(X, y)))
    assert len(rows(resumed)) == len(rows(model(**params).fit(X, y)))


def test_which_steps_can_go_on():
    assert LinearStep.extensible
    assert WNLLStep.extensible
    assert not PseudoLabelStep.extensible


def test_no_trace_of_a_training_is_left_but_its_files(tmp_path):
    model(checkpoint_dir=tmp_path / "new" / "folder").fit(*data())
    names = {path.name for path in Path(tmp_path / "new" / "folder").iterdir()}
    assert names == {"training.pt", "training.lock"}
