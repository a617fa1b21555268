import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
BLOCKS = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), flags=re.DOTALL)
NETWORK_BLOCKS = [block for block in BLOCKS if "DeepWNLLClassifier" in block]


def run(blocks):
    """Run consecutive blocks of code."""
    names = {}
    for block in blocks:
        exec(block, names)


def test_the_code_for_rows_in_the_readme_runs_and_prints_what_it_says(capsys):
    blocks = [block for block in BLOCKS if block not in NETWORK_BLOCKS]
    run(blocks)
    said = [float(number) for number in re.findall(r"# on .*: (0\.\d+)", "".join(blocks))]
    printed = [float(line) for line in capsys.readouterr().out.splitlines()[: len(said)]]
    assert len(said) == 2
    assert [round(number, 2) for number in printed] == [round(number, 2) for number in said]


def test_the_code_for_networks_in_the_readme_runs():
    pytest.importorskip("torch", reason="networks need torch")
    pytest.importorskip("skorch", reason="networks need skorch")
    assert NETWORK_BLOCKS
    run([BLOCKS[0], *NETWORK_BLOCKS])


def test_links_in_the_documents_lead_somewhere():
    for page in [ROOT / "README.md", ROOT / "CHANGELOG.md", *(ROOT / "docs").rglob("*.md")]:
        for link in re.findall(r"\]\(([^)#]+)", page.read_text()):
            assert link.startswith("http") or (page.parent / link).exists(), (page.name, link)
