"""Runs of online gradient descent: one call of the core, or several with a checkpoint between.

Knows arrays, seeds and files; no flows.
"""

from __future__ import annotations

import hashlib
import json
import math
import struct
import time
import tokenize
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from . import _core
from ._checks import Array
from ._files import whole

Whole = NDArray[np.int64]
Report = Callable[[int], object] | None

#: Seconds between two checkpoints of a run.
INTERVAL = 10.0
#: `Status.t_end` and `Status.event` by their numbers: the run may go on, or has what it wants.
END, EVENT = 1, 2
#: Most steps of a run, and the largest number of a `Status`.
MOST, LAST = 1 << 53, 6
_FORMAT = "hermiteflow online checkpoint 2"


@dataclass(frozen=True)
class Task:
    """What is run: steps of a model, and what is watched.

    Parameters
    ----------
    model : OnlineSpec
        Links, targets and the kind of a step, for the core.
    in_law : bool
        In law, or in R^d.
    steps, batch, rate
        Steps in all, samples a step, learning rate.
    key : (int, int)
        Key of the random numbers.
    levels : (L,)
        Ascending levels of max_j |M_ij|.
    enough : int
        Levels after which a neuron has what it takes to stop; 0: none.
    saves : (T,) int
        Steps at which M and Q are kept.
    losses : (J,)
        Descending levels of the loss, looked at after each multiple of `every` steps.
    stops : bool
        Whether the last of them ends the run.
    loss : callable or None
        The loss of a state.
    """

    model: _core.OnlineSpec
    in_law: bool
    steps: int
    batch: int
    rate: float
    key: tuple[int, int]
    levels: Array
    enough: int
    saves: Whole
    losses: Array
    stops: bool
    every: int
    loss: Callable[[State], float] | None


@dataclass
class State:
    """Where a run is. W = diag(scale) rows; all arrays change in place.

    Parameters
    ----------
    rows : (n, stride)
        `columns` of them in use, the first those of span(V).
    scale : (n,)
        Inverse norms of the rows, 1 where weights are free.
    layer : (n padded to 8,)
        a.
    hits : (n, L)
        Steps at which levels were met; `reached` (n,) of them.
    falls : (J,)
        Steps at which the loss was found at its levels, NaN yet.
    trajectory, students, layers : (T, n, k), (T, n, n), (T, n)
        What was kept at the first `saved` of the steps asked for.
    """

    rows: Array
    columns: int
    scale: Array
    layer: Array
    reached: Whole
    hits: Array
    falls: Array
    trajectory: Array
    students: Array
    layers: Array
    saved: int = 0
    step: int = 0
    status: int = END

    ARRAYS = (
        "rows", "scale", "layer", "reached", "hits", "falls", "trajectory", "students", "layers",
    )  # fmt: skip
    PATHS = ("trajectory", "students", "layers")  # a checkpoint has their first `saved` entries
    NUMBERS = ("columns", "saved", "step", "status")


