"""Fixed points with two distinct overlaps as beta moves: a smooth curve, followed by arc length.

The unknowns are an angle on the circle that keeps the two groups, and tau = log(1 + (k - 1) beta).
The equation is that of `LineForm`, for any psi: curves turn at folds and cross the average without
a singularity. Knows interactions only.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.polynomial import legendre

from hermiteflow.interactions import Interaction

from ._intervals import Array

_STEP, _SHORTEST = 0.04, 1e-9
_NODES, _WEIGHTS = legendre.leggauss(12)
_NODES, _WEIGHTS = 0.5 * (_NODES + 1.0), 0.5 * _WEIGHTS
#: Overlaps closer than this: differences by quadrature instead of quotients.
_CLOSE = 0.1


@dataclass(frozen=True)
class Place:
    """A point of a curve, and what its kind and loss depend on.

    Parameters
    ----------
    angle, tau : float
        The unknowns.
    beta, x, y : float
        Inner product of the index vectors; overlaps of the first group and of the others.
    outside : float
        lambda = m . g.
    within_first, within_others : float
        Eigenvalues of the Hessian inside the groups: size - 1 times each.
    between : float
        Its eigenvalue along the circle.
    loss : float
        Loss of one neuron.
    tangent : (2,)
        Unit tangent in (angle, tau).
    """

    angle: float
    tau: float
    beta: float
    x: float
    y: float
    outside: float
    within_first: float
    within_others: float
    between: float
    loss: float
    tangent: Array


class PairCurve:
    """Fixed points with `size` overlaps x and k - size overlaps y.

    Parameters
    ----------
    psi : Interaction
        With a = b = 1.
    k, size : int
        Number of index vectors, and of those with overlap x.
    """

    def __init__(self, psi: Interaction, k: int, size: int = 1) -> None:
        self.psi, self.k, self.size, self.others = psi, k, size, k - size

    def beta(self, tau: float) -> float:
        """Return beta from tau."""
        return math.expm1(tau) / (self.k - 1)

    def tau(self, beta: float) -> float:
        """Return tau from beta."""
        return math.log1p((self.k - 1) * beta)

    def overlaps(self, angle: float, tau: float) -> tuple[float, float]:
        """Return x and y."""
        narrow, wide = math.sqrt(1.0 - self.beta(tau)), math.exp(0.5 * tau)
        first, others = math.sqrt(self.size), math.sqrt(self.others)
        cosine, sine = math.cos(angle), math.sin(angle)
        shift = (wide - narrow) / self.k * (first * cosine + others * sine)
        return narrow * cosine / first + shift, narrow * sine / others + shift

    def _differences(self, x: float, y: float) -> tuple[float, ...]:
        """Return intercept and tilt of psi' between x and y, and their slopes in x and in y."""
        both = np.array([x, y])
        hx, hy = (float(v) for v in self.psi.derivative(both))
        bx, by = (float(v) for v in self.psi.derivative(both, order=2))
        gap = x - y
        if abs(gap) > _CLOSE:
            tilt = (hx - hy) / gap
            intercept = (x * hy - y * hx) / gap
            tilt_x, tilt_y = (bx - tilt) / gap, (tilt - by) / gap
        else:
            nodes = y + gap * _NODES
            bends = self.psi.derivative(nodes, order=2)
            thirds = self.psi.derivative(nodes, order=3)
            tilt = float(_WEIGHTS @ bends)
            intercept = hx - x * tilt
            tilt_x = float(_WEIGHTS @ (_NODES * thirds))
            tilt_y = float(_WEIGHTS @ ((1.0 - _NODES) * thirds))
        return intercept, tilt, bx - tilt - x * tilt_x, -x * tilt_y, tilt_x, tilt_y

    def equation(self, angle: float, tau: float) -> tuple[float, Array, float]:
        """Return the equation's value, its gradient in (angle, tau), and the size of its terms."""
        spread, beta = math.exp(tau), self.beta(tau)
        narrow, wide = math.sqrt(1.0 - beta), math.exp(0.5 * tau)
        first, others = math.sqrt(self.size), math.sqrt(self.others)
        cosine, sine = math.cos(angle), math.sin(angle)
        mean, mean_angle = first * cosine + others * sine, others * cosine - first * sine
        slide = spread / (self.k - 1)  # d beta / d tau
        narrow_tau, wide_tau = -0.5 * slide / narrow, 0.5 * wide
        shift, shift_tau = (wide - narrow) / self.k, (wide_tau - narrow_tau) / self.k
        x, y = narrow * cosine / first + shift * mean, narrow * sine / others + shift * mean
        move = np.array(
            [
                [-narrow * sine / first + shift * mean_angle,
                 narrow_tau * cosine / first + shift_tau * mean],
                [narrow * cosine / others + shift * mean_angle,
                 narrow_tau * sine / others + shift_tau * mean],
            ]
        )  # fmt: skip
        total = wide * mean
        intercept, tilt, ix, iy, tx, ty = self._differences(x, y)
        value = intercept * spread + beta * tilt * total
        slope = np.array([ix * spread + beta * total * tx, iy * spread + beta * total * ty])
        gradient = slope @ move
        gradient[0] += beta * tilt * wide * mean_angle
        gradient[1] += intercept * spread + slide * tilt * total + beta * tilt * wide_tau * mean
        size = abs(intercept) * spread + abs(beta * tilt * total) + 1e-300
        return value, gradient, size

    def place(self, angle: float, tau: float, along: Array) -> Place:
        """Return what is there; the tangent points along `along`."""
        beta = self.beta(tau)
        x, y = self.overlaps(angle, tau)
        both = np.array([x, y])
        hx, hy = (float(v) for v in self.psi.derivative(both))
        bx, by = (float(v) for v in self.psi.derivative(both, order=2))
        px, py = (float(v) for v in self.psi(both))
        outside = self.size * x * hx + self.others * y * hy
        gradient = self.equation(angle, tau)[1]
        tangent = np.array([-gradient[1], gradient[0]])
        tangent *= math.copysign(1.0, float(tangent @ along)) / np.linalg.norm(tangent)
        # along the circle, z . v takes the derivative of the overlaps with the angle
        step = 1.0 - beta
        narrow, wide = math.sqrt(step), math.exp(0.5 * tau)
        first, others = math.sqrt(self.size), math.sqrt(self.others)
        cosine, sine = math.cos(angle), math.sin(angle)
        shift = (wide - narrow) / self.k * (others * cosine - first * sine)
        zx, zy = -narrow * sine / first + shift, narrow * cosine / others + shift
        return Place(
            angle=angle,
            tau=tau,
            beta=beta,
            x=x,
            y=y,
            outside=outside,
            within_first=outside - step * bx,
            within_others=outside - step * by,
            between=outside - self.size * bx * zx * zx - self.others * by * zy * zy,
            loss=-self.size * px - self.others * py,
            tangent=tangent,
        )

    def average_loss(self, beta: float) -> float:
        """Return the loss at the average point, all overlaps equal and positive."""
        m = math.sqrt((1.0 + (self.k - 1) * beta) / self.k)
        return -self.k * float(self.psi(m))

    def correct(self, point: Array, normal: Array) -> Array | None:
        """Return the zero near `point` on the line across `normal`, by Newton's method."""
        base, here = float(normal @ point), point.copy()
        for _ in range(12):
            if here[1] >= math.log(self.k):
                return None
            value, gradient, size = self.equation(float(here[0]), float(here[1]))
            if not np.isfinite(gradient).all():
                return None
            matrix = np.array([gradient, normal])
            determinant = float(np.linalg.det(matrix))
            if abs(determinant) < 1e-14 * (np.abs(gradient).max() + 1e-300):
                return None
            step = np.linalg.solve(matrix, [-value, base - float(normal @ here)])
            here = here + step
            if np.abs(step).max() > 0.3:
                return None
            moved = float(np.abs(step).max())
            if moved < 1e-15 or (abs(value) < 4e-16 * size and moved < 1e-12):
                return here
        return here if np.abs(step).max() < 1e-11 else None

    def start(self, angle: float, tau: float) -> Place | None:
        """Return the fixed point at this tau near the angle, if Newton's method finds it."""
        point = self.correct(np.array([angle, tau]), np.array([0.0, 1.0]))
        return None if point is None else self.place(point[0], tau, np.array([0.0, 1.0]))

    def advance(self, here: Place, length: float) -> Place | None:
        """Return the place at this arc length from `here`."""
        base = np.array([here.angle, here.tau])
        point = self.correct(base + length * here.tangent, here.tangent)
        return None if point is None else self.place(point[0], point[1], here.tangent)

    def follow(
        self, here: Place, tau_range: tuple[float, float]
    ) -> Iterator[tuple[Place, Place, float]]:
        """Yield neighbouring places and the arc length between them until tau leaves the range."""
        length = _STEP
        for _ in range(100_000):
            after = self.advance(here, length)
            if after is None or float(after.tangent @ here.tangent) < 0.97:
                length *= 0.5
                if length < _SHORTEST:
                    return
                continue
            yield here, after, length
            if not tau_range[0] < after.tau < tau_range[1]:
                return
            here, length = after, min(1.5 * length, _STEP)

    def locate(self, here: Place, length: float, event: Callable[[Place], float]) -> Place:
        """Return the place between `here` and `length` ahead where the event's sign changes."""
        low, high = 0.0, length
        below = event(here)
        best = here
        for _ in range(200):
            middle = 0.5 * (low + high)
            if middle in (low, high):
                break
            place = self.advance(here, middle)
            if place is None:
                break
            best = place
            if (event(place) > 0.0) == (below > 0.0):
                low = middle
            else:
                high = middle
        return best
