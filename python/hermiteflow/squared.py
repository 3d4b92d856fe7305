"""The squared loss and its flow: on the sphere, (9) and (10), or with weights of any norm."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from . import _checks
from ._checks import Array
from ._pull import Pull, pull_of_free, pull_on_sphere
from ._squared_hessian import SquaredHessian, coordinates, squared_hessian
from ._squared_loss import SquaredLoss


@dataclass(frozen=True, init=False, eq=False, repr=False)
class SquaredFlow(SquaredLoss):
    """Gradient flow of the squared loss (9), L = E[(f - f*)^2] / 2: mind the factor 1/2.

    Time unit: dw_i/dt = -grad L, the Riemannian gradient of (9) itself: no factor 1/n, no learning
    rate. Neurons are coupled; M = W V^T and Q = W W^T obey (10), closed without d. `solve`
    integrates it, free weights and a trained second layer too.

    Parameters
    ----------
    targets : Targets
        Index vectors v_1..v_k.
    link : Link
        The teacher's link sigma*.
    student : Link, optional
        The student's link sigma; the same by default. It must have a derivative.
    second_layer : float or array_like (n,), optional
        a_i; ones by default. Where they start, with `train_second_layer`.
    target_weights : array_like (k,), optional
        b_j; ones by default.
    constrained : bool
        Unit weights (default), or weights that move freely in R^d. A link is a function of x, so
        with free weights it must be a sum of polynomials, "relu" and "erf" (the teacher's may hold
        "sign"), which have averages in closed form at any norm.
    train_second_layer : bool
        Let a flow too, da_i/dt = -dL/da_i.

    Attributes
    ----------
    interaction, student_interaction, teacher_interaction : Interaction
        psi of student and teacher, psi_ss of two students, psi_tt of two teachers, (1).

    Raises
    ------
    TypeError, ValueError
        Naming the argument, what was expected and what came.

    References
    ----------
    docs/mathematics (9), (10);
    docs/squared (14)-(16).

    Examples
    --------
    >>> import hermiteflow as hf
    >>> flow = hf.SquaredFlow(hf.Orthonormal(k=2), hf.hermite(3))
    >>> M, Q = [[0.6, 0.0], [0.0, 0.8]], [[1.0, 0.0], [0.0, 1.0]]
    >>> round(flow.loss_of(M, Q), 3)  # 1 + 1 - 0.6^3 - 0.8^3
    1.272
    >>> dM, dQ = flow.field(M, Q)
    >>> dM.round(4)  # 3 m^2 (1 - m^2)
    array([[0.6912, 0.    ],
           [0.    , 0.6912]])
    """

    # -------------------------------------------------------------- flow

    def _pull(self, M: Array, Q: Array, a: Array) -> Pull:
        b = self.target_weights
        if self.constrained:
            return pull_on_sphere(self.interaction, self.student_interaction, M, Q, a, b)
        return pull_of_free(*self._correlators, M, Q, a, b)

    def gradient(
        self, W: ArrayLike, second_layer: ArrayLike | None = None, *, n_threads: int | None = None
    ) -> Array:
        """Return the gradient (n, d) of the loss (9) in W: Riemannian where W is constrained.

        Parameters
        ----------
        W : array_like (n, d)
            Weights, of unit norm where they are constrained.
        second_layer : array_like (n,), optional
            a, the flow's own by default.
        n_threads : int, optional
            Threads of the products W V^T and W W^T.

        Raises
        ------
        ValueError
            For other shapes or norms, truncated series, and more neurons than memory has room for.

        References
        ----------
        docs/mathematics (10);
        docs/squared (15).

        Examples
        --------
        >>> import hermiteflow as hf
        >>> flow = hf.SquaredFlow(hf.Orthonormal(k=1), hf.hermite(3))
        >>> flow.gradient([[0.6, 0.8]]).round(4)  # of 1 - u^3: as for the correlation loss
        array([[-0.6912,  0.5184]])
        """
        weights = self._weights(W)
        M = self._project(weights, n_threads)
        M, Q = self._order_parameters(M, self.student_overlaps(weights, n_threads=n_threads))
        self.check_series()
        D, C, s = self._pull(M, Q, self._layer(M.shape[0], second_layer))
        pull = D @ self.targets.vectors(weights.shape[1])
        return np.asarray(C @ weights + s[:, None] * weights - pull)

    def field(
        self, M: ArrayLike, Q: ArrayLike, second_layer: ArrayLike | None = None
    ) -> tuple[Array, ...]:
        """Return the right-hand side of (10), or of its like for weights of any norm.

        Parameters
        ----------
        M : array_like (n, k)
            Overlaps W V^T.
        Q : array_like (n, n)
            W W^T, symmetric, with a unit diagonal where weights are constrained.
        second_layer : array_like (n,), optional
            a, the flow's own by default.

        Returns
        -------
        tuple of Array
            (dM/dt, dQ/dt), of shapes (n, k) and (n, n); with `train_second_layer` da/dt, (n,),
            too.

        Raises
        ------
        ValueError
            For other shapes or norms, and for truncated series.

        References
        ----------
        docs/mathematics (10);
        docs/squared (15).
        """
        M, Q = self._order_parameters(M, Q)
        self.check_series()
        a = self._layer(M.shape[0], second_layer)
        D, C, s = self._pull(M, Q, a)
        dM = D @ self.targets.gram - C @ M - s[:, None] * M
        half = D @ M.T - C @ Q - s[:, None] * Q
        if not self.train_second_layer:
            return dM, half + half.T
        teacher, students = self._values(M, Q)
        return dM, half + half.T, teacher @ self.target_weights - students @ a

    def hessian(self, W: ArrayLike) -> SquaredHessian:
        """Return the Riemannian Hessian of the loss (9) on the product of n spheres at W, (n, d).

        Dense: (n (d - 1))^2 numbers, for small n and d. Away from fixed points its eigenvalues are
        those of the second derivative along geodesics.

        Parameters
        ----------
        W : array_like (n, d)
            Weights of unit norm.

        Returns
        -------
        SquaredHessian

        Raises
        ------
        ValueError
            If weights are free or the second layer is trained; if n (d - 1) is above 8192; if
            psi' or psi'' is infinite.

        References
        ----------
        docs/squared (16).

        Examples
        --------
        >>> import numpy as np, hermiteflow as hf
        >>> flow = hf.SquaredFlow(hf.Orthonormal(k=2), hf.hermite(3))
        >>> flow.hessian(np.eye(2, 4))  # at the teacher: psi'(1) = 3
        SquaredHessian(minimum, 3 x 6)
        """
        weights = self._weights(W)
        M = self._project(weights, None)
        vectors = self.targets.vectors(weights.shape[1])
        return self._hessian(M, self.student_overlaps(weights), weights, vectors, 0)

    def hessian_of(self, M: ArrayLike, Q: ArrayLike, d: int | None = None) -> SquaredHessian:
        """Return the Hessian (16) for order parameters, at any d.

        Steps in the span of all weights and index vectors, of dimension r <= n + k, give
        n (r - 1) eigenvalues; steps outside of it give n more, each d - r times.

        Parameters
        ----------
        M : array_like (n, k)
            Overlaps W V^T.
        Q : array_like (n, n)
            W W^T, symmetric, with a unit diagonal.
        d : int, optional
            Input dimension, of any size; by default any above r.

        Returns
        -------
        SquaredHessian

        Raises
        ------
        ValueError
            As `hessian`; and if no vectors in R^d have these inner products.

        References
        ----------
        docs/squared (16).

        Examples
        --------
        >>> import numpy as np, hermiteflow as hf
        >>> flow = hf.SquaredFlow(hf.Orthonormal(k=2), hf.hermite(3))
        >>> flow.hessian_of(np.eye(2), np.eye(2), d=10**6)
        SquaredHessian(minimum, 3 x 1999998)
        """
        M, Q = self._order_parameters(M, Q)
        if d is not None:
            d = _checks.integer(d, "d")
            self.targets.check_dimension(d)
        W, V = coordinates(M, Q, self.targets.gram, d)
        return self._hessian(M, Q, W, V, None if d is None else d - W.shape[1])

    def _check_curved(self) -> None:
        """Refuse flows without a Hessian (16)."""
        if not self.constrained or self.train_second_layer:
            raise ValueError(
                "flow must have constrained=True and train_second_layer=False for a Hessian, got "
                f"constrained={self.constrained}, train_second_layer={self.train_second_layer}"
            )

    def _hessian(
        self, M: Array, Q: Array, W: Array, V: Array, outside: int | None
    ) -> SquaredHessian:
        self._check_curved()
        M, Q = self._order_parameters(M, Q)
        self.check_series()
        a = self._layer(M.shape[0], None)
        outer, pairs = a[:, None] * self.target_weights, a[:, None] * a
        _, C, rho = self._pull(M, Q, a)
        teacher = self.interaction.derivative(M, order=2)
        students = self.student_interaction.derivative(Q, order=2)
        return squared_hessian(W, V, rho, C, outer, pairs, teacher, students, outside)
