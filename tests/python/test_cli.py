"""The command line: help, exit status, one-line errors."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from commands import exits

import hermiteflow as hf
from hermiteflow import cli


@pytest.mark.parametrize(
    ("argv", "example"),
    [
        (["--help"], "hermiteflow reproduce --quick"),
        (["reproduce", "--help"], "hermiteflow reproduce --quick"),
        (["landscape", "--help"], "hermiteflow landscape --k 10 --p 3 --beta 0.0 0.05 0.2"),
    ],
)
def test_help_has_examples(
    argv: list[str], example: str, capsys: pytest.CaptureFixture[str]
) -> None:
    status, out, _ = exits(argv, capsys)
    assert status == 0
    assert example in out


def test_the_landscape_is_told_and_drawn(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "figure.svg"
    argv = ["landscape", "--k", "3", "--p", "3", "--beta", "0", "0.1", "--out", str(file)]
    status, out, err = exits(argv, capsys)
    assert (status, err) == (0, "")
    for text in (
        "beta_c     = 0.250000000000  the average turns",
        "beta_fold  = 0.261203874964  the index-like minima end",
        "beta = 0: 14 fixed points in 6 orbits, k = 3",
        "beta = 0.1: 14 fixed points in 6 orbits, k = 3",
        f"figure: {file}",
    ):
        assert text in out
    drawn = file.read_text()
    assert drawn.startswith("<?xml")
    assert "minimum" in drawn


def test_landscapes_without_a_figure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    status, out, _ = exits(["landscape", "--k", "1", "--p", "4"], capsys)
    assert status == 0
    assert "2 fixed points in 1 orbit, k = 1" in out
    status, out, _ = exits(
        ["landscape", "--k", "3", "--link", "relu", "--without", "1", "--out", "a.pdf"], capsys
    )
    assert status == 0
    assert "26 fixed points found from 220 starts; the list may be incomplete" in out
    assert "no figure: psi' of this link is no polynomial" in out
    argv = ["landscape", "--k", "3", "--hermite", "1=1", "3=0.5", "--out", "-"]
    status, out, _ = exits(argv, capsys)
    assert status == 0
    assert "beta_fold    none: link must have minima near the index vectors" in out
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("shell", ["bash", "zsh", "tcsh", "fish"])
def test_completion_knows_every_option(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    status, out, err = exits(["completion", shell], capsys)
    assert (status, err) == (0, "")
    for word in ("reproduce", "landscape", "without", "coverage", "batches", "resume", "losses"):
        assert word in out


@pytest.mark.parametrize(
    ("words", "completed"), [("run coverage --bat", "--batches"), ("info --js", "--json")]
)
def test_bash_completes(words: str, completed: str, capsys: pytest.CaptureFixture[str]) -> None:
    script = exits(["completion", "bash"], capsys)[1]
    script += f"""
COMP_WORDS=(hermiteflow {words}) COMP_CWORD={len(words.split())}
_shtab_hermiteflow; echo "${{COMPREPLY[@]}}"
"""
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == f"{completed}\n"


def test_debug_shows_where_an_error_comes_from(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    wrong = ["landscape", "--k", "3", "--p", "3", "--beta", "1.0"]
    assert exits(wrong, capsys)[0] == 2
    status, _, err = exits(["--debug", *wrong], capsys)
    assert status == 2
    assert "Traceback" in err
    assert "beta must be a number in" in err.splitlines()[-1]

    def defect(*_: Any) -> None:
        raise ZeroDivisionError("of\nours")

    monkeypatch.setattr("hermiteflow._info.report", defect)
    status, out, err = exits(["info"], capsys)
    assert (status, out) == (3, "")
    assert err == "hermiteflow: ZeroDivisionError: of ours (--debug shows where)\n"
    status, _, err = exits(["info", "--debug"], capsys)
    assert status == 3
    assert "in defect" in err


def test_a_closed_pipe_is_quiet() -> None:
    code = "from hermiteflow.cli import main; raise SystemExit(main())"
    argv = [sys.executable, "-c", code, "landscape", "--k", "40", "--p", "3", "--out", "-"]
    argv += ["--beta", *["0"] * 60]
    process = subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.readline()
    process.stdout.close()
    assert process.stderr is not None
    assert process.stderr.read() == b""
    process.stderr.close()
    assert process.wait() == 141


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
        (["landscape", "--p", "3"], "--k"),
        (["landscape", "--k", "0", "--p", "3"], "must be a whole number >= 1, got '0'"),
        (["landscape", "--k", "3"], "one of the arguments --p --link --hermite is required"),
        (["landscape", "--k", "3", "--p", "3", "--link", "relu"], "not allowed with argument"),
        (["landscape", "--k", "3", "--link", "rellu"], "invalid choice: 'rellu'"),
        (["landscape", "--k", "3", "--hermite", "3:1"], "such as 3=1.0, got '3:1'"),
        (["landscape", "--k", "3", "--p", "3", "--beta", "1.0"], "beta must"),
        (["landscape", "--k", "3", "--p", "3", "--beta", "x"], "invalid float value: 'x'"),
        (["landscape", "--k", "3", "--p", "3", "--out", "a.txt"], ".pdf, .png, .svg, or be -"),
        (["landscape", "--k", "3", "--p", "3", "--out", "/no/such/a.pdf"], "no such folder"),
        (["landscape", "--k", "3", "--link", "sign"], "student must have a derivative"),
        (["landscape", "--k", "3", "--p", "3", "--d", "2"], "d must be an integer of at least 3"),
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
    assert (status, out) == (130, "")
    first, last = err.splitlines()
    assert first.endswith("--seed 0 --resume goes on from there")
    assert last == "hermiteflow: interrupted"


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
