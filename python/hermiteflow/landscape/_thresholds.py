"""Values of beta at which the kinds of the average and of the index-like minima change."""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

from hermiteflow import _checks
from hermiteflow.interactions import Interaction
from hermiteflow.links import Link

from ._curve import PairCurve, Place
from ._differences import divided_differences
from ._intervals import Array
from ._isolate import isolate
from ._problem import interaction_of, is_complete
from ._rational import Polynomial, zeros

_GRID = 40_001


class Fold(NamedTuple):
    """Where the minima near the index vectors end, and how.

    Parameters
    ----------
    beta : float
        Inner product of the index vectors.
    how : str
        "vanish" (they meet a saddle and both are gone) or "lose stability" (they stay as saddles,
        or meet the average).
    """

    beta: float
    how: str


def _arguments(link: Link | Interaction, k: int) -> tuple[Interaction, int]:
    psi = interaction_of(link)
    if not np.any(psi.coefficients[1:]):
        raise ValueError(
            "link must have an interaction with the student's, got psi' = 0: every point is fixed"
        )
    if psi.tail > 1e-13 * psi.scale:
        raise ValueError(
            "link must have a psi' that is known to 1e-13, got one that leaves out up to "
            f"{psi.tail:.2g}"
        )
    k = _checks.integer(k, "k", low=1, high=_checks.LARGEST)
    if k < 2:
        raise ValueError(f"k must be at least 2 for thresholds in beta, got {k}")
    return psi, k


def critical_beta(link: Link | Interaction, k: int, all_roots: bool = False) -> Any:
    """Return the beta at which the average of the index vectors turns from saddle to minimum.

    Parameters
    ----------
    link : Link or Interaction
        The teacher's and student's link, or the interaction of two.
    k : int
        Number of index vectors, at least 2.
    all_roots : bool
        Return every beta at which the k - 1 transverse eigenvalues change sign, in either
        direction, as a tuple in ascending order; it may be empty.

    Returns
    -------
    float, or tuple of float

    Raises
    ------
    ValueError
        If there is no such change; the message says of which kind the average is.

    References
    ----------
    docs/mathematics (12).

    Examples
    --------
    >>> import hermiteflow as hf
    >>> round(hf.critical_beta(hf.hermite(3), k=10), 12)  # (p - 2)/(k + p - 2)
    0.090909090909
    """
    psi, k = _arguments(link, k)
    all_roots = _checks.flag(all_roots, "all_roots")
    changes = _changes(psi, k)
    if all_roots:
        return tuple(beta for beta, _ in changes)
    rising = [beta for beta, up in changes if up and _average(psi, k, beta)[0] > 0.0]
    if rising:
        return rising[0]
    kinds = {_average_kind(psi, k, beta) for beta in _between(changes, k)}
    raise ValueError(
        "link must have an average that turns from saddle to minimum, got one that is a "
        f"{' or a '.join(sorted(kinds))} for every beta"
    )


def _average(psi: Interaction, k: int, beta: float) -> tuple[float, float]:
    """Return lambda and the transverse eigenvalue at the average point."""
    m = math.sqrt((1.0 + (k - 1) * beta) / k)
    outside = k * m * float(psi.derivative(m))
    return outside, outside - (1.0 - beta) * float(psi.derivative(m, order=2))


def _average_kind(psi: Interaction, k: int, beta: float) -> str:
    outside, across = _average(psi, k, beta)
    if min(outside, across) > 0.0:
        return "minimum"
    return "maximum" if max(outside, across) < 0.0 else "saddle"


def _between(changes: list[tuple[float, bool]], k: int) -> Array:
    low = -1.0 / (k - 1)
    edges = np.array([low, *(beta for beta, _ in changes), 1.0])
    return np.concatenate([a + (b - a) * np.array([0.1, 0.5, 0.9]) for a, b in pairwise(edges)])


def _changes(psi: Interaction, k: int) -> list[tuple[float, bool]]:
    """Return each beta where the transverse eigenvalue changes sign, and whether it rises.

    With 1 - beta = k (1 - m^2)/(k - 1) it has the sign of (k - 1) m psi'(m) - (1 - m^2) psi''(m).
    """
    if not is_complete(psi):
        return _sampled_changes(psi, k)
    series = [Fraction(c) for c in psi.coefficients.tolist()]
    slope = [p * c for p, c in enumerate(series)][1:]
    terms = [Fraction(0)] * (len(slope) + 2)
    for n, c in enumerate(slope):
        terms[n + 1] += (k - 1 + n) * c
        if n > 0:
            terms[n - 1] -= n * c
    exact = Polynomial(terms)
    out = []
    for m in _positive_zeros(exact):
        beta = (k * m * m - 1) / (k - 1)
        rise = exact(m + Fraction(1, 2**40)) - exact(m - Fraction(1, 2**40))
        if rise != 0 and beta < 1:
            out.append((float(beta), rise > 0))
    return sorted(out)


