"""Without torch, the pages of the guide that need it are not collected."""

from importlib.util import find_spec
from pathlib import Path

_NEEDS_TORCH = "DeepWNLLClassifier", "torch"


def _needs_torch(page):
    code = [line for line in page.read_text().splitlines() if line.startswith((">>>", "..."))]
    return any(word in line for line in code for word in _NEEDS_TORCH)


collect_ignore = []
if find_spec("torch") is None or find_spec("skorch") is None:
    guide = Path(__file__).parent / "guide"
    collect_ignore = [str(page) for page in guide.glob("*.md") if _needs_torch(page)]
