"""Reads the map of CONTRIBUTING.md and the sources, and tells where the two disagree.

A tree is a dict from paths to texts, so that tests can plant faults in it.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
MAP = "CONTRIBUTING.md"
PYTHON, HEADERS, SOURCES = "python/hermiteflow/", "cpp/include/hermiteflow/", "cpp/src/"
BINDINGS = "cpp/bindings/"
LIMITED = ("cpp/", "python/", "tests/", "benchmarks/", "docs/", "examples/")
LINES, BINDING_LINES = 400, 120
NAME = re.compile(r"`([^`]+)`")
LAZILY = "when called:"


@dataclass(frozen=True)
class Row:
    """One row of a table: its modules, and what they may import inside functions only."""

    modules: tuple[str, ...]
    lazily: tuple[str, ...] = ()


@dataclass(frozen=True)
class Import:
    """What a module imports; lazily: inside a function, or for types alone."""

    module: str
    line: int
    lazily: bool


def read_tree() -> dict[str, str]:
    """Return the sources of the checkout and the map."""
    paths = [ROOT / MAP, ROOT / "noxfile.py"]
    for folder in LIMITED:
        for pattern in ("*.py", "*.pyi", "*.cpp", "*.hpp"):
            paths += sorted((ROOT / folder).rglob(pattern))
    return {
        str(path.relative_to(ROOT).as_posix()): path.read_text(encoding="utf8")
        for path in paths
        if path.is_file() and "_build" not in path.parts
    }


def table(text: str, heading: str) -> list[Row]:
    """Return the rows of the first table below a line that starts with the heading."""
    _, found, rest = text.partition(f"\n{heading}")
    rows: list[Row] = []
    for line in rest.splitlines() if found else ():
        if rows and not line.startswith("|"):
            break
        cells = [cell.strip() for cell in line.split("|")[1:-1]]
        names = NAME.findall(cells[0]) if cells else []
        if names:
            modules: list[str] = []
            for name in names:  # `.cpp` after `x.hpp`: x.cpp
                modules.append(modules[-1].rpartition(".")[0] + name if name[0] == "." else name)
            rows.append(Row(tuple(modules), tuple(NAME.findall(cells[-1].partition(LAZILY)[2]))))
    return rows


def rank(rows: list[Row], module: str) -> int | None:
    """Return the place of a module, its own row before that of its folder; None: not listed."""
    folder: int | None = None
    for place, row in enumerate(rows):
        for name in row.modules:
            if fnmatchcase(module, name):
                return place
            if name.endswith("/") and module.startswith(name):
                folder = place
    return folder


def places(rows: list[Row], names: Iterable[str]) -> dict[str, int | None]:
    """Return the place of each name."""
    return {name: rank(rows, name) for name in names}


def listed(rows: list[Row], modules: set[str], where: str) -> Iterator[str]:
    """Yield modules that no row lists, rows without a module, and modules listed twice."""
    for module in sorted(modules):
        if rank(rows, module) is None:
            yield f"{where}: the map does not list {module}"
    names = [name for row in rows for name in row.modules]
    for name in sorted(set(names)):
        if names.count(name) > 1:
            yield f"{where}: the map lists {name} twice"
        prefix = name if name.endswith("/") else None
        if not any(fnmatchcase(m, name) or (prefix and m.startswith(prefix)) for m in modules):
            yield f"{where}: the map lists {name}, which does not exist"


def python_modules(tree: dict[str, str]) -> dict[str, str]:
    """Return module names, such as ``links`` and ``landscape/_table``, and their paths."""
    names = {
        path[len(PYTHON) :].rpartition(".")[0]: path
        for path in tree
        if path.startswith(PYTHON) and path.endswith(".py")
    }
    return {**names, "_core": f"{PYTHON}_core.pyi"}


@cache
def python_imports(text: str, package: tuple[str, ...]) -> tuple[tuple[str, int, bool], ...]:
    """Return the dotted names of this package that a module imports, with line and laziness."""
    found: list[tuple[str, int, bool]] = []

    def visit(node: ast.AST, lazily: bool) -> None:
        if isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else ()
            base = [*above, *(node.module.split(".") if node.module else [])]
            found.extend((".".join([*base, a.name]), node.lineno, lazily) for a in node.names)
        elif isinstance(node, ast.Import):
            found.extend((alias.name, node.lineno, lazily) for alias in node.names)
        inside = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        types = isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
        for child in ast.iter_child_nodes(node):
            below = types and child in getattr(node, "body", ())
            visit(child, lazily or inside or below)

    visit(ast.parse(text), False)
    return tuple(each for each in found if each[0].split(".")[0] == "hermiteflow")


def imports_of(module: str, text: str, modules: dict[str, str]) -> Iterator[Import]:
    """Yield the modules of this package that a module imports."""
    package = ("hermiteflow", *module.split("/")[:-1])
    for name, line, lazily in python_imports(text, package):
        parts = name.split(".")[1:]
        while parts and "/".join(parts) not in modules:
            if "/".join([*parts, "__init__"]) in modules:
                parts.append("__init__")
                break
            parts.pop()
        yield Import("/".join(parts or ["__init__"]), line, lazily)


def python_faults(tree: dict[str, str]) -> Iterator[str]:
    """Yield every disagreement of the Python sources with the map."""
    modules = python_modules(tree)
    main = table(tree[MAP], "### Python")
    inner = {
        folder: table(tree[MAP], f"Inside `{folder}`") for folder in ("experiments/", "landscape/")
    }
    yield from listed(main, set(modules), "python")
    for folder, rows in inner.items():
        own = {m.removeprefix(folder) for m in modules if m.startswith(folder)} - {"__init__"}
        yield from listed(rows, own, folder)
    at = places(main, modules)
    inside = {
        module: rank(inner[folder], module.removeprefix(folder))
        for folder in inner
        for module in modules
        if module.startswith(folder)
    }
    for module, path in modules.items():
        folder = module.rpartition("/")[0] + "/"
        for imported in imports_of(module, tree[path], modules):
            near = folder in inner and imported.module.startswith(folder)
            if near and module.endswith("/__init__"):
                continue  # it says what the folder is, so it may import all of it
            if near and imported.module.endswith("/__init__"):
                yield f"{path}:{imported.line} imports its own package {folder}"
                continue
            ranks, rows = (inside, inner[folder]) if near else (at, main)
            own, other = ranks[module], ranks[imported.module]
            if own is not None and other is not None and other > own:
                names = rows[own].lazily
                named = any(imported.module in (n, f"{n}/__init__") for n in names)
                if not (imported.lazily and named):
                    yield f"{path}:{imported.line} imports {imported.module}, which is below it"


def cpp_faults(tree: dict[str, str]) -> Iterator[str]:
    """Yield every disagreement of the C++ sources with the map."""
    rows = table(tree[MAP], "### C++")
    paths = {p.rpartition("/")[2]: p for p in tree if p.startswith((HEADERS, SOURCES))}
    yield from listed(rows, set(paths), "cpp")
    at = places(rows, paths)
    for module, path in paths.items():
        own = at[module]
        for line, text in enumerate(tree[path].splitlines(), 1):
            include = re.match(r'\s*#\s*include\s*["<](?:hermiteflow/)?([^">]+)[">]', text)
            if include and own is not None:
                other = at.get(include[1])
                if other is not None and other > own:
                    yield f"{path}:{line} includes {include[1]}, which is below it"
            if include and re.match(r"pybind11|Python\.h|numpy", include[1]):
                yield f"{path}:{line} includes {include[1]}, which bindings alone may know"
            if re.match(r"\s*#\s*(pragma omp|include <omp)", text) and "parallel" not in module:
                yield f"{path}:{line} knows OpenMP, which parallel alone may know"
    told = re.search(r"^`cpp/bindings`:.*?\n\n", tree[MAP], re.DOTALL | re.MULTILINE)
    names = NAME.findall(told[0]) if told else []
    for path in tree:
        name = path.rpartition("/")[2]
        if path.startswith(BINDINGS) and not any(fnmatchcase(name, n) for n in names):
            yield f"bindings: the map does not list {name}"


def length_faults(tree: dict[str, str]) -> Iterator[str]:
    """Yield the files that are too long; a stub that is generated may be."""
    for path, text in tree.items():
        limit = BINDING_LINES if path.startswith(BINDINGS) else LINES
        lines = text.count("\n")
        if path.endswith((".py", ".cpp", ".hpp")) and lines > limit:
            yield f"{path} has {lines} lines, more than {limit}"


def faults(tree: dict[str, str]) -> list[str]:
    """Return every fault of a tree, one line each."""
    return [*python_faults(tree), *cpp_faults(tree), *length_faults(tree)]
