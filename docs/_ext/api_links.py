"""Links for inline code that names an object of the reference, or of a stored inventory.

Pages are Markdown, also shown by a code host, so they name objects as plain inline code:
``WNLLClassifier``, ``relabel``, ``LabeledFold(5)``, ``GridSearchCV``, ``numpy.full``. A name
without its module is a link if it is unambiguous. If both estimators have it, the page decides.
"""

import ast
import inspect
import re
from collections import defaultdict

from docutils import nodes
from sklearn.base import BaseEstimator
from sphinx import addnodes
from sphinx.ext.intersphinx import InventoryAdapter
from sphinx.transforms.post_transforms import SphinxPostTransform

OWN = "sklearn_wnll"
GENERATED = "api/generated/"
ESTIMATORS = f"{OWN}.WNLLClassifier", f"{OWN}.DeepWNLLClassifier"

# Projects with names that are links even without the module: classes, functions of several words.
SHORT = "sklearn.", "skorch."
_SHORT_NAME = re.compile(r"[A-Z]\w+|[a-z]+(_\w+)+")


class LinkNames(SphinxPostTransform):
    """Turn inline code into cross-references, which Sphinx then resolves."""

    default_priority = 5

    def run(self, **kwargs):
        """Visit the inline code of a page."""
        names = Names.of(self.app)
        for literal in list(self.document.findall(nodes.literal)):
            if _is_taken(literal):
                continue
            target = names.find(literal.astext(), self.env.docname)
            if target is not None:
                self._link(literal, target)

    def _link(self, literal, target):
        reference = addnodes.pending_xref(
            "",
            refdomain="py",
            reftype="obj",
            reftarget=target,
            refdoc=self.env.docname,
            refexplicit=True,
            refwarn=True,
        )
        literal.parent.replace(literal, reference)
        literal["classes"] += ["xref", "py", "py-obj"]
        reference += literal


def _is_taken(literal):
    """Return whether code is part of a link or a heading."""
    taken = nodes.reference, nodes.title, addnodes.pending_xref, addnodes.download_reference
    node = literal
    while node is not None:
        if isinstance(node, taken):
            return True
        node = node.parent
    return False


class Names:
    """Meanings of names: own objects by every end of their full name, others by inventories."""

    def __init__(self, app):
        self.own = defaultdict(set)
        self.others = defaultdict(set)
        self.deep_pages = app.config.api_links_deep_pages
        for full, entry in app.env.domains.python_domain.objects.items():
            if full.startswith(f"{OWN}.") and not entry.aliased:
                for short in _ends(full, entry.objtype):
                    self.own[short].add(full)
        for entries in InventoryAdapter(app.env).main_inventory.values():
            for full in entries:
                self._add_other(full)
        self.no_links = _parameters(self.own) | set(dir(BaseEstimator))

    @classmethod
    def of(cls, app):
        """Collect the names of a build, once all pages are read."""
        if not hasattr(app, "api_links_names"):
            app.api_links_names = cls(app)
        return app.api_links_names

    def _add_other(self, full):
        self.others[full].add(full)
        last = full.rpartition(".")[2]
        if full.startswith(SHORT) and _SHORT_NAME.fullmatch(last):
            self.others[last].add(full)

    def find(self, text, docname):
        """Find the full name of the object that code names, or None."""
        name = _named(text)
        if name is None or name in self.no_links:
            return None
        own = self.own.get(name, set()) - {docname.removeprefix(GENERATED)}
        if own:
            return self._choose(own, docname)
        others = self.others.get(name, set()) if name not in self.own else set()
        return next(iter(others)) if len(others) == 1 else None

    def _choose(self, candidates, docname):
        """Choose the candidate that a page means, or None."""
        if len(candidates) == 1:
            return next(iter(candidates))
        rows, network = ESTIMATORS
        preferred = [network, rows] if docname in self.deep_pages else [rows, network]
        for owner in [docname.removeprefix(GENERATED), *preferred]:
            for full in candidates:
                if full.rpartition(".")[0] == owner:
                    return full
        return None


def _named(text):
    """Extract the dotted name from code such as ``a.b`` or ``a.b(...)``; None for other code."""
    try:
        expression = ast.parse(text.removeprefix("model."), mode="eval").body
    except SyntaxError:
        return None
    if isinstance(expression, ast.Call):
        expression = expression.func
    parts = []
    while isinstance(expression, ast.Attribute):
        parts.append(expression.attr)
        expression = expression.value
    if not isinstance(expression, ast.Name):
        return None
    return ".".join([expression.id, *reversed(parts)])


def _ends(full, kind):
    """List ``a.b.c``, ``b.c`` and ``c``; the last for an attribute only if it ends in ``_``."""
    parts = full.split(".")
    ends = [".".join(parts[i:]) for i in range(len(parts))]
    return ends if kind != "attribute" or full.endswith("_") else ends[:-1]


def _parameters(own):
    """Collect the names of our objects' parameters, which are not links."""
    import sklearn_wnll
    import sklearn_wnll.deep.backbones
    import sklearn_wnll.plotting

    found = set()
    for full in {full for candidates in own.values() for full in candidates}:
        thing = sklearn_wnll
        for part in full.split(".")[1:]:
            thing = getattr(thing, part, None)
        if callable(thing) and not (inspect.isclass(thing) and issubclass(thing, Warning)):
            found.update(inspect.signature(thing).parameters)
    return found


def note_attributes(app, doctree):
    """Add an anchor to each attribute in the docstring of a class, as for methods."""
    python = app.env.domains.python_domain
    for description in doctree.findall(addnodes.desc):
        signature = next(description.findall(addnodes.desc_signature), None)
        if description.get("objtype") != "class" or signature is None or not signature["ids"]:
            continue
        for term in _attribute_terms(description):
            for name in term.astext().partition(" : ")[0].split(", "):
                full = f"{signature['ids'][0]}.{name}"
                if full not in python.objects:
                    term["ids"].append(full)
                    python.note_object(full, "attribute", full, location=term)


def _attribute_terms(description):
    for field in description.findall(nodes.field):
        if field[0].astext() == "Attributes":
            yield from field.findall(nodes.term)


def setup(app):
    """Hook into Sphinx."""
    app.add_config_value("api_links_deep_pages", [], "env")
    app.add_post_transform(LinkNames)
    app.connect("doctree-read", note_attributes)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
