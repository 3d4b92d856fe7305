"""Input that hypothesis found to be mishandled (tests/robustness), one plain test for each."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

import hermiteflow as hf
from hermiteflow.experiments import log_rate_bounds, statistics

H3 = hf.hermite(3)
PSI = hf.Interaction(H3)
T2 = hf.Orthonormal(k=2)
FLOW = hf.CorrelationFlow(T2, H3)
WIDE = np.longdouble("1e4000")
SPAN = np.timedelta64(3, "s")
MASKED = np.ma.masked_array(2, mask=True)
RAGGED = [[0.1], [0.1, 0.2]]
START = [[0.1, 0.2]]


def _empirical(**options: Any) -> hf.EmpiricalFlow:
    X = np.random.default_rng(0).standard_normal((9, 3))
    return hf.EmpiricalFlow(hf.Orthonormal(k=1), hf.polynomial([0, 0, 0, 1]), X, **options)


BAD: list[tuple[type[Exception], str, Callable[[], object]]] = [
    # numbers that no double holds, spans of time, masked numbers
    (ValueError, "t_end must be a number", lambda: hf.solve(FLOW, overlaps=START, t_end=10**400)),
    (ValueError, "beta must be a number", lambda: hf.Equiangular(k=2, beta=Fraction(10**400, 3))),
    (ValueError, "k must be an integer", lambda: hf.Orthonormal(k=Fraction(10**400, 3))),  # type: ignore[arg-type]
    (TypeError, "k must be an integer", lambda: hf.Orthonormal(k=SPAN)),  # type: ignore[arg-type]
    (TypeError, "k must be an integer", lambda: hf.Orthonormal(k=MASKED)),  # type: ignore[arg-type]
    (TypeError, "tol must be a number", lambda: hf.Converged(tol=SPAN)),  # type: ignore[arg-type]
    (ValueError, "M must be finite, got inf", lambda: FLOW.field(np.array([[WIDE, 0.0]]))),
    # lists that NumPy refuses
    (ValueError, "level must be an array", lambda: hf.HittingTime([[0.1], [0.1, 0.2]])),  # type: ignore[list-item]
    (ValueError, "u must be an array", lambda: PSI(RAGGED)),
    (ValueError, "x must be an array", lambda: H3(RAGGED)),
    (ValueError, "overlaps must be an array", lambda: hf.classify(FLOW, RAGGED)),
    (ValueError, "betas must be an array", lambda: hf.basin_shares(H3, 3, RAGGED)),
    # links
    (TypeError, "x must hold real numbers", lambda: H3(None)),  # type: ignore[arg-type]
    (TypeError, "x must hold real numbers", lambda: H3(1j)),
    (TypeError, "x must hold real numbers", lambda: H3.derivative("0.5")),
    (TypeError, "u must hold real numbers", lambda: PSI.reach("0.5")),
    (ValueError, "an overlap of unit vectors, got 2", lambda: PSI(2.0)),
    (TypeError, "Link", lambda: np.ones(2) * H3),
    (ValueError, "degree must be", lambda: H3.coefficients(10**15)),
    # index vectors and starts
    (TypeError, "d must be an integer", lambda: T2.check_dimension("3")),  # type: ignore[arg-type]
    (TypeError, "overlaps must hold", lambda: T2.squared_projection([["a", "b"]])),
    (ValueError, "n and d must be small enough", lambda: hf.random_weights(n=10**13, d=3)),
    (ValueError, "n and d must be small enough", lambda: hf.random_weights(n=10**400, d=3)),
    (ValueError, "n and k must be small", lambda: hf.random_overlaps(T2, n=2**63, d=3)),
    (ValueError, "k must have few enough", lambda: hf.random_index_vectors(k=10**17, d=3)),
    (TypeError, "n must be an integer", lambda: FLOW.neurons([2])),  # type: ignore[arg-type]
    (ValueError, "overlaps must be those of", lambda: FLOW.hessian([2.0, 0.0])),
    # closed forms
    (ValueError, "p must be an integer", lambda: hf.exact.orthonormal(10**400, 1.0, [0.1], 1.0)),
    (TypeError, "p must be an integer", lambda: hf.exact.orthonormal(SPAN, 1.0, [0.1], 1.0)),  # type: ignore[arg-type]
    (ValueError, "c must be a real", lambda: hf.exact.orthonormal(3, RAGGED, [0.1], 1.0)),
    (TypeError, "c must be", lambda: hf.exact.orthonormal(3, MASKED, [0.1], 1.0)),
    (ValueError, "n must hold", lambda: hf.exact.coverage_probability(RAGGED, 3)),
    (TypeError, "psi must have", lambda: hf.exact.single_index_time(None, 0.1, 0.2)),  # type: ignore[arg-type]
    (ValueError, "u0 must be 0 or", lambda: hf.exact.single_index_time(PSI, 1e-200, 0.2)),
    (ValueError, "m0 must be large enough",
     lambda: hf.exact.orthonormal(5, 1.0, [9.5e-155, -0.31, -0.9], 1.0)),
    (ValueError, "m0 must be large enough",
     lambda: hf.exact.orthonormal_hitting_time(5, 1.0, [1e-154], 0.5)),
    # statistics
    (TypeError, "confidence must be", lambda: statistics.normal_quantile(None)),  # type: ignore[arg-type]
    (TypeError, "trials must be", lambda: statistics.wilson(1, "3", confidence=0.9)),  # type: ignore[arg-type]
    (ValueError, "successes must be", lambda: statistics.wilson(4, 3, confidence=0.9)),
    (TypeError, "samples must hold", lambda: statistics.quantiles([1j], 0.5)),
    (ValueError, "samples must be finite and",
     lambda: statistics.bootstrap_mean([1.0, math.inf], confidence=0.9)),
    (TypeError, "replicates must be",
     lambda: statistics.bootstrap_quantiles([1.0], 0.5, replicates="3")),  # type: ignore[arg-type]
    (TypeError, "seed must be", lambda: statistics.bootstrap_quantiles([1.0], 0.5, seed="3")),  # type: ignore[arg-type]
    (ValueError, "y must have shape", lambda: statistics.slope([1.0, 2.0], 3.0)),
    (TypeError, "value must be",
     lambda: statistics.Interval(0.0, 0.0, 1.0).contains("0")),  # type: ignore[arg-type]
    (ValueError, "path must be without NUL", lambda: hf.load("\0")),
    (ValueError, "second_layer must be", lambda: hf.CorrelationFlow(T2, H3, second_layer=RAGGED)),
    # runs
    (TypeError, "keep must be", lambda: hf.solve_ensemble(FLOW, n=1, d=3, keep=1)),  # type: ignore[arg-type]
    (TypeError, "keep must be",
     lambda: hf.solve_ensemble(FLOW, n=1, d=3, keep=memoryview(np.eye(2)))),  # type: ignore[arg-type]
    (ValueError, "overlaps M must be those of unit vectors",
     lambda: FLOW.loss_of([[3.0] * FLOW.targets.k])),
    (ValueError, "overlaps M must be those of unit vectors",
     lambda: FLOW.field([[-3.0] * FLOW.targets.k])),
    (TypeError, "keep must be", lambda: hf.solve_ensemble(FLOW, n=1, d=3, keep=np.array("hit"))),  # type: ignore[arg-type]
    (TypeError, "families must be", lambda: hf.fixed_points(FLOW, families=np.array(1))),  # type: ignore[arg-type]
    (TypeError, "families must be",
     lambda: hf.fixed_points(FLOW, families=memoryview(np.eye(2)))),  # type: ignore[arg-type]
    (TypeError, "values['x'] must be", lambda: hf.sweep(print, {"x": np.array(1.0)})),
    (TypeError, "values['x'] must be",
     lambda: hf.sweep(print, {"x": np.ma.masked_array([1.0, 2.0], [True, False])})),
    (TypeError, "values['x'] must be", lambda: hf.sweep(print, {"x": memoryview(np.eye(2))})),
    (ValueError, "must hold Unicode text", lambda: hf.sweep(print, {"x": [0, "\0"]})),
    (ValueError, "values['x'] must hold numbers", lambda: hf.sweep(print, {"x": [0.5, 10**400]})),
    (TypeError, "ds must be", lambda: hf.plot.trajectories(3)),  # type: ignore[arg-type]
    (TypeError, "ds must be", lambda: hf.plot.bifurcation(None)),  # type: ignore[arg-type]
    (TypeError, "ds must be", lambda: hf.plot.threshold(None)),  # type: ignore[arg-type]
    (ValueError, "n_threads must be", lambda: hf.experiments.nearest(n_threads=0)),
    (ValueError, "gram must have a unit diagonal", lambda: log_rate_bounds(np.zeros((2, 2)))),
    (TypeError, "seed must be", lambda: hf.experiments.nearest(seed=SPAN)),  # type: ignore[arg-type]
    (ValueError, "overlaps must be those of", lambda: hf.classify(FLOW, [1e300, 1e300])),
    (ValueError, "n must be an integer of", lambda: hf.experiments.NearestConfig(n=10**400)),
    (ValueError, "k must be an integer", lambda: hf.Equiangular(k=10**400, beta=0.1)),
    (ValueError, "k must be an integer", lambda: hf.bifurcation_diagram(H3, 10**400, [0.0, 0.1])),
    (ValueError, "m0 must be large enough",
     lambda: hf.exact.orthonormal(4, [1.0, -0.5], [8.6e-153, 0.5], 0.5)),
    (ValueError, "n must be an integer",
     lambda: hf.experiments.NearestConfig(n=Fraction(10**400, 3))),  # type: ignore[arg-type]
]  # fmt: skip


@pytest.mark.parametrize(("error", "words", "call"), BAD, ids=[words for _, words, _ in BAD])
def test_one_line_names_the_argument(
    error: type[Exception], words: str, call: Callable[[], object]
) -> None:
    with pytest.raises(error, match=re.escape(words)) as caught:
        call()
    assert "\n" not in str(caught.value)


def test_axes_are_those_of_matplotlib() -> None:
    ds = hf.solve(FLOW, overlaps=START, save_at=[0.0, 1.0]).to_xarray()
    with pytest.raises(TypeError, match="ax must be axes of matplotlib, got 3"):
        hf.plot.trajectories(ds, ax=3)  # type: ignore[arg-type]


def test_a_link_is_infinite_where_doubles_end() -> None:
    link = hf.hermite({3: 1.0, 5: -0.5})
    x = np.array([1e200, -1e300, math.inf, math.nan, 0.0])
    np.testing.assert_array_equal(link(x), [-math.inf, math.inf, -math.inf, math.nan, 0.0])
    slope = -0.5 * math.sqrt(5.0) * math.sqrt(3.0 / 8.0) - math.sqrt(3.0 / 2.0)  # h_4(0), h_2(0)
    np.testing.assert_allclose(
        link.derivative(x), [-math.inf, -math.inf, -math.inf, math.nan, slope]
    )
    assert hf.link("exp")(1e3) == math.inf
    assert H3(WIDE) == math.inf


def test_numpy_numbers_times_a_link() -> None:
    assert (np.float64(2.0) * H3).polynomial == (H3 * np.float32(2.0)).polynomial


def test_a_float32_confidence_is_that_number() -> None:
    confidence = np.float32(0.9)
    assert statistics.dkw_band(100, confidence=confidence) == statistics.dkw_band(  # type: ignore[arg-type]
        100, confidence=float(confidence)
    )


@pytest.mark.parametrize("scale", [1e-200, 1.0, 1e200])
def test_slopes_of_the_largest_and_least_numbers(scale: float) -> None:
    x = scale * np.arange(3.0)
    np.testing.assert_allclose(statistics.slope(x, [1.0, 3.0, 5.0]), 2.0 / scale)


def test_exact_orbits_of_the_least_numbers() -> None:
    # p = 2: all but the ratio of two overlaps is lost in rounding
    end = hf.exact.orthonormal(2, [0.5, 1.0], [1e-200, 1e-200], 1000.0)
    np.testing.assert_allclose(end, [math.exp(-1000.0), 1.0], atol=1e-12)
    start = [5e-324, 1e-100]
    time = hf.exact.orthonormal_hitting_time(2, [1.0, 1.0], [5e-324, 0.0], 0.6)
    assert abs(hf.exact.orthonormal(2, 1.0, [5e-324, 0.0], time)[0] - 0.6) < 1e-9
    # decay within span(V), where no length stays
    small = math.sqrt(1.0 - 1e-2)
    decayed = hf.exact.orthonormal(3, -1.0, [small, 0.1, 1e-154], [0.0, 1.0, 1e3, math.inf])
    assert np.isfinite(decayed).all()
    assert np.isfinite(hf.exact.orthonormal(3, 1.0, start, 1e300)).all()


def test_the_time_from_the_least_number() -> None:
    relu = hf.Interaction(hf.link("relu"))
    wanted = hf.exact.single_index_time(relu, 0.0, 0.5)
    assert hf.exact.single_index_time(relu, 5e-324, 0.5) == pytest.approx(wanted, rel=1e-12)


def test_a_start_of_the_least_number_has_a_tolerance() -> None:
    flow = hf.SquaredFlow(hf.Orthonormal(k=1), H3)
    sol = hf.solve(flow, overlaps=[[1e-320]], student_overlaps=[[1.0]], t_end=0.1)
    assert sol.success


def test_steps_whose_squares_overflow_are_not_a_success() -> None:
    W = [[0.6, 0.0, 0.8], [0.0, 1.0, 0.0]]
    flow = _empirical(loss="squared")
    with pytest.warns(hf.SolveWarning, match="non_finite"):
        sol = hf.solve(flow, weights=W, t_end=1e3, method="rk4", step=1e3)
    assert sol.status == hf.Status.non_finite
    population = hf.CorrelationFlow(hf.Orthonormal(k=1), hf.polynomial([0, 0, 0, 1]))
    with pytest.warns(hf.SolveWarning, match="non_finite"):
        full = hf.solve(population, weights=W, t_end=1e17, method="rk4", step=1e17, reduce=False)
    assert full.status[0] == hf.Status.non_finite


def test_no_fixed_point_is_said_without_a_warning() -> None:
    x3 = hf.polynomial([0, 0, 0, 1])
    flow = hf.CorrelationFlow(
        T2, hf.hermite({1: -0.5, 4: 0.25}), student=x3, target_weights=[0.5, -1.0]
    )
    with pytest.raises(ValueError, match="overlaps must lie near a fixed point"):
        hf.classify(flow, [0.89442719, 0.4472136])
