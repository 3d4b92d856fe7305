"""Index vectors, and the structure of their Gram matrix. Knows nothing of links."""

from __future__ import annotations

import math
import warnings
from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike

from . import _checks
from ._checks import Array
from ._display import Card, Shown


class Targets(Shown, ABC):
    """Unit index vectors v_1..v_k, known by their Gram matrix G = V V^T.

    References
    ----------
    docs/mathematics, "Model".
    """

    k: int

    @property
    @abstractmethod
    def structure(self) -> str:
        """Either "identity", "equiangular" or "general": what a product with G costs."""

    @property
    @abstractmethod
    def gram(self) -> Array:
        """Gram matrix G, shape (k, k)."""

    @property
    @abstractmethod
    def factor(self) -> Array:
        """L with L L^T = G, shape (k, rank)."""

    @property
    def rank(self) -> int:
        """Rank of G."""
        return int(self.factor.shape[1])

    def _card(self) -> Card:
        rows = (("rank", str(self.rank)), ("structure", self.structure))
        return Card(type(self).__name__, (("k", str(self.k)), *self._details(), *rows), small=True)

    def _details(self) -> tuple[tuple[str, str], ...]:
        """Rows of the card that only this kind of targets has."""
        return ()

    def check_dimension(self, d: int) -> None:
        """Raise ValueError unless the index vectors fit into R^d."""
        d = _checks.integer(d, "d")
        if d < self.rank:
            raise ValueError(f"d must be at least rank(G) = {self.rank}, got {d}")

    def _check_width(self, shape: tuple[int, ...], name: str, rows: str = "n") -> None:
        """Raise ValueError unless rows of this shape (n, d) lie in the R^d of the index vectors.

        For arrays, whose reader gave no d that `check_dimension` could tell of.
        """
        if shape[1] < self.rank:
            raise ValueError(
                f"{name} must have shape ({rows}, d) with d >= rank(G) = {self.rank}, got {shape}"
            )

    def vectors(self, d: int) -> Array:
        """Return V, shape (k, d): [L, 0] with L L^T = G, or the vectors that were given.

        Raises
        ------
        ValueError
            If d is below rank(G), or differs from the dimension of given vectors.
        """
        self.check_dimension(d)
        d = int(d)
        out = np.zeros((self.k, d))
        out[:, : self.rank] = self.factor
        return out

    @cached_property
    def _pseudo(self) -> Array:
        """L^+, shape (rank, k)."""
        return np.asarray(np.linalg.pinv(self.factor))

    def squared_projection(self, overlaps: ArrayLike) -> Array:
        """|projection of w on span(V)|^2 = m^T G^+ m for each row m, shape (n,)."""
        overlaps = _checks.array(overlaps, "overlaps", ("n", self.k))
        if self.structure == "identity":
            return np.asarray(np.einsum("ij,ij->i", overlaps, overlaps))
        inside = overlaps @ self._pseudo.T
        back = inside @ self.factor.T
        if np.any(np.abs(back - overlaps) > 1e-6):
            row = int(np.argmax(np.max(np.abs(back - overlaps), axis=1)))
            raise ValueError(
                f"overlaps must lie in the range of the Gram matrix (rank {self.rank} < k = "
                f"{self.k}), got row {row} outside it"
            )
        return np.asarray(np.einsum("ij,ij->i", inside, inside))


@dataclass(frozen=True, repr=False)
class Orthonormal(Targets):
    """Orthonormal index vectors: G = I.

    Examples
    --------
    >>> import hermiteflow as hf
    >>> hf.Orthonormal(k=3).gram
    array([[1., 0., 0.],
           [0., 1., 0.],
           [0., 0., 1.]])
    """

    k: int

    def __post_init__(self) -> None:
        object.__setattr__(self, "k", _checks.integer(self.k, "k", high=_checks.LARGEST))

    @property
    def structure(self) -> str:
        """The structure of G."""
        return "identity"

    @property
    def gram(self) -> Array:
        """Gram matrix G, shape (k, k)."""
        return np.eye(self.k)

    @property
    def factor(self) -> Array:
        """L with L L^T = G, shape (k, k)."""
        return np.eye(self.k)

    @property
    def rank(self) -> int:
        """Rank of G."""
        return self.k

    def squared_projection(self, overlaps: ArrayLike) -> Array:
        """|m|^2 for each row, shape (n,)."""
        overlaps = _checks.array(overlaps, "overlaps", ("n", self.k))
        return np.asarray(np.einsum("ij,ij->i", overlaps, overlaps))


