"""Gradient flow on a stored sample: loss and gradient, streamed. Knows nothing of time steps."""

from __future__ import annotations

import copy
import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NoReturn

import numpy as np
from numpy.typing import ArrayLike

from . import _checks, _core
from ._checks import Array
from ._display import Card
from ._model import TeacherStudent
from ._point_links import REACH, point_link
from ._stored_sample import Absent, FileRows, Sample, check_labels, check_sample, digest
from .links import Link
from .targets import Targets

LOSSES = ("correlation", "squared")


@dataclass(frozen=True, init=False, eq=False, repr=False)
class EmpiricalFlow(TeacherStudent):
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
        a_i, fixed; ones by default.
    target_weights : array_like (k,), optional
        b_j; ones by default.
    constrained : bool
        Unit weights (default), or weights that move freely in R^d, for the squared loss only.
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

    _sample: Sample | Absent
    labels: Array
    given_labels: bool
    loss_name: str
    constrained: bool

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
        n_threads: int | None = None,
    ) -> None:
        super().__init__(
            targets,
            link,
            student=student,
            second_layer=second_layer,
            target_weights=target_weights,
        )
        name = _checks.choice(loss, "loss", LOSSES)
        if not _checks.flag(constrained, "constrained") and name == "correlation":
            raise ValueError(
                "constrained must be True with loss='correlation', which free weights send to "
                "infinity, got False"
            )
        sample = check_sample(X)
        N, d = sample.shape
        if d < targets.rank + 1:
            raise ValueError(
                f"X must have shape (N, d) with d >= rank(G) + 1 = {targets.rank + 1}, "
                f"got {sample.shape}"
            )
        targets.check_dimension(d)
        labels = None if y is None else _checks.array(y, "y", (N,)).copy()
        vectors = targets.vectors(d)
        # also where labels are given: it finds what is not finite in X
        teacher = _core.EmpiricalSpec(
            sample, None, self.target_weights, point_link(link), False, True, vectors
        )
        found = _core.empirical_outputs(teacher, vectors, _checks.threads(n_threads))
        check_labels(sample, found, y is not None)
        self._set(sample, found if labels is None else labels, y is not None, name, constrained)

    def _set(
        self, sample: Sample | Absent, labels: Array, given: bool, loss: str, constrained: bool
    ) -> None:
        object.__setattr__(self, "_sample", sample)
        object.__setattr__(self, "labels", _checks.frozen(labels))
        object.__setattr__(self, "given_labels", given)
        object.__setattr__(self, "loss_name", loss)
        object.__setattr__(self, "constrained", bool(constrained))

    @classmethod
    def _restored(
        cls,
        targets: Targets,
        link: Link,
        sample: Absent,
        labels: Array,
        *,
        given: bool,
        loss: str,
        constrained: bool,
        **model: Any,
    ) -> EmpiricalFlow:
        """Return a flow whose sample is elsewhere."""
        if labels.shape != sample.shape[:1]:
            raise ValueError(f"{labels.size} labels of a sample of shape {sample.shape}")
        flow = cls.__new__(cls)
        TeacherStudent.__init__(flow, targets, link, **model)
        flow._set(sample, labels, given, _checks.choice(loss, "loss", LOSSES), constrained)
        return flow

    @property
    def X(self) -> Sample:
        """The sample; ValueError where the flow has none yet."""
        if isinstance(self._sample, Absent):
            self._sample.refuse()
        return self._sample

    @property
    def shape(self) -> tuple[int, int]:
        """N and d."""
        N, d = self._sample.shape
        return int(N), int(d)

    def with_sample(self, X: Sample) -> EmpiricalFlow:
        """Return the flow with its sample, of which a file keeps no more than a digest.

        Parameters
        ----------
        X : array (N, d)
            The sample that the flow had, wherever it lies now. It is read once.

        Raises
        ------
        TypeError, ValueError
            If it is no sample, or not that one.

        Examples
        --------
        >>> import tempfile
        >>> import numpy as np, hermiteflow as hf
        >>> X = np.random.default_rng(0).standard_normal((100, 5))
        >>> flow = hf.EmpiricalFlow(hf.Orthonormal(k=1), hf.link("tanh"), X, loss="squared")
        >>> sol = hf.solve(flow, weights=hf.random_weights(n=2, d=5, seed=0), t_end=1.0)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     again = hf.load(sol.save(folder + "/run.nc"))
        >>> again.flow.with_sample(X).loss(again.weights) == flow.loss(sol.weights)
        True
        """
        return self._with(X, "X")

    def _with(self, X: Sample, name: str) -> EmpiricalFlow:
        sample = check_sample(X, name)
        self._told().check(sample, self.labels, name)
        flow = copy.copy(self)
        object.__setattr__(flow, "_sample", sample)
        return flow

    def _told(self) -> Absent:
        """Return what a file keeps of the sample."""
        return Absent.of(self._sample, self.digest)

    @cached_property
    def digest(self) -> str:
        """A digest of X and the labels, for equality; the first use reads X once."""
        if isinstance(self._sample, Absent):
            return self._sample.digest
        return digest(self._sample, self.labels)

    def _content(self) -> tuple[object, ...]:
        return (*super()._content(), self.loss_name, self.constrained, self.digest)

    def __getstate__(self) -> dict[str, Any]:
        """Return the fields; for a memory-mapped X the place in its file instead."""
        state = dict(self.__dict__)
        place = FileRows.of(self._sample)
        return state if place is None else {**state, "_sample": place}

    def __setstate__(self, state: dict[str, Any]) -> None:
        sample = state["_sample"]
        self.__dict__.update(
            state, _sample=sample.open() if isinstance(sample, FileRows) else sample
        )

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
        )
        return Card(f"EmpiricalFlow {where}, L = {formula}", rows)

    # -------------------------------------------------------------- arguments

    def _weights(self, W: ArrayLike) -> Array:
        shape = ("n", self.shape[1])
        if self.constrained:
            return _checks.unit_rows(W, "W", shape)[0]
        return _checks.array(W, "W", shape)

    def layer(self, n: int) -> Array:
        """Return a_i for n neurons, shape (n,)."""
        found = self.neurons(n)
        return np.ones(n) if found is None else found

    def core(self, n: int) -> _core.EmpiricalSpec:
        """Return what C++ sees of the flow of n neurons; built anew for each call, never kept."""
        return _core.EmpiricalSpec(
            self.X,
            self.labels,
            self.layer(n),
            point_link(self.student or self.link),
            self.loss_name == "squared",
            self.constrained,
            self.targets.vectors(self.shape[1]),
        )

    # -------------------------------------------------------------- loss and gradient

    def loss(self, W: ArrayLike, *, n_threads: int | None = None) -> float:
        """Return the loss on the sample for weights W of shape (n, d).

        Parameters
        ----------
        W : array_like (n, d)
            Weights, of unit norm where they are constrained.
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
        weights = self._weights(W)
        threads = _checks.threads(n_threads)
        found = float(_core.empirical_loss(self.core(weights.shape[0]), weights, threads))
        if not math.isfinite(found):
            self._refuse("loss", weights, threads)
        return found

    def gradient(self, W: ArrayLike, *, n_threads: int | None = None) -> Array:
        """Return the gradient (n, d) of the loss at W: Riemannian where W is constrained.

        Parameters
        ----------
        W : array_like (n, d)
            Weights, of unit norm where they are constrained.
        n_threads : int, optional
            Threads; the result does not depend on them.

        Raises
        ------
        ValueError
            If W is not as above, or if the gradient is not finite: it names the first row of X
            where f is not, or what overflows, as `loss` does.

        Examples
        --------
        >>> import numpy as np, hermiteflow as hf
        >>> X = np.array([[1.0, 0.0], [0.0, 2.0]])
        >>> flow = hf.EmpiricalFlow(hf.Orthonormal(k=1), hf.hermite(1), X)
        >>> flow.gradient([[0.6, 0.8]])  # -(1/2) (v - (v.w) w), v = (1, 0)
        array([[-0.32,  0.24]])
        """
        weights = self._weights(W)
        threads = _checks.threads(n_threads)
        rates, _ = _core.empirical_rates(self.core(weights.shape[0]), weights, threads)
        if not np.isfinite(rates).all():
            self._refuse("gradient", weights, threads)
        return np.asarray(np.negative(rates, out=rates))

    def _refuse(self, what: str, weights: Array, threads: int) -> NoReturn:
        """Raise ValueError that tells where what was asked for at W is not finite."""
        outputs = _core.empirical_outputs(self.core(weights.shape[0]), weights, threads)
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