def _positive_zeros(poly: Polynomial) -> list[Fraction]:
    """Zeros in (0, 1), to 24 digits: isolated by intervals, polished in exact numbers."""
    terms = list(poly.terms)
    while terms and terms[0] == 0:
        terms.pop(0)
    while terms and terms[-1] == 0:
        terms.pop()
    if len(terms) < 2:
        return []
    rounded = np.array([float(c) for c in terms])
    found = isolate(
        lambda box, _: [divided_differences(rounded, box)[0]], np.zeros(1), np.ones(1), 1
    )
    if found.undecided:
        chain = Polynomial(terms).sturm()
        return sorted(zeros(chain, Fraction(0), Fraction(1), Fraction(1, 2**80)))
    derivative = Polynomial([i * c for i, c in enumerate(terms)][1:])
    exact = Polynomial(terms)
    out = []
    for start in found.point[:, 0]:
        at = Fraction(float(start))
        for _ in range(3):
            at -= exact(at) / derivative(at)
            at = Fraction(round(at * 2**90), 2**90)
        out.append(at)
    return sorted(at for at in out if 0 < at < 1)


def _sampled_changes(psi: Interaction, k: int) -> list[tuple[float, bool]]:
    """Return the same for a psi that is no short series, from samples."""

    def across(beta: float) -> float:
        return _average(psi, k, beta)[1]

    low = -1.0 / (k - 1)
    # denser at both ends of the range
    betas = low + (1.0 - low) * 0.5 * (1.0 - np.cos(np.linspace(0.0, math.pi, _GRID)[1:-1]))
    m = np.sqrt(np.maximum(1.0 + (k - 1) * betas, 0.0) / k)
    values = k * m * psi.derivative(m) - (1.0 - betas) * psi.derivative(m, order=2)
    out = []
    for i in np.flatnonzero(np.sign(values[1:]) * np.sign(values[:-1]) < 0):
        a, b = float(betas[i]), float(betas[i + 1])
        rises = bool(values[i + 1] > 0.0)
        while (middle := 0.5 * (a + b)) not in (a, b):
            a, b = (a, middle) if (across(middle) > 0.0) == rises else (middle, b)
        out.append((b, rises))
    return out


# ------------------------------------------------------------------ index-like minima


class _Branch(NamedTuple):
    """The index-like minimum from beta = 0 to where it ends."""

    curve: PairCurve
    steps: list[tuple[Place, Place, float]]
    end: Place
    how: str


def _events(k: int) -> dict[str, Callable[[Place], float]]:
    events: dict[str, Callable[[Place], float]] = {
        "vanish": lambda place: float(place.tangent[1]),
        "average": lambda place: place.x - place.y,
        "outside": lambda place: place.outside,
    }
    if k > 2:
        events["within"] = lambda place: place.within_others
    return events


def _index_like(psi: Interaction, k: int) -> _Branch:
    curve = PairCurve(psi, k)
    here = _first(curve)
    if min(here.outside, here.between, here.within_others if k > 2 else math.inf) <= 0.0:
        raise ValueError(
            "link must make the index vectors minima at beta = 0, got Hessian eigenvalues "
            f"{here.outside:.6g} outside of span(V) and {here.between:.6g} in it there"
        )
    events, steps = _events(k), []
    for before, after, length in curve.follow(here, (-1e-9, math.log(k) - 1e-9)):
        hits = []
        for name, event in events.items():
            # crossing the average at the end of a fold of k = 2 is a change from > 0 to <= 0
            if event(before) > 0.0 >= event(after):
                hits.append((curve.locate(before, length, event), name))
        if hits:

            def passed(hit: tuple[Place, str], before: Place = before) -> float:
                place = hit[0]
                return math.hypot(place.angle - before.angle, place.tau - before.tau)

            end, name = min(hits, key=passed)
            if name == "average" or abs(end.x - end.y) < 1e-7:
                name = "vanish" if any(n == "vanish" for _, n in hits) else "average"
            steps.append((before, end, length))
            return _Branch(curve, steps, end, "vanish" if name == "vanish" else "lose stability")
        steps.append((before, after, length))
    beta = steps[-1][1].beta if steps else here.beta
    raise ValueError(
        "link must have minima near the index vectors that end below beta = 1, got ones that "
        f"last to beta = {beta:.6g}"
    )


