"""The arguments of `sweep`: checks, who computes, how progress is shown. Knows no store.

May import `_content`, `_grid` and, when one is asked for, every executor.
"""

from __future__ import annotations

import contextlib
import inspect
import pickle
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from .. import _checks
from ._content import canonical, content
from ._executors import Executor, Serial, default_workers
from ._grid import Grid, check_name
from ._points import Function

EXECUTORS = ("serial", "threads", "processes")
Progress = bool | Callable[[int, int], object] | None
_SCHEMES = ("tcp://", "tls://", "ucx://", "ws://", "wss://", "inproc://")


def make_executor(
    executor: Any, threads: int, workers: int | None, function: Function, grid: Grid
) -> Executor:
    """Return who is to compute the points; nothing is started but a connection."""
    if _is_client(executor) or (isinstance(executor, str) and executor.startswith(_SCHEMES)):
        if workers is not None:
            raise ValueError("workers must be left out on a cluster, which has its own")
        from ._dask import Dask

        return Dask(executor, threads)
    if not isinstance(executor, str):
        raise TypeError(
            f"executor must be one of {', '.join(map(repr, EXECUTORS))}, a dask.distributed.Client "
            f"or a scheduler's address such as 'tcp://10.0.0.1:8786', got "
            f"{_checks.describe(executor)}"
        )
    kind = _checks.choice(executor, "executor", (*EXECUTORS, "tcp://host:port"))
    if kind not in EXECUTORS:
        raise ValueError("executor must be the address of a scheduler, got 'tcp://host:port'")
    if workers is not None and kind == "serial":
        raise ValueError("workers must be left out with executor='serial', which is one")
    number = default_workers(threads) if workers is None else _checks.integer(workers, "workers")
    number = min(number, grid.size)
    if kind == "serial":
        return Serial(threads)
    if kind == "threads":
        from ._threads import Threads

        return Threads(number, threads)
    from ._processes import Processes, check_function

    check_function(function)
    for axis in grid.axes:
        try:
            pickle.dumps(axis.values)
        except Exception as error:
            raise TypeError(
                f"values[{axis.name!r}] must hold what pickle can send to processes: {error}"
            ) from None
    return Processes(number, threads)


def _is_client(executor: object) -> bool:
    """Whether this is a client of dask.distributed; does not import it."""
    return any(
        cls.__module__ == "distributed.client" and cls.__name__ == "Client"
        for cls in type(executor).__mro__
    )


def check_dims(dims: Mapping[str, Sequence[str]] | None) -> dict[str, tuple[str, ...]]:
    """Return the names of dimensions that were chosen."""
    if dims is None:
        return {}
    if not isinstance(dims, Mapping):
        raise TypeError(f"dims must be a mapping of names, got {_checks.describe(dims)}")
    for name, own in dims.items():
        if isinstance(own, str) or not isinstance(own, Sequence):
            raise TypeError(f"dims[{name!r}] must be a sequence of names, got {own!r}")
        for dim in own:
            check_name(dim, f"a name in dims[{name!r}]")
    return {name: tuple(own) for name, own in dims.items()}


def check_call(function: Function, grid: Grid) -> None:
    """Raise TypeError unless the function takes the names of the grid, and a seed."""
    if not callable(function):
        raise TypeError(f"function must be callable, got {_checks.describe(function)}")
    try:
        signature = inspect.signature(function)
    except ValueError:  # some built-in functions have none
        return
    try:
        signature.bind(**dict.fromkeys(grid.names), seed=None)
    except TypeError as error:
        asked = ", ".join((*grid.names, "seed"))
        raise TypeError(
            f"function must take the keywords {asked}, got {signature}: {error}"
        ) from None


def function_name(function: Function, *, stored: bool) -> str:
    """Return module and qualified name, or the content of a partial or a dataclass."""
    try:
        found = content(function)
    except TypeError as error:
        if stored:
            raise TypeError(f"function of a sweep with a store {error}") from None
        return str(getattr(function, "__qualname__", type(function).__name__))
    return str(found["name"]) if set(found) == {"name"} else canonical(found)


@contextlib.contextmanager
def bar_of(progress: Progress, size: int, done: int) -> Iterator[Callable[[int], object]]:
    """Show points done, their rate and the remaining time, as a checked argument asks."""
    if callable(progress):
        progress(done, size)
        yield lambda now: progress(now, size)
        return
    if (progress is not None and not progress) or (progress is None and not sys.stderr.isatty()):
        yield lambda now: None
        return
    _checks.modules("a progress bar", ("tqdm",), "sweeps")
    from tqdm import tqdm

    # what the store held says nothing of the rate
    with tqdm(total=size, initial=done, unit="point", file=sys.stderr, dynamic_ncols=True) as bar:
        yield lambda now: bar.update(now - bar.n)
