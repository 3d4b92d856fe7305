"""Solutions on a stored sample in files, which leave out the sample."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import hermiteflow as hf

pytest.importorskip("h5netcdf")
pytest.importorskip("xarray")

N, D = 60, 6
X = np.random.default_rng(0).standard_normal((N, D))
W = hf.random_weights(n=3, d=D, seed=0)
T2 = hf.Orthonormal(k=2)
RUN: dict[str, Any] = {"weights": W, "t_end": 1.0, "save_at": [0.5, 1.0]}
FLOWS: dict[str, dict[str, Any]] = {
    "correlation": {"loss": "correlation", "second_layer": [1.0, 0.5, -1.0]},
    "squared": {"loss": "squared", "second_layer": 0.5, "target_weights": [1.0, 2.0]},
    "free": {"loss": "squared", "constrained": False, "student": hf.hermite({2: 0.5, 3: 1.0})},
    "labels": {"loss": "squared", "y": np.sin(X[:, 0]) + 0.1},
}


def solved(name: str, sample: Any = X, **options: Any) -> hf.EmpiricalSolution:
    flow = hf.EmpiricalFlow(T2, hf.link("erf"), sample, **FLOWS[name])
    return hf.solve(flow, **{**RUN, **options})


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("name", FLOWS)
def test_all_but_the_sample_returns(name: str, dtype: Any, tmp_path: Path) -> None:
    events: dict[str, hf.Event] = {"hit": hf.HittingTime([0.3, 0.5]), "still": hf.Converged()}
    if name != "correlation":
        events["low"] = hf.LossLevel(0.1)
    sample = X.astype(dtype)
    sol = solved(name, sample, events=events)
    file = sol.save(tmp_path / "run.nc")
    again, whole = hf.load(file), hf.load(file, sample=sample.copy())
    assert isinstance(again, hf.EmpiricalSolution)
    assert isinstance(whole, hf.EmpiricalSolution)
    assert again == sol == whole
    assert hash(again) == hash(whole) == hash(sol)
    np.testing.assert_array_equal(again.trajectory, sol.trajectory)
    np.testing.assert_array_equal(again.flow.labels, sol.flow.labels)
    assert again.flow.given_labels == (name == "labels")
    assert again.events["still"].shape == ()
    assert "not here" in repr(again.flow)
    assert repr(again) == repr(sol)
    # what needs no sample
    np.testing.assert_array_equal(again.flow.overlaps(W), sol.flow.overlaps(W))
    # and to the same bits where it is there again
    assert whole.flow.loss(W) == sol.flow.loss(W)
    assert hf.solve(whole.flow, events=events, **RUN) == sol
    assert again.flow.with_sample(sample).loss(W) == sol.flow.loss(W)
    assert hf.load(again.save(tmp_path / "twice.nc")) == sol
    assert pickle.loads(pickle.dumps(again)) == sol


def test_what_needs_the_sample_says_so(tmp_path: Path) -> None:
    rows = np.memmap(tmp_path / "x.bin", dtype=np.float32, mode="w+", shape=(N, D))
    rows[:] = X
    again = hf.load(solved("squared", rows).save(tmp_path / "run.nc"))
    assert isinstance(again, hf.EmpiricalSolution)
    flow = again.flow
    words = r"X must be given .* got none: float32 of shape \(60, 6\), mapped from '.*x.bin'"
    for call in (
        lambda: flow.X,
        lambda: flow.loss(W),
        lambda: flow.gradient(W),
        lambda: hf.solve(flow, weights=W, t_end=1.0),
    ):
        with pytest.raises(ValueError, match=words):
            call()
    assert flow.shape == (60, 6)
    mapped = np.memmap(tmp_path / "x.bin", dtype=np.float32, mode="r", shape=(N, D))
    whole = hf.load(tmp_path / "run.nc", sample=mapped)
    assert isinstance(whole, hf.EmpiricalSolution)
    assert isinstance(whole.flow.X, np.memmap)
    twice = pickle.loads(pickle.dumps(whole))
    assert twice == whole
    assert isinstance(twice.flow.X, np.memmap)


def test_other_samples_are_refused(tmp_path: Path) -> None:
    sol = solved("squared")
    file = sol.save(tmp_path / "run.nc")
    changed = X.copy()
    changed[7, 3] = np.nextafter(changed[7, 3], 9.0)
    for sample, words in (
        (changed, "sample must be the sample of the solution, whose digest is [0-9a-f]{40}, got"),
        (X[:-1], r"float64 of shape \(60, 6\), got float64 of shape \(59, 6\)"),
        (X.astype(np.float32), r"got float32 of shape \(60, 6\)"),
        (X[0], r"sample must have shape \(N, d\)"),
    ):
        with pytest.raises(ValueError, match=words):
            hf.load(file, sample=sample)
    with pytest.raises(ValueError, match="X must be the sample of the solution, whose digest"):
        sol.flow.with_sample(changed)
    with pytest.raises(TypeError, match="sample must hold float32 or float64 numbers"):
        hf.load(file, sample=np.ones((N, D), dtype=int))
    population = hf.solve(hf.SquaredFlow(T2, hf.link("erf")), weights=W, t_end=1.0)
    with pytest.raises(ValueError, match="sample must be left out for a SquaredSolution"):
        hf.load(population.save(tmp_path / "population.nc"), sample=X)


def test_a_dataset_tells_the_loss() -> None:
    ds = solved("correlation").to_xarray()
    assert "correlation loss on the sample" in ds.attrs["time_unit"]
    assert ds["labels"].sizes == {"sample": N}
    assert str(X[0, 0]) not in str(ds.attrs)
    population = hf.solve(hf.SquaredFlow(T2, hf.link("erf")), weights=W, t_end=1.0)
    assert "squared loss (9)" in population.to_xarray().attrs["time_unit"]
