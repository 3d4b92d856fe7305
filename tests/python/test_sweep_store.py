"""Stores of sweeps: what is in them, how a sweep goes on, what is refused."""

from __future__ import annotations

import itertools
import json
import logging
import os
import signal
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sweep_functions as f

import hermiteflow as hf
from hermiteflow.sweeps import _files, _zarr
from hermiteflow.sweeps._store import Store

xr = pytest.importorskip("xarray")
zarr = pytest.importorskip("zarr")

XS = {"x": [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]}


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store that nobody interrupted."""
    path = tmp_path_factory.mktemp("reference") / "store"
    hf.sweep(f.draw, f.GRID, seed=0, store=path)
    return path


@pytest.fixture
def traces(tmp_path: Path) -> Path:
    folder = tmp_path / "traces"
    folder.mkdir()
    return folder


def calls(traces: Path) -> dict[str, int]:
    """How often each point was computed."""
    return {path.name: len(path.read_text().split()) for path in sorted(traces.iterdir())}


def chunks(store: Path) -> list[Path]:
    return sorted(path for path in store.rglob("c.*") if path.is_file())


# ------------------------------------------------------------------ what is in a store


def test_xarray_and_zarr_open_it(reference: Path) -> None:
    ds = hf.sweep(f.draw, f.GRID, seed=0)
    assert xr.open_zarr(reference, chunks=None).load().identical(ds)
    group = zarr.open_group(reference, mode="r")
    assert set(group) == set(ds.variables)
    assert group["curve"].chunks == (1, 1, 1, 2, 3)
    assert hf.sweep(f.draw, f.GRID, seed=0, store=reference).identical(ds)


@pytest.mark.parametrize("dtype", ["?", "i1", "<i2", ">i4", "u8", "f2", "<f4", ">f8", "c8", ">c16"])
def test_zarr_reads_every_dtype(dtype: str, tmp_path: Path) -> None:
    def function(x: int, seed: object) -> dict[str, Any]:
        return {"y": np.arange(x, x + 4).reshape(2, 2).astype(dtype), "z": np.array(0, dtype)}

    ds = hf.sweep(function, {"x": [0, 1]}, store=tmp_path / "s", seed=0)
    assert ds.y.dtype == np.dtype(dtype).newbyteorder("=")
    assert xr.open_zarr(tmp_path / "s", chunks=None).load().identical(ds)


def test_nothing_in_it_is_pickled(reference: Path) -> None:
    names = {path.name for path in reference.rglob("*") if path.is_file()}
    assert {n for n in names if not n.startswith("c.")} == {"zarr.json", "sweep.json", "log.jsonl"}
    for path in chunks(reference):
        dtype = json.loads((path.parent / "zarr.json").read_text())["data_type"]
        assert dtype in ("bool", "string", "uint8", "int64", "float32", "float64", "complex128")


def test_config_is_readable(reference: Path) -> None:
    manifest = json.loads((reference / "sweep.json").read_text())
    config = manifest["config"]
    assert config["function"] == "sweep_functions:draw"
    assert config["hermiteflow"] == hf.__version__
    assert config["seed"]["entropy"] == 0
    assert [axis["name"] for axis in config["grid"]] == list(f.GRID)
    assert manifest["results"][0]["name"] == "byte"


def test_side_log(tmp_path: Path) -> None:
    hf.sweep(f.one, XS, store=tmp_path / "s")
    log = tmp_path / "s" / "log.jsonl"
    with log.open("a") as file:
        file.write('{"time": "half a li')  # as a killed process leaves it
    _zarr_chunk = next(path for path in chunks(tmp_path / "s") if path.parent.name == "y")
    _zarr_chunk.unlink()
    hf.sweep(f.one, XS, store=tmp_path / "s")
    lines = log.read_text().splitlines()
    entries = [json.loads(line) for line in lines if not line.endswith("half a li")]
    assert len(entries) == len(lines) - 1
    assert [entry.get("event") for entry in entries if "event" in entry] == ["start", "end"] * 2
    points = [entry for entry in entries if "point" in entry]
    assert len(points) == 7
    assert points[0].keys() == {"time", "point", "seconds", "host", "pid"}


# ------------------------------------------------------------------ the same bytes


@pytest.mark.parametrize(("executor", "workers"), [("threads", 3), ("processes", 2)])
def test_same_bytes_from_every_executor(
    executor: str, workers: int, reference: Path, tmp_path: Path
) -> None:
    path = tmp_path / "store"
    hf.sweep(f.draw, f.GRID, seed=0, store=path, executor=executor, workers=workers)
    assert f.tree(path) == f.tree(reference)


def test_comparison_tells_a_changed_byte(reference: Path, tmp_path: Path) -> None:
    path = tmp_path / "store"
    hf.sweep(f.draw, f.GRID, seed=0, store=path)
    target = path / "mean" / "c.0.0.0"
    data = target.read_bytes()
    target.write_bytes(bytes([data[0] ^ 1]) + data[1:])
    assert f.tree(path) != f.tree(reference)
    target.write_bytes(data)
    assert f.tree(path) == f.tree(reference)
    target.unlink()
    assert f.tree(path) != f.tree(reference)


def test_only_what_is_missing_is_computed(tmp_path: Path, traces: Path) -> None:
    values = {**XS, "folder": [str(traces)]}
    store = tmp_path / "s"
    whole = hf.sweep(f.traced, values, seed=0, store=store)
    before = f.tree(store)
    assert set(calls(traces).values()) == {1}
    assert hf.sweep(f.traced, values, seed=0, store=store).identical(whole)
    assert set(calls(traces).values()) == {1}
    (store / "y" / "c.2.0.0").unlink()
    (store / "twice" / "c.4.0").unlink()
    assert hf.sweep(f.traced, values, seed=0, store=store).identical(whole)
    assert calls(traces) == {"1.0": 1, "2.0": 1, "3.0": 2, "4.0": 1, "5.0": 2, "6.0": 1}
    assert f.tree(store) == before


@pytest.mark.parametrize("fault", ["cut", "empty", "byte", "longer", "zeros"])
def test_damaged_points_are_computed_again(
    fault: str, tmp_path: Path, traces: Path, caplog: pytest.LogCaptureFixture
) -> None:
    values = {**XS, "folder": [str(traces)]}
    store = tmp_path / "s"
    whole = hf.sweep(f.traced, values, seed=0, store=store)
    before = f.tree(store)
    target = store / "y" / "c.2.0.0"
    data = target.read_bytes()
    target.write_bytes(
        {
            "cut": data[: len(data) // 2],
            "empty": b"",
            "byte": data[:5] + bytes([data[5] ^ 1]) + data[6:],
            "longer": data + b"\0",
            "zeros": bytes(len(data)),
        }[fault]
    )
    assert hf.sweep(f.traced, values, seed=0, store=store).identical(whole)
    assert f.tree(store) == before
    assert calls(traces)["3.0"] == 2
    assert sum(calls(traces).values()) == 7
    assert "y at x=3.0" in caplog.text
    assert "is damaged, to be computed again" in caplog.text


def test_metadata_is_mended(reference: Path, tmp_path: Path) -> None:
    path = tmp_path / "store"
    hf.sweep(f.draw, f.GRID, seed=0, store=path)
    (path / "zarr.json").write_bytes(b"{")
    (path / "mean" / "zarr.json").unlink()
    (path / "k" / "c.0").write_bytes(b"")
    (path / ".abc.part").write_bytes(b"half")
    (path / "mean" / ".abc.part").write_bytes(b"half")
    hf.sweep(f.draw, f.GRID, seed=0, store=path)
    assert f.tree(path) == f.tree(reference)


def test_an_unfinished_store_does_not_open(tmp_path: Path) -> None:
    with pytest.raises(hf.SweepError, match=r"at x=2: .*; 1 of 3 points are in '.*s'$"):
        hf.sweep(f.fails, {"x": [1, 2, 3]}, seed=0, store=tmp_path / "s")
    with pytest.raises(FileNotFoundError):
        xr.open_zarr(tmp_path / "s", chunks=None)
    with pytest.raises(hf.SweepError, match="1 of 3 points"):
        hf.sweep(f.fails, {"x": [1, 2, 3]}, seed=0, store=tmp_path / "s")


def test_a_store_that_lost_a_point_does_not_open_until_it_is_back(tmp_path: Path) -> None:
    broken = [False]

    def function(x: int, seed: object) -> dict[str, Any]:
        if broken[0]:
            raise RuntimeError("stop here")
        return {"y": x}

    hf.sweep(function, {"x": [1, 2]}, seed=0, store=tmp_path / "s")
    before = f.tree(tmp_path / "s")
    (tmp_path / "s" / "y" / "c.1").write_bytes(b"")
    broken[0] = True
    with pytest.raises(hf.SweepError, match="1 of 2 points"):
        hf.sweep(function, {"x": [1, 2]}, seed=0, store=tmp_path / "s")
    assert not (tmp_path / "s" / "zarr.json").exists()
    broken[0] = False
    hf.sweep(function, {"x": [1, 2]}, seed=0, store=tmp_path / "s")
    assert f.tree(tmp_path / "s") == before


def test_form_in_the_store_binds_later_points(tmp_path: Path) -> None:
    """A function that was edited meanwhile, as far as its results show it."""
    size = [1]

    def function(x: int, seed: object) -> dict[str, Any]:
        if size == [1] and x == 3:
            raise RuntimeError("stop here")
        return {"y": np.zeros(size)}

    with pytest.raises(hf.SweepError, match="stop here"):
        hf.sweep(function, {"x": [1, 2, 3]}, seed=0, store=tmp_path / "s")
    size[0] = 2
    with pytest.raises(ValueError, match=r"at x=3: .* y <f8 \(1,\) at the points in the store"):
        hf.sweep(function, {"x": [1, 2, 3]}, seed=0, store=tmp_path / "s")


def test_seed_of_the_store_is_taken(tmp_path: Path) -> None:
    first = hf.sweep(f.one, XS, store=tmp_path / "s")
    assert hf.sweep(f.one, XS, store=tmp_path / "s").identical(first)
    root = np.random.SeedSequence(2**100 + 1, spawn_key=(3, 4), pool_size=8)
    again = hf.sweep(f.one, XS, seed=root, store=tmp_path / "t")
    assert hf.sweep(f.one, XS, store=tmp_path / "t").identical(again)
    assert hf.sweep(f.one, XS, seed=root).identical(again)


# ------------------------------------------------------------------ Ctrl-C, files, bytes


@pytest.mark.parametrize("executor", ["serial", "threads", "processes"])
def test_ctrl_c_saves_and_says_how_to_go_on(executor: str, tmp_path: Path) -> None:
    hf.sweep(f.slow, {"x": range(40)}, seed=0, store=tmp_path / "whole", executor="threads")
    store = tmp_path / "s"
    run = f.child(
        f"hf.sweep(f.slow, {{'x': range(40)}}, seed=0, store={str(store)!r},"
        f"executor={executor!r}, progress=lambda done, n: done == 5 and print('go', flush=True))"
    )
    assert run.stdout is not None
    assert run.stdout.readline() == "go\n"
    os.killpg(run.pid, signal.SIGINT)
    _, errors = run.communicate(timeout=30)
    last = errors.splitlines()[-1]
    assert last.startswith("KeyboardInterrupt: ")
    assert last.endswith(f" of 40 points are in {str(store)!r}; the same call goes on")
    finished = int(last.split()[1])
    assert finished >= 5
    assert len(list((store / "y").glob("c.*"))) == finished
    assert not list(store.rglob("*.part"))
    assert '"event": "stop"' in (store / "log.jsonl").read_text()
    hf.sweep(f.slow, {"x": range(40)}, seed=0, store=store, executor="threads")
    assert f.tree(store) == f.tree(tmp_path / "whole")


@pytest.mark.parametrize("executor", ["serial", "threads"])
@pytest.mark.parametrize("first", [True, False])
def test_a_point_that_ctrl_c_met_half_way_counts(
    executor: str, first: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The signal comes before or after its files: it is done, and said to be, in both cases."""
    store, write, written = tmp_path / "s", Store.write, []

    def interrupted(self: Store, index: Any, cells: Any) -> None:
        written.append(index)
        if not first:
            write(self, index, cells)
        if len(written) == 3:
            raise KeyboardInterrupt
        if first:
            write(self, index, cells)

    monkeypatch.setattr(Store, "write", interrupted)
    with pytest.raises(KeyboardInterrupt) as stopped:
        hf.sweep(f.one, XS, seed=0, store=store, executor=executor)
    told = int(str(stopped.value).split()[0])
    assert told >= 3
    assert len(list((store / "y").glob("c.*"))) == told
    assert written[2:4] == [written[2]] * 2  # it was taken up again, once
    monkeypatch.undo()
    ds = hf.sweep(f.one, XS, seed=0, store=store)
    assert ds.identical(hf.sweep(f.one, XS, seed=0))


