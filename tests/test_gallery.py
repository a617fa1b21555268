"""Examples, their stored pictures, and the pages that embed them."""

import ast
import json
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
STORE = ROOT / "docs" / "_static" / "gallery"
SCRIPTS = {path.stem.removeprefix("plot_"): path for path in ROOT.glob("examples/plot_*.py")}
PICTURES = sorted(path.name for path in STORE.glob("*.png"))
_EMBEDDED = re.compile(r"_static/gallery/(\w+\.png)")
_BLOCK = re.compile(r"^# ?%%", re.MULTILINE)


def pages():
    found = [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]
    return [page for page in found if "_build" not in page.parts]


@pytest.mark.parametrize("page", pages(), ids=lambda page: str(page.relative_to(ROOT)))
def test_a_page_embeds_only_pictures_that_are_stored(page):
    assert set(_EMBEDDED.findall(page.read_text())) <= set(PICTURES)


@pytest.mark.parametrize("name", sorted(SCRIPTS))
def test_each_script_has_its_pictures_and_the_day(name):
    stored = json.loads((STORE / f"{name}.json").read_text())
    n_pictures = sum(len(made["figures"]) for made in stored["blocks"].values())
    ours = {picture for picture in PICTURES if re.fullmatch(rf"{name}_\d+\.png", picture)}
    assert ours == {f"{name}_{number}.png" for number in range(1, n_pictures + 1)}
    assert ours
    assert re.fullmatch(r"\d{4}-\d\d-\d\d", stored["day"])
    # A cell is a text, its code, or both; the first block is the text at the top.
    n_cells = len(_BLOCK.findall(SCRIPTS[name].read_text()))
    assert max(map(int, stored["blocks"])) <= 1 + 2 * n_cells


def test_each_stored_picture_belongs_to_a_script():
    assert {picture.rpartition("_")[0] for picture in PICTURES} == set(SCRIPTS)
    assert {path.stem for path in STORE.glob("*.json")} == set(SCRIPTS)


@pytest.mark.parametrize("picture", PICTURES)
def test_a_stored_picture_is_small(picture):
    assert (STORE / picture).stat().st_size < 120_000


@pytest.mark.parametrize("path", sorted(SCRIPTS.values()), ids=lambda path: path.name)
def test_an_example_is_in_cells_that_can_be_copied(path):
    source = path.read_text()
    tree = ast.parse(source)
    title = ast.get_docstring(tree).splitlines()
    assert len(title[0]) == len(title[2]) >= len(title[1])
    assert len(_BLOCK.findall(source)) >= 2
    assert "__main__" not in source
    assert "savefig" not in source
    assert len(source.splitlines()) <= 160
