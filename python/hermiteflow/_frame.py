"""Weights in R^d in a frame whose first axes span the index vectors, V = [L, 0], and back."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ._checks import Array
from .targets import Targets


@dataclass(frozen=True)
class Frame:
    """An orthogonal map of R^d by reflections, one for each axis of span(V); none if V = [L, 0].

    Parameters
    ----------
    normals : (rank, d) or None
        Normals of the reflections, scaled so that w <- w - (w . h) h.
    signs : (rank,) or None
        Signs of the first axes, taken last.
    """

    normals: Array | None = None
    signs: Array | None = None

    @classmethod
    def of(cls, targets: Targets, d: int) -> Frame:
        """Return the frame of these index vectors."""
        rank, V = targets.rank, targets.vectors(d)
        plain = np.zeros_like(V)
        plain[:, :rank] = targets.factor
        if np.array_equal(V, plain):
            return cls()
        inside = targets._pseudo @ V  # orthonormal rows
        packed, factors = np.linalg.qr(inside.T, mode="raw")
        normals = np.zeros((rank, d))
        for j in range(rank):
            normals[j, j + 1 :] = packed[j, j + 1 :]
            normals[j, j] = 1.0
            normals[j] *= np.sqrt(factors[j])
        return cls(normals, np.where(np.diag(packed) < 0.0, -1.0, 1.0))

    def enter(self, W: Array) -> Array:
        """Return W (n, d) in the frame, always a copy."""
        out = W.copy()
        if self.normals is not None and self.signs is not None:
            for h in self.normals:
                out -= np.outer(out @ h, h)
            out[:, : self.signs.size] *= self.signs
        return out

    def leave(self, W: Array) -> Array:
        """Return weights of the frame as they were before."""
        out = W.copy()
        if self.normals is not None and self.signs is not None:
            out[:, : self.signs.size] *= self.signs
            for h in self.normals[::-1]:
                out -= np.outer(out @ h, h)
        return out
