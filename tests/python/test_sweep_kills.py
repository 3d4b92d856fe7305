"""Sweeps that are killed at random moments, and disks that are full; see also `nox -s kills`.

`HERMITEFLOW_KILLS` is the number of kills, `HERMITEFLOW_KILLS_SEED` that of their moments.
"""

from __future__ import annotations

import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import sweep_functions as f

import hermiteflow as hf
from hermiteflow.sweeps import _files, _zarr

pytest.importorskip("xarray")

KILLS = int(os.environ.get("HERMITEFLOW_KILLS", "6"))
SEED = int(os.environ.get("HERMITEFLOW_KILLS_SEED", "0"))
POINTS = 12
EXECUTORS = [("serial", None), ("threads", 3), ("processes", 2)]


def start(store: Path, pids: Path, executor: str, workers: int | None) -> subprocess.Popen[str]:
    """Start a sweep in another process, and wait until it is about to begin."""
    run = f.child(
        "print('go', flush=True)\n"
        f"values = {{'x': [i + 0.5 for i in range({POINTS})], 'folder': [{str(pids)!r}]}}\n"
        f"hf.sweep(f.traced, values, seed=0, store={str(store)!r},"
        f" executor={executor!r}, workers={workers!r})",
        stderr=subprocess.DEVNULL,
    )
    assert run.stdout is not None
    assert run.stdout.readline() == "go\n"
    return run


def torn(store: Path) -> list[str]:
    """Files that have their name but not all their bytes."""
    found = []
    for path in store.rglob("c.*"):
        dtype, shape = {"y": ("<f8", (4,)), "twice": ("<f8", ())}.get(path.parent.name, (None, ()))
        try:
            if dtype is not None:
                _zarr.decode(path.read_bytes(), dtype, shape)
        except ValueError:
            found.append(path.name)
    return found


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def gone(pids: Path) -> bool:
    """Whether every process that computed a point has ended, at last."""
    found = {int(pid) for path in pids.iterdir() for pid in path.read_text().split()}
    found.discard(os.getpid())
    for _ in range(200):
        if not any(map(alive, found)):
            return True
        time.sleep(0.05)
    return False


def uninterrupted(store: Path, pids: Path) -> None:
    pids.mkdir(exist_ok=True)
    values = {"x": [i + 0.5 for i in range(POINTS)], "folder": [str(pids)]}
    hf.sweep(f.traced, values, seed=0, store=store)


def test_killed_at_random_moments(tmp_path: Path) -> None:
    """Kill, look for torn files, go on; compare with a store that was never interrupted."""
    moments = random.Random(SEED)
    pids, store = tmp_path / "pids", tmp_path / "store"
    uninterrupted(tmp_path / "whole", pids)
    whole = f.tree(tmp_path / "whole")
    killed = finished = begun = 0
    while killed < KILLS:
        executor, workers = EXECUTORS[(killed + finished) % 3]
        run = start(store, pids, executor, workers)
        time.sleep(moments.uniform(0.0, 1.8 if executor == "processes" else 1.0))
        run.send_signal(signal.SIGKILL)
        run.communicate()
        assert gone(pids)
        if run.returncode == 0:  # it was faster
            finished += 1
            assert f.tree(store) == whole
            shutil.rmtree(store)
            continue
        killed += 1
        if store.exists():
            assert torn(store) == []
            begun += any(store.rglob("c.*"))
        if killed % 4 == 0:
            uninterrupted(store, pids)
            assert f.tree(store) == whole
            shutil.rmtree(store)
    uninterrupted(store, pids)
    assert f.tree(store) == whole
    print(f"{killed} kills, {begun} with points in the store; {finished} runs were faster")


