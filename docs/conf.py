"""Sphinx configuration; builds without network: `sphinx-build -W --keep-going docs docs/_build`."""

from pathlib import Path

import hermiteflow
from sphinx.application import Sphinx
from sphinx.util import logging

project = "hermiteflow"
author = "The hermiteflow developers"
copyright = "2026, The hermiteflow developers"
version = release = hermiteflow.__version__

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx.ext.mathjax",
    "sphinx-mathjax-offline",
]
myst_enable_extensions = ["dollarmath", "amsmath", "deflist"]
myst_heading_anchors = 3
math_eqref_format = "({number})"
exclude_patterns = ["_build"]
nitpicky = False

autodoc_member_order = "bysource"
autodoc_typehints = "none"
autodoc_default_options = {"members": True}
napoleon_google_docstring = False
napoleon_use_rtype = False
napoleon_use_ivar = True

html_theme = "furo"
html_title = f"hermiteflow {release}"
html_static_path = ["_static"]
html_copy_source = False
html_show_sphinx = False


def _every_public_name_is_documented(app: Sphinx) -> None:
    """Warn (an error under -W) about public names that api.md does not list."""
    listed = Path(app.srcdir, "api.md").read_text().split()
    for name in hermiteflow.__all__:
        if name not in listed and not name.startswith("__"):
            logging.getLogger(__name__).warning("api.md does not list hermiteflow.%s", name)


def setup(app: Sphinx) -> None:
    app.connect("builder-inited", _every_public_name_is_documented)
