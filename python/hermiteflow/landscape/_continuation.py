"""Fixed points with given sizes of groups as beta moves: smooth curves, followed by arc length.

The unknowns are a unit vector e in R^r, one coordinate for each group of equal overlaps, and
tau = log(1 + (k - 1) beta). The equations are those of `LineForm`: psi' takes the values of a line
at the r overlaps, in divided differences, so that curves pass folds and points where groups meet
without a singularity. Knows psi' and the sizes of the groups only.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from ._intervals import Array

#: Newton's method on the plane across a curve: its most steps, and when it has converged.
_STEPS, _CONVERGED, _ACCEPTED = 12, 1e-14, 1e-10
#: A curve whose tangent turns more than this between neighbours is followed in smaller steps.
_TURN = 0.98
#: A curve ends where m . g, over the largest coefficient of psi', and the smallest singular value
#: of its equations are below these.
_FLAT, _SINGULAR = 1e-4, 5e-3


class Test(NamedTuple):
    """A function on a curve whose zeros are events.

    Parameters
    ----------
    kind : str
        "merge": two groups have the same overlap. "within": an eigenvalue of the Hessian inside
        of a group is 0. "mirror": one that leaves the points with -w a permutation of w is 0.
        "outside": m . g = 0.
    groups : tuple of int
        Which groups.
    """

    kind: str
    groups: tuple[int, ...]


@dataclass(frozen=True, eq=False)
class Place:
    """A point of a curve.

    Parameters
    ----------
    x : (q + 1,)
        The unknowns: coordinates of e in the family's frame, then tau.
    tangent : (q + 1,)
        Unit tangent.
    beta : float
        Inner product of the index vectors.
    u : (r,)
        Overlaps of the groups.
    tests : (T,)
        Values of the family's tests.
    """

    x: Array
    tangent: Array
    beta: float
    u: Array
    tests: Array

    @property
    def tau(self) -> float:
        """The last unknown, which ascends with beta."""
        return float(self.x[-1])


class Family:
    """Fixed points whose groups of equal overlaps have the sizes `sizes`.

    Parameters
    ----------
    slope : (degree,)
        Coefficients of psi'.
    k : int
        Number of index vectors.
    sizes : tuple of int
        Sizes of the r groups; they sum to k.
    frame : (r, q), optional
        Orthonormal columns: e is sought in their span, which symmetry keeps.
    """

    def __init__(
        self, slope: Array, k: int, sizes: tuple[int, ...], frame: Array | None = None
    ) -> None:
        self.k, self.sizes = k, sizes
        self.slope = np.asarray(slope) / np.max(np.abs(slope))
        self.bend = self.slope[1:] * np.arange(1, self.slope.size)
        r = len(sizes)
        self.weights = np.array(sizes, dtype=np.float64)
        self.roots = np.sqrt(self.weights)
        self.symmetric = frame is not None
        self.frame = np.eye(r) if frame is None else frame
        self.across = np.linalg.svd(self.frame)[0][:, self.frame.shape[1] :]
        self.first, self.second = np.triu_indices(r, 1)
        self.within = np.flatnonzero(self.weights > 1.0)
        pairs = zip(self.first.tolist(), self.second.tolist(), strict=True)
        self.tests = [
            *(Test("merge", pair) for pair in pairs),
            *(Test("within", (int(i),)) for i in self.within),
            Test("outside", ()),
            *(Test("mirror", ()) for _ in range(self.across.shape[1])),
        ]

    def tau(self, beta: float) -> float:
        """Return tau from beta."""
        return math.log1p((self.k - 1) * beta)

    def _scales(self, tau: float) -> tuple[float, float, float]:
        """Return beta, and the eigenvalues of G^(1/2)."""
        beta = math.expm1(tau) / (self.k - 1)
        return beta, math.sqrt(1.0 - beta), math.exp(0.5 * tau)

    def unknowns(self, u: Array, tau: float) -> Array:
        """Return x from the overlaps of the groups."""
        _, narrow, wide = self._scales(tau)
        mean = float(self.weights @ u) / wide
        e = self.roots * (u - (wide - narrow) / self.k * mean) / narrow
        y = e @ self.frame
        return np.append(y / np.linalg.norm(y), tau)

    def differences(self, u: Array) -> tuple[Array, Array]:
        """Return psi'[u_1], psi'[u_1, u_2], ... (r,), and their derivatives in u (r, r)."""
        # the first row of psi' of the matrix with diagonal u and ones beside it, by Horner's rule
        value, slopes = np.zeros(u.size), np.zeros((u.size, u.size))
        diagonal = np.arange(u.size)
        for c in self.slope[::-1]:
            before = slopes
            slopes = before * u[:, None]
            slopes[diagonal, diagonal] += value
            slopes[1:] += before[:-1]
            moved = value * u
            moved[1:] += value[:-1]
            moved[0] += c
            value = moved
        return value, slopes

    def _jet(self, x: Array) -> tuple[Array, Array]:
        """Return the equations (r,) and their derivatives (r, q + 1)."""
        y, tau = x[:-1], float(x[-1])
        beta, narrow, wide = self._scales(tau)
        e = self.frame @ y
        r, spread = e.size, wide * wide
        mean = float(self.roots @ e)
        shift = (wide - narrow) / self.k
        u = narrow * e / self.roots + shift * mean
        slide = spread / (self.k - 1)  # d beta / d tau
        narrow_tau = -0.5 * slide / narrow
        u_tau = narrow_tau * e / self.roots + (0.5 * wide - narrow_tau) / self.k * mean
        value = np.empty(r)
        jacobian = np.zeros((r, x.size))
        value[-1] = 0.5 * (float(y @ y) - 1.0)
        jacobian[-1, :-1] = y
        if r > 1:
            u_e = np.diag(narrow / self.roots) + shift * self.roots
            d, d_u = self.differences(u)
            # psi'(u) = intercept + tilt u at every overlap
            tilt, intercept, total = d[1], d[0] - u[0] * d[1], wide * mean
            value[0] = intercept * spread + beta * tilt * total
            value[1:-1] = d[2:]
            by_u = np.empty((r - 1, r))
            by_u[0] = spread * (d_u[0] - u[0] * d_u[1]) + beta * total * d_u[1]
            by_u[0, 0] -= spread * tilt
            by_u[1:] = d_u[2:]
            by_e = by_u @ u_e
            by_e[0] += beta * tilt * wide * self.roots
            jacobian[:-1, :-1] = by_e @ self.frame
            jacobian[:-1, -1] = by_u @ u_tau
            jacobian[0, -1] += intercept * spread + slide * tilt * total + 0.5 * beta * tilt * total
        return value, jacobian

    def _solve(self, matrix: Array, right: Array) -> Array:
        if matrix.shape[0] == matrix.shape[1]:
            return np.asarray(np.linalg.solve(matrix, right), dtype=np.float64)
        # symmetry makes the equations agree
        return np.asarray(np.linalg.lstsq(matrix, right, rcond=None)[0], dtype=np.float64)

    def correct(self, x: Array, normal: Array) -> Array | None:
        """Return the point of a curve near x on the plane across `normal`, by Newton's method."""
        plane, limit = float(normal @ x), math.log(self.k)
        moved = math.inf
        for _ in range(_STEPS):
            if x[-1] >= limit:
                return None
            value, jacobian = self._jet(x)
            right = np.append(-value, plane - float(normal @ x))
            try:
                step = self._solve(np.vstack([jacobian, normal]), right)
            except np.linalg.LinAlgError:
                return None
            x = x + step
            before, moved = moved, float(np.max(np.abs(step)))
            if moved > 0.3:
                return None
            if moved < _CONVERGED or (moved < _ACCEPTED and moved > 0.5 * before):
                return x
        return x if moved < _ACCEPTED else None

    def place(self, x: Array, along: Array | None) -> Place:
        """Return what is there; the tangent points along `along`, or wherever."""
        jacobian = self._jet(x)[1]
        if along is None:
            tangent = np.linalg.svd(jacobian)[2][-1]
        else:
            last = np.zeros(jacobian.shape[0] + 1)
            last[-1] = 1.0
            tangent = self._solve(np.vstack([jacobian, along]), last)
            tangent /= np.linalg.norm(tangent)
        beta, narrow, wide = self._scales(float(x[-1]))
        e = self.frame @ x[:-1]
        shift = (wide - narrow) / self.k
        u = narrow * e / self.roots + shift * float(self.roots @ e)
        return Place(x, tangent, beta, u, self._tests(beta, u, narrow, shift))

    def _tests(self, beta: float, u: Array, narrow: float, shift: float) -> Array:
        pull, bend = np.zeros(u.size), np.zeros(u.size)
        for c in self.slope[::-1]:
            pull = pull * u + c
        for c in self.bend[::-1]:
            bend = bend * u + c
        outside = float(np.sum(self.weights * u * pull))
        mirror = np.empty(0)
        if self.across.shape[1]:
            reach = (np.diag(narrow / self.roots) + shift * self.roots) @ self.across
            matrix = outside * np.eye(reach.shape[1]) - (reach.T * (self.weights * bend)) @ reach
            mirror = np.linalg.eigvalsh(matrix)
        inner = outside - (1.0 - beta) * bend[self.within]
        apart = u[self.first] - u[self.second]
        return np.concatenate([apart, inner, [outside], mirror])

    def defect(self, x: Array) -> float:
        """Return the largest error of the equations."""
        return float(np.max(np.abs(self._jet(x)[0])))

    def plane(self, x: Array) -> Array:
        """Return the two directions (2, q + 1) in which the equations change least."""
        return np.asarray(np.linalg.svd(self._jet(x)[1])[2][-2:])

    def at(self, x: Array, tau: float) -> Place | None:
        """Return the fixed point near x at this tau."""
        normal = np.zeros(x.size)
        normal[-1] = 1.0
        point = self.correct(np.append(x[:-1], tau), normal)
        return None if point is None else self.place(point, None)

    def advance(self, here: Place, length: float) -> Place | None:
        """Return the place at this arc length from `here`."""
        if length == 0.0:
            return here
        point = self.correct(here.x + length * here.tangent, here.tangent)
        if point is None:
            return None
        try:
            return self.place(point, here.tangent)
        except np.linalg.LinAlgError:
            return None

    def outside(self, place: Place) -> float:
        """Return m . g, over the largest coefficient of psi'."""
        return float(place.tests[len(self.first) + len(self.within)])

    def singular(self, place: Place) -> bool:
        """Whether fixed points with m . g = 0 are so near that the curve is none any more."""
        if abs(self.outside(place)) > _FLAT:
            return False
        values = np.linalg.svd(self._jet(place.x)[1], compute_uv=False)
        return bool(values[self.frame.shape[1] - 1] < _SINGULAR)

    def stride(self, here: Place, length: float, shortest: float) -> tuple[Place, float]:
        """Return the next place, at `length` or nearer, and how far it is.

        Raises
        ------
        ArithmeticError
            If there is none within reach.
        """
        while length > shortest:
            after = self.advance(here, length)
            if (
                after is not None
                and float(after.tangent @ here.tangent) > _TURN
                and np.linalg.norm(after.x - here.x - length * here.tangent) < 0.3 * length
            ):
                return after, length
            length *= 0.5
        raise ArithmeticError(
            f"fixed points could not be followed from beta = {here.beta:.12g}, "
            f"{groups_text(self.sizes, here.u)}"
        )

    def locate(
        self, here: Place, low: float, high: float, test: Callable[[Place], float]
    ) -> tuple[float, Place]:
        """Return where between two arc lengths from `here` the test changes sign.

        By the Illinois variant of the rule of false position, with bisections between.
        """
        a, b = low, high
        first, last = self.advance(here, a), self.advance(here, b)
        best = first if first is not None else here
        if first is None or last is None:
            return a, best
        fa, fb = test(first), test(last)
        if (fa > 0.0) == (fb > 0.0):  # a zero at an end, but for rounding
            return (a, first) if abs(fa) < abs(fb) else (b, last)
        s, side = a, 0
        for turn in range(100):
            if fa == fb or b - a < 1e-15:
                break
            s = b - fb * (b - a) / (fb - fa)
            if turn % 4 == 3 or not a < s < b:
                s = 0.5 * (a + b)
            place = self.advance(here, s) if a < s < b else None
            if place is None:
                break
            best, f = place, test(place)
            if abs(f) < 1e-16:
                break
            if (f > 0.0) == (fb > 0.0):
                b, fb = s, f
                fa *= 0.5 if side == 1 else 1.0
                side = 1
            else:
                a, fa = s, f
                fb *= 0.5 if side == -1 else 1.0
                side = -1
        return s, best


