"""Points in processes of our own, started afresh. Knows neither grid nor store.

May import `_executors` and `_points`. Each worker has a pipe of its own, so that it is known which
point ran in one that died (concurrent.futures would fail them all), and ends with its parent.
"""

from __future__ import annotations

import contextlib
import inspect
import multiprocessing
import os
import pickle
import signal
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from multiprocessing import connection, context, resource_tracker
from typing import Any

from ._executors import Executor
from ._points import Function, Outcome, Task, compute_away, limit_environment, limit_libraries

#: A point is given up when this many workers have died over it, as by dask's default.
ATTEMPTS = 4


@dataclass
class _Worker:
    process: context.SpawnProcess
    pipe: connection.Connection[Any, Any]
    task: Task | None = None
    ready: bool = False


class Processes(Executor):
    """Several processes of this machine.

    Parameters
    ----------
    workers : int
        Processes.
    threads : int
        Threads in each.
    """

    away = True

    def __init__(self, workers: int, threads: int) -> None:
        super().__init__(threads)
        self.workers = workers
        self._context = multiprocessing.get_context("spawn")
        self._pool: list[_Worker] = []

    def run(self, function: Function, tasks: Iterator[Task]) -> Iterator[Outcome]:
        """Yield the outcomes; a point whose worker dies is run again by another."""
        payload = pickle.dumps(function)
        again: list[Task] = []
        deaths: Counter[int] = Counter()
        started, idle_deaths = False, 0
        waiting = next(tasks, None)
        while waiting is not None or again or any(worker.task for worker in self._pool):
            busy = sum(worker.task is not None for worker in self._pool)
            queued = len(again) + (waiting is not None)
            while len(self._pool) < min(self.workers, busy + queued):
                self._pool.append(self._start(payload))
            for worker in self._pool:
                if worker.ready and worker.task is None and (again or waiting is not None):
                    if again:
                        worker.task = again.pop()
                    else:
                        worker.task, waiting = waiting, next(tasks, None)
                    _send(worker, worker.task)
            for worker in self._answers():
                try:
                    answer = worker.pipe.recv()
                except (EOFError, OSError):
                    task = self._bury(worker)
                    if task is not None:
                        deaths[task.number] += 1
                        if deaths[task.number] < ATTEMPTS:
                            again.append(task)
                        else:
                            yield Outcome(task.number, None, _died(worker, ATTEMPTS))
                    elif not started or idle_deaths >= ATTEMPTS:
                        raise RuntimeError(_START) from None
                    else:
                        idle_deaths += 1
                    continue
                if isinstance(answer, BaseException):
                    raise TypeError(_importable(function, str(answer))) from None
                started = worker.ready = True
                if answer is not None:
                    worker.task = None
                    yield answer
        self.stop()

    def stop(self) -> list[Outcome]:
        """End the processes, and return what they had finished."""
        finished = []
        for worker in self._pool:
            try:
                while worker.task is not None and worker.pipe.poll():
                    answer = worker.pipe.recv()
                    if isinstance(answer, Outcome):
                        finished.append(answer)
            except (EOFError, OSError):
                pass
            worker.process.kill()
        for worker in self._pool:
            worker.process.join()
            worker.pipe.close()
        self._pool.clear()
        return finished

    def _start(self, payload: bytes) -> _Worker:
        ours, theirs = self._context.Pipe()
        process = self._context.Process(
            target=_work, args=(theirs, payload, self.threads), name="sweep"
        )
        # Ctrl-C is the parent's to handle: a blocked signal stays so in the child. The tracker,
        # which would let it through again when it starts, starts before.
        resource_tracker.ensure_running()
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            process.start()
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
        theirs.close()  # so that our end tells when the process ends
        return _Worker(process, ours)

    def _answers(self) -> list[_Worker]:
        by_pipe = {worker.pipe: worker for worker in self._pool}
        return [by_pipe[pipe] for pipe in connection.wait(list(by_pipe))]  # type: ignore[index]

    def _bury(self, worker: _Worker) -> Task | None:
        self._pool.remove(worker)
        worker.pipe.close()
        worker.process.kill()
        worker.process.join()
        return worker.task


_START = (
    "the worker processes of executor='processes' died before they could start: a script needs "
    "its call of sweep under `if __name__ == '__main__':`, since they import it"
)


def check_function(function: Function) -> None:
    """Raise TypeError unless other processes can import the function.

    Raises
    ------
    TypeError
        With what to do instead.
    """
    try:
        pickle.dumps(function)
    except Exception as error:
        raise TypeError(_importable(function, str(error))) from None
    inner = inspect.unwrap(getattr(function, "func", function))
    main = sys.modules["__main__"]
    if getattr(inner, "__module__", "") == "__main__" and not hasattr(main, "__file__"):
        raise TypeError(_importable(function, "it was defined in an interactive session"))


def _importable(function: Function, reason: str) -> str:
    return (
        "function must be one that other processes can import, defined by def at the top level "
        f"of a file, got {function!r}: {' '.join(reason.split())}"
    )


def _died(worker: _Worker, times: int) -> RuntimeError:
    code = worker.process.exitcode
    how = f"by {signal.Signals(-code).name}" if code is not None and code < 0 else f"code {code}"
    return RuntimeError(
        f"{times} worker processes died over it, the last {how}: perhaps for want of memory"
    )


def _send(worker: _Worker, task: Task | None) -> None:
    # one that has died says so to whoever waits for its answer
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):
        worker.pipe.send(task)


def _work(pipe: connection.Connection[Any, Any], payload: bytes, threads: int) -> None:
    """Compute what comes through the pipe, until it closes."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    assert parent is not None
    threading.Thread(target=_end_with, args=(parent.sentinel,), daemon=True).start()
    limit_environment(threads)
    try:
        function = pickle.loads(payload)
    except Exception as error:
        pipe.send(TypeError(f"{type(error).__name__}: {error}"))
        return
    with limit_libraries(threads):
        pipe.send(None)
        while True:
            try:
                task = pipe.recv()
            except EOFError:
                return
            pipe.send(compute_away(function, task, threads))


def _end_with(sentinel: int) -> None:
    """End this process when its parent has ended, even in the middle of a point."""
    connection.wait([sentinel])
    os._exit(1)