@dataclass(frozen=True, repr=False)
class Equiangular(Targets):
    """Index vectors with one inner product beta: G = (1 - beta) I + beta 1 1^T.

    Parameters
    ----------
    k : int
        Number of index vectors.
    beta : float
        In (-1/(k-1), 1).

    Examples
    --------
    >>> import hermiteflow as hf
    >>> hf.Equiangular(k=2, beta=0.5).gram
    array([[1. , 0.5],
           [0.5, 1. ]])
    """

    k: int
    beta: float

    def __post_init__(self) -> None:
        k = _checks.integer(self.k, "k", high=_checks.LARGEST)
        low = -1.0 / (k - 1) if k > 1 else -1.0
        beta = _checks.real(self.beta, "beta", low=low, high=1.0, open_low=True, open_high=True)
        object.__setattr__(self, "k", k)
        object.__setattr__(self, "beta", beta)

    def _details(self) -> tuple[tuple[str, str], ...]:
        return (("beta", repr(self.beta)),)

    @property
    def structure(self) -> str:
        """The structure of G."""
        return "equiangular" if self.beta != 0.0 and self.k > 1 else "identity"

    @property
    def gram(self) -> Array:
        """Gram matrix G, shape (k, k)."""
        out = np.full((self.k, self.k), self.beta)
        np.fill_diagonal(out, 1.0)
        return out

    @property
    def factor(self) -> Array:
        """The symmetric square root of G, shape (k, k)."""
        if self.k == 1:
            return np.ones((1, 1))
        ratio = self.beta / (1.0 - self.beta)
        c = ratio / (1.0 + math.sqrt(1.0 + self.k * ratio))
        return math.sqrt(1.0 - self.beta) * (np.eye(self.k) + c)

    @property
    def rank(self) -> int:
        """Rank of G."""
        return self.k

    def squared_projection(self, overlaps: ArrayLike) -> Array:
        """Return m^T G^-1 m for each row, shape (n,)."""
        overlaps = _checks.array(overlaps, "overlaps", ("n", self.k))
        squares = np.einsum("ij,ij->i", overlaps, overlaps)
        if self.k == 1:
            return np.asarray(squares)
        gamma = self.beta / (1.0 + (self.k - 1) * self.beta)
        return np.asarray((squares - gamma * overlaps.sum(axis=1) ** 2) / (1.0 - self.beta))


