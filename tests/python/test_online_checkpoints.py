"""`online_sgd`: checkpoints, Ctrl-C and progress of long runs."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from test_guest import posix
from test_online import CUBE, RUN, SQUARED, parameters

import hermiteflow as hf
from hermiteflow import _online_engine


@pytest.mark.parametrize("method", ["direct", "in_law"])
def test_a_broken_run_goes_on_to_the_same_bits(method: str, tmp_path: Path) -> None:
    flow = hf.SquaredFlow(hf.Orthonormal(k=2), hf.hermite(3), train_second_layer=True)
    keywords: dict[str, Any] = {
        **parameters(), "learning_rate": 1e-3, "seed": 5, "method": method, "batch": 2,
        "save_at": [10, 3000], "events": {"up": hf.HittingTime(0.3)},
    }  # fmt: skip
    whole = hf.online_sgd(flow, steps=6000, **keywords)
    file = tmp_path / "run.npz"

    short = hf.online_sgd(flow, steps=3000, checkpoint=file, **keywords)
    assert (short.steps == 3000).all()
    again = hf.online_sgd(flow, steps=6000, checkpoint=file, **keywords)
    assert again == whole
    assert hf.online_sgd(flow, steps=6000, checkpoint=file, **keywords) == whole
    assert [p.name for p in tmp_path.iterdir()] == ["run.npz"]
    with pytest.raises(ValueError, match="steps must be at least 6000"):
        hf.online_sgd(flow, steps=3000, checkpoint=file, **keywords)


@pytest.mark.parametrize("method", ["direct", "in_law"])
def test_a_run_that_goes_on_may_save_other_steps(method: str, tmp_path: Path) -> None:
    flow = hf.SquaredFlow(hf.Orthonormal(k=2), hf.hermite(3), train_second_layer=True)
    keywords: dict[str, Any] = {
        **parameters(), "learning_rate": 1e-3, "seed": 5, "method": method, "batch": 2,
    }  # fmt: skip
    file = tmp_path / "run.npz"

    def run(steps: int, save_at: Any, checkpoint: Path | None = file) -> hf.OnlineSolution:
        return hf.online_sgd(flow, steps=steps, save_at=save_at, checkpoint=checkpoint, **keywords)

    run(300, [0, 10])
    for steps, save_at in ((300, [0, 10]), (500, [0, 10, 301, 400]), (900, [0, 10, 301, 400, 900])):
        assert run(steps, save_at) == run(steps, save_at, None)
    for save_at, got in (
        ([0, 10, 301, 400], r"\[0, 10, 301, 400\]"),  # one that was kept is missing
        ([10, 301, 400, 900, 1000], r"\[10, 301, 400, 900\]"),
        ([0, 11, 301, 400, 900], r"\[0, 11, 301, 400, 900\]"),
        (None, r"\[\]"),
        (range(0, 1000, 100), r"\[0, 100, 200, 300, 400, 500, ...\]"),
    ):
        words = r"save_at must hold, up to step 900 .* \[0, 10, 301, 400, 900\], got " + got
        with pytest.raises(ValueError, match=words):
            run(1000, save_at)
    # the twin: what another run kept is not that of this one
    other = hf.online_sgd(flow, steps=900, save_at=[0, 10, 301, 400, 900],
                          **{**keywords, "seed": 6})  # fmt: skip
    assert other != run(900, [0, 10, 301, 400, 900])


def test_slow_steps_are_kept_as_often(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """With a clock on which a step takes a second, a checkpoint is never far behind."""
    clock, kept = [0.0], [0.0]
    step, keep = _online_engine._core.online_sgd, _online_engine.keep

    def slow(model: Any, in_law: bool, first: int, last: int, *rest: Any) -> Any:
        clock[0] += last - first
        return step(model, in_law, first, last, *rest)

    def noted(*given: Any) -> None:
        kept.append(clock[0])
        keep(*given)

    monkeypatch.setattr(_online_engine._core, "online_sgd", slow)
    monkeypatch.setattr(_online_engine, "keep", noted)
    monkeypatch.setattr(_online_engine.time, "monotonic", lambda: clock[0])
    keywords: dict[str, Any] = {**parameters(), **RUN, "steps": 400}
    sol = hf.online_sgd(SQUARED, checkpoint=tmp_path / "run.npz", **keywords)
    assert clock[0] == kept[-1] == 400.0
    assert max(np.diff(kept)) <= 2.0 * _online_engine.INTERVAL
    monkeypatch.undo()
    assert hf.online_sgd(SQUARED, **keywords) == sol


def test_checkpoints_of_other_runs_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "run.npz"
    hf.online_sgd(SQUARED, checkpoint=file, **parameters(), **RUN)
    with pytest.raises(ValueError, match="checkpoint must belong to a run with the same arguments"):
        hf.online_sgd(SQUARED, checkpoint=file, **parameters(), **{**RUN, "seed": 1})
    with pytest.raises(ValueError, match="checkpoint must belong"):
        hf.online_sgd(CUBE, checkpoint=file, **parameters(), **RUN)
    file.write_bytes(file.read_bytes()[:200])
    with pytest.raises(ValueError, match="checkpoint must be a file that online_sgd wrote"):
        hf.online_sgd(SQUARED, checkpoint=file, **parameters(), **RUN)
    np.savez(file, about=np.array(json.dumps({})))
    with pytest.raises(ValueError, match="checkpoint must be a file that online_sgd wrote"):
        hf.online_sgd(SQUARED, checkpoint=file, **parameters(), **RUN)
    with pytest.raises(ValueError, match="folder that exists"):
        hf.online_sgd(SQUARED, checkpoint=tmp_path / "no" / "x", **parameters(), **RUN)


@pytest.mark.parametrize(
    "fault",
    [
        {"digest": None},
        {"step": "x"},
        {"step": None},
        {"step": -5},
        {"columns": 1000},
        {"saved": 1},
        {"status": 50},
        {"rows": float("nan")},
        {"saves": 1},
        {"saves": 100},
        {"trajectory": None},
        {"reached": 100},
        {"reached": -100},
    ],
)
def test_damaged_checkpoints_are_refused(fault: dict[str, Any], tmp_path: Path) -> None:
    file = tmp_path / "run.npz"
    keywords: dict[str, Any] = {
        **parameters(), **RUN, "events": {"up": hf.HittingTime(0.9)}, "save_at": [3, 7],
    }  # fmt: skip
    hf.online_sgd(SQUARED, checkpoint=file, **keywords)
    with np.load(file) as data:
        held = dict(data)
    about = json.loads(str(held["about"]))
    ((name, value),) = fault.items()
    if name in held:
        held[name] = held[name][:1] if value is None else held[name] + value
    elif value is None:
        del about[name]
    else:
        about[name] = value
    held["about"] = np.array(json.dumps(about))
    np.savez(file, **held)
    words = r"checkpoint (is damaged|must be a file that online_sgd)"
    if fault == {"saves": 1}:
        words = r"save_at must hold, .* \[4, 8\], got \[3, 7\]"
    with pytest.raises(ValueError, match=words):
        hf.online_sgd(SQUARED, checkpoint=file, **keywords)


def test_other_files_are_no_checkpoints(tmp_path: Path) -> None:
    file = tmp_path / "run.npz"
    np.savez(file, about=np.array("[1]"))
    array = tmp_path / "array.npy"
    np.save(array, np.zeros(3))
    for path in (file, array):
        with pytest.raises(ValueError, match="checkpoint must be a file that online_sgd wrote"):
            hf.online_sgd(SQUARED, checkpoint=path, **parameters(), **RUN)


SCRIPT = """
import sys
import hermiteflow as hf
flow = hf.SquaredFlow(hf.Orthonormal(k=2), hf.hermite(3))
M, Q = hf.random_order_parameters(flow.targets, n=3, d=50, seed=1)
import hermiteflow._online_engine as engine
engine.INTERVAL = 0.1
sol = hf.online_sgd(flow, overlaps=M, student_overlaps=Q, d=50, steps=8_000_000,
                    learning_rate=1e-5, seed=0, checkpoint=sys.argv[1])
