"""`sweep`: checks, brings grid, executor and store together. Imports everything else here."""

from __future__ import annotations

import contextlib
import errno
import os
import platform
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import _checks, _core
from ..starts import Seed, root_of, seed_config
from ._content import canonical
from ._executors import Executor
from ._grid import Grid, Index, make_grid
from ._options import Progress, bar_of, check_call, check_dims, function_name, make_executor
from ._points import Function, Outcome, SweepError, Task
from ._results import Results, form_of
from ._store import FORMAT, VERSION, Store, fresh_seed, root_seed

if TYPE_CHECKING:
    import xarray as xr


def sweep(
    function: Function,
    values: Mapping[str, Any],
    *,
    executor: Any = "serial",
    seed: Seed = None,
    store: str | os.PathLike[str] | None = None,
    dims: Mapping[str, Sequence[str]] | None = None,
    workers: int | None = None,
    threads_per_worker: int = 1,
    progress: Progress = None,
) -> xr.Dataset:
    """Call a function at every point of a grid, here or on a cluster, and label what it returns.

    The result is the same to the last bit whatever the executor, the number of workers and of
    interruptions. Needs the extra `sweeps`; for a cluster, `dask`.

    Parameters
    ----------
    function : callable
        Called as ``function(**point, seed=SeedSequence)``; returns a dict of scalars or arrays
        of numbers, booleans or strings, with the same names, shapes and dtypes at every point.
    values : mapping of str to sequence
        Values of each name; the grid is their outer product. Objects such as links and targets
        get readable labels as coordinates, or those of a mapping {label: value}.
    executor : {"serial", "threads", "processes"}, Client or str
        Who computes the points. "processes" starts fresh ones; a `dask.distributed.Client`, or
        the address of its scheduler such as "tcp://10.0.0.1:8786", uses a cluster.
    seed : int, SeedSequence, Generator or None
        The root of all seeds, kept in ``attrs["seed"]``. A point's seed depends on the root and
        on the point's own names and values alone. None draws entropy, and logs it (logger
        "hermiteflow", level INFO), or takes that of the store.
    store : str or path, optional
        A folder for the points as they are finished, a Zarr group once complete; a sweep that was
        interrupted goes on from there. Times, hosts and dates lie in its ``log.jsonl``.
    dims : mapping of str to sequence of str, optional
        Names of the dimensions of an array that the function returns; ``<name>_0``, ... otherwise.
    workers : int, optional
        Points at once, for "threads" and "processes"; as many as the processors carry otherwise.
    threads_per_worker : int
        Threads of hermiteflow inside a point, unless the function gives `n_threads` itself; of
        BLAS too, except on a cluster.
    progress : bool or callable, optional
        Show a bar on stderr; where that is a terminal by default. A callable gets the numbers of
        points done and of all.

    Returns
    -------
    xarray.Dataset
        A variable for each result, sorted by name, over the names of the grid and then `dims`.

    Raises
    ------
    SweepError
        If a point fails, naming it; what the function raised is its ``__cause__``.
    ValueError, TypeError
        For bad arguments and for results that do not fit each other, naming what and where; for
        a store of another sweep or a damaged one, of which nothing is overwritten.
    OSError
        If the store cannot be written; `ConnectionError` if no scheduler answers.
    KeyboardInterrupt
        After Ctrl-C, once what is finished is in the store; it says how to go on.

    Examples
    --------
    >>> import hermiteflow as hf
    >>> def escape(k, link, seed):
    ...     flow = hf.CorrelationFlow(hf.Orthonormal(k=k), link)
    ...     start = hf.random_overlaps(flow.targets, n=100, d=10**6, seed=seed)
    ...     return {"time": hf.solve(flow, overlaps=start).t_final.mean()}
    >>> links = [hf.hermite(3), hf.hermite(4)]
    >>> ds = hf.sweep(escape, {"k": [2, 5], "link": links}, seed=0)
    >>> dict(ds.sizes), ds.link.values.tolist()
    ({'k': 2, 'link': 2}, ['h_3', 'h_4'])
    >>> bool((ds.time.sel(link="h_4") > ds.time.sel(link="h_3")).all())
    True
    """
    _checks.modules("sweep", ("xarray",), "sweeps")
    grid = make_grid(values)
    threads = _checks.integer(threads_per_worker, "threads_per_worker", high=4096)
    named = check_dims(dims)
    _checks.reporting(progress, none=True)
    check_call(function, grid)
    name = function_name(function, stored=store is not None)
    root = None if seed is None else seed_config(root_of(seed, "sweep"))
    if store is not None:
        _checks.modules("sweep with a store", ("google_crc32c", "zarr"), "sweeps")
    runner = make_executor(executor, threads, workers, function, grid)
    config: dict[str, Any] = {
        "function": name,
        "grid": grid.config(),
        "seed": root,
        "dims": {key: list(value) for key, value in sorted(named.items())},
        "hermiteflow": str(_core.build_info()["version"]),
    }
    kept: Store | None = None
    try:
        if store is not None:
            kept = Store(store, config, grid)
        config = kept.config if kept else {**config, "seed": root or fresh_seed()}
        attributes = {
            "hermiteflow_format": FORMAT,
            "format_version": VERSION,
            "source": f"hermiteflow {config['hermiteflow']}",
            "function": name,
            "seed": canonical(config["seed"]),
        }
        run = _Run(function, grid, Results(grid, named), kept, root_seed(config["seed"]))
        run.resume()
        with bar_of(progress, grid.size, len(run.done)) as report:
            run.compute(runner, report)
        run.finish(attributes)
        return run.results.dataset(attributes)
    finally:
        runner.stop()
        if kept is not None:
            kept.close()