def groups_text(sizes: tuple[int, ...], u: Array) -> str:
    """Write overlaps with their multiplicities."""
    return "overlaps " + ", ".join(f"{s} x {v:.9g}" for s, v in zip(sizes, u, strict=True))


def mirrored(sizes: tuple[int, ...], u: Array, tolerance: float) -> list[int] | None:
    """Return to which group each goes if -w is a permutation of w, else None."""
    partner = []
    for size, value in zip(sizes, u, strict=True):
        gaps = [
            abs(value + other) if s == size else math.inf for s, other in zip(sizes, u, strict=True)
        ]
        nearest = int(np.argmin(gaps))
        if gaps[nearest] > tolerance:
            return None
        partner.append(nearest)
    return partner if sorted(partner) == list(range(len(sizes))) else None


def family_of(slope: Array, k: int, sizes: tuple[int, ...], u: Array, tolerance: float) -> Family:
    """Return the family in which the curve through these overlaps stays.

    For an even psi, points with -w a permutation of w stay such points as beta moves.
    """
    partner = mirrored(sizes, u, tolerance) if not np.any(slope[::2]) else None
    if partner is None:
        return Family(slope, k, sizes)
    columns = [(i, j) for i, j in enumerate(partner) if i < j]
    frame = np.zeros((len(sizes), len(columns)))
    for column, (i, j) in enumerate(columns):
        frame[i, column], frame[j, column] = math.sqrt(0.5), -math.sqrt(0.5)
    return Family(slope, k, sizes, frame)
