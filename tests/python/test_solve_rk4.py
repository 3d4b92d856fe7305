"""method="rk4": order, and the overlap space against all d coordinates."""

from __future__ import annotations

import numpy as np
import pytest
from oracles import (
    Array,
    field,
    gram_vectors,
    hermite_coefficients,
    rk4,
    rk4_weights,
    rotation,
    series,
    unit_rows,
)

import hermiteflow as hf

LINK = hf.hermite({2: 0.5, 3: 1.0, 4: 0.3})
C = hermite_coefficients(LINK, 8) ** 2
SLOPE = series(C, 1)
D, K, N = 14, 4, 9
GRAMS = {
    "rotated": np.eye(K),
    "equiangular": 0.75 * np.eye(K) + 0.25,
    "general": unit_rows(K, 6, 3) @ unit_rows(K, 6, 3).T,
}


def vectors(name: str) -> Array:
    """Dense: with V = [I, 0] the two spaces would do the same arithmetic."""
    V = gram_vectors(GRAMS[name], D, 1)
    assert np.abs(V).min() > 1e-4
    return V


def solve(V: Array, W: Array, t_end: float, step: float, **options: object) -> hf.Solution:
    flow = hf.CorrelationFlow(hf.IndexVectors(V), LINK)
    return hf.solve(flow, weights=W, t_end=t_end, method="rk4", step=step, **options)


def starts(V: Array) -> Array:
    """Rows whose overlaps are mostly positive, so that nothing is near a repelling sphere."""
    W = unit_rows(N, D, 2) + 0.4 * V.mean(axis=0)
    return W / np.linalg.norm(W, axis=1, keepdims=True)


def close(first: Array, second: Array, atol: float = 1e-12) -> None:
    np.testing.assert_allclose(first, second, rtol=0, atol=atol)


@pytest.mark.parametrize("renormalize", [True, False])
@pytest.mark.parametrize("name", GRAMS)
def test_overlap_space_is_the_full_space(name: str, renormalize: bool) -> None:
    V = vectors(name)
    W, step, steps = starts(V), 2.0**-7, 5000
    options = {"renormalize": renormalize}
    full = solve(V, W, step * steps, step, reduce=False, **options)
    reduced = solve(V, W, step * steps, step, reduce=True, **options)
    assert np.all(full.steps == steps)
    assert np.all(reduced.steps == steps)
    close(full.overlaps, reduced.overlaps)
    close(full.weights, reduced.weights)
    close(full.weights @ V.T, full.overlaps)
    weights = rk4_weights(
        W, V, SLOPE, np.ones(N), np.ones(K), step=step, steps=steps, renormalize=renormalize
    )
    close(full.weights, weights)
    close(reduced.weights, weights)
    assert np.abs(full.overlaps - W @ V.T).max() > 0.1  # something happened
    # planted faults, over the same 5,000 steps
    wrong = rk4_weights(
        W, V, lambda u: -SLOPE(u), np.ones(N), np.ones(K),
        step=step, steps=steps, renormalize=renormalize,
    )  # fmt: skip
    with pytest.raises(AssertionError):
        close(reduced.weights, wrong)
    if name != "rotated":

        def without_gram(M: Array) -> Array:
            return field(M, np.eye(K), SLOPE, np.ones(N), np.ones(K))

        with pytest.raises(AssertionError):
            close(reduced.overlaps, rk4(without_gram, W @ V.T, step, steps))


def test_short_runs_tell_renormalize_apart() -> None:
    """With coarse steps the sphere is left visibly, so the two options must differ."""
    V = vectors("equiangular")
    W, step, steps = starts(V), 0.2, 20
    results = {}
    for renormalize in (True, False):
        for reduce in (True, False):
            sol = solve(V, W, step * steps, step, renormalize=renormalize, reduce=reduce)
            reference = rk4_weights(
                W, V, SLOPE, np.ones(N), np.ones(K),
                step=step, steps=steps, renormalize=renormalize,
            )  # fmt: skip
            close(sol.weights, reference, 1e-13)
            close(sol.overlaps, reference @ V.T, 1e-13)
            results[renormalize] = sol
    with pytest.raises(AssertionError):
        close(results[True].weights, results[False].weights, 1e-9)
    close(np.linalg.norm(results[True].weights, axis=1), 1.0, 1e-14)
    with pytest.raises(AssertionError):
        close(np.linalg.norm(results[False].weights, axis=1), 1.0, 1e-9)


