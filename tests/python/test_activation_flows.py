"""Flows of links by name: the compiled core against psi' in Python, up to the index vectors."""

from __future__ import annotations

import numpy as np
import pytest
from oracles import Array

import hermiteflow as hf

FLOWS = {
    "relu": hf.link("relu"),
    "relu without 1": hf.link("relu").without(1),
    "relu without 0, 1, 2": hf.link("relu").without(0, 1, 2),
    "relu and h_3": hf.link("relu").without(1) + 0.3 * hf.hermite(3),
    "erf": hf.link("erf"),
    "tanh": hf.link("tanh").without(1),
}
TARGETS = {
    "orthonormal": hf.Orthonormal(k=5),
    "equiangular": hf.Equiangular(k=5, beta=0.2),
    "general": hf.random_index_vectors(k=5, d=9, seed=1),
}


@pytest.mark.parametrize("name", FLOWS)
@pytest.mark.parametrize("targets", TARGETS)
def test_rk4_is_that_of_numpy(name: str, targets: str) -> None:
    """Every law of the compiled core against psi' in Python, up to the index vectors."""
    flow = hf.CorrelationFlow(TARGETS[targets], FLOWS[name])
    m = hf.random_overlaps(TARGETS[targets], n=19, d=60, seed=1)
    m[0] = TARGETS[targets].gram[0] * (1 - 1e-13)
    start, step, count = m.copy(), 0.03, 40

    def field(x: Array, fault: float = 1.0) -> Array:
        return fault * flow.field(np.clip(x, -1.0, 1.0))

    for _ in range(count):
        k1 = field(m)
        k2 = field(m + 0.5 * step * k1)
        k3 = field(m + 0.5 * step * k2)
        m = m + step / 6 * (k1 + 2 * k2 + 2 * k3 + field(m + step * k3))
    end = step * count
    sol = hf.solve(flow, overlaps=start, method="rk4", step=step, t_end=end, renormalize=False)
    np.testing.assert_allclose(sol.overlaps, m, rtol=0, atol=2e-14)
    other = hf.CorrelationFlow(TARGETS[targets], (1 + 1e-9) * FLOWS[name])
    sol = hf.solve(other, overlaps=start, method="rk4", step=step, t_end=end, renormalize=False)
    with pytest.raises(AssertionError):
        np.testing.assert_allclose(sol.overlaps, m, rtol=0, atol=2e-14)


@pytest.mark.parametrize("name", FLOWS)
def test_times_of_one_neuron_are_the_integral(name: str) -> None:
    """From an overlap of 1e-6: psi' keeps its relative accuracy near 0."""
    flow = hf.CorrelationFlow(hf.Orthonormal(k=1), FLOWS[name])
    levels = [1e-3, 0.49, 0.51, 0.9, 0.9999]
    sol = hf.solve(
        flow, overlaps=[[1e-6]], rtol=1e-11, events={"at": hf.HittingTime(levels)}, atol=1e-30
    )
    exact = [hf.exact.single_index_time(flow.interaction, 1e-6, level) for level in levels]
    np.testing.assert_allclose(sol.events["at"][0], exact, rtol=1e-9)
    with pytest.raises(AssertionError):
        np.testing.assert_allclose(sol.events["at"][0] * (1 + 1e-7), exact, rtol=1e-9)


@pytest.mark.parametrize("method", ["tsit5", "dopri5", "dop853"])
def test_stages_beyond_one_are_clamped(method: str) -> None:
    """Large steps near an index vector: asin has no value beyond 1."""
    flow = hf.CorrelationFlow(hf.Orthonormal(k=3), 50.0 * hf.link("relu").without(1))
    sol = hf.solve(flow, overlaps=[[0.9, 0.1, 0.0], [0.0, 0.0, 1.0]], rtol=1e-2, method=method)
    assert sol.success
    np.testing.assert_allclose(sol.overlaps.max(axis=1), 1.0, atol=1e-5)
    assert sol.index.tolist() == [0, 2]
    sol = hf.solve(flow, overlaps=[[0.9, 0.1, 0.0]], method="rk4", step=0.01, t_end=1.0)
    assert np.isfinite(sol.overlaps).all()


def test_gradients_are_those_of_the_loss() -> None:
    rng = np.random.default_rng(0)
    W = rng.standard_normal((4, 7))
    W /= np.linalg.norm(W, axis=1, keepdims=True)
    flow = hf.CorrelationFlow(hf.Orthonormal(k=3), hf.link("relu"))

    def check(factor: float) -> None:
        slope, h = rng.standard_normal((4, 7)), 1e-5
        slope -= np.sum(slope * W, axis=1, keepdims=True) * W
        moved = [(W + s * h * slope) for s in (1, -1)]
        moved = [x / np.linalg.norm(x, axis=1, keepdims=True) for x in moved]
        difference = (flow.loss(moved[0]) - flow.loss(moved[1])) / (2 * h)
        assert factor * float(np.sum(flow.gradient(W) * slope)) == pytest.approx(difference, 1e-7)

    check(1.0)
    with pytest.raises(AssertionError):
        check(-1.0)


def test_relu_with_a_sign_of_its_own_never_escapes() -> None:
    """psi' < 0 at small overlaps, for ever: the proof of trapping knows the closed form."""
    link = hf.link("relu").without(0, 1, 2)  # psi' ~ u^3
    flow = hf.CorrelationFlow(hf.Orthonormal(k=2), link, second_layer=-1.0)
    sol = hf.solve(flow, overlaps=[[0.1, -0.2], [1e-3, 1e-3]])
    assert [hf.Status(s).name for s in sol.status] == ["no_escape", "no_escape"]
    # with h_3 of the other sign, psi' is positive beyond u = 0.3: a start there escapes
    mixed = hf.link("relu").without(0, 1, 2)
    teacher = mixed - 0.5 * hf.hermite(3)
    flow = hf.CorrelationFlow(hf.Orthonormal(k=1), teacher, student=mixed + 0.02 * hf.hermite(3))
    root = np.linspace(0.0, 1.0, 10_001)[1:]
    first = root[np.argmax(flow.interaction.derivative(root) > 0.0)]
    sol = hf.solve(flow, overlaps=[[first - 0.01], [first + 0.01]])
    assert [hf.Status(s).name for s in sol.status] == ["no_escape", "converged"]
