"""Skip pages that train networks if torch or skorch is missing."""

from importlib.util import find_spec
from pathlib import Path

collect_ignore = []
if not (find_spec("torch") and find_spec("skorch")):
    pages = Path(__file__).parent.glob("*/*.md")
    collect_ignore = [
        str(page) for page in pages if ">>> from sklearn_wnll.deep" in page.read_text()
    ]
