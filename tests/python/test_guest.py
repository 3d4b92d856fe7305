"""A good guest in the host's process: signals, forks, threads, and no change of its settings."""

import multiprocessing
import os
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import threadpoolctl
from interrupt import heard

import hermiteflow as hf

FLOW = hf.CorrelationFlow(hf.Orthonormal(k=20), hf.hermite(3))
M0 = hf.random_overlaps(FLOW.targets, n=400, d=10**6, seed=0)

posix = pytest.mark.skipif(os.name != "posix", reason="needs POSIX signals or fork")

LONG = {
    "solve": "hf.solve(flow, overlaps=m0, rtol=1e-13)",
    "rk4": "hf.solve(flow, overlaps=m0, method='rk4', step=1e-5, t_end=100.0, max_steps=10**8)",
    "rk4 in R^d": (
        "hf.solve(flow, weights=W, method='rk4', step=1e-6, t_end=1.0, max_steps=10**8,"
        " reduce=False)"
    ),
    "adaptive in R^d": "hf.solve(flow, weights=W, t_end=1e9, rtol=1e-13, reduce=False)",
    "ensemble": "hf.solve_ensemble(flow, n=10**9, d=10**6, seed=0, rtol=1e-13)",
    "starts": "hf.random_overlaps(flow.targets, n=10**7, d=10**6, seed=0)",
    "weights": "hf.random_weights(n=2000, d=100_000, seed=0)",
}
SETUP = """
flow = hf.CorrelationFlow(hf.Orthonormal(k=20), hf.hermite(3))
m0 = np.tile(hf.random_overlaps(flow.targets, n=1000, d=10**6, seed=0), (100, 1))
W = hf.random_weights(n=200, d=1000, seed=0)
"""


@posix
@pytest.mark.parametrize("name", LONG)
def test_ctrl_c_is_heard_at_once_and_leaves_all_usable(name: str, tmp_path: Path) -> None:
    heard(tmp_path, setup=SETUP, call=LONG[name], value="hf.solve(flow, overlaps=m0[:50]).t_final")


def test_progress_is_called_on_the_calling_thread_and_may_stop_the_run() -> None:
    seen: list[tuple[int, int, int]] = []

    def progress(done: int, n: int) -> None:
        seen.append((done, n, threading.get_ident()))

    hf.solve(FLOW, overlaps=M0, progress=progress)
    assert seen[-1][:2] == (400, 400)
    assert {ident for _, _, ident in seen} == {threading.get_ident()}

    def angry(done: int, n: int) -> None:
        raise RuntimeError("enough")

    with pytest.raises(RuntimeError, match="enough"):
        hf.solve(FLOW, overlaps=M0, progress=angry)


def test_the_lock_is_released() -> None:
    """Another Python thread goes on counting during a call."""
    count = 0
    stop = threading.Event()

    def tick() -> None:
        nonlocal count
        while not stop.is_set():
            count += 1
            time.sleep(0)

    thread = threading.Thread(target=tick)
    thread.start()
    before = count
    hf.solve(FLOW, overlaps=np.tile(M0, (20, 1)), n_threads=1)
    during = count - before
    stop.set()
    thread.join()
    assert during > 100


def _solve(seed: int) -> Any:
    m0 = hf.random_overlaps(FLOW.targets, n=100, d=10**6, seed=seed)
    return hf.solve(FLOW, overlaps=m0).t_final


@posix
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_forked_children_compute_the_same() -> None:
    expected = [_solve(seed) for seed in range(4)]  # the parent has used its threads
    with multiprocessing.get_context("fork").Pool(2) as pool:
        found = pool.map_async(_solve, range(4)).get(timeout=60)
    for first, second in zip(expected, found, strict=True):
        np.testing.assert_array_equal(first, second)


def test_several_threads_at_once() -> None:
    expected = [_solve(seed) for seed in range(8)]
    with ThreadPoolExecutor(4) as pool:
        for first, second in zip(expected, pool.map(_solve, range(8)), strict=True):
            np.testing.assert_array_equal(first, second)


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_the_number_of_threads_never_matters(threads: int) -> None:
    one = hf.solve(FLOW, overlaps=M0, n_threads=1)
    many = hf.solve(FLOW, overlaps=M0, n_threads=threads)
    part = hf.solve(FLOW, overlaps=M0[17:40], n_threads=threads)
    for name in ("t_final", "overlaps", "steps", "rejected", "index"):
        np.testing.assert_array_equal(getattr(one, name), getattr(many, name))
        np.testing.assert_array_equal(getattr(one, name)[17:40], getattr(part, name))


def test_gradients_do_not_depend_on_threads_or_company() -> None:
    targets = hf.IndexVectors(np.linalg.qr(np.random.default_rng(0).normal(size=(300, 7)))[0].T)
    flow = hf.CorrelationFlow(targets, hf.hermite({3: 1.0, 4: 0.3}))
    W = hf.random_weights(n=500, d=300, seed=0)
    all_at_once = flow.gradient(W, n_threads=1)
    np.testing.assert_array_equal(all_at_once, flow.gradient(W, n_threads=3))
    for rows in (slice(0, 1), slice(3, 40), slice(100, 500)):
        np.testing.assert_array_equal(all_at_once[rows], flow.gradient(W[rows], n_threads=2))
        np.testing.assert_array_equal(flow.overlaps(W)[rows], flow.overlaps(W[rows]))


def test_threadpoolctl_limits_are_honoured() -> None:
    with threadpoolctl.threadpool_limits(1, user_api="openmp"):
        assert hf.build_info()["max_threads"] == 1
        sol = hf.solve(FLOW, overlaps=M0)
    np.testing.assert_array_equal(sol.t_final, hf.solve(FLOW, overlaps=M0).t_final)


def test_denormals_of_the_host_survive() -> None:
    hf.solve(FLOW, overlaps=M0)
    tiny = np.array([5e-324])
    assert (tiny * 1.0)[0] == 5e-324


def test_signals_of_the_host_survive() -> None:
    before = signal.getsignal(signal.SIGINT)
    hf.solve(FLOW, overlaps=M0)
    assert signal.getsignal(signal.SIGINT) is before
