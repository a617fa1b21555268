import inspect
import re
import tomllib
from fnmatch import fnmatch
from importlib import import_module
from importlib.resources import files
from pathlib import Path
from typing import Literal, get_args, get_origin, get_type_hints

import pytest
from sklearn.utils._param_validation import StrOptions

import sklearn_wnll
from sklearn_wnll import plotting

from .test_boundary import NEEDS_TORCH, PUBLIC

ROOT = Path(sklearn_wnll.__file__).parents[1]
ESTIMATORS = "WNLLClassifier", "WNLLRegressor", "DeepWNLLClassifier"
STEPS = "LinearStep", "PseudoLabelStep", "WNLLStep"


def public_module(name):
    if name in NEEDS_TORCH:
        pytest.importorskip("torch")
    return import_module(name)


def public_class(name):
    core = name in sklearn_wnll.__all__ and name != "DeepWNLLClassifier"
    return getattr(public_module("sklearn_wnll" if core else "sklearn_wnll.deep"), name)


def public_functions(module):
    """Functions, constructors and methods defined in this package."""
    for name in module.__all__:
        if (module.__name__, name) == ("sklearn_wnll", "DeepWNLLClassifier"):
            continue  # it belongs to sklearn_wnll.deep
        thing = getattr(module, name)
        if inspect.isfunction(thing):
            yield thing
        elif inspect.isclass(thing):
            methods = inspect.getmembers(
                thing, lambda m: inspect.isfunction(m) or inspect.ismethod(m)
            )
            for method_name, method in methods:
                public = method_name == "__init__" or not method_name.startswith("_")
                if public and str(method.__module__).startswith("sklearn_wnll"):
                    yield method


def strings(annotation):
    """The single strings that an annotation allows."""
    if get_origin(annotation) is Literal:
        return set(get_args(annotation))
    return set().union(*map(strings, get_args(annotation)))


@pytest.mark.parametrize("name", sorted(PUBLIC))
def test_public_functions_have_all_annotations(name):
    for function in public_functions(public_module(name)):
        signature = inspect.signature(function)
        hints = [
            p.annotation for p in signature.parameters.values() if p.name not in ("self", "cls")
        ]
        assert inspect.Signature.empty not in [*hints, signature.return_annotation], function


@pytest.mark.parametrize("name", sorted(PUBLIC))
def test_the_type_checker_wants_all_annotations_where_public_functions_are(name):
    config = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text())
    overrides = config["tool"]["mypy"]["overrides"]
    patterns = next(o["module"] for o in overrides if o.get("disallow_untyped_defs"))
    modules = {name, *(function.__module__ for function in public_functions(public_module(name)))}
    assert not [m for m in modules if not any(fnmatch(m, pattern) for pattern in patterns)]


def test_public_functions_are_found():
    functions = {f.__qualname__ for f in public_functions(sklearn_wnll)}
    assert {"required_labels", "WNLLClassifier.__init__", "WNLLClassifier.fit"} <= functions


@pytest.mark.parametrize("name", [*ESTIMATORS, *STEPS])
def test_string_options_are_those_that_fit_accepts(name):
    estimator = public_class(name)
    hints = get_type_hints(estimator.__init__)
    for parameter, constraints in estimator._parameter_constraints.items():
        options = (c.options for c in constraints if isinstance(c, StrOptions))
        assert strings(hints[parameter]) == set().union(*options), parameter


@pytest.mark.parametrize("name", ESTIMATORS)
def test_fitted_attributes_have_annotations_and_no_values(name):
    estimator = public_class(name)
    names = re.findall(r"^    (\w+_) : ", estimator.__doc__, flags=re.MULTILINE)
    assert {"classes_", "transduction_"} & set(names)
    assert {*names} <= get_type_hints(estimator).keys()
    assert not [name for name in names if hasattr(estimator, name)]


@pytest.mark.parametrize("name", plotting.__all__)
def test_drawn_attributes_have_annotations_and_no_values(name):
    display = getattr(plotting, name)
    attributes = display.__doc__.partition("Attributes\n")[2].partition("See Also\n")[0]
    names = re.findall(r"^    (\w+) : ", attributes, flags=re.MULTILINE)
    assert {"ax_", "axes_"} & {*names}
    # Those of matplotlib are strings, meaningful only to type checkers.
    assert {*names} <= inspect.get_annotations(display).keys()
    assert not [name for name in names if hasattr(display, name)]