@pytest.mark.parametrize("renormalize", [True, False])
@pytest.mark.parametrize("reduce", [True, False])
def test_order_4(renormalize: bool, reduce: bool) -> None:
    V = vectors("general")
    W, t_end = starts(V), 1.5
    reference = rk4_weights(
        W, V, SLOPE, np.ones(N), np.ones(K), step=t_end / 3000, steps=3000, renormalize=True
    )

    def order(run: object) -> None:
        errors = [np.abs(run(steps) - reference).max() for steps in (40, 80, 160)]  # type: ignore[operator]
        slopes = np.log2(np.divide(errors[:-1], errors[1:]))
        assert errors[-1] < 1e-6
        assert np.all(np.abs(slopes - 4) < 0.25), slopes

    order(lambda steps: solve(V, W, t_end, t_end / steps, renormalize=renormalize,
                              reduce=reduce).weights)  # fmt: skip

    def midpoint(steps: int) -> Array:  # order 2 by the same measure
        y = W
        for _ in range(steps):
            h = t_end / steps
            rate = rk4_rate(V, y + h / 2 * rk4_rate(V, y))
            y = y + h * rate
        return y

    with pytest.raises(AssertionError):
        order(midpoint)


def rk4_rate(V: Array, W: Array) -> Array:
    pull = SLOPE(W @ V.T) @ V
    return pull - np.sum(W * pull, axis=1, keepdims=True) * W


@pytest.mark.parametrize("reduce", [True, False])
def test_the_last_step_is_shortened(reduce: bool) -> None:
    V = vectors("equiangular")
    W = starts(V)
    sol = solve(V, W, 1.05, 0.1, reduce=reduce)
    assert np.all(sol.t_final == 1.05)
    assert np.all(sol.steps == 11)
    ones = np.ones(N), np.ones(K)
    whole = rk4_weights(W, V, SLOPE, *ones, step=0.1, steps=10, renormalize=True)
    last = rk4_weights(whole, V, SLOPE, *ones, step=0.05, steps=1, renormalize=True)
    close(sol.weights, last, 1e-13)
    with pytest.raises(AssertionError):  # a full last step
        close(sol.weights, rk4_weights(whole, V, SLOPE, *ones, step=0.1, steps=1,
                                       renormalize=True), 1e-13)  # fmt: skip
    one = solve(V, W, 0.05, 0.1, reduce=reduce)
    assert np.all(one.steps == 1)
    exact = solve(V, W, 1.0, 0.1, reduce=reduce)  # ten steps of 0.1, not eleven
    assert np.all(exact.steps == 10)
    assert np.all(exact.t_final == 1.0)


def test_weights_and_second_layers() -> None:
    V, a, b = vectors("general"), np.linspace(-1, 2, N), np.linspace(0.5, 1.5, K)
    W, student = starts(V), hf.polynomial([0.0, 0.3, 0.2, 0.1])
    slope = series(hermite_coefficients(LINK, 8) * hermite_coefficients(student, 8), 1)
    flow = hf.CorrelationFlow(
        hf.IndexVectors(V), LINK, student=student, second_layer=a, target_weights=b
    )
    for reduce in (True, False):
        sol = hf.solve(flow, weights=W, t_end=2.0, method="rk4", step=0.01, reduce=reduce)
        reference = rk4_weights(W, V, slope, a, b, step=0.01, steps=200, renormalize=True)
        close(sol.weights, reference)
        wrong = rk4_weights(W, V, slope, np.abs(a), b, step=0.01, steps=200, renormalize=True)
        with pytest.raises(AssertionError):
            close(sol.weights, wrong)


def test_overlaps_alone() -> None:
    """Started from overlaps there are no weights to rebuild, and the overlaps are the same."""
    V = vectors("general")
    W = starts(V)
    flow = hf.CorrelationFlow(hf.IndexVectors(V), LINK)
    for renormalize in (True, False):
        options = {"t_end": 3.0, "method": "rk4", "step": 0.05, "renormalize": renormalize}
        bare = hf.solve(flow, overlaps=W @ V.T, **options)
        assert bare.weights is None
        close(bare.overlaps, hf.solve(flow, weights=W, **options).overlaps, 1e-13)
        assert np.all(bare.status == hf.Status.t_end)
        assert np.all(bare.success)


def test_rotating_everything_rotates_the_solution() -> None:
    V, Q = vectors("general"), rotation(D, 5)
    W = starts(V)
    for reduce in (True, False):
        plain = solve(V, W, 4.0, 0.05, reduce=reduce).weights
        turned = solve(V @ Q, W @ Q, 4.0, 0.05, reduce=reduce).weights
        close(turned, plain @ Q, 1e-13)