class _Run:
    """One run of a sweep: what is finished, what is missing."""

    def __init__(
        self,
        function: Function,
        grid: Grid,
        results: Results,
        store: Store | None,
        root: np.random.SeedSequence,
    ) -> None:
        self.function = function
        self.grid = grid
        self.results = results
        self.store = store
        self.root = root
        self.done: set[Index] = set()
        self._indices = list(grid.indices())

    def resume(self) -> None:
        """Take what the store holds."""
        if self.store is None or self.store.form is None:
            return
        for index, cells in self.store.finished():
            if self.results.form is None:  # not before: a form alone may claim any shape
                self.results.adopt(self.store.form, "the points in the store")
            self.results.put(index, cells)
            self.done.add(index)
        if len(self.done) == self.grid.size:
            return
        if not self.store.writable:
            what = f"store must be writable to go on, got one where {self.saved()}"
            raise PermissionError(errno.EACCES, what)
        with self._writing():
            self.store.reopen()
            if self.done:
                self.store.adopt(self.store.form)

    def compute(self, runner: Executor, report: Callable[[int], object]) -> None:
        """Compute what is missing."""
        missing = [n for n, index in enumerate(self._indices) if index not in self.done]
        if not missing:
            return
        info = {"host": platform.node(), "pid": os.getpid(), "python": platform.python_version()}
        info |= {"numpy": np.__version__, "isa": str(_core.build_info()["isa"])}
        self._log(event="start", executor=type(runner).__name__, missing=len(missing), **info)
        outcomes = runner.run(self.function, self._tasks(missing))
        taken: Outcome | None = None
        try:
            for taken in outcomes:
                self._take(taken)
                report(len(self.done))
        except BaseException as error:
            # Ctrl-C may come between the files of a point and its place among those that are done
            again = [taken] if taken is not None and isinstance(error, KeyboardInterrupt) else []
            for outcome in (*again, *runner.stop()):
                with contextlib.suppress(Exception):  # the first error counts
                    if self._indices[outcome.number] not in self.done:
                        self._take(outcome)
            self._log(event="stop", error=type(error).__name__, finished=len(self.done))
            if isinstance(error, KeyboardInterrupt):
                raise KeyboardInterrupt(f"{self.saved()}; {self._advice()}") from None
            if isinstance(error, ConnectionError):
                raise ConnectionError(f"{error}; {self.saved()}; {self._advice()}") from error
            raise
        finally:
            outcomes.close()  # type: ignore[attr-defined]
        self._log(event="end", finished=len(self.done))

    def finish(self, attributes: Mapping[str, Any]) -> None:
        """Say in the store that all is there."""
        if self.store is not None and self.store.writable:
            with self._writing():
                self.store.finish(attributes)

    def saved(self) -> str:
        """Say how much is finished, and where."""
        count = f"{len(self.done)} of {self.grid.size} points"
        return f"{count} are in {str(self.store.path)!r}" if self.store else f"{count} were done"

    @contextlib.contextmanager
    def _writing(self) -> Iterator[None]:
        """Turn the system's errors into one line that says what is safe."""
        try:
            yield
        except OSError as error:
            assert self.store is not None
            what = f"{len(self.done)} of {self.grid.size} points are in it; once there is room, "
            raise self.store.trouble(error, what + self._advice()) from error

    def _advice(self) -> str:
        if self.store is None:
            return "with store= they would have been kept"
        return "the same call goes on"

    def _log(self, **entry: Any) -> None:
        if self.store is not None:
            self.store.log(**entry)

    def _tasks(self, missing: list[int]) -> Iterator[Task]:
        for number in missing:
            index = self._indices[number]
            yield Task(number, self.grid.point(index), self.grid.seed(self.root, index))

    def _take(self, outcome: Outcome) -> None:
        """Check the results of a point, and keep them."""
        index = self._indices[outcome.number]
        here = str(_core.build_info()["version"])
        if outcome.cells is None:
            raise self._failure(index, outcome.error) from outcome.error
        if outcome.version != here:
            raise RuntimeError(
                f"workers must have hermiteflow {here}, got {outcome.version} on {outcome.host}"
            )
        try:
            if self.results.form is None:
                form = form_of(outcome.cells, self.results.dims, self.grid)
                self.results.adopt(form, self.grid.describe(index))
                if self.store is not None:
                    with self._writing():
                        self.store.adopt(form)
            self.results.check(outcome.cells)
        except ValueError as error:
            raise ValueError(f"at {self.grid.describe(index)}: {error}") from None
        if self.store is not None:
            with self._writing():
                self.store.write(index, outcome.cells)
        self.results.put(index, outcome.cells)
        self.done.add(index)
        self._log(
            point=self.grid.describe(index),
            seconds=round(outcome.seconds, 6),
            host=outcome.host,
            pid=outcome.pid,
        )

    def _failure(self, index: Index, error: BaseException | None) -> SweepError:
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        kept = f"; {self.saved()}" if self.store is not None else ""
        failure = SweepError(f"at {self.grid.describe(index)}: {reason}{kept}")
        failure.point = self.grid.point(index)
        return failure