def _first(curve: PairCurve) -> Place:
    """Where the flow from v_1 ends at beta = 0, on the circle that keeps v_1 and the others."""
    psi, k = curve.psi, curve.k
    pull = float(psi.derivative(0.0))
    if pull == 0.0:
        if math.isfinite(psi.derivative(1.0, order=2)):
            return curve.place(0.0, 0.0, np.array([0.0, 1.0]))
        return _first_beyond_a_kink(curve)
    towards = math.copysign(1.0, pull)
    reach = math.atan(math.sqrt(k - 1)) if towards > 0.0 else 0.5 * math.pi
    angles = towards * np.linspace(0.0, reach, 4001)[1:-1]
    values = np.array([curve.equation(float(a), 0.0)[0] for a in angles])
    crossing = np.flatnonzero(np.sign(values[1:]) != np.sign(values[:-1]))
    start = None
    if crossing.size:
        start = curve.start(float(angles[crossing[0]]), 0.0)
    if start is None:
        raise ValueError(
            "link must have minima near the index vectors at beta = 0, got a flow from v_1 that "
            "meets no fixed point but the average"
        )
    return start


def _first_beyond_a_kink(curve: PairCurve) -> Place:
    """Where the fixed point v_1 of beta = 0 has moved to at a small beta, if psi''(1) = inf.

    psi' has a term sqrt(1 - u) then, a kink of the equation at v_1 itself: beta must be so large
    that the overlap is not 1 within rounding.
    """
    for beta in (1e-7, 1e-5, 1e-3, 1e-2):
        tau = curve.tau(beta)
        angles = 10.0 * tau * np.linspace(-1.0, 1.0, 2001)
        values = np.array([curve.equation(float(a), tau)[0] for a in angles])
        crossing = np.flatnonzero(values[1:] * values[:-1] < 0.0)
        if crossing.size == 0:
            continue
        nearest = int(crossing[np.argmin(np.abs(angles[crossing]))])
        low, high = float(angles[nearest]), float(angles[nearest + 1])
        rises = values[nearest] < 0.0
        while (middle := 0.5 * (low + high)) not in (low, high):
            below = (curve.equation(middle, tau)[0] < 0.0) == rises
            low, high = (middle, high) if below else (low, middle)
        place = curve.place(low, tau, np.array([0.0, 1.0]))
        if place.x < 1.0 - 1e-14 and np.isfinite(place.tangent).all():
            return place
    raise ArithmeticError("the fixed point near v_1 was not found at betas from 1e-7 to 1e-2")


def fold_beta(link: Link | Interaction, k: int) -> Fold:
    """Return the beta at which the minima near the index vectors vanish or lose stability.

    Follows the fixed point with one overlap apart from the k - 1 others from beta = 0, where it is
    v_j if psi'(0) = 0.

    Parameters
    ----------
    link : Link or Interaction
        The teacher's and student's link, or the interaction of two.
    k : int
        Number of index vectors, at least 2.

    Returns
    -------
    Fold
        Named tuple of beta and how: "vanish" or "lose stability".

    Raises
    ------
    ValueError
        If they are not minima at beta = 0, or last to beta = 1.

    References
    ----------
    docs/mathematics, "Fixed points and their kind".

    Examples
    --------
    >>> import hermiteflow as hf
    >>> beta, how = hf.fold_beta(hf.hermite(3), k=10)  # 1/(1 + 2 sqrt(k - 1))
    >>> round(beta, 12), how
    (0.142857142857, 'vanish')
    """
    branch = _index_like(*_arguments(link, k))
    return Fold(branch.end.beta, branch.how)


def equal_loss_beta(link: Link | Interaction, k: int) -> float:
    """Return the beta at which the index-like minima and the average have the same loss.

    Parameters
    ----------
    link : Link or Interaction
        The teacher's and student's link, or the interaction of two.
    k : int
        Number of index vectors, at least 2. For k = 2 and a pure degree the two meet there.

    Raises
    ------
    ValueError
        If the losses stay apart for as long as there are such minima.

    References
    ----------
    docs/mathematics, "Fixed points and their kind".

    Examples
    --------
    >>> import hermiteflow as hf
    >>> round(hf.equal_loss_beta(hf.hermite(4), k=10), 12)  # 1/(1 + sqrt(k - 1))
    0.25
    """
    branch = _index_like(*_arguments(link, k))
    curve = branch.curve

    def excess(place: Place) -> float:
        return place.loss - curve.average_loss(place.beta)

    end = branch.end
    for before, after, length in branch.steps:
        # where both meet, rounding decides which is higher
        if excess(before) < 0.0 and excess(after) > 1e-14 * abs(after.loss):
            return curve.locate(before, length, excess).beta
    if abs(end.x - end.y) < 1e-5:
        return end.beta
    side = "lower" if excess(end) < 0.0 else "higher"
    raise ValueError(
        "link must have index-like minima and an average of equal loss somewhere, got minima whose "
        f"loss is {side} up to beta = {end.beta:.6g}, where they end"
    )
