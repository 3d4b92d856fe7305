"""`no_escape` only where it is proved, and trapped neurons that stay where they are.

The judge for pure odd degrees is the homogeneous form of (7): z obeys dz/ds = p G z^(p-1), so
the direction of -z alone says whether an overlap ever changes its sign, at any d.
"""

from __future__ import annotations

import numpy as np
import pytest
from oracles import Array
from scipy import integrate, optimize

import hermiteflow as hf

ADAPTIVE = ["tsit5", "dopri5", "dop853"]
MIXED_GRAM = np.array([[1.0, 0.1, -0.05], [0.1, 1.0, 0.02], [-0.05, 0.02, 1.0]])
NO_POSITIVE = np.array([[1.0, -0.1, -0.3], [-0.1, 1.0, 0.0], [-0.3, 0.0, 1.0]])
TARGETS = {
    "equiangular 3": hf.Equiangular(k=3, beta=0.1),
    "equiangular 4": hf.Equiangular(k=4, beta=0.08),
    "general": hf.IndexVectors(gram=MIXED_GRAM),
}


def negative_starts(targets: hf.Targets, n: int, d: int, seed: int = 5) -> Array:
    m0 = -np.abs(hf.random_overlaps(targets, n=2 * n, d=d, seed=seed))
    return m0[targets.squared_projection(m0) < 0.999][:n]


def stays_trapped(m: Array, G: Array, p: int, b: Array | float = 1.0) -> bool:
    """Do all overlaps of the flow keep their signs, those of -b, for ever? Pure odd degree p."""
    signs = np.sign(b)

    def turn(_: float, y: Array) -> Array:
        u = y / np.linalg.norm(y)
        pull = -signs * (G @ (signs * np.abs(b) * u ** (p - 1)))
        return pull - (u @ pull) * u

    def smallest(_: float, y: Array) -> float:
        return float(y.min())

    smallest.terminal = True  # type: ignore[attr-defined]
    way = integrate.solve_ivp(
        turn, (0.0, 300.0), -signs * m / np.linalg.norm(m), "DOP853", rtol=1e-11, atol=1e-14,
        events=smallest,
    )  # fmt: skip
    if way.status == 1:
        return False
    assert np.linalg.norm(turn(0.0, way.y[:, -1])) < 1e-8  # a direction that does not turn
    return True


def cone(r: Array, p: int, beta: float, k: int) -> Array:
    """f(r) of condition (D) in docs/solver."""
    powers = sum(r**i for i in range(1, p - 1))
    return np.asarray(powers - beta / (1 - beta) * (r ** (p - 1) + k - 1))


# ------------------------------------------------------------------ the criterion


def at_the_edge(m0: Array, p: int, beta: float, k: int) -> Array:
    """Rows of m0 with the smallest overlap moved to 1e-6 on either side of the cone's edge."""
    edge = optimize.brentq(lambda r: cone(r, p, beta, k), 0.0, 0.5)
    out = m0.copy()
    for i, row in enumerate(out):
        row[np.argmin(np.abs(row))] = row.min() * edge * (1.0 + (1e-6 if i % 2 else -1e-6))
    return out


@pytest.mark.parametrize("d", [10**2, 10**8, 10**18])
@pytest.mark.parametrize(("k", "beta"), [(2, 0.1), (3, 0.05), (5, 0.02), (4, -0.2)])
@pytest.mark.parametrize("p", [3, 5])
def test_the_equiangular_cone_is_the_criterion(p: int, k: int, beta: float, d: int) -> None:
    """Inside it a neuron is trapped at the start; outside it the solver has to follow."""
    targets = hf.Equiangular(k=k, beta=beta)
    m0 = negative_starts(targets, 100, d)
    if beta > 0.0:
        m0 = np.concatenate([m0, at_the_edge(m0[:20], p, beta, k)])
    sol = hf.solve(hf.CorrelationFlow(targets, hf.hermite(p)), overlaps=m0)
    at_start = (sol.status == hf.Status.no_escape) & (sol.t_final == 0.0)
    ratio = np.abs(m0).min(axis=1) / np.abs(m0).max(axis=1)

    def same(proved: Array) -> None:
        np.testing.assert_array_equal(at_start, proved)

    inside = (cone(ratio, p, beta, k) >= 0.0) | (beta <= 0.0)
    same(inside)
    np.testing.assert_array_equal(sol.steps[inside], 0)
    assert np.all(sol.steps[~inside] > 0)
    if beta > 0.0:
        for near in (beta * (1 + 1e-4), beta * (1 - 1e-4)):
            with pytest.raises(AssertionError):
                same(cone(ratio, p, near, k) >= 0.0)


