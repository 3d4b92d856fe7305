"""Sweeps without a store: grid, seeds, results, executors on this machine."""

from __future__ import annotations

import functools
import logging
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sweep_functions as f

import hermiteflow as hf
from hermiteflow import _checks

xr = pytest.importorskip("xarray")

LOCAL = [("serial", None), ("threads", 3), ("processes", 2)]


# ------------------------------------------------------------------ what comes out


def test_dataset() -> None:
    ds = hf.sweep(f.draw, f.GRID, seed=0, dims={"curve": ["side", "step"]})
    assert dict(ds.sizes) == {"k": 3, "beta": 2, "flag": 2, "side": 2, "step": 3, "words_0": 2}
    assert list(ds.data_vars) == sorted(ds.data_vars)
    assert {name: ds[name].dtype.kind for name in ds.data_vars} == {
        **dict.fromkeys(("curve", "mean", "small"), "f"),
        **{"byte": "u", "count": "i", "lucky": "b", "phase": "c", "word": "U", "words": "U"},
    }
    assert ds["small"].dtype == np.float32
    assert ds["curve"].dims == ("k", "beta", "flag", "side", "step")
    assert [ds[name].dtype.kind for name in f.GRID] == ["i", "f", "b"]
    point = {"k": 3, "beta": 0.25, "flag": True}
    root = np.random.SeedSequence(0)
    grid = hf.sweeps._grid.make_grid(f.GRID)
    alone = f.draw(**point, seed=grid.seed(root, (1, 1, 0)))
    for name, value in alone.items():
        assert np.array_equal(ds[name].sel(point).values, value), name
    assert ds.attrs["seed"] == '{"entropy":0,"pool_size":4,"spawn_key":[]}'
    assert ds.attrs["function"] == "sweep_functions:draw"


def test_coordinates_of_objects() -> None:
    relu = hf.link("relu")
    values = {
        "k": [2],
        "link": [hf.hermite(3), hf.hermite({3: 1.0, 5: 1e-9}), hf.hermite({3: 1.0 + 1e-9}), relu],
    }
    ds = hf.sweep(f.escape, values, seed=0)
    assert ds.link.values.tolist() == ["h_3", "h_3 + 1e-09 h_5", "h_3 (2)", "relu"]
    mine = {"k": [2], "link": {"cubic": hf.hermite(3), "kink": relu}}
    own = hf.sweep(f.escape, mine, seed=0)
    assert own.link.values.tolist() == ["cubic", "kink"]
    assert np.array_equal(own.time.sel(link="kink"), ds.time.sel(link="relu"))
    mixed = hf.sweep(lambda x, seed: {"y": str(x)}, {"x": [None, 1, "a", (1, 2), Path("p")]})
    assert mixed.x.values.tolist() == ["None", "1", "a", "(1, 2)", "p"]
    assert mixed.y.values.tolist() == ["None", "1", "a", "(1, 2)", "p"]
    assert hf.sweep(f.one, {"x": np.array([1, 2.5])}).x.values.tolist() == [1.0, 2.5]


def test_numpy_scalars_arrive_as_numbers() -> None:
    seen: list[Any] = []
    hf.sweep(lambda x, seed: seen.append(x) or {"y": 0}, {"x": np.arange(2, dtype=np.int8)})
    assert [type(x) for x in seen] == [int, int]


# ------------------------------------------------------------------ seeds


def test_seeds_depend_on_root_and_values_alone() -> None:
    full = hf.sweep(f.draw, f.GRID, seed=1)
    part = hf.sweep(f.draw, {"flag": [False], "k": [7, 5], "beta": [0.25]}, seed=1)
    here = {"k": 5, "beta": 0.25, "flag": False}
    assert np.array_equal(part.curve.sel(here), full.curve.sel(here))
    assert not np.array_equal(
        part.curve.sel(here), hf.sweep(f.draw, f.GRID, seed=2).curve.sel(here)
    )
    means = full["mean"].values.ravel()
    assert np.unique(means).size == means.size
    spawned = np.random.SeedSequence(1, spawn_key=(4,))
    ours, theirs = (hf.sweep(f.one, {"x": [1]}, seed=seed).y for seed in (1, spawned))
    assert not np.array_equal(ours, theirs)


