"""One-pass gradient descent on fresh samples, on one thread."""

from __future__ import annotations

from functools import partial

import numpy as np

import hermiteflow as hf
from hermiteflow import _core
from hermiteflow.starts import stream_key

from .measure import Contest, Side
from .problems import Array, largest_difference

EXTRA = "pip install 'hermiteflow[bench]'"
TORCH = "pip install 'hermiteflow[torch]'"
N, D, JUDGED = 4, 1000, 50
RATE = 1e-5


def flow() -> hf.SquaredFlow:
    """Squared loss, h_3, four index vectors."""
    return hf.SquaredFlow(hf.Orthonormal(k=N), hf.hermite(3))


def inputs(steps: int) -> Array:
    """Return the samples (steps, D) of a run with seed 0."""
    first, _ = stream_key(0, "online_sgd")
    key = (first & 0xFFFFFFFF, first >> 32)
    return np.array([_core.sample_normals(key, 1, s, -(-D // 16))[:D] for s in range(steps)])


def reference(W: Array, X: Array) -> Array:
    """Return weights after a step on each row of X, in extended precision."""
    w = W.astype(np.longdouble)
    for x in X.astype(np.longdouble):
        own = w @ x
        link = lambda u: (u**3 - 3 * u) / np.sqrt(np.longdouble(6))  # noqa: E731
        pull = RATE * (link(x[:N]).sum() - link(own).sum()) * (3 * own**2 - 3)
        pull = (pull / np.sqrt(np.longdouble(6)))[:, None]
        w = (1 - pull * own[:, None]) * w + pull * x
        w /= np.sqrt((w * w).sum(1, keepdims=True))
    return w.astype(np.float64)


def direct(small: bool, peer: str) -> Contest:
    """Steps in R^d, against a fused Numba loop or PyTorch; errors on the same samples."""
    steps = 2_000 if small else 50_000
    W = hf.random_weights(n=N, d=D, seed=0)
    X = inputs(JUDGED)
    exact = reference(W, X)

    def ours(count: int) -> Array:
        sol = hf.online_sgd(flow(), weights=W, steps=count, learning_rate=RATE, seed=0, n_threads=1)
        assert sol.weights is not None
        return sol.weights

    contest = partial(
        Contest,
        f"online descent, squared loss, h_3, d = {D:,}, n = k = {N}, {steps:,} steps",
        f"weights after {JUDGED} steps on the same samples, largest",
        Side("direct", partial(ours, steps), largest_difference(ours(JUDGED), exact)),
        floor=1e-12,
    )
    if peer == "numba":
        try:
            from .peers import numba_online
        except ImportError as error:
            return contest(None, missing=f"peer missing: {error.name or 'numba'} ({EXTRA})")
        rng = np.random.default_rng(0)
        judged = W.copy()
        for x in X:
            numba_online.step(judged, N, x, RATE)
        numba_online.solve(W, N, 1, RATE, rng)  # compiles
        run = partial(numba_online.solve, W, N, steps, RATE, rng)
        return contest(Side("Numba, fused", run, largest_difference(judged, exact)))
    try:
        from .peers import torch_online
    except ImportError as error:
        return contest(None, missing=f"peer missing: {error.name or 'torch'} ({TORCH})")
    V, part = np.eye(N, D), 50.0
    found = torch_online.solve(W, V, JUDGED, RATE, X)
    run = partial(torch_online.solve, W, V, int(steps / part), RATE)
    return contest(Side("PyTorch, autograd", run, largest_difference(found, exact), scale=part))


def in_law(small: bool) -> Contest:
    """Steps in law at d = 1e12 against the same at d = 1e2: the cost does not depend on d."""
    steps = 20_000 if small else 1_000_000

    def run(d: int) -> hf.OnlineSolution:
        M, Q = hf.random_order_parameters(hf.Orthonormal(k=N), n=N, d=d, seed=0)
        return hf.online_sgd(
            flow(), overlaps=M, student_overlaps=Q, d=d, steps=steps, learning_rate=0.01 / d, seed=0
        )

    return Contest(
        f"online descent in law, squared loss, h_3, n = k = {N}, {steps:,} steps",
        "none: the numbers are random",
        Side("in law, d = 1e12", partial(run, 10**12), 0.0),
        Side("in law, d = 1e2", partial(run, 100), 0.0),
    )