@dataclass(frozen=True, eq=False, repr=False)
class IndexVectors(Targets):
    """Index vectors given by V or by their Gram matrix.

    Parameters
    ----------
    V : array_like (k, d), optional
        Unit rows (within 1e-6; then normalised). Used in place where no change is needed.
    gram : array_like (k, k), optional
        Symmetric, positive semi-definite, unit diagonal. Exactly one of the two.

    Raises
    ------
    ValueError, TypeError
        For anything else, naming the argument.

    Warns
    -----
    UserWarning
        If two index vectors are the same or opposite, |v_i . v_j| = 1 within 1e-12: no end of
        a neuron is named after them (docs/solver).

    Examples
    --------
    >>> import hermiteflow as hf
    >>> hf.IndexVectors([[1.0, 0.0], [0.6, 0.8]]).gram
    array([[1. , 0.6],
           [0.6, 1. ]])
    """

    V: ArrayLike | None = None
    gram: Array = None  # type: ignore[assignment]

    def __init__(self, V: ArrayLike | None = None, *, gram: ArrayLike | None = None) -> None:
        if (V is None) == (gram is None):
            both = "both" if V is not None else "neither"
            raise ValueError(f"exactly one of V and gram must be given, got {both}")
        vectors: Array | None = None
        if V is not None:
            vectors, norms = _checks.unit_rows(V, "V", ("k", "d"))
            if np.any(np.abs(norms - 1.0) > 1e-15):
                vectors = vectors / norms[:, None]
            matrix = vectors @ vectors.T
            vectors = _checks.frozen(vectors)
        else:
            matrix = _check_gram(gram)
        matrix = 0.5 * (matrix + matrix.T)
        _warn_of_parallel(matrix, "gram" if vectors is None else "V")
        np.fill_diagonal(matrix, 1.0)
        object.__setattr__(self, "V", vectors)
        object.__setattr__(self, "gram", _checks.frozen(matrix))

    @classmethod
    def _restored(cls, V: Array | None, gram: Array) -> IndexVectors:
        """Return index vectors with the arrays of earlier ones, to the last bit.

        V V^T may round differently on another machine, so that G cannot be found anew from V.
        """
        if not np.array_equal(_check_gram(gram), gram) or not np.array_equal(gram, gram.T):
            raise ValueError("gram must be symmetric with a unit diagonal, got another")
        if V is not None:
            _checks.unit_rows(V, "V", (gram.shape[0], "d"))
            if np.max(np.abs(V @ V.T - gram)) > 1e-9:
                raise ValueError("gram must be that of V, got another")
            V = _checks.frozen(V)
        restored = object.__new__(cls)
        object.__setattr__(restored, "V", V)
        object.__setattr__(restored, "gram", _checks.frozen(gram))
        return restored

    @property
    def k(self) -> int:  # type: ignore[override]
        """Number of index vectors."""
        return int(self.gram.shape[0])

    @cached_property
    def structure(self) -> str:
        """The structure of G: "identity" if it is I within rounding."""
        defect = np.max(np.abs(self.gram - np.eye(self.k)))
        return "identity" if defect <= 4 * np.finfo(float).eps else "general"

    @cached_property
    def factor(self) -> Array:
        """L with L L^T = G, shape (k, rank)."""
        if self.structure == "identity":
            return _checks.frozen(np.eye(self.k))
        values, vectors = np.linalg.eigh(self.gram)
        keep = values > 1e-13 * self.k * values[-1]
        if keep.all():
            return _checks.frozen(np.asarray(np.linalg.cholesky(self.gram), dtype=np.float64))
        scaled = np.asarray(vectors[:, keep] * np.sqrt(values[keep]), dtype=np.float64, order="C")
        return _checks.frozen(scaled)

    def check_dimension(self, d: int) -> None:
        """Raise ValueError unless d is the dimension of V, or at least rank(G)."""
        d = _checks.integer(d, "d")
        if self.V is not None and d != np.shape(self.V)[1]:
            raise ValueError(f"d must be {np.shape(self.V)[1]}, the dimension of V, got {d}")
        super().check_dimension(d)

    def _check_width(self, shape: tuple[int, ...], name: str, rows: str = "n") -> None:
        """Raise ValueError unless rows of this shape are as wide as V, or as rank(G) at least."""
        if self.V is not None and shape[1] != np.shape(self.V)[1]:
            raise ValueError(
                f"{name} must have shape ({rows}, {np.shape(self.V)[1]}), for V has shape "
                f"{np.shape(self.V)}, got {shape}"
            )
        super()._check_width(shape, name, rows)

    def vectors(self, d: int) -> Array:
        """Return V, shape (k, d): [L, 0], or the vectors that were given (not copied)."""
        if self.V is None:
            return super().vectors(d)
        self.check_dimension(d)
        return self.V  # type: ignore[return-value]

    def _content(self) -> tuple[object, ...]:
        return _checks.content((self.V, self.gram))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, IndexVectors):
            return NotImplemented
        return self._content() == other._content()

    def __hash__(self) -> int:
        return hash(self._content())

    def _details(self) -> tuple[tuple[str, str], ...]:
        rows = [] if self.V is None else [("d", str(np.shape(self.V)[1]))]
        if self.k > 1:
            products = self.gram[~np.eye(self.k, dtype=bool)]
            rows.append(("inner_products", f"{products.min():.3g} .. {products.max():.3g}"))
        return tuple(rows)


def _warn_of_parallel(matrix: Array, name: str) -> None:
    """Warn if index vectors are the same, or opposite, to 1e-12; sets the diagonal to 0."""
    np.fill_diagonal(matrix, 0.0)
    least = 1.0 - 1e-12
    if max(float(matrix.max()), -float(matrix.min())) < least:  # no copy of a large matrix
        return
    i, j = np.argwhere(np.triu(np.abs(matrix) >= least))[0].tolist()
    how = "the same" if matrix[i, j] > 0.0 else "opposite"
    warnings.warn(
        f"{name} has index vectors {i} and {j} that are {how} within 1e-12: no end of a neuron "
        "belongs to one of them alone, so none is named after them (index -1)",
        stacklevel=3,
    )


def _check_gram(value: ArrayLike | None) -> Array:
    matrix = _checks.array(value, "gram", ("k", "k"))
    if matrix.shape[0] != matrix.shape[1]:
        raise ValueError(f"gram must have shape (k, k), got {matrix.shape}")
    if np.max(np.abs(matrix - matrix.T)) > 1e-8:
        raise ValueError("gram must be symmetric, got entries that differ from their transpose")
    diagonal = np.diag(matrix)
    worst = int(np.argmax(np.abs(diagonal - 1.0)))
    if abs(diagonal[worst] - 1.0) > _checks.UNIT_TOLERANCE:
        raise ValueError(f"gram must have a unit diagonal, got {diagonal[worst]:.9g} at {worst}")
    scale = 1.0 / np.sqrt(diagonal)
    matrix = matrix * scale[:, None] * scale
    lowest = float(np.linalg.eigvalsh(0.5 * (matrix + matrix.T))[0])
    if lowest < -1e-8:
        raise ValueError(f"gram must be positive semi-definite, got an eigenvalue {lowest:.3g}")
    return matrix
