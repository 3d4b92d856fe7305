"""Rooted trees and the order conditions of Runge-Kutta methods.

A tree is the sorted tuple of the subtrees at its root; ``()`` is the single node. A method has
order p when ``sum_i b_i phi_i(t) = 1 / gamma(t)`` for each tree t with at most p nodes (Butcher;
Hairer, Norsett & Wanner I, Theorem II.2.13). Its dense output has order p when
``sum_i b_i(theta) phi_i(t) = theta^|t| / gamma(t)`` for the same trees and every theta (II.6).
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

Tree = tuple[Any, ...]
Array = NDArray[np.float64]


@cache
def size(tree: Tree) -> int:
    """Number of nodes."""
    return 1 + sum(size(sub) for sub in tree)


@cache
def density(tree: Tree) -> int:
    """Gamma(t): the product, over the nodes, of the size of the subtree rooted there."""
    return size(tree) * prod(density(sub) for sub in tree)


@cache
def trees(order: int) -> tuple[Tree, ...]:
    """All rooted trees with ``order`` nodes."""
    return tuple(tuple(sorted(forest)) for forest in _forests(order - 1, order - 1, None))


def _forests(nodes: int, largest: int, bound: Tree | None) -> Iterator[Tree]:
    """Multisets of trees with ``nodes`` nodes in all, each tree listed no later than ``bound``."""
    if nodes == 0:
        yield ()
        return
    for first in range(min(nodes, largest), 0, -1):
        same = trees(first)
        stop = same.index(bound) + 1 if bound is not None and first == largest else len(same)
        for tree in same[:stop]:
            for rest in _forests(nodes - first, first, tree):
                yield (tree, *rest)


class Weights:
    """The vectors phi(t) of a matrix ``a``: phi(()) = 1, phi([t1 ... tm]) = prod_k (a phi(tk))."""

    def __init__(self, a: Array) -> None:
        self._a = a
        self._phi: dict[Tree, Array] = {(): np.ones(len(a))}
        self._abs = Weights(np.abs(a)) if (a < 0).any() else self

    def phi(self, tree: Tree) -> Array:
        if tree not in self._phi:
            self._phi[tree] = np.prod([self._a @ self.phi(sub) for sub in tree], axis=0)
        return self._phi[tree]

    def matrix(self, order: int) -> Array:
        return np.array([self.phi(tree) for tree in trees(order)])

    def defects(
        self, w: Array, order: int, theta: float = 1.0, size_of_w: Array | None = None
    ) -> tuple[Array, Array]:
        """``|w . phi(t) - theta^order / gamma(t)|`` for the trees of that order, and its scale.

        The scale, at least 1, is the same sum with absolute values, so that defect / scale is a
        few units of rounding for an exact table. ``size_of_w`` replaces ``|w|`` there when ``w``
        is itself a sum with cancellation, as the weights of a dense output are.
        """
        exact = np.array([theta**order / density(tree) for tree in trees(order)])
        size_of_w = np.abs(w) if size_of_w is None else size_of_w
        return (
            np.abs(self.matrix(order) @ w - exact),
            np.maximum(self._abs.matrix(order) @ size_of_w, 1.0),
        )