def test_seeds_do_not_repeat_streams_elsewhere() -> None:
    grid = hf.sweeps._grid.make_grid({"x": [1, True, 1.5, "1", None]})
    seeds = [grid.seed(np.random.SeedSequence(0), i) for i in grid.indices()]
    words = {tuple(seed.generate_state(4)) for seed in [*seeds, np.random.SeedSequence(0)]}
    assert len(words) == 6  # 1 and True are different values


def test_fresh_seed_is_logged_and_recorded(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "hermiteflow"):
        ds = hf.sweep(f.one, {"x": [1, 2]})
    entropy = caplog.messages[0].rpartition(" ")[2]
    assert f'"entropy":{entropy},' in ds.attrs["seed"]
    assert ds.identical(hf.sweep(f.one, {"x": [1, 2]}, seed=int(entropy)))


# ------------------------------------------------------------------ executors


@pytest.mark.parametrize(("executor", "workers"), LOCAL[1:])
def test_executors_agree(executor: str, workers: int) -> None:
    serial = hf.sweep(f.draw, f.GRID, seed=5)
    assert hf.sweep(f.draw, f.GRID, seed=5, executor=executor, workers=workers).identical(serial)


def test_a_function_that_knows_its_process_is_told_apart() -> None:
    serial = hf.sweep(f.process, {"x": [1, 2, 3]}, seed=0)
    other = hf.sweep(f.process, {"x": [1, 2, 3]}, seed=0, executor="processes", workers=2)
    assert not other.identical(serial)
    assert (serial.pid == os.getpid()).all()
    assert not (other.pid == os.getpid()).any()


def test_links_travel_to_processes() -> None:
    values = {"k": [2], "link": [hf.link("relu"), hf.link(np.sin)]}
    serial = hf.sweep(f.escape, values, seed=0)
    assert hf.sweep(f.escape, values, seed=0, executor="processes", workers=1).identical(serial)


