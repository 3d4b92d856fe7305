"""docs/verification: each public name is in one of its tables, and the tests there exist."""

from __future__ import annotations

import ast
import dataclasses
import enum
import inspect
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import hermiteflow as hf

pytest.importorskip("xarray")

HERE = Path(__file__).resolve().parent
PAGE = HERE.parents[1] / "docs" / "verification.md"
CODE = re.compile(r"`([^`\n]+)`")
#: What a reference needs in one of its test files, where that can be seen from the text.
NEEDED = {"SciPy": "scipy", "mpmath": "mpmath", "Monte Carlo": "rng|random|monte"}


def members(owner: type) -> Iterator[str]:
    """Public methods and properties that a class brings itself; its fields are arguments."""
    fields = {f.name for f in dataclasses.fields(owner)} if dataclasses.is_dataclass(owner) else ()
    for name in dir(owner):
        homes = [base for base in owner.__mro__ if name in vars(base)]
        if (name.startswith("_") and name != "__call__") or name in fields or not homes:
            continue
        public = any(base is not owner and base.__name__ in hf.__all__ for base in homes)
        if homes[0].__module__.startswith("hermiteflow") and not public:
            yield name


def functions(module: object, prefix: str) -> Iterator[str]:
    for name, value in vars(module).items():
        own = inspect.isfunction(value) and value.__module__ == module.__name__  # type: ignore[attr-defined]
        if own and not name.startswith("_"):
            yield f"{prefix}.{name}"


def public_names() -> set[str]:
    """Functions, and members of classes, that may return numbers; not figures."""
    found: set[str] = set()
    for name in hf.__all__:
        value = getattr(hf, name)
        if inspect.isclass(value):
            if not issubclass(value, enum.Enum | BaseException):
                found |= {f"{name}.{member}" for member in members(value)}
        elif callable(value):
            found.add(name)
    found |= set(functions(hf.exact, "exact"))
    found |= set(functions(hf.experiments.statistics, "experiments.statistics"))
    listed = hf.experiments.__all__
    return found | {
        f"experiments.{name}"
        for name in listed
        if inspect.isfunction(getattr(hf.experiments, name))
    }


def names_of(file: Path) -> set[str]:
    tree = ast.parse(file.read_text(encoding="utf-8"))
    return {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}


def faults(page: str) -> list[str]:
    """Names in no table or in two, names and tests that are not there, references without cause."""
    first, second, _ = re.split("## Names without a number|## Faults put in", page)
    rows = [line.split("|") for line in first.splitlines() if line.startswith("| `")]
    plain = [line.split("|") for line in second.splitlines() if line.startswith("| `")]
    names = [name for row in (*rows, *plain) for name in CODE.findall(row[1])]
    public = public_names()
    found = [f"{name} is in no table" for name in sorted(public - set(names))]
    found += [f"{name} is not public" for name in sorted(set(names) - public)]
    found += [f"{name} is in two rows" for name in sorted(set(names)) if names.count(name) > 1]
    for row in rows:
        tests = [test.split("::") for test in CODE.findall(row[3])]
        if not tests:
            found.append(f"no test for{row[1]}".rstrip())
        text = ""
        for file, name in tests:
            if not (HERE / file).is_file() or name not in names_of(HERE / file):
                found.append(f"no test {file}::{name}")
            else:
                text += (HERE / file).read_text(encoding="utf-8")
        for word, needed in NEEDED.items():
            if word in row[2] and text and not re.search(needed, text):
                found.append(f"no {word} in the tests of{row[1]}".rstrip())
    return found


@pytest.fixture(scope="module")
def page() -> str:
    return PAGE.read_text(encoding="utf-8")


def test_every_public_number_has_a_reference(page: str) -> None:
    assert len(public_names()) > 100
    assert faults(page) == []


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        ("| `squared_minima` |", "| |", "squared_minima is in no table"),
        ("| `basin_shares` |", "| `basin_share` |", "basin_share is not public"),
        ("| `nearest_index` |", "| `nearest_index`, `solve` |", "solve is in two rows"),
        ("::test_log_rates`", "::test_log_rate`", "no test test_experiments.py::test_log_rate"),
        ("`test_nearest.py::test_the_f", "`test_nearby.py::test_the_f", "no test test_nearby.py::"),
        ("`test_experiments.py::test_log_rates`", "none", "no test for `experiments.log_rate"),
        ("| theorem of Morse |", "| mpmath |", "no mpmath in the tests of `FoundPoints"),
    ],
)
def test_a_planted_fault_is_found(page: str, old: str, new: str, fault: str) -> None:
    assert page.count(old) == 1
    assert any(line.startswith(fault) for line in faults(page.replace(old, new)))
