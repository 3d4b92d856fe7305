"""Sweeps that somebody watches: progress on a terminal and elsewhere, Ctrl-C."""

from __future__ import annotations

import os
import pty
import signal
import termios
import time
from pathlib import Path

import pytest
import sweep_functions as f

import hermiteflow as hf

pytest.importorskip("xarray")

LOCAL = [("serial", None), ("threads", 3), ("processes", 2)]


def test_progress(capfd: pytest.CaptureFixture[str]) -> None:
    seen: list[tuple[int, int]] = []
    hf.sweep(f.one, {"x": [1, 2, 3]}, progress=lambda done, n: seen.append((done, n)))
    assert seen == [(0, 3), (1, 3), (2, 3), (3, 3)]
    hf.sweep(f.one, {"x": [1, 2, 3]})
    assert capfd.readouterr() == ("", "")
    hf.sweep(f.one, {"x": [1, 2, 3]}, progress=True)
    assert "3/3 [" in capfd.readouterr().err


def test_what_shows_no_progress_is_refused_before_anything(tmp_path: Path) -> None:
    words = "progress must be True or False, a callable or None, got 3"
    with pytest.raises(TypeError, match=words):
        hf.sweep(f.one, {"x": [1]}, progress=3, store=tmp_path / "s", seed=0)  # type: ignore[arg-type]
    assert not (tmp_path / "s").exists()


def test_progress_on_a_terminal() -> None:
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (24, 80))
    run = f.child("hf.sweep(f.slow, {'x': range(5)})", stderr=theirs)
    os.close(theirs)
    shown = b""
    while chunk := _read(ours):
        shown += chunk
    os.close(ours)
    assert run.communicate()[0] == ""
    assert run.returncode == 0
    assert b"5/5 [" in shown
    assert b"point/s" in shown


def _read(handle: int) -> bytes:
    try:
        return os.read(handle, 1000)
    except OSError:  # the other end of a terminal is closed
        return b""


@pytest.mark.parametrize(("executor", "workers"), LOCAL)
def test_ctrl_c_without_a_store(executor: str, workers: int | None) -> None:
    run = f.child(
        f"hf.sweep(f.slow, {{'x': range(400)}}, executor={executor!r}, workers={workers!r},"
        "progress=lambda done, n: done == 3 and print('go', flush=True))"
    )
    assert run.stdout is not None
    assert run.stdout.readline() == "go\n"
    time.sleep(0.1)
    os.killpg(run.pid, signal.SIGINT)  # as a terminal does: every process of the group
    _, errors = run.communicate(timeout=30)
    last = errors.splitlines()[-1]
    assert "of 400 points were done; with store= they would have been kept" in last
    assert errors.count("Traceback") == 1
    assert run.returncode == -signal.SIGINT
