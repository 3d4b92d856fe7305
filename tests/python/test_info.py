"""What `hermiteflow info` tells of a build, a machine and its packages."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from commands import exits

import hermiteflow as hf
from hermiteflow import _info


def test_each_value_of_the_report_stands_in_the_text(capsys: pytest.CaptureFixture[str]) -> None:
    found = json.loads(exits(["info", "--json"], capsys)[1])
    status, out, err = exits(["info"], capsys)
    assert (status, err) == (0, "")
    names = [line.split("  ")[0] for line in out.splitlines()]
    for topic, values in found.items():
        assert topic in names or set(values) <= set(names)
    values = dict(line.split("  ", 1) for line in out.splitlines())
    assert values["hermiteflow"].strip() == hf.__version__ == found["hermiteflow"]["version"]
    assert values["numpy"].strip() == np.__version__ == found["packages"]["numpy"]
    assert found["build"] == {k: v for k, v in hf.build_info().items() if k != "version"}
    assert all(name in values["isa_available"] for name in hf.build_info()["isa_available"])


def test_variables_that_matter_are_told_and_others_are_not(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("OMP_WAIT_POLICY", "passive")
    monkeypatch.setenv("HERMITEFLOW_NUM_THREADS", "3")
    monkeypatch.setenv("A_SECRET_TOKEN", "of nobody's concern")
    out = exits(["info"], capsys)[1]
    assert "OMP_WAIT_POLICY" in out
    assert "passive" in out
    assert "HERMITEFLOW_NUM_THREADS" in out
    assert "SECRET" not in out
    assert "concern" not in out
    for name in _info.environment():
        monkeypatch.delenv(name)
    assert "environment" in exits(["info"], capsys)[1]


def test_the_instruction_set_in_use_is_told() -> None:
    code = "from hermiteflow.cli import main; raise SystemExit(main(['info', '--json']))"
    needed = ("PATH", "LD_PRELOAD", "ASAN_OPTIONS")  # the last two by `nox -s sanitizers`
    kept = {name: os.environ[name] for name in needed if name in os.environ}
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={"HERMITEFLOW_ISA": "generic", **kept},
        capture_output=True,
        text=True,
        check=True,
    )
    found = json.loads(done.stdout)
    assert found["build"]["isa"] == "generic"
    assert found["environment"] == {"HERMITEFLOW_ISA": "generic"}


def test_the_home_directory_is_hidden(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    home = Path(_info.__file__).parents[1]
    monkeypatch.setattr(Path, "home", lambda: home)
    monkeypatch.setenv("HERMITEFLOW_STORE", f"{home}/runs")
    for argv in (["info"], ["info", "--json"]):
        out = exits(argv, capsys)[1]
        assert str(home) not in out
        assert "~/hermiteflow" in out.replace("\\\\", "/")
        assert "~/runs" in out


@pytest.mark.parametrize(
    ("note", "expected"),
    [
        (None, False),
        ('{"url": "file:///x", "dir_info": {"editable": true}}', True),
        ('{"url": "file:///x", "dir_info": {}}', False),
        ('{"url": "file:///x.whl", "archive_info": {}}', False),
    ],
)
def test_editable_installs(
    note: str | None, expected: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Distribution:
        def read_text(self, name: str) -> str | None:
            assert name == "direct_url.json"
            return note

    monkeypatch.setattr(metadata, "distribution", lambda _name: Distribution())
    assert _info.editable() is expected


def test_what_is_not_there(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def none(name: str) -> Any:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "distribution", none)
    monkeypatch.setattr(metadata, "version", none)
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)
    serial = {**hf.build_info(), "openmp": 0}
    monkeypatch.setattr(_info._core, "build_info", lambda: serial)
    found = _info.report()
    assert found["hermiteflow"]["editable install"] is None
    assert found["packages"]["xarray"] is None
    assert found["threadpools"] == {}
    out = exits(["info"], capsys)[1]
    assert "missing: pip install 'hermiteflow[reproduce]'" in out
    assert "missing: pip install 'hermiteflow[test]'" in out
    assert "0 (built without threads)" in out


@pytest.mark.parametrize(
    ("table", "expected"),
    [
        ("processor : 0\nmodel name\t: Some CPU @ 3 GHz\n", "Some CPU @ 3 GHz"),
        ("processor : 0\n", "a machine"),
    ],
)
def test_the_model_of_the_processor(
    table: str, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Path, "exists", lambda _path: True)
    monkeypatch.setattr(Path, "read_text", lambda _path, encoding: table)
    monkeypatch.setattr("platform.processor", lambda: "")
    monkeypatch.setattr("platform.machine", lambda: "a machine")
    assert _info.processor() == expected


def levels(flags: set[str]) -> list[str]:
    """Return the instruction sets that Linux's names of features allow."""
    v3 = {"avx2", "fma", "bmi1", "bmi2", "movbe", "f16c", "abm", "sse4_2", "popcnt"}
    v4 = v3 | {"avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl"}
    return ["generic", *(["v3"] if v3 <= flags else []), *(["v4"] if v4 <= flags else [])]


def test_instruction_sets_are_those_of_the_processor() -> None:
    table = Path("/proc/cpuinfo")
    flags: set[str] = set()
    if table.exists():
        for line in table.read_text(encoding="utf8").splitlines():
            if line.startswith("flags"):
                flags = set(line.partition(":")[2].split())
    if flags:  # Linux on x86-64
        assert hf.build_info()["isa_available"] == levels(flags)
        assert levels(flags - {"fma"}) == ["generic"]
        assert levels(flags - {"avx512vl"}) == ["generic", "v3"][: len(levels(flags))]
