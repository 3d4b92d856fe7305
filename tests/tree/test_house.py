"""One version, one list of Pythons, of sessions and of dependencies, wherever they are written."""

from __future__ import annotations

import ast
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

import hermiteflow as hf

ROOT = Path(__file__).resolve().parents[2]
PLACES = ("pyproject.toml", "CITATION.cff", "CONTRIBUTING.md", "noxfile.py", "environment.yml")
TEXTS = {name: (ROOT / name).read_text(encoding="utf8") for name in PLACES}
# a source distribution has no .github
WORKFLOWS = {path.name: path.read_text() for path in (ROOT / ".github/workflows").glob("*.yml")}
FORMS = {path.name: path.read_text() for path in (ROOT / ".github/ISSUE_TEMPLATE").glob("*.yml")}
CONDA = {"cmeel-eigen": "eigen", "matplotlib": "matplotlib-base"}
ACTION = re.compile(r"uses: (?:\./\S+|[\w.-]+/[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+)$")


def project(text: str) -> dict[str, Any]:
    """Return the tables of pyproject.toml."""
    return tomllib.loads(text)


def version_faults(pyproject: str, citation: str, built: str) -> list[str]:
    """Return the places that tell another version than pyproject.toml."""
    version = project(pyproject)["project"]["version"]
    told = {"CITATION.cff": yaml.safe_load(citation)["version"], "build_info()": built}
    return [f"{place} has {other}" for place, other in told.items() if other != version]


def session_faults(noxfile: str, contributing: str) -> list[str]:
    """Return the sessions that the table does not list, and rows without a session."""
    sessions = {
        node.name
        for node in ast.parse(noxfile).body
        if isinstance(node, ast.FunctionDef)
        and any("session" in ast.unparse(decorator) for decorator in node.decorator_list)
    }
    rows = set(re.findall(r"^\| `nox -s (\w+)` \|", contributing, re.MULTILINE))
    return [*(f"no row for {name}" for name in sorted(sessions - rows)),
            *(f"no session {name}" for name in sorted(rows - sessions))]  # fmt: skip


def name_of(requirement: str) -> str:
    """Return the name of what is required, as conda has it."""
    name = re.split(r"[\s<>=!~\[;]", requirement, maxsplit=1)[0]
    return CONDA.get(name, name)


def environment_faults(pyproject: str, environment: str) -> list[str]:
    """Return what environment.yml lacks to build, run and test."""
    told = project(pyproject)
    extras = told["project"]["optional-dependencies"]
    needed = [*told["build-system"]["requires"], *told["project"]["dependencies"]]
    for extra in ("reproduce", "sweeps", "dask", "test"):
        needed += [each for each in extras[extra] if not each.startswith("hermiteflow")]
    listed = {name_of(each) for each in yaml.safe_load(environment)["dependencies"]}
    return sorted({name_of(each) for each in needed} - listed)


def python_faults(pyproject: str, workflow: str | None) -> list[str]:
    """Return the places that name other Pythons than the classifiers."""
    told = project(pyproject)
    pythons = [
        each.rpartition(" ")[2]
        for each in told["project"]["classifiers"]
        if re.search(r"Python :: 3\.\d+$", each)
    ]
    found = []
    if told["project"]["requires-python"] != f">={pythons[0]}":
        found.append("requires-python")
    wheels = [f"cp{each.replace('.', '')}-*" for each in pythons]
    if told["tool"]["cibuildwheel"]["build"] != wheels:
        found.append("tool.cibuildwheel.build")
    if workflow is not None:
        matrix = yaml.safe_load(workflow)["jobs"]["tests"]["strategy"]["matrix"]
        found += [] if matrix["python"] == pythons else ["ci.yml"]
    return found


def workflow_faults(name: str, text: str) -> list[str]:
    """Return actions that are not pinned to a commit, and rights that are too wide."""
    found = [
        line.strip() for line in text.splitlines() if "uses:" in line and not ACTION.search(line)
    ]
    told = yaml.safe_load(text)
    if told["permissions"] != {"contents": "read"}:
        found.append(f"{name}: permissions")
    for job, rules in told["jobs"].items():
        rights = rules.get("permissions", {})
        if rights and (name, job, rights) != ("release.yml", "publish", {"id-token": "write"}):
            found.append(f"{name}: permissions of {job}")
    return found


