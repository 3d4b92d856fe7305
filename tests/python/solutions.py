"""Solutions of every kind, and equality of all their fields."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

import hermiteflow as hf

TARGETS: dict[str, hf.Targets] = {
    "orthonormal": hf.Orthonormal(k=3),
    "equiangular": hf.Equiangular(k=3, beta=0.1),
    "gram": hf.random_index_vectors(k=3, d=9, seed=3),
    "rank deficient": hf.random_index_vectors(k=4, d=3, seed=3),
    "V": hf.IndexVectors(hf.random_weights(n=3, d=9, seed=4)),
}
N = 5


def make(targets: hf.Targets, **options: Any) -> hf.Solution:
    d = 9 if targets.rank == targets.k else 3
    flow = options.pop("flow", hf.CorrelationFlow(targets, hf.hermite({3: 1.0, 4: 0.1})))
    if options.pop("weights", False):
        start: dict[str, Any] = {"weights": hf.random_weights(n=N, d=d, seed=5)}
    else:
        start = {"overlaps": hf.random_overlaps(targets, n=N, d=d, seed=5)}
    return hf.solve(flow, **start, **options)


def everything() -> hf.Solution:
    """Everything at once: ladder, single level, convergence, trajectory, names of any kind."""
    events: dict[str, hf.HittingTime | hf.Converged] = {
        "ladder": hf.HittingTime([0.5, 0.8, 0.9999]),
        "hit": hf.HittingTime(0.7),
        "done": hf.Converged(),
        "a/b \N{GREEK SMALL LETTER BETA}": hf.HittingTime([0.6]),
        "a_b _": hf.HittingTime(0.6),
        "": hf.HittingTime(0.99),
    }
    start = hf.random_overlaps(TARGETS["orthonormal"], n=40, d=100, seed=5)
    flow = hf.CorrelationFlow(TARGETS["orthonormal"], hf.hermite(3))
    return hf.solve(flow, overlaps=start, events=events, save_at=[0.0, 2.0, 8.0, 1e4])


def fields_agree(left: hf.Solution, right: hf.Solution) -> None:
    """Field by field, so that `==` of the class is not its own judge."""
    for entry in dataclasses.fields(hf.Solution):
        a, b = getattr(left, entry.name), getattr(right, entry.name)
        pairs = [(a[name], b[name]) for name in a] if isinstance(a, dict) else [(a, b)]
        assert not isinstance(a, dict) or list(a) == list(b), entry.name
        for x, y in pairs:
            if isinstance(x, np.ndarray):
                assert x.dtype == y.dtype, entry.name
                np.testing.assert_array_equal(x, y, strict=True, err_msg=entry.name)
            else:
                assert x == y, entry.name
                assert type(x) is type(y), entry.name


def the_same(left: hf.Solution, right: hf.Solution) -> None:
    fields_agree(left, right)
    assert left == right
    assert hash(left) == hash(right)
