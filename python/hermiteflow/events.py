"""What a solver may watch for in each neuron. Knows nothing of how it is found."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from . import _checks


@dataclass(frozen=True)
class HittingTime:
    """First time at which max_j |m_j| >= level: the end of the search phase.

    Parameters
    ----------
    level : float or increasing sequence of float
        Positive; at most 1 unless a `SquaredFlow` has free weights, whose overlaps may be larger.
        A sequence of L levels gives times of shape (n, L).
    terminal : bool
        Stop the neuron there (with a sequence: at its last level).

    Examples
    --------
    >>> import hermiteflow as hf
    >>> hf.HittingTime([0.1, 0.5]).level
    (0.1, 0.5)
    """

    level: float | Sequence[float]
    terminal: bool = False

    def __post_init__(self) -> None:
        values = _checks.ascending(self.level, "level", low=0.0)
        if values[0] <= 0.0:
            raise ValueError(f"level must be positive, got {_checks.describe(self.level)}")
        scalar = np.ndim(self.level) == 0
        object.__setattr__(self, "level", float(values[0]) if scalar else tuple(values.tolist()))
        object.__setattr__(self, "terminal", _checks.flag(self.terminal, "terminal"))

    @property
    def levels(self) -> tuple[float, ...]:
        """The levels as a tuple."""
        return self.level if isinstance(self.level, tuple) else (float(self.level),)  # type: ignore[arg-type]


@dataclass(frozen=True)
class Converged:
    """|dm/dt| <= tol |G g| in (4), where the Hessian (11) has no negative eigenvalue.

    The plateau at the start and the passage of a saddle are never convergence. For a `SquaredFlow`:
    |dw_i/dt| <= tol |sum_j D_ij v_j - sum_l C_il w_l| in (10) for every neuron, which is never so
    at the start, but at a saddle it may be: `SquaredFlow.hessian_of` tells. With free weights the
    gradient is that of docs/squared (15), and the force |teacher's pull| + |students' push|, which
    cancel at the teacher; with a trained second layer both are those of (w_i, a_i). For an
    `EmpiricalFlow` the force is a mean over its sample, see docs/finite_samples.

    Parameters
    ----------
    tol : float
        In [1e-13, 0.01]; fixed points are told apart from slow passages down to this speed.
    terminal : bool
        Stop the neuron there.

    References
    ----------
    docs/mathematics (4), (10), (11).
    """

    tol: float = 1e-6
    terminal: bool = True

    def __post_init__(self) -> None:
        tol = _checks.real(self.tol, "tol", low=1e-13, high=1e-2)
        object.__setattr__(self, "tol", tol)
        object.__setattr__(self, "terminal", _checks.flag(self.terminal, "terminal"))


#: Which flows a `LossLevel` is for, in words.
FOR_SQUARED = "a LossLevel is for a SquaredFlow, or an EmpiricalFlow of the squared loss"


@dataclass(frozen=True)
class LossLevel:
    """First time at which the squared loss (9) is at most a level.

    For a `SquaredFlow`, and for an `EmpiricalFlow` of the squared loss on its sample. `online_sgd`
    looks at the population loss every so many steps.

    Parameters
    ----------
    level : float or decreasing sequence of float
        Positive, in units of (9), with its factor 1/2. A sequence of L levels gives L times.
    terminal : bool
        Stop the run there (with a sequence: at its last level).

    References
    ----------
    docs/mathematics (9).

    Examples
    --------
    >>> import hermiteflow as hf
    >>> hf.LossLevel([0.1, 0.01]).level
    (0.1, 0.01)
    """

    level: float | Sequence[float]
    terminal: bool = False

    def __post_init__(self) -> None:
        values = _checks.vector(self.level, "level", "L")
        if values.size == 0 or np.any(values <= 0.0) or np.any(np.diff(values) >= 0.0):
            raise ValueError(
                "level must be positive and decreasing, got "
                f"{_checks.describe(self.level)}; {FOR_SQUARED}"
            )
        scalar = np.ndim(self.level) == 0
        object.__setattr__(self, "level", float(values[0]) if scalar else tuple(values.tolist()))
        object.__setattr__(self, "terminal", _checks.flag(self.terminal, "terminal"))

    @property
    def levels(self) -> tuple[float, ...]:
        """The levels as a tuple."""
        return self.level if isinstance(self.level, tuple) else (float(self.level),)  # type: ignore[arg-type]


def check_levels(name: str, event: HittingTime) -> None:
    """Raise ValueError if a level is above all overlaps of unit weights."""
    if event.levels[-1] > 1.0:
        raise ValueError(
            f"events[{name!r}] must have levels of at most 1 for weights of unit norm, got "
            f"{event.level!r}"
        )


Event = HittingTime | LossLevel | Converged
