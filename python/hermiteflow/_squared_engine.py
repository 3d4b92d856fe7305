"""One call of the core for the squared loss: plain arrays in, plain arrays out.

Order parameters are M (n, k) and Q (n, n); coordinates are W (n, r) in an orthonormal basis of
span(W(0), V) whose first vectors span V, and a (n,) where it is trained. Knows no flows and no
solutions.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from . import _checks, _core
from ._checks import Array
from ._economise import economised
from .interactions import Interaction, Slope
from .links import Link

KINDS = {"identity": 0, "equiangular": 1, "general": 2}
_SIGNS = (0.0, math.inf, 0.0, math.inf)  # of psi' near 0: only trapping asks


def law(interaction: Interaction) -> Slope:
    """Return psi' of an interaction, its series in as few terms as rounding allows.

    References
    ----------
    docs/mathematics (1).

    Examples
    --------
    >>> import hermiteflow as hf
    >>> law(hf.Interaction(hf.hermite(3))).coefficients, law(hf.Interaction(hf.hermite(3))).power
    (array([3.]), 2)
    """
    slope = interaction.slope
    low = 0.0 if slope.stride == 2 else -1.0
    return slope._replace(coefficients=economised(slope.coefficients, low))


class Free(NamedTuple):
    """Links at any norm: Hermite series, and factors (2, 3) of erf, sign and ReLU."""

    student: Array
    teacher: Array
    functions: Array


#: Stands in for the slopes where links are those of free weights.
NO_LAW = Slope(1, 1, np.zeros(1), 0.0, 0)


def free(teacher: Link, student: Link) -> Free:
    """Return two links as numbers, for weights of any norm.

    References
    ----------
    docs/squared (15).

    Examples
    --------
    >>> import hermiteflow as hf
    >>> free(hf.link("erf"), hf.hermite(2) + 3 * hf.link("relu")).functions
    array([[0., 0., 3.],
           [1., 0., 0.]])
    """
    functions = np.zeros((2, 3))
    for row, link in zip(functions, (student, teacher), strict=True):
        for part, factor in link.parts:
            row[("erf", "sign", "relu").index(part.name)] += factor
    return Free(np.array(student.polynomial), np.array(teacher.polynomial), functions)


@dataclass(frozen=True)
class System:
    """The squared loss (9) as numbers, on the sphere or, with `links`, at any norm.

    Parameters
    ----------
    structure : str
        Of G: "identity", "equiangular" or "general".
    k : int
        Index vectors.
    cross, own : Slope
        psi' of student and teacher, psi_ss' of student and student.
    second_layer : array (n,)
        a.
    target_weights : array (k,)
        b.
    loss_at_zero : float
        Loss (9) at M = 0 and at Q = 0, the diagonal of Q too; the teacher's part of it alone
        where a is trained or weights are free.
    beta : float
        Equiangular: the inner product of two index vectors.
    gram, factor : array (k, k) and (k, rank), or None
        General: G, and L with L L^T = G; in coordinates V = [L, 0].
    trained : bool
        a flows too; coordinates only.
    at_zero : (float, float)
        psi(0) and psi_ss(0): needed on the sphere where a is trained.
    links : Free or None
        Weights of any norm, coordinates only; `cross` and `own` then say nothing.
    """

    structure: str
    k: int
    cross: Slope
    own: Slope
    second_layer: Array
    target_weights: Array
    loss_at_zero: float = 0.0
    beta: float = 0.0
    gram: Array | None = field(default=None)
    factor: Array | None = field(default=None)
    trained: bool = False
    at_zero: tuple[float, float] = (0.0, 0.0)
    links: Free | None = None

    def __post_init__(self) -> None:
        _checks.choice(self.structure, "structure", tuple(KINDS))
        _checks.array(self.second_layer, "second_layer", ("n",), finite=False)
        _checks.array(self.target_weights, "target_weights", (self.k,))
        if self.structure == "general":
            _checks.array(self.gram, "gram", (self.k, self.k))
            _checks.array(self.factor, "factor", (self.k, "rank"))

    def state(self, state: Array, Q: Array | None) -> tuple[Array, Array | None]:
        """Check the shapes of M and Q, or of W, which must have a column for each of V's."""
        n = self.second_layer.size
        if Q is not None:
            if self.trained or self.links is not None:
                raise ValueError("Q must be None where weights are free or a is trained, got Q")
            return _checks.array(state, "M", (n, self.k)), _checks.array(Q, "Q", (n, n))
        W = _checks.array(state, "W", (n, "r"))
        rank = self.k if self.factor is None else self.factor.shape[1]
        if W.shape[1] < rank:
            raise ValueError(f"W must have at least {rank} columns, the rank of G, got {W.shape}")
        return W, None

    def specs(self) -> tuple[_core.FlowSpec, _core.FlowSpec, _core.SquaredSpec]:
        """Return what C++ sees, built anew for each call."""
        cross = _core.FlowSpec(
            KINDS[self.structure], self.k, self.beta, self.gram, self.factor, *self.cross, _SIGNS,
            self.target_weights,
        )  # fmt: skip
        own = _core.FlowSpec(0, 1, 0.0, None, None, *self.own, _SIGNS, np.ones(1))
        spec = _core.SquaredSpec(
            self.second_layer, self.loss_at_zero, *self.at_zero, self.trained,
            *(self.links or (None, None, None)),
        )  # fmt: skip
        return cross, own, spec


