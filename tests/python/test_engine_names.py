"""Ends near folds and in general position bear the right names; calm ends are reached."""

from __future__ import annotations

import math
import pickle
from dataclasses import replace

import numpy as np
import pytest

import hermiteflow as hf

ADAPTIVE = ["tsit5", "dopri5", "dop853"]


def as_general(k: int, beta: float) -> hf.IndexVectors:
    return hf.IndexVectors(gram=(1.0 - beta) * np.eye(k) + beta)


@pytest.mark.parametrize("p", [3, 4])
@pytest.mark.parametrize("k", [2, 3, 4])
@pytest.mark.parametrize("margin", [1e-3, 0.01, 0.1])
def test_a_general_gram_names_ends_as_the_same_equiangular_one(
    k: int, p: int, margin: float
) -> None:
    """Above the fold only the average is left; it attracts slowly."""
    beta = (1.0 + margin) * hf.fold_beta(hf.hermite(p), k).beta
    exact = hf.Equiangular(k=k, beta=beta)
    starts = np.abs(hf.random_overlaps(exact, n=20, d=10**4, seed=0))
    for targets in (exact, as_general(k, beta)):
        sol = hf.solve(hf.CorrelationFlow(targets, hf.hermite(p)), overlaps=starts)
        assert sol.success
        assert set(sol.kind) == {"average"}
        assert np.all(sol.index == -1)


@pytest.mark.parametrize(("k", "d"), [(5, 10), (5, 6), (10, 20)])
def test_names_do_not_depend_on_the_tolerance(k: int, d: int) -> None:
    for seed in range(4):
        V = np.random.default_rng(seed).normal(size=(k, d))
        V /= np.linalg.norm(V, axis=1)[:, None]
        flow = hf.CorrelationFlow(hf.IndexVectors(gram=V @ V.T), hf.hermite(4))
        m0 = hf.random_overlaps(flow.targets, n=40, d=10**4, seed=seed)
        tight = {"rtol": 1e-11, "events": {"c": hf.Converged(1e-11)}}
        a, b = hf.solve(flow, overlaps=m0), hf.solve(flow, overlaps=m0, **tight)
        np.testing.assert_array_equal(a.kind, b.kind)
        np.testing.assert_array_equal(a.index, b.index)
        moved = (a.overlaps + 0.02).clip(-0.99, 0.99)  # ends that are none have other names
        inside = flow.targets.squared_projection(moved)
        moved /= np.sqrt(inside)[:, None]
        index, _ = hf._ends.name_ends(flow, moved, None, 1)
        assert not np.array_equal(index, b.index)


@pytest.mark.parametrize("rtol", [1e-8, 1e-6])
@pytest.mark.parametrize("method", ADAPTIVE)
def test_degenerate_sets_are_reached(method: str, rtol: float) -> None:
    """psi' has a zero that attracts: m . g = 0 there, and the force itself vanishes."""
    flow = hf.CorrelationFlow(
        hf.Equiangular(k=3, beta=0.53), hf.hermite({2: 0.47, 3: 0.96, 5: 0.31})
    )
    m0 = hf.random_overlaps(flow.targets, n=60, d=10**6, seed=1)
    sol = hf.solve(flow, overlaps=m0, method=method, rtol=rtol)
    assert sol.success
    assert set(sol.kind) == {"average", "degenerate"}
    assert sol.steps.max() < 1000
    still = np.abs(flow.field(sol.overlaps)).max(axis=1)
    assert still.max() < 1e-5
    assert np.abs(flow.field(m0 + 0.3)).max() > 1e-3  # the field elsewhere


@pytest.mark.parametrize("rtol", [1e-3, 1e-2, 0.1])
@pytest.mark.parametrize("method", ADAPTIVE)
def test_loose_tolerances_converge_at_degree_two(method: str, rtol: float) -> None:
    flow = hf.CorrelationFlow(hf.Equiangular(k=10, beta=0.05), hf.hermite(2))
    m0 = hf.random_overlaps(flow.targets, n=40, d=100, seed=12)
    assert hf.solve(flow, overlaps=m0, rtol=rtol, method=method, max_steps=2000).success


