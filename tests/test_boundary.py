"""The names a user may import: nothing else is used where users look."""

import ast
import pkgutil
import re
import subprocess
import sys
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import pytest

import sklearn_wnll

ROOT = Path(__file__).parents[1]
PUBLIC = {
    "sklearn_wnll",
    "sklearn_wnll.compose",
    "sklearn_wnll.datasets",
    "sklearn_wnll.deep",
    "sklearn_wnll.deep.backbones",
    "sklearn_wnll.exceptions",
    "sklearn_wnll.model_selection",
    "sklearn_wnll.plotting",
}
NEEDS_TORCH = {name for name in PUBLIC if ".deep" in name}


def has_underscore(name):
    return any(part.startswith("_") for part in name.split("."))


def module_names():
    """All modules of the package, found without importing any."""
    package = Path(sklearn_wnll.__file__).parent
    for path in package.rglob("*.py"):
        parts = path.relative_to(package.parent).with_suffix("").parts
        yield ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def documented_names():
    """Full names in the reference."""
    page = (ROOT / "docs" / "api" / "index.md").read_text()
    return {f"sklearn_wnll.{name}" for name in re.findall(r"^   ([\w.]+)$", page, re.MULTILINE)}


def imported_names(path):
    """A script's imports from the package: modules, and names in them."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def test_modules_without_an_underscore_are_those_that_a_user_may_import():
    assert {name for name in module_names() if not has_underscore(name)} == PUBLIC


@pytest.mark.parametrize("module", sorted(PUBLIC))
def test_every_public_name_is_in_the_reference(module):
    if module in NEEDS_TORCH and find_spec("torch") is None:
        pytest.skip("torch is not installed")
    names = {f"{module}.{name}" for name in import_module(module).__all__}
    # The estimator is listed once, under the package.
    names.discard("sklearn_wnll.deep.DeepWNLLClassifier")
    assert names <= documented_names()


def test_the_reference_lists_public_names_only():
    pytest.importorskip("torch", reason="some names need torch")
    for name in documented_names():
        module, _, attribute = name.rpartition(".")
        assert module in PUBLIC
        assert attribute in import_module(module).__all__


def test_public_modules_offer_nothing_but_their_public_names():
    pytest.importorskip("torch", reason="some names need torch")
    for name in PUBLIC:
        module = import_module(name)
        path = Path(module.__file__)
        submodules = {info.name for info in pkgutil.iter_modules(getattr(module, "__path__", []))}
        defined = {
            node.name
            for node in ast.parse(path.read_text()).body
            if isinstance(node, ast.ClassDef | ast.FunctionDef)
        }
        offered = {n for n in defined if not n.startswith("_")}
        assert offered <= {*module.__all__, *submodules}, name


# Like notes, they describe measurements of single parts of the method.
OF_PARTS = {"billion_rows.py", "templates.py"}


@pytest.mark.parametrize(
    "path",
    sorted(p for p in (ROOT / "examples").rglob("*.py") if p.name not in OF_PARTS),
    ids=lambda path: path.name,
)
def test_no_example_imports_what_is_not_public(path):
    ours = [name for name in imported_names(path) if name.startswith("sklearn_wnll")]
    assert not [name for name in ours if has_underscore(name)]


def test_no_page_imports_what_is_not_public():
    for page in [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]:
        # Notes describe measurements of single parts of the method.
        if {"_build", "generated", "notes"} & {*page.parts}:
            continue
        modules = re.findall(r"(?:from|import) (sklearn_wnll[\w.]*)", page.read_text())
        assert not [name for name in modules if has_underscore(name)], page.name


WITHOUT_TORCH = """
import sys
from functools import partial
from importlib.machinery import PathFinder


def find_other(find_spec, name, *args):
    hidden = name.partition(".")[0] in ("torch", "skorch")
    return None if hidden else find_spec(name, *args)


PathFinder.find_spec = partial(find_other, PathFinder.find_spec)
import pytest
sys.exit(pytest.main(["--collect-only", "-q", "-p", "no:cacheprovider"]))
"""


@pytest.mark.slow
def test_without_torch_all_tests_but_those_of_networks_are_collected():
    found = subprocess.run(
        [sys.executable, "-c", WITHOUT_TORCH], cwd=ROOT, capture_output=True, text=True
    )
    assert found.returncode == 0, found.stdout
    assert "tests/test_classifier.py" in found.stdout
    assert "tests/deep/" not in found.stdout
