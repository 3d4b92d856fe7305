"""Runs of `solve`, `solve_ensemble` and `online_sgd`, and what they return, under odd arguments."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from harness import Case, runs_of
from hypothesis import strategies as st
from problems import D, Problem, problems, unit_rows
from references import Array, close, coupled_field, doubles, overlap_field, psi_of, rk4, unit
from strategies import ODD, Strategy, anything, arrays, in_any_form, uncalled

import hermiteflow as hf

N = 2
LOOSE = 3e-5
#: Statuses that docs/solver lists, by number.
STATUSES = {int(status) for status in hf.Status}
SMALL = anything(large=False)


def _a(problem: Problem) -> Array:
    return problem.a(N)


# ------------------------------------------------------------------ fixed steps against NumPy


def _weight_field(problem: Problem) -> Any:
    """-grad of (2) for rows of unit norm."""
    slope = psi_of(problem.student, problem.teacher, 1)

    def field(W: Array) -> Array:
        pull = (_a(problem)[:, None] * problem.b * slope(W @ problem.V.T)) @ problem.V
        return np.asarray(pull - np.sum(W * pull, axis=1, keepdims=True) * W)

    return field


def _squared_weight_field(problem: Problem) -> Any:
    """-grad of (9), also for the stages of RK4, which leave the sphere."""
    slope = psi_of(problem.student, problem.teacher, 1)
    own = psi_of(problem.student, problem.student, 1)

    def field(W: Array) -> Array:
        a = _a(problem)
        D_, C = (
            np.outer(a, problem.b) * slope(W @ problem.V.T),
            np.outer(a, a) * own(np.clip(W @ W.T, -1, 1)),
        )
        np.fill_diagonal(C, 0.0)
        pull = D_ @ problem.V - C @ W
        along = np.sum(W * pull, axis=1, keepdims=True) / np.sum(W * W, axis=1, keepdims=True)
        return np.asarray(pull - along * W)

    return field


def check_status(answer: Any, n: int) -> None:
    status = np.atleast_1d(answer.status)
    assert set(status.tolist()) <= STATUSES
    assert status.size in (1, n)
    assert isinstance(answer.success, bool | np.bool_)


def check_rk4(answer: hf.Solution, problem: Problem, weights: Any, step: Any, t_end: Any) -> None:
    start, size, end = unit(doubles(weights)), float(step), float(t_end)
    check_status(answer, N)
    if np.any(answer.status != hf.Status.t_end):  # steps too many, or too long
        return
    wanted = rk4(_weight_field(problem), start, size, end, sphere=True)
    close(answer.weights, wanted, rtol=LOOSE, atol=LOOSE)
    close(answer.overlaps, wanted @ problem.V.T, rtol=LOOSE, atol=LOOSE)
    assert np.all(np.abs(answer.t_final - end) <= 1e-300)


def check_squared_rk4(
    answer: hf.SquaredSolution, problem: Problem, weights: Any, step: Any, t_end: Any
) -> None:
    start = unit(doubles(weights))
    check_status(answer, N)
    if answer.status != hf.Status.t_end:
        return
    wanted = rk4(_squared_weight_field(problem), start, float(step), float(t_end), sphere=True)
    assert answer.t_final == float(t_end)
    close(answer.student_overlaps, answer.weights @ answer.weights.T, rtol=LOOSE, atol=LOOSE)
    if float(step) <= 0.005:  # longer steps depend on how the field goes on off the sphere
        close(answer.weights, wanted, rtol=1e-3, atol=1e-3)


def _steps(flow: str) -> Any:
    def call(problem: Problem, weights: Any, step: Any, t_end: Any) -> Any:
        return hf.solve(
            getattr(problem, flow)(), weights=weights, method="rk4", step=step, t_end=t_end,
            n_threads=1,
        )  # fmt: skip

    return call


# ------------------------------------------------------------------ adaptive steps


def check_adaptive(answer: Any, problem: Problem, overlaps: Any, **options: Any) -> None:
    """Against RK4 of (4) with small steps where the time is short; else shapes and statuses."""
    start = doubles(overlaps)
    assert answer.overlaps.shape == start.shape
    check_status(answer, len(start))
    assert np.isfinite(answer.overlaps).all() or not answer.success
    times = options.get("save_at")
    if times is not None:
        assert answer.trajectory.shape == (len(start), np.size(doubles(times)), problem.k)
    for name, event in (options.get("events") or {}).items():
        assert len(answer.events[name]) == len(start)
        if isinstance(event, hf.HittingTime):
            assert np.asarray(answer.events[name]).reshape(len(start), -1).shape[1] == len(
                event.levels
            )
    end = float(options.get("t_end", math.inf))
    done = answer.status == hf.Status.t_end
    if end <= 0.5 and float(options.get("rtol") or 1e-8) <= 1e-6 and options.get("atol") is None:
        slope, G = psi_of(problem.student, problem.teacher, 1), problem.V @ problem.V.T
        a = _a(problem)
        wanted = rk4(
            lambda M: overlap_field(M, G, a, problem.b, slope), start, 0.004, end, sphere=False
        )
        close(answer.overlaps[done], wanted[done], rtol=1e-4, atol=1e-4)


def check_squared_adaptive(answer: Any, problem: Problem, W: Array, overlaps: Any,
                           student_overlaps: Any, **options: Any) -> None:  # fmt: skip
    check_status(answer, 1)
    assert answer.overlaps.shape == (N, problem.k)
    assert answer.student_overlaps.shape == (N, N)
    if float(options["t_end"]) <= 1.0 and options.get("rtol") is None:
        slopes = (
            psi_of(problem.student, problem.teacher, 1),
            psi_of(problem.student, problem.student, 1),
        )
        G, a = problem.V @ problem.V.T, _a(problem)

        def field(rows: Array) -> Array:
            M, Q = rows[:, : problem.k], rows[:, problem.k :]
            return np.hstack(coupled_field(M, Q, G, a, problem.b, *slopes))

        rows = np.hstack([doubles(overlaps), doubles(student_overlaps)])
        wanted = rk4(field, rows, 0.002, float(options["t_end"]), sphere=False)
        if answer.status == hf.Status.t_end:
            close(answer.overlaps, wanted[:, : problem.k], rtol=1e-4, atol=1e-4)
            close(answer.student_overlaps, wanted[:, problem.k :], rtol=1e-4, atol=1e-4)


# ------------------------------------------------------------------ samples

SAMPLE = np.random.default_rng(0).standard_normal((9, D))


def _empirical(problem: Problem, weights: Any, t_end: Any, step: Any) -> Any:
    flow = hf.EmpiricalFlow(
        problem.targets, problem.link, SAMPLE, loss="squared", **problem.options()
    )
    return hf.solve(flow, weights=weights, t_end=t_end, method="rk4", step=step, n_threads=1)


def check_empirical(answer: Any, problem: Problem, weights: Any, t_end: Any, step: Any) -> None:
    flow = hf.EmpiricalFlow(
        problem.targets, problem.link, SAMPLE, loss="squared", **problem.options()
    )
    check_status(answer, 1)
    assert answer.weights.shape == (N, D)
    if answer.status == hf.Status.t_end and np.isfinite(answer.weights).all():
        close(answer.loss, flow.loss(answer.weights), rtol=1e-6, atol=1e-6)
        fallen = float(answer.loss) <= flow.loss(unit(doubles(weights))) * (1.0 + 1e-4) + 1e-9
        assert fallen or float(step) > 0.005


def check_online(answer: hf.OnlineSolution, problem: Problem, steps: Any, **options: Any) -> None:
    n = np.shape(answer.overlaps)[0]
    assert set(np.unique(answer.status).tolist()) <= STATUSES
    assert np.isfinite(answer.overlaps).all()
    assert np.all(answer.steps <= int(steps))
    if answer.weights is not None:
        close(np.linalg.norm(answer.weights, axis=1), np.ones(n))
        close(answer.overlaps, answer.weights @ problem.V.T, rtol=1e-9, atol=1e-9)
    if answer.student_overlaps is not None:
        whole = np.block([[answer.student_overlaps, answer.overlaps],
                          [answer.overlaps.T, problem.V @ problem.V.T]])  # fmt: skip
        assert np.linalg.eigvalsh(whole)[0] > -1e-9


# ------------------------------------------------------------------ ensembles


def check_ensemble(answer: hf.Ensemble, n: Any, keep: Any = (), **options: Any) -> None:
    assert int(answer.counts.sum()) == int(n) == sum(answer.by_status().values())
    assert set(answer.by_status()) <= {status.name for status in hf.Status}
    for name in keep:
        assert len(answer.kept[name]) == int(n)


_TIMES = np.array([0.5, 1.0, 2.0, 4.0, math.inf])


def _histogram() -> hf.Histogram:
    flow = hf.CorrelationFlow(hf.Orthonormal(k=3), hf.hermite(4))
    many = hf.solve_ensemble(flow, n=20, d=1000, seed=0, events={"hit": hf.HittingTime(0.5)},
                             keep=["hit"], n_threads=1)  # fmt: skip
    _KEPT.append(np.sort(many.kept["hit"]))
    return many.histograms["hit"]


_KEPT: list[Array] = []
HISTOGRAM = _histogram()


def check_quantile(answer: float, q: Any) -> None:
    times = _KEPT[0]
    rank = min(max(math.ceil(float(q) * times.size), 1), times.size)
    np.testing.assert_allclose(answer, times[rank - 1], rtol=1e-3)


# ------------------------------------------------------------------ arguments


def _inside(arguments: Mapping[str, Any]) -> Strategy:
    return in_any_form(unit_rows(N).map(lambda W: W @ arguments["problem"].V.T))


def _of(W: str) -> Any:
    return lambda arguments: in_any_form(st.just(arguments[W] @ arguments["problem"].V.T))


def _gram(W: str) -> Any:
    def make(arguments: Mapping[str, Any]) -> Strategy:
        Q = arguments[W] @ arguments[W].T
        Q = 0.5 * (Q + Q.T)
        np.fill_diagonal(Q, 1.0)
        return in_any_form(st.just(Q))

    return make


EVENTS = st.sampled_from([
    None, {}, {"hit": hf.HittingTime(0.5)}, {"hit": hf.HittingTime([0.1, 0.9], terminal=True)},
    {"end": hf.Converged()}, {"x": hf.Converged(1e-3, terminal=False), "y": hf.HittingTime(1.0)},
])  # fmt: skip
ODD_EVENTS = anything() | st.dictionaries(
    st.sampled_from(["hit", "", "a/b", 1, None]),
    st.sampled_from([hf.HittingTime(0.5), hf.HittingTime(2.0), hf.LossLevel(0.1), hf.Converged(),
        3]),
)  # fmt: skip
SEEDS = st.sampled_from([0, 5, 2**100, np.random.SeedSequence(4)])
THREADS = st.sampled_from([None, 1, 2])
FIXED: dict[str, Strategy | None] = {"problem": None}
MISFIT = r"second_layer must have one entry|^d must be|range of the Gram|psi'|save_at must end|unit"
STEPS: dict[str, Any] = {
    "problem": problems(N), "weights": in_any_form(unit_rows(N)),
    "step": st.sampled_from([0.05, 0.1, np.float32(0.25), 1e-3, 0.005, 0.3]),
    "t_end": st.sampled_from([0.0, 0.1, 0.25, 1e-2]),
}  # fmt: skip
#: Longer times would be right, and slow.
SHORT = {**FIXED, "t_end": SMALL}


SOLUTION = {
    "correlation": hf.solve(hf.CorrelationFlow(hf.Orthonormal(k=2), hf.hermite(3)),
                            overlaps=[[0.1, 0.2]], save_at=[0.0, 1.0]),
    "squared": hf.solve(hf.SquaredFlow(hf.Orthonormal(k=1), hf.hermite(3)), overlaps=[[0.1]],
                        student_overlaps=[[1.0]], t_end=1.0),
    "online": hf.online_sgd(hf.CorrelationFlow(hf.Orthonormal(k=1), hf.hermite(3)),
    overlaps=[[0.1]],
                            d=9, steps=3, learning_rate=0.1, seed=0),
    "empirical": hf.solve(hf.EmpiricalFlow(hf.Orthonormal(k=1), hf.hermite(3), SAMPLE),
                          weights=np.eye(1, D), t_end=0.1),
}  # fmt: skip
ENSEMBLE = hf.solve_ensemble(
    hf.CorrelationFlow(hf.Orthonormal(k=2), hf.hermite(3)), n=5, d=50, seed=0
)
NAMES = st.text(
    st.characters(codec="utf-8", exclude_characters="/\x00"), min_size=1, max_size=40
).filter(lambda name: name not in (".", "..") and len(name.encode()) < 200)


def _round(kind: str, name: str) -> tuple[Any, bool]:
    with TemporaryDirectory() as folder:
        path = SOLUTION[kind].save(Path(folder) / name)
        return hf.load(path), path.is_file()


def check_round(answer: tuple[Any, bool], kind: str, name: str) -> None:
    assert answer == (SOLUTION[kind], True)


def check_dataset(answer: Any, kind: str) -> None:
    assert answer.sizes["neuron"] == len(SOLUTION[kind].overlaps)
    close(answer["overlaps"].values, SOLUTION[kind].overlaps)


CLASSES = {
    "correlation": "Solution", "squared": "SquaredSolution", "online": "OnlineSolution",
    "empirical": "EmpiricalSolution",
}  # fmt: skip
CASES = [
    Case("solve", _steps("correlation"), STEPS, check_rk4, spoilt=SHORT,
        says={"step": "step|max_steps"}),
    Case("solve", _steps("squared"), STEPS, check_squared_rk4, spoilt=SHORT,
         says={"step": "step|max_steps"}),
    Case("solve", lambda problem, **o: hf.solve(problem.correlation(), **o),
         {"problem": problems(N), "overlaps": _inside, "t_end": st.sampled_from([0.0, 0.5, 1.0, 2]),
          "method": st.sampled_from(["tsit5", "dopri5", "dop853"]),
          "rtol": st.sampled_from([None, 1e-6, 1e-10, np.float32(1e-7)]), "atol": st.none(),
          "events": EVENTS, "save_at": st.none() | in_any_form(st.just(np.array([0.0]))),
          "n_threads": THREADS}, check_adaptive,
         spoilt={**FIXED, "t_end": SMALL, "events": ODD_EVENTS,
                 "method": anything() | st.just("rk4")},
         says={"overlaps": "overlaps|" + MISFIT, "method": "method|step"}),
    Case("solve", lambda problem, **o: hf.solve(problem.correlation(), **o),
         {"problem": problems(N), "overlaps": _inside, "max_steps": st.sampled_from([1, 7, 200]),
          "memory_limit": st.sampled_from([None, 1e9, math.inf]), "progress": st.just(False),
          "renormalize": st.booleans()}, check_adaptive,
         spoilt={**FIXED, "max_steps": SMALL, "progress": uncalled()},
         says={"overlaps": "overlaps|" + MISFIT}),
    Case("solve", lambda problem, W, **o: hf.solve(problem.squared(), **o),
         {"problem": problems(N), "W": unit_rows(N), "overlaps": _of("W"),
          "student_overlaps": _gram("W"), "t_end": st.sampled_from([0.0, 0.1, 0.5]),
          "form": st.sampled_from(["coordinates", "order parameters"]),
          "save_at": st.none() | in_any_form(st.just(np.array([0.0]))), "rtol": st.none(),
          "max_steps": st.just(2000)},
         check_squared_adaptive, spoilt={"problem": None, "W": None, "t_end": SMALL,
             "max_steps": SMALL},
         says={"overlaps": "overlaps|" + MISFIT, "t_end": "t_end|save_at"}),
    Case("solve", _empirical, STEPS, check_empirical, spoilt=SHORT,
        says={"step": "step|max_steps"}),
    Case("solve", lambda flow: hf.solve(flow, overlaps=[[0.1]], t_end=0.1),
         {"flow": st.just(hf.CorrelationFlow(hf.Orthonormal(1), hf.hermite(3)))},
         lambda answer, flow: check_status(answer, 1), share=0.5),
    Case("solve_ensemble", lambda problem, **o: hf.solve_ensemble(problem.correlation(), **o),
         {"problem": problems(5), "n": st.just(5), "d": st.sampled_from([D]), "seed": SEEDS,
          "keep": st.sampled_from([(), ["index"], ("t_final", "status")]),
          "t_end": st.sampled_from([1.0, 5.0]), "max_steps": st.just(300),
          "chunk": st.sampled_from([None, 1, 2, 100])},
         lambda answer, problem, **o: check_ensemble(answer, **o),
         spoilt={"problem": None, "n": anything(large=False), "max_steps": SMALL, "t_end": SMALL},
         says={"n": r"\bn\b|second_layer"}),
    Case("Ensemble.by_status", lambda ensemble: ensemble.by_status(),
        {"ensemble": st.just(ENSEMBLE)},
         lambda answer, ensemble: close(sum(answer.values()), 5), spoilt={"ensemble": None},
         share=0.03),
    Case("Histogram.quantile", HISTOGRAM.quantile, {"q": st.floats(0.0, 1.0)}, check_quantile),
    *[Case("online_sgd", lambda problem, kind=kind, **o: hf.online_sgd(getattr(problem, kind)(),
        **o),
           {"problem": problems(N), "weights": in_any_form(unit_rows(N)),
            "steps": st.sampled_from([1, 3, 2.0]), "learning_rate": st.sampled_from([1e-3, 1e-300,
            5e-324]),
            "batch": st.sampled_from([1, 2, 5]), "seed": SEEDS,
            "method": st.sampled_from([None, "direct", "in_law"]),
            "save_at": st.none() | in_any_form(st.just(np.array([0.0, 1.0])))}, check_online,
           spoilt={**FIXED, "steps": SMALL, "batch": SMALL,
           "method": anything() | st.just("marginal"),
                   "learning_rate": st.sampled_from([0.0, -1.0, math.nan, math.inf, None, "1",
                   [1.0]])},
           says={"steps": "steps|save_at", "method": "method|marginal|batch"},
           refuses="psi'|marginal|d must be at least rank")
      for kind in ("correlation", "squared")],
    Case("online_sgd", lambda problem, **o: hf.online_sgd(problem.correlation(), **o),
         {"problem": problems(N), "overlaps": _inside, "d": st.sampled_from([10, 1e12, 10**18]),
          "steps": st.just(3), "learning_rate": st.just(1e-20), "seed": SEEDS,
          "method": st.just("marginal"), "events": st.none() | st.just({"x": hf.HittingTime(0.5)})},
         check_online, spoilt={"problem": None, "steps": SMALL, "events": ODD_EVENTS,
                               "learning_rate": st.sampled_from([0.0, math.nan, None])},
         says={"overlaps": "overlaps|" + MISFIT, "method": "method|student_overlaps|^d "},
         refuses="d must be 3, the dimension of V"),
    *[Case(f"{CLASSES[kind]}.to_xarray", lambda kind: SOLUTION[kind].to_xarray(),
        {"kind": st.just(kind)},
           check_dataset, spoilt={"kind": None},
               refuses="^to_xarray must be called on a solution of a",
           share=0.03) for kind in SOLUTION],
    *[Case(f"{CLASSES[kind]}.save", _round, {"kind": st.just(kind), "name": NAMES}, check_round,
           spoilt={"kind": None, "name": st.none()}, says={"name": "path|unsupported|str"},
           share=0.2)
      for kind in ("correlation", "squared", "online")],
    *[Case(f"{CLASSES[kind]}.save", lambda path, kind=kind: SOLUTION[kind].save(path),
           {"path": st.just(3)}, lambda answer, path: close(answer.is_file(), True),
           spoilt={"path": st.sampled_from([x for x in ODD if not isinstance(x, str)])},
           refuses="^path must be|^save must be called on", share=0.1) for kind in SOLUTION],
    Case("load", hf.load, {"path": st.just(3)}, lambda answer, path: close(0, 1),
         spoilt={"path": st.sampled_from([*ODD, "nowhere", "/", ".", __file__]) | arrays()},
         refuses="^path must|Errno", allowed=(ValueError, TypeError, OSError)),
    Case("load", _round, {"kind": st.just("correlation"), "name": NAMES}, check_round,
         spoilt={"kind": None, "name": None}, share=0.2),
    Case("Solution.counts", lambda kind: SOLUTION[kind].counts(), {"kind": st.just("correlation")},
         lambda answer, kind: close(sum(answer.values()), 1), spoilt={"kind": None}, share=0.03),
]  # fmt: skip

test_case = runs_of(CASES)
