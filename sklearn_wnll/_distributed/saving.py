"""A folder with a file for each template."""

from dataclasses import replace
from pathlib import Path

import dask
import joblib

from .answer import on_workers

__all__ = ["load_folder", "save_folder"]

_MODEL = "model.joblib"


def save_folder(model, folder, without):
    """Let the workers write a file for each template; the client writes the rest, at the end.

    ``without`` are the names of attributes that are made anew.
    """
    model._answer.check_reachable()
    folder = Path(folder).resolve()
    folder.mkdir(parents=True, exist_ok=True)
    if any(folder.iterdir()):
        raise ValueError(f"The folder {folder} is not empty. Pass a new one.")
    answer = model._answer
    names = _names(folder, len(answer.template_sizes))
    written = zip(answer.templates, names, strict=True)
    dask.compute(*(on_workers(_write, template, name) for template, name in written))
    state = {name: value for name, value in vars(model).items() if name not in without}
    state["_answer"] = replace(answer, templates=[])
    small = type(model).__new__(type(model))
    small.__dict__ = state
    joblib.dump(small, folder / _MODEL)


def load_folder(folder):
    """Load a model whose templates are read by the workers that need them."""
    folder = Path(folder).resolve()
    if not (folder / _MODEL).is_file():
        raise FileNotFoundError(
            f"{folder} holds no model: {_MODEL} is missing. Pass the folder that was passed to "
            "save_templates."
        )
    model = joblib.load(folder / _MODEL)
    names = _names(folder, len(model._answer.template_sizes))
    templates = [on_workers(joblib.load, name) for name in names]
    model._answer = replace(model._answer, templates=templates)
    return model


def _names(folder, count):
    return [str(folder / f"template-{number:05}.joblib") for number in range(count)]


def _write(template, name):
    """Write a template; the file is complete as soon as it has its name."""
    joblib.dump(template, f"{name}.part")
    Path(f"{name}.part").rename(name)
