"""Sweeps on a real scheduler of dask.distributed, on TCP, with workers that are killed."""

from __future__ import annotations

import contextlib
import json
import logging
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sweep_functions as f

import hermiteflow as hf
from hermiteflow.sweeps import _dask

distributed = pytest.importorskip("distributed")

VALUES = {"x": [i + 0.5 for i in range(30)]}


class Cluster:
    """A scheduler and its workers, each a process of its own."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._variables: dict[str, str] = {}
        self._log = (folder / "log").open("w")
        file = folder / "scheduler.json"
        self.scheduler = self._start("scheduler", "--port", "0", "--scheduler-file", str(file))
        self.workers: list[subprocess.Popen[bytes]] = []
        self.address = ""
        for _ in range(600):
            with contextlib.suppress(OSError, ValueError):
                self.address = json.loads(file.read_text())["address"]
                break
            time.sleep(0.05)

    def add_workers(self, number: int, **variables: str) -> None:
        self._variables = variables
        options = ("--nthreads", "1", "--no-nanny", "--memory-limit", "0")
        place = ("--local-directory", str(self._folder))
        for _ in range(number):
            self.workers.append(self._start("worker", self.address, *options, *place))

    def _start(self, kind: str, *arguments: str) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", f"distributed.cli.dask_{kind}", *arguments]
        environment = f.environment(
            PYTHONWARNINGS="", DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES="1", **self._variables
        )
        return subprocess.Popen(
            [*command, "--no-dashboard", "--host", "127.0.0.1"],
            env=environment,
            stdout=self._log,
            stderr=subprocess.STDOUT,
        )

    def close(self) -> None:
        for process in (*self.workers, self.scheduler):
            process.kill()
            process.wait()
        self._log.close()


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    (tmp_path / "cluster").mkdir()
    made = Cluster(tmp_path / "cluster")
    try:
        made.add_workers(3)
        yield made
    finally:
        made.close()


def test_a_worker_that_is_killed(cluster: Cluster, tmp_path: Path) -> None:
    """SIGKILL for one of three workers in the middle: the same bytes as the serial run."""
    serial = hf.sweep(f.slow, VALUES, seed=0, store=tmp_path / "serial")
    killed: list[int] = []

    def report(done: int, n: int) -> None:
        if done == 8:
            log = (tmp_path / "s" / "log.jsonl").read_text().splitlines()
            pids = {json.loads(line)["pid"] for line in log if '"point"' in line}
            victim = next(worker for worker in cluster.workers if worker.pid in pids)
            victim.send_signal(signal.SIGKILL)
            victim.wait()
            killed.append(victim.pid)

    far = hf.sweep(
        f.slow, VALUES, seed=0, executor=cluster.address, store=tmp_path / "s", progress=report
    )
    assert len(killed) == 1
    assert far.identical(serial)
    assert f.tree(tmp_path / "s") == f.tree(tmp_path / "serial")
    entries = map(json.loads, (tmp_path / "s" / "log.jsonl").read_text().splitlines())
    pids = {entry["pid"] for entry in entries if "point" in entry}
    assert len(pids) > 1
    assert pids <= {worker.pid for worker in cluster.workers}
    other = hf.sweep(f.slow, VALUES, seed=1, executor=cluster.address)
    assert not other.identical(serial)


def test_a_client(cluster: Cluster, tmp_path: Path) -> None:
    with distributed.Client(cluster.address, set_as_default=False) as client:
        ds = hf.sweep(f.draw, f.GRID, seed=0, executor=client)
        assert ds.identical(hf.sweep(f.draw, f.GRID, seed=0))
        for threads in (1, 2):
            options = {"executor": client, "threads_per_worker": threads}
            assert (hf.sweep(f.level_of_threads, {"x": [1, 2]}, **options).n == threads).all()
        assert _let_go(client)
        captured = 3
        local = hf.sweep(lambda x, seed: {"y": captured * x}, {"x": [1, 2]}, executor=client)
        assert local.y.values.tolist() == [3, 6]
        message = "at x=2: RuntimeError: OddError: no luck"
        with pytest.raises(hf.SweepError, match=message) as caught:
            hf.sweep(f.fails, {"x": [1, 2, 3]}, executor=client)
        assert "sweep_functions.py" in caught.value.__cause__.__notes__[0]
        with pytest.raises(ValueError, match="workers must be left out on a cluster"):
            hf.sweep(f.one, VALUES, executor=client, workers=2)
        values = {"x": [1, 2], "folder": [str(tmp_path)], "times": [99]}
        with pytest.raises(hf.SweepError, match=r"at x=2.*KilledWorker"):  # after two of them
            hf.sweep(f.dies, values, executor=client)
        assert client.status == "running"


def _let_go(client: Any) -> bool:
    """Whether nothing is left on the cluster, as soon as it has heard of it."""
    for _ in range(200):
        if not client.futures:
            return True
        time.sleep(0.05)
    return False


def test_more_points_than_the_scheduler_is_given_at_once(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_dask, "WINDOW", 4)
    values = {"x": np.arange(50.0)}
    ds = hf.sweep(f.one, values, seed=0, executor=cluster.address)
    assert ds.identical(hf.sweep(f.one, values, seed=0))


def test_a_scheduler_that_goes_away(cluster: Cluster, tmp_path: Path) -> None:
    """What was finished is in the store; it goes on without the cluster."""

    def report(done: int, n: int) -> None:
        if done == 3:
            cluster.scheduler.kill()

    message = r"gone away.*of 30 points are in .*goes on"
    with pytest.raises(ConnectionError, match=message) as caught:
        hf.sweep(
            f.slow, VALUES, seed=0, executor=cluster.address, store=tmp_path / "s", progress=report
        )
    assert "\n" not in str(caught.value)
    ds = hf.sweep(f.slow, VALUES, seed=0, store=tmp_path / "s")
    assert ds.identical(hf.sweep(f.slow, VALUES, seed=0, executor="threads", workers=8))


@pytest.mark.parametrize("address", ["tcp://127.0.0.1:1", "tcp://"])
def test_no_scheduler_answers(
    address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_dask, "TIMEOUT", 0.5)
    with pytest.raises(ConnectionError, match=r"answers within 0\.5 s, got 'tcp://") as caught:
        hf.sweep(f.one, VALUES, executor=address, store=tmp_path / "s")
    assert "see that it runs and that its port can be reached from here" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "s").exists()


def test_workers_that_come_late(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "cluster").mkdir()
    cluster = Cluster(tmp_path / "cluster")
    late = threading.Timer(0.5, cluster.add_workers, (1,))
    try:
        late.start()
        with caplog.at_level(logging.WARNING, "hermiteflow"):
            ds = hf.sweep(f.one, VALUES, seed=0, executor=cluster.address)
        assert ds.identical(hf.sweep(f.one, VALUES, seed=0))
        assert f"no workers at {cluster.address} yet" in caplog.text
    finally:
        late.join()
        cluster.close()


@pytest.mark.filterwarnings("ignore")  # of dask, about the connection that it gives up
def test_a_port_that_stays_silent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_dask, "TIMEOUT", 0.5)
    monkeypatch.setattr(_dask, "GRACE", 0.5)
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"tcp://127.0.0.1:{server.getsockname()[1]}"
        with pytest.raises(ConnectionError, match=r"that answers within 0\.5 s"):
            hf.sweep(f.one, VALUES, seed=0, executor=address)


def test_workers_take_the_instruction_set_of_the_caller(tmp_path: Path) -> None:
    (tmp_path / "cluster").mkdir()
    made = Cluster(tmp_path / "cluster")
    try:
        made.add_workers(1, HERMITEFLOW_ISA="generic")
        far = hf.sweep(f.instruction_set, {"x": [1, 2]}, seed=0, executor=made.address)
        here = hf.build_info()["isa"]
        assert far.isa.values.tolist() == [here, here]
        with pytest.raises(RuntimeError, match="must have the caller's instruction set v9"):
            _dask._compute(b"", b"", 1, "v9")
    finally:
        made.close()
