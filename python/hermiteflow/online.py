"""`online_sgd`: one-pass gradient descent on fresh samples, in R^d or exactly in law."""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.random import Generator, SeedSequence
from numpy.typing import ArrayLike

from . import _checks, _coordinates, _core
from ._checks import Array
from ._described import describe_flow, describe_option
from ._engine import Progress, reporter
from ._marginal import marginal_start, run_marginal
from ._memory import check_limit
from ._online_engine import State, Task, Whole, digest_of, run
from ._online_request import (
    Flow,
    Looks,
    Start,
    checked,
    found,
    ladder,
    layer_of,
    looks,
    make_start,
    met,
    sphere,
    trained,
    whole_steps,
)
from ._point_links import point_link
from .events import Event
from .flows import CorrelationFlow
from .online_solution import OnlineSolution
from .solution import SolveWarning, Status
from .squared import SquaredFlow
from .starts import Seed, root_of, seed_config, stream_key

METHODS = ("direct", "in_law", "marginal")


def online_sgd(
    flow: Flow,
    *,
    weights: ArrayLike | None = None,
    overlaps: ArrayLike | None = None,
    student_overlaps: ArrayLike | None = None,
    d: int | None = None,
    steps: int,
    learning_rate: float,
    batch: int = 1,
    seed: Seed = None,
    method: str | None = None,
    events: Mapping[str, Event] | None = None,
    save_at: ArrayLike | None = None,
    loss_every: int | None = None,
    checkpoint: str | os.PathLike[str] | None = None,
    memory_limit: float | None = None,
    progress: Progress = False,
    n_threads: int | None = None,
) -> OnlineSolution:
    """Descend along gradients of fresh Gaussian samples: w_i <- normalise(w_i + eta u_i).

    u_i is the mean over a batch of a_i e sigma'(w_i.x) (x - (w_i.x) w_i), e = f* for a
    `CorrelationFlow` and f* - f for a `SquaredFlow`; its mean is minus the gradient of (2), or of
    (9) with its factor 1/2. Free weights take w_i + eta a_i e sigma'(w_i.x) x, and a trained
    second layer a_i + eta e sigma(w_i.x). So a step is eta units of the time of the flow.

    Parameters
    ----------
    flow : CorrelationFlow or SquaredFlow
        The loss.
    weights : array_like (n, d)
        Starts as weights; or
    overlaps, student_overlaps : array_like (n, k), (n, n)
        Starts as M and Q, with `d`. One neuron needs no Q, nor does "marginal".
    d : int
        Input dimension, with `overlaps`: at least that of the span of W and V, up to 1e18
        (4e9 for "direct").
    steps : int
        Steps to take.
    learning_rate : float
        eta. Its scale is the user's: at eta d of order 1 noise and drift are of one size.
    batch : int
        Fresh samples a step.
    seed : int, SeedSequence, Generator or None
        None draws entropy, and logs it. The numbers of a step depend on seed and step alone. It is
        kept in `options`, but of a Generator, whose state the run moves on: such a run cannot be
        repeated from its solution.
    method : {"direct", "in_law", "marginal"}
        "direct", the default with `weights`: in R^d, n d numbers. "in_law", the default with
        `overlaps`: the Markov chain of the Gram matrix of (W, V), exact in law, at a cost that
        does not depend on d. "marginal" (CorrelationFlow, batch=1): each neuron sees samples of
        its own, many in SIMD lanes. Each has the law that it has among others, but neurons that
        share samples are dependent: what is said of several at once (coverage) needs "in_law".
    events : mapping of str to HittingTime or LossLevel
        What to watch for, counted in steps. A terminal HittingTime ends the run when each neuron
        has met it; "marginal": ends that neuron. LossLevel, one at most: the population loss (9)
        of a `SquaredFlow`, looked at as `loss_every` says; a level counts as met where it is first
        found so, though noise may take the loss there and back in between.
    save_at : array_like (T,) of int
        Increasing steps after which M and Q are kept; 0 is the start.
    loss_every : int
        The loss is looked at before the first step and after each multiple of so many; 1000 by
        default, with a LossLevel. A look takes 0.3 to 2 ms for few neurons, a step in law 1e-3.
    checkpoint : path, optional
        "direct" and "in_law": a file that keeps the state about every 10 s. If it exists, the run
        goes on from there, to the same bits as an unbroken one; more `steps` continue a run that
        has ended, and `save_at` may then hold other steps beyond it. Needs a seed.
    memory_limit : float
        Most bytes of state and result; half of the machine's by default.
    progress : bool or callable
        True shows a bar on stderr; a callable gets (steps done, steps) about every 0.1 s;
        "marginal": (neurons done, n).
    n_threads : int
        Default: HERMITEFLOW_NUM_THREADS, else OpenMP's. Results do not depend on it.

    Returns
    -------
    OnlineSolution

    Raises
    ------
    ValueError, TypeError
        For bad arguments, naming the argument, what was expected and what came.

    Warns
    -----
    SolveWarning
        If a step overflows: the state before it is returned, with status non_finite.

    References
    ----------
    docs/finite_samples.

    Examples
    --------
    >>> import hermiteflow as hf
    >>> flow = hf.SquaredFlow(hf.Orthonormal(k=2), hf.hermite(3))
    >>> M, Q = hf.random_order_parameters(flow.targets, n=2, d=10**9, seed=0)
    >>> sol = hf.online_sgd(flow, overlaps=M, student_overlaps=Q, d=10**9, steps=1000,
    ...                     learning_rate=1e-10, seed=1)
    >>> sol.student_overlaps.shape, [hf.Status(s).name for s in sol.status]
    ((2, 2), ['t_end', 't_end'])
    """
    if not isinstance(flow, CorrelationFlow | SquaredFlow):
        raise TypeError(
            f"flow must be a CorrelationFlow or a SquaredFlow, got {_checks.describe(flow)}"
        )
    if method is None:
        method = "in_law" if weights is None else "direct"
    method = _checks.choice(method, "method", METHODS)
    steps = _checks.integer(steps, "steps", high=1 << 53)
    rate = _checks.real(learning_rate, "learning_rate", low=0.0, open_low=True)
    batch = _checks.integer(batch, "batch")
    saves = whole_steps(save_at, steps)
    asked = checked(flow, events)
    levels, columns, enough = ladder(asked)
    watched = looks(asked, loss_every, steps)
    threads = _checks.threads(n_threads)
    if checkpoint is not None and (seed is None or method == "marginal"):
        what = "a seed" if seed is None else "method 'direct' or 'in_law'"
        raise ValueError(f"checkpoint needs {what}, got {seed if seed is None else method!r}")
    root = seed if isinstance(seed, Generator) else root_of(seed, "online_sgd")
    key = stream_key(root, "online_sgd")
    if method == "marginal":
        rows, d = marginal_start(flow, weights, overlaps, student_overlaps, d, batch)
        n = rows.shape[0]
        M, taken, status, hits, path = run_marginal(
            flow, _spec(flow, n, d), rows, steps=steps, rate=rate,
            key=key, levels=levels, enough=enough, saves=saves, memory_limit=memory_limit,
            threads=threads, report=reporter(progress, n),
        )  # fmt: skip
        Q, W, layer, students, layers = None, None, layer_of(flow, n), None, None
        falls = np.empty(0)
    else:
        start = make_start(flow, weights, overlaps, student_overlaps, d, method)
        n, d = start.rows.shape[0], start.d
        spec = _spec(flow, n, d)
        state = _state(
            flow, start, spec, batch, method == "in_law", levels, watched.losses, saves,
            memory_limit, threads,
        )  # fmt: skip
        task = Task(
            spec, method == "in_law", steps, batch, rate, key, levels, enough, saves,
            watched.losses, watched.stops, watched.every, _loss(flow, n, watched),
        )  # fmt: skip
        file, digest = None, ""
        if checkpoint is not None:
            file, digest = _checkpoint(checkpoint), _digest(flow, task, start, method, asked)
        report = reporter(progress, steps, "steps")
        run(task, state, threads=threads, report=report, file=file, digest=digest)
        if report is not None and not callable(progress):  # the bar ends with its line
            report(state.step)
            print(end="" if state.step == steps else "\n", file=sys.stderr)
        unit = sphere(flow)
        rows = state.scale[:, None] * state.rows[:, : state.columns]
        M, Q = _coordinates.order_parameters(flow.targets, rows, unit=unit)
        W = start.frame.leave(rows) if method == "direct" and weights is not None else None
        layer = state.layer[:n].copy()
        students = state.students
        layers = state.layers if trained(flow) else None
        taken = np.full(n, state.step, dtype=np.int64)
        status = np.full(n, state.status, dtype=np.int32)
        hits, falls, path = state.hits, state.falls, state.trajectory
    _warn(status, taken)
    return OnlineSolution(
        flow=flow,
        method=method,
        d=d,
        learning_rate=rate,
        batch=batch,
        steps=taken,
        overlaps=M,
        student_overlaps=Q,
        weights=W,
        second_layer=layer,
        saved=saves,
        trajectory=path,
        student_trajectory=students,
        layer_trajectory=layers,
        events=found(asked, hits, falls, columns),
        status=status,
        options={
            "steps": steps,
            "seed": _kept(root, whole=isinstance(seed, SeedSequence)),
            "events": dict(asked),
            **({"loss_every": watched.every} if watched.losses.size else {}),
        },
    )