def test_there_is_one_version() -> None:
    texts = TEXTS["pyproject.toml"], TEXTS["CITATION.cff"]
    assert version_faults(*texts, hf.__version__) == []
    assert version_faults(*texts, "9.9") == ["build_info() has 9.9"]
    other = texts[1].replace(f"\nversion: {hf.__version__}", "\nversion: 9.9")
    assert version_faults(texts[0], other, hf.__version__) == ["CITATION.cff has 9.9"]


def test_the_citation_has_what_its_schema_asks_for() -> None:
    told = yaml.safe_load(TEXTS["CITATION.cff"])
    assert {"cff-version", "message", "title", "authors"} <= told.keys()
    assert told["license"] in project(TEXTS["pyproject.toml"])["project"]["license"]
    (paper,) = told["references"]
    assert [author["family-names"] for author in paper["authors"]] == [
        "Simsek",
        "Bendjeddou",
        "Hsu",
    ]


def test_every_session_has_its_row() -> None:
    texts = TEXTS["noxfile.py"], TEXTS["CONTRIBUTING.md"]
    assert session_faults(*texts) == []
    planted = texts[0] + "\n@nox.session(python=False)\ndef surprise(session): ...\n"
    assert session_faults(planted, texts[1]) == ["no row for surprise"]
    gone = texts[1].replace("`nox -s lint`", "`nox -s lynt`")
    assert session_faults(texts[0], gone) == ["no row for lint", "no session lynt"]


def test_the_conda_environment_is_complete() -> None:
    texts = TEXTS["pyproject.toml"], TEXTS["environment.yml"]
    assert environment_faults(*texts) == []
    planted = re.sub(r"  - (eigen|scipy) .*\n", "", texts[1])
    assert environment_faults(texts[0], planted) == ["eigen", "scipy"]


def test_the_same_pythons_are_named_everywhere() -> None:
    text, ci = TEXTS["pyproject.toml"], WORKFLOWS.get("ci.yml")
    assert python_faults(text, ci) == []
    assert python_faults(text.replace('"cp312-*", ', ""), ci) == ["tool.cibuildwheel.build"]
    assert python_faults(text.replace('">=3.11"', '">=3.12"'), ci) == ["requires-python"]
    matrix = "jobs: {tests: {strategy: {matrix: {python: ['3.11']}}}}"
    assert python_faults(text, matrix) == ["ci.yml"]


def test_workflows_pin_what_they_use_and_may_little() -> None:
    for name, text in WORKFLOWS.items():
        assert workflow_faults(name, text) == []
    good = "permissions: {contents: read}\njobs:\n  a:\n    steps:\n"
    pinned = f"      - uses: actions/checkout@{'1' * 40} # v4.2.2\n"
    assert workflow_faults("ci.yml", good + pinned) == []
    loose = "- uses: actions/checkout@v4"
    assert workflow_faults("ci.yml", f"{good}      {loose}\n") == [loose]
    wide = good.replace("read", "write") + pinned
    assert workflow_faults("ci.yml", wide) == ["ci.yml: permissions"]
    token = good.replace("  a:\n", "  a:\n    permissions: {id-token: write}\n") + pinned
    assert workflow_faults("ci.yml", token) == ["ci.yml: permissions of a"]
    published = token.replace("  a:\n", "  publish:\n")
    assert workflow_faults("release.yml", published) == []


def test_forms_ask_for_what_a_report_needs() -> None:
    for name in FORMS.keys() - {"config.yml"}:
        fields = yaml.safe_load(FORMS[name])["body"]
        assert any("hermiteflow info" in field["attributes"]["label"] for field in fields)


@pytest.mark.parametrize("part", ["Eigen", "pybind11", "libgomp", "libomp"])
def test_each_part_of_a_wheel_has_its_licence(part: str) -> None:
    (path,) = (ROOT / "licenses").glob(f"{part}-*.txt")
    text = path.read_text(encoding="utf8")
    head, _, terms = text.partition("\n\n")
    assert part in head
    assert len(terms.splitlines()) > 20
    assert "licenses/*" in project(TEXTS["pyproject.toml"])["project"]["license-files"]
