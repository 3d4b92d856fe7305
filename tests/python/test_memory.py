"""The memory of a result: told exactly, and refused above a limit."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import hermiteflow as hf
from hermiteflow import _core, _engine, _memory, driver

K, N, D = 3, 7, 20
FLOW = hf.CorrelationFlow(hf.Orthonormal(k=K), hf.hermite(3))
GENERAL = hf.CorrelationFlow(hf.random_index_vectors(k=K, d=D, seed=0), hf.hermite(3))
M = hf.random_overlaps(hf.Orthonormal(k=K), n=N, d=D, seed=0)
W = hf.random_weights(n=N, d=D, seed=0)
EVENTS: dict[str, Any] = {
    "a": hf.HittingTime([0.1, 0.5, 0.9]),
    "b": hf.HittingTime(0.5),
    "c": hf.Converged(),
}

CASES: dict[str, dict[str, Any]] = {
    "plain": {"overlaps": M},
    "saved": {"overlaps": M, "save_at": np.linspace(0.0, 1.0, 11)},
    "events": {"overlaps": M, "events": EVENTS},
    "weights": {"weights": W, "save_at": [0.5], "events": EVENTS},
    "all coordinates": {"weights": W, "reduce": False, "method": "rk4", "step": 0.1},
    "rk4 in span(V)": {"overlaps": M / 2, "flow": GENERAL, "method": "rk4", "step": 0.1},
}


def told(monkeypatch: pytest.MonkeyPatch, options: dict[str, Any]) -> tuple[int, int]:
    """Bytes that `solve` reckons with, and bytes of the arrays that then came to be."""
    parts: dict[str, int] = {}
    held = 0

    def core(*args: Any) -> dict[str, Any]:
        nonlocal held
        out: dict[str, Any] = solve(*args)
        held += sum(out[name].nbytes for name in ("hits", "converged", "frame"))
        return out

    solve = _core.solve
    monkeypatch.setattr(driver, "check_limit", lambda _, sizes: parts.update(sizes))
    # only what the driver itself asks of the core, not the reference flows of the ends
    for module in (driver, _engine):
        monkeypatch.setattr(module, "_core", _Core(core))
    options = {"flow": FLOW, "t_end": 1.0, **options}
    sol = hf.solve(options.pop("flow"), **options)
    arrays = [value for value in vars(sol).values() if isinstance(value, np.ndarray)]
    arrays += [times for times in sol.events.values() if times is not sol.events.get("c")]
    if options.get("reduce") is False:
        held += 8 * N  # no event can be asked for there, so one column too many is reckoned with
    return sum(parts.values()), held + sum(x.nbytes for x in arrays if x is not sol.times)


class _Core:
    """The core, with another `solve`."""

    def __init__(self, solve: Any) -> None:
        self.solve = solve

    def __getattr__(self, name: str) -> Any:
        return getattr(_core, name)


@pytest.mark.parametrize("name", CASES)
def test_the_bytes_are_those_of_the_arrays(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    expected, held = told(monkeypatch, CASES[name])
    assert expected == held


@pytest.mark.parametrize("name", CASES)
def test_the_limit_decides(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        exact, _ = told(patch, CASES[name])
    options = {"flow": FLOW, "t_end": 1.0, **CASES[name]}
    flow = options.pop("flow")
    assert hf.solve(flow, **options, memory_limit=exact).success
    with pytest.raises(ValueError, match=f"memory_limit must be at least {exact} bytes") as error:
        hf.solve(flow, **options, memory_limit=exact - 1)
    assert str(error.value).endswith(f"got {exact - 1}")
    assert "\n" not in str(error.value)


def test_a_trajectory_too_large_is_refused_before_it_is_made() -> None:
    times = np.linspace(0.0, 1.0, 10**6)
    start = np.broadcast_to(M[:1], (50_000, K))  # 1.2e12 bytes
    with pytest.raises(ValueError, match=re.escape("for save_at, 8 n T k, got")) as error:
        hf.solve(FLOW, overlaps=start, t_end=1.0, save_at=times)
    assert str(8 * 50_000 * 10**6 * K) in str(error.value)
    assert "the default" in str(error.value)


def test_the_largest_part_is_named() -> None:
    ladder = hf.HittingTime(np.linspace(0.1, 0.9, 400))  # type: ignore[arg-type]
    for options, words in (
        ({"overlaps": M, "events": {"a": ladder}}, "for the events"),
        ({"weights": W}, "for the weights, 8 n d"),
        ({"overlaps": M}, "for the ends, 8 n (k + 9.5)"),
    ):
        with pytest.raises(ValueError, match=re.escape(words)):
            hf.solve(FLOW, t_end=1.0, memory_limit=10, **options)  # type: ignore[arg-type]


def test_any_size_can_be_allowed() -> None:
    _memory.check_limit(np.inf, {"x": 10**30})
    with pytest.raises(ValueError, match="at least 1000000000000000000000000000000 bytes"):
        _memory.check_limit(None, {"x": 10**30})


@pytest.mark.parametrize("limit", [0, -1.0, np.nan, "1 GB", True])
def test_a_bad_limit_is_refused(limit: Any) -> None:
    with pytest.raises((ValueError, TypeError), match="memory_limit must be a number in"):
        hf.solve(FLOW, overlaps=M, t_end=1.0, memory_limit=limit)


def test_the_default_is_half_of_what_there_is(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    limit = tmp_path / "memory.max"
    monkeypatch.setattr(_memory, "_CGROUP", limit)
    pages = {"SC_PAGE_SIZE": 4096, "SC_PHYS_PAGES": 10**6}
    monkeypatch.setattr(_memory.os, "sysconf", pages.__getitem__, raising=False)
    assert _memory.default_limit() == 4096 * 10**6 // 2
    limit.write_text("max\n")
    assert _memory.default_limit() == 4096 * 10**6 // 2
    limit.write_text("1000000\n")
    assert _memory.default_limit() == 500_000
    monkeypatch.delattr(_memory.os, "sysconf")
    assert _memory.default_limit() == 4 * 2**30
