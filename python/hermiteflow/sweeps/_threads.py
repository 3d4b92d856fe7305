"""Points in several threads of this process. Knows neither grid nor store.

May import `_executors` and `_points`.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait

from ._executors import Executor
from ._points import Function, Outcome, Task, compute, limit_libraries


class Threads(Executor):
    """Several threads of this process: for functions that spend their time in the core.

    Parameters
    ----------
    workers : int
        Points at once.
    threads : int
        Threads for each.
    """

    def __init__(self, workers: int, threads: int) -> None:
        super().__init__(threads)
        self.workers = workers
        self._pool: ThreadPoolExecutor | None = None
        self._pending: set[Future[Outcome]] = set()

    def run(self, function: Function, tasks: Iterator[Task]) -> Iterator[Outcome]:
        """Yield the outcomes, with two tasks a worker in the queue."""
        with limit_libraries(self.threads):
            self._pool = ThreadPoolExecutor(self.workers, "sweep")
            more = True
            while more or self._pending:
                while more and len(self._pending) < 2 * self.workers:
                    task = next(tasks, None)
                    if task is None:
                        more = False
                    else:
                        future = self._pool.submit(compute, function, task, self.threads)
                        self._pending.add(future)
                done, _ = wait(self._pending, return_when=FIRST_COMPLETED)
                for future in done:
                    self._pending.discard(future)
                    yield future.result()
            self._pool.shutdown()

    def stop(self) -> list[Outcome]:
        """Wait for the points that run: a thread cannot be ended."""
        if self._pool is None:
            return []
        self._pool.shutdown(wait=True, cancel_futures=True)
        return [future.result() for future in self._pending if not future.cancelled()]
