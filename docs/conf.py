"""Settings of the site, which Sphinx builds from this folder: ``make docs``."""

import re
from importlib.metadata import version as installed

from docutils import nodes
from sphinx.application import Sphinx

project = "hermite_pinn"
author = "The hermite_pinn developers"
copyright = "The hermite_pinn developers, MIT licence"
version = release = installed("hermite_pinn")

extensions = [
    "myst_nb",
    "numpydoc",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.mathjax",
    "sphinx-mathjax-offline",
    "sphinx_copybutton",
    "sphinx_design",
]
exclude_patterns = ["README.md", "_build", "examples", "**/*.json"]
myst_enable_extensions = ["amsmath", "attrs_block", "colon_fence", "deflist", "dollarmath"]
myst_heading_anchors = 4
myst_dmath_double_inline = True
suppress_warnings = ["myst.header", "mystnb.unknown_mime_type"]

nb_execution_mode = "cache"
nb_execution_timeout = 600
nb_execution_raise_on_error = True
nb_execution_excludepatterns = []
nb_merge_streams = True

autosummary_generate = True
autodoc_typehints = "none"
autodoc_member_order = "bysource"
numpydoc_show_class_members = False
numpydoc_class_members_toctree = False

html_theme = "furo"
html_title = "hermite_pinn"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_js_files = ["site.js"]
html_theme_options = {"navigation_with_keys": True}

NUMBER = re.compile(r"[-+]?\d[\d.,]*e[-+]?\d+")
SHORT, LONG = 12, 30  # letters


def keep_together(app: Sphinx, tree: nodes.document, page: str) -> None:
    """Mark numbers such as 1.2e-06, which browsers break at the sign, and cells of tables by their length."""
    for text in list(tree.findall(nodes.Text)):
        if NUMBER.search(text) and text.parent.tagname not in ("literal", "literal_block", "math", "math_block", "raw"):
            pieces, end = [], 0
            for match in NUMBER.finditer(text):
                pieces += [nodes.Text(text[end : match.start()]), nodes.inline("", match[0], classes=["number"])]
                end = match.end()
            text.parent.replace(text, [piece for piece in [*pieces, nodes.Text(text[end:])] if piece.astext()])
    for cell in tree.findall(nodes.entry):
        letters = len(cell.astext())
        cell["classes"] += ["short"] if letters <= SHORT else ["sentence"] if letters > LONG else []


def setup(app: Sphinx) -> None:
    """What Sphinx calls."""
    app.connect("doctree-resolved", keep_together)
