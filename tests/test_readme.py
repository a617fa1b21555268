import re
from pathlib import Path

ROOT = Path(__file__).parents[1]


def test_the_code_in_the_readme_runs_and_prints_what_it_says(capsys):
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), flags=re.DOTALL)
    names = {}
    for block in blocks:  # they go on from one another
        exec(block, names)
    said = [float(number) for number in re.findall(r"# on .*: (0\.\d+)", "".join(blocks))]
    printed = [float(line) for line in capsys.readouterr().out.splitlines()[:2]]
    assert [round(number, 2) for number in printed] == [round(number, 2) for number in said]


def test_links_in_the_documents_lead_somewhere():
    for page in [ROOT / "README.md", ROOT / "CHANGELOG.md", *(ROOT / "docs").rglob("*.md")]:
        for link in re.findall(r"\]\(([^)#]+)", page.read_text()):
            assert link.startswith("http") or (page.parent / link).exists(), (page.name, link)
