"""Solutions in closed form or by quadrature, to hold every integrator against.

Times are those of the correlation flow, ``dw/dt`` = minus the Riemannian gradient of the loss.
Nothing here uses the compiled core.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike

from hermiteflow import _checks
from hermiteflow._orbits import (
    DOUBLE,
    Array,
    Clock,
    high_precision,
    hitting,
    quadratic,
    quadratic_hitting,
)
from hermiteflow._quadrature import time_on_unit_interval

#: Highest degree of psi.
_HIGHEST = 10_000


class Slope(Protocol):
    """What `single_index_time` needs of psi; `hermiteflow.Interaction` has it."""

    def derivative(self, u: Any, order: int = 1) -> Any:
        """Return the derivative of psi at each ``u``."""


def orthonormal(
    p: int, c: ArrayLike, m0: ArrayLike, t: ArrayLike, *, dps: int | None = None
) -> Array:
    """Overlaps at time t, exactly, for psi(u) = c u^p and orthonormal index vectors.

    Solves ``dm_j/dt = p c_j m_j^(p-1) - m_j sum_l p c_l m_l^p`` by one quadrature, in a variable
    that stays well conditioned before, at and after the escape, inverted for t. Each overlap is
    off by rounding, or by what a change of t in its last bits makes, ``1e-16 t |dm/dt|``.

    Parameters
    ----------
    p : int
        Degree of psi, at least 2.
    c : float or array_like, shape (k,)
        ``a_i b_j c``: the second layer and target weight of each index vector times psi's c.
    m0 : array_like, shape (k,)
        Overlaps at time 0, of norm at most 1. Norm 1 within rounding means d = k.
    t : float or array_like, shape (T,)
        Times >= 0, in the time unit of the flow; ``inf`` gives the limit.
    dps : int, optional
        Compute with this many decimal digits through mpmath (slow), then round to doubles.

    Returns
    -------
    ndarray, shape (T, k), or (k,) for a scalar t

    Raises
    ------
    ValueError, TypeError
        If an argument has the wrong shape, type or range.
    ImportError
        If `dps` is given and mpmath is missing.

    References
    ----------
    docs/mathematics (7).

    Examples
    --------
    >>> from hermiteflow import exact
    >>> exact.orthonormal(3, 1.0, [0.02, 0.01, -0.03], [0.0, 16.0, 17.0, 20.0]).round(3)
    array([[ 0.02 ,  0.01 , -0.03 ],
           [ 0.415,  0.017, -0.011],
           [ 0.968,  0.005, -0.003],
           [ 1.   ,  0.   , -0.   ]])
    """
    p, coefficient, start, rest2 = _problem(p, c, m0)
    times = _reals("t", t, ndim=(0, 1))
    if not np.all(times >= 0):
        raise ValueError(f"t must be >= 0, got {times}")
    flat = np.atleast_1d(times)
    if p == 2:
        out = quadratic(coefficient, start, rest2, flat)
    else:
        active, out = start != 0, np.zeros((flat.size, start.size))
        orbit = DOUBLE.orbit(p, coefficient[active], start[active], rest2)
        if orbit is None:
            out[:] = start
        else:
            clock = Clock(orbit)
            out[:, active] = clock.overlaps(clock.x(flat))
    if dps is not None:
        rows, dps = np.isfinite(flat), _integer("dps", dps, 1)
        out[rows] = high_precision(p, coefficient, start, rest2, t=flat[rows], dps=dps)
    return out if times.ndim else out[0]


def orthonormal_hitting_time(p: int, c: ArrayLike, m0: ArrayLike, level: float) -> float:
    """First time at which ``max_j |m_j| >= level``, for the orbit of `orthonormal`.

    Parameters
    ----------
    p : int
        Degree of psi, at least 2.
    c : float or array_like, shape (k,)
        ``a_i b_j c``, as in `orthonormal`.
    m0 : array_like, shape (k,)
        Overlaps at time 0, of norm at most 1.
    level : float
        Level in (0, 1]; the index vector itself, level 1, is reached only in infinite time.

    Returns
    -------
    float
        The time, in the time unit of the flow; ``inf`` if the level is never reached.

    Raises
    ------
    ValueError, TypeError
        If an argument has the wrong shape, type or range.

    References
    ----------
    docs/mathematics (7).

    Examples
    --------
    >>> from hermiteflow import exact
    >>> round(exact.orthonormal_hitting_time(3, 1.0, [0.02, 0.01, -0.03], 0.5), 6)
    16.172764
    >>> exact.orthonormal_hitting_time(3, 1.0, [-0.02, -0.01, -0.03], 0.5)
    inf
    """
    p, coefficient, start, rest2 = _problem(p, c, m0)
    level = _number("level", level, 0.0, 1.0, "(]")
    if np.abs(start).max() >= level:
        return 0.0
    active = start != 0
    coefficient, start = coefficient[active], start[active]
    if p == 2:
        return quadratic_hitting(coefficient, start, rest2, level)
    orbit = DOUBLE.orbit(p, coefficient, start, rest2)
    if orbit is None:
        return math.inf
    return hitting(Clock(orbit), p, coefficient, level)


def single_index_time(psi: Slope, u0: float, u1: float) -> float:
    """Time a neuron takes from overlap u0 to u1 with a single index vector.

    The integral of ``du / (psi'(u) (1 - u^2))``, for second layer and target weight 1, to a
    relative accuracy of 1e-12.

    Parameters
    ----------
    psi : Interaction
        Any object whose ``derivative(u, order=1)`` is psi', elementwise.
    u0, u1 : float
        Overlaps at the start, in (-1, 1), and at the end, in [-1, 1].

    Returns
    -------
    float
        The time, in the time unit of the flow. ``inf`` if there is a fixed point from u0 to u1,
        as +-1 are where psi' is finite.

    Raises
    ------
    TypeError
        If psi has no such method.
    ValueError
        If psi' changes sign between u0 and u1, has the sign that leads away from u1, or
        underflows at an end.

    References
    ----------
    docs/mathematics (8).

    Examples
    --------
    >>> import hermiteflow as hf
    >>> round(hf.exact.single_index_time(hf.Interaction(hf.hermite(3)), 0.01, 0.5), 6)
    32.846435
    """
    u0 = _number("u0", u0, -1.0, 1.0, "()")
    u1 = _number("u1", u1, -1.0, 1.0, "[]")
    if not callable(getattr(psi, "derivative", None)):
        raise TypeError(f"psi must have a method derivative, got {_checks.describe(psi)}")
    if u0 == u1:
        return 0.0
    direction = math.copysign(1.0, u1 - u0)

    def speed(u: Array) -> Array:
        slope = direction * np.asarray(psi.derivative(u, order=1), dtype=np.float64)
        wrong = ~(slope >= 0)
        if wrong.any():
            at, value = float(u[wrong][0]), direction * float(slope[wrong][0])
            raise ValueError(
                f"psi' must keep the sign of u1 - u0 from u0={u0!r} to u1={u1!r}, "
                f"got psi'({at:.6g}) = {value:.6g}"
            )
        return slope

    ends = speed(np.array([u0, u1]))
    for name, u, slope in (("u0", u0, ends[0]), ("u1", u1, ends[1])):
        if 0.0 < abs(u) < 1e-20 and slope < np.finfo(np.float64).tiny:
            raise ValueError(f"{name} must be 0 or so large that psi' is a double, got {u!r}")
    speed(np.linspace(u0, u1, 2001))
    if np.any(ends == 0) or (abs(u1) == 1 and np.isfinite(ends[1])):
        return math.inf
    total = 0.0
    for sign in (-1.0, 1.0):
        near, far = sorted((max(sign * u0, 0.0), max(sign * u1, 0.0)))
        singular = not np.isfinite(psi.derivative(np.array([sign]), order=1)[0])
        total += time_on_unit_interval(speed, sign, (near, far), singular=singular)
    return total


def coverage_probability(n: ArrayLike, k: int, *, trapped: float = 0.0) -> float | Array:
    """Probability that n neurons find all k index vectors, each a uniform one on its own.

    Computed by a recursion over the neurons whose terms are all positive, to a relative accuracy
    of 1e-12 (probabilities below 1e-300 become 0).

    Parameters
    ----------
    n : int or array_like of int
        Numbers of neurons, >= 0.
    k : int
        Number of index vectors.
    trapped : float, optional
        Share of neurons that find none, in [0, 1): ``2**-k`` for odd p at G = I.

    Returns
    -------
    float, or ndarray of the shape of n

    Raises
    ------
    ValueError, TypeError
        If an argument has the wrong type or range.

    References
    ----------
    docs/mathematics (13).

    Examples
    --------
    >>> from hermiteflow import exact
    >>> exact.coverage_probability([1, 2, 3], 2)
    array([0.  , 0.5 , 0.75])
    """
    try:
        counts = np.asarray(n)
    except (ValueError, TypeError) as error:
        raise type(error)(f"n must hold integers >= 0, got {_checks.describe(n)}") from error
    if np.ma.isMaskedArray(n):
        raise TypeError("n must hold integers >= 0, got a masked array")
    if counts.dtype.kind not in "iu":
        raise TypeError(f"n must hold integers >= 0, got dtype {counts.dtype}")
    if counts.size == 0 or counts.min() < 0:
        raise ValueError(f"n must hold integers >= 0, got {_checks.describe(n)}")
    k = _integer("k", k, 1)
    trapped = _number("trapped", trapped, 0.0, 1.0, "[)")
    wanted, place = np.unique(counts, return_inverse=True)
    values = np.ones(wanted.size)  # what is left when the recursion ends is certain
    index = 0
    for number, found, missing in _coverage(k, trapped):
        if number == wanted[index]:
            values[index] = found if found < 0.5 else 1.0 - missing
            index += 1
            if index == wanted.size:
                break
    out: Array = values[place].reshape(counts.shape)
    return out if counts.ndim else float(out)


def neurons_needed(k: int, probability: float, *, trapped: float = 0.0) -> int:
    """Return the smallest n with ``coverage_probability(n, k, trapped=trapped) >= probability``.

    Parameters
    ----------
    k : int
        Number of index vectors.
    probability : float
        Probability to reach, in (0, 1).
    trapped : float, optional
        Share of neurons that find none, in [0, 1).

    Returns
    -------
    int

    Raises
    ------
    ValueError, TypeError
        If an argument has the wrong type or range.

    References
    ----------
    docs/mathematics (13).

    Examples
    --------
    >>> from hermiteflow import exact
    >>> exact.neurons_needed(10, 0.9), exact.neurons_needed(10, 0.9, trapped=0.5)
    (44, 90)
    """
    k = _integer("k", k, 1)
    probability = _number("probability", probability, 0.0, 1.0, "()")
    trapped = _number("trapped", trapped, 0.0, 1.0, "[)")
    return next(
        number
        for number, found, missing in _coverage(k, trapped)
        if (found if probability < 0.5 else 1.0 - missing) >= probability
    )


def _reals(name: str, value: ArrayLike, *, ndim: tuple[int, ...]) -> Array:
    expected = "a non-empty 1-D real array" if 0 not in ndim else "a real number or 1-D array"
    try:
        raw = np.asarray(value)
    except (ValueError, TypeError) as error:
        raise type(error)(f"{name} must be {expected}, got {_checks.describe(value)}") from error
    if np.ma.isMaskedArray(value):
        raise TypeError(f"{name} must be {expected}, got a masked array")
    if raw.dtype.kind not in "biuf":
        raise TypeError(f"{name} must be {expected}, got dtype {raw.dtype}")
    if raw.ndim not in ndim or raw.size == 0:
        raise ValueError(f"{name} must be {expected}, got shape {raw.shape}")
    with np.errstate(over="ignore"):  # of long doubles
        return raw.astype(np.float64)


def _number(name: str, value: float, low: float, high: float, closed: str) -> float:
    x = float(_reals(name, value, ndim=(0,)))
    inside = low <= x <= high and (x > low or closed[0] == "[") and (x < high or closed[1] == "]")
    if not inside:
        raise ValueError(f"{name} must be in {closed[0]}{low:g}, {high:g}{closed[1]}, got {x!r}")
    return x


def _integer(name: str, value: Any, least: int, most: float = math.inf) -> int:
    expected = f"an integer >= {least}"
    if isinstance(value, bool | np.timedelta64) or not isinstance(value, int | np.integer):
        raise TypeError(f"{name} must be {expected}, got {_checks.describe(value)}")
    if not least <= value <= most:
        expected += f" and <= {most}" if value > most else ""
        raise ValueError(f"{name} must be {expected}, got {_checks.describe(value)}")
    return int(value)


def _problem(p: int, c: ArrayLike, m0: ArrayLike) -> tuple[int, Array, Array, float]:
    """Return p, c (k,), m0 (k,) and |w|^2 outside the span, read as 0 if below rounding."""
    p = _integer("p", p, 2, _HIGHEST)
    m, coefficient = _reals("m0", m0, ndim=(1,)), _reals("c", c, ndim=(0, 1))
    if coefficient.ndim and coefficient.shape != m.shape:
        raise ValueError(f"c must have shape (k={m.size},) or (), got {coefficient.shape}")
    for name, values in (("m0", m), ("c", coefficient)):
        if not np.all(np.isfinite(values)):
            raise ValueError(f"{name} must be finite, got {values}")
    norm2 = math.fsum((m * m).tolist())
    if norm2 > 1.0 + 1e-12:
        raise ValueError(f"m0 must have norm at most 1, got {math.sqrt(norm2)!r}")
    rest2 = 1.0 - norm2
    threshold = 8 * float(np.finfo(np.float64).eps)
    return p, np.broadcast_to(coefficient, m.shape).copy(), m, rest2 if rest2 > threshold else 0.0


def _coverage(k: int, trapped: float) -> Iterator[tuple[int, float, float]]:
    """Yield n, P(all found), P(not all found) for n = 0, 1, ... until the last is lost beside 1."""
    found_so_far = np.arange(k)
    stay = trapped + (1.0 - trapped) * found_so_far / k
    gain = (1.0 - trapped) * (k - found_so_far) / k
    chance = np.zeros(k)  # chance[j]: exactly j found, j < k
    chance[0] = 1.0
    all_found, low, number = 0.0, 0, 0
    while True:
        missing = float(chance[low:].sum())
        yield number, all_found, missing
        if missing < 1e-20:
            return
        number += 1
        moved = chance[low:] * gain[low:]
        chance[low:] *= stay[low:]
        chance[low + 1 :] += moved[:-1]
        all_found += float(moved[-1])
        while chance[low] < 1e-40 * missing and low < k - 1:  # cannot matter any more
            low += 1
