"""Every SIMD lane computes the same bits: one neuron, many times over, whatever its place."""

import numpy as np
import pytest

import hermiteflow as hf

COPIES = 48  # three tiles of the widest kernels
TARGETS = {
    "orthonormal": hf.Orthonormal(k=7),
    "equiangular": hf.Equiangular(k=7, beta=0.1),
    "general": hf.random_index_vectors(k=7, d=50, seed=0),
}
LINKS = {"h3": hf.hermite(3), "h4": hf.hermite(4), "mixed": hf.hermite({3: 1.0, 4: 0.5})}
RUNS: dict[str, dict[str, object]] = {
    "rk4": {"method": "rk4", "step": 0.05, "t_end": 5.0},
    "rk4, off the sphere": {"method": "rk4", "step": 0.05, "t_end": 5.0, "renormalize": False},
    "tsit5": {"method": "tsit5"},
    "dopri5": {"method": "dopri5"},
    "dop853": {"method": "dop853"},
}


@pytest.mark.parametrize("run", RUNS)
@pytest.mark.parametrize("link", LINKS)
@pytest.mark.parametrize("targets", TARGETS)
def test_lanes_are_equal(targets: str, link: str, run: str) -> None:
    flow = hf.CorrelationFlow(TARGETS[targets], LINKS[link], second_layer=np.full(COPIES, 1.3))
    m0 = np.repeat(hf.random_overlaps(flow.targets, n=1, d=1000, seed=1), COPIES, axis=0)
    events = {"hit": hf.HittingTime([0.3, 0.5])}
    sol = hf.solve(flow, overlaps=m0, n_threads=1, events=events, **RUNS[run])  # type: ignore[arg-type]
    assert np.isfinite(sol.overlaps).all()
    for found in (sol.overlaps, sol.t_final, sol.events["hit"]):
        np.testing.assert_array_equal(found, np.broadcast_to(found[:1], found.shape))
