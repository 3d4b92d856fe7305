"""Exact orbits of one neuron for psi(u) = c u^p, G = I, p >= 3: docs/mathematics (7).

An orbit is written in a variable x in which m(x) and dt/dx are analytic, so that t(x) is a matter
of Gauss-Legendre panels, and t is inverted panel by panel. The formulas are free of cancellation
and hold for doubles and for mpmath numbers alike.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.polynomial import legendre
from numpy.typing import NDArray

Array = NDArray[np.float64]
Numbers = NDArray[Any]  # doubles, or objects that are mpmath numbers

_TOO_SMALL = "m0 must be large enough for |m0|^(2 - p) to be a double, got less"
_ORDER = 24
_NODES, _WEIGHTS = legendre.leggauss(_ORDER)
# Node values to Legendre coefficients, then to those of the primitive that is 0 at -1.
_PROJECT = (np.arange(_ORDER) + 0.5)[:, None] * legendre.legvander(_NODES, _ORDER - 1).T * _WEIGHTS
_PRIMITIVE = np.asarray(legendre.legint(_PROJECT, lbnd=-1, axis=0), dtype=np.float64)


@dataclass(frozen=True)
class Orbit:
    """A trajectory, parametrised by x >= 0."""

    evaluate: Callable[[Numbers], tuple[Numbers, Numbers]]  # x -> m, dt/dx
    first: float  # distance from x = 0 to the nearest singularity on the negative axis
    width: float  # panels no wider than this stay clear of the complex singularities
    end: float  # from here on dt/dx is constant, or a constant times e^x, within rounding
    exponential: bool

    def edges(self) -> list[float]:
        """Return panel edges from 0 to the first beyond `end`, graded towards 0."""
        edges = [0.0]
        while edges[-1] < self.end or len(edges) == 1:
            edges.append(edges[-1] + min(self.width, edges[-1] + self.first))
        return edges


@dataclass(frozen=True)
class Arithmetic:
    """The numbers an orbit is computed in."""

    number: Callable[[int], Any]
    exp: Callable[[Any], Any]
    expm1: Callable[[Any], Any]
    digits: int

    def orbit(self, p: int, c: Numbers, m0: Numbers, rest2: Any) -> Orbit | None:
        """Return the orbit of m0 (no zeros in it), or None if nothing moves.

        `rest2` is the squared length of w outside the span of the index vectors.
        """
        sign = np.sign(m0.astype(float)).astype(int)
        growth = c * sign**p  # d|z_j|/ds = growth_j p |z_j|^(p-1)
        if not np.any(growth):
            return None
        build = self._growing if np.any(growth > 0) else self._decaying
        with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
            orbit = build(p, growth, abs(m0), sign, rest2)
        if not math.isfinite(orbit.end):
            raise ValueError(_TOO_SMALL)
        return orbit

    def _growing(
        self, p: int, growth: Numbers, size: Numbers, sign: NDArray[np.int_], rest2: Any
    ) -> Orbit:
        # x = log|z_1(s)| - log|z_1(0)|, where z_1 is the first coordinate to blow up.
        q = self.number(p - 2)
        leader = int(np.argmax((growth * size**q).astype(float)))
        start = (size[leader] / size) ** q
        if self.number is float and np.any(start < np.finfo(np.float64).tiny):
            raise ValueError(_TOO_SMALL)
        ratio = growth / growth[leader]
        # (|z_1| / |z_j|)^q = lead e^(qx) + shift + fall (e^(qx) - 1), and no term is negative
        lead = np.where(ratio > 0, np.maximum(start - ratio, 0 * start), start)
        shift, fall = np.maximum(ratio, 0 * ratio), np.maximum(-ratio, 0 * ratio)
        outside, rate = rest2 / size[leader] ** 2, growth[leader] * p

        def evaluate(x: Numbers) -> tuple[Numbers, Numbers]:
            rise, rise1 = self.exp(q * x[..., None]), self.expm1(q * x[..., None])
            power = np.where(lead == 0, shift, lead * rise + shift)
            power = np.where(fall == 0, power, power + fall * rise1)
            relative = power ** (-1 / q)  # |z_j| / |z_1|
            norm2 = (relative * relative).sum(-1) + outside * self.exp(-2 * x)
            return sign * relative / norm2[..., None] ** 0.5, norm2 ** (q / 2) / rate

        gone = [float(outside)] + [float(np.float64(v) ** (-2 / float(q))) for v in lead if v > 0]
        end = 0.5 * (math.log(max(sum(gone), 1.0)) + self.digits * math.log(10.0))
        falls = [float(a) / float(f) for a, f in zip(start, fall, strict=True) if f > 0]
        first = min((math.log1p(a) / float(q) for a in falls), default=math.inf)
        if self.number is float and first < 1e-290:  # x would not be told from 0
            raise ValueError(_TOO_SMALL)
        return Orbit(evaluate, max(first, 1e-300), min(1.0, 2.0 / float(q)), end, False)

    def _decaying(
        self, p: int, growth: Numbers, size: Numbers, sign: NDArray[np.int_], rest2: Any
    ) -> Orbit:
        # x = log(1 + s / s_1), s_1 the shortest time scale; |z_j|^-q = inverse_j + speed_j s.
        q = self.number(p - 2)
        inverse, speed = size**-q, -growth * p * q
        moving = (speed > 0).astype(bool)
        scales = inverse[moving] / speed[moving]
        unit = scales.min()

        stays2 = float(rest2) + sum(float(v) ** 2 for v in size[~moving])
        if stays2 == 0.0:
            end = math.log(float(scales.max() / unit)) + self.digits * math.log(10.0)
        else:  # until every z_j^2 is lost beside what stays
            small = 0.5 * (self.digits * math.log(10.0) - math.log(stays2))
            end = max(float(q) * small - math.log(float(v * unit)) for v in speed[moving])
            end = min(max(end, 0.0), 600.0)

        def evaluate(x: Numbers) -> tuple[Numbers, Numbers]:
            x = x if stays2 else np.minimum(x, end)  # ratios no longer change; t = inf
            s = unit * self.expm1(x[..., None])
            grown = np.where(moving, inverse + np.where(moving, speed, unit) * s, inverse)
            z = grown ** (-1 / q)
            # squares of the least doubles are lost, which matters where nothing stays
            top = z.max(-1) if stays2 == 0.0 else z.max(-1) ** 0
            z = z / top[..., None]
            norm2 = (z * z).sum(-1) + rest2
            rate = norm2 ** (q / 2) * top**q * unit * self.exp(x)
            return sign * z / norm2[..., None] ** 0.5, rate

        return Orbit(evaluate, 1.0, 1.0, end, stays2 > 0.0)


DOUBLE = Arithmetic(float, np.exp, np.expm1, 18)


class Clock:
    """t(x) of an orbit in doubles, and its inverse."""

    def __init__(self, orbit: Orbit) -> None:
        self.orbit = orbit
        self.edges = np.array(orbit.edges())
        self.half = np.diff(self.edges) / 2
        self.nodes = self.edges[:-1, None] + self.half[:, None] * (1 + _NODES)
        with np.errstate(over="ignore", invalid="ignore"):
            self.m, rate = orbit.evaluate(self.nodes)
            self.primitive = (_PRIMITIVE @ rate.T) * self.half
            self.tail = float(orbit.evaluate(self.edges[-1:])[1][0])
            self.slope = legendre.legder(self.primitive, axis=0)
            self.times = np.concatenate([[0.0], np.cumsum(legendre.legval(1.0, self.primitive))])
        if not (np.all(np.isfinite(self.times)) and self.tail > 0.0):
            raise ValueError(_TOO_SMALL)

    def x(self, t: Array) -> Array:
        """Invert t(x), shape (T,): Newton, halving where it would leave the bracket."""
        panel = np.minimum(np.searchsorted(self.times, t, side="right") - 1, self.half.size - 1)
        wanted, half = t - self.times[panel], self.half[panel]
        primitive, slope = self.primitive[:, panel], self.slope[:, panel]
        low, high, at = -np.ones(t.shape), np.ones(t.shape), np.zeros(t.shape)
        for _ in range(80):
            excess = legendre.legval(at, primitive, tensor=False) - wanted
            low, high = np.where(excess < 0, at, low), np.where(excess > 0, at, high)
            step = at - excess / legendre.legval(at, slope, tensor=False)
            last, at = at, np.where((step >= low) & (step <= high), step, (low + high) / 2)
            if np.all(np.abs(at - last) <= 1e-16):
                break
        inside: Array = self.edges[panel] + half * (1 + at)
        with np.errstate(over="ignore"):
            beyond = np.maximum(t - self.times[-1], 0.0) / self.tail
        beyond = self.edges[-1] + (np.log1p(beyond) if self.orbit.exponential else beyond)
        return np.where(t >= self.times[-1], beyond, inside)

    def t(self, x: float) -> float:
        """Return the time at x, which lies within the panels."""
        panel = min(int(np.searchsorted(self.edges, x, side="right")) - 1, self.half.size - 1)
        at = (x - self.edges[panel]) / self.half[panel] - 1
        return float(self.times[panel] + legendre.legval(at, self.primitive[:, panel]))

    def rate(self, x: float) -> float:
        """Return dt/dx."""
        return float(self.orbit.evaluate(np.array([x]))[1][0])

    def overlaps(self, x: Array) -> Array:
        """Return m at x, shape (..., k)."""
        with np.errstate(over="ignore", invalid="ignore"):
            m: Array = self.orbit.evaluate(x)[0]
        return m


def invert_slowly(mp: Any, orbit: Orbit, t: Array) -> Iterator[Any]:
    """Yield x(t) for each t in mpmath's working precision, by its own adaptive quadrature."""

    def rate(x: Any) -> Any:
        return orbit.evaluate(np.array([x], dtype=object))[1][0]

    def elapsed(a: Any, b: Any) -> Any:
        return mp.quad(rate, [a, b], method="gauss-legendre")

    edges = [mp.mpf(edge) for edge in orbit.edges()]
    times = [mp.mpf(0)]
    for wanted in t:
        while times[-1] <= wanted and len(times) < len(edges):
            times.append(times[-1] + elapsed(edges[len(times) - 1], edges[len(times)]))
        if wanted >= times[-1]:
            beyond = (wanted - times[-1]) / rate(edges[-1])
            yield edges[-1] + (mp.log1p(beyond) if orbit.exponential else beyond)
            continue
        panel = max(i for i, time in enumerate(times) if time <= wanted)
        low, high = edges[panel], edges[panel + 1]
        base, x, past = low, (low + high) / 2, times[panel]
        while True:
            excess = past + elapsed(base, x) - wanted
            low, high = (x, high) if excess < 0 else (low, x)
            step = x - excess / rate(x)
            last, x = x, step if low <= step <= high else (low + high) / 2
            if abs(x - last) <= 8 * mp.eps * max(abs(x), min(orbit.first, 1.0)):
                break
        yield x


