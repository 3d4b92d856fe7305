"""Losses, gradients, fields and Hessians under arbitrary arguments."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from harness import Case, runs_of, unchecked
from hypothesis import strategies as st
from problems import LINKS, TARGETS, D, Problem, ball, problems, unit_rows, weights
from references import (
    Array,
    close,
    coupled_field,
    doubles,
    loss_and_gradient,
    overlap_field,
    psi_of,
    squared_loss,
    unit,
)
from strategies import Strategy, anything, in_any_form

import hermiteflow as hf

#: float16 and float32 rows have unit norm within what is accepted only.
LOOSE = 2e-5
FIXED = {"problem": None}
N = 2


def _exact(answer: object, wanted: object, W: Any) -> None:
    rows = doubles(W)
    given = np.max(np.abs(np.linalg.norm(rows, axis=1) - 1.0)) < 1e-15
    close(answer, wanted, rtol=1e-10 if given else LOOSE, atol=1e-10 if given else LOOSE)


def _close(answer: object, wanted: object, W: Any, constrained: bool) -> None:
    if constrained:
        _exact(answer, wanted, W)
    else:
        close(answer, wanted, rtol=1e-8, atol=1e-8)


# ------------------------------------------------------------------ the correlation loss


def check_correlation(part: int) -> Any:
    def check(answer: Any, problem: Problem, W: Any) -> None:
        rows = unit(doubles(W))
        V = problem.V[:, : rows.shape[1]]
        if rows.shape[1] > D:  # given vectors have d = 3, so others are [I, 0]
            V = np.pad(problem.V, ((0, 0), (0, rows.shape[1] - D)))
        wanted = loss_and_gradient(
            rows,
            V,
            problem.a(len(rows)),
            problem.b,
            problem.student,
            problem.teacher,
            squared=False,
        )
        _exact(answer, wanted[part], W)

    return check


def check_overlaps(answer: Array, problem: Problem, W: Any) -> None:
    rows = doubles(W)
    V = np.zeros((problem.k, rows.shape[1]))
    width = min(D, rows.shape[1])
    V[:, :width] = problem.V[:, :width]
    _exact(answer, rows @ V.T, W)


def check_field(answer: Array, problem: Problem, M: Any) -> None:
    rows = np.clip(doubles(M), -1.0, 1.0)
    slope = psi_of(problem.student, problem.teacher, 1)
    wanted = overlap_field(rows, problem.V @ problem.V.T, problem.a(len(rows)), problem.b, slope)
    loose = {"rtol": LOOSE, "atol": LOOSE} if np.any(rows != doubles(M)) else {}
    close(answer, wanted, **loose)


def check_loss_at(answer: float, problem: Problem, M: Any) -> None:
    rows = np.clip(doubles(M), -1.0, 1.0)
    each = psi_of(problem.student, problem.teacher)(rows) @ problem.b
    close(answer, -problem.a(len(rows)) @ each, rtol=LOOSE, atol=LOOSE)


def check_hessian(answer: hf.Hessian, problem: Problem, overlaps: Any, d: Any) -> None:
    """The trace and the extremes of (11) on the tangent space, in R^3."""
    m = doubles(overlaps)
    a = 1.0 if problem.layer is None else float(problem.layer[0])
    first = a * problem.b * psi_of(problem.student, problem.teacher, 1)(m)
    second = a * problem.b * psi_of(problem.student, problem.teacher, 2)(m)
    inside = np.linalg.lstsq(problem.V, m, rcond=None)[0]
    rest = max(1.0 - float(inside @ inside), 0.0)
    w = np.append(inside, np.sqrt(rest))
    V = np.pad(problem.V, ((0, 0), (0, 1)))
    H = float(m @ first) * np.eye(4) - V.T @ (second[:, None] * V)
    P = np.eye(4) - np.outer(w, w)
    tangent = np.linalg.svd(P)[0][:, :3]
    values = np.linalg.eigvalsh(tangent.T @ P @ H @ P @ tangent)
    found = np.append(answer.eigenvalues, answer.outside_eigenvalue)
    scale = max(answer.scale, 1e-300)
    assert abs(values[0] - found.min()) < 1e-6 * scale
    assert abs(values[-1] - found.max()) < 1e-6 * scale


def check_neurons(answer: Any, problem: Problem, n: Any) -> None:
    if answer is None:
        assert problem.layer is None
    else:
        wanted = np.ones(int(n)) if problem.layer is None else problem.layer
        assert np.array_equal(answer, wanted)


def check_flow(answer: Any, targets: Any, link: Any, student: Any, second_layer: Any,
               target_weights: Any) -> None:  # fmt: skip
    assert answer.interaction == hf.Interaction(link, student)
    if second_layer is not None:
        close(answer.second_layer, np.atleast_1d(doubles(second_layer)))
    if target_weights is not None:
        close(answer.target_weights, doubles(target_weights))


# ------------------------------------------------------------------ the squared loss


def _M(W: str) -> Any:
    return lambda arguments: in_any_form(st.just(arguments[W] @ arguments["problem"].V.T))


def _Q(W: str) -> Any:
    def gram(arguments: Mapping[str, Any]) -> Strategy:
        Q = arguments[W] @ arguments[W].T
        Q = 0.5 * (Q + Q.T)
        np.fill_diagonal(Q, 1.0)
        return in_any_form(st.just(Q))

    return gram


def _a(problem: Problem, n: int, second_layer: Any) -> Array:
    return problem.a(n) if second_layer is None else doubles(second_layer)


def check_squared(part: int, constrained: bool) -> Any:
    def check(answer: Any, problem: Problem, W: Any, second_layer: Any) -> None:
        rows = unit(doubles(W)) if constrained else doubles(W)
        if not constrained and np.max(np.abs(rows)) > 1e3:
            return  # the quadrature of the reference loses its digits
        V = np.zeros((problem.k, rows.shape[1]))
        V[:, : min(D, rows.shape[1])] = problem.V[:, : rows.shape[1]]
        wanted = loss_and_gradient(
            rows, V, _a(problem, len(rows), second_layer), problem.b, problem.student,
            problem.teacher, squared=True, constrained=constrained,
        )[part]  # fmt: skip
        _close(answer, wanted, W, constrained)

    return check


def check_squared_field(
    answer: Any, problem: Problem, W: Array, M: Any, Q: Any, second_layer: Any
) -> None:
    a = _a(problem, len(W), second_layer)
    slopes = (
        psi_of(problem.student, problem.teacher, 1),
        psi_of(problem.student, problem.student, 1),
    )
    m, q = np.clip(doubles(M), -1, 1), np.clip(doubles(Q), -1, 1)
    wanted = coupled_field(m, q, problem.V @ problem.V.T, a, problem.b, *slopes)
    for found, right in zip(answer, wanted, strict=True):
        close(found, right, rtol=LOOSE, atol=1e-5)


def check_loss_of(
    answer: float, problem: Problem, W: Array, M: Any, Q: Any, second_layer: Any
) -> None:
    a = _a(problem, len(W), second_layer)
    G = problem.V @ problem.V.T
    m, q = np.clip(doubles(M), -1, 1), np.clip(doubles(Q), -1, 1)
    wanted = squared_loss(m, q, G, a, problem.b, problem.student, problem.teacher)
    close(answer, wanted, rtol=LOOSE, atol=1e-5)


def check_student_overlaps(answer: Array, problem: Problem, W: Any) -> None:
    rows = doubles(W)
    wanted = rows @ rows.T
    np.fill_diagonal(wanted, 1.0)
    _exact(answer, wanted, W)


def check_squared_hessian(answer: hf.SquaredHessian, **arguments: Any) -> None:
    assert np.isfinite(answer.eigenvalues).all()
    assert answer.kind in ("minimum", "saddle", "maximum", "degenerate")
    assert answer.morse_index >= 0


def check_matrix(answer: hf.SquaredHessian, problem: Problem, W: Any) -> None:
    """The trace against second differences of the loss along great circles."""
    check_squared_hessian(answer)
    rows = unit(doubles(W))
    flow, total, h = problem.squared(), 0.0, 1e-3
    for i in range(len(rows)):
        for axis in np.linalg.svd(rows[i : i + 1])[2][1:]:
            ends = []
            for turn in (h, -h):
                moved = rows.copy()
                moved[i] = np.cos(turn) * rows[i] + np.sin(turn) * axis
                ends.append(flow.loss(moved))
            total += (ends[0] - 2.0 * flow.loss(rows) + ends[1]) / h**2
    found = float(np.sum(answer.eigenvalues)) + float(
        np.sum(answer.outside_eigenvalues) * (answer.outside_count or 0)
    )
    assert abs(found - total) < 1e-2 * max(1.0, answer.scale)


# ------------------------------------------------------------------ samples

SAMPLE = np.random.default_rng(0).standard_normal((7, D))


def _empirical(problem: Problem, loss: str, constrained: bool, **options: Any) -> hf.EmpiricalFlow:
    return hf.EmpiricalFlow(
        problem.targets, problem.link, options.pop("X", SAMPLE), loss=loss, constrained=constrained,
        **problem.options(), **options,
    )  # fmt: skip


def check_empirical(part: int, loss: str, constrained: bool) -> Any:
    def check(answer: Any, problem: Problem, W: Any) -> None:
        rows = doubles(W)
        if not constrained and np.max(np.abs(rows)) > 1e3:
            return
        sample = (SAMPLE, np.full(len(SAMPLE), 1.0 / len(SAMPLE)))
        wanted = loss_and_gradient(
            unit(rows) if constrained else rows, problem.V, problem.a(len(rows)), problem.b,
            problem.student, problem.teacher, squared=loss == "squared", constrained=constrained,
            sample=sample,
        )[part]  # fmt: skip
        _close(answer, wanted, W, constrained)

    return check


def check_sample(answer: hf.EmpiricalFlow, problem: Problem, X: Any, y: Any) -> None:
    sample = doubles(X)
    W = np.eye(N, sample.shape[1])
    labels = None if y is None else doubles(y)
    if np.max(np.abs(sample)) > 1e30 or (labels is not None and np.max(np.abs(labels)) > 1e100):
        return
    V = np.zeros((problem.k, sample.shape[1]))
    width = min(D, sample.shape[1])
    V[:, :width] = problem.V[:, :width]
    wanted = loss_and_gradient(
        W, V, problem.a(N), problem.b, problem.student, problem.teacher, squared=False,
        sample=(sample, np.full(len(sample), 1.0 / len(sample))), labels=labels,
    )[0]  # fmt: skip
    close(answer.loss(W), wanted, rtol=1e-9, atol=1e-9)


def check_layer_gradient(answer: Any, problem: Problem, W: Any) -> None:
    flow, rows = _empirical(problem, "squared", True, train_second_layer=True), unit(doubles(W))
    a, steps = problem.a(len(rows)), np.eye(len(rows))  # the loss is quadratic in a
    wanted = [(flow.loss(rows, a + step) - flow.loss(rows, a - step)) / 2 for step in steps]
    close(answer, np.array(wanted), rtol=1e-8, atol=1e-8)


def check_with_sample(answer: Any, problem: Problem, X: Any) -> None:
    assert np.array_equal(np.asarray(answer.X, float), np.asarray(X, float))


PROBLEM: dict[str, Any] = {"problem": problems(N)}
WEIGHTS = {**PROBLEM, "W": weights(N)}
BALL = {**PROBLEM, "M": lambda a: in_any_form(ball(N, a["problem"].k))}
FREE = {**PROBLEM, "W": in_any_form(st.lists(st.floats(-2, 2), min_size=6, max_size=6).map(
    lambda x: np.array(x).reshape(2, 3)))}  # fmt: skip
LAYER = st.none() | in_any_form(st.just(np.array([0.5, -1.0])))
PARAMETERS = {**PROBLEM, "W": unit_rows(N), "M": _M("W"), "Q": _Q("W"), "second_layer": LAYER}
KEPT = {"problem": None, "W": None}
MIXED = r"second_layer must have one entry|^d must be|rank\(G\)|range of the Gram"
THREADS = st.sampled_from([None, 1, 2, 2.0, np.int8(1)])
CASES = [
    Case("CorrelationFlow", lambda **o: hf.CorrelationFlow(o.pop("targets"), o.pop("link"), **o),
         {"targets": st.sampled_from([t for t, _ in TARGETS if t.k == 2]),
          "link": st.sampled_from([link for link, _ in LINKS]),
          "student": st.none() | st.just(hf.link("relu")),
          "second_layer": st.none() | in_any_form(ball(1, 3).map(np.ravel)) | st.floats(-1, 1),
          "target_weights": st.none() | in_any_form(ball(1, 2).map(np.ravel))}, check_flow,
         says={"targets": "targets|target_weights"}),
    Case("SquaredFlow", lambda **o: hf.SquaredFlow(o.pop("targets"), o.pop("link"), **o),
         {"targets": st.sampled_from([t for t, _ in TARGETS if t.k == 2]),
          "link": st.sampled_from([link for link, _ in LINKS]),
          "student": st.none() | st.just(hf.link("relu")),
          "second_layer": st.none() | in_any_form(ball(1, 3).map(np.ravel)) | st.floats(-1, 1),
          "target_weights": st.none() | in_any_form(ball(1, 2).map(np.ravel))}, check_flow,
         says={"targets": "targets|target_weights"}),
    Case("SquaredFlow", lambda **o: hf.SquaredFlow(hf.Orthonormal(2), hf.hermite(3), **o),
         {"constrained": st.booleans(), "train_second_layer": st.booleans()},
         lambda answer, constrained, train_second_layer: None, share=0.5),
    Case("CorrelationFlow.loss", lambda problem, W, n_threads: problem.correlation().loss(
        W, n_threads=n_threads), {**WEIGHTS, "n_threads": THREADS},
         lambda answer, problem, W, n_threads: check_correlation(0)(answer, problem, W),
         spoilt=FIXED, says={"W": r"\bW\b|" + MIXED}),
    Case("CorrelationFlow.gradient", lambda problem, W: problem.correlation().gradient(W), WEIGHTS,
         check_correlation(1), spoilt=FIXED, says={"W": r"\bW\b|" + MIXED}),
    Case("CorrelationFlow.overlaps", lambda problem, W: problem.correlation().overlaps(W), WEIGHTS,
         check_overlaps, spoilt=FIXED, says={"W": r"\bW\b|" + MIXED}),
    Case("CorrelationFlow.field", lambda problem, M: problem.correlation().field(M),
         BALL, check_field, spoilt=FIXED, says={"M": r"\bM\b|" + MIXED}),
    Case("CorrelationFlow.loss_of", lambda problem, M: problem.correlation().loss_of(M),
         BALL, check_loss_at, spoilt=FIXED, says={"M": r"\bM\b|" + MIXED}),
    Case("CorrelationFlow.hessian", lambda problem, overlaps, d: problem.correlation().hessian(
        overlaps, d),
         {"problem": problems(1),
          "overlaps": lambda a: in_any_form(unit_rows(1).map(lambda w: w[0] @ a["problem"].V.T)),
          "d": st.sampled_from([None, 4, 7, 1e6])}, check_hessian, spoilt=FIXED),
    Case("CorrelationFlow.neurons", lambda problem, n: problem.correlation().neurons(n),
         {**PROBLEM, "n": st.sampled_from([2, 2.0, np.int8(2)])}, check_neurons,
         spoilt={**FIXED, "n": anything(large=False)}, says={"n": r"\bn\b"}),
    Case("SquaredFlow.loss", lambda problem, W, second_layer: problem.squared().loss(
        W, second_layer), {**WEIGHTS, "second_layer": LAYER}, check_squared(0, True), spoilt=FIXED,
         says={"W": r"\bW\b|" + MIXED + "|second_layer"}),
    Case("SquaredFlow.gradient", lambda problem, W, second_layer: problem.squared().gradient(
        W, second_layer), {**WEIGHTS, "second_layer": LAYER}, check_squared(1, True), spoilt=FIXED,
         says={"W": r"\bW\b|" + MIXED + "|second_layer"}),
    Case("SquaredFlow.loss", lambda problem, W,
        second_layer: problem.squared(constrained=False).loss(
        W, second_layer), {**FREE, "second_layer": LAYER}, check_squared(0, False), spoilt=FIXED,
         says={"W": r"\bW\b|" + MIXED + "|second_layer"}),
    Case("SquaredFlow.gradient",
         lambda problem, W, second_layer: problem.squared(constrained=False).gradient(W,
         second_layer),
         {**FREE, "second_layer": LAYER}, check_squared(1, False), spoilt=FIXED,
         says={"W": r"\bW\b|" + MIXED + "|second_layer"}),
    Case("SquaredFlow.overlaps", lambda problem, W: problem.squared().overlaps(W), WEIGHTS,
         check_overlaps, spoilt=FIXED, says={"W": r"\bW\b|" + MIXED}, share=0.5),
    Case("SquaredFlow.student_overlaps", lambda problem, W: problem.squared().student_overlaps(W),
         WEIGHTS, check_student_overlaps, spoilt=FIXED),
    Case("SquaredFlow.field", lambda problem, W, M, Q, second_layer: problem.squared().field(
        M, Q, second_layer), PARAMETERS, check_squared_field, spoilt=KEPT,
         says={"M": r"\b[MQ]\b|" + MIXED}),
    Case("SquaredFlow.loss_of", lambda problem, W, M, Q, second_layer: problem.squared().loss_of(
        M, Q, second_layer), PARAMETERS, check_loss_of, spoilt=KEPT,
            says={"M": r"\b[MQ]\b|" + MIXED}),
    Case("SquaredFlow.hessian", lambda problem, W: problem.squared().hessian(W), WEIGHTS,
         check_matrix, spoilt=FIXED, says={"W": r"\bW\b|" + MIXED}),
    Case("SquaredFlow.hessian_of", lambda problem, W, M, Q, d: problem.squared().hessian_of(M, Q,
        d),
         {**{k: v for k, v in PARAMETERS.items() if k != "second_layer"},
          "d": lambda a: st.sampled_from(
              [None, 3] if isinstance(a["problem"].targets, hf.IndexVectors) else [None, 4, 1e6])},
         check_squared_hessian, spoilt=KEPT, says={"M": r"\b[MQ]\b|" + MIXED}),
    Case("SquaredFlow.neurons", lambda problem, n: problem.squared().neurons(n),
         {**PROBLEM, "n": st.sampled_from([2, 2.0, np.int8(2)])}, check_neurons,
         spoilt={**FIXED, "n": anything(large=False)}, says={"n": r"\bn\b"}, share=0.5),
    Case("SquaredFlow.check_series", lambda problem, rtol: problem.squared().check_series(rtol),
         {**PROBLEM, "rtol": st.floats(1e-13, 0.1)}, unchecked, spoilt=FIXED, share=0.5),
    *[Case(f"EmpiricalFlow.{name}",
           lambda problem, W, name=name, loss=loss, bound=bound: getattr(
               _empirical(problem, loss, bound), name)(W),
           WEIGHTS if bound else FREE, check_empirical(part, loss, bound), spoilt=FIXED,
           says={"W": r"\bW\b|" + MIXED}, share=0.7)
      for part, name in enumerate(["loss", "gradient"])
      for loss, bound in [("correlation", True), ("squared", True), ("squared", False)]],
    Case("EmpiricalFlow.overlaps", lambda problem, W: _empirical(problem, "squared",
        True).overlaps(W),
         WEIGHTS, check_overlaps, spoilt=FIXED, says={"W": r"\bW\b|" + MIXED}, share=0.5),
    Case("EmpiricalFlow.layer_gradient", lambda problem, W: _empirical(problem, "squared", True,
        train_second_layer=True).layer_gradient(W),
         WEIGHTS, check_layer_gradient, spoilt=FIXED, says={"W": r"\bW\b|" + MIXED}, share=0.3),
    Case("EmpiricalFlow.with_sample", lambda problem, X: _empirical(problem, "squared",
        True).with_sample(X),
         {**PROBLEM, "X": st.just(SAMPLE)}, check_with_sample, spoilt=FIXED,
         says={"X": r"\bX\b|^d must be|on X"}, share=0.2),
    Case("EmpiricalFlow.neurons", lambda problem, n: _empirical(problem, "squared",
        True).neurons(n),
         {**PROBLEM, "n": st.sampled_from([2, 2.0, np.int8(2)])}, check_neurons,
         spoilt={**FIXED, "n": anything(large=False)}, says={"n": r"\bn\b"}, share=0.5),
    Case("EmpiricalFlow.layer", lambda problem, n: _empirical(problem, "squared", True).layer(n),
         {**PROBLEM, "n": st.sampled_from([2, 2.0, np.int8(2)])},
         check_neurons, spoilt={**FIXED, "n": anything(large=False)}, says={"n": r"\bn\b"},
             share=0.5),
    Case("EmpiricalFlow", lambda problem, X, y: _empirical(problem, "correlation", True, X=X, y=y),
         {**PROBLEM, "X": st.sampled_from([SAMPLE, SAMPLE.astype("f4"), SAMPLE[::2],
             SAMPLE.tolist()]),
          "y": st.none()}, check_sample, spoilt=FIXED, says={"X": r"\bX\b|^d must be|on X"}),
    Case("EmpiricalFlow", lambda problem, X, y: _empirical(problem, "correlation", True, X=X, y=y),
         {**PROBLEM, "X": st.just(SAMPLE), "y": in_any_form(ball(1, 7).map(np.ravel))},
         check_sample, spoilt={"problem": None, "X": None}),
    Case("EmpiricalFlow.core", lambda problem, n: type(_empirical(problem, "squared",
        True).core(n)).__name__,
         {**PROBLEM, "n": st.sampled_from([2])}, lambda answer, problem, n: None,
         spoilt={**FIXED, "n": anything(large=False)}, says={"n": r"\bn\b"}, share=0.3),
]  # fmt: skip

test_case = runs_of(CASES)