def test_writing_in_place_would_be_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The twin: a store whose files are not moved to their place leaves torn ones."""

    def in_place(path: Path, data: bytes) -> None:
        path.write_bytes(data[: len(data) // 2])
        if path.name == "c.7.0.0":
            raise KeyboardInterrupt
        path.write_bytes(data)

    monkeypatch.setattr(_files, "write", in_place)
    with pytest.raises(KeyboardInterrupt):
        uninterrupted(tmp_path / "store", tmp_path / "pids")
    assert torn(tmp_path / "store") == ["c.7.0.0"]
    monkeypatch.undo()
    uninterrupted(tmp_path / "whole", tmp_path / "pids")
    assert f.tree(tmp_path / "store") != f.tree(tmp_path / "whole")
    uninterrupted(tmp_path / "store", tmp_path / "pids")
    assert f.tree(tmp_path / "store") == f.tree(tmp_path / "whole")


# ------------------------------------------------------------------ full disks

FULL = """
from pathlib import Path
import resource, signal
store, way, points = Path(sys.argv[1]), sys.argv[2], 150
values = {"x": [i + 0.5 for i in range(points)]}
ballast = store.parent / "ballast"
def report(done, n):
    if way == "limit" and done == 5:
        resource.setrlimit(resource.RLIMIT_FSIZE, (20, resource.RLIM_INFINITY))
    if way == "disk" and done == 0:
        ballast.write_bytes(bytes(1000 * 4096))
try:
    hf.sweep(f.one, values, seed=0, store=store, progress=report)
except OSError as error:
    line = str(error)
else:
    sys.exit("the disk was not full")
assert chr(10) not in line, line
print(line)
assert not list(store.rglob("*.part"))
ballast.unlink(missing_ok=True)
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY,) * 2)
hf.sweep(f.one, values, seed=0, store=store)
whole = Path(sys.argv[3])
hf.sweep(f.one, values, seed=0, store=whole, executor="threads")
assert f.tree(store) == f.tree(whole)
assert f.tree(store)["y/c.3.0"] != f.tree(store)["y/c.4.0"]
"""


def full(store: Path, way: str, whole: Path, *within: str) -> str:
    """Run out of room, make room, go on, within what a command sets up; return the error."""
    code = f"import sweep_functions as f, hermiteflow as hf, sys\n{FULL}"
    run = subprocess.run(
        [*within, sys.executable, "-c", code, str(store), way, str(whole)],
        env=f.environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    return run.stdout.strip()


def test_a_file_that_may_not_grow(tmp_path: Path) -> None:
    line = full(tmp_path / "s", "limit", tmp_path / "whole")
    assert line.startswith("[Errno 27] File too large: store ")
    assert line.endswith("5 of 150 points are in it; once there is room, the same call goes on")


def test_a_full_disk(tmp_path: Path) -> None:
    """On a real small file system; where none can be mounted, at the limit of a file's size."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = f'mount -t tmpfs -o size={1150 * 4096} tmpfs \'{disk}\' && exec "$0" "$@"'
    within = ["unshare", "--map-root-user", "--mount", "sh", "-c", mount]
    known = shutil.which("unshare") is not None
    if not known or subprocess.run([*within, "true"], check=False).returncode != 0:
        line = full(disk / "s", "limit", tmp_path / "whole")
        assert line.startswith("[Errno 27] File too large: store ")
    else:
        line = full(disk / "s", "disk", tmp_path / "whole", *within)
        assert line.startswith("[Errno 28] No space left on device: store ")
    assert line.endswith(" of 150 points are in it; once there is room, the same call goes on")
    assert 0 < int(line.split(", ")[1].split()[0]) < 150


def test_no_room_for_the_manifest(tmp_path: Path) -> None:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (50, before[1]))
    try:
        with pytest.raises(OSError, match=r"File too large: store .*, which cannot be written"):
            hf.sweep(f.one, {"x": [1]}, seed=0, store=tmp_path / "s")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert f.tree(tmp_path / "s") == {}
    ds: Any = hf.sweep(f.one, {"x": [1]}, seed=0, store=tmp_path / "s")
    assert ds.identical(hf.sweep(f.one, {"x": [1]}, seed=0))
