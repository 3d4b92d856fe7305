"""Index vectors, events and random starts under arbitrary arguments."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
from harness import Case, runs_of, unchecked
from hypothesis import strategies as st
from problems import ball, unit_rows
from references import Array, close, doubles
from strategies import Strategy, anything, in_any_form

import hermiteflow as hf

TARGETS = {
    "Orthonormal": (hf.Orthonormal(k=2), np.eye(2)),
    "Equiangular": (hf.Equiangular(k=2, beta=0.6), np.array([[1.0, 0.6], [0.6, 1.0]])),
    "IndexVectors": (hf.IndexVectors(gram=[[1.0, 0.6], [0.6, 1.0]]),
                     np.array([[1.0, 0.6], [0.6, 1.0]])),
}  # fmt: skip
COUNTS = st.sampled_from([1, 2, 3, 2.0, np.int8(3), np.uint64(2), np.float32(4.0), np.array(3)])
DIMENSIONS = st.sampled_from([3, 4, 7, 5.0, np.int16(6), np.array(3.0)])
SEEDS = st.integers(0, 2**128) | st.sampled_from([0, 1.0, np.uint8(3), np.array(4)])


# ------------------------------------------------------------------ index vectors


def check_gram(wanted: Array) -> Any:
    def check(answer: hf.Targets, **arguments: object) -> None:
        close(answer.gram, wanted)
        close(answer.factor @ answer.factor.T, wanted)

    return check


def check_equiangular(answer: hf.Equiangular, k: Any, beta: Any) -> None:
    wanted = np.full((int(k), int(k)), float(beta))
    np.fill_diagonal(wanted, 1.0)
    close(answer.gram, wanted)
    close(answer.factor @ answer.factor.T, wanted)


def check_given(answer: hf.IndexVectors, V: Any) -> None:
    rows = doubles(V)
    rows = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    close(answer.gram, rows @ rows.T, atol=1e-9)


def check_given_gram(answer: hf.IndexVectors, gram: Any) -> None:
    close(answer.gram, doubles(gram), atol=1e-6)
    close(answer.factor @ answer.factor.T, doubles(gram), atol=1e-6)


def check_vectors(answer: Array, d: Any, gram: Array) -> None:
    assert answer.shape == (2, int(d))
    close(answer @ answer.T, gram)


def grams() -> Strategy:
    return unit_rows(3, 3).map(lambda v: _symmetric(v @ v.T))


def _symmetric(matrix: Array) -> Array:
    matrix = 0.5 * (matrix + matrix.T)
    np.fill_diagonal(matrix, 1.0)
    return matrix


def _of_each() -> list[Case]:
    cases = []
    for name, (targets, gram) in TARGETS.items():
        inverse = np.linalg.inv(gram)
        cases += [
            Case(f"{name}.vectors", lambda d, t=targets: t.vectors(d), {"d": DIMENSIONS},
                 lambda answer, d, g=gram: check_vectors(answer, d, g),
                 spoilt={"d": anything(large=False)}, share=0.5),
            Case(f"{name}.check_dimension", lambda d, t=targets: t.check_dimension(d),
                 {"d": DIMENSIONS}, unchecked, share=0.5),
            Case(f"{name}.squared_projection", lambda overlaps,
                t=targets: t.squared_projection(overlaps),
                 {"overlaps": in_any_form(ball(3, 2))},
                 lambda answer, overlaps, g=inverse: close(
                     answer, np.einsum("ij,jk,ik->i", doubles(overlaps), g, doubles(overlaps))),
                 share=0.5),
        ]  # fmt: skip
    return cases


# ------------------------------------------------------------------ events


def check_levels(answer: Any, level: Any, terminal: Any) -> None:
    assert answer.levels == tuple(np.atleast_1d(doubles(level)).tolist())
    assert answer.terminal is bool(terminal)
    assert (np.ndim(np.asarray(level)) == 0) == isinstance(answer.level, float)


LEVELS = st.sampled_from([
    0.5, 1, np.float32(0.25), [0.1, 0.5], (0.1, 1.0), np.array([5e-324, 1.0]), [1],
    np.array(0.5),
])  # fmt: skip
FALLING = LEVELS.map(
    lambda level: np.asarray(level, dtype=float)[..., ::-1] if np.ndim(level) else level
)
FLAGS = st.booleans() | st.sampled_from([np.True_, np.False_])


# ------------------------------------------------------------------ starts


def check_unit(answer: Array, n: Any, d: Any, seed: Any) -> None:
    assert answer.shape == (int(n), int(d))
    close(np.linalg.norm(answer, axis=1), np.ones(int(n)))
    _repeatable(answer, hf.random_weights(n=n, d=d, seed=seed), seed)


def check_overlaps(answer: Array, targets: hf.Targets, n: Any, d: Any, seed: Any) -> None:
    assert answer.shape == (int(n), targets.k)
    assert np.all(targets.squared_projection(answer) <= 1.0 + 1e-12)
    _repeatable(answer, hf.random_overlaps(targets, n=n, d=d, seed=seed), seed)


def check_parameters(answer: Any, targets: hf.Targets, n: Any, d: Any, seed: Any) -> None:
    M, Q = answer
    whole = np.block([[Q, M], [M.T, targets.gram]])
    assert M.shape == (int(n), targets.k)
    assert np.all(np.diag(Q) == 1.0)
    assert np.linalg.eigvalsh(whole)[0] > -1e-12
    _repeatable(M, hf.random_order_parameters(targets, n=n, d=d, seed=seed)[0], seed)


def check_random_vectors(answer: hf.IndexVectors, k: Any, d: Any, seed: Any) -> None:
    assert answer.k == int(k)
    assert answer.rank == min(int(k), int(d))
    _repeatable(answer.gram, hf.random_index_vectors(k=k, d=d, seed=seed).gram, seed)


def _repeatable(first: Array, second: Array, seed: Any) -> None:
    fixed = seed is not None and not isinstance(seed, np.random.Generator)
    assert not fixed or np.array_equal(first, second)


ANY_TARGETS = st.sampled_from([targets for targets, _ in TARGETS.values()])
HUGE = DIMENSIONS | st.sampled_from([10**6, 1e12, 10**18, 2**53 + 1])
MANY = anything(large=False) | st.sampled_from([10**13, 2**62, 2**63, 10**400, 1e17, 1e300])
SEED = anything() | st.sampled_from([np.random.SeedSequence(3), np.random.default_rng(3)])

CASES = [
    Case("Orthonormal", hf.Orthonormal, {"k": COUNTS},
         lambda answer, k: check_gram(np.eye(int(k)))(answer), spoilt={"k": anything(large=False)}),
    Case("Equiangular", hf.Equiangular,
         {"k": COUNTS, "beta": st.floats(-0.3, 0.999) | st.sampled_from([0, Fraction(1, 3),
             5e-324])},
         check_equiangular, spoilt={"k": anything(large=False)}, says={"k": r"\bk\b|beta"}),
    Case("IndexVectors", hf.IndexVectors, {"V": in_any_form(unit_rows(2, 3))},
        check_given,
         spoilt={"V": anything().map(lambda V: "none" if V is None else V)}),
    Case("IndexVectors", lambda gram: hf.IndexVectors(gram=gram), {"gram": in_any_form(grams())},
         check_given_gram),
    *_of_each(),
    Case("HittingTime", hf.HittingTime, {"level": LEVELS, "terminal": FLAGS}, check_levels),
    Case("LossLevel", hf.LossLevel, {"level": FALLING, "terminal": FLAGS}, check_levels),
    Case("Converged", hf.Converged, {"tol": st.floats(1e-13, 1e-2), "terminal": FLAGS},
         lambda answer, tol, terminal: close([answer.tol], [float(tol)])),
    Case("random_weights", hf.random_weights, {"n": COUNTS, "d": DIMENSIONS, "seed": SEEDS},
        check_unit,
         spoilt={"n": MANY, "d": MANY, "seed": SEED}),
    Case("random_overlaps", hf.random_overlaps,
         {"targets": ANY_TARGETS, "n": COUNTS, "d": HUGE, "seed": SEEDS}, check_overlaps,
         spoilt={"n": MANY, "seed": SEED}),
    Case("random_order_parameters", hf.random_order_parameters,
         {"targets": ANY_TARGETS, "n": COUNTS, "d": HUGE, "seed": SEEDS}, check_parameters,
         spoilt={"n": MANY, "seed": SEED}),
    Case("random_index_vectors", hf.random_index_vectors,
         {"k": COUNTS, "d": HUGE, "seed": SEEDS}, check_random_vectors,
         spoilt={"k": MANY, "seed": SEED}),
]  # fmt: skip

test_case = runs_of(CASES)
