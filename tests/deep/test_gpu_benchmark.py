"""The benchmark of a GPU, tried on the CPU: its limits of time, its results and its page."""

import json
import os
import subprocess
import sys
import time
import warnings
from pathlib import Path

import few_labels
import gpu
import gpu_checks
import gpu_items
import gpu_page
import gpu_speed
import numpy as np
import pytest
import torch
from gpu_items import BROKEN, Item, OutOfTime, Setup, run_items, time_limit

from sklearn_wnll._tensors import graph
from sklearn_wnll.deep import PseudoLabelStep
from sklearn_wnll.deep._files import read_state
from sklearn_wnll.exceptions import CompilationFailedWarning

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "examples" / "benchmarks" / "gpu.py"


def setup():
    return Setup(torch.device("cpu"), None, True)


def stubborn(setup=None):
    """Go on after an error."""
    try:
        time.sleep(5)
    except Exception:
        time.sleep(5)


def test_what_takes_too_long_is_ended_even_where_errors_are_caught():
    with pytest.raises(OutOfTime), time_limit(0.05):
        stubborn()


def test_vanilla_has_the_updates_of_the_others_on_labelled_images_alone(monkeypatch):
    steps = [Step(1, batch_size=16) for Step in (few_labels.LabeledAlone, PseudoLabelStep)]
    seen = []

    def record(step, net, batch, loss=PseudoLabelStep.loss):
        seen.append((type(step), len(batch[0]), bool((batch[2] == 1).all())))
        return loss(step, net, batch)

    monkeypatch.setattr(PseudoLabelStep, "loss", record)
    X, y = gpu_items.synthetic_images(80)
    few = np.where(np.arange(80) < 30, y, -1)
    for step in steps:
        setup().model(linear=1, pseudo=1, pseudo_step=step).fit(X, few)
    alone, others = ([one for one in seen if one[0] is type(step)] for step in steps)
    assert [size for _, size, _ in alone] == [size for _, size, _ in others]
    assert all(weights for *_, weights in alone)


@pytest.mark.filterwarnings("ignore::sklearn_wnll.exceptions.FewLabelsWarning")
@pytest.mark.skipif(
    "os.environ.get('SCIPY_ARRAY_API') != '1'", reason="scikit-learn needs SciPy 1.14 for it"
)
def test_tensors_are_checked_and_timed_as_on_a_gpu(monkeypatch):
    monkeypatch.setattr(graph, "_DEVICES", {"cpu"})
    for options in gpu_checks.OPTIONS.values():
        found = gpu_checks.same_answers(setup(), options)
        assert found["passed"], found
    assert gpu_speed.fit_rows(setup())["accuracy"] > 80


def failing(setup):
    raise ValueError("too bad")


def not_compiled(setup):
    warnings.warn("no compiler", CompilationFailedWarning, stacklevel=1)
    return {"value": 1.0}


def test_an_error_or_a_slow_item_does_not_keep_the_others(tmp_path):
    calls = []
    items = [
        Item("one: fails", failing, 5),
        Item("two: too slow", stubborn, 0.05),
        Item("three: is not compiled", not_compiled, 5),
        Item("four", lambda setup: calls.append(1) or {"value": 2.0}, 5),
    ]
    for _ in range(2):
        run_items(items, tmp_path, setup(), time.time() + 60)
    found = gpu_page.stored(tmp_path)
    assert found["one: fails"]["error"] == "ValueError: too bad"
    assert found["two: too slow"]["error"] == "not finished within 0 s"
    assert "CompilationFailedWarning" in found["three: is not compiled"]["error"]
    assert found["four"]["value"] == 2
    assert len(calls) == 1


def test_what_the_end_cuts_off_is_left_to_another_call(tmp_path, monkeypatch):
    monkeypatch.setattr(gpu_items, "LEAST", 0.1)
    slow = Item("slow", lambda setup: time.sleep(5), 60)
    run_items([slow, slow], tmp_path, setup(), time.time() + 0.3)
    assert gpu_page.stored(tmp_path) == {}


def test_a_broken_device_ends_the_process_after_its_error_is_stored(tmp_path):
    def broken(setup):
        raise RuntimeError("CUDA error: unspecified launch failure")

    with pytest.raises(SystemExit) as caught:
        run_items([Item("broken", broken, 5)], tmp_path, setup(), time.time() + 60)
    assert caught.value.code == BROKEN
    assert "CUDA error" in gpu_page.stored(tmp_path)["broken"]["error"]


def test_a_training_ends_with_the_time_and_goes_on_in_the_next_call(tmp_path, monkeypatch):
    command = ["gpu.py", "--small", "--device", "cpu", "--results", str(tmp_path)]
    monkeypatch.setattr(sys, "argv", [*command, "--methods", "WNLL"])
    args = gpu.arguments()
    gpu.write_small_data(tmp_path / "data")
    args.epochs = 10_000
    epochs = []
    for _ in range(2):
        gpu.run_part(args, "training", time.time() + 6)
        (state,) = tmp_path.glob("training/*/training.pt")
        epochs.append(len(read_state(state, "checkpoint 1")["history"]))
    assert 0 < epochs[0] < epochs[1] < 10_000
    assert not list(tmp_path.glob("training/*/*.json"))


def call(results, *options):
    command = [sys.executable, SCRIPT, "--device", "cpu", "--small", "--results", results]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path])}
    done = subprocess.run(
        [*map(str, command), *options], env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.slow
def test_the_whole_script_runs_on_a_cpu(tmp_path):
    call(tmp_path, "--minutes", "7")
    checks = gpu_page.stored(tmp_path / "checks")
    assert checks
    assert all(result.get("passed") for result in checks.values()), checks
    speed = gpu_page.stored(tmp_path / "speed")
    assert speed
    assert all(result["value"] > 0 for result in speed.values()), speed
    trained = [json.loads(path.read_text()) for path in tmp_path.glob("training/*/result.json")]
    assert {one["method"] for one in trained} == set(gpu_page.METHODS)
    page = (tmp_path / "docs" / "benchmarks" / "gpu.md").read_text()
    for heading in ("Checks", "Time", "CIFAR-10, 40 labels, 60 others", "How it was measured"):
        assert f"\n## {heading}" in page
    assert f"**On CPU, {len(checks)} of {len(checks)} checks pass" in page
    (tmp_path / "docs" / "benchmarks" / "gpu.md").unlink()
    call(tmp_path, "--parts", "page")
    assert (tmp_path / "docs" / "benchmarks" / "gpu.md").exists()
