"""Every kind of run in forked children that may take little memory: right bits, or MemoryError.

Run as a script it prints one line for each run and each limit that ends in another way, and counts.
The parent imports everything once, so that a child takes a moment; its threads are its own, as the
parent's have been let go before the fork.
"""

from __future__ import annotations

import faulthandler
import os
import resource
import signal
import sys
import warnings
from collections import Counter
from pathlib import Path

import numpy as np
from long_calls import CALLS, Call, digest

import hermiteflow as hf

GENERAL = hf.CorrelationFlow(
    hf.random_index_vectors(k=60, d=40, seed=0), hf.hermite({3: 1.0, 4: 0.3})
)
M_GENERAL = hf.random_overlaps(GENERAL.targets, n=300, d=10**4, seed=0)
W_MANY = hf.random_weights(n=64, d=4000, seed=0)
MORE = {
    "general": Call(lambda: hf.solve(GENERAL, overlaps=M_GENERAL, t_end=5.0), lambda: None),
    "starts": Call(lambda: hf.random_overlaps(GENERAL.targets, n=9000, d=10**4, seed=0), lambda: 0),
    "weights": Call(lambda: hf.random_weights(n=64, d=4000, seed=0), lambda: None),
    "in R^d": Call(
        lambda: hf.solve(
            hf.CorrelationFlow(hf.Orthonormal(k=4), hf.hermite(3)),
            weights=W_MANY, t_end=0.2, reduce=False,
        ),
        lambda: None,
    ),
    "gradient": Call(
        lambda: hf.CorrelationFlow(
            hf.IndexVectors(np.eye(4, 4000)), hf.hermite(3)
        ).gradient(W_MANY),
        lambda: None,
    ),
}  # fmt: skip
#: Not the sweeps: without memory, Python's own Thread.start waits for ever.
WHOLE = {name: call for name, call in {**CALLS, **MORE}.items() if "sweep" not in name}
MIB = 1 << 20


def taken() -> int:
    """Return the address space in use, in bytes."""
    return int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()


def child(call: Call, extra: int, expected: str, out: int) -> None:
    """Run under the limit, write how it ended, and end."""
    faulthandler.enable()
    limit = taken() + extra
    resource.setrlimit(resource.RLIMIT_AS, (limit, resource.getrlimit(resource.RLIMIT_AS)[1]))
    try:
        word = b"right" if digest(call.short()) == expected else b"wrong"
    except MemoryError:
        word = b"MemoryError"
    except BaseException as error:
        resource.setrlimit(resource.RLIMIT_AS, (-1, -1))
        word = f"{type(error).__name__}: {error}".encode()
    os.write(out, word)
    os._exit(0)


def attempt(call: Call, extra: int, expected: str, patience: int = 60) -> str:
    """Return how a run with so many bytes more than are in use ends."""
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(read)
        signal.alarm(patience)
        child(call, extra, expected, write)
    os.close(write)
    with os.fdopen(read, "rb") as pipe:
        said = pipe.read().decode()
    _, status = os.waitpid(pid, 0)
    code = os.waitstatus_to_exitcode(status)
    return said if code == 0 and said else f"exit code {code} {said}"


def main(names: list[str], limits: int) -> int:
    warnings.simplefilter("ignore")
    counts: Counter[str] = Counter()
    for name in names or WHOLE:
        call = WHOLE[name]
        expected = digest(call.short())
        mine: Counter[str] = Counter()
        for i in range(limits):
            extra = int(MIB * 0.03 * (5000.0 ** (i / max(limits - 1, 1)))) if i else 0
            how = attempt(call, extra, expected)
            kind = how if how in ("right", "MemoryError") else "other"
            mine[kind] += 1
            if kind == "other":
                print(f"{name} with {extra} bytes more: {how}", flush=True)
        print(name, dict(mine), flush=True)
        counts += mine
    print(f"{sum(counts.values())} runs under RLIMIT_AS: {dict(counts)}")
    return 1 if counts["other"] else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[2:], int(sys.argv[1])))
