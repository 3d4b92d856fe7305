"""Scripts run as they stand and print what they promise; notebooks are clean and up to date.

Notebooks are executed by the build of the documentation.
"""

from __future__ import annotations

import ast
import copy
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import nbformat
import pytest

from .public_names import is_public

FOLDER = Path(__file__).resolve().parents[2] / "examples"
#: What each must print, as a pattern.
PRINTS = {
    "search_time": r"relu without 1, 2 \(p\* = 4\) .* slope 1\.0\d, theory 1\.0",
    "nearest": r"h_4 +2000 of 2000 as foretold",
    "threshold": r"beta = 0\.\d+: 100\.0% of random starts end at the average \(\d+\.\d% to 100",
    "coverage": r"neurons find all with probability 0\.9[^$]*measured 0\.\d+, exact 0\.9",
    "two_losses": r"correlation loss, beta = 0\.556: 0% .*\n.*\nsquared loss, beta = 0\.556: 100%",
    "samples": r"h_3: steps grow as d\^[12]\.\d\d \(1\.\d\d to 2\.\d\d\), theory 2",
    "sweep": r"k = 1: 0\.[45]\d+  0\.[45]\d+   theory 0\.5000",
}
NOTEBOOKS = sorted(path.stem for path in FOLDER.glob("*.ipynb"))
GALLERY = FOLDER.parent / "docs" / "gallery.md"


def test_every_script_is_tested() -> None:
    assert sorted(path.stem for path in FOLDER.glob("*.py")) == sorted(PRINTS)


@pytest.mark.parametrize("name", PRINTS)
def test_an_example_runs(name: str, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "error", str(FOLDER / f"{name}.py")],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert re.search(PRINTS[name], done.stdout), done.stdout
    assert list(tmp_path.iterdir()) == []


def names_of(code: str) -> set[str]:
    """Return what is asked of the package, ``exact.neurons_needed`` for one."""
    tree = ast.parse("\n".join(line for line in code.splitlines() if not line.startswith("%")))
    chains = {ast.unparse(node) for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    return {name[3:] for name in chains if re.fullmatch(r"hf(\.\w+)+", name)}


def faults(notebook: nbformat.NotebookNode) -> list[str]:
    """Return what a committed notebook must not be."""
    found = []
    try:
        nbformat.validate(notebook)
    except nbformat.ValidationError as error:
        found.append(f"not valid: {error.message}")
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    if any(cell.get("outputs") for cell in code):
        found.append("holds outputs")
    if any(cell.get("execution_count") is not None for cell in code):
        found.append("holds execution counts")
    source = "\n".join(cell.source for cell in code)
    found += [
        f"hf.{name} is not public" for name in sorted(names_of(source)) if not is_public(name)
    ]
    if "assert" not in source:
        found.append("asserts nothing")
    if not notebook.cells[-1].source.startswith("## Conclusion"):
        found.append("ends without a conclusion")
    return found


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_a_notebook_is_clean_and_names_what_exists(name: str) -> None:
    notebook = nbformat.read(FOLDER / f"{name}.ipynb", as_version=nbformat.NO_CONVERT)
    assert len(names_of("\n".join(c.source for c in notebook.cells if c.cell_type == "code"))) > 5
    assert faults(notebook) == []


@pytest.mark.parametrize(
    ("plant", "fault"),
    [
        (lambda cell: cell.pop("execution_count"), "not valid"),
        (lambda cell: cell.outputs.append(nbformat.v4.new_output("stream", text="1")), "outputs"),
        (lambda cell: cell.update(execution_count=1), "execution counts"),
        (lambda cell: cell.update(source="hf.solv(flow)"), "hf.solv is not public"),
        (lambda cell: cell.update(source="hf.exact.needed(3)"), "hf.exact.needed is not public"),
        (lambda cell: cell.update(source="hf.driver.solve(flow)"), "hf.driver is not public"),
    ],
)
def test_a_planted_fault_in_a_notebook_is_found(plant: Any, fault: str) -> None:
    notebook = nbformat.read(FOLDER / f"{NOTEBOOKS[0]}.ipynb", as_version=nbformat.NO_CONVERT)
    planted = copy.deepcopy(notebook)
    plant(next(cell for cell in planted.cells if cell.cell_type == "code"))
    assert any(fault in found for found in faults(planted))


def test_the_gallery_lists_every_example() -> None:
    text = GALLERY.read_text(encoding="utf-8")
    listed = re.findall(r"{literalinclude} \.\./examples/(\w+)\.py", text)
    assert sorted(listed) == sorted(PRINTS)
    assert sorted(re.findall(r"^notebooks/(\w+)$", text, re.MULTILINE)) == NOTEBOOKS
