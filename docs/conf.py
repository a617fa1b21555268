"""Configuration of the documentation: ``python -m sphinx -W -n docs docs/_build/html``.

With ``-D plot_gallery=0`` the examples are not run, and appear with their stored pictures.
"""

import re
import sys
import tomllib
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "_ext"))

import sklearn_wnll

project = "sklearn-wnll"
author = "The sklearn-wnll developers"
copyright = author
release = version = sklearn_wnll.__version__
_PROJECT = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text())["project"]

extensions = [
    "api_links",
    "gallery_order",
    "mathml",
    "myst_parser",
    "numpydoc",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.intersphinx",
    "sphinx.ext.viewcode",
    "sphinx_copybutton",
    "sphinx_gallery.gen_gallery",
    "stored_pictures",
]
exclude_patterns = ["_build", "gallery/**/*.md5"]
templates_path = ["_templates"]

# Pages are Markdown, and links between them work on a code host too.
myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 3
html_math_renderer = "mathml"

# The reference: methods and attributes come from the docstrings of numpydoc.
autosummary_generate = True
autodoc_default_options = {"member-order": "bysource"}
autodoc_typehints = "none"
toc_object_entries_show_parents = "hide"
numpydoc_show_class_members = False

# Links to other projects: their inventories are stored, so the build works offline.
_OTHERS = {
    "joblib": "https://joblib.readthedocs.io/en/stable/",
    "numpy": "https://numpy.org/doc/stable/",
    "scipy": "https://docs.scipy.org/doc/scipy/",
    "sklearn": "https://scikit-learn.org/stable/",
    "skorch": "https://skorch.readthedocs.io/en/stable/",
    "torch": "https://docs.pytorch.org/docs/stable/",
}
intersphinx_mapping = {
    name: (address, f"_inventories/{name}.inv") for name, address in _OTHERS.items()
}

# Pages on which a method of both estimators is the network's.
api_links_deep_pages = [
    "guide/backbones",
    "guide/deep",
    "guide/devices",
    "guide/label_images",
    "guide/monitoring",
    "guide/network_inputs",
    "guide/network_scores",
    "guide/own_steps",
    "guide/pseudo_labels",
    "guide/resuming",
    "guide/training_steps",
    "tutorials/images",
]

# The button copies the input of examples, without prompts and output.
copybutton_prompt_text = r">>> |\.\.\. |\$ "
copybutton_prompt_is_regexp = True
copybutton_exclude = ".linenos, .gp, .go"

sphinx_gallery_conf = {
    "examples_dirs": "../examples",
    "gallery_dirs": "gallery",
    "ignore_pattern": r"benchmarks",
    "backreferences_dir": "gallery/backreferences",
    "doc_module": ("sklearn_wnll",),
    "reference_url": {"sklearn_wnll": None},
    "within_subsection_order": "gallery_order.InOrder",
    "thumbnail_size": (800, 560),
    "download_all_examples": False,
    "show_memory": False,
    "write_computation_times": False,
}

html_theme = "pydata_sphinx_theme"
html_title = "sklearn-wnll"
html_static_path = ["_static"]
html_css_files = ["pages.css"]
html_theme_options = {
    "header_links_before_dropdown": 6,
    "navbar_end": ["theme-switcher"],
    "secondary_sidebar_items": ["page-toc"],
    "show_prev_next": True,
    "footer_start": ["copyright"],
    "footer_end": [],
}
if repository := _PROJECT.get("urls", {}).get("Repository"):
    html_theme_options["icon_links"] = [
        {"name": "Repository", "url": repository, "icon": "fa-solid fa-code-branch"}
    ]
    html_theme_options["navbar_end"].append("navbar-icon-links")
html_sidebars = {page: [] for page in ("index", "install", "contributing", "citing", "changelog")}
html_copy_source = False
html_show_sourcelink = False

_EXAMPLE = re.compile(r"\]\((?:\.\./)+examples/(\w+)\.py\)")
_UNBREAKABLE = re.compile(r"(?<=\d) %| ± ")


def _adapt(app, docname, source):
    """Point links to scripts at their gallery pages; tidy up doctests and tables."""
    if docname.startswith("gallery/"):
        return  # its code is not changed
    text = source[0].replace("\n\n```\n", "\n```\n")  # the empty line that ends a doctest
    text = _EXAMPLE.sub(r"](/gallery/\1.rst)", text)
    parts = text.split("```")
    parts[::2] = [_UNBREAKABLE.sub(_unbreakable, prose) for prose in parts[::2]]
    source[0] = "```".join(parts)


def _unbreakable(match):
    return match[0].replace(" ", "\N{NO-BREAK SPACE}")


def setup(app):
    """Hook into Sphinx."""
    app.connect("source-read", _adapt)
