"""
C++ core of hermiteflow. Arguments are checked in Python, by _checks.py.
"""

from __future__ import annotations

import collections.abc
import typing

import numpy
import numpy.typing

METHODS: dict[str, int]

class FlowSpec:
    def __init__(
        self,
        kind: typing.SupportsInt | typing.SupportsIndex,
        k: typing.SupportsInt | typing.SupportsIndex,
        beta: typing.SupportsFloat | typing.SupportsIndex,
        matrix: typing.Annotated[numpy.typing.ArrayLike, numpy.float64] | None,
        factor: typing.Annotated[numpy.typing.ArrayLike, numpy.float64] | None,
        power: typing.SupportsInt | typing.SupportsIndex,
        stride: typing.SupportsInt | typing.SupportsIndex,
        coefficients: typing.Annotated[numpy.typing.ArrayLike, numpy.float64],
        arc: typing.SupportsFloat | typing.SupportsIndex,
        arc_skip: typing.SupportsInt | typing.SupportsIndex,
        signs: typing.Annotated[
            collections.abc.Sequence[typing.SupportsFloat | typing.SupportsIndex], "FixedSize(4)"
        ],
        target_weights: typing.Annotated[numpy.typing.ArrayLike, numpy.float64],
    ) -> None: ...

class PointSpec:
    """
    A link as a function of a point.
    """
    def __init__(
        self,
        series: typing.Annotated[numpy.typing.ArrayLike, numpy.float64],
        slope_series: typing.Annotated[numpy.typing.ArrayLike, numpy.float64],
        up: typing.Annotated[numpy.typing.ArrayLike, numpy.float64],
        down: typing.Annotated[numpy.typing.ArrayLike, numpy.float64],
        factors: typing.Annotated[numpy.typing.ArrayLike, numpy.float64],
        reach: typing.SupportsFloat | typing.SupportsIndex,
        table: typing.Annotated[numpy.typing.ArrayLike, numpy.float64] | None,
    ) -> None: ...

class OnlineSpec:
    """
    What online gradient descent is run on.
    """
    def __init__(
        self,
        student: typing.Any,
        teacher: typing.Any,
        n: typing.SupportsInt | typing.SupportsIndex,
        target_weights: typing.Annotated[numpy.typing.ArrayLike, numpy.float64],
        squared: bool,
        sphere: bool,
        trained: bool,
        factor: typing.Annotated[numpy.typing.ArrayLike, numpy.float64] | None,
        d: typing.SupportsFloat | typing.SupportsIndex,
    ) -> None: ...

class EmpiricalSpec:
    """
    A student on a stored sample.
    """
    def __init__(
        self,
        x: numpy.ndarray,
        y: typing.Annotated[numpy.typing.ArrayLike, numpy.float64] | None,
        second_layer: typing.Annotated[numpy.typing.ArrayLike, numpy.float64],
        link: typing.Any,
        squared: bool,
        constrained: bool,
        vectors: typing.Annotated[numpy.typing.ArrayLike, numpy.float64],
        trained: bool,
    ) -> None: ...

class SquaredSpec:
    def __init__(
        self,
        second_layer: typing.Annotated[numpy.typing.ArrayLike, numpy.float64],
        loss_at_zero: typing.SupportsFloat | typing.SupportsIndex,
        cross_at_zero: typing.SupportsFloat | typing.SupportsIndex,
        own_at_zero: typing.SupportsFloat | typing.SupportsIndex,
        trained: bool,
        student: typing.Annotated[numpy.typing.ArrayLike, numpy.float64] | None,
        teacher: typing.Annotated[numpy.typing.ArrayLike, numpy.float64] | None,
        functions: typing.Annotated[numpy.typing.ArrayLike, numpy.float64] | None,
    ) -> None: ...

def build_info() -> dict[str, typing.Any]:
    """
    Compiler, instruction set in use, OpenMP.
    """

def chi_squared(
    key: typing.Annotated[
        collections.abc.Sequence[typing.SupportsInt | typing.SupportsIndex], "FixedSize(2)"
    ],
    freedom: typing.SupportsFloat | typing.SupportsIndex,
    count: typing.SupportsInt | typing.SupportsIndex,
) -> numpy.typing.NDArray[numpy.float64]:
    """
    Draws for tests of the generator.
    """