@pytest.mark.parametrize(("executor", "workers"), LOCAL)
@pytest.mark.parametrize("threads", [None, 3])
def test_one_level_of_threads(
    executor: str, workers: int | None, threads: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HERMITEFLOW_NUM_THREADS", "5")
    options = {} if threads is None else {"threads_per_worker": threads}
    for function in (f.level_of_threads, f.libraries):
        ds = hf.sweep(function, {"x": [1, 2]}, executor=executor, workers=workers, **options)
        assert (ds.n == (threads or 1)).all()
    assert _checks.threads(None) == 5
    given = hf.sweep(f.level_of_threads, {"x": [1]}, executor=executor, **options).given
    assert (given == 7).all()


def test_threads_beside_a_sweep_keep_their_own_number(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HERMITEFLOW_NUM_THREADS", "5")
    seen: list[int] = []

    def function(x: int, seed: object) -> dict[str, int]:
        beside = threading.Thread(target=lambda: seen.append(_checks.threads(None)))
        beside.start()
        beside.join()
        return {"n": _checks.threads(None)}

    assert (hf.sweep(function, {"x": [1]}).n == 1).all()
    assert seen == [5]


@pytest.mark.parametrize("times", [1, 4])
def test_a_process_that_is_killed(times: int, tmp_path: Path) -> None:
    values = {"x": [1, 2, 3, 4], "folder": [str(tmp_path)], "times": [times]}
    if times < 4:
        ds = hf.sweep(f.dies, values, seed=0, executor="processes", workers=2)
        assert (tmp_path / "deaths").read_text() == "x"
        assert ds.identical(hf.sweep(f.dies, values, seed=0))
        return
    with pytest.raises(hf.SweepError, match=r"x=2.*4 worker processes died.*SIGKILL") as caught:
        hf.sweep(f.dies, values, seed=0, executor="processes", workers=2)
    assert caught.value.point["x"] == 2


# ------------------------------------------------------------------ failures


@pytest.mark.parametrize(("executor", "workers"), LOCAL)
def test_a_failing_point_is_named(executor: str, workers: int | None) -> None:
    with pytest.raises(hf.SweepError, match=r"^at x=2: \w+: (OddError: )?no luck at 7$") as caught:
        hf.sweep(f.fails, {"x": [1, 2, 3]}, executor=executor, workers=workers)
    assert caught.value.point == {"x": 2}
    if executor == "processes":
        assert "sweep_functions.py" in caught.value.__cause__.__notes__[0]
    else:
        assert isinstance(caught.value.__cause__, f.OddError)
    with pytest.raises(hf.SweepError, match=r"at x=2: SystemExit: 3"):
        hf.sweep(f.leaves, {"x": [1, 2, 3]}, executor=executor, workers=workers)


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("name", r"at x=3, kind=name: .*same names .* y, z at x=1, kind=name, here y, zz"),
        ("shape", r"at x=3.*: y <f8 \(\) at x=1, kind=shape, here y <f8 \(2,\)"),
        ("dtype", r"at x=3.*: y <f8 \(\) at x=1, kind=dtype, here y <i8 \(\)"),
        ("text", r"at x=3.*here y string \(\)"),
    ],
)
def test_uneven_results(kind: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        hf.sweep(f.uneven, {"x": [1, 3], "kind": [kind]})
    hf.sweep(f.uneven, {"x": [0, 1], "kind": [kind]})


@pytest.mark.parametrize(
    ("returned", "message"),
    [
        (3.0, "function must return a dict"),
        ({}, "at least one name"),
        ({"a b": 1}, "identifier"),
        ({"x": 1}, "name of the grid, got 'x'"),
        ({"y": None}, "'y' must be a scalar"),
        ({"y": [[1], [1, 2]]}, "ragged"),
        ({"y": []}, "not be empty"),
        ({"y": np.longdouble(1)}, "64 bits"),
        ({"y": np.ma.masked_array([1.0], [True])}, "'y' must be a scalar"),
        ({"y": "\ud800"}, "surrogates"),
        ({"y": 1, "y_0": [1], "z": 2}, None),
        ({"y": [1], "y_0": 2}, "must be names of their own, got 'y_0'"),
    ],
)
def test_bad_results(returned: Any, message: str | None) -> None:
    if message is None:
        hf.sweep(lambda x, seed: returned, {"x": [1]})
        return
    with pytest.raises((ValueError, hf.SweepError), match=rf"at x=1: .*{message}"):
        hf.sweep(lambda x, seed: returned, {"x": [1]})


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([1], "values must be a mapping"),
        ({}, "at least one name"),
        ({"x": 3}, "must be a sequence"),
        ({"x": "abc"}, "must be a sequence"),
        ({"x": []}, "at least one value"),
        ({"x": [1, 2, 1]}, "must differ, got 1 twice"),
        ({"x": [0.0, -0.0]}, "must differ, got 0.0 twice"),
        ({"x": [1.0, float("nan")]}, "NaN"),
        ({"x": [1.5, 2**53 + 1]}, "fit a float"),
        ({"x": ["a\0", "b"]}, "Unicode text"),
        ({"x": [object()]}, r"values\['x'\] must hold numbers"),
        ({"x": [lambda: 0]}, "name of its own"),
        ({"seed": [1]}, "must not name 'seed'"),
        ({"a b": [1]}, "identifier"),
        ({"z": [1]}, r"function must take the keywords z, seed, got \(x"),
    ],
)
def test_bad_grids(values: Any, message: str) -> None:
    with pytest.raises((ValueError, TypeError), match=message) as caught:
        hf.sweep(f.one, values)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"executor": "process"}, "did you mean 'processes'"),
        ({"executor": 3}, "executor must be one of"),
        ({"workers": 2}, "left out with executor='serial'"),
        ({"executor": "threads", "workers": 0}, "workers must be an integer"),
        ({"threads_per_worker": 0}, "threads_per_worker must be"),
        ({"dims": {"y": "ab"}}, r"dims\['y'\] must be a sequence of names"),
        ({"dims": {"y": ["a", "b"]}}, r"at x=1: dims\['y'\] must name 1 dimensions"),
        ({"dims": {"q": ["a"]}}, "dims must name results, twice, y, got 'q'"),
        ({"dims": {"y": ["x"]}}, "names of their own, got 'x'"),
        ({"seed": -1}, "seed must be"),
        ({"progress": 3}, "progress must be"),
    ],
)
def test_bad_options(options: dict[str, Any], message: str) -> None:
    with pytest.raises((ValueError, TypeError), match=message):
        hf.sweep(f.one, {"x": [1]}, **options)