def run(
    task: Task, state: State, *, threads: int, report: Report, file: Path | None, digest: str
) -> None:
    """Take all steps, in place; with a file, go on from it and write it again and again."""
    if file is not None and file.exists():
        restore(state, file, digest, task.saves)
        if state.step > task.steps:
            raise ValueError(
                f"steps must be at least {state.step}, where the checkpoint is, got {task.steps}"
            )
    else:  # before the first step
        look(task, state)
        if task.enough and (state.reached >= task.enough).all():
            state.status = EVENT
    # one step first, as nobody knows yet what it takes
    last, chunk = task.steps, task.steps if file is None else 1
    written = told = time.monotonic()
    while state.step < last and state.status == END:
        begun, first = time.monotonic(), state.step
        end = min(last, first + chunk)
        if np.isnan(state.falls).any():
            end = min(end, (first // task.every + 1) * task.every)
        state.step, state.status, state.columns, state.saved = _core.online_sgd(
            task.model, task.in_law, first, end, task.rate, task.batch, task.key, task.levels,
            task.enough, task.saves, state.rows, state.columns, state.scale, state.layer,
            state.reached, state.saved, state.hits, state.trajectory, state.students, state.layers,
            threads, report,
        )  # fmt: skip
        if state.step == end:
            look(task, state)
        now, taken = time.monotonic(), end - first
        if report is not None and now - told > 0.1:  # of many short calls the core tells nothing
            report(state.step)
            told = now
        if file is not None:
            chunk = int(np.clip(taken * INTERVAL / max(now - begun, 1e-4), 1, 4 * taken))
            if now - written > 0.5 * INTERVAL or state.step == last or state.status != END:
                keep(state, file, digest, task.saves)
                written = now


def look(task: Task, state: State) -> None:
    """Compare the loss with the levels that are left, where it is the step for it."""
    left = np.flatnonzero(np.isnan(state.falls))
    if task.loss is None or state.step % task.every or left.size == 0:
        return
    found = task.loss(state)
    met = left[found <= task.losses[left]]
    state.falls[met] = state.step
    if task.stops and met.size == left.size:
        state.status = EVENT


def keep(state: State, file: Path, digest: str, saves: Whole) -> None:
    """Write a checkpoint, which appears whole or not at all."""
    numbers = {name: getattr(state, name) for name in State.NUMBERS}
    about = json.dumps({"format": _FORMAT, "digest": digest, **numbers})
    arrays = {name: getattr(state, name) for name in State.ARRAYS}
    arrays |= {name: arrays[name][: state.saved] for name in State.PATHS}
    with whole(file) as part, part.open("wb") as out:
        np.savez(out, about=np.array(about), saves=saves[: state.saved], **arrays)


def restore(state: State, file: Path, digest: str, saves: Whole) -> None:
    """Read a checkpoint of the same run into the state; later steps than its own may be saved.

    Raises
    ------
    ValueError
        If it is none, is damaged, belongs to another run, or kept other steps than `saves` up to
        where it is.
    """
    try:
        with file.open("rb") as raw, zipfile.ZipFile(raw) as held:
            size = file.stat().st_size
            about = json.loads(str(_member(held, "about", size)))
            if about["format"] != _FORMAT:
                raise ValueError(f"its format is {about['format']!r}")
            found = {name: _member(held, name, size) for name in State.ARRAYS}
            kept = _member(held, "saves", size)
        written = about["digest"]
        numbers = {name: int(about[name]) for name in State.NUMBERS}
    except (  # changed bytes may ask for a password, or be read as Python's syntax for a dtype
        OSError, LookupError, ValueError, TypeError, EOFError, OverflowError, RuntimeError,
        SyntaxError, zipfile.BadZipFile, struct.error, tokenize.TokenError,
    ) as error:  # fmt: skip
        raise ValueError(
            f"checkpoint must be a file that online_sgd wrote, or none, got {str(file)!r}: {error}"
        ) from error
    if written != digest:
        raise ValueError(
            "checkpoint must belong to a run with the same arguments (steps apart) under the same "
            f"instruction set, got that of another: {str(file)!r}"
        )
    most = {"columns": state.rows.shape[1], "saved": kept.size, "step": MOST, "status": LAST}
    for name, number in numbers.items():
        if not 0 <= number <= most[name]:
            raise ValueError(f"checkpoint is damaged: {name} is {number}")
    done, step = numbers["saved"], numbers["step"]
    if kept.shape != (done,) or kept.dtype != saves.dtype or np.any(kept > step):
        raise ValueError(f"checkpoint is damaged: saves has {kept.size} steps")
    asked = saves[saves <= step]
    if not np.array_equal(asked, kept):
        raise ValueError(
            f"save_at must hold, up to step {step} where the checkpoint is, the steps that it "
            f"kept, {_listed(kept)}, got {_listed(asked)}"
        )
    for name, values in found.items():
        mine = getattr(state, name)[: done if name in State.PATHS else None]
        if values.shape != mine.shape or values.dtype != mine.dtype:
            raise ValueError(f"checkpoint is damaged: {name} has shape {values.shape}")
    reached = found["reached"]
    falls = found["falls"]
    if np.any((falls < 0) | (falls > step)):
        raise ValueError(f"checkpoint is damaged: falls holds {np.nanmax(falls):g}")
    if np.any(reached < 0) or np.any(reached > state.hits.shape[1]):
        raise ValueError(f"checkpoint is damaged: reached holds {reached.min()} to {reached.max()}")
    for name in ("rows", "scale", "layer"):
        if not np.isfinite(found[name]).all():
            raise ValueError(f"checkpoint is damaged: {name} is not finite")
    for name, values in found.items():
        getattr(state, name)[: len(values)] = values
    for name, number in numbers.items():
        setattr(state, name, number)


def _member(held: zipfile.ZipFile, name: str, size: int) -> NDArray[Any]:
    """Read an array of a checkpoint, of which `size` bytes are there.

    Nothing is unpacked, and no more is allocated: a few bytes could claim any shape.
    """
    about = held.getinfo(f"{name}.npy")
    if about.compress_type != zipfile.ZIP_STORED or about.file_size > size:
        raise ValueError(f"{name} is packed, or larger than the file")
    with held.open(about) as data:
        reader = {(1, 0): np.lib.format.read_array_header_1_0}[np.lib.format.read_magic(data)]
        shape, _, dtype = reader(data)
        if dtype.hasobject or math.prod(shape) * dtype.itemsize != about.file_size - data.tell():
            raise ValueError(
                f"{name} has shape {shape} and type {dtype} in {about.file_size} bytes"
            )
        data.seek(0)
        return np.lib.format.read_array(data, allow_pickle=False)


def _listed(steps: Whole) -> str:
    few = [str(step) for step in steps[:6]]
    return "[" + ", ".join(few + ["..."] * (steps.size > len(few))) + "]"


def digest_of(described: Any, arrays: dict[str, Any]) -> str:
    """Return a digest of what a run was asked for."""
    digest = hashlib.sha256(json.dumps(described, sort_keys=True).encode())
    for name in sorted(arrays):
        values = np.ascontiguousarray(arrays[name])
        digest.update(f"{name} {values.shape} {values.dtype.str}".encode())
        digest.update(values.tobytes())
    return digest.hexdigest()