@pytest.mark.parametrize("d", [10**2, 10**6, 10**18])
@pytest.mark.parametrize("name", TARGETS)
@pytest.mark.parametrize("p", [3, 5])
def test_who_is_trapped_is_told_by_the_direction_alone(p: int, name: str, d: int) -> None:
    targets = TARGETS[name]
    m0 = negative_starts(targets, 60, d)
    lost = np.array([stays_trapped(m, targets.gram, p) for m in m0])
    assert 5 < lost.sum() < len(m0) - 3
    sol = hf.solve(hf.CorrelationFlow(targets, hf.hermite(p)), overlaps=m0)

    def same(expected: Array) -> None:
        np.testing.assert_array_equal(sol.status == hf.Status.no_escape, expected)
        np.testing.assert_array_equal(sol.status == hf.Status.converged, ~expected)

    same(lost)
    late = lost & (sol.t_final > 0.0)  # not proved at once, but on the way
    assert late.any()
    orthonormal = np.ones(len(m0), dtype=bool)  # the missing G: all would be lost
    for fault in (orthonormal, lost & ~late):
        with pytest.raises(AssertionError):
            same(fault)


@pytest.mark.parametrize("weights", [[1.0, -1.0, 1.0], [1.0, 0.7, 1.2], [-0.8, 1.0, 1.1]])
@pytest.mark.parametrize("G", [0.07, -0.07, MIXED_GRAM], ids=["0.07", "-0.07", "general"])
@pytest.mark.parametrize("p", [3, 5])
def test_weights_of_any_sign_and_size(p: int, G: float | Array, weights: list[float]) -> None:
    """Condition (E) with the signs of the weights, in the cone about their own ray."""
    targets = hf.IndexVectors(gram=G) if isinstance(G, np.ndarray) else hf.Equiangular(k=3, beta=G)
    b = np.array(weights)
    m0 = negative_starts(targets, 60, 10**4) * np.sign(b)
    m0 = m0[targets.squared_projection(m0) < 0.999]
    flow = hf.CorrelationFlow(targets, hf.hermite(p), target_weights=b)
    sol = hf.solve(flow, overlaps=m0)

    def same(lost: Array) -> None:
        np.testing.assert_array_equal(sol.status == hf.Status.no_escape, lost)
        np.testing.assert_array_equal(sol.status == hf.Status.converged, ~lost)

    lost = np.array([stays_trapped(m, targets.gram, p, b) for m in m0])
    same(lost)
    assert lost.sum() > 5
    assert np.any(sol.t_final[lost] == 0.0)  # some at once
    opposite = 2 * np.eye(3) - targets.gram  # the wrong sign off the diagonal
    with pytest.raises(AssertionError):
        same(np.array([stays_trapped(m, opposite, p, b) for m in m0]))


def test_a_neuron_is_not_called_trapped_before_it_escapes() -> None:
    """The strongest weight shrinks first, is pushed across zero by the others, and escapes."""
    targets = hf.Equiangular(k=3, beta=0.05)
    b = np.array([1.0, 0.3, 2.0])
    m0 = negative_starts(targets, 20, 10**4)
    assert not any(stays_trapped(m, targets.gram, 3, b) for m in m0)
    flow = hf.CorrelationFlow(targets, hf.hermite(3), target_weights=b)
    sol = hf.solve(flow, overlaps=m0)
    assert np.all(sol.status == hf.Status.converged)
    assert np.mean(sol.index == 2) > 0.8


@pytest.mark.parametrize("p", [2, 3, 4])
@pytest.mark.parametrize("name", TARGETS)
def test_a_start_at_zero_is_trapped_at_once(name: str, p: int) -> None:
    sol = hf.solve(
        hf.CorrelationFlow(TARGETS[name], hf.hermite(p)), overlaps=np.zeros((2, TARGETS[name].k))
    )
    assert np.all(sol.status == hf.Status.no_escape)
    np.testing.assert_array_equal(sol.steps, 0)


@pytest.mark.parametrize("d", [10**2, 10**18])
@pytest.mark.parametrize("weights", [[1.0, 1.0, 1.0], [1.0, 0.3, 2.0]])
def test_off_diagonals_that_are_not_positive_need_no_cone(weights: list[float], d: int) -> None:
    """Condition (C): any weights of one sign, any ratios."""
    targets = hf.IndexVectors(gram=NO_POSITIVE)
    m0 = np.concatenate([negative_starts(targets, 40, d), -negative_starts(targets, 40, d)])
    m0[:5, 1] *= 1e-6
    flow = hf.CorrelationFlow(targets, hf.hermite({3: 1.0, 5: 0.5}), target_weights=weights)
    sol = hf.solve(flow, overlaps=m0)
    down = np.all(m0 < 0.0, axis=1)
    np.testing.assert_array_equal(sol.status == hf.Status.no_escape, down)
    np.testing.assert_array_equal(sol.t_final[down], 0.0)
    # with the other sign of the second layer the positive ones are trapped
    turned = hf.CorrelationFlow(
        targets, hf.hermite({3: 1.0, 5: 0.5}), target_weights=weights, second_layer=-1.0
    )
    status = hf.solve(turned, overlaps=m0).status
    np.testing.assert_array_equal(status == hf.Status.no_escape, ~down)


