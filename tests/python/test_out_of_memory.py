"""Where memory ends within the core, in the parallel region too, that is a MemoryError."""

from __future__ import annotations

import subprocess
import sys

SCRIPT = """
import resource
import numpy as np, hermiteflow as hf
V = np.random.default_rng(0).standard_normal((700, 2000))
V /= np.linalg.norm(V, axis=1, keepdims=True)
targets = hf.IndexVectors(gram=V @ V.T)
flow = hf.CorrelationFlow(targets, hf.hermite({3: 1.0, 4: 0.1}))
m0 = hf.random_overlaps(targets, n=16, d=10**4, seed=0)
wanted = hf.solve(flow, overlaps=m0)
hard = resource.getrlimit(resource.RLIMIT_AS)[1]
for extra in range(5):  # MiB
    used = 4096 * int(open("/proc/self/statm").read().split()[0])
    resource.setrlimit(resource.RLIMIT_AS, (used + (extra << 20), hard))
    try:
        print(hf.solve(flow, overlaps=m0) == wanted)
    except MemoryError as error:
        print(error)
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (hard, hard))
"""


def test_an_allocation_that_fails_is_an_error() -> None:
    """Of these limits some end the run within the core; before, the process was aborted there."""
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    found = done.stdout.splitlines()
    assert set(found) == {"std::bad_alloc", "True"}, found
