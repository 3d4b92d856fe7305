"""Gradient flow on a stored sample: loss and gradient, streamed. Knows nothing of time steps."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, NoReturn

import numpy as np
from numpy.typing import ArrayLike

from . import _checks, _core
from ._checks import Array
from ._display import Card
from ._point_links import REACH, point_link
from ._sampled_model import SampledModel
from ._stored_sample import Absent, Sample, check_labels, check_sample
from .links import Link
from .targets import Targets

LOSSES = ("correlation", "squared")


@dataclass(frozen=True, init=False, eq=False, repr=False)
class EmpiricalFlow(SampledModel):
    """Gradient flow on a stored sample x_1..x_N: what full-batch training sees.

    The loss is L = -(1/N) sum_s y_s f(x_s), or L = (1/2N) sum_s (f(x_s) - y_s)^2 with its factor
    1/2, f(x) = sum_i a_i sigma(w_i . x). With e_s = y_s, or e_s = y_s - f(x_s),

        dw_i/dt = a_i (1/N) sum_s e_s sigma'(w_i . x_s) (x_s - (w_i . x_s) w_i) = -grad L,

    without the last term where weights are free. Time unit and loss are those of `CorrelationFlow`
    and `SquaredFlow`, to which the flow tends as N grows, as N^(-1/2) for x_s from N(0, I_d).

    X is read where it lies, block by block, once for each right-hand side, so N d may exceed the
    memory; sums are in double precision, and the same bits for any number of threads.

    Parameters
    ----------
    targets : Targets
        Index vectors v_1..v_k: overlaps are those with them, also where `y` is given.
    link : Link
        The teacher's link sigma*.
    X : array (N, d), float32 or float64
        The sample: rows contiguous, any distance apart; `np.memmap` is welcome. d is at least
        rank(G) + 1. Neither copied nor converted, and not to be changed afterwards. A link made
        from a callable wants |w . x| <= 32: scale data to unit variance.
    y : array_like (N,), optional
        Labels; f*(x_s) of the model by default.
    loss : {"correlation", "squared"}
        Which loss.
    student : Link, optional
        The student's link sigma; the same by default. It must have a derivative.
    second_layer : float or array_like (n,), optional
        a_i; ones by default. Where they start, with `train_second_layer`.
    target_weights : array_like (k,), optional
        b_j; ones by default.
    constrained : bool
        Unit weights (default), or weights that move freely in R^d, for the squared loss only.
    train_second_layer : bool
        Let a flow too, da_i/dt = (1/N) sum_s e_s sigma(w_i . x_s), for the squared loss only.
    n_threads : int, optional
        Threads of the pass over X that finds the labels.

    Attributes
    ----------
    X : array (N, d)
        The sample, a read-only view. A flow that was read from a file has none until it is given
        back, by ``hf.load(path, sample=X)`` or `with_sample`; what needs it raises ValueError.
    shape : (int, int)
        N and d.
    labels : Array (N,)
        y.
    loss_name : str
        "correlation" or "squared".

    Raises
    ------
    TypeError, ValueError
        Naming the argument, what was expected and what came.

    References
    ----------
    docs/mathematics (2), (9);
    docs/finite_samples.

    Examples
    --------
    >>> import numpy as np, hermiteflow as hf
    >>> X = np.random.default_rng(0).standard_normal((100_000, 20), dtype=np.float32)
    >>> targets = hf.Orthonormal(k=2)
    >>> flow = hf.EmpiricalFlow(targets, hf.hermite(3), X)
    >>> W = hf.random_weights(n=1, d=20, seed=0)
    >>> population = hf.CorrelationFlow(targets, hf.hermite(3))
    >>> bool(np.linalg.norm(flow.gradient(W) - population.gradient(W)) < 0.1)
    True
    """

    loss_name: str
    constrained: bool
    train_second_layer: bool

    def __init__(
        self,
        targets: Targets,
        link: Link,
        X: Sample,
        *,
        y: ArrayLike | None = None,
        loss: str = "correlation",
        student: Link | None = None,
        second_layer: ArrayLike | None = None,
        target_weights: ArrayLike | None = None,
        constrained: bool = True,
        train_second_layer: bool = False,
        n_threads: int | None = None,
    ) -> None:
        super().__init__(
            targets,
            link,
            student=student,
            second_layer=second_layer,
            target_weights=target_weights,
        )
        self._set_loss(loss, constrained, train_second_layer)
        sample = check_sample(X)
        N, d = sample.shape
        if d < targets.rank + 1:
            raise ValueError(
                f"X must have shape (N, d) with d >= rank(G) + 1 = {targets.rank + 1}, "
                f"got {sample.shape}"
            )
        targets._check_width(sample.shape, "X", "N")
        labels = None if y is None else _checks.array(y, "y", (N,)).copy()
        vectors = targets.vectors(d)
        # also where labels are given: it finds what is not finite in X
        teacher = _core.EmpiricalSpec(
            sample, None, self.target_weights, point_link(link), False, True, vectors, False
        )
        found = _core.empirical_outputs(teacher, vectors, _checks.threads(n_threads))
        check_labels(sample, found, y is not None)
        self._set_sample(sample, found if labels is None else labels, y is not None)

    def _set_loss(self, loss: str, constrained: bool, train_second_layer: bool) -> None:
        name = _checks.choice(loss, "loss", LOSSES)
        bound = _checks.flag(constrained, "constrained")
        trained = _checks.flag(train_second_layer, "train_second_layer")
        if name == "correlation" and not bound:
            raise ValueError(
                "constrained must be True with loss='correlation', which free weights send to "
                "infinity, got False"
            )
        if name == "correlation" and trained:
            raise ValueError(
                "train_second_layer must be False with loss='correlation', which a trained second "
                "layer sends to infinity, got True"
            )
        object.__setattr__(self, "loss_name", name)
        object.__setattr__(self, "constrained", bound)
        object.__setattr__(self, "train_second_layer", trained)

    @classmethod
    def _restored(
        cls,
        targets: Targets,
        link: Link,
        sample: Absent,
        labels: Array,
        *,
        given: bool,
        loss: tuple[str, bool, bool],
        **model: Any,
    ) -> EmpiricalFlow:
        """Return a flow whose sample is elsewhere; `loss` is that of `_set_loss`."""
        flow = cls.__new__(cls)
        SampledModel.__init__(flow, targets, link, **model)
        flow._set_loss(*loss)
        flow._set_sample(sample, labels, given)
        return flow

    def _content(self) -> tuple[object, ...]:
        kind = (self.loss_name, self.constrained, self.train_second_layer)
        return (*super()._content(), *kind, self.digest)

    def _card(self) -> Card:
        squared = self.loss_name == "squared"
        formula = "(1/2N) sum (f - y)^2" if squared else "-(1/N) sum y f"
        where = "on the sphere" if self.constrained else "in R^d"
        (N, d), sample = self.shape, self._sample
        kind = ", memory-mapped" if isinstance(sample, np.memmap) else ""
        kind = ", not here" if isinstance(sample, Absent) else kind
        rows = (
            *self._rows(),
            ("sample", f"N = {N:,}, d = {d:,}, {sample.dtype}{kind}"),
            ("labels", "given" if self.given_labels else "of the model"),
            ("trains", "W and a" if self.train_second_layer else "W"),
        )
        return Card(f"EmpiricalFlow {where}, L = {formula}", rows)

    # -------------------------------------------------------------- arguments

    def _weights(self, W: ArrayLike) -> Array:
        shape = ("n", self.shape[1])
        if self.constrained:
            return _checks.unit_rows(W, "W", shape)[0]
        return _checks.array(W, "W", shape)

    def layer(self, n: int, second_layer: ArrayLike | None = None) -> Array:
        """Return a_i for n neurons, shape (n,): the flow's own unless they are given."""
        if second_layer is not None:
            return _checks.array(second_layer, "second_layer", (n,))
        found = self.neurons(n)
        return np.ones(int(n)) if found is None else found

    def core(self, n: int, second_layer: ArrayLike | None = None) -> _core.EmpiricalSpec:
        """Return what C++ sees of the flow of n neurons; built anew for each call, never kept."""
        return _core.EmpiricalSpec(
            self.X,
            self.labels,
            self.layer(n, second_layer),
            point_link(self.student or self.link),
            self.loss_name == "squared",
            self.constrained,
            self.targets.vectors(self.shape[1]),
            self.train_second_layer,
        )

    # -------------------------------------------------------------- loss and gradient

    def loss(
        self, W: ArrayLike, second_layer: ArrayLike | None = None, *, n_threads: int | None = None
    ) -> float:
        """Return the loss on the sample for weights W of shape (n, d).

        Parameters
        ----------
        W : array_like (n, d)
            Weights, of unit norm where they are constrained.
        second_layer : array_like (n,), optional
            a, the flow's own by default.
        n_threads : int, optional
            Threads; the result does not depend on them.

        Raises
        ------
        ValueError
            If W is not as above, or if the loss is not finite: it names the first row of X where f
            is not (a link made from a callable is known for |w . x| <= 32), or what overflows.

        Examples
        --------
        >>> import numpy as np, hermiteflow as hf
        >>> X = np.array([[1.0, 0.0], [0.0, 2.0]])
        >>> flow = hf.EmpiricalFlow(hf.Orthonormal(k=1), hf.hermite(1), X, loss="squared")
        >>> flow.labels, flow.loss([[0.0, 1.0]])  # ((0 - 1)^2 + (2 - 0)^2) / (2 N)
        (array([1., 0.]), 1.25)
        """
        weights, threads = self._weights(W), _checks.threads(n_threads)
        spec = self.core(weights.shape[0], second_layer)
        found = float(_core.empirical_loss(spec, weights, threads))
        if not math.isfinite(found):
            self._refuse("loss", spec, weights, threads)
        return found

    def gradient(
        self, W: ArrayLike, second_layer: ArrayLike | None = None, *, n_threads: int | None = None
    ) -> Array:
        """Return the gradient (n, d) of the loss in W: Riemannian where W is constrained.

        Parameters
        ----------
        W : array_like (n, d)
            Weights, of unit norm where they are constrained.
        second_layer : array_like (n,), optional
            a, the flow's own by default.
        n_threads : int, optional
            Threads; the result does not depend on them.

        Raises
        ------
        ValueError
            If W is not as above, or if the gradient is not finite, as `loss` does.

        Examples
        --------
        >>> import numpy as np, hermiteflow as hf
        >>> X = np.array([[1.0, 0.0], [0.0, 2.0]])
        >>> flow = hf.EmpiricalFlow(hf.Orthonormal(k=1), hf.hermite(1), X)
        >>> flow.gradient([[0.6, 0.8]])  # -(1/2) (v - (v.w) w), v = (1, 0)
        array([[-0.32,  0.24]])
        """
        return self._gradients(W, second_layer, n_threads)[0]

    def layer_gradient(
        self, W: ArrayLike, second_layer: ArrayLike | None = None, *, n_threads: int | None = None
    ) -> Array:
        """Return the gradient (n,) of the loss in a, where it is trained.

        Arguments and errors are those of `gradient`, and a ValueError where it is not.

        Examples
        --------
        >>> import numpy as np, hermiteflow as hf
        >>> X = np.array([[1.0, 0.0], [0.0, 2.0]])
        >>> flow = hf.EmpiricalFlow(hf.Orthonormal(k=1), hf.hermite(1), X, loss="squared",
        ...                         train_second_layer=True)
        >>> flow.layer_gradient([[0.0, 1.0]], [0.5])  # (0 (0 - 1) + 2 (1 - 0)) / N
        array([1.])
        """
        if not self.train_second_layer:
            raise ValueError("train_second_layer must be True for a gradient in a, got False")
        return self._gradients(W, second_layer, n_threads)[1]

    def _gradients(
        self, W: ArrayLike, second_layer: ArrayLike | None, n_threads: int | None
    ) -> tuple[Array, Array]:
        weights, threads = self._weights(W), _checks.threads(n_threads)
        spec = self.core(weights.shape[0], second_layer)
        *rates, _ = _core.empirical_rates(spec, weights, threads)
        if not all(np.isfinite(part).all() for part in rates):
            self._refuse("gradient", spec, weights, threads)
        of_weights, of_layer = (np.asarray(np.negative(part, out=part)) for part in rates)
        return of_weights, of_layer

    def _refuse(
        self, what: str, spec: _core.EmpiricalSpec, weights: Array, threads: int
    ) -> NoReturn:
        """Raise ValueError that tells where what was asked for at W is not finite."""
        outputs = _core.empirical_outputs(spec, weights, threads)
        bad = np.flatnonzero(~np.isfinite(outputs))
        if bad.size:
            row = int(bad[0])
            field = float(np.abs(weights @ self.X[row].astype(np.float64)).max())
            where = f"f(x) = {outputs[row]} in row {row} of X, where |w . x| is up to {field:.4g}"
            if field > REACH:
                where += f"; a link made from a callable is known on [-{REACH:g}, {REACH:g}]"
            raise ValueError(f"W must give a finite {what}, got {where}")
        sizes = (("|y|", np.abs(self.labels)), ("|f(x)|", np.abs(outputs)))
        most = (f"{name} = {x.max():.4g} in row {int(x.argmax())} of X" for name, x in sizes)
        raise ValueError(f"W must give a finite {what}, got an overflow with {' and '.join(most)}")
