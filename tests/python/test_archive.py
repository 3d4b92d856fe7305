"""Solutions that last: as Datasets, and in files that give back all that was saved."""

from __future__ import annotations

import dataclasses
import json
import math
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from solutions import TARGETS, N, everything, fields_agree, make, the_same

import hermiteflow as hf

h5py = pytest.importorskip("h5py")
xr = pytest.importorskip("xarray")
pytest.importorskip("h5netcdf")


@pytest.fixture(scope="module")
def full() -> hf.Solution:
    return everything()


# ------------------------------------------------------------------ round trips


@pytest.mark.parametrize("weights", [False, True], ids=["overlaps", "weights"])
@pytest.mark.parametrize("name", TARGETS)
def test_targets_return(name: str, weights: bool, tmp_path: Path) -> None:
    sol = make(TARGETS[name], weights=weights, t_end=3.0)
    assert (sol.weights is not None) == weights
    again = hf.load(sol.save(tmp_path / "run.nc"))
    the_same(again, sol)
    assert again.flow == sol.flow
    assert type(again.flow.targets) is type(sol.flow.targets)
    the_same(make(TARGETS[name], weights=weights, t_end=3.0, flow=again.flow), sol)


def test_every_field_returns(full: hf.Solution, tmp_path: Path) -> None:
    assert np.isnan(full.trajectory).any()
    assert np.isnan(full.events["hit"]).any()
    assert set(full.counts()) == {"converged", "no_escape"}
    assert set(full.kind) == {"index", ""}
    assert full.events["ladder"].shape == (40, 3)
    assert full.events["hit"].shape == (40,)
    again = hf.load(full.save(tmp_path / "run.nc"))
    the_same(again, full)
    assert again.options["events"] == full.options["events"]
    assert math.isinf(again.options["t_end"])


@pytest.mark.parametrize(
    "options",
    [
        {"method": "rk4", "step": 0.1, "t_end": 1.0, "renormalize": False},
        {"method": "rk4", "step": 0.1, "t_end": 1.0, "reduce": False, "weights": True},
        {"method": "dop853", "rtol": 1e-10, "atol": 1e-14, "max_steps": 500, "t_end": 2},
        {"save_at": 0.5, "t_end": 1.0},
        {"t_end": 0.0},
    ],
    ids=["rk4", "all coordinates", "dop853", "one saved time", "no time"],
)
def test_options_return(options: dict[str, Any], tmp_path: Path) -> None:
    sol = make(TARGETS["orthonormal"], **options)
    asked = {key: value for key, value in options.items() if key in sol.options}
    assert asked == {key: sol.options[key] for key in asked}
    the_same(hf.load(sol.save(tmp_path / "run.nc")), sol)


@pytest.mark.parametrize(
    "layers",
    [
        {"second_layer": 0.5},
        {"second_layer": np.linspace(0.5, 1.5, N)},
        {"second_layer": -np.ones(1), "target_weights": [1.0, 2.0, 1e-3]},
        {"student": hf.hermite({3: 0.5, 4: 1 / 3})},
    ],
    ids=["one a", "a", "negative a and b", "student"],
)
def test_layers_and_students_return(layers: dict[str, Any], tmp_path: Path) -> None:
    flow = hf.CorrelationFlow(TARGETS["equiangular"], hf.hermite({3: 0.1 + 0.2, 4: 0.1}), **layers)
    sol = make(TARGETS["equiangular"], flow=flow, t_end=2.0)
    again = hf.load(sol.save(tmp_path / "run.nc"))
    the_same(again, sol)
    assert again.flow == flow
    assert (again.flow.student is None) == (flow.student is None)


def test_a_link_from_a_callable_returns_as_by_pickle(tmp_path: Path) -> None:
    link = hf.link(lambda x: np.sin(2.0 * x)).without(1)
    assert link.parts[0][0].function is not None
    flow = hf.CorrelationFlow(TARGETS["orthonormal"], link, student=0.1 * link + hf.hermite(4))
    sol = make(TARGETS["orthonormal"], flow=flow, t_end=5.0)
    again = hf.load(sol.save(tmp_path / "run.nc"))
    the_same(again, sol)
    pickled = pickle.loads(pickle.dumps(flow))
    assert again.flow == pickled
    assert again.flow.link.name == pickled.link.name == link.name
    assert again.flow.link.parts[0][0].function is None
    the_same(make(TARGETS["orthonormal"], flow=again.flow, t_end=5.0), sol)


def test_a_truncated_series_keeps_its_remainder(tmp_path: Path) -> None:
    flow = hf.CorrelationFlow(TARGETS["orthonormal"], hf.link(np.abs), student=hf.hermite(4))
    assert flow.link.remainder > 0.0
    sol = make(TARGETS["orthonormal"], flow=flow, t_end=1.0)
    again = hf.load(sol.save(tmp_path / "run.nc"))
    assert again.flow.link.remainder == flow.link.remainder
    the_same(again, sol)