def test_type_checkers_are_told():
    assert (files("sklearn_wnll") / "py.typed").is_file()


def test_the_package_is_python_alone():
    package = Path(sklearn_wnll.__file__).parent
    kinds = {path.suffix for path in package.rglob("*.*") if "__pycache__" not in path.parts}
    assert kinds == {".py", ".typed"}  # no bundled or compiled libraries


# A comment at the end of a line is its expected error.
SCRIPT = """
from typing import Any, assert_type

import numpy as np
from numpy.typing import NDArray
from sklearn_wnll import DeepWNLLClassifier, WNLLClassifier
from sklearn_wnll import Nonsense  # attr-defined
from sklearn_wnll.datasets import hide_labels
from sklearn_wnll.deep import LinearStep, PseudoLabelStep, WNLLStep
from sklearn_wnll.model_selection import LabeledFold
from sklearn_wnll.plotting import LabelBudgetDisplay, StageHistoryDisplay, TransductionDisplay

X, y = np.zeros((4, 2)), ["a", None, "b", None]
model = assert_type(WNLLClassifier(class_prior={"a": 0.7, "b": 0.3}).fit(X, y), WNLLClassifier)
assert_type(model.predict(X), NDArray[Any])
assert_type(model.predict_proba(X), NDArray[np.float64])
assert_type(model.score(X, y), float)
assert_type(model.transduction_, NDArray[Any])
for train, test in LabeledFold(5, unlabeled=None).split(X, y):
    assert_type(train, NDArray[np.intp])
images, labels = np.zeros((4, 3, 8, 8), dtype=np.uint8), np.array([0, 1, 0, 1])
assert_type(hide_labels(labels, 1), NDArray[Any])
deep = DeepWNLLClassifier(linear_step=LinearStep(5), wnll=WNLLClassifier(10))
assert_type(deep.set_params(pseudo_step__lr=0.1).fit(images, labels), DeepWNLLClassifier)
assert_type(deep.predict_proba(images), NDArray[np.float64])
display = assert_type(TransductionDisplay.from_estimator(model, X, y), TransductionDisplay)
assert_type(display.plot(size=20).certainty, NDArray[np.float64])
assert_type(LabelBudgetDisplay.from_estimator(model, X, y), LabelBudgetDisplay)
assert_type(StageHistoryDisplay([{"train_loss": 1.0}], columns=["acc"]), StageHistoryDisplay)

model.fit(X)  # call-arg
WNLLClassifier(label_weight="nonsense")  # arg-type
WNLLClassifier(class_prior="labelled")  # arg-type
WNLLClassifier(metric="euclid")  # arg-type
DeepWNLLClassifier(max_epochs=1)  # call-arg
DeepWNLLClassifier(linear_step="linear")  # arg-type
DeepWNLLClassifier(wnll=15)  # arg-type
LinearStep(lr="fast")  # arg-type
PseudoLabelStep(labels="nonsense")  # arg-type
WNLLStep(gradient="nonsense")  # arg-type
LabeledFold("5")  # arg-type
display.plot(size="large")  # arg-type
LabelBudgetDisplay.from_estimators([model], X, y)  # arg-type
StageHistoryDisplay([], columns=5)  # arg-type
"""

# Libraries without annotations; and torch and matplotlib, which take long.
CONFIG = """
[mypy]
ignore_missing_imports = true
[mypy-torch.*,matplotlib.*]
follow_imports = skip
"""


def test_a_script_is_checked(tmp_path, monkeypatch):
    api = pytest.importorskip("mypy.api")
    script, config = tmp_path / "script.py", tmp_path / "mypy.ini"
    script.write_text(SCRIPT)
    config.write_text(CONFIG)
    monkeypatch.setenv("MYPYPATH", str(ROOT))
    options = ["--config-file", str(config), "--cache-dir", str(tmp_path / "cache")]
    output, problems, _ = api.run([*options, str(script)])
    assert not problems
    found = re.findall(r"^(.*):(\d+): error: .*\[([\w-]+)\]$", output, flags=re.MULTILINE)
    lines = enumerate(SCRIPT.splitlines(), 1)
    expected = [(str(n), line.split("# ")[1]) for n, line in lines if "# " in line]
    assert [(line, code) for _, line, code in found] == expected, output
    assert {Path(file).name for file, _, _ in found} == {"script.py"}, output
