"""The checks of wheels and source distributions refuse what lacks something or holds too much."""

from __future__ import annotations

import io
import tarfile
import zipfile
from pathlib import Path

import check_sdist
import check_wheel
import pytest

INFO = "hermiteflow-1.2.dist-info"
NAME = "hermiteflow-1.2-cp311-cp311-manylinux_2_28_x86_64.whl"
METADATA = "Name: hermiteflow\nVersion: 1.2\nLicense-Expression: BSD-3-Clause AND MPL-2.0\n\nLong."
GOMP, NOTE = "hermiteflow.libs/libgomp-a1.so.1.0.0", "libgomp-GPL3-with-exception.txt"
GOOD = {
    "hermiteflow/__init__.py": "",
    "hermiteflow/py.typed": "",
    "hermiteflow/_core.pyi": "",
    "hermiteflow/_core.cpython-311-x86_64-linux-gnu.so": "",
    GOMP: "",
    f"{INFO}/METADATA": METADATA,
    f"{INFO}/WHEEL": "",
    f"{INFO}/entry_points.txt": "",
    f"{INFO}/licenses/LICENSE": "",
    f"{INFO}/licenses/licenses/Eigen-MPL2.txt": "",
    f"{INFO}/licenses/licenses/pybind11-BSD3.txt": "",
    f"{INFO}/licenses/licenses/{NOTE}": "",
}


def wheel(folder: Path, files: dict[str, str], name: str = NAME, *, forget: str = "") -> Path:
    """Write a wheel of files, and RECORD, which may forget one."""
    record = "".join(f"{n},sha256=x,0\n" for n in files if n != forget) + f"{INFO}/RECORD,,\n"
    with zipfile.ZipFile(folder / name, "w") as archive:
        for path, text in {**files, f"{INFO}/RECORD": record}.items():
            archive.writestr(path, text)
    return folder / name


def test_a_complete_wheel_passes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = wheel(tmp_path, GOOD)
    assert check_wheel.faults(path, repaired=True) == []
    assert check_wheel.main(["", "--repaired", str(path)]) == 0
    assert "complete" in capsys.readouterr().out
    assert check_wheel.main([""]) == 2


LACKING = {
    "hermiteflow/py.typed": "lacks py.typed",
    "hermiteflow/_core.pyi": "lacks the stub _core.pyi",
    "hermiteflow/_core.cpython-311-x86_64-linux-gnu.so": "lacks the compiled module",
    GOMP: "lacks an OpenMP library: it was not repaired, or has no threads",
    f"{INFO}/entry_points.txt": "lacks the command line",
    f"{INFO}/licenses/LICENSE": "lacks LICENSE",
    f"{INFO}/licenses/licenses/Eigen-MPL2.txt": "lacks the licence of Eigen",
    f"{INFO}/licenses/licenses/pybind11-BSD3.txt": "lacks the licence of pybind11",
    f"{INFO}/licenses/licenses/{NOTE}": f"holds {GOMP} but lacks {NOTE}",
    f"{INFO}/METADATA": "METADATA does not name the licences (License-Expression)",
}


@pytest.mark.parametrize("name", LACKING)
def test_a_planted_wheel_that_lacks_something_is_refused(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = wheel(tmp_path, {n: text for n, text in GOOD.items() if n != name})
    assert LACKING[name] in check_wheel.faults(path, repaired=True)
    assert check_wheel.main(["", "--repaired", str(path)]) == 1
    assert LACKING[name] in capsys.readouterr().out


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("hermiteflow/flow.hpp", "a file of the build"),
        ("hermiteflow/module.cpp", "a file of the build"),
        ("hermiteflow/__pycache__/links.cpython-311.pyc", "a file of the build"),
        ("tests/test_flows.py", "outside of the package"),
        ("CMakeLists.txt", "outside of the package"),
        ("hermiteflow.libs/libother.so.2", "whose licence nobody has looked at"),
        ("hermiteflow/_core.cpython-312-x86_64-linux-gnu.so", "more than one compiled module"),
        ("hermiteflow/.dylibs/libomp.dylib", "lacks libomp-Apache2-with-exception.txt"),
    ],
)
def test_a_planted_wheel_that_holds_too_much_is_refused(
    name: str, told: str, tmp_path: Path
) -> None:
    found = check_wheel.faults(wheel(tmp_path, {**GOOD, name: ""}))
    assert len(found) == 1
    assert told in found[0]


def test_size_version_record_and_tag(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (fault,) = check_wheel.faults(wheel(tmp_path, GOOD, forget="hermiteflow/py.typed"))
    assert fault == "holds hermiteflow/py.typed, which RECORD does not list"
    (fault,) = check_wheel.faults(
        wheel(tmp_path, GOOD, NAME.replace("1.2-", "1.3-")), repaired=True
    )
    assert "version 1.2" in fault
    plain = NAME.replace("manylinux_2_28", "linux")
    (fault,) = check_wheel.faults(wheel(tmp_path, GOOD, plain), repaired=True)
    assert "which systems" in fault
    assert check_wheel.faults(wheel(tmp_path, GOOD, plain)) == []
    monkeypatch.setattr(check_wheel, "LIMIT", 100)
    (fault,) = check_wheel.faults(wheel(tmp_path, GOOD))
    assert fault.endswith("bytes, must be less than 100")


def sdist(folder: Path, names: list[str]) -> Path:
    """Write a source distribution of empty files."""
    path = folder / "hermiteflow-1.2.tar.gz"
    with tarfile.open(path, "w:gz") as archive:
        for name in names:
            archive.addfile(tarfile.TarInfo(name), io.BytesIO())
    return path


def test_a_complete_sdist_passes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = sdist(tmp_path, [f"hermiteflow-1.2/{name}" for name in check_sdist.REQUIRED])
    assert check_sdist.main(["", str(path)]) == 0
    assert "complete" in capsys.readouterr().out
    assert check_sdist.main([""]) == 2


@pytest.mark.parametrize("name", check_sdist.REQUIRED)
def test_a_planted_sdist_that_lacks_something_is_refused(name: str, tmp_path: Path) -> None:
    names = [f"hermiteflow-1.2/{n}" for n in check_sdist.REQUIRED if n != name]
    assert check_sdist.faults(sdist(tmp_path, names)) == [f"lacks {name}"]


@pytest.mark.parametrize(
    "name",
    [
        ".ci/run",
        ".github/workflows/ci.yml",
        "build/w311/build.ninja",
        "python/hermiteflow/_core.cpython-311-x86_64-linux-gnu.so",
        "tests/__pycache__/x.py",
        "docs/_build/index.html",
        ".venv/bin/python",
        ".mypy_cache/x",
    ],
)
def test_a_planted_sdist_that_holds_junk_is_refused(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    names = [f"hermiteflow-1.2/{n}" for n in (*check_sdist.REQUIRED, name)]
    assert check_sdist.main(["", str(sdist(tmp_path, names))]) == 1
    assert f"holds {name}" in capsys.readouterr().out


def test_a_large_sdist_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(check_sdist, "LIMIT", 10)
    path = sdist(tmp_path, [f"hermiteflow-1.2/{name}" for name in check_sdist.REQUIRED])
    (fault,) = check_sdist.faults(path)
    assert fault.endswith("bytes, must be less than 10")
