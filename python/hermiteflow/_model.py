"""What every flow is made of: targets, two links, two second layers. Knows no loss."""

from __future__ import annotations

import numbers
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from . import _checks, _core
from ._checks import Array
from ._display import Shown, spread
from .interactions import Interaction
from .links import Link
from .targets import Targets


@dataclass(frozen=True, eq=False, repr=False)
class TeacherStudent(Shown):
    """A student and a teacher, sum_i a_i sigma(w_i . x) and sum_j b_j sigma*(v_j . x).

    Equal and hashed by content; the loss and its flow are those of a subclass.

    References
    ----------
    docs/mathematics, "Model".
    """

    targets: Targets
    link: Link
    student: Link | None
    second_layer: Array | None
    target_weights: Array
    interaction: Interaction

    def __init__(
        self,
        targets: Targets,
        link: Link,
        *,
        student: Link | None = None,
        second_layer: ArrayLike | None = None,
        target_weights: ArrayLike | None = None,
    ) -> None:
        if not isinstance(targets, Targets):
            raise TypeError(f"targets must be index vectors, got {_checks.describe(targets)}")
        object.__setattr__(self, "targets", targets)
        object.__setattr__(self, "link", link)
        object.__setattr__(self, "student", student)
        object.__setattr__(self, "interaction", Interaction(link, student))
        if any(part.name == "sign" and part.named for part, _ in (student or link).parts):
            raise ValueError(
                "student must have a derivative, got a link with 'sign', whose gradient is zero "
                "almost everywhere: no flow follows it; as the teacher's link it is welcome"
            )
        layer: Array | None = None
        if second_layer is not None:
            name = "second_layer"
            layer = (
                np.full(1, _checks.real(second_layer, name))
                if isinstance(second_layer, numbers.Real)
                else _checks.vector(second_layer, name, "n")
            )
            layer = _checks.frozen(layer.copy())
        object.__setattr__(self, "second_layer", layer)
        weights = np.ones(targets.k)
        if target_weights is not None:
            weights = _checks.array(target_weights, "target_weights", (targets.k,)).copy()
        object.__setattr__(self, "target_weights", _checks.frozen(weights))

    def _content(self) -> tuple[object, ...]:
        parts = (self.targets, self.interaction, self.second_layer, self.target_weights)
        return _checks.content(parts)

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        return self._content() == other._content()

    def __hash__(self) -> int:
        return hash(self._content())

    def _rows(self) -> tuple[tuple[str, str], ...]:
        """Rows of the card that all flows have."""
        layer = self.second_layer
        return (
            ("targets", self.targets._card().line),
            ("link", self.link._card().body),
            ("student", "the same" if self.student is None else self.student._card().body),
            ("interaction", self.interaction._card().body),
            ("second layer a", "1" if layer is None else spread(layer)),
            ("target weights b", spread(self.target_weights)),
        )

    def neurons(self, n: int) -> Array | None:
        """Return a_i for n neurons, shape (n,), or None for ones."""
        n = _checks.integer(n, "n")
        if self.second_layer is None:
            return None
        if self.second_layer.size == 1:
            return np.full(n, self.second_layer[0])
        if self.second_layer.size != n:
            raise ValueError(
                f"second_layer must have one entry for each of the n = {n} neurons, "
                f"got {self.second_layer.size}"
            )
        return self.second_layer

    def _weights(self, W: ArrayLike) -> Array:
        """Return checked weights (n, d), of unit norm unless a subclass frees them."""
        return _checks.unit_rows(W, "W", ("n", "d"))[0]

    def overlaps(self, W: ArrayLike, *, n_threads: int | None = None) -> Array:
        """Return M = W V^T, shape (n, k), for weights W of shape (n, d)."""
        return self._project(self._weights(W), n_threads)

    def _project(self, weights: Array, n_threads: int | None) -> Array:
        self.targets._check_width(weights.shape, "W")
        vectors = self.targets.vectors(weights.shape[1])
        return _core.project_weights(weights, vectors, _checks.threads(n_threads))