class Rates(NamedTuple):
    """dM/dt (n, k) and dQ/dt (n, n), or dW/dt (n, r) and da/dt; |grad_i| (n,); loss."""

    M: Array
    Q: Array
    W: Array
    a: Array
    gradient_norms: Array
    loss: float


def rates(system: System, state: Array, Q: Array | None = None, *, threads: int = 1) -> Rates:
    """Return the right-hand side of (10) at (M, Q), or of (10) or (15) at W where Q is None.

    References
    ----------
    docs/mathematics (9), (10);
    docs/squared (15).

    Examples
    --------
    >>> import numpy as np
    >>> import hermiteflow as hf
    >>> cube = law(hf.Interaction(hf.hermite(3)))
    >>> one = System("identity", 1, cube, cube, np.ones(1), np.ones(1))
    >>> rates(one, np.array([[0.5]]), np.ones((1, 1))).M.round(4)  # 3 m^2 (1 - m^2)
    array([[0.5625]])
    """
    moved, norms, loss = _core.squared_rates(*system.specs(), *system.state(state, Q), threads)
    M, dQ, W, a = moved
    return Rates(M, dQ, W, a, norms, loss)


def integrate(
    system: System,
    state: Array,
    Q: Array | None = None,
    *,
    method: str = "tsit5",
    t_end: float,
    step: float = 0.0,
    rtol: float = 1e-8,
    atol: float = 1e-11,
    max_steps: int = 1_000_000,
    renormalize: bool = True,
    levels: Array | None = None,
    levels_terminal: bool = False,
    losses: Array | None = None,
    losses_terminal: bool = False,
    tol: float = 0.0,
    tol_terminal: bool = True,
    save_at: Array | None = None,
    threads: int = 1,
    progress: Callable[[int], object] | None = None,
) -> dict[str, Any]:
    """Integrate all neurons together, from (M, Q), or from W where Q is None.

    Parameters
    ----------
    system : System
    state, Q : array
        M (n, k) and Q (n, n); or W (n, r) and None.
    method : str
        "rk4" with `step`, or "tsit5", "dopri5", "dop853" with `rtol` and `atol`, for each entry of
        the state.
    t_end : float
        Time of dw_i/dt = -grad_i L, L with the factor 1/2 of (9).
    renormalize : bool
        Coordinates, rk4: |w_i| = 1 after each step; the others always do it.
    levels, losses : array, optional
        Ascending levels of max_j |M_ij|, and descending levels of the loss, whose first times are
        wanted; terminal: stop when the last is met, by every neuron.
    tol : float
        Converged when |grad_i L| <= tol |F_i| for each neuron, with the force before it is
        projected, F_i = sum_j D_ij v_j - sum_l C_il w_l; 0: not watched. Order parameters know
        |grad_i|^2 to their own error only: |grad_i| to the root of `rtol`. Coordinates know it to
        `rtol`. Weights of any norm: |F_i| = |P_i| + |S_i|, the teacher's pull
        P_i = sum_j D_ij v_j + 2 a_i sum_j b_j K_1 w_i and the students' push S_i likewise, which
        cancel at the teacher. a trained: both are those of (w_i, a_i).
    save_at : array, optional
        Ascending times.
    progress : callable, optional
        Called about every 0.1 s with the number of steps; what it raises ends the run.

    Returns
    -------
    dict
        `state`, `path` (M, Q, W, a) with NaN where not reached, `path_loss`, `hits` (n, levels),
        `loss_times`, `converged`, `gradient_norms`, `t`, `loss`, `status`, `steps`, `rejected`,
        `evaluations`.

    Raises
    ------
    ValueError, TypeError
        A state of the wrong shape or form, an unknown method, a step or tolerance that is not
        positive.

    References
    ----------
    docs/mathematics (9), (10);
    docs/squared (15).

    Examples
    --------
    >>> import numpy as np
    >>> import hermiteflow as hf
    >>> cube = law(hf.Interaction(hf.hermite(3)))
    >>> one = System("identity", 1, cube, cube, np.ones(1), np.ones(1), loss_at_zero=0.5)
    >>> out = integrate(one, np.array([[0.5]]), np.ones((1, 1)), t_end=10.0)
    >>> out["state"][0].round(6), round(out["loss"], 6)
    (array([[1.]]), 0.0)
    """
    if _core.METHODS[_checks.choice(method, "method", tuple(_core.METHODS))] == 0:
        _checks.real(step, "step", low=0.0, open_low=True)
    else:
        _checks.real(rtol, "rtol", low=0.0, open_low=True)
        _checks.real(atol, "atol", low=0.0, open_low=True)
    empty = np.zeros(0)
    levels, losses, save_at = (empty if x is None else x for x in (levels, losses, save_at))
    return _core.solve_squared(
        *system.specs(), *system.state(state, Q), _core.METHODS[method], t_end, step, rtol, atol,
        max_steps, renormalize, levels, levels_terminal, losses, losses_terminal, tol, tol_terminal,
        save_at, threads, progress,
    )  # fmt: skip
