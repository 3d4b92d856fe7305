"""Mixed calls for a long time in one process, while memory, open files and threads are sampled.

`soak.py MINUTES [SEED [FAULT]]`: fails where, after a warm-up of a fifth of the time, one of them
grows: where the 99 % interval of its slope, from the least of each of 20 stretches of time, lies
above 0, and the growth over the whole time is more than noise would be. The least, as the heap may
keep tens of MB for a while. "blocks" are the bytes that the C library has handed out and not got
back, which the heap's holes do not blur; with PYTHONMALLOC=malloc Python's own are among them.
FAULT plants a growth: "block", "memory", "file" or "thread".
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import os
import random
import signal
import sys
import tempfile
import threading
import time
import warnings
from collections import Counter
from pathlib import Path
from typing import Any

import long_calls
import numpy as np
from untrusted_files import mutant

import hermiteflow as hf

NAMES = [name for name in long_calls.CALLS if name != "sweep processes"]
#: What may come and go: bytes, files, threads.
NOISE = {"blocks": 1e6, "memory": 8e6, "files": 2.0, "threads": 2.0}
STRETCHES = 20
FLOW = long_calls.FLOW


def errors() -> None:
    for bad in (np.full((3, 8), np.nan), np.zeros((3, 7)), "text"):
        with contextlib.suppress(ValueError, TypeError):
            hf.solve(FLOW, overlaps=bad)


def landscape() -> None:
    hf.fixed_points(hf.CorrelationFlow(hf.Orthonormal(k=3), hf.hermite(4)))


def saved(folder: Path, chance: random.Random) -> None:
    sol = hf.solve(FLOW, overlaps=long_calls.M0[:20], save_at=[0.0, 1.0], t_end=2.0)
    path = sol.save(folder / "a.nc")
    assert hf.load(path) == sol
    mutant(path, chance)
    with contextlib.suppress(ValueError):
        hf.load(path)


def interrupted(name: str, chance: random.Random) -> None:
    timer = threading.Timer(chance.uniform(0.0, 0.2), os.kill, (os.getpid(), signal.SIGINT))
    try:
        timer.start()
        while True:
            long_calls.CALLS[name].long()
    except KeyboardInterrupt:
        pass
    finally:
        timer.join()


class MallInfo(ctypes.Structure):
    """What glibc tells of its heaps, since 2.33."""

    NAMES = ("arena", "ordblks", "smblks", "hblks", "hblkhd", "usmblks", "fsmblks", "uordblks",
             "fordblks", "keepcost")  # fmt: skip
    _fields_ = [(name, ctypes.c_size_t) for name in NAMES]


def blocks() -> int:
    told = ctypes.CDLL(None).mallinfo2
    told.restype = MallInfo
    found = told()
    return int(found.uordblks + found.hblkhd)


class Sampler:
    """The state of the process after each call."""

    def __init__(self) -> None:
        self.held = np.ones((1 << 19, 5))  # at once: a list would be a growth of its own
        self.count = 0

    @property
    def rows(self) -> np.ndarray[Any, Any]:
        return self.held[: self.count]

    def look(self) -> None:
        size = int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
        counts = (len(list(Path(f"/proc/self/{what}").iterdir())) for what in ("fd", "task"))
        self.held[self.count] = (time.monotonic(), blocks(), size, *counts)
        self.count += 1

    def least(self, column: int) -> list[float]:
        """Return the least of each stretch of the whole time."""
        parts = np.array_split(self.rows[:, column], STRETCHES)
        return [float(part.min()) for part in parts if part.size]

    def growth(self) -> dict[str, tuple[float, float, float]]:
        """Return the slope an hour with its interval, of each; the warm-up left out."""
        rows = self.rows
        t = rows[:, 0] - rows[0, 0]
        rows, t = rows[t > 0.2 * t[-1]], t[t > 0.2 * t[-1]] / 3600.0
        edges = np.linspace(t[0], t[-1] * (1 + 1e-9), STRETCHES + 1)
        where = np.clip(np.searchsorted(edges, t, side="right") - 1, 0, STRETCHES - 1)
        used = np.unique(where)
        x = np.array([t[where == i].mean() for i in used])
        found = {}
        for column, name in enumerate(NOISE, start=1):
            y = np.array([rows[where == i, column].min() for i in used])
            slope, at_zero = np.polyfit(x, y, 1)
            rest = y - slope * x - at_zero
            error = np.sqrt(rest @ rest / (used.size - 2) / ((x - x.mean()) @ (x - x.mean())))
            found[name] = (float(slope), float(slope - 2.9 * error), float(slope + 2.9 * error))
        return found


def call(kind: str, folder: Path, chance: random.Random, expected: dict[str, str]) -> None:
    if kind == "errors":
        errors()
    elif kind == "landscape":
        landscape()
    elif kind == "saved":
        saved(folder, chance)
    elif kind.startswith("interrupted "):
        interrupted(kind.removeprefix("interrupted "), chance)
    elif long_calls.short(kind) != expected[kind]:
        raise AssertionError(f"other bits of {kind}")


def plant(fault: str, kept: list[Any]) -> None:
    if fault == "block":
        kept.append(np.ones(1 << 10))
    elif fault == "memory":
        kept.append(np.ones(1 << 18))
    elif fault == "file":
        kept.append(Path(os.devnull).open())  # noqa: SIM115
    elif fault == "thread" and len(kept) < 200:
        kept.append(threading.Thread(target=time.sleep, args=(10**6,), daemon=True))
        kept[-1].start()


def main(minutes: float, seed: int = 0, fault: str = "") -> int:
    warnings.simplefilter("ignore")
    chance, sampler, kept = random.Random(seed), Sampler(), []
    expected = {name: long_calls.short(name) for name in NAMES}
    kinds = [*NAMES, "errors", "landscape", "saved", *(f"interrupted {name}" for name in NAMES)]
    counts: Counter[str] = Counter()
    begin = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        while time.monotonic() < begin + 60.0 * minutes:
            kind = chance.choice(kinds)
            call(kind, Path(folder), chance, expected)
            counts[kind.split()[0]] += 1
            plant(fault, kept)
            gc.collect()
            sampler.look()
    hours = (time.monotonic() - begin) / 3600.0
    bad = False
    for name, (slope, low, high) in sampler.growth().items():
        grows = low > 0.0 and slope * hours > NOISE[name]
        bad = bad or grows
        print(f"{name}: {slope:.4g} an hour, 99 % [{low:.4g}, {high:.4g}]{' GROWS' * grows}")
    last = sampler.rows[-1]
    for column, name in ((1, "blocks"), (2, "memory")):
        least = (f"{x / 2**20:.2f}" for x in sampler.least(column))
        print(f"least {name} of each stretch, MiB:", *least)
    print(f"at the end {last[2] / 2**20:.0f} MiB, {last[3]:.0f} files, {last[4]:.0f} threads")
    print(f"{sum(counts.values())} calls in {60 * hours:.1f} min, seed {seed}: {dict(counts)}")
    return int(bad)


if __name__ == "__main__":
    given = sys.argv[1:]
    sys.exit(main(float(given[0]), int(given[1]) if len(given) > 1 else 0, *given[2:3]))
