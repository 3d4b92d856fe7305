"""No source of the package could run what a file says."""

from __future__ import annotations

import ast
import json
from pathlib import Path

import pytest

import hermiteflow as hf
from hermiteflow import _markup, report

FORBIDDEN = {
    "eval", "exec", "compile", "__import__", "popen", "yaml", "marshal", "shelve",
    "dill", "joblib", "Popen", "run_path", "literal_eval", "extractall",
}  # fmt: skip
#: pickle goes between our own processes, over pipes of theirs, and to a cluster's workers.
BETWEEN_PROCESSES = {"_points.py", "_dask.py", "_options.py", "_processes.py"}


def executing(source: str, name: str) -> list[str]:
    """Return what could run code from a file: calls, imports, and keywords that let it."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import | ast.ImportFrom):
            words = [alias.name for alias in node.names] + [getattr(node, "module", None) or ""]
            bad = {*FORBIDDEN, "subprocess", "pickle", "cloudpickle", "ctypes"}
            found += [word for word in words if word.split(".")[0] in bad]
        elif isinstance(node, ast.Call):
            called = getattr(node.func, "attr", getattr(node.func, "id", ""))
            whole = ast.unparse(node.func)
            if (called in FORBIDDEN and whole != "re.compile") or whole == "os.system":
                found.append(called)
            for word in node.keywords:
                value = getattr(word.value, "value", None)
                if (word.arg, value) in (("allow_pickle", True), ("shell", True)):
                    found.append(f"{word.arg}=True")
                if called == "load" and "np" in ast.unparse(node.func) and not node.keywords:
                    found.append("np.load")
    allowed = {"pickle"} if name in BETWEEN_PROCESSES else set()
    return [word for word in found if word.split(".")[-1] not in allowed]


def test_no_source_runs_code_from_files() -> None:
    root = Path(hf.__file__).parent
    sources = {path: path.read_text() for path in root.rglob("*.py")}
    assert len(sources) > 100
    found = {path.name: executing(text, path.name) for path, text in sources.items()}
    assert {name: words for name, words in found.items() if words} == {}


@pytest.mark.parametrize(
    "planted",
    [
        "import pickle\npickle.load(file)",
        "from pickle import loads",
        "import yaml",
        "eval(text)",
        "exec(text)",
        "x = np.load(path, allow_pickle=True)",
        "import subprocess",
        "run(text, shell=True)",
        "os.system(text)",
        "__import__(name)",
        "zip.extractall()",
    ],
)
def test_a_source_that_runs_code_is_seen(planted: str) -> None:
    assert executing(planted, "archive.py")
    assert not executing("import re\nre.compile('x')\nnp.load(p, allow_pickle=False)", "archive.py")


def test_names_reach_the_report_as_text() -> None:
    """A label from a Dataset ends no script element, and is no element of its own."""
    name = "</script><script>alert('x')</script><img src=x onerror=alert(1)>"
    assert "<" not in report._json({"title": name})
    assert json.loads(report._json({"title": name})) == {"title": name}
    assert "<" not in _markup.to_html(name)
    assert "<" in json.dumps({"title": name})  # the twin
