"""The guide quotes the package's messages."""

import ast
import re
from pathlib import Path

from sklearn_wnll import exceptions

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "guide" / "troubleshooting.md").read_text()
FROM_SKLEARN = {
    "Input X contains NaN",
    "Scoring failed",
    "could not convert string to float",
}


def said():
    """All strings of the package, joined as Python joins them; values of f-strings are gaps."""
    for path in (ROOT / "sklearn_wnll").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                yield node.value


def test_troubleshooting_has_a_section_for_each_warning():
    sections = re.findall(r"^### (\w+Warning)$", PAGE, re.MULTILINE)
    assert sections == sorted([*exceptions.__all__, "ConvergenceWarning"])


def test_the_errors_of_troubleshooting_are_what_the_package_says():
    _, table = PAGE.split("## Errors")
    messages = re.findall(r"^\| `([^`]+)`", table, re.MULTILINE)
    assert len(messages) > 10
    texts = [*said()]
    missing = {m for m in messages if not any(m in text for text in texts)}
    assert missing == FROM_SKLEARN
