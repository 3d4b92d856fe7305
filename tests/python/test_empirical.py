"""Loss and gradient on a stored sample: values, layouts, threads, and the population limit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from empirical_cases import CASES, FAULTS, fast_gradient, gradient, loss

import hermiteflow as hf
from hermiteflow import _core
from hermiteflow._point_links import point_link

T2 = hf.Orthonormal(k=2)
A = np.array([1.0, -0.7, 0.4, 1.3, 0.2])
LOSSES = [("correlation", True), ("squared", True), ("squared", False)]


def sample(N: int = 60, d: int = 7, seed: int = 0, dtype: Any = np.float64) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((N, d)).astype(dtype)


def close(found: np.ndarray, wanted: np.ndarray) -> None:
    np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-12 * np.max(np.abs(wanted)))


def weights(n: int, d: int, constrained: bool) -> np.ndarray:
    W = hf.random_weights(n=n, d=d, seed=1)
    return W if constrained else W * np.linspace(0.5, 1.5, n)[:, None]


@pytest.mark.parametrize(("which", "constrained"), LOSSES)
@pytest.mark.parametrize("name", CASES)
def test_loss_and_gradient_are_those_of_the_formula(
    name: str, which: str, constrained: bool, isa: str
) -> None:
    case, X = CASES[name], sample()
    teacher = CASES["tanh"]
    y = teacher.value(X[:, :2]) @ [1.0, -0.5]
    W = weights(5, 7, constrained)
    flow = hf.EmpiricalFlow(
        T2, hf.link("tanh"), X, loss=which, student=case.link, second_layer=A,
        target_weights=[1.0, -0.5], constrained=constrained,
    )  # fmt: skip
    close(flow.labels, y)
    assert flow.loss(W) == pytest.approx(loss(case, X, y, W, A, which), rel=1e-12)
    found = flow.gradient(W)
    close(found, gradient(case, X, y, W, A, which, constrained=constrained))
    for fault in FAULTS:  # the twins
        if fault == "no projection" and not constrained:
            continue
        with pytest.raises(AssertionError):
            close(found, gradient(case, X, y, W, A, which, constrained=constrained, fault=fault))


@pytest.mark.parametrize(("which", "constrained"), LOSSES)
def test_gradient_is_the_slope_of_the_loss(which: str, constrained: bool) -> None:
    """Finite differences of the loss, along great circles where weights are constrained."""
    X, y = sample(200), np.random.default_rng(3).standard_normal(200)
    W, h = weights(5, 7, constrained), 1e-5
    flow = hf.EmpiricalFlow(
        T2, hf.link("tanh"), X, y=y, loss=which, second_layer=A, constrained=constrained
    )
    found = flow.gradient(W)
    Z = np.random.default_rng(4).standard_normal(W.shape)
    if constrained:
        Z -= np.sum(Z * W, axis=1, keepdims=True) * W

    def at(t: float) -> float:
        moved = W + t * Z
        return flow.loss(
            moved / np.linalg.norm(moved, axis=1, keepdims=True) if constrained else moved
        )

    slope = (8.0 * (at(h) - at(-h)) - (at(2.0 * h) - at(-2.0 * h))) / (12.0 * h)
    assert slope == pytest.approx(np.sum(found * Z), rel=1e-8)
    assert slope != pytest.approx(2.0 * np.sum(found * Z), rel=1e-8)  # the twin: no factor 1/2
    if constrained:
        np.testing.assert_allclose(np.sum(found * W, axis=1), 0.0, atol=1e-15)


@pytest.mark.parametrize("n", [1, 2, 3, 4, 6, 23, 24, 30, 33, 45])
@pytest.mark.parametrize(("N", "d"), [(1, 3), (23, 8), (150, 33), (1000, 16), (60, 1300)])
def test_every_shape(N: int, d: int, n: int) -> None:
    """Blocks and strips that do not divide; both ways to multiply, few neurons and many."""
    case = CASES["polynomial"]
    X, W = sample(N, d), weights(n, d, True)
    y = np.random.default_rng(7).standard_normal(N)
    a = np.linspace(-1.0, 1.0, n) + 0.1
    flow = hf.EmpiricalFlow(T2, case.link, X, y=y, loss="squared", second_layer=a)
    close(flow.gradient(W), gradient(case, X, y, W, a, "squared"))
    assert flow.loss(W) == pytest.approx(loss(case, X, y, W, a, "squared"), rel=1e-11)


def layouts(folder: Path, dtype: Any) -> dict[str, np.ndarray]:
    """One sample as memory may hold it; all entries are the same numbers."""
    X = sample(500, 9, dtype=dtype)
    wide, tall = np.full((500, 14), np.nan, dtype), np.full((1000, 9), np.nan, dtype)
    wide[:, 2:11], tall[::2] = X, X
    path = folder / f"{np.dtype(dtype).name}.bin"
    mapped = np.memmap(path, dtype=dtype, mode="w+", shape=(520, 14), offset=24)
    mapped[:] = np.nan
    mapped[7:507, 3:12] = X
    readonly = X.copy()
    readonly.flags.writeable = False
    return {
        "C order": X,
        "columns of a wider array": wide[:, 2:11],
        "every second row": tall[::2],
        "backwards": X[::-1].copy()[::-1],
        "part of a file": mapped[7:507, 3:12],
        "read-only": readonly,
    }


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("n", [3, 40])
def test_layout_does_not_matter(n: int, dtype: Any, tmp_path: Path) -> None:
    W = weights(n, 9, True)
    found = {}
    for name, X in layouts(tmp_path, dtype).items():
        flow = hf.EmpiricalFlow(T2, hf.link("erf"), X, loss="squared")
        assert np.shares_memory(flow.X, X)  # nothing is copied
        found[name] = (flow.labels, flow.gradient(W), flow.loss(W))
    first = found.pop("C order")
    exact = hf.EmpiricalFlow(T2, hf.link("erf"), sample(500, 9, dtype=dtype).astype(np.float64),
                             loss="squared")  # fmt: skip
    assert np.array_equal(first[1], exact.gradient(W))  # sums are in double precision
    for labels, slope, value in found.values():
        assert np.array_equal(labels, first[0])
        assert np.array_equal(slope, first[1])
        assert value == first[2]
    case, X, a = CASES["erf"], sample(500, 9, dtype=dtype), np.ones(n, dtype="f4")
    wanted = fast_gradient(case, X.astype(np.float64), first[0], W, np.ones(n), "squared")
    close(first[1], wanted)
    single = fast_gradient(
        case, X.astype("f4"), first[0].astype("f4"), W.astype("f4"), a, "squared"
    )
    with pytest.raises(AssertionError):  # the twin: sums in single precision
        close(single, wanted)


@pytest.mark.parametrize("n", [3, 40])
def test_threads_do_not_matter(n: int, isa: str) -> None:
    X, W = sample(20_000, 30), weights(n, 30, True)
    flow = hf.EmpiricalFlow(T2, hf.link("relu"), X, loss="squared", n_threads=1)
    again = hf.EmpiricalFlow(T2, hf.link("relu"), X, loss="squared", n_threads=3)
    assert np.array_equal(flow.labels, again.labels)
    first = flow.gradient(W, n_threads=1)
    for threads in (2, 3, 7):
        assert np.array_equal(first, flow.gradient(W, n_threads=threads))
        assert flow.loss(W, n_threads=1) == flow.loss(W, n_threads=threads)
    # the twin: another order of the same samples is another rounding
    assert not np.array_equal(
        first, hf.EmpiricalFlow(T2, hf.link("relu"), X[::-1], loss="squared").gradient(W)
    )


def population(which: str, **options: Any) -> hf.CorrelationFlow | hf.SquaredFlow:
    kind = hf.CorrelationFlow if which == "correlation" else hf.SquaredFlow
    return kind(T2, hf.hermite({1: 0.5, 2: 0.6}), **options)


def slope_over_samples(which: str, scale: float = 1.0) -> tuple[float, float]:
    """Slope of log |grad_N - scale grad| over log N, and the half-width of its 99 % interval."""
    flow, W = population(which), hf.random_weights(n=2, d=6, seed=9)
    exact, sizes = scale * flow.gradient(W), (300, 3_000, 30_000)
    link, slopes = flow.link, []
    for seed in range(24):
        errors = []
        for N in sizes:
            X = sample(N, 6, seed=1000 + seed + N)
            found = hf.EmpiricalFlow(T2, link, X, loss=which).gradient(W)
            errors.append(np.linalg.norm(found - exact))
        slopes.append(np.polyfit(np.log(sizes), np.log(errors), 1)[0])
    return float(np.mean(slopes)), 2.81 * float(np.std(slopes, ddof=1)) / np.sqrt(len(slopes))


@pytest.mark.parametrize("which", ["correlation", "squared"])
def test_tends_to_the_population_flow(which: str) -> None:
    slope, width = slope_over_samples(which)
    assert width < 0.15
    assert abs(slope + 0.5) < width
    wrong, width = slope_over_samples(which, scale=1.05)  # the twin: another factor
    assert abs(wrong + 0.5) > width
    flow, W = population(which), hf.random_weights(n=2, d=6, seed=9)
    X = sample(400_000, 6, seed=5)
    found = hf.EmpiricalFlow(T2, flow.link, X, loss=which).loss(W)
    assert found == pytest.approx(flow.loss(W), abs=0.02)
    assert abs(found - flow.loss(W)) < 0.2 * abs(2.0 * flow.loss(W) - found)  # not twice as large


def test_core_takes_only_what_fits() -> None:
    X, link = sample(), point_link(hf.hermite(2))
    for wrong in (X.astype(int), X[0], X.T, X[:, ::2]):
        with pytest.raises(ValueError, match="arrays that fit together"):
            _core.EmpiricalSpec(wrong, None, A, link, False, True, T2.vectors(7), False)
