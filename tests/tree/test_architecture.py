"""Imports and includes go upwards in the map of CONTRIBUTING.md, and files stay short."""

from __future__ import annotations

import pytest
from source_map import BINDINGS, HEADERS, MAP, PYTHON, SOURCES, faults, read_tree

TREE = read_tree()


def plant(path: str, text: str, *, instead_of: str = "") -> dict[str, str]:
    """Return the tree with a text appended to a file, or put in place of another text."""
    before = TREE.get(path, "")
    assert instead_of in before
    after = before.replace(instead_of, text, 1) if instead_of else before + text
    return {**TREE, path: after}


def test_sources_agree_with_the_map() -> None:
    assert faults(TREE) == []
    assert sum(path.startswith(PYTHON) for path in TREE) > 100
    assert sum(path.startswith((HEADERS, SOURCES)) for path in TREE) > 60


PLANTED = {
    "an import of a lower row": (
        plant(f"{PYTHON}links.py", "\nfrom . import driver\n"),
        "imports driver, which is below it",
    ),
    "the same by its whole name": (
        plant(f"{PYTHON}links.py", "\nfrom hermiteflow.sweeps._run import sweep\n"),
        "imports sweeps/_run, which is below it",
    ),
    "the same of the public names": (
        plant(f"{PYTHON}links.py", "\nimport hermiteflow as hf\n"),
        "imports __init__, which is below it",
    ),
    "the same inside a function": (
        plant(f"{PYTHON}links.py", "\ndef f():\n    from .driver import solve\n"),
        "imports driver, which is below it",
    ),
    "the same for types alone": (
        plant(f"{PYTHON}links.py", "\nif TYPE_CHECKING:\n    from .driver import solve\n"),
        "imports driver, which is below it",
    ),
    "what only functions may import, outside one": (
        plant(f"{PYTHON}solution.py", "\nfrom .archive import save\n"),
        "imports archive, which is below it",
    ),
    "a lower row inside a folder": (
        plant(f"{PYTHON}landscape/_table.py", "\nfrom ._basins import basin_shares\n"),
        "imports landscape/_basins, which is below it",
    ),
    "a module that imports its own package": (
        plant(f"{PYTHON}experiments/_common.py", "\nfrom . import coverage\n"),
        "imports its own package experiments/",
    ),
    "a module that the map does not list": (
        plant(f"{PYTHON}_surprise.py", "'''One.'''\n"),
        "the map does not list _surprise",
    ),
    "such a module in a folder": (
        plant(f"{PYTHON}experiments/_surprise.py", "'''One.'''\n"),
        "experiments/: the map does not list _surprise",
    ),
    "a row without a module": (
        plant(MAP, "| `_request`, `_gone` |", instead_of="| `_request` |"),
        "the map lists _gone, which does not exist",
    ),
    "a module in two rows": (
        plant(MAP, "| `_request`, `links` |", instead_of="| `_request` |"),
        "the map lists links twice",
    ),
    "a table that is gone": (
        plant(MAP, "### Snakes", instead_of="### Python"),
        "the map does not list links",
    ),
    "an include of a lower row": (
        plant(f"{HEADERS}lanes.hpp", '#include "hermiteflow/flow.hpp"\n'),
        "includes flow.hpp, which is below it",
    ),
    "a header that the map does not list": (
        plant(f"{HEADERS}surprise.hpp", "#pragma once\n"),
        "the map does not list surprise.hpp",
    ),
    "a row without a header": (
        plant(MAP, "| `types.hpp`, `gone.hpp` |", instead_of="| `types.hpp` |"),
        "the map lists gone.hpp, which does not exist",
    ),
    "a core that knows Python": (
        plant(f"{SOURCES}weights.cpp", "#include <pybind11/numpy.h>\n"),
        "which bindings alone may know",
    ),
    "a pragma outside parallel": (
        plant(f"{SOURCES}weights.cpp", "#pragma omp simd\n"),
        "which parallel alone may know",
    ),
    "a binding that the map does not list": (
        plant(f"{BINDINGS}surprise.hpp", "#pragma once\n"),
        "bindings: the map does not list surprise.hpp",
    ),
    "a long source": (plant(f"{SOURCES}dispatch.cpp", "\n" * 400), "lines, more than 400"),
    "a long module": (plant(f"{PYTHON}_beta.py", "\n" * 400), "lines, more than 400"),
    "a long test": (plant("tests/python/conftest.py", "\n" * 400), "lines, more than 400"),
    "a long benchmark": (plant("benchmarks/tables.py", "\n" * 400), "lines, more than 400"),
    "a long script of the docs": (plant("docs/conf.py", "\n" * 400), "lines, more than 400"),
    "a long binding": (plant(f"{BINDINGS}module.cpp", "\n" * 120), "lines, more than 120"),
}


@pytest.mark.parametrize("name", PLANTED)
def test_planted_faults_are_found(name: str) -> None:
    tree, told = PLANTED[name]
    found = faults(tree)
    assert any(told in fault for fault in found), found


def test_what_functions_may_import_is_read_from_the_map() -> None:
    tree = plant(
        MAP, "`_display`, `archive`", instead_of="`_display`; when called: `_dataset`, `archive`"
    )
    assert {fault.split(" ", 1)[1] for fault in faults(tree)} == {
        "imports _dataset, which is below it",
        "imports archive, which is below it",
    }
