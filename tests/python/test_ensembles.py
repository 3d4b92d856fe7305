"""solve_ensemble against solve: the same neurons, counted."""

import math
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import hermiteflow as hf

K, N, D = 6, 3000, 10**6
EVENTS = {"hit": hf.HittingTime(0.5), "ladder": hf.HittingTime([1e-9, 0.3, 0.9])}
FLOW = hf.CorrelationFlow(hf.Orthonormal(k=K), hf.hermite(3))


def run(**changes: Any) -> hf.Ensemble:
    options = {"n": N, "d": D, "seed": 7, "events": EVENTS, "keep": ("hit", "status", "index")}
    return hf.solve_ensemble(FLOW, **{**options, **changes})


@pytest.fixture(scope="module")
def ensemble() -> hf.Ensemble:
    return run()


@pytest.fixture(scope="module")
def solution() -> hf.Solution:
    m0 = hf.random_overlaps(FLOW.targets, n=N, d=D, seed=7)
    return hf.solve(FLOW, overlaps=m0, events=EVENTS)


def test_it_counts_what_solve_returns(ensemble: hf.Ensemble, solution: hf.Solution) -> None:
    table = np.zeros((len(hf.Status), K + 1), dtype=int)
    for status, index in zip(solution.status, solution.index, strict=True):
        table[status, index] += 1
    np.testing.assert_array_equal(ensemble.counts, table)
    assert ensemble.counts[hf.Status.no_escape, K] > 0  # the lost ones of an odd degree
    np.testing.assert_array_equal(ensemble.kept["hit"], solution.events["hit"])
    np.testing.assert_array_equal(ensemble.kept["status"], solution.status)
    np.testing.assert_array_equal(ensemble.kept["index"], solution.index)
    assert ensemble.success
    assert ensemble.by_status() == solution.counts()


@pytest.mark.parametrize("q", [0.0, 0.01, 0.3, 0.5, 0.9, 0.98, 1.0])
def test_quantiles_to_one_in_a_thousand(
    ensemble: hf.Ensemble, solution: hf.Solution, q: float
) -> None:
    times = np.where(np.isnan(solution.events["ladder"]), np.inf, solution.events["ladder"])
    rank = min(max(math.ceil(q * N), 1), N) - 1
    expected = np.sort(times, axis=0)[rank]
    found = ensemble.histograms["ladder"].quantile(q)
    assert isinstance(found, np.ndarray)
    assert found[0] == 0.0  # every start is above 1e-9
    late = np.isfinite(expected) & (expected > 0)
    np.testing.assert_allclose(found[late], expected[late], rtol=1e-3)
    np.testing.assert_array_equal(np.isinf(found), np.isinf(expected))


def test_a_quantile_of_other_neurons_is_told_apart(solution: hf.Solution) -> None:
    """The twin: with another seed the median moves by more than the width of a bin."""
    other = run(seed=8).histograms["hit"].quantile(0.5)
    assert isinstance(other, float)
    assert abs(other / np.nanmedian(solution.events["hit"]) - 1) > 1e-3


@pytest.mark.parametrize(
    "changes", [{"chunk": 1}, {"chunk": 997, "n_threads": 1}, {"n_threads": 3}]
)
def test_neither_chunks_nor_threads_matter(ensemble: hf.Ensemble, changes: dict[str, Any]) -> None:
    n = 200 if changes.get("chunk") == 1 else N
    first = ensemble if n == N else run(n=n)
    other = run(n=n, **changes)
    np.testing.assert_array_equal(first.counts, other.counts)
    np.testing.assert_array_equal(first.kept["hit"], other.kept["hit"])
    for name, histogram in first.histograms.items():
        np.testing.assert_array_equal(histogram.counts, other.histograms[name].counts)
        np.testing.assert_array_equal(histogram.never, other.histograms[name].never)


def test_second_layer_and_general_gram_go_by_chunks() -> None:
    targets = hf.random_index_vectors(k=3, d=20, seed=0)
    a = np.linspace(-2.0, 2.0, 50)
    flow = hf.CorrelationFlow(targets, hf.hermite(4), second_layer=a)
    found = hf.solve_ensemble(flow, n=50, d=20, seed=1, chunk=7, t_end=5.0, keep=("t_final",))
    m0 = hf.random_overlaps(targets, n=50, d=20, seed=1)
    sol = hf.solve(flow, overlaps=m0, t_end=5.0)
    np.testing.assert_array_equal(found.kept["t_final"], sol.t_final)
    np.testing.assert_array_equal(
        found.counts.sum(axis=1), np.bincount(sol.status, minlength=len(hf.Status))
    )


def test_failures_are_counted_and_warned_of() -> None:
    with pytest.warns(hf.SolveWarning, match="of 100 neurons: [0-9]+ max_steps"):
        found = run(n=100, max_steps=2)
    assert not found.success
    lost = found.counts[hf.Status.no_escape].sum()
    assert found.counts[hf.Status.max_steps].sum() == 100 - lost


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"n": 0}, ValueError, "n must be an integer of at least 1"),
        ({"d": 5}, ValueError, "d must be at least"),
        ({"d": 10**19}, ValueError, "d must be"),
        ({"keep": "hit"}, TypeError, "keep must be a sequence"),
        ({"keep": ("hitt",)}, ValueError, "did you mean 'hit'"),
        ({"chunk": 0}, ValueError, "chunk must be an integer of at least 1"),
        ({"rtol": -1.0}, ValueError, "rtol must be"),
        ({"events": {"x": 1}}, TypeError, r"events\['x'\]"),
        ({"method": "rk4"}, ValueError, "step must be given"),
        ({"t_end": -1.0}, ValueError, "t_end must be"),
    ],
)
def test_bad_input(changes: dict[str, Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        run(**changes)
    with pytest.raises(TypeError, match="flow must be a CorrelationFlow"):
        hf.solve_ensemble(3, n=1, d=100)  # type: ignore[arg-type]


def test_memory_does_not_grow_with_n(tmp_path: Path) -> None:
    """A run of 2e6 neurons stays within the memory of one of 2e5; the arrays would take 100 MB."""
    script = tmp_path / "run.py"
    script.write_text(
        "import resource, sys, hermiteflow as hf\n"
        "flow = hf.CorrelationFlow(hf.Orthonormal(k=2), hf.hermite(4))\n"
        "hf.solve_ensemble(flow, n=int(sys.argv[1]), d=100, seed=0, rtol=1e-4, chunk=20_000,\n"
        "                  t_end=1e-3)\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)\n"
    )
    peaks = [
        int(subprocess.run([sys.executable, script, n], capture_output=True, check=True).stdout)
        for n in ("200000", "2000000")
    ]
    assert peaks[1] - peaks[0] < 10_000  # KiB