def test_files_appear_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "file"
    _files.write(path, b"old")
    for name in ("fsync", "replace"):
        with monkeypatch.context() as patch:
            patch.setattr(os, name, _interrupt)
            patch.setattr(Path, "replace", _interrupt)
            with pytest.raises(KeyboardInterrupt):
                _files.write(path, b"new")
        assert path.read_bytes() == b"old"
        assert os.listdir(tmp_path) == ["file"]  # noqa: PTH208


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt


def test_chunks_are_synced_before_they_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    events: list[str] = []
    sync, replace = os.fsync, Path.replace
    monkeypatch.setattr(os, "fsync", lambda handle: events.append("sync") or sync(handle))

    def renamed(self: Path, target: Path) -> Path:
        events.append("name")
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", renamed)
    _files.write(tmp_path / "file", b"data")
    assert events == ["sync", "name"]


def test_chunk_bytes() -> None:
    """Against words of the specification: little-endian, C order, CRC-32C of RFC 3720."""
    assert _zarr._crc(b"123456789") == 0xE3069283.to_bytes(4, "little")
    assert _zarr.encode(np.array([[1, 2]], ">i2"))[:-4] == b"\1\0\2\0"
    words = np.array(["a", "é"], dtype=object)
    assert _zarr.encode(words)[:-4] == b"\2\0\0\0\1\0\0\0a\2\0\0\0\xc3\xa9"
    assert _zarr.decode(_zarr.encode(words), "string", (2,)).tolist() == ["a", "é"]
    for wrong in ((1,), (3,)):
        with pytest.raises(ValueError, match="it holds"):
            _zarr.decode(_zarr.encode(words), "string", wrong)
        with pytest.raises(ValueError, match="it holds"):
            _zarr.decode(_zarr.encode(np.zeros(2)), "<f8", wrong)


def test_every_cut_of_a_chunk_is_seen() -> None:
    for values, dtype in ((np.arange(3.0), "<f8"), (np.array(["a", "bc", ""], object), "string")):
        data = _zarr.encode(values)
        for size in range(len(data)):
            with pytest.raises(ValueError, match=r"checksum|it holds|lengths"):
                _zarr.decode(data[:size], dtype, (3,))
        for at, bit in itertools.product(range(len(data)), range(8)):
            changed = bytearray(data)
            changed[at] ^= 1 << bit
            with pytest.raises(ValueError, match="checksum"):
                _zarr.decode(bytes(changed), dtype, (3,))
        assert np.array_equal(_zarr.decode(data, dtype, (3,)), values)


def test_store_says_nothing_to_stderr(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        hf.sweep(f.one, XS, store=tmp_path / "s")
    assert not caplog.messages
    assert capfd.readouterr() == ("", "")
    assert time.time() - (tmp_path / "s" / "zarr.json").stat().st_mtime < 3600
