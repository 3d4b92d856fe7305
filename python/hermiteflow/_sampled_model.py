"""A student and a teacher on a stored sample, which may be elsewhere. Knows no loss."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Self

from . import _checks
from ._checks import Array
from ._model import TeacherStudent
from ._stored_sample import Absent, FileRows, Sample, check_sample, digest


@dataclass(frozen=True, init=False, eq=False, repr=False)
class SampledModel(TeacherStudent):
    """A student and a teacher with a sample X (N, d) and labels; the loss is a subclass's.

    Pickled with its sample, or with the place of the sample in its file.

    References
    ----------
    docs/finite_samples.
    """

    _sample: Sample | Absent
    labels: Array
    given_labels: bool

    def _set_sample(self, sample: Sample | Absent, labels: Array, given: bool) -> None:
        if labels.shape != sample.shape[:1]:
            raise ValueError(f"{labels.size} labels of a sample of shape {sample.shape}")
        object.__setattr__(self, "_sample", sample)
        object.__setattr__(self, "labels", _checks.frozen(labels))
        object.__setattr__(self, "given_labels", given)

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

    @cached_property
    def digest(self) -> str:
        """A digest of X and the labels, for equality; the first use reads X once."""
        if isinstance(self._sample, Absent):
            return self._sample.digest
        return digest(self._sample, self.labels)

    def with_sample(self, X: Sample) -> Self:
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

    def _with(self, X: Sample, name: str) -> Self:
        sample = check_sample(X, name)
        self._told().check(sample, self.labels, name)
        flow = copy.copy(self)
        object.__setattr__(flow, "_sample", sample)
        return flow

    def _told(self) -> Absent:
        """Return what a file keeps of the sample."""
        return Absent.of(self._sample, self.digest)

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