def combine_weights(
    s: typing.Annotated[numpy.typing.ArrayLike, numpy.float64],
    w: typing.Annotated[numpy.typing.ArrayLike, numpy.float64],
    alpha: typing.Annotated[numpy.typing.ArrayLike, numpy.float64],
    v: typing.Annotated[numpy.typing.ArrayLike, numpy.float64],
    threads: typing.SupportsInt | typing.SupportsIndex,
) -> numpy.typing.NDArray[numpy.float64]:
    """
    diag(s) W + alpha V (n, d).
    """

def draw_gram(
    key: typing.Annotated[
        collections.abc.Sequence[typing.SupportsInt | typing.SupportsIndex], "FixedSize(2)"
    ],
    k: typing.SupportsInt | typing.SupportsIndex,
    d: typing.SupportsFloat | typing.SupportsIndex,
) -> numpy.typing.NDArray[numpy.float64]:
    """
    Gram matrix (k, k) of uniform unit vectors of R^d.
    """

def draw_overlaps(
    key: typing.Annotated[
        collections.abc.Sequence[typing.SupportsInt | typing.SupportsIndex], "FixedSize(2)"
    ],
    first: typing.SupportsInt | typing.SupportsIndex,
    n: typing.SupportsInt | typing.SupportsIndex,
    k: typing.SupportsInt | typing.SupportsIndex,
    factor: typing.Annotated[numpy.typing.ArrayLike, numpy.float64] | None,
    d: typing.SupportsFloat | typing.SupportsIndex,
    threads: typing.SupportsInt | typing.SupportsIndex,
) -> numpy.typing.NDArray[numpy.float64]:
    """
    Overlaps (n, k) of uniform starts, MATH (6).
    """

def draw_weights(
    key: typing.Annotated[
        collections.abc.Sequence[typing.SupportsInt | typing.SupportsIndex], "FixedSize(2)"
    ],
    n: typing.SupportsInt | typing.SupportsIndex,
    d: typing.SupportsInt | typing.SupportsIndex,
    threads: typing.SupportsInt | typing.SupportsIndex,
) -> numpy.typing.NDArray[numpy.float64]:
    """
    Uniform unit vectors (n, d).
    """

def empirical_loss(
    flow: EmpiricalSpec,
    w: typing.Annotated[numpy.typing.ArrayLike, numpy.float64],
    threads: typing.SupportsInt | typing.SupportsIndex,
) -> float:
    """
    The loss on the sample.
    """

def empirical_outputs(
    flow: EmpiricalSpec,
    w: typing.Annotated[numpy.typing.ArrayLike, numpy.float64],
    threads: typing.SupportsInt | typing.SupportsIndex,
) -> numpy.typing.NDArray[numpy.float64]:
    """
    f of each sample (N,).
    """

def empirical_rates(
    flow: EmpiricalSpec,
    w: typing.Annotated[numpy.typing.ArrayLike, numpy.float64],
    threads: typing.SupportsInt | typing.SupportsIndex,
) -> tuple[typing.Any, ...]:
    """
    dW/dt (n, d), da/dt (n,) where a is trained, and the loss.
    """

def fma_peak(seconds: typing.SupportsFloat | typing.SupportsIndex) -> float:
    """
    GF/s of a multiply-add loop on one thread with the kernels in use.
    """

def largest_overlaps(
    overlaps: typing.Annotated[numpy.typing.ArrayLike, numpy.float64],
    threads: typing.SupportsInt | typing.SupportsIndex,
) -> tuple[typing.Any, ...]:
    """
    Place of the largest |overlap| of each row, and whether it is positive.
    """

