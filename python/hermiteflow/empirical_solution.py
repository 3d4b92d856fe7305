"""What `solve` returns for a flow on a stored sample. Not how it was found."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ._display import Card
from .squared_solution import SquaredSolution

if TYPE_CHECKING:
    from .empirical import EmpiricalFlow


@dataclass(frozen=True, eq=False, repr=False)
class EmpiricalSolution(SquaredSolution):
    """The flow of n neurons on a stored sample. Its fields are those of a `SquaredSolution`.

    `loss`, `losses` and `gradient_norms` are those of the loss on the sample, which is the
    correlation loss where the flow's is; `form` is always "R^d".

    Equal and hashed by content. It is pickled with its sample, or with the place of the sample in
    its file where that is memory-mapped. `save` writes all but the sample, which may be larger than
    the memory: its type, shape, digest (which reads it once) and, where it is memory-mapped, the
    name of its file. ``hf.load(path, sample=X)`` gives the solution with the sample;
    ``hf.load(path)`` without, which tells all but what needs it, and takes it later by
    `EmpiricalFlow.with_sample`.

    References
    ----------
    docs/finite_samples.

    Examples
    --------
    >>> import numpy as np, hermiteflow as hf
    >>> X = np.random.default_rng(0).standard_normal((2000, 10))
    >>> flow = hf.EmpiricalFlow(hf.Orthonormal(k=1), hf.link("tanh"), X, loss="squared")
    >>> sol = hf.solve(flow, weights=hf.random_weights(n=1, d=10, seed=0), t_end=50.0)
    >>> sol.overlaps.round(6)
    array([[1.]])
    """

    flow: EmpiricalFlow  # type: ignore[assignment]

    def _card(self) -> Card:
        card = super()._card()
        n, k = self.overlaps.shape
        N, d = self.flow.shape
        title = f"EmpiricalSolution of {n} neurons, k = {k}, by {self.method} in R^d"
        sample = ("sample", f"N = {N:,}, d = {d:,}, loss {self.flow.loss_name!r}")
        return replace(card, title=title, rows=(*card.rows[:2], sample, *card.rows[2:]))
