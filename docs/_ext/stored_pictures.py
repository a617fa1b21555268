"""Stored output of ``docs/pictures.py``, for pages of the gallery whose script was not run."""

import json
import re
from pathlib import Path
from textwrap import indent

from sphinx_gallery.utils import scale_image

_BLOCK = re.compile(r"^(?=\.\. GENERATED FROM PYTHON SOURCE LINES)", re.MULTILINE)
_FOOTER = ".. _sphx_glr_download_"
_RUN = re.compile(r"sphx-glr-(single-img|multi-img|script-out)")


def _store(app):
    return Path(app.srcdir) / "_static" / "gallery"


def _was_run(page):
    return bool(_RUN.search(page))


def _directives(name, day, figures, text, first):
    """Make the directives for a block's pictures, from number ``first`` on, and printed text."""
    for number, alt in enumerate(figures, first):
        yield f".. figure:: /_static/gallery/{name}_{number}.png\n"
        yield f"   :class: sphx-glr-single-img\n   :alt: {alt or name}\n\n   Drawn on {day}.\n\n"
    if text:
        yield ".. rst-class:: sphx-glr-script-out\n\n .. code-block:: none\n\n"
        yield indent(text, "    ") + "\n\n"


def _show(app, docname, source):
    """Insert pictures and text after the blocks that made them."""
    name = docname.removeprefix("gallery/plot_")
    record = _store(app) / f"{name}.json"
    if name == docname or _was_run(source[0]) or not record.exists():
        return
    stored = json.loads(record.read_text(encoding="utf-8"))
    app.env.note_dependency(str(record))
    page, mark, footer = source[0].partition(_FOOTER)
    blocks, first = _BLOCK.split(page), 1
    for number, made in stored["blocks"].items():
        shown = _directives(name, stored["day"], made["figures"], made["text"], first)
        blocks[int(number)] += "\n" + "".join(shown)
        first += len(made["figures"])
    source[0] = "".join(blocks) + mark + footer


def _make_thumbnails(app):
    """Make thumbnails of scripts that were not run from their first pictures."""
    gallery = Path(app.srcdir) / "gallery"
    width, height = app.config.sphinx_gallery_conf["thumbnail_size"]
    for page in gallery.glob("plot_*.rst"):
        picture = _store(app) / f"{page.stem.removeprefix('plot_')}_1.png"
        if picture.exists() and not _was_run(page.read_text(encoding="utf-8")):
            thumbnail = gallery / "images" / "thumb" / f"sphx_glr_{page.stem}_thumb.png"
            scale_image(picture, thumbnail, width, height)


def setup(app):
    """Hook into Sphinx, after the gallery is made."""
    app.connect("builder-inited", _make_thumbnails, priority=900)
    app.connect("source-read", _show)
    return {"parallel_read_safe": True}
