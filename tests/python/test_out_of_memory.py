"""Where memory ends within the core, in the parallel region too, that is a MemoryError."""

from __future__ import annotations

import subprocess
import sys

SCRIPT = """
import resource
import numpy as np, hermiteflow as hf
from hermiteflow import _core
V = np.random.default_rng(0).standard_normal((700, 2000))
V /= np.linalg.norm(V, axis=1, keepdims=True)
targets = hf.IndexVectors(gram=V @ V.T)
flow = hf.CorrelationFlow(targets, hf.hermite({3: 1.0, 4: 0.1}))
m0 = hf.random_overlaps(targets, n=16, d=10**4, seed=0)
hard = resource.getrlimit(resource.RLIMIT_AS)[1]
solve = _core.solve

def limited(*given, **named):  # the core alone: NumPy's libraries may end the process
    used = 4096 * int(open("/proc/self/statm").read().split()[0])
    resource.setrlimit(resource.RLIMIT_AS, (used + (extra << 20), hard))
    try:
        return solve(*given, **named)
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (hard, hard))

found = []
for extra in (0, 1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 1000):  # MiB
    _core.solve = limited
    try:
        found.append(hf.solve(flow, overlaps=m0))
    except MemoryError as error:
        print(error)
_core.solve = solve
wanted = hf.solve(flow, overlaps=m0)  # not before: what it leaves would do for the others
for sol in found:
    print(sol == wanted)
"""


def test_an_allocation_that_fails_is_an_error() -> None:
    """Some of these limits end the run within the core, where the process was aborted once."""
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    found = done.stdout.splitlines()
    assert set(found) == {"std::bad_alloc", "True"}, found