def quadratic(c: Array, m0: Array, rest2: float, t: Array) -> Array:
    """For p = 2, z_j = m_j(0) e^(2 c_j t), and dt = ds."""
    m, rate = np.append(m0, math.sqrt(rest2)), np.append(c, 0.0)
    lag = np.where(m == 0, 0.0, rate - rate[m != 0].max(initial=-math.inf))
    with np.errstate(invalid="ignore", over="ignore"):
        half = np.exp(np.where(lag == 0, 0.0, lag * t[:, None]))
    z = m * 2.0**830 * half * half  # no product of a small number and a small factor underflows
    z = z / np.abs(z).max(axis=1, keepdims=True)  # squares of the least doubles are lost
    unit: Array = z / np.linalg.norm(z, axis=1, keepdims=True)
    return unit[:, :-1]


def high_precision(p: int, c: Array, m0: Array, rest2: float, *, t: Array, dps: int) -> Array:
    """Return `exact.orthonormal` by way of mpmath, shape (T, k)."""
    try:
        from mpmath import mp
    except ImportError as error:
        raise ImportError("dps needs mpmath: pip install 'hermiteflow[test]'") from error
    out = np.zeros((t.size, m0.size))
    with mp.workdps(dps + 20):
        exact, exp, expm1 = (np.frompyfunc(f, 1, 1) for f in (mp.mpf, mp.exp, mp.expm1))
        start, speed = exact(m0), exact(c)
        rest = 1 - (start * start).sum() if rest2 > 0 else mp.mpf(0)
        if p == 2:
            growth = 2 * np.append(speed, mp.mpf(0)) * exact(t)[:, None]
            z = np.append(start, mp.sqrt(rest)) * exp(growth - growth.max(axis=1, keepdims=True))
            out[:] = (z / (z * z).sum(axis=1)[:, None] ** 0.5)[:, :-1].astype(float)
            return out
        active, numbers = m0 != 0, Arithmetic(mp.mpf, exp, expm1, dps + 4)
        orbit = numbers.orbit(p, speed[active], start[active], rest)
        if orbit is None:
            out[:] = m0
            return out
        for row, x in enumerate(invert_slowly(mp, orbit, t)):
            out[row, active] = orbit.evaluate(np.array([x], dtype=object))[0][0].astype(float)
    return out


