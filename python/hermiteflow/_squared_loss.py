"""The squared loss (9) of weights on the sphere or of any norm; not how it falls."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike

from . import _checks, _core
from ._checks import Array
from ._correlators import Correlator
from ._display import Card
from ._memory import check_square
from ._model import TeacherStudent
from ._order_parameters import check_order_parameters, check_tail
from .interactions import Interaction
from .links import Link
from .targets import Targets

#: Loss, gradient and field refuse truncated series whose bound is above this share of psi'.
SERIES_TOLERANCE = 1e-8


@dataclass(frozen=True, init=False, eq=False, repr=False)
class SquaredLoss(TeacherStudent):
    """The squared loss (9), L = E[(f - f*)^2] / 2; arguments are those of `SquaredFlow`.

    References
    ----------
    docs/mathematics (9).
    """

    constrained: bool
    train_second_layer: bool
    student_interaction: Interaction
    teacher_interaction: Interaction

    def __init__(
        self,
        targets: Targets,
        link: Link,
        *,
        student: Link | None = None,
        second_layer: ArrayLike | None = None,
        target_weights: ArrayLike | None = None,
        constrained: bool = True,
        train_second_layer: bool = False,
    ) -> None:
        super().__init__(
            targets,
            link,
            student=student,
            second_layer=second_layer,
            target_weights=target_weights,
        )
        trained = _checks.flag(train_second_layer, "train_second_layer")
        object.__setattr__(self, "constrained", _checks.flag(constrained, "constrained"))
        object.__setattr__(self, "train_second_layer", trained)
        object.__setattr__(self, "student_interaction", Interaction(student or link))
        object.__setattr__(self, "teacher_interaction", Interaction(link))
        if not self.constrained:
            _ = self._correlators  # refuses links without closed forms

    def _content(self) -> tuple[object, ...]:
        return (*super()._content(), self.constrained, self.train_second_layer)

    def _card(self) -> Card:
        where = "on the sphere" if self.constrained else "in R^d"
        rows = [
            *self._rows(),
            ("student psi_ss", self.student_interaction._card().body),
            ("trains", "W and a" if self.train_second_layer else "W"),
        ]
        return Card(f"SquaredFlow {where}, L = E[(f - f*)^2] / 2", tuple(rows))

    @cached_property
    def _correlators(self) -> tuple[Correlator, Correlator]:
        """Student with teacher, and student with student, at any norm."""
        student = self.student or self.link
        return Correlator(student, self.link), Correlator(student, student)

    # -------------------------------------------------------------- arguments

    def _weights(self, W: ArrayLike) -> Array:
        if self.constrained:
            return super()._weights(W)
        return _checks.array(W, "W", ("n", "d"))

    def _layer(self, n: int, second_layer: ArrayLike | None) -> Array:
        if second_layer is not None:
            return _checks.array(second_layer, "second_layer", (n,))
        layer = self.neurons(n)
        return np.ones(n) if layer is None else layer

    def _order_parameters(
        self, M: ArrayLike, Q: ArrayLike, names: tuple[str, str] = ("M", "Q")
    ) -> tuple[Array, Array]:
        free, k = not self.constrained, self.targets.k
        positive = free and self._correlators[0].needs_norm[0]
        return check_order_parameters(M, Q, k, unit=not free, positive=positive, names=names)

    def check_series(self, rtol: float = SERIES_TOLERANCE) -> None:
        """Refuse truncated series of psi' and psi_ss' whose bounds are above a tolerance.

        Loss, gradient and field call it with 1e-8, a solver with its own tolerance.

        Parameters
        ----------
        rtol : float
            Relative to the largest coefficient of each series; 1e-13 at least.

        Raises
        ------
        ValueError
            Naming the series, its bound, and what helps.

        References
        ----------
        docs/mathematics, "Interaction".
        """
        student = self.student or self.link
        rtol = _checks.real(rtol, "rtol", low=0.0)
        if self.constrained:  # closed forms otherwise
            degree = min(self.link.degree, student.degree)
            check_tail("link and student", "psi'", self.interaction, degree, rtol)
            check_tail("student", "psi_ss'", self.student_interaction, student.degree, rtol)

    def _check_teacher(self) -> None:
        """Refuse a truncated series of psi_tt, without which the loss is not known."""
        degree = self.link.degree
        # values need one power of the degree less than slopes
        share = 1.0 / (degree + 1)
        check_tail("link", "psi_tt", self.teacher_interaction, degree, SERIES_TOLERANCE, share)

    # -------------------------------------------------------------- overlaps and loss

    def student_overlaps(self, W: ArrayLike, *, n_threads: int | None = None) -> Array:
        """Return Q = W W^T, shape (n, n), for weights W of shape (n, d).

        Its diagonal is 1 where weights are constrained.

        Parameters
        ----------
        W : array_like (n, d)
            Weights, of unit norm where they are constrained.
        n_threads : int, optional
            Threads of the product.

        Raises
        ------
        ValueError
            For another shape or norm, and for more neurons than memory has room for.

        Examples
        --------
        >>> import hermiteflow as hf
        >>> flow = hf.SquaredFlow(hf.Orthonormal(k=1), hf.hermite(3))
        >>> flow.student_overlaps([[1.0, 0.0], [0.6, 0.8]])
        array([[1. , 0.6],
               [0.6, 1. ]])
        """
        weights = self._weights(W)
        check_square(weights.shape[0], "W")
        products = _core.project_weights(weights, weights, _checks.threads(n_threads))
        products = 0.5 * (products + products.T)
        if self.constrained:
            np.fill_diagonal(products, 1.0)
        return products

    def loss(
        self, W: ArrayLike, second_layer: ArrayLike | None = None, *, n_threads: int | None = None
    ) -> float:
        """Return the loss (9), E[(f - f*)^2] / 2, for weights W of shape (n, d).

        Its three sums cancel where student and teacher agree: right to 1e-15 of their size.

        Parameters
        ----------
        W : array_like (n, d)
            Weights, of unit norm where they are constrained.
        second_layer : array_like (n,), optional
            a, the flow's own by default.
        n_threads : int, optional
            Threads of the products.

        Raises
        ------
        ValueError
            For other shapes or norms, truncated series, and more neurons than memory has room for.

        References
        ----------
        docs/mathematics (9).

        Examples
        --------
        >>> import hermiteflow as hf
        >>> flow = hf.SquaredFlow(hf.Orthonormal(k=1), hf.hermite(3))
        >>> round(flow.loss([[0.6, 0.8]]), 3)  # 1 - 0.6^3
        0.784
        """
        M = self.overlaps(W, n_threads=n_threads)
        return self.loss_of(M, self.student_overlaps(W, n_threads=n_threads), second_layer)

    def loss_of(self, M: ArrayLike, Q: ArrayLike, second_layer: ArrayLike | None = None) -> float:
        """Return the loss (9), E[(f - f*)^2] / 2, for order parameters.

        Parameters
        ----------
        M : array_like (n, k)
            Overlaps W V^T.
        Q : array_like (n, n)
            W W^T, symmetric, with a unit diagonal where weights are constrained.
        second_layer : array_like (n,), optional
            a, the flow's own by default.

        Raises
        ------
        ValueError
            For other shapes or norms, and for truncated series.

        References
        ----------
        docs/mathematics (9).
        """
        M, Q = self._order_parameters(M, Q)
        self.check_series()
        self._check_teacher()
        a, b = self._layer(M.shape[0], second_layer), self.target_weights
        teacher, students = self._values(M, Q)
        constant = b @ self.teacher_interaction(self.targets.gram) @ b
        return float(0.5 * (a @ students @ a) - a @ teacher @ b + 0.5 * constant)

    def _values(self, M: Array, Q: Array) -> tuple[Array, Array]:
        """E[sigma(w_i.x) sigma*(v_j.x)], (n, k), and E[sigma(w_i.x) sigma(w_l.x)], (n, n)."""
        if self.constrained:
            return self.interaction(M), self.student_interaction(Q)
        norms, (teacher, students) = np.diag(Q), self._correlators
        return (
            teacher(norms[:, None], M, 1.0).value,
            students(norms[:, None], Q, norms).value,
        )