def name_ends(
    flow: FlowSpec,
    second_layer: typing.Annotated[numpy.typing.ArrayLike, numpy.float64] | None,
    overlaps: typing.Annotated[numpy.typing.ArrayLike, numpy.float64],
    points: typing.Annotated[numpy.typing.ArrayLike, numpy.float64],
    reached: typing.Annotated[numpy.typing.ArrayLike, numpy.bool],
    key: typing.Annotated[numpy.typing.ArrayLike, numpy.int64],
    exchangeable: bool,
    threads: typing.SupportsInt | typing.SupportsIndex,
) -> tuple[typing.Any, ...]:
    """
    Index and kind of the minima near converged overlaps.
    """

def normal_quantile(tail: typing.SupportsFloat | typing.SupportsIndex) -> float:
    """
    x > 0 with P(X > x) = tail for a standard normal X.
    """

def online_columns(spec: OnlineSpec, batch: typing.SupportsInt | typing.SupportsIndex) -> int:
    """
    Columns of a state in law.
    """

def online_marginal(
    spec: OnlineSpec,
    steps: typing.SupportsInt | typing.SupportsIndex,
    rate: typing.SupportsFloat | typing.SupportsIndex,
    key: typing.Annotated[
        collections.abc.Sequence[typing.SupportsInt | typing.SupportsIndex], "FixedSize(2)"
    ],
    levels: typing.Annotated[numpy.typing.ArrayLike, numpy.float64],
    enough: typing.SupportsInt | typing.SupportsIndex,
    saves: typing.Annotated[numpy.typing.ArrayLike, numpy.int64],
    start: typing.Annotated[numpy.typing.ArrayLike, numpy.float64],
    layer: typing.Annotated[numpy.typing.ArrayLike, numpy.float64],
    reached: typing.Annotated[numpy.typing.ArrayLike, numpy.int64],
    hits: typing.Annotated[numpy.typing.ArrayLike, numpy.float64],
    path: typing.Annotated[numpy.typing.ArrayLike, numpy.float64],
    threads: typing.SupportsInt | typing.SupportsIndex,
    progress: typing.Any,
) -> tuple[typing.Any, ...]:
    """
    Neurons with samples of their own: (overlaps, steps, status).
    """

def online_sgd(
    spec: OnlineSpec,
    in_law: bool,
    first: typing.SupportsInt | typing.SupportsIndex,
    last: typing.SupportsInt | typing.SupportsIndex,
    rate: typing.SupportsFloat | typing.SupportsIndex,
    batch: typing.SupportsInt | typing.SupportsIndex,
    key: typing.Annotated[
        collections.abc.Sequence[typing.SupportsInt | typing.SupportsIndex], "FixedSize(2)"
    ],
    levels: typing.Annotated[numpy.typing.ArrayLike, numpy.float64],
    enough: typing.SupportsInt | typing.SupportsIndex,
    saves: typing.Annotated[numpy.typing.ArrayLike, numpy.int64],
    rows: typing.Annotated[numpy.typing.ArrayLike, numpy.float64],
    columns: typing.SupportsInt | typing.SupportsIndex,
    scale: typing.Annotated[numpy.typing.ArrayLike, numpy.float64],
    layer: typing.Annotated[numpy.typing.ArrayLike, numpy.float64],
    reached: typing.Annotated[numpy.typing.ArrayLike, numpy.int64],
    saved: typing.SupportsInt | typing.SupportsIndex,
    hits: typing.Annotated[numpy.typing.ArrayLike, numpy.float64],
    overlaps: typing.Annotated[numpy.typing.ArrayLike, numpy.float64],
    students: typing.Annotated[numpy.typing.ArrayLike, numpy.float64],
    layers: typing.Annotated[numpy.typing.ArrayLike, numpy.float64],
    threads: typing.SupportsInt | typing.SupportsIndex,
    progress: typing.Any,
) -> tuple[typing.Any, ...]:
    """
    Steps first + 1 .. last, in place: (step, status, columns, saved).
    """

def philox(
    counter: typing.Annotated[
        collections.abc.Sequence[typing.SupportsInt | typing.SupportsIndex], "FixedSize(4)"
    ],
    key: typing.Annotated[
        collections.abc.Sequence[typing.SupportsInt | typing.SupportsIndex], "FixedSize(2)"
    ],
) -> typing.Annotated[list[int], "FixedSize(4)"]:
    """
    One block of Philox-4x64-10.
    """

