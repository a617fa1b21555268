"""Formulas as MathML, which browsers draw themselves, without scripts, network or LaTeX.

docutils, the base of Sphinx, turns LaTeX into MathML; this module makes it a renderer of Sphinx.
"""

import re

from docutils import nodes
from docutils.utils.math import MathError
from docutils.utils.math.latex2mathml import tex2mathml
from sphinx.transforms.post_transforms import SphinxPostTransform
from sphinx.util import logging

logger = logging.getLogger(__name__)

# Punctuation that must not begin the line after a formula.
_CLOSING = re.compile(r"[.,;:!?)\]’”-]+\S*")
# Bars of absolute values, which docutils leaves to the browser. Unchanged, opening bars would be
# spaced like operators, and closing bars with an exponent would be too tall.
_OPENING_BAR = '<mo class="mathopen">|</mo>'
_CLOSING_BAR = re.compile(r"(<mrow>\s*)?<mo>\|</mo>(?!\s*</mrow>)")


class KeepPunctuation(SphinxPostTransform):
    """Keep an inline formula and the punctuation after it on one line."""

    default_priority = 700
    formats = ("html",)

    def run(self, **kwargs):
        """Visit the inline formulas of a page."""
        for formula in list(self.document.findall(nodes.math)):
            behind = formula.next_node(descend=False, siblings=True)
            closing = _CLOSING.match(behind) if isinstance(behind, nodes.Text) else None
            if closing is None:
                continue
            together = nodes.inline("", "", classes=["nowrap"])
            formula.parent.replace(formula, together)
            behind.parent.replace(behind, nodes.Text(behind[closing.end() :]))
            together += [formula, nodes.Text(closing[0])]


def setup(app):
    """Register the renderer: ``html_math_renderer = "mathml"``."""
    app.add_html_math_renderer("mathml", (_inline, None), (_block, None))
    app.add_post_transform(KeepPunctuation)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}


def _inline(writer, node):
    writer.body.append(_convert(node, as_block=False))
    raise nodes.SkipNode


def _block(writer, node):
    writer.body.append(f'<div class="formula">{_convert(node, as_block=True)}</div>\n')
    raise nodes.SkipNode


def _convert(node, as_block):
    try:
        formula = tex2mathml(node.astext(), as_block=as_block)
    except MathError as error:
        logger.warning("cannot read the formula: %s", error, location=node)
        return node.astext()
    formula = formula.replace(_OPENING_BAR, '<mo form="prefix" stretchy="false">|</mo>')
    return _CLOSING_BAR.sub(_closing_bar, formula)


def _closing_bar(match):
    if match[1]:  # the first of a group opens
        return match[0]
    return '<mo form="postfix" stretchy="false">|</mo>'
