"""How much memory the results of `solve` take, and how much they may."""

from __future__ import annotations

import math
import os
from pathlib import Path

from . import _checks

#: Where the memory of the machine is not known.
FALLBACK = 4 * 2**30

_CGROUP = Path("/sys/fs/cgroup/memory.max")
#: Bytes a neuron apart from its overlaps: final time, status, index, kind, steps, rejected.
_EACH = 8 + 4 + 8 + 40 + 8 + 8


def default_limit() -> int:
    """Half of the memory of this machine, or of its container (Linux); else 4 GiB."""
    known = []
    try:
        known.append(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
    except (AttributeError, OSError, ValueError):
        return FALLBACK
    try:
        text = _CGROUP.read_text().strip()
    except OSError:
        text = ""
    known += [int(text)] if text.isdecimal() else []
    return min(known) // 2 if min(known) > 0 else FALLBACK


def check_limit(limit: float | None, parts: dict[str, int]) -> None:
    """Raise ValueError if the parts of a result, in bytes, exceed the limit (None: default)."""
    allowed: float = default_limit()
    if limit is not None:
        allowed = _checks.real(limit, "memory_limit", low=0.0, open_low=True, infinite=True)
    total = sum(parts.values())
    if total > allowed:
        largest = max(parts, key=lambda name: parts[name])
        whose = "" if limit is not None else " (the default: half of this machine's memory)"
        raise ValueError(
            f"memory_limit must be at least {total} bytes for these results, of which "
            f"{parts[largest]} for {largest}, got {allowed:.0f}{whose}"
        )


def check_array(**lengths: int) -> None:
    """Raise ValueError unless an array of these lengths, by name, fits in half of the memory."""
    size, allowed = 8 * math.prod(lengths.values()), default_limit()
    if size > allowed:
        got = ", ".join(f"{name} = {length}" for name, length in lengths.items())
        raise ValueError(
            f"{' and '.join(lengths)} must be small enough for an array ({', '.join(lengths)}) in "
            f"half of this machine's memory, {allowed} bytes, got {got}, which takes {size} bytes"
        )


def check_square(n: int, name: str, what: str = "neurons", copies: int = 3) -> None:
    """Raise ValueError unless so many arrays (n, n) fit in half of the memory."""
    size, allowed = 8 * copies * n * n, default_limit()
    if size > allowed:
        raise ValueError(
            f"{name} must have few enough {what} for {copies} arrays (n, n), 8 n^2 bytes each, in "
            f"half of this machine's memory, {allowed} bytes, got n = {n}, which takes {size} bytes"
        )


def result_bytes(
    n: int, k: int, *, d: int, saved: int, levels: int, events: int, frame: bool
) -> dict[str, int]:
    """Bytes of the arrays of a result by what they are for, times of events found twice over.

    `d` is 0 without weights, `levels` the number of distinct levels, `events` that of times asked
    for, `frame` whether (s, alpha) of (5) are kept.
    """
    return {
        f"the ends, 8 n (k + {_EACH / 8:g})": n * (8 * k + _EACH),
        "the weights, 8 n d": 8 * n * d,
        "save_at, 8 n T k": 8 * n * saved * k,
        "the events": 8 * n * (levels + 1 + events),
        "rebuilding the weights, 8 n (k + 1)": 8 * n * (k + 1) * frame,
    }