def test_trajectory_at_multiples_of_the_step() -> None:
    V = vectors("equiangular")
    W = starts(V)
    sol = solve(V, W, 1.0, 0.1, save_at=[0.0, 0.3, 1.0])
    np.testing.assert_array_equal(sol.times, [0.0, 0.3, 1.0])
    assert sol.trajectory.shape == (N, 3, K)
    close(sol.trajectory[:, 0], W @ V.T, 1e-15)
    close(sol.trajectory[:, 1], solve(V, W, 0.3, 0.1).overlaps, 1e-6)
    close(sol.trajectory[:, 2], sol.overlaps, 1e-15)


def test_bits_do_not_depend_on_threads_or_batch() -> None:
    flow = hf.CorrelationFlow(hf.Equiangular(k=7, beta=0.1), LINK)
    m0 = hf.random_overlaps(flow.targets, n=130, d=1000, seed=1)
    options = {"t_end": 5.0, "method": "rk4", "step": 0.05}
    one = hf.solve(flow, overlaps=m0, n_threads=1, **options).overlaps
    np.testing.assert_array_equal(hf.solve(flow, overlaps=m0, n_threads=2, **options).overlaps, one)
    for rows in (slice(0, 1), slice(3, 20), slice(0, 130, 7), slice(129, None)):
        part = hf.solve(flow, overlaps=m0[rows], **options).overlaps
        np.testing.assert_array_equal(part, one[rows])


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"step": None}, "step"),
        ({"step": 0.0}, "step"),
        ({"step": -0.1}, "step"),
        ({"step": np.nan}, "step"),
        ({"step": 0.1, "rtol": 1e-6}, "rtol"),
        ({"step": 0.1, "atol": 1e-6}, "atol"),
        ({"step": 0.1, "t_end": -1.0}, "t_end"),
        ({"step": 0.1, "method": "tsit5"}, "step"),
        ({"step": 0.1, "method": "rk5"}, r"method .*did you mean"),
    ],
)
def test_bad_options(options: dict[str, object], words: str) -> None:
    flow = hf.CorrelationFlow(hf.Orthonormal(k=2), LINK)
    with pytest.raises((ValueError, TypeError), match=words):
        hf.solve(flow, overlaps=[[0.1, 0.2]], **{"t_end": 1.0, "method": "rk4", **options})


@pytest.mark.parametrize("steps", [1, 2, 3, 65, 200])
def test_steps_without_a_look_between_are_the_same(steps: int) -> None:
    """Levels that are watched but never met make the loop look at every step."""
    for targets in (hf.Orthonormal(k=5), hf.Equiangular(k=5, beta=0.1)):
        flow = hf.CorrelationFlow(targets, hf.hermite({3: 1.0, 4: 0.3}))
        m0 = hf.random_overlaps(targets, n=37, d=400, seed=3)
        options = {"method": "rk4", "step": 0.003, "t_end": 0.003 * steps}
        watched = {"far": hf.HittingTime(1.0)}
        quick = hf.solve(flow, overlaps=m0, renormalize=False, **options)
        slow = hf.solve(flow, overlaps=m0, renormalize=False, events=watched, **options)
        np.testing.assert_array_equal(quick.overlaps, slow.overlaps)
        np.testing.assert_array_equal(quick.steps, slow.steps)
        np.testing.assert_array_equal(quick.t_final, slow.t_final)
        assert np.abs(quick.overlaps - m0).max() > 0.0


def test_a_step_that_breaks_is_found_though_nobody_looked() -> None:
    """Too large a step: every neuron overflows, each at a step of its own."""
    flow = hf.CorrelationFlow(hf.Orthonormal(k=4), hf.hermite(3))
    m0 = np.abs(hf.random_overlaps(flow.targets, n=21, d=400, seed=0))
    options = {"method": "rk4", "step": 2.0, "t_end": 1e4, "renormalize": False}
    with pytest.warns(hf.SolveWarning, match="non_finite"):
        quick = hf.solve(flow, overlaps=m0, **options)
    with pytest.warns(hf.SolveWarning, match="non_finite"):
        slow = hf.solve(flow, overlaps=m0, events={"far": hf.HittingTime(1.0)}, **options)
    assert len(np.unique(quick.steps)) > 3
    for name in ("status", "steps", "t_final", "overlaps"):
        np.testing.assert_array_equal(getattr(quick, name), getattr(slow, name))