@pytest.mark.parametrize("atol", [1e-4, 1e-5])
def test_a_large_atol_leaves_no_ripple(atol: float) -> None:
    flow = hf.CorrelationFlow(hf.Orthonormal(k=3), hf.hermite(3))
    m0 = hf.random_overlaps(flow.targets, n=8, d=10**6, seed=0)
    exact = hf.solve(flow, overlaps=m0)
    with pytest.warns(hf.SolveWarning, match="too large for starting overlaps"):
        sol = hf.solve(flow, overlaps=m0, atol=atol, max_steps=5000)
    assert sol.success
    np.testing.assert_array_equal(sol.index, exact.index)


@pytest.mark.parametrize("k", [1, 3, 10])
@pytest.mark.parametrize("method", ADAPTIVE)
def test_rejections_stay_below_two_percent(method: str, k: int) -> None:
    for p in (2, 3, 4, 6):
        for d in (10**2, 10**6, 10**12):
            flow = hf.CorrelationFlow(hf.Orthonormal(k=k), hf.hermite(p))
            m0 = np.abs(hf.random_overlaps(flow.targets, n=64, d=d, seed=12))
            for rtol in (1e-6, 1e-8, 1e-10):
                sol = hf.solve(
                    flow, overlaps=m0, method=method, rtol=rtol,
                    events={"h": hf.HittingTime(0.5, terminal=True)},
                )  # fmt: skip
                assert sol.rejected.sum() < 0.02 * (sol.steps + sol.rejected).sum()


def test_values_at_zero_are_saved_though_the_neuron_ends_there() -> None:
    flow = hf.CorrelationFlow(hf.Orthonormal(k=3), hf.hermite(3))
    event = {"a": hf.HittingTime(0.2, terminal=True)}
    sol = hf.solve(flow, overlaps=[[-0.3, 0.2, 0.1]], events=event, save_at=[0.0, 1.0])
    np.testing.assert_array_equal(sol.trajectory[0, 0], [-0.3, 0.2, 0.1])
    assert np.all(np.isnan(sol.trajectory[0, 1]))


def test_links_without_a_common_degree_do_not_move() -> None:
    flow = hf.CorrelationFlow(hf.Orthonormal(k=2), hf.hermite(3), student=hf.hermite(4))
    sol = hf.solve(flow, overlaps=[[0.1, 0.2]])
    assert list(sol.status) == [hf.Status.no_escape]
    np.testing.assert_array_equal(sol.overlaps, [[0.1, 0.2]])


def test_forces_of_any_reasonable_size_only_scale_time() -> None:
    targets = hf.Orthonormal(k=3)
    m0 = np.abs(hf.random_overlaps(targets, n=8, d=10**6, seed=0))
    event = {"h": hf.HittingTime(0.5)}
    one = hf.solve(hf.CorrelationFlow(targets, hf.hermite(6)), overlaps=m0, events=event)
    for size in (1e-50, 1e-10, 1e10, 1e80):
        flow = hf.CorrelationFlow(targets, hf.hermite(6), second_layer=size)
        sol = hf.solve(flow, overlaps=m0, events=event)
        assert sol.success
        np.testing.assert_allclose(sol.events["h"] * size, one.events["h"], rtol=1e-9)
    with pytest.warns(hf.SolveWarning, match="8 non_finite"):
        sol = hf.solve(hf.CorrelationFlow(targets, hf.hermite({3: 1e55})), overlaps=m0)
    assert math.isfinite(sol.overlaps.sum())


# ------------------------------------------------------------------ index vectors that share an end

LEANING = np.eye(5)
for i, j, product in (
    (2, 3, 0.33), (0, 2, 0.02), (0, 3, 0.015), (1, 2, 0.03), (2, 4, -0.1), (3, 4, -0.09)
):  # fmt: skip
    LEANING[i, j] = LEANING[j, i] = product
SHARING = hf.hermite({2: 0.5, 3: 1.0, 5: -0.2})


def row(sol: hf.Solution, label: str) -> str:
    """A row of the summary, or nothing where there is none."""
    lines = [line.split(maxsplit=1) for line in repr(sol).splitlines()[1:]]
    return next((line[1] for line in lines if line[0] == label), "")