print(sol.overlaps.tobytes().hex())
"""


@posix
def test_a_killed_run_goes_on_to_the_same_bits(tmp_path: Path) -> None:
    script, file = tmp_path / "run.py", tmp_path / "run.npz"
    script.write_text(SCRIPT)
    kills = 0
    for _ in range(3):
        before = file.read_bytes() if file.exists() else b""
        with subprocess.Popen(
            [sys.executable, str(script), str(file)], stdout=subprocess.PIPE
        ) as run:
            while run.poll() is None:  # until it has kept more than there was
                if file.exists() and file.read_bytes() != before:
                    run.kill()
                    kills += 1
                    break
                time.sleep(0.01)
    last = subprocess.run(
        [sys.executable, str(script), str(file)], capture_output=True, text=True, check=True
    )
    fresh = subprocess.run(
        [sys.executable, str(script), str(tmp_path / "other.npz")],
        capture_output=True,
        text=True,
        check=True,
    )
    assert kills > 0
    assert last.stdout == fresh.stdout


def test_progress_and_what_it_raises() -> None:
    seen: list[tuple[int, int]] = []
    keywords: dict[str, Any] = {"steps": 3_000_000, "learning_rate": 1e-6, "seed": 0}

    def watch(done: int, steps: int) -> None:
        seen.append((done, steps))
        if len(seen) == 3:
            raise RuntimeError("enough")

    for method in ("direct", "in_law"):
        seen.clear()
        with pytest.raises(RuntimeError, match="enough"):
            hf.online_sgd(SQUARED, method=method, progress=watch, **parameters(), **keywords)
        assert len(seen) == 3
        assert 0 < seen[0][0] < seen[2][0] < 3_000_000
    seen.clear()
    m = hf.random_overlaps(CUBE.targets, n=5000, d=50, seed=1)
    with pytest.raises(RuntimeError, match="enough"):
        hf.online_sgd(CUBE, overlaps=m, d=50, method="marginal", progress=watch, **keywords)
    assert seen[0][1] == 5000


@pytest.mark.parametrize("method", ["direct", "in_law"])
def test_a_bar_ends_with_its_line(method: str, capfd: pytest.CaptureFixture[str]) -> None:
    keywords: dict[str, Any] = {**parameters(), **RUN, "method": method, "progress": True}
    hf.online_sgd(SQUARED, **keywords)
    assert capfd.readouterr().err.endswith("\r40 of 40 steps (100 %)\n")
    events = {"up": hf.HittingTime(1e-3, terminal=True)}
    sol = hf.online_sgd(SQUARED, events=events, **keywords)
    last = int(sol.steps[0])
    assert last < 40
    shown = capfd.readouterr().err
    assert f"\r{last} of 40 steps (" in shown
    assert shown.endswith(" %)\n")
    keywords["progress"] = False
    hf.online_sgd(SQUARED, **keywords)
    assert capfd.readouterr().err == ""
