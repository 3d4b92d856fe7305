"""How one point is computed, here or elsewhere. Knows neither grid nor store.

May import `_checks` and `_results`. A worker imports this module and no more of the sweeps.
"""

from __future__ import annotations

import os
import pickle
import socket
import time
import traceback
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from .. import _checks, _core
from ._results import Cells, make_cells

Function = Callable[..., Any]

#: Where we, OpenMP and BLAS look for the number of threads; the last ones when they are loaded.
_VARIABLES = tuple(
    f"{name}_NUM_THREADS" for name in ("HERMITEFLOW", "OMP", "OPENBLAS", "MKL", "BLIS")
)


class SweepError(RuntimeError):
    """A point of a sweep failed; what was finished before is in the store.

    The exception of the function is its ``__cause__``, and `point` are the arguments.

    Examples
    --------
    >>> import hermiteflow as hf
    >>> def inverse(x, seed):
    ...     return {"y": 1 / x}
    >>> try:
    ...     hf.sweep(inverse, {"x": [1, 0]})
    ... except hf.SweepError as error:
    ...     print(error.point, repr(error.__cause__))
    {'x': 0} ZeroDivisionError('division by zero')
    """

    point: dict[str, Any]


class Task(NamedTuple):
    """One point to compute: its number in the grid, arguments and seed."""

    number: int
    point: dict[str, Any]
    seed: np.random.SeedSequence


@dataclass(frozen=True)
class Outcome:
    """What came of one point.

    Parameters
    ----------
    number : int
        Of the point.
    cells : dict of arrays, or None
        What the function returned.
    error : exception, optional
        What it raised instead.
    seconds : float
        Wall time.
    host, pid, version : str, int, str
        Where, and by which hermiteflow.
    """

    number: int
    cells: Cells | None
    error: BaseException | None
    seconds: float = 0.0
    host: str = ""
    pid: int = 0
    version: str = ""


def compute(function: Function, task: Task, threads: int) -> Outcome:
    """Call the function at one point; its exceptions become part of the outcome."""
    start = time.perf_counter()
    cells: Cells | None = None
    error: BaseException | None = None
    try:
        with _checks.default_threads(threads):
            cells = make_cells(function(**task.point, seed=task.seed))
    except (Exception, SystemExit) as raised:
        error = raised
    return Outcome(
        number=task.number,
        cells=cells,
        error=error,
        seconds=time.perf_counter() - start,
        host=socket.gethostname(),
        pid=os.getpid(),
        version=str(_core.build_info()["version"]),
    )


def compute_away(function: Function, task: Task, threads: int) -> Outcome:
    """Call the function at one point in another process than the caller's."""
    outcome = compute(function, task, threads)
    if outcome.error is None:
        return outcome
    return Outcome(**{**vars(outcome), "error": _portable(outcome.error)})


def _portable(error: BaseException) -> BaseException:
    """Return an exception that survives the way home, with its traceback as a note."""
    text = "".join(traceback.format_exception(error)).rstrip()
    try:
        copy = pickle.loads(pickle.dumps(error))
        if type(copy) is not type(error):
            raise TypeError("it became another one")
    except Exception:  # of a class whose arguments are not those of its __init__, say
        copy = RuntimeError(f"{type(error).__name__}: {error}")
    copy.__notes__ = [*getattr(error, "__notes__", []), f"In the worker:\n{text}"]
    return copy  # type: ignore[no-any-return]


def limit_environment(threads: int) -> None:
    """Let libraries that are loaded later use this many threads: for a process of our own."""
    os.environ.update(dict.fromkeys(_VARIABLES, str(threads)))


def limit_libraries(threads: int) -> AbstractContextManager[object]:
    """Let BLAS and OpenMP, as far as they are loaded, use this many threads."""
    try:
        import threadpoolctl
    except ImportError:
        return nullcontext()
    return threadpoolctl.threadpool_limits(threads)  # type: ignore[no-any-return]