def test_within_the_span_nothing_is_proved() -> None:
    """d = k: q = 1 cannot fall, and negative starts converge to the downward average."""
    targets = hf.Orthonormal(k=3)
    flow = hf.CorrelationFlow(targets, hf.hermite(3))
    m0 = -np.abs(hf.random_overlaps(targets, n=20, d=3, seed=1))
    sol = hf.solve(flow, overlaps=m0)
    assert np.all(sol.status == hf.Status.converged)
    assert np.all(sol.kind == "average")
    np.testing.assert_allclose(sol.overlaps, -(3**-0.5), atol=1e-5)
    outside = hf.solve(flow, overlaps=0.999 * m0)
    assert np.all(outside.status == hf.Status.no_escape)


def test_a_level_below_the_norm_is_waited_for() -> None:
    """A level between max |m_j| and sqrt(q) is not excluded: no verdict before q is below it."""
    flow = hf.CorrelationFlow(hf.Orthonormal(k=3), hf.hermite(3))
    m0 = np.array([[-0.3, -0.2, -0.1]])  # sqrt(q) = 0.374
    verdict = {}
    for level in (0.31, 0.4):
        sol = hf.solve(flow, overlaps=m0, events={"h": hf.HittingTime(level)})
        assert sol.status[0] == hf.Status.no_escape
        assert np.isnan(sol.events["h"][0])
        verdict[level] = (float(sol.t_final[0]), float(np.linalg.norm(sol.overlaps[0])))
    assert verdict[0.4][0] == 0.0
    assert verdict[0.31][0] > 0.0
    assert verdict[0.31][1] < 0.31


# ------------------------------------------------------------------ where it is not asked for


@pytest.mark.parametrize("method", ADAPTIVE)
@pytest.mark.parametrize("name", TARGETS)
def test_no_overlap_changes_its_sign_falsely(name: str, method: str) -> None:
    """A finite t_end is integrated to: overlaps fall by 14 and 25 orders and keep their signs."""
    targets = TARGETS[name]
    flow = hf.CorrelationFlow(targets, hf.hermite(3))
    m0 = negative_starts(targets, 60, 10**4)
    lost = np.array([stays_trapped(m, targets.gram, 3) for m in m0])
    for rtol, t_end in ((1e-2, 1e30), (1e-3, 1e30), (1e-4, 1e30), (1e-8, 1e27)):
        sol = hf.solve(flow, overlaps=m0, t_end=t_end, method=method, rtol=rtol)
        assert np.all(sol.status == hf.Status.t_end)
        np.testing.assert_array_equal(np.all(sol.overlaps < 0.0, axis=1), lost)
        assert np.abs(sol.overlaps[lost]).max() < 1.0 / t_end
        # the law of decay: equal overlaps obey du/dt = -3 (1 + sum_l G_jl) u^2
        if name.startswith("equiangular"):
            rate = 3 * targets.gram[0].sum() * t_end
            np.testing.assert_allclose(sol.overlaps[lost] * rate, -1.0, rtol=max(1e-2, 5 * rtol))


@pytest.mark.parametrize("method", ADAPTIVE)
def test_the_orthonormal_decay_is_the_exact_one(method: str) -> None:
    targets = hf.Orthonormal(k=3)
    m0 = negative_starts(targets, 10, 10**6)
    flow = hf.CorrelationFlow(targets, hf.hermite(3))
    times = np.logspace(2, 12, 30)
    sol = hf.solve(flow, overlaps=m0, t_end=1e12, save_at=times, method=method)
    exact = np.array([hf.exact.orthonormal(3, 1.0, row, times) for row in m0])
    np.testing.assert_allclose(sol.trajectory, exact, rtol=1e-6)
    with pytest.raises(AssertionError):
        np.testing.assert_allclose(sol.trajectory, exact * (1 + 1e-5), rtol=1e-6)


def test_index_vectors_that_coincide_are_one() -> None:
    """By merging them this is G = I with b = (2, 1), where (B) decides."""
    V = np.array([[1.0, 0.0, 0.0, 0.0], [1.0, 0.0, 0.0, 0.0], [0.0, 0.6, 0.8, 0.0]])
    merged = hf.CorrelationFlow(hf.Orthonormal(k=2), hf.hermite(3), target_weights=[2.0, 1.0])
    with pytest.warns(UserWarning, match="index vectors 0 and 1 that are the same"):
        both = (hf.IndexVectors(V), hf.IndexVectors(gram=V @ V.T))
    for targets in both:
        flow = hf.CorrelationFlow(targets, hf.hermite(3))
        for m, escapes in (([-0.01, -0.02], False), ([-0.01, 0.02], True), ([0.01, -0.02], True)):
            sol = hf.solve(flow, overlaps=[[m[0], m[0], m[1]]])
            one = hf.solve(merged, overlaps=[m])
            assert sol.status[0] == one.status[0]
            assert (sol.status[0] == hf.Status.converged) == escapes
            np.testing.assert_allclose(sol.overlaps[0, 1:], one.overlaps[0], atol=1e-6)
