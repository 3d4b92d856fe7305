"""Points on a cluster of dask.distributed. Knows neither grid nor store.

May import `_executors` and `_points`. The scheduler itself runs the points of a worker that dies
again, until `distributed.scheduler.allowed-failures` more have died over the same point.
"""

from __future__ import annotations

import contextlib
import logging
import pickle
import socket
import threading
import uuid
from collections.abc import Iterator
from concurrent.futures import CancelledError
from typing import Any

from .. import _checks, _core
from ._executors import Executor
from ._points import Function, Outcome, Task, compute_away

#: Seconds for a scheduler to answer.
TIMEOUT = 10.0
#: Seconds more for its client to say so.
GRACE = 5.0
#: Points at the scheduler at once: more than a cluster has threads, fewer than burden it.
WINDOW = 2000
_log = logging.getLogger("hermiteflow")


class Dask(Executor):
    """The workers of a scheduler.

    Parameters
    ----------
    executor : Client or str
        A client, or the address of a scheduler.
    threads : int
        Threads of hermiteflow for each point.

    Raises
    ------
    ConnectionError
        If no scheduler answers.
    """

    away = True

    def __init__(self, executor: Any, threads: int) -> None:
        super().__init__(threads)
        _checks.modules("sweep on a cluster", ("distributed",), "dask")
        self._own = isinstance(executor, str)
        self._client = _connect(executor) if self._own else executor
        if self._client.asynchronous:
            raise ValueError("executor must be a synchronous Client, got an asynchronous one")
        self._futures: dict[Any, Task] = {}
        self._completed: Any = None
        try:
            count = len(self._client.sync(self._client.scheduler.ncores, callback_timeout=TIMEOUT))
        except Exception as error:  # closed, lost or silent: dask has a class for each
            self._close()
            raise _silent(self._address, error) from error
        if not count:
            _log.warning("sweep: no workers at %s yet, waiting for them", self._address)

    def run(self, function: Function, tasks: Iterator[Task]) -> Iterator[Outcome]:
        """Yield the outcomes; refills what the scheduler holds as they come."""
        from distributed import as_completed
        from distributed.protocol import pickle as by_value

        # bytes: dask looks for keys and futures in everything else
        payload = by_value.dumps(function)
        name = f"sweep-{uuid.uuid4().hex}"

        def submit(task: Task) -> Any:
            future = self._client.submit(
                _compute,
                payload,
                by_value.dumps(task),
                self.threads,
                str(_core.build_info()["isa"]),
                key=f"{name}-{task.number}",
            )
            self._futures[future] = task
            return future

        self._completed = as_completed(
            [], loop=self._client.loop, with_results=True, raise_errors=False
        )
        for task in tasks:
            self._completed.add(submit(task))
            if len(self._futures) >= WINDOW:
                break
        for future, result in self._completed:
            task = self._futures.pop(future)
            outcome = self._outcome(task, future, result)
            following = next(tasks, None)
            if following is not None:
                self._completed.add(submit(following))
            yield outcome
        self._close()

    def stop(self) -> list[Outcome]:
        """Cancel what has not been finished; points that run go on, and are forgotten."""
        finished = []
        while self._completed is not None and self._completed.has_ready():
            future, result = next(self._completed)
            if isinstance(result, Outcome):
                finished.append(result)
            self._futures.pop(future, None)
        if self._futures and self._client.status == "running":
            self._client.cancel(list(self._futures), force=True)
        self._futures.clear()
        self._close()
        return finished

    @property
    def _address(self) -> str:
        scheduler = getattr(self._client, "scheduler", None)
        return str(getattr(scheduler, "address", "an unknown address"))

    def _outcome(self, task: Task, future: Any, result: Any) -> Outcome:
        if isinstance(result, Outcome):
            return result
        if isinstance(result, CancelledError) or future.status in ("cancelled", "lost"):
            raise ConnectionError(
                f"the scheduler at {self._address} has gone away, or has cancelled the points"
            ) from (result if isinstance(result, BaseException) else None)
        error = result[1] if isinstance(result, tuple) else RuntimeError(repr(result))
        return Outcome(task.number, None, error)

    def _close(self) -> None:
        if self._own:
            with contextlib.suppress(OSError, TimeoutError):
                self._client.close(timeout=TIMEOUT)


def _compute(payload: bytes, task: bytes, threads: int, isa: str) -> Outcome:
    """Compute a point on a worker, with the caller's instruction set: to the same bits."""
    if _core.build_info()["isa"] != isa and not _core.select_isa(isa):
        raise RuntimeError(
            f"a worker must have the caller's instruction set {isa}, got one on "
            f"{socket.gethostname()} with {', '.join(_core.build_info()['isa_available'])}: set "
            "HERMITEFLOW_ISA to one that all have, where the sweep is called"
        )
    return compute_away(pickle.loads(payload), pickle.loads(task), threads)


def _connect(address: str) -> Any:
    from distributed import Client

    found: list[Any] = []

    def connect() -> None:
        try:
            found.append(Client(address, timeout=TIMEOUT, set_as_default=False))
        except (OSError, TimeoutError, ValueError) as error:
            found.append(error)

    # a port that takes the connection and stays silent would hold a Client for ever
    thread = threading.Thread(target=connect, daemon=True, name="hermiteflow-connect")
    thread.start()
    thread.join(TIMEOUT + GRACE)
    result = found[0] if found else TimeoutError("it takes the connection and says nothing")
    if isinstance(result, Exception):
        raise _silent(address, result) from result
    return result


def _silent(address: str, error: BaseException) -> ConnectionError:
    reason = " ".join(f"{type(error).__name__}: {error}".split())
    return ConnectionError(
        f"executor must be a scheduler that answers within {TIMEOUT:g} s, got {address!r} "
        f"({reason[:120]}): see that it runs and that its port can be reached from here; "
        "nothing was written"
    )