def point_values(
    link: PointSpec, x: typing.Annotated[numpy.typing.ArrayLike, numpy.float64]
) -> tuple[typing.Any, ...]:
    """
    sigma and sigma' of points (N,).
    """

def project_weights(
    w: numpy.typing.NDArray[numpy.float64],
    v: numpy.typing.NDArray[numpy.float64],
    threads: typing.SupportsInt | typing.SupportsIndex,
) -> numpy.typing.NDArray[numpy.float64]:
    """
    W V^T (n, k).
    """

def sample_normals(
    key: typing.Annotated[
        collections.abc.Sequence[typing.SupportsInt | typing.SupportsIndex], "FixedSize(2)"
    ],
    tag: typing.SupportsInt | typing.SupportsIndex,
    sample: typing.SupportsInt | typing.SupportsIndex,
    groups: typing.SupportsInt | typing.SupportsIndex,
) -> numpy.typing.NDArray[numpy.float64]:
    """
    Normal numbers (16 groups,) of a sample.
    """

def select_isa(name: str) -> bool:
    """
    Use the kernels of one instruction set; False if not available.
    """

def settle(
    flow: FlowSpec,
    second_layer: typing.Annotated[numpy.typing.ArrayLike, numpy.float64],
    m: typing.Annotated[numpy.typing.ArrayLike, numpy.float64],
) -> numpy.typing.NDArray[numpy.float64]:
    """
    The fixed points near m, polished where possible.
    """

def solve(
    flow: FlowSpec,
    second_layer: typing.Annotated[numpy.typing.ArrayLike, numpy.float64] | None,
    overlaps: typing.Annotated[numpy.typing.ArrayLike, numpy.float64],
    outside: typing.Annotated[numpy.typing.ArrayLike, numpy.float64],
    method: typing.SupportsInt | typing.SupportsIndex,
    t_end: typing.SupportsFloat | typing.SupportsIndex,
    step: typing.SupportsFloat | typing.SupportsIndex,
    rtol: typing.SupportsFloat | typing.SupportsIndex,
    atol: typing.Annotated[numpy.typing.ArrayLike, numpy.float64],
    atol_follows: bool,
    max_steps: typing.SupportsInt | typing.SupportsIndex,
    renormalize: bool,
    frame: bool,
    stop_if_trapped: bool,
    levels: typing.Annotated[numpy.typing.ArrayLike, numpy.float64],
    level_terminal: typing.Annotated[numpy.typing.ArrayLike, numpy.bool],
    watch_convergence: bool,
    convergence_terminal: bool,
    convergence_tol: typing.SupportsFloat | typing.SupportsIndex,
    save_at: typing.Annotated[numpy.typing.ArrayLike, numpy.float64],
    threads: typing.SupportsInt | typing.SupportsIndex,
    progress: typing.Any,
) -> dict[str, typing.Any]:
    """
    Integrate every neuron.
    """

def solve_empirical(
    flow: EmpiricalSpec,
    w: typing.Annotated[numpy.typing.ArrayLike, numpy.float64],
    method: typing.SupportsInt | typing.SupportsIndex,
    t_end: typing.SupportsFloat | typing.SupportsIndex,
    step: typing.SupportsFloat | typing.SupportsIndex,
    rtol: typing.SupportsFloat | typing.SupportsIndex,
    atol: typing.SupportsFloat | typing.SupportsIndex,
    max_steps: typing.SupportsInt | typing.SupportsIndex,
    renormalize: bool,
    levels: typing.Annotated[numpy.typing.ArrayLike, numpy.float64],
    levels_terminal: bool,
    losses: typing.Annotated[numpy.typing.ArrayLike, numpy.float64],
    losses_terminal: bool,
    tol: typing.SupportsFloat | typing.SupportsIndex,
    tol_terminal: bool,
    save_at: typing.Annotated[numpy.typing.ArrayLike, numpy.float64],
    threads: typing.SupportsInt | typing.SupportsIndex,
    progress: typing.Any,
) -> dict[str, typing.Any]:
    """
    Integrate all neurons on a stored sample together.
    """

