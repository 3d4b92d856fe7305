"""Sphinx configuration; builds without network: `sphinx-build -W --keep-going docs docs/_build`."""

import os
import re
import tempfile
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient
from sphinx.application import Sphinx
from sphinx.util import logging
from traitlets.config import Config

import hermiteflow

project = "hermiteflow"
author = "The hermiteflow developers"
copyright = "2026, The hermiteflow developers"
version = release = hermiteflow.__version__

extensions = [
    "myst_nb",
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

nb_execution_mode = "off"  # `_executed` does it
nb_output_stderr = "error"
nb_merge_streams = True
nb_ipywidgets_js: dict[str, dict[str, str]] = {}  # the default loads from other hosts

autodoc_member_order = "bysource"
autodoc_typehints = "none"
autodoc_default_options = {"members": True}
napoleon_google_docstring = False
napoleon_use_rtype = False
napoleon_use_ivar = True

html_theme = "furo"
html_title = f"hermiteflow {release}"
html_static_path = ["_static"]
html_css_files = ["narrow.css"]
html_js_files = ["wide.js"]
html_copy_source = False
html_show_sphinx = False


def _every_public_name_is_documented(app: Sphinx) -> None:
    """Warn (an error under -W) about public names that api.md does not list."""
    listed = Path(app.srcdir, "api.md").read_text().split()
    for name in hermiteflow.__all__:
        if not {name, f"hermiteflow.{name}"} & set(listed):
            logging.getLogger(__name__).warning("api.md does not list hermiteflow.%s", name)


def _plain(line: str) -> str:
    """Return a line whose bars and stars stand for themselves, and whose pages are links."""
    if "docs/mathematics" in line:
        line = re.sub(r"\((\d+)\)", r":eq:`eq-\1`", line)
    line = re.sub(
        r"docs/(mathematics|squared|finite_samples|solver|landscape)", r":doc:`/\1`", line
    )
    pieces = re.split(r"(`+[^`]*`+)", line)  # code and links stay as they are
    pieces[::2] = [re.sub(r"([|*])", r"\\\1", piece) for piece in pieces[::2]]
    return "".join(pieces)


def _plain_docstring(*event: Any) -> None:
    """Let docstrings be read as plain text: |m| is a modulus, f* a function."""
    lines: list[str] = event[-1]
    in_example = False
    for i, line in enumerate(lines):
        in_example = bool(line.strip()) and (in_example or line.lstrip().startswith(">>>"))
        if not in_example:
            lines[i] = _plain(line)


def _executed(app: Sphinx, name: str, source: list[str]) -> None:
    """Execute a notebook that is about to be read; a cell that raises ends the build.

    Its kernel is reached over Unix sockets, which need no network, not even the loopback device.
    """
    if Path(app.env.doc2path(name)).suffix != ".ipynb":
        return
    notebook = nbformat.reads(source[0], as_version=4)
    with tempfile.TemporaryDirectory(prefix="hf") as folder:
        sockets = {"transport": "ipc", "connection_file": str(Path(folder) / "kernel.json")}
        client = NotebookClient(
            notebook,
            config=Config(KernelManager=sockets),
            resources={"metadata": {"path": folder}},
            timeout=600,
            record_timing=False,
            log=logging.getLogger(__name__),
        )
        inline = {"MPLBACKEND": "module://matplotlib_inline.backend_inline"}
        client.execute(env={**os.environ, **inline, "IPYTHONDIR": folder})
    source[0] = nbformat.writes(notebook)


def setup(app: Sphinx) -> None:
    app.connect("source-read", _executed)
    app.connect("autodoc-process-docstring", _plain_docstring, priority=400)
    app.connect("builder-inited", _every_public_name_is_documented)