def test_a_jump_returns(tmp_path: Path) -> None:
    """The remainder of its psi' has no bound, and JSON no infinity."""
    jump = hf.link(lambda x: np.where(x > 1.0, 1.0, 0.0))
    assert np.inf in jump.parts[0][0].beyond
    flow = hf.CorrelationFlow(TARGETS["orthonormal"], jump, student=hf.hermite(2))
    sol = make(TARGETS["orthonormal"], flow=flow, t_end=5.0)
    again = hf.load(sol.save(tmp_path / "run.nc"))
    the_same(again, sol)
    assert again.flow.link.parts[0][0].beyond == jump.parts[0][0].beyond


def test_a_long_series_fits(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    link = hf.hermite({p: float(c) for p, c in enumerate(rng.normal(size=8001)) if p > 2})
    flow = hf.CorrelationFlow(hf.Orthonormal(k=1), link, student=hf.hermite(3))
    sol = hf.solve(flow, overlaps=[[0.1]], t_end=0.1)
    assert len(sol.to_xarray().attrs["flow"]) > 2**16  # more than an old HDF5 attribute takes
    the_same(hf.load(sol.save(tmp_path / "run.nc")), sol)


def test_failed_neurons_return(tmp_path: Path) -> None:
    flow = hf.CorrelationFlow(
        hf.Orthonormal(k=2), hf.hermite({3: 1e150}), second_layer=[1e-160, 1e10]
    )
    with pytest.warns(hf.SolveWarning):
        sol = hf.solve(flow, overlaps=[[0.1, 0.2], [0.1, 0.2]], t_end=1e-3)
    assert hf.Status.non_finite in sol.status
    the_same(hf.load(sol.save(tmp_path / "run.nc")), sol)


def test_equality_sees_every_field(full: hf.Solution) -> None:
    other = make(TARGETS["orthonormal"], t_end=1.0, weights=True, method="dopri5")
    for entry in dataclasses.fields(hf.Solution):
        value = getattr(other, entry.name)
        assert dataclasses.replace(full, **{entry.name: value}) != full, entry.name
    nudged = full.trajectory.copy()
    nudged[0, 0, 0] = np.nextafter(nudged[0, 0, 0], 1.0)
    assert dataclasses.replace(full, trajectory=nudged) != full
    with pytest.raises(AssertionError):
        fields_agree(dataclasses.replace(full, trajectory=nudged), full)
    assert full == dataclasses.replace(full, kind=full.kind.astype("<U20"))
    assert full != 3


# ------------------------------------------------------------------ the Dataset


def test_the_dataset_is_labelled(full: hf.Solution) -> None:
    ds = full.to_xarray()
    assert ds.trajectory.dims == ("neuron", "time", "index_vector")
    assert ds.overlaps.dims == ("neuron", "index_vector")
    assert ds.event_ladder.dims == ("neuron", "level_ladder")
    assert ds.event_hit.dims == ("neuron",)
    np.testing.assert_array_equal(ds.level_ladder, [0.5, 0.8, 0.9999])
    np.testing.assert_array_equal(ds.time, full.times)
    for name in ds.variables:
        assert ds[name].attrs["units"], name
        assert ds[name].attrs["long_name"], name
    meanings = dict(
        zip(ds.status.flag_values.tolist(), ds.status.flag_meanings.split(), strict=True)
    )
    assert meanings == {int(s): s.name for s in hf.Status}
    assert np.shares_memory(ds.trajectory.values, full.trajectory)
    described = json.loads(ds.attrs["flow"])
    assert described["targets"] == {"type": "Orthonormal", "k": 3}
    assert described["link"]["polynomial"] == [0.0, 0.0, 0.0, 1.0]
    assert json.loads(ds.attrs["run"])["method"] == "tsit5"
    assert f"hermiteflow {hf.__version__}" == ds.attrs["source"]


def test_names_of_events_stay_apart(full: hf.Solution) -> None:
    ds = full.to_xarray()
    variables = dict(json.loads(ds.attrs["run"])["events"])
    assert list(variables) == list(full.events)
    assert len(set(variables.values())) == len(full.events)
    for name, variable in variables.items():
        np.testing.assert_array_equal(ds[variable], full.events[name])


def test_other_programs_read_the_file(full: hf.Solution, tmp_path: Path) -> None:
    path = full.save(tmp_path / "run.nc")
    with xr.open_dataset(path, engine="h5netcdf") as ds:
        np.testing.assert_array_equal(ds.trajectory.values, full.trajectory)
        assert list(ds.kind.values) == list(full.kind)
    with h5py.File(path) as file:
        np.testing.assert_array_equal(file["t_final"][:], full.t_final)
