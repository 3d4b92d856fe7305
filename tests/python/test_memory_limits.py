"""Under RLIMIT_AS: a MemoryError or the right bits, never the end of the process.

`HERMITEFLOW_LIMITS` is the number of limits for each kind of run; `nox -s memory` takes more.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys

import memory_brink
import pytest
import sweep_functions as f

LIMITS = int(os.environ.get("HERMITEFLOW_LIMITS", "4"))


def run(*command: str, **more: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *command],
        env=f.environment(PYTHONWARNINGS="", HERMITEFLOW_NUM_THREADS="4", **more),
        capture_output=True,
        text=True,
        check=False,
    )


def test_runs_with_little_memory() -> None:
    """From nothing to 150 MiB more than is in use, for each kind of run, on four threads."""
    done = run(memory_brink.__file__, str(LIMITS))
    assert done.returncode == 0, done.stdout + done.stderr
    last = done.stdout.splitlines()[-1]
    assert int(last.split()[0]) == LIMITS * len(memory_brink.WHOLE)
    print(last)


PLANTS = {
    "aborts": "os.abort()",
    "ends": "os._exit(1)",
    "is wrong": "return 1",
    "raises": "raise RuntimeError('x')",
}


@pytest.mark.parametrize("name", PLANTS)
def test_a_planted_fault_is_seen(name: str) -> None:
    code = (
        "import os, memory_brink as b\ncalls = []\n"
        f"def short():\n    calls.append(0)\n    if len(calls) > 1:\n        {PLANTS[name]}\n"
        "b.WHOLE = {'x': b.Call(short, short)}\nraise SystemExit(b.main(['x'], 2))"
    )
    done = run("-c", code)
    assert done.returncode == 1
    assert "'other': 2" in done.stdout


# What asks for gigabytes, by the size of its arguments.
LARGE = """
import resource, sys
from pathlib import Path
import numpy as np, hermiteflow as hf

flow = hf.CorrelationFlow(hf.Orthonormal(k=8), hf.hermite(3))
squared = hf.SquaredFlow(hf.Orthonormal(k=8), hf.hermite(3))
m0 = hf.random_overlaps(flow.targets, n=100, d=10**6, seed=0)
M, Q = hf.random_order_parameters(flow.targets, n=8, d=10**4, seed=0)
X = np.random.default_rng(0).standard_normal((100, 10))
sample = hf.EmpiricalFlow(hf.Orthonormal(k=2), hf.hermite(3), X=X)
step = dict(steps=2, learning_rate=1e-6, seed=0, memory_limit=1e15)
saves = np.linspace(0.0, 1.0, 10**6)
many = 5 * 10**7

def result(x, seed):
    return {"y": np.zeros(10**9)}

CALLS = {
    "starts": lambda: hf.random_overlaps(flow.targets, n=many, d=10**6, seed=0),
    "weights": lambda: hf.random_weights(n=1000, d=10**6, seed=0),
    "order parameters": lambda: hf.random_order_parameters(flow.targets, n=20000, d=10**6, seed=0),
    "index vectors": lambda: hf.random_index_vectors(k=20000, d=10**6, seed=0),
    "many neurons": lambda: hf.solve(flow, overlaps=np.broadcast_to(m0[0], (many, 8))),
    "many saves": lambda: hf.solve(
        flow, overlaps=m0, t_end=1.0, save_at=saves, memory_limit=1e15),
    "saves of all": lambda: hf.solve(
        squared, overlaps=M, student_overlaps=Q, t_end=1.0, save_at=saves, memory_limit=1e15),
    "squared of many": lambda: hf.solve(
        squared, overlaps=np.broadcast_to(m0[0], (20000, 8)),
        student_overlaps=np.broadcast_to(np.eye(1), (20000, 20000)), t_end=1.0, memory_limit=1e15),
    "online direct": lambda: hf.online_sgd(
        flow, overlaps=m0[:1], d=4 * 10**8, method="direct", **step),
    "a large batch": lambda: hf.online_sgd(
        flow, overlaps=M, student_overlaps=Q, d=10**4, batch=10**8, **step),
    "online saves": lambda: hf.online_sgd(
        flow, overlaps=m0, d=10**6, method="marginal", save_at=np.arange(10**7),
        **{**step, "steps": 10**7}),
    "sample": lambda: hf.solve(
        sample, weights=X[:2] / np.linalg.norm(X[:2], axis=1)[:, None], t_end=1.0,
        save_at=np.linspace(0.0, 1.0, 5 * 10**8), memory_limit=1e15),
    "many events": lambda: hf.solve(
        flow, overlaps=m0, memory_limit=1e15,
        events={"x": hf.HittingTime(tuple(np.linspace(0.1, 0.9, 10**7)))}),
    "ensemble": lambda: hf.solve_ensemble(flow, n=many, d=10**6, seed=0, chunk=many),
    "gradient": lambda: flow.gradient(np.broadcast_to(np.eye(1, 8), (many, 8))),
    "sweep": lambda: hf.sweep(result, {"x": [1]}, seed=0),
    "sweep threads": lambda: hf.sweep(result, {"x": [1]}, seed=0, executor="threads", workers=2),
    "fixed points": lambda: hf.find_fixed_points(flow, n_starts=many, seed=0),
}
name = sys.argv[1]
used = resource.getpagesize() * int(Path("/proc/self/statm").read_text().split()[0])
resource.setrlimit(resource.RLIMIT_AS, (used + (200 << 20), -1))
try:
    CALLS[name]()
except MemoryError as error:
    print("MemoryError", error)
except Exception as error:
    cause = error.__cause__
    print("MemoryError" if isinstance(cause, MemoryError) else type(error).__name__, error)
else:
    print("no error")
"""
NAMES = re.findall(r'^    "([a-z ]+)": lambda', LARGE, re.M)


@pytest.mark.parametrize("name", NAMES)
def test_large_requests_are_memory_errors(name: str) -> None:
    done = run("-c", LARGE, name)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("MemoryError"), done.stdout