def test_the_summary_tells_of_ends_that_may_be_shared() -> None:
    flow = hf.CorrelationFlow(hf.IndexVectors(gram=LEANING), SHARING)
    sol = hf.solve(flow, overlaps=LEANING)  # row j starts at v_j
    np.testing.assert_array_equal(sol.index, [0, 1, 2, 2, 4])
    # v_2 and v_3 have one end, the others have their own
    distance = np.abs(sol.overlaps[:, None] - sol.overlaps[None]).max(axis=2)
    assert distance[2, 3] < 1e-4
    assert np.sort(distance[np.triu_indices(5, 1)])[1] > 0.1
    assert row(sol, "kind") == "5 index; ends named after 4 of 5 index vectors"
    told = f"named 2: overlap {sol.overlaps[2, 2]:.4g} with 2, {sol.overlaps[2, 3]:.4g} with 3"
    assert row(sol, "shared?") == told
    # planted: the overlap with v_3 is just not large enough, and the sign does not matter
    for factor, remark in ((0.899, False), (0.901, True), (-0.901, True)):
        overlaps = sol.overlaps.copy()
        overlaps[2:4, 3] = factor * overlaps[2:4, 2]
        assert bool(row(replace(sol, overlaps=overlaps), "shared?")) == remark
    # another end that may be shared is counted
    overlaps = sol.overlaps.copy()
    overlaps[0, 1] = 0.95 * overlaps[0, 0]
    both = row(replace(sol, overlaps=overlaps), "shared?")
    assert both == f"{told}; 1 more"


@pytest.mark.parametrize("kind", ["orthonormal", "equiangular", "unequal"])
def test_the_summary_tells_whether_ends_are_owned(kind: str) -> None:
    targets = hf.Orthonormal(k=3) if kind == "orthonormal" else hf.Equiangular(k=3, beta=0.1)
    weights = [1.0, 2.0, 3.0] if kind == "unequal" else None
    flow = hf.CorrelationFlow(targets, hf.hermite(4), target_weights=weights)
    sol = hf.solve(flow, overlaps=0.5 * np.eye(3))
    owned = kind != "unequal"
    found = np.unique(sol.index[sol.index >= 0]).size
    words = f"{found} of 3 index vectors reached" if owned else f"named after {found} of 3 index"
    assert words in row(sol, "kind")
    assert row(sol, "shared?") == ""
    # planted: equal overlaps, which only index vectors of no symmetry can have at a named end
    same = replace(sol, overlaps=np.full((3, 3), 0.5))
    assert bool(row(same, "shared?")) == (not owned)
    assert row(replace(sol, index=np.full(3, -1)), "shared?") == ""


# ------------------------------------------------------------------ the same index vector twice


def twins(sign: float, angle: float = 0.0) -> np.ndarray:
    """Unit vectors of which 1 and 3 are the same or opposite, up to an angle."""
    V = np.eye(5)
    V[3] = sign * (np.cos(angle) * V[1] + np.sin(angle) * V[3])
    return V


@pytest.mark.parametrize(("sign", "how"), [(1.0, "the same"), (-1.0, "opposite")])
def test_the_same_index_vector_twice_is_told_of(sign: float, how: str) -> None:
    V = twins(sign)
    words = f"has index vectors 1 and 3 that are {how} within 1e-12"
    with pytest.warns(UserWarning, match=f"^V {words}") as caught:
        targets = hf.IndexVectors(V)
    assert caught[0].filename == __file__
    with pytest.warns(UserWarning, match=f"^gram {words}"):
        hf.IndexVectors(gram=V @ V.T)
    np.testing.assert_array_equal(targets.gram, V @ V.T)
    # what the warning says: such an end has no name, the others have theirs
    flow = hf.CorrelationFlow(targets, hf.hermite(4))
    sol = hf.solve(flow, overlaps=0.9 * targets.gram)
    np.testing.assert_array_equal(sol.index, [0, -1, 2, -1, 4])
    assert sol.kind.tolist() == ["index", "other", "index", "other", "index"]
    # a copy says nothing again
    assert pickle.loads(pickle.dumps(targets)) == targets
    # planted: an angle at which they are told apart, 1 - cos(angle) = 1e-11, and one at which not
    hf.IndexVectors(twins(sign, np.sqrt(2e-11)))
    with pytest.warns(UserWarning, match=how):
        hf.IndexVectors(twins(sign, np.sqrt(2e-13)))
