import re
from pathlib import Path

import numpy as np

ROOT = Path(__file__).parents[1]


def test_the_code_in_the_readme_runs():
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), flags=re.DOTALL)
    assert blocks
    for block in blocks:
        names = {}
        exec(block, names)
        model, y, few = names["model"], names["y"], names["y_few"]
        assert np.mean((model.transduction_ == y)[few == -1]) > 0.9


def test_links_in_the_documents_lead_somewhere():
    for page in [ROOT / "README.md", ROOT / "CHANGELOG.md", *(ROOT / "docs").rglob("*.md")]:
        for link in re.findall(r"\]\(([^)#]+)", page.read_text()):
            assert link.startswith("http") or (page.parent / link).exists(), (page.name, link)