def _bisect(false: float, true: float, test: Callable[[float], bool]) -> float:
    """Return the end `true` of the bracket once it is two neighbouring doubles."""
    while (middle := 0.5 * (false + true)) not in (false, true):
        false, true = (false, middle) if test(middle) else (middle, true)
    return true


@np.errstate(over="ignore", invalid="ignore")
def hitting(clock: Clock, p: int, c: Array, level: float) -> float:
    """Return the first t with max_j |m_j| >= level, below which the orbit starts."""
    x = np.unique(np.concatenate([clock.edges, clock.nodes.ravel()]))
    m = clock.overlaps(x)

    def rise(m: Array) -> Array:  # d|m_j|/dt over p
        force = c * m ** (p - 1)
        out: Array = np.sign(m) * (force - (force * m).sum(-1, keepdims=True) * m)
        return out

    def reaches(at: float) -> bool:
        return bool(np.abs(clock.overlaps(np.array([at]))).max() >= level)

    reached = np.flatnonzero(np.abs(m).max(axis=1) >= level)
    before = int(reached[0]) - 1 if reached.size else x.size - 1
    low, high = float(x[before]), float(x[before + 1]) if reached.size else math.inf
    # A peak between two points may touch the level earlier.
    up = rise(m[: before + 1])
    for i, j in np.argwhere((up[:-1] > 0) & (up[1:] < 0)):
        pace = p * up[i, j] * clock.rate(x[i])
        if abs(m[i, j]) + 2 * pace * (x[i + 1] - x[i]) < level:
            continue

        def falls(at: float, j: int = j) -> bool:
            return bool(rise(clock.overlaps(np.array([at])))[0, j] < 0)

        peak = _bisect(float(x[i]), float(x[i + 1]), falls)
        if reaches(peak):
            low, high = float(x[i]), peak
            break
    return high if math.isinf(high) else clock.t(_bisect(low, high, reaches))


def quadratic_hitting(c: Array, m0: Array, rest2: float, level: float) -> float:
    """First hitting for p = 2, where each log|m_j| is concave in t, so it rises to one peak."""

    def at(t: float) -> Array:
        m: Array = quadratic(c, m0, rest2, np.array([t]))[0]
        return m

    best = math.inf
    for j in range(m0.size):

        def reaches(t: float, j: int = j) -> bool:
            return bool(abs(at(t)[j]) >= level)

        def falls(t: float, j: int = j) -> bool:
            return bool(c[j] <= np.sum(at(t) ** 2 * c))

        if falls(0.0) or (best < math.inf and not (reaches(best) or falls(best))):
            continue
        top = 1.0 / float(np.abs(c).max())
        while not (reaches(top) or falls(top)) and top < 1e300:
            top *= 2.0
        if not reaches(top):
            top = _bisect(0.0, top, falls)
        if reaches(top):
            best = min(best, _bisect(0.0, top, reaches))
    return best
