"""The cases: our side and a peer on one problem, at full size or a small one."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial

import numpy as np
from scipy.integrate import solve_ivp

import hermiteflow as hf

from . import empirical, machine, online, squared
from .measure import Contest, Side, timed
from .peers import (
    numpy_full,
    numpy_general,
    numpy_gradient,
    numpy_links,
    numpy_rk4,
    numpy_tiled,
)
from .problems import (
    LEVEL,
    Array,
    Starts,
    largest_difference,
    loosest,
    overlaps_at,
    reference_rk4,
    relative_error,
    rk4_operations,
)

RTOL = 1e-6
EXACT_ROWS = 64  # neurons held against (7), 5 ms each
EXTRA = "pip install 'hermiteflow[bench]'"


@dataclass(frozen=True)
class Case:
    """A line of the table.

    Parameters
    ----------
    build : callable
        Makes the contest; its argument says whether to take a small size.
    target : float
        The ratio we want at full size; 0: none.
    rounds : int
        At most so many, where a round is long.
    share : float
        The share of the GEMM peak that we want; 0: none.
    """

    name: str
    build: Callable[[bool], Contest]
    target: float
    rounds: int = 1000
    share: float = 0.0


# ------------------------------------------------------------------ adaptive, to convergence


def _converge(starts: Starts) -> hf.Solution:
    """Our side: to convergence, with the hitting times on the way."""
    events = {"hit": hf.HittingTime(LEVEL)}
    return hf.solve(starts.flow, overlaps=starts.overlaps, rtol=RTOL, events=events)


def _our_adaptive(starts: Starts) -> tuple[Side, Array]:
    exact = starts.hitting_times(min(EXACT_ROWS, starts.n))
    error = relative_error(_converge(starts).events["hit"][: exact.size], exact)
    return Side(f"tsit5, rtol {RTOL:g}", lambda: _converge(starts), error), exact


def tune(
    methods: tuple[str, ...],
    hitting: Callable[[float, str], Array],
    solve: Callable[[float, str], object],
    exact: Array,
    wanted: float,
) -> tuple[str, float, float]:
    """Return the method, tolerance and error of a peer that is fastest at an error of `wanted`.

    Each method gets the loosest tolerance that errs by at most twice that much.
    """
    found = []
    for method in methods:
        rtol, error = loosest(
            lambda rtol, method=method: relative_error(hitting(rtol, method), exact), 2.0 * wanted
        )
        solve(rtol, method)  # compiles
        seconds = min(timed(partial(solve, rtol, method)) for _ in range(2))
        found.append((error > 2.0 * wanted, seconds, method, rtol, error))
    _, _, method, rtol, error = min(found)
    return method, rtol, error


def _size(starts: Starts) -> str:
    return f"n = {starts.n:,}, k = {starts.k}, d = {starts.d:.0e}, p = {starts.p}".replace(
        "e+0", "e"
    )


def adaptive_diffrax(
    small: bool, *, n: int = 10_000, methods: tuple[str, ...] | None = None
) -> Contest:
    """All neurons to convergence, against diffrax by the best of the methods (None: all)."""
    starts = Starts(n=200 if small else n, k=50, d=10**6)
    ours, exact = _our_adaptive(starts)
    contest = partial(
        Contest, f"adaptive to convergence, {_size(starts)}", "hitting times, relative, rms", ours
    )
    try:
        from .peers import diffrax_tsit5 as peer
    except ImportError as error:
        return contest(None, missing=f"peer missing: {error.name or 'diffrax'} ({EXTRA})")
    threads = machine.threads()
    sample, share = starts.overlaps[: exact.size], starts.overlaps[: 4 * peer.BATCH]
    method, rtol, error_there = tune(
        methods or peer.METHODS,
        lambda rtol, method: peer.hitting_times(sample, rtol, method, threads),
        lambda rtol, method: peer.solve(share, rtol, method, threads),
        exact,
        ours.error,
    )
    return contest(
        Side(
            f"diffrax {method}, rtol {rtol:.1e}",
            lambda: peer.solve(starts.overlaps, rtol, method, threads),
            error_there,
        )
    )


def adaptive_scipy(small: bool) -> Contest:
    """All neurons to convergence, against SciPy neuron by neuron; time scaled from a sample."""
    starts = Starts(n=200 if small else 10_000, k=50, d=10**6)
    ours, exact = _our_adaptive(starts)
    contest = partial(
        Contest, f"adaptive to convergence, {_size(starts)}", "hitting times, relative, rms", ours
    )
    try:
        from .peers import scipy_ivp as peer
    except ImportError as error:
        return contest(None, missing=f"peer missing: {error.name or 'scipy'} ({EXTRA})")
    sample = starts.overlaps[: min(exact.size, 8) if small else exact.size]
    method, rtol, error_there = tune(
        peer.METHODS,
        lambda rtol, method: peer.hitting_times(sample, rtol, method),
        lambda rtol, method: peer.solve(sample, rtol, method),
        exact[: sample.shape[0]],
        ours.error,
    )
    return contest(
        Side(
            f"SciPy {method}, rtol {rtol:.1e}",
            lambda: peer.solve(sample, rtol, method),
            error_there,
            scale=starts.n / sample.shape[0],
        )
    )


def million(small: bool) -> Contest:
    """One million neurons to convergence; no peer."""
    starts = Starts(n=2_000 if small else 1_000_000, k=50, d=10**9, p=4)
    ours, _ = _our_adaptive(starts)
    title = f"adaptive to convergence, {_size(starts)}"
    return Contest(title, "hitting times, relative, rms", ours, None)


# ------------------------------------------------------------------ fixed steps


def _rk4(flow: hf.CorrelationFlow, m0: Array, step: float, steps: int) -> Array:
    return hf.solve(
        flow, overlaps=m0, method="rk4", step=step, t_end=steps * step, renormalize=False
    ).overlaps


def rk4_overlaps(small: bool, peer: str) -> Contest:
    """RK4 in overlap space, G = I, against NumPy or Numba."""
    steps, step = (50, 0.04) if small else (200, 0.01)
    starts = Starts(n=500 if small else 10_000, k=50, d=400)
    m0, t = starts.overlaps, steps * step
    exact = overlaps_at(starts, t, 8)

    def side(name: str, run: Callable[[], Array]) -> Side:
        return Side(name, run, largest_difference(run()[:8], exact))

    contest = partial(
        Contest,
        f"fixed RK4, overlaps, n = {starts.n:,}, k = {starts.k}, {steps} steps",
        "overlaps at the end, largest",
        side("rk4", lambda: _rk4(starts.flow, m0, step, steps)),
        factor=1.01,
        floor=1e-12,
        work=starts.n * steps * rk4_operations(starts.k),
    )
    if peer == "plain":
        return contest(side("NumPy, plain", lambda: numpy_rk4.solve(m0, step, steps)))
    threads = machine.threads()
    if peer == "tiled":
        pool = ThreadPoolExecutor(threads)
        return contest(
            side("NumPy, tiled, in place", lambda: numpy_tiled.solve(m0, step, steps, pool))
        )
    try:
        from .peers import numba_rk4
    except ImportError as error:
        return contest(None, missing=f"peer missing: {error.name or 'numba'} ({EXTRA})")
    return contest(
        side("Numba, parallel, fused", lambda: numba_rk4.solve(m0, step, steps, threads))
    )


def rk4_link(small: bool, name: str) -> Contest:
    """RK4 in overlap space, G = I, with a link in closed form, against NumPy on threads."""
    steps, step = (20, 0.02) if small else (100, 0.02)
    n, k = (300, 8) if small else (10_000, 50)
    targets = hf.Orthonormal(k=k)
    m0 = hf.random_overlaps(targets, n=n, d=400, seed=0)
    pool = ThreadPoolExecutor(machine.threads())
    end = steps * step

    def flow(_t: float, m: Array) -> Array:
        return numpy_links.field(numpy_links.SLOPES[name], m[None])[0]

    # the same steps in the peer's formula agree to rounding; the truth is an adaptive method's
    exact = np.array(
        [
            solve_ivp(flow, (0.0, end), m, method="DOP853", rtol=1e-12, atol=1e-15).y[:, -1]
            for m in m0[:4]
        ]
    )

    def side(label: str, run: Callable[[], Array]) -> Side:
        return Side(label, run, largest_difference(run()[:4], exact))

    ours = hf.CorrelationFlow(targets, hf.link(name))
    return Contest(
        f"fixed RK4, overlaps, {name}, n = {n:,}, k = {k}, {steps} steps",
        "overlaps at the end, largest",
        side("rk4", lambda: _rk4(ours, m0, step, steps)),
        side("NumPy, tiled, on threads", lambda: numpy_links.solve(name, m0, step, steps, pool)),
        factor=1.01,
        floor=1e-12,
    )


def rk4_general(small: bool, peer: str) -> Contest:
    """RK4 in overlap space with a general Gram matrix, against NumPy with the same equations."""
    n, k, steps, step = (200, 20, 10, 0.1) if small else (10_000, 200, 20, 0.1)
    targets = hf.random_index_vectors(k=k, d=5 * k, seed=0)
    flow = hf.CorrelationFlow(targets, hf.hermite(3))
    m0 = hf.random_overlaps(targets, n=n, d=5 * k, seed=0)
    exact = reference_rk4(m0[:2], targets.gram, steps * step, 32 * steps)
    pool = ThreadPoolExecutor(machine.threads())

    def numpy_side() -> Array:
        if peer == "plain":
            return numpy_general.plain(m0, targets.gram, step, steps)
        with machine.blas_threads(1):
            return numpy_general.solve(m0, targets.gram, step, steps, pool)

    def side(name: str, run: Callable[[], Array]) -> Side:
        return Side(name, run, largest_difference(run()[:2], exact))

    return Contest(
        f"fixed RK4, general Gram, n = {n:,}, k = {k}, {steps} steps",
        "overlaps at the end, largest",
        side("rk4", lambda: _rk4(flow, m0, step, steps)),
        side("NumPy, plain" if peer == "plain" else "NumPy, tiled, in place", numpy_side),
        factor=1.01,
        floor=1e-12,
        work=n * steps * rk4_operations(k, general=True),
    )


# ------------------------------------------------------------------ all d coordinates


def _weights(n: int, d: int, k: int) -> tuple[Array, Array]:
    """Starts (n, d), and k orthonormal index vectors that no axis contains."""
    rotated = np.linalg.qr(np.random.default_rng(0).standard_normal((d, k)))[0].T
    return hf.random_weights(n=n, d=d, seed=0), np.ascontiguousarray(rotated)


def rk4_weights(small: bool) -> Contest:
    """RK4 from weights to weights; the peer does 20 steps in R^d and is scaled."""
    n, k, steps, short, step = (100, 5, 50, 10, 0.2) if small else (2_000, 50, 1_000, 20, 0.1)
    W, V = _weights(n, n, k)
    flow = hf.CorrelationFlow(hf.IndexVectors(V), hf.hermite(3))
    exact = np.array([hf.exact.orthonormal(3, 1.0, m, short * step) for m in flow.overlaps(W[:8])])
    pool = ThreadPoolExecutor(machine.threads())

    def ours(count: int) -> Array:
        found = hf.solve(
            flow, weights=W, method="rk4", step=step, t_end=count * step, renormalize=False
        ).weights
        assert found is not None
        return found

    def peer() -> Array:
        with machine.blas_threads(1):
            return numpy_full.solve(W, V, step, short, pool)

    def error(weights: Array) -> float:
        return largest_difference(weights[:8] @ V.T, exact)

    return Contest(
        f"fixed RK4, weights to weights, n = d = {n:,}, k = {k}, dense V, {steps:,} steps",
        f"overlaps after {short} steps, largest",
        Side("rk4", lambda: ours(steps), error(ours(short))),
        Side(f"NumPy in R^d, {short} steps, scaled", peer, error(peer()), scale=steps / short),
        factor=1.01,
        floor=1e-12,
    )


def gradient(small: bool) -> Contest:
    """The Riemannian gradient of the correlation loss."""
    n, d, k = (100, 200, 10) if small else (2_000, 10_000, 500)
    rng = np.random.default_rng(0)
    V = rng.standard_normal((k, d))
    V /= np.linalg.norm(V, axis=1, keepdims=True)
    W = hf.random_weights(n=n, d=d, seed=0)
    flow = hf.CorrelationFlow(hf.IndexVectors(V), hf.hermite(3))
    w, v = W[:2].astype(np.longdouble), V.astype(np.longdouble)
    m = w @ v.T
    exact = (3 * (m**3).sum(axis=1, keepdims=True) * w - 3 * m**2 @ v).astype(np.float64)

    def peer() -> Array:
        return numpy_gradient.gradient(W, V)

    def error(found: Array) -> float:
        return largest_difference(found[:2], exact) / float(np.max(np.abs(exact)))

    return Contest(
        f"flow.gradient(W), n = {n:,}, d = {d:,}, k = {k}, dense V",
        "largest, relative to the largest entry",
        Side("gradient", lambda: flow.gradient(W), error(flow.gradient(W))),
        Side("NumPy, in place", peer, error(peer())),
        work=4.0 * n * d * k,
    )


CASES = {
    case.name: case
    for case in (
        Case("adaptive-tsit5", partial(adaptive_diffrax, methods=("Tsit5",)), 70.0),
        Case("adaptive-diffrax", adaptive_diffrax, 0.0),
        Case("adaptive-diffrax-1e5", partial(adaptive_diffrax, n=100_000), 50.0, rounds=3),
        Case("adaptive-scipy", adaptive_scipy, 600.0),
        Case("rk4-numpy", partial(rk4_overlaps, peer="plain"), 65.0, share=0.75),
        Case("rk4-tiled", partial(rk4_overlaps, peer="tiled"), 20.0, share=0.75),
        Case("rk4-numba", partial(rk4_overlaps, peer="numba"), 2.2, share=0.75),
        Case("rk4-relu", partial(rk4_link, name="relu"), 0.0),
        Case("rk4-erf", partial(rk4_link, name="erf"), 0.0),
        Case("weights", rk4_weights, 1000.0),
        Case("gradient", gradient, 1.0),
        Case("general-numpy", partial(rk4_general, peer="plain"), 3.0, share=0.8),
        Case("general-tiled", partial(rk4_general, peer="tiled"), 1.0, share=0.8),
        Case("million", million, 0.0, rounds=3),
        Case("squared-4", partial(squared.rates, n=4), 5.0),
        Case("squared-8", partial(squared.rates, n=8), 5.0),
        Case("squared-32", partial(squared.rates, n=32), 3.0),
        Case("squared-numpy", partial(squared.rates, n=8, peer="numpy"), 0.0),
        Case("online-numba", partial(online.direct, peer="numba"), 2.0),
        Case("online-torch", partial(online.direct, peer="torch"), 20.0),
        Case("online-law", online.in_law, 0.0),
        Case("empirical-4", partial(empirical.gradient, n=4, dtype=np.float64), 1.5),
        Case("empirical-4-single", partial(empirical.gradient, n=4, dtype=np.float32), 1.5),
        Case("empirical-64", partial(empirical.gradient, n=64, dtype=np.float64), 1.0, share=0.75),
        Case(
            "empirical-64-single",
            partial(empirical.gradient, n=64, dtype=np.float32),
            1.0,
            share=0.75,
        ),
    )
}
