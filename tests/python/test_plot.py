"""Figures of solutions: what is drawn, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib.figure import Figure

import hermiteflow as hf


def solution(k: int = 9) -> hf.Solution:
    flow = hf.CorrelationFlow(hf.Orthonormal(k=k), hf.hermite(3))
    start = hf.random_overlaps(flow.targets, n=3, d=100, seed=0)
    return hf.solve(flow, overlaps=start, save_at=np.linspace(0.0, 20.0, 41), t_end=20.0)


def test_trajectories_are_those_of_the_neuron() -> None:
    sol = solution()
    ax = hf.plot.trajectories(sol.to_xarray(), neuron=1, most=4, ax=Figure().subplots())
    drawn = {tuple(line.get_ydata()) for line in ax.lines}
    assert sol.trajectory is not None
    assert drawn == {tuple(path) for path in sol.trajectory[1].T}
    assert drawn != {tuple(path) for path in sol.trajectory[0].T}
    coloured = [line for line in ax.lines if not str(line.get_label()).startswith("_")]
    assert len(coloured) == 4
    largest = np.argsort(-np.abs(sol.trajectory[1]).max(axis=0))[:4]
    assert {line.get_label() for line in coloured} == {f"$m_{{{j}}}$" for j in largest}
    assert ax.get_xlabel() == "time of the flow $t$"


def test_what_cannot_be_drawn() -> None:
    ds = solution(3).to_xarray()
    with pytest.raises(ValueError, match="save_at"):
        hf.plot.trajectories(ds.drop_vars("trajectory"))
    with pytest.raises(ValueError, match="neuron must be an integer of at least 0 and at most 2"):
        hf.plot.trajectories(ds, neuron=3)
    with pytest.raises(ValueError, match="most must be"):
        hf.plot.trajectories(ds, most=8)
