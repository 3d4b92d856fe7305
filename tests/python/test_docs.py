"""Names in the documentation exist: files and functions of docs/internals, functions of equations.

Away from the sources (an installed wheel) only Python files can be looked up.
"""

from __future__ import annotations

import builtins
import re
from pathlib import Path

import pytest

from .public_names import is_public
from .source_files import ROOT, file_of

DOCS = ROOT / "docs"
CODE = re.compile(r"`([^`\n]+)`")
FILE = re.compile(r"[\w/]*\w\.(?:py|pyi|hpp|cpp)")
NAME = re.compile(r"[A-Za-z_]\w*")


def used(name: str, text: str) -> bool:
    return re.search(rf"\b{name}\b", text) is not None


def defined(name: str, path: str, text: str) -> bool:
    """Whether a file defines a name, or imports it (Python), and not only uses it."""
    if path.endswith(".py"):
        found = rf"^\s*(?:def|class) {name}\b|^{name}\b.* = |^from \S+ import .*\b{name}\b"
    else:
        found = rf"\b(?:class|struct) {name}\b|(?<!return)(?<=[\w>&*]) {name}\("
    return re.search(found, text, re.MULTILINE) is not None


def faults(page: str) -> list[str]:
    """Files that are not there, and names that their row's file, or any on the page, lacks."""
    found: list[str] = []
    texts: dict[str, str] = {}
    for path in dict.fromkeys(re.findall(r"`((?:python|cpp)/[\w/]+\.\w+)`", page)):
        place = file_of(path)
        if place is None:
            continue
        if not place.is_file():
            found.append(f"no file {path}")
            continue
        texts[path] = place.read_text(encoding="utf-8")
    short = {Path(path).name for path in re.findall(r"[\w/]+\.\w+", page) if "/" in path}
    for line in page.splitlines():
        cells = line.split("|")
        row = CODE.findall(cells[1]) if len(cells) == 5 else []
        if row and row[0] in texts:
            found += [
                f"no {name} in {row[0]}"
                for name in CODE.findall(cells[2])
                if not defined(name, row[0], texts[row[0]])
            ]
        if not (ROOT / "cpp").is_dir():
            continue
        for code in CODE.findall(line):
            if FILE.fullmatch(code):
                if "/" not in code and code not in short:
                    found.append(f"no file {code}")
            elif NAME.fullmatch(code) and not (
                hasattr(builtins, code) or any(used(code, text) for text in texts.values())
            ):
                found.append(f"no {code} in any file of the page")
    return found


@pytest.fixture(scope="module")
def internals() -> str:
    return (DOCS / "internals.md").read_text(encoding="utf-8")


def test_every_name_of_internals_exists(internals: str) -> None:
    assert internals.count("\n| `") > 30
    assert faults(internals) == []


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        ("| `make_watch` |", "| `make_wacht` |", "no make_wacht in python/hermiteflow/_request.py"),
        ("/_ends.py`", "/_edns.py`", "no file python/hermiteflow/_edns.py"),
        ("/_ends.py` | `name_ends`", "/_ends.py` | `tolerances`", "no tolerances in python/"),
        ("driver.py` | `solve`", "driver.py` | `integrate`", "no integrate in python/"),
    ],
)
def test_a_planted_name_is_found(internals: str, old: str, new: str, fault: str) -> None:
    assert internals.count(old) == 1
    assert any(line.startswith(fault) for line in faults(internals.replace(old, new)))


ROLE = re.compile(r"{(?:func|meth|class|attr)}`hermiteflow\.([\w.]+)`")
EQUATION = re.compile(r"{eq}`eq-(\d+)`|\((\d+)\), {doc}")


def faults_of_equations(page: str) -> list[str]:
    """Equations that the table lacks or has twice, names that are not public, missing files."""
    rows = [line.split("|") for line in page.splitlines() if line.count("|") == 5][2:]
    numbers = [int(a or b) for row in rows for a, b in EQUATION.findall(row[1])]
    found = [f"({n}) is in {numbers.count(n)} rows" for n in range(1, 20) if numbers.count(n) != 1]
    for row in rows:
        if not ROLE.search(row[3]):
            found.append(f"no function for{row[2]}")
    found += [f"{name} is not public" for name in ROLE.findall(page) if not is_public(name)]
    for path in re.findall(r"`((?:python|cpp)/[\w/]+\.\w+)`", page):
        place = file_of(path)
        if place is not None and not place.is_file():
            found.append(f"no file {path}")
    return found


@pytest.fixture(scope="module")
def equations() -> str:
    return (DOCS / "equations.md").read_text(encoding="utf-8")


def test_every_equation_has_a_function(equations: str) -> None:
    assert faults_of_equations(equations) == []


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        ("| {eq}`eq-12` |", "| |", "(12) is in 0 rows"),
        ("| (15), {doc}`squared` |", "| (16), {doc}`squared` |", "(16) is in 2 rows"),
        ("hermiteflow.critical_beta", "hermiteflow.crticial_beta", "crticial_beta is not public"),
        ("SquaredFlow.loss_of", "SquaredFlow.los_of", "SquaredFlow.los_of is not public"),
        ("hermiteflow.fold_beta", "hermiteflow.driver.solve", "driver.solve is not public"),
        ("/_hessian.py`, ", "/_hesian.py`, ", "no file python/hermiteflow/_hesian.py"),
        ("{func}`hermiteflow.random_overlaps`", "none", "no function for random starts"),
    ],
)
def test_a_planted_fault_in_the_equations_is_found(
    equations: str, old: str, new: str, fault: str
) -> None:
    assert equations.count(old) == 1
    assert any(line.startswith(fault) for line in faults_of_equations(equations.replace(old, new)))