def solve_squared(
    cross: FlowSpec,
    own: FlowSpec,
    spec: SquaredSpec,
    state: typing.Annotated[numpy.typing.ArrayLike, numpy.float64],
    q: typing.Annotated[numpy.typing.ArrayLike, numpy.float64] | None,
    method: typing.SupportsInt | typing.SupportsIndex,
    t_end: typing.SupportsFloat | typing.SupportsIndex,
    step: typing.SupportsFloat | typing.SupportsIndex,
    rtol: typing.SupportsFloat | typing.SupportsIndex,
    atol: typing.SupportsFloat | typing.SupportsIndex,
    max_steps: typing.SupportsInt | typing.SupportsIndex,
    renormalize: bool,
    levels: typing.Annotated[numpy.typing.ArrayLike, numpy.float64],
    levels_terminal: bool,
    losses: typing.Annotated[numpy.typing.ArrayLike, numpy.float64],
    losses_terminal: bool,
    tol: typing.SupportsFloat | typing.SupportsIndex,
    tol_terminal: bool,
    save_at: typing.Annotated[numpy.typing.ArrayLike, numpy.float64],
    threads: typing.SupportsInt | typing.SupportsIndex,
    progress: typing.Any,
) -> dict[str, typing.Any]:
    """
    Integrate all neurons of the squared loss together.
    """

def squared_rates(
    cross: FlowSpec,
    own: FlowSpec,
    spec: SquaredSpec,
    state: typing.Annotated[numpy.typing.ArrayLike, numpy.float64],
    q: typing.Annotated[numpy.typing.ArrayLike, numpy.float64] | None,
    threads: typing.SupportsInt | typing.SupportsIndex,
) -> tuple[typing.Any, ...]:
    """
    Right-hand side of MATH (10) or docs/squared (15), norms of the gradient (n,), loss.
    """

def status_table() -> list[typing.Any]:
    """
    (number, name, message) of each status.
    """

def tableau(name: str) -> dict[str, typing.Any]:
    """
    Coefficients of a Runge-Kutta method as arrays.
    """

def weights_adaptive(
    flow: FlowSpec,
    second_layer: typing.Annotated[numpy.typing.ArrayLike, numpy.float64] | None,
    v: numpy.typing.NDArray[numpy.float64],
    w: numpy.typing.NDArray[numpy.float64],
    method: typing.SupportsInt | typing.SupportsIndex,
    t_end: typing.SupportsFloat | typing.SupportsIndex,
    rtol: typing.SupportsFloat | typing.SupportsIndex,
    atol: typing.Annotated[numpy.typing.ArrayLike, numpy.float64],
    atol_follows: bool,
    max_steps: typing.SupportsInt | typing.SupportsIndex,
    threads: typing.SupportsInt | typing.SupportsIndex,
    progress: typing.Any,
) -> tuple[typing.Any, ...]:
    """
    An adaptive method on all d coordinates, in place in w: status, t, steps, rejected.
    """

def weights_gradient(
    flow: FlowSpec,
    second_layer: typing.Annotated[numpy.typing.ArrayLike, numpy.float64] | None,
    v: numpy.typing.NDArray[numpy.float64],
    w: numpy.typing.NDArray[numpy.float64],
    threads: typing.SupportsInt | typing.SupportsIndex,
) -> numpy.typing.NDArray[numpy.float64]:
    """
    Riemannian gradient (n, d) of MATH (2).
    """

def weights_rk4(
    flow: FlowSpec,
    second_layer: typing.Annotated[numpy.typing.ArrayLike, numpy.float64] | None,
    v: numpy.typing.NDArray[numpy.float64],
    w: numpy.typing.NDArray[numpy.float64],
    step: typing.SupportsFloat | typing.SupportsIndex,
    t_end: typing.SupportsFloat | typing.SupportsIndex,
    renormalize: bool,
    threads: typing.SupportsInt | typing.SupportsIndex,
    progress: typing.Any,
) -> None:
    """
    RK4 on all d coordinates, in place in w.
    """
