import itertools
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


def table(text, *titles):
    """The rows of the table of Markdown that has these titles, as lists of text."""
    lines = text.splitlines()
    heads = [n for n, line in enumerate(lines) if cells(line)[: len(titles)] == list(titles)]
    assert len(heads) == 1
    body = itertools.takewhile(lambda line: line.startswith("|"), lines[heads[0] + 2 :])
    return [cells(line) for line in body]


def cells(line):
    return [cell.strip() for cell in line.strip("|").split("|")]


def test_the_guide_says_what_a_size_costs_as_it_was_measured():
    measured = table(
        (ROOT / "docs/benchmarks/classifier.md").read_text(), "rows", "features", "labels"
    )
    costs = {
        (rows, features): (f"{seconds} s", f"{memory} GB")
        for rows, features, _, seconds, memory, *_ in measured
    }
    told = table((ROOT / "docs/guide/scaling.md").read_text(), "rows", "features", "fit")
    told = {(rows, features): costs for rows, features, *costs in told}
    for size, cost in costs.items():
        assert tuple(told[size]) == cost
    sizes = sorted(int(rows.replace(",", "")) for rows, _ in told)
    assert sizes[0] <= 100_000 < 235_000 < 1_000_000 <= sizes[-1]


def test_half_a_million_rows_and_more_were_fitted_within_a_minute_and_4_gb():
    measured = table(
        (ROOT / "docs/benchmarks/classifier.md").read_text(), "rows", "features", "labels"
    )
    (row,) = (row for row in measured if row[:3] == ["697,526", "15", "13,469 and 262"])
    assert float(row[3]) < 60
    assert float(row[4]) < 4
