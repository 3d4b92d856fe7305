"""Functions that tests sweep: in a module of their own, so that other processes can import them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

import hermiteflow as hf
from hermiteflow import _checks

Result = dict[str, Any]
GRID = {"k": [2, 3, 5], "beta": [0.0, 0.25], "flag": [True, False]}


def draw(k: int, beta: float, flag: bool, seed: np.random.SeedSequence) -> Result:
    """One result of every kind."""
    rng = np.random.default_rng(seed)
    return {
        "curve": rng.normal(size=(2, 3)) + beta,
        "mean": float(rng.normal()),
        "count": k,
        "small": np.float32(rng.normal()),
        "byte": np.uint8(k),
        "phase": 1j * beta,
        "lucky": flag,
        "word": "é" * k,
        "words": ["a", "b" * k],
    }


def one(x: float, seed: np.random.SeedSequence) -> Result:
    return {"y": np.random.default_rng(seed).normal(size=4), "twice": 2 * x}


def slow(x: float, seed: np.random.SeedSequence) -> Result:
    time.sleep(0.05)
    return one(x, seed)


def traced(x: float, folder: str, seed: np.random.SeedSequence) -> Result:
    """Leave a mark of each call."""
    with (Path(folder) / f"{x}").open("a") as file:
        file.write(f"{os.getpid()}\n")
    time.sleep(0.02)
    return one(x, seed)


def escape(k: int, link: hf.Link, seed: np.random.SeedSequence) -> Result:
    flow = hf.CorrelationFlow(hf.Orthonormal(k=k), link)
    start = hf.random_overlaps(flow.targets, n=20, d=10**6, seed=seed)
    return {"time": hf.solve(flow, overlaps=start).t_final}


def level_of_threads(x: int, seed: np.random.SeedSequence) -> Result:
    return {"n": _checks.threads(None), "given": _checks.threads(7)}


def libraries(x: int, seed: np.random.SeedSequence) -> Result:
    """Threads that BLAS would use."""
    import threadpoolctl

    _ = np.ones((2, 2)) @ np.ones((2, 2))
    pools = threadpoolctl.threadpool_info()
    return {"n": max(pool["num_threads"] for pool in pools if pool["user_api"] == "blas")}


def process(x: int, seed: np.random.SeedSequence) -> Result:
    return {"pid": os.getpid()}


class OddError(Exception):
    """One that pickle cannot build again."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(f"{text} {code}")


def fails(x: int, seed: np.random.SeedSequence) -> Result:
    if x == 2:
        raise OddError(7, "no luck at")
    return {"y": x}


def leaves(x: int, seed: np.random.SeedSequence) -> Result:
    if x == 2:
        sys.exit(3)
    return {"y": x}


def uneven(x: int, kind: str, seed: np.random.SeedSequence) -> Result:
    if x < 2:
        return {"y": 1.0, "z": 1}
    return {
        "name": {"y": 1.0, "zz": 1},
        "shape": {"y": [1.0, 2.0], "z": 1},
        "dtype": {"y": 1, "z": 1},
        "text": {"y": "1.0", "z": 1},
    }[kind]


def dies(x: int, folder: str, times: int, seed: np.random.SeedSequence) -> Result:
    """Kill the process of the point x = 2, the first few times."""
    mark = Path(folder) / "deaths"
    count = len(mark.read_text()) if mark.exists() else 0
    if x == 2 and count < times:
        mark.write_text("x" * (count + 1))
        os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(0.02)
    return one(x, seed)


# ------------------------------------------------------------------ what tests share


def tree(folder: Path) -> dict[str, bytes]:
    """Every file of a store but the side log."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != "log.jsonl"
    }


def environment(**more: str) -> dict[str, str]:
    """Environment in which other processes find these functions and this hermiteflow."""
    folders = [str(Path(__file__).parent), str(Path(hf.__file__).parent.parent)]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(folders), "PYTHONWARNINGS": "error", **more}


def child(code: str, **options: Any) -> subprocess.Popen[str]:
    """Start a Python process in a group of its own."""
    head = "import sweep_functions as f, hermiteflow as hf, sys\n"
    return subprocess.Popen(
        [sys.executable, "-c", head + code],
        env=environment(),
        text=True,
        start_new_session=True,
        **{"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options},
    )


def instruction_set(x: int, seed: np.random.SeedSequence) -> dict[str, Any]:
    """Which kernels compute here."""
    return {"isa": str(hf.build_info()["isa"])}
