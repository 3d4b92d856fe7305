"""What all executors have in common, and the simplest one.

May import `_points`. An executor gives outcomes in any order; it never sees grid or store.
"""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Iterator

from ._points import Function, Outcome, Task, compute, limit_libraries


class Executor(ABC):
    """Runs points.

    Parameters
    ----------
    threads : int
        Threads of hermiteflow and of BLAS for each point.
    """

    #: Whether a run's points may be computed in other processes.
    away = False

    def __init__(self, threads: int) -> None:
        self.threads = threads

    @abstractmethod
    def run(self, function: Function, tasks: Iterator[Task]) -> Iterator[Outcome]:
        """Yield the outcome of each task as it is finished, in any order."""

    def stop(self) -> list[Outcome]:
        """Start nothing more; return what was finished and not yielded."""
        return []


class Serial(Executor):
    """One point after the other, here."""

    def run(self, function: Function, tasks: Iterator[Task]) -> Iterator[Outcome]:
        """Yield the outcomes in order."""
        with limit_libraries(self.threads):
            for task in tasks:
                yield compute(function, task, self.threads)


def default_workers(threads: int) -> int:
    """Return how many workers of so many threads the processors of this process can carry.

    >>> default_workers(10**6)
    1
    """
    try:
        processors = len(os.sched_getaffinity(0))
    except AttributeError:  # not on every system
        processors = os.cpu_count() or 1
    return max(1, processors // threads)
