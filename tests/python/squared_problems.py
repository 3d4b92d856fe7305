"""Problems of the squared loss with the mathematics written out, for its tests.

The slopes and values of psi are closed forms and explicit series; nothing of them is the package's.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from oracles import Array, Function, rotation, series, unit_rows

import hermiteflow as hf
from hermiteflow import _squared_engine as engine

KINDS = ("identity", "equiangular", "general")
LINKS: dict[str, tuple[hf.Link, hf.Link]] = {  # teacher, student
    "h3": (hf.hermite(3), hf.hermite(3)),
    "h2 + h4": (hf.hermite({2: 0.7, 4: 0.5}), hf.hermite({2: 0.7, 4: 0.5})),
    "erf": (hf.link("erf"), hf.link("erf")),
    "relu and erf": (hf.link("erf"), hf.link("relu")),
    "erf and sign": (hf.link("sign"), hf.link("erf")),  # one of the two laws is a quick root
    "mixed": (hf.hermite({1: 0.3, 2: -0.4, 3: 0.8, 5: 0.2}), hf.hermite({1: 0.5, 3: 0.4, 4: 0.2})),
}
_SERIES = {
    "h3": ([0, 0, 0, 1.0], [0, 0, 0, 1.0], [0, 0, 0, 1.0]),
    "h2 + h4": ([0, 0, 0.49, 0, 0.25],) * 3,
    "mixed": (
        [0, 0.15, 0, 0.32], [0, 0.25, 0, 0.16, 0.04], [0, 0.09, 0.16, 0.64, 0, 0.04],
    ),
}  # fmt: skip


def _relu(u: Array) -> Array:
    return (np.sqrt(1 - u * u) + u * (np.pi - np.arccos(u))) / (2 * np.pi)


def _psis(name: str) -> tuple[tuple[Function, Function, Function], tuple[Function, Function]]:
    """psi, psi_ss, psi_tt; and psi', psi_ss'."""
    if name in _SERIES:
        cross, own, targets = _SERIES[name]
        return (series(cross), series(own), series(targets)), (series(cross, 1), series(own, 1))

    def arc(u: Array) -> Array:
        return 2 / np.pi * np.arcsin(u / 2)

    def slope(u: Array) -> Array:
        return 2 / (np.pi * np.sqrt(4 - u * u))

    if name == "erf":
        return (arc, arc, arc), (slope, slope)
    if name == "erf and sign":
        return (
            (
                lambda u: 2 / np.pi * np.arcsin(u / np.sqrt(2)),
                arc,
                lambda u: 2 / np.pi * np.arcsin(u),
            ),
            (lambda u: 2 / (np.pi * np.sqrt(2 - u * u)), slope),
        )
    flat = 0.5 / math.sqrt(np.pi)  # erf is odd: it meets x / 2 alone
    return (
        (lambda u: flat * u, _relu, arc),
        (lambda u: flat + 0 * u, lambda u: (np.pi - np.arccos(np.clip(u, -1, 1))) / (2 * np.pi)),
    )


@dataclass(frozen=True)
class Problem:
    """One problem; W (n, d), V (k, d), the basis (r, d) of the coordinates."""

    system: engine.System
    W: Array
    V: Array
    basis: Array
    psis: tuple[Function, Function, Function]
    slopes: tuple[Function, Function]

    @property
    def a(self) -> Array:
        return self.system.second_layer

    @property
    def b(self) -> Array:
        return self.system.target_weights

    @property
    def G(self) -> Array:
        return self.V @ self.V.T

    @property
    def M(self) -> Array:
        return self.W @ self.V.T

    @property
    def Q(self) -> Array:
        Q = self.W @ self.W.T
        Q = (Q + Q.T) / 2
        np.fill_diagonal(Q, 1.0)
        return Q

    @property
    def coordinates(self) -> Array:
        return np.ascontiguousarray(self.W @ self.basis.T)

    # ---- (9) and (10), term by term; the keywords plant faults
    def forces(self, M: Array, Q: Array) -> tuple[Array, Array]:
        D = self.a[:, None] * self.b * self.slopes[0](M)
        C = np.outer(self.a, self.a) * self.slopes[1](Q)
        np.fill_diagonal(C, 0.0)
        return D, C

    def rates(
        self, M: Array, Q: Array, *, sign: float = 1.0, drag: float = 1.0, both: float = 1.0,
    ) -> tuple[Array, Array]:  # fmt: skip
        """dM/dt and dQ/dt."""
        D, C = self.forces(M, Q)
        rho = drag * ((D * M).sum(1) - sign * (C * Q).sum(1))[:, None]
        half = D @ M.T - sign * C @ Q - rho * Q
        return D @ self.G - sign * C @ M - rho * M, half + both * half.T

    def weight_rates(self, W: Array, *, sign: float = 1.0, drag: float = 1.0) -> Array:
        """dW/dt in R^d."""
        D, C = self.forces(W @ self.V.T, np.clip(W @ W.T, -1.0, 1.0))
        pull = D @ self.V - sign * C @ W
        along = np.sum(pull * W, axis=1) / np.sum(W * W, axis=1)
        return pull - drag * along[:, None] * W

    def loss(self, M: Array, Q: Array, *, half: float = 0.5) -> float:
        cross, own, targets = self.psis
        G = np.clip(self.G, -1.0, 1.0)
        return float(
            half * self.a @ own(Q) @ self.a - self.a @ cross(M) @ self.b
            + 0.5 * self.b @ targets(G) @ self.b
        )  # fmt: skip


def make(
    link: str = "erf", kind: str = "identity", n: int = 5, k: int = 3, *, seed: int = 0,
    d: int | None = None, near: float = 1.0, ones: bool = False,
) -> Problem:  # fmt: skip
    """n random neurons, each drawn `near` times towards some index vector."""
    rng = np.random.default_rng(seed)
    d = n + k + 2 if d is None else d
    teacher, student = LINKS[link]
    beta = 0.3 if kind == "equiangular" else 0.0
    if kind == "general":
        factor = unit_rows(k, max(2, k - 1), seed + 7)  # G is singular from k = 3 on
    else:
        factor = np.asarray(hf.Equiangular(k=k, beta=beta).factor)
    first = rotation(d, seed + 1)[: factor.shape[1]]
    V = factor @ first
    W = unit_rows(n, d, seed + 2) + near * V[rng.integers(0, k, n)]
    W /= np.linalg.norm(W, axis=1, keepdims=True)
    rest = W - W @ first.T @ first
    _, sizes, other = np.linalg.svd(rest, full_matrices=False)
    basis = np.vstack([first, other[sizes > 1e-9]])
    a = np.ones(n) if ones else rng.uniform(0.5, 1.5, n) * np.where(np.arange(n) % 5 == 4, -1, 1)
    b = np.ones(k) if ones else rng.uniform(0.5, 1.5, k)
    psis, slopes = _psis(link)
    zero = np.zeros(1)
    at_zero = (
        0.5 * a.sum() ** 2 * psis[1](zero)[0] - a.sum() * b.sum() * psis[0](zero)[0]
        + 0.5 * b @ psis[2](np.clip(V @ V.T, -1, 1)) @ b
    )  # fmt: skip
    system = engine.System(
        kind, k, engine.law(hf.Interaction(teacher, student)), engine.law(hf.Interaction(student)),
        a, b, float(at_zero), beta, V @ V.T if kind == "general" else None,
        factor if kind == "general" else None,
    )  # fmt: skip
    return Problem(system, W, V, basis, psis, slopes)
