"""What this machine is, which software runs, and the peaks it reaches now."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from importlib import metadata
from typing import Any

import numpy as np

import hermiteflow as hf
from hermiteflow import _info

PEERS = ("numpy", "scipy", "numba", "jax", "diffrax", "threadpoolctl")


def threads() -> int:
    """Return the number of threads that every side may use."""
    return int(hf.build_info()["max_threads"])


def describe() -> dict[str, Any]:
    """Return the machine and the versions of everything measured; a missing peer is None."""
    versions: dict[str, str | None] = {}
    for name in PEERS:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            versions[name] = None
    info = hf.build_info()
    return {
        "processor": _info.processor(),
        "cores": os.cpu_count(),
        "threads": threads(),
        "isa": info["isa"],
        "compiler": info["compiler"],
        "hermiteflow": info["version"],
        "python": platform.python_version(),
        "versions": versions,
        "load": os.getloadavg()[0],
    }


@contextmanager
def blas_threads(count: int) -> Iterator[None]:
    """Hold BLAS to a number of threads, where threadpoolctl is there to do it."""
    try:
        from threadpoolctl import threadpool_limits
    except ImportError:
        yield
        return
    with threadpool_limits(count, "blas"):
        yield


def fma_peak(seconds: float = 0.05) -> float:
    """GF/s of hermiteflow's multiply-add loop, on all threads at once."""

    def rate(_thread: int) -> float:
        begin = time.perf_counter()
        done = hf._core.fma_peak(seconds) * seconds  # by the clock of the loop itself
        return float(done / (time.perf_counter() - begin))

    with ThreadPoolExecutor(threads()) as pool:
        return sum(pool.map(rate, range(threads())))


def gemm_peak(size: int = 1024, repeats: int = 2) -> float:
    """GF/s of NumPy's product of two square matrices, the best of `repeats`."""
    a = np.full((size, size), 0.5)
    out = np.empty_like(a)
    best = np.inf
    for _ in range(repeats + 1):  # the first wakes BLAS's threads
        begin = time.perf_counter()
        np.matmul(a, a, out=out)
        best = min(best, time.perf_counter() - begin)
    return 2.0 * size**3 / best / 1e9