def _kept(root: SeedSequence | Generator, *, whole: bool) -> dict[str, Any] | int | None:
    """Return the seed as `OnlineSolution.options` tells of it."""
    if isinstance(root, Generator):
        return None
    config = seed_config(root)
    return config if whole else int(config["entropy"])


def _spec(flow: Flow, n: int, d: int) -> _core.OnlineSpec:
    targets = flow.targets
    teacher = point_link(flow.link)
    return _core.OnlineSpec(
        teacher if flow.student is None else point_link(flow.student),
        teacher,
        n,
        flow.target_weights,
        isinstance(flow, SquaredFlow),
        sphere(flow),
        trained(flow),
        None if targets.structure == "identity" else np.ascontiguousarray(targets.factor),
        float(d),
    )


def _state(
    flow: Flow,
    start: Start,
    spec: _core.OnlineSpec,
    batch: int,
    in_law: bool,
    levels: Array,
    losses: Array,
    saves: Whole,
    limit: float | None,
    threads: int,
) -> State:
    """Return the state before the first step."""
    n, r = start.rows.shape
    k, columns, room = flow.targets.k, start.d, -(-start.d // 16) * 16
    if in_law:
        columns, room = r, max(_core.online_columns(spec, batch), -(-r // 16) * 16)
    T, kept = saves.size, trained(flow)
    sizes = {
        "the weights, 16 n d" if not in_law else "the state, 16 n (n + k)": 16 * n * room,
        "samples of a batch": 8 * batch * (_inputs(batch, room, threads) + 3 * n + k),
        "save_at, 8 T n (n + k)": 8 * T * n * (n + k),
    }
    check_limit(limit, sizes)
    rows = _aligned(n, room)
    rows[:, :r] = start.rows
    layer = np.zeros(-(-n // 8) * 8)
    layer[:n] = layer_of(flow, n)
    M, Q = _coordinates.order_parameters(flow.targets, start.rows, unit=sphere(flow))
    reached, hits = met(M, levels)
    state = State(
        rows=rows,
        columns=columns,
        scale=np.ones(n),
        layer=layer,
        reached=reached,
        hits=hits,
        falls=np.full(losses.size, np.nan),
        trajectory=np.full((T, n, k), np.nan),
        students=np.full((T, n, n), np.nan),
        layers=np.full((T if kept else 0, n), np.nan),
    )
    if T and saves[0] == 0:
        state.trajectory[0], state.students[0], state.saved = M, Q, 1
        if kept:
            state.layers[0] = layer[:n]
    return state


def _loss(flow: Flow, n: int, watched: Looks) -> Callable[[State], float] | None:
    """Return the population loss (9) of a state, where it is watched."""
    if watched.losses.size == 0:
        return None
    assert isinstance(flow, SquaredFlow)
    unit = flow.constrained

    def loss(state: State) -> float:
        rows = state.scale[:, None] * state.rows[:, : state.columns]
        M, Q = _coordinates.order_parameters(flow.targets, rows, unit=unit)
        with np.errstate(over="ignore", invalid="ignore"):  # free weights, before they blow up
            return flow.loss_of(M, Q, state.layer[:n])

    return loss


def _inputs(batch: int, room: int, threads: int) -> int:
    """Coordinates of each sample that are kept: all, or of many those in hand of each thread."""
    stretch = 1024
    few = batch * -(-room // stretch) * stretch <= 1 << 22
    return room if few else min(room, stretch * (threads or os.cpu_count() or 1))


def _aligned(n: int, room: int) -> Array:
    """Return zeros (n, room) that begin where a cache line does."""
    memory = np.zeros(n * room + 8)
    first = -memory.ctypes.data // 8 % 8
    return memory[first : first + n * room].reshape(n, room)


def _digest(flow: Flow, task: Task, start: Start, method: str, events: Mapping[str, Event]) -> str:
    described, arrays = describe_flow(flow)
    asked = {
        "flow": described,
        "method": method,
        "d": start.d,
        "batch": task.batch,
        "rate": task.rate,
        "key": list(task.key),
        "events": describe_option("events", events),
        "every": task.every,
        "isa": _core.build_info()["isa"],
    }
    values = {name: value[1] for name, value in arrays.items()}
    return digest_of(asked, {**values, "start": start.rows})


def _checkpoint(path: str | os.PathLike[str]) -> Path:
    if not isinstance(path, str | os.PathLike):
        raise TypeError(f"checkpoint must be a path, got {_checks.describe(path)}")
    file = Path(path)
    if file.is_dir() or not file.resolve().parent.is_dir():
        raise ValueError(f"checkpoint must name a file in a folder that exists, got {str(file)!r}")
    return file


def _warn(status: np.ndarray[Any, Any], taken: Whole) -> None:
    bad = np.flatnonzero(status == int(Status.non_finite))
    if bad.size:
        first = int(bad[0])
        warnings.warn(
            f"{bad.size} of {status.size} neurons ended with non_finite, the first (neuron "
            f"{first}) after step {int(taken[first])}: learning_rate is too large for this link",
            SolveWarning,
            stacklevel=3,
        )
