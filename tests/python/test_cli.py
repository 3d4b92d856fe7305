"""The command line: help, exit status, one-line errors."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import hermiteflow as hf
from hermiteflow import cli


def exits(argv: list[str], capsys: pytest.CaptureFixture[str]) -> tuple[int, str, str]:
    try:
        status = cli.main(argv)
    except SystemExit as stop:
        status = int(stop.code or 0)
    out, err = capsys.readouterr()
    return status, out, err


@pytest.mark.parametrize("argv", [["--help"], ["reproduce", "--help"]])
def test_help_has_examples(argv: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    status, out, _ = exits(argv, capsys)
    assert status == 0
    assert "hermiteflow reproduce --quick" in out


def test_version_and_info(capsys: pytest.CaptureFixture[str]) -> None:
    assert exits(["--version"], capsys)[1] == f"hermiteflow {hf.__version__}\n"
    status, out, _ = exits(["info"], capsys)
    assert status == 0
    for word in (
        hf.__version__,
        "numpy",
        "matplotlib",
        "h5netcdf",
        *(hf.build_info().keys() - {"version"}),
    ):
        assert str(word) in out


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        ([], "COMMAND"),
        (["reprduce"], "reproduce"),
        (["reproduce", "--seed", "-1"], "--seed"),
        (["reproduce", "--seed", "x"], "must be a whole number >= 0, got 'x'"),
        (["reproduce", "--threads", "0"], "must be a whole number >= 1"),
        (["reproduce", "--fast"], "--fast"),
    ],
)
def test_bad_usage_is_one_line(
    argv: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    status, out, err = exits(argv, capsys)
    assert (status, out, err.count("\n")) == (2, "", 1)
    assert words in err


@pytest.mark.parametrize("name", cli.EXTRA)
def test_a_missing_extra_is_one_line(
    name: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setitem(sys.modules, name, None)
    status, out, err = exits(["reproduce", "--quick", "--out", str(tmp_path / "x")], capsys)
    assert (status, out, err.count("\n")) == (2, "", 1)
    assert name in err
    assert "pip install 'hermiteflow[reproduce]'" in err
    assert not (tmp_path / "x").exists()


@pytest.mark.parametrize("below", [False, True])
def test_a_bad_folder_is_one_line(
    below: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "file"
    file.write_text("kept")
    status, out, err = exits(
        ["reproduce", "--quick", "--out", str(file / "deeper" if below else file)], capsys
    )
    assert (status, out, err.count("\n")) == (2, "", 1)
    assert str(file) in err
    assert file.read_text() == "kept"


def test_ctrl_c_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupt(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(hf, "solve", interrupt)
    status, out, err = exits(["reproduce", "--quick", "--out", str(tmp_path)], capsys)
    assert (status, out, err) == (130, "", "hermiteflow: interrupted\n")


def test_the_installed_command_answers() -> None:
    code = "from hermiteflow.cli import main; raise SystemExit(main(['info']))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("hermiteflow")


def test_the_command_line_is_light() -> None:
    """Neither help nor info pays for matplotlib or xarray."""
    code = (
        "import sys; from hermiteflow.cli import main; main(['info']); "
        "print(sorted({'xarray', 'matplotlib', 'pandas'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.endswith("[]\n")
