"""Every Gram structure, link, layer and method against SciPy, and bits that depend on nothing."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from oracles import Array, dop853, gram_vectors, hermite_coefficients, series, unit_rows

import hermiteflow as hf

ADAPTIVE = ["tsit5", "dopri5", "dop853"]
METHODS = [*ADAPTIVE, "rk4"]
RANDOM = hf.random_index_vectors(k=4, d=9, seed=2)
DEFICIENT = hf.random_index_vectors(k=5, d=3, seed=2)
TARGETS: dict[str, hf.Targets] = {
    "identity": hf.Orthonormal(k=4),
    "equiangular": hf.Equiangular(k=4, beta=0.2),
    "obtuse": hf.Equiangular(k=4, beta=-0.2),
    "general": RANDOM,
    "k > d": DEFICIENT,
    "one": hf.Orthonormal(k=1),
}
LINKS: dict[str, tuple[hf.Link, hf.Link | None]] = {
    "student": (hf.hermite({2: 0.4, 3: 1.0, 4: 0.5}), hf.polynomial([0.1, 0.4, 0.3, 0.5])),
    "degree 20": (hf.hermite({5: 1.0, 9: 0.5, 20: 0.2}), None),
    "dense": (hf.polynomial([0.0, 1.0, 0.5, 0.2, 0.1, 0.03]), hf.hermite({3: 1.0, 5: 0.5})),
    "negative": (hf.hermite({3: 1.0, 4: -0.5}), hf.hermite({3: 0.7, 4: 1.0, 6: 1.0})),
    "even": (hf.hermite({2: 0.5, 4: 1.0, 8: 0.3}), None),
}


def product(link: str) -> Array:
    """c_p c*_p of (1), by quadrature."""
    teacher, student = LINKS[link]
    other = teacher if student is None else student
    c = hermite_coefficients(teacher, 20) * hermite_coefficients(other, 20)
    return np.where(np.abs(c) < 1e-11, 0.0, c)


@pytest.mark.parametrize("link", LINKS)
@pytest.mark.parametrize("name", TARGETS)
def test_scipy_agrees_to_1e_12(name: str, link: str) -> None:
    targets, (teacher, student), t_end = TARGETS[name], LINKS[link], 1.0
    k, G, d = targets.k, targets.gram, 3 if name == "k > d" else 12
    m0 = unit_rows(4, d, 6) @ gram_vectors(G, d, 5).T
    a, b = np.array([1.0, 0.7, -0.5, 1.5]), np.linspace(0.6, 1.2, k) * (-1.0) ** np.arange(k)
    slope = series(product(link), 1)
    t = np.array([0.0, t_end])
    reference = dop853(m0, G, slope, a, b, t=t)[:, -1]
    faults = {
        "G": dop853(m0, 0.999 * G + 0.001, slope, a, b, t=t)[:, -1],
        "a": dop853(m0, G, slope, 1.0001 * a, b, t=t)[:, -1],
        "b": dop853(m0, G, slope, a, np.abs(b) if k > 1 else 0.999 * b, t=t)[:, -1],
    }
    if name == "one":
        del faults["G"]
    flow = hf.CorrelationFlow(targets, teacher, student=student, second_layer=a, target_weights=b)
    # within the span of more vectors than dimensions the sphere of the reference drifts
    bound = 1e-10 if name == "k > d" else 5e-12
    for method in METHODS:
        chosen: dict[str, Any] = {"method": method, "t_end": t_end}
        chosen |= {"step": 1e-3} if method == "rk4" else {"rtol": 1e-12}
        found = hf.solve(flow, overlaps=m0, **chosen).overlaps
        np.testing.assert_allclose(found, reference, rtol=0, atol=bound)
        for fault in faults.values():
            with pytest.raises(AssertionError):
                np.testing.assert_allclose(found, fault, rtol=0, atol=bound)


@pytest.mark.parametrize("method", ADAPTIVE)
@pytest.mark.parametrize("beta", [0.0, 0.1, -0.1])
def test_structures_agree_on_ends_and_times(beta: float, method: str) -> None:
    """Equiangular against a dense G to convergence: statuses, kinds, indices and times."""
    k = 5
    special = hf.Equiangular(k=k, beta=beta) if beta else hf.Orthonormal(k=k)
    gram = special.gram.copy()
    if beta == 0.0:
        gram[0, 1] = gram[1, 0] = 1e-15  # else IndexVectors sees that it is the identity
    dense = hf.IndexVectors(gram=gram)
    assert dense.structure == "general"
    assert special.structure != "general"
    m0 = hf.random_overlaps(special, n=60, d=10**6, seed=8)
    events = {"e": hf.HittingTime([0.05, 0.5])}

    def run(targets: hf.Targets) -> hf.Solution:
        flow = hf.CorrelationFlow(targets, hf.hermite({4: 1.0, 5: 0.4}))
        return hf.solve(flow, overlaps=m0, method=method, events=events, rtol=1e-9)

    first, second = run(special), run(dense)
    assert np.all(first.status == hf.Status.converged)
    np.testing.assert_array_equal(second.status, first.status)
    np.testing.assert_array_equal(second.index, first.index)
    np.testing.assert_array_equal(second.kind, first.kind)
    np.testing.assert_allclose(second.events["e"], first.events["e"], rtol=1e-7)
    other = run(hf.Equiangular(k=k, beta=beta + 1e-3))
    with pytest.raises(AssertionError):
        np.testing.assert_allclose(other.events["e"], first.events["e"], rtol=1e-7)


# ------------------------------------------------------------------ bits

BIT_TARGETS: dict[str, tuple[hf.Targets, int]] = {
    "identity": (hf.Orthonormal(k=7), 10**4),
    "equiangular": (hf.Equiangular(k=7, beta=0.1), 10**4),
    "general": (hf.random_index_vectors(k=7, d=30, seed=0), 10**4),
    "k > d": (hf.random_index_vectors(k=7, d=5, seed=0), 5),
}


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("name", BIT_TARGETS)
def test_bits_do_not_depend_on_threads_or_company(name: str, method: str) -> None:
    targets, d = BIT_TARGETS[name]
    n, layer = 67, np.linspace(-1.0, 2.0, 67)
    m0 = hf.random_overlaps(targets, n=n, d=d, seed=1)
    chosen: dict[str, Any] = {
        "method": method,
        "t_end": 120.0,
        "save_at": np.linspace(0.0, 120.0, 7),
        "events": {"h": hf.HittingTime([0.2, 0.5, 0.9]), "c": hf.Converged(terminal=False)},
    }
    chosen |= {"step": 0.05} if method == "rk4" else {}

    def run(rows: slice, n_threads: int, shift: float = 0.0) -> list[Array]:
        flow = hf.CorrelationFlow(
            targets, hf.hermite({3: 1.0, 4: 0.5}), second_layer=layer[rows] + shift
        )
        sol = hf.solve(flow, overlaps=m0[rows], n_threads=n_threads, **chosen)
        events = [sol.events["h"], sol.events["c"]]
        fields = [sol.overlaps, sol.t_final, sol.trajectory, sol.status, sol.steps, sol.rejected]
        return [*fields, *events, sol.index]

    whole = run(slice(None), 1)
    assert np.isfinite(whole[6]).any()
    for rows in (slice(None), slice(0, 1), slice(3, 20), slice(0, n, 7), slice(None, None, -1)):
        for n_threads in (1, 2, 3):
            for part, full in zip(run(rows, n_threads), whole, strict=True):
                np.testing.assert_array_equal(part, full[rows])
    other = run(slice(None), 1, shift=1e-15)
    assert not np.array_equal(other[0], whole[0])  # the comparison sees the last bits


@pytest.mark.parametrize("method", ADAPTIVE)
@pytest.mark.parametrize("name", BIT_TARGETS)
def test_bits_to_convergence_do_not_depend_on_company(name: str, method: str) -> None:
    """Ends that need the Hessian, the proof of trapping and the orbit of an index vector."""
    targets, d = BIT_TARGETS[name]
    m0 = hf.random_overlaps(targets, n=41, d=d, seed=2)
    flow = hf.CorrelationFlow(targets, hf.hermite(4))
    event = {"h": hf.HittingTime([0.3, 0.6])}

    def run(rows: slice, n_threads: int) -> list[Array]:
        sol = hf.solve(flow, overlaps=m0[rows], method=method, events=event, n_threads=n_threads)
        fields = [sol.overlaps, sol.t_final, sol.status, sol.steps, sol.rejected, sol.events["h"]]
        return [*fields, sol.index, sol.kind]

    whole = run(slice(None), 1)
    for rows in (slice(5, 6), slice(0, 41, 3), slice(None, None, -1)):
        for n_threads in (1, 2):
            for part, full in zip(run(rows, n_threads), whole, strict=True):
                np.testing.assert_array_equal(part, full[rows])