def test_dims_that_are_shared_have_one_length() -> None:
    def function(x: int, seed: object) -> dict[str, Any]:
        return {"a": np.zeros(2), "b": np.zeros(x)}

    assert hf.sweep(function, {"x": [2]}, dims={"a": ["t"], "b": ["t"]}).sizes["t"] == 2
    with pytest.raises(ValueError, match="one length to 't', got 2 and 3"):
        hf.sweep(function, {"x": [3]}, dims={"a": ["t"], "b": ["t"]})


@pytest.mark.parametrize("executor", ["processes"])
def test_functions_that_cannot_travel(executor: str) -> None:
    def local(x: int, seed: object) -> dict[str, int]:
        return {"y": x}

    for function in (lambda x, seed: {"y": x}, local):
        with pytest.raises(TypeError, match="defined by def at the top level of a file") as caught:
            hf.sweep(function, {"x": [1]}, executor=executor)
        assert "\n" not in str(caught.value)
    partial = functools.partial(f.draw, flag=True)
    values = {"k": [2], "beta": [0.5]}
    ds = hf.sweep(partial, values, seed=0, executor=executor)
    assert ds.identical(hf.sweep(partial, values, seed=0))


def test_a_script_without_a_guard_gets_advice(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        "import hermiteflow as hf, sweep_functions as f\n"
        "hf.sweep(f.one, {'x': [1]}, executor='processes')\n"
    )
    run = subprocess.run(
        [sys.executable, str(script)],
        env=f.environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 1
    assert "if __name__ == '__main__':" in run.stderr.splitlines()[-1]


def test_functions_of_an_interactive_session_get_advice() -> None:
    code = "def g(x, seed): return {'y': x}\nhf.sweep(g, {'x': [1]}, executor='processes')"
    run = f.child(code)
    assert "it was defined in an interactive session" in run.communicate()[1].splitlines()[-1]


def test_extras_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    find = _checks.importlib.util.find_spec
    hidden = {"xarray": "sweeps", "google_crc32c": "sweeps", "distributed": "dask"}
    for name, extra in hidden.items():
        monkeypatch.setattr(
            "importlib.util.find_spec", lambda n, name=name: None if n == name else find(n)
        )
        options = {"store": "unused"} if name == "google_crc32c" else {}
        if name == "distributed":
            options = {"executor": "tcp://127.0.0.1:1"}
        advice = rf"needs {name}: pip install 'hermiteflow\[{extra}\]"
        with pytest.raises(ImportError, match=advice):
            hf.sweep(f.one, {"x": [1]}, **options)


def test_the_package_imports_without_the_extras() -> None:
    names = ("xarray", "zarr", "google_crc32c", "threadpoolctl", "tqdm", "distributed", "pandas")
    hidden = "".join(f"sys.modules[{name!r}] = None\n" for name in names)
    code = f"import sys\n{hidden}import hermiteflow as hf\nhf.sweep(print, {{'x': [1]}})"
    run = subprocess.run(
        [sys.executable, "-c", code],
        env=f.environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    last = run.stderr.splitlines()[-1]
    assert last == "ImportError: sweep needs xarray: pip install 'hermiteflow[sweeps]'"
