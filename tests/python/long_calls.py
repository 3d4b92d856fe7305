"""Every kind of run, as a short one that is always the same, and as one that goes on for ever.

Tests and sessions strike the long ones, and then ask the same process for the short ones again.
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Callable
from typing import Any

import numpy as np
import sweep_functions as f

import hermiteflow as hf

EVER = 10**9

TARGETS = hf.Orthonormal(k=8)
FLOW = hf.CorrelationFlow(TARGETS, hf.hermite(3))
SQUARED = hf.SquaredFlow(TARGETS, hf.hermite(3))
M0 = hf.random_overlaps(TARGETS, n=4000, d=10**6, seed=0)
M, Q = hf.random_order_parameters(TARGETS, n=16, d=10**4, seed=0)
M_MANY, Q_MANY = hf.random_order_parameters(TARGETS, n=150, d=10**4, seed=0)
W = hf.random_weights(n=16, d=400, seed=0)
X = np.random.default_rng(0).standard_normal((4000, 30))
W_SAMPLE = hf.random_weights(n=8, d=30, seed=1)
V_SAMPLE = np.eye(8, 30)
EMPIRICAL = hf.EmpiricalFlow(hf.IndexVectors(V_SAMPLE), hf.hermite(3), X=X)
MIXED = hf.CorrelationFlow(hf.Equiangular(k=12, beta=0.05), hf.hermite({3: 1.0, 4: 0.3}))


def _squared(**options: Any) -> Any:
    return hf.solve(SQUARED, overlaps=M_MANY, student_overlaps=Q_MANY, **options)


def _online(method: str, steps: int, **options: Any) -> Any:
    return hf.online_sgd(FLOW, steps=steps, learning_rate=1e-6, seed=0, method=method, **options)


def _sweep(executor: str, points: int) -> Any:
    x = [i + 0.5 for i in range(points)]
    function = f.slow if points > 8 else f.one
    return hf.sweep(function, {"x": x}, seed=0, executor=executor, workers=2)


@dataclasses.dataclass(frozen=True)
class Call:
    """A run: `short` returns what can be compared by its bits, `long` is to be struck."""

    short: Callable[[], Any]
    long: Callable[[], Any]


CALLS: dict[str, Call] = {
    "solve": Call(
        lambda: hf.solve(FLOW, overlaps=M0[:64]),
        lambda: hf.solve(FLOW, overlaps=M0, method="rk4", step=1e-6, t_end=1e3, max_steps=EVER),
    ),
    "ensemble": Call(
        lambda: hf.solve_ensemble(FLOW, n=300, d=10**6, seed=0),
        lambda: hf.solve_ensemble(FLOW, n=EVER, d=10**6, seed=0),
    ),
    "squared": Call(
        lambda: hf.solve(SQUARED, overlaps=M, student_overlaps=Q, t_end=1.0),
        lambda: _squared(method="rk4", step=1e-6, t_end=1e3, max_steps=EVER),
    ),
    "online direct": Call(
        lambda: _online("direct", 20, weights=W),
        lambda: _online("direct", EVER, weights=W),
    ),
    "online in law": Call(
        lambda: _online("in_law", 200, overlaps=M, student_overlaps=Q, d=10**4),
        lambda: _online("in_law", EVER, overlaps=M, student_overlaps=Q, d=10**4),
    ),
    "online marginal": Call(
        lambda: _online("marginal", 200, overlaps=M0[:64], d=10**6),
        lambda: _online("marginal", EVER, overlaps=M0, d=10**6),
    ),
    "empirical": Call(
        lambda: hf.solve(EMPIRICAL, weights=W_SAMPLE, t_end=0.1),
        lambda: hf.solve(
            EMPIRICAL, weights=W_SAMPLE, method="rk4", step=1e-6, t_end=1e3, max_steps=EVER
        ),
    ),
    "fixed points": Call(
        lambda: hf.fixed_points(hf.CorrelationFlow(hf.Orthonormal(k=3), hf.hermite(3))),
        lambda: hf.fixed_points(MIXED, max_orbits=10**7),
    ),
    "sweep threads": Call(lambda: _sweep("threads", 4), lambda: _sweep("threads", 2000)),
    "sweep processes": Call(lambda: _sweep("threads", 4), lambda: _sweep("processes", 2000)),
}


def digest(result: Any) -> str:
    """Return a digest of every array and number of a result."""
    found = hashlib.sha256()

    def add(value: Any) -> None:
        if isinstance(value, np.ndarray):
            found.update(f"{value.dtype.str}{value.shape}".encode())
            found.update(np.ascontiguousarray(value).tobytes())
        elif dataclasses.is_dataclass(value) and not isinstance(value, type):
            for field in dataclasses.fields(value):
                add(getattr(value, field.name))
        elif isinstance(value, dict):
            for key in value:
                add(key)
                add(value[key])
        elif isinstance(value, list | tuple):
            for item in value:
                add(item)
        elif hasattr(value, "to_dict"):
            add(value.to_dict())
        else:
            found.update(repr(value).encode())

    add(result)
    return found.hexdigest()


def short(name: str) -> str:
    """Return the digest of a short run."""
    return digest(CALLS[name].short())
