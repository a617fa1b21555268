"""Order and sections of the gallery, from simple examples to networks."""

import re
from pathlib import Path

from sphinx.errors import ExtensionError

# Scripts by section, each with the line below its heading.
SECTIONS = {
    "Begin here": (
        "How little it takes, and how it is used.",
        ["plot_at_a_glance", "plot_few_labels", "plot_text_embeddings", "plot_numbers",
         "plot_labeling", "label_in_a_notebook"],
    ),
    "How it works": (
        "The graph, the weights, and new rows.",
        ["plot_n_neighbors", "plot_spikes", "plot_label_weights", "plot_image_restoration",
         "plot_new_row", "plot_scaling"],
    ),
    "More from your labels": (
        "What to label next, labels that are wrong, and classes of different size.",
        ["plot_active_learning", "plot_one_label", "plot_class_prior", "plot_wrong_labels"],
    ),
    "How good it is": (
        "Scores and probabilities that you can trust.",
        ["plot_cross_validation", "plot_reliability"],
    ),
    "Networks": (
        "Features that are learned.",
        ["plot_network", "plot_deep_few_labels", "plot_pseudo_labels", "plot_unlabeled",
         "plot_displays"],
    ),
}  # fmt: skip
_ORDER = [name for _, names in SECTIONS.values() for name in names]

_THUMBNAIL = re.compile(
    r'\.\. raw:: html\n\n    <div class="sphx-glr-thumbcontainer".*?</div>\n    </div>\n', re.DOTALL
)
_ALL = re.compile(
    r'\.\. raw:: html\n\n    <div class="sphx-glr-thumbnails">.*'
    r"\.\. thumbnail-parent-div-close\n\n\.\. raw:: html\n\n    </div>\n",
    re.DOTALL,
)
_HTML = ".. raw:: html\n\n    {}\n\n"


class InOrder:
    """Sort the scripts of the gallery in the order of :data:`SECTIONS`."""

    def __init__(self, folder):
        pass

    def __call__(self, filename):
        """Return the place of a script."""
        name = Path(filename).stem
        if name not in _ORDER:
            raise ExtensionError(f"{name} is in no section of docs/_ext/gallery_order.py")
        return _ORDER.index(name)

    def __repr__(self):
        return "<InOrder>"


def _group(app, docname, source):
    """Put the thumbnails of the gallery's index into their sections."""
    if docname != "gallery/index":
        return
    thumbnails = {
        re.search(r":doc:`/gallery/(\w+)`", thumbnail)[1]: thumbnail
        for thumbnail in _THUMBNAIL.findall(source[0])
    }
    text = ""
    for heading, (line, names) in SECTIONS.items():
        text += f"{heading}\n{'-' * len(heading)}\n\n{line}\n\n"
        text += _HTML.format('<div class="sphx-glr-thumbnails">')
        text += "\n\n".join(thumbnails[name] for name in names)
        text += "\n\n" + _HTML.format("</div>")
    source[0] = _ALL.sub(lambda match: text, source[0])


def setup(app):
    """Hook into Sphinx."""
    app.connect("source-read", _group)
    return {"parallel_read_safe": True}
