"""`fixed_points`: all of them, for orthonormal and equiangular index vectors."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from hermiteflow import _checks
from hermiteflow.flows import CorrelationFlow

from ._equations import Form, LineForm, SquaredForm, form_of
from ._families import FAMILIES, members, number, partitions
from ._intervals import Array
from ._isolate import Rows
from ._problem import Problem, problem_of
from ._rational import Polynomial, zeros
from ._spectrum import RESIDUAL, Spectrum, spectra
from ._table import FixedPoints, Integers, System

#: Points whose overlaps agree this well in every place are one.
_SAME = 1e-9
#: Overlaps and sizes of the groups (N, r), and whether -w is a permutation of w.
_Points = tuple[Array, Integers, NDArray[np.bool_]]


def fixed_points(
    flow: CorrelationFlow,
    *,
    d: int | None = None,
    max_orbits: int = 10**6,
    families: str | Sequence[str] | None = None,
) -> FixedPoints:
    """Return all isolated fixed points of one neuron, and prove that there are no others.

    Enumerates how many overlaps take which value, and isolates the zeros of the equations that
    remain by interval arithmetic. Fixed points with m . g = 0, and others that are not isolated,
    are named in `degenerate_sets`.

    Parameters
    ----------
    flow : CorrelationFlow
        Orthonormal or equiangular index vectors of equal weights, and links whose psi is known
        by its series.
    d : int, optional
        Input dimension, for the kinds; by default any above k.
    max_orbits : int
        Most orbits to list.
    families : str or sequence of str, optional
        Some of "index-like" (one overlap differs from the others), "pair" (two do) and "average"
        (all are equal); all fixed points by default.

    Returns
    -------
    FixedPoints

    Raises
    ------
    ValueError
        If there are more than `max_orbits` orbits, psi' is zero, or the flow is not of this kind.
    ArithmeticError
        If fixed points coincide within rounding and cannot be told apart.

    References
    ----------
    docs/mathematics, "Fixed points and their kind".

    Examples
    --------
    >>> import hermiteflow as hf
    >>> flow = hf.CorrelationFlow(hf.Orthonormal(k=3), hf.hermite(4))
    >>> hf.fixed_points(flow)
    26 fixed points in 3 orbits, k = 3
       kind     count       loss  index  outside  overlaps
       minimum      6         -1      0        4  1 x 1, 2 x 0
       saddle      12       -0.5      1        2  2 x 0.70711, 1 x 0
       saddle       8  -0.333333      2    1.333  3 x 0.57735
      not isolated: w orthogonal to every index vector (m = 0)
    """
    problem = problem_of(flow)
    k = problem.k
    max_orbits = _checks.integer(max_orbits, "max_orbits")
    if d is not None:
        d = _checks.integer(d, "d", low=max(k, 2))
    wanted = _wanted(families, k)
    form = form_of(problem.slope, k, problem.beta)
    most, named = _limits(problem, form)
    whole = isinstance(form, LineForm)
    lists: list[Integers] = []
    known = 0
    for count in range(1, min(most, k) + 1):
        if wanted is None:
            known += number(k, count, whole=whole)
            _check_number(known, max_orbits, "at least ")
            lists.append(partitions(k, count, whole=whole))
        else:
            lists.append(_members(wanted, k, count, whole=whole))
    points: list[_Points] = []
    systems: list[System] = []
    for parts in lists:
        rows, values, proved = form.solve(parts)
        found = np.bincount(rows, minlength=len(parts))
        systems += [
            System(tuple(int(s) for s in sizes), int(p), int(n))
            for sizes, p, n in zip(parts, proved, found, strict=True)
        ]
        points.append(_representatives(problem, rows, values, parts[rows]))
    return _table(problem, form, points, tuple(systems), named, d, max_orbits)


def _wanted(families: str | Sequence[str] | None, k: int) -> set[tuple[int, ...]] | None:
    if families is None:
        return None
    given = (families,) if isinstance(families, str) else families
    chosen = _checks.names(given, "families", FAMILIES)
    if not chosen:
        raise ValueError(f"families must name at least one of {FAMILIES}, got none")
    return set().union(*(members(name, k) for name in chosen))


def _members(wanted: set[tuple[int, ...]], k: int, count: int, *, whole: bool) -> Integers:
    """Sizes of the groups that the equations know: without that of overlap 0 unless `whole`."""
    rows = set()
    for sizes in wanted:
        if len(sizes) == count:
            rows.add(sizes)
        if not whole and len(sizes) == count + 1:
            rows |= {sizes[:i] + sizes[i + 1 :] for i in range(len(sizes))}
    return np.array(sorted(rows, reverse=True), dtype=np.int64).reshape(-1, count)


def _limits(problem: Problem, form: Form) -> tuple[int, tuple[str, ...]]:
    """Largest number of distinct overlaps to look for, and names of what is not isolated."""
    k, slope = problem.k, problem.slope
    named = []
    if slope[0] == 0.0:
        named.append("w orthogonal to every index vector (m = 0)")
    roots = _interior_zeros(slope)
    if roots:
        listed = ", ".join(f"{u:.6g}" for u in ([0.0] if slope[0] == 0.0 else []) + roots)
        named.append(f"every overlap a zero of psi' ({listed}) and |w| = 1, where d > k allows it")
    if slope.size > 2:
        return form.most_values(), tuple(named)
    # psi is quadratic: the flow is linear before it is put on the sphere.
    if slope.size == 2 and slope[0] == 0.0 and k > (1 if problem.beta == 0.0 else 2):
        if problem.beta == 0.0:
            return 0, (*named, "the unit sphere of span(V)")
        return 1, (*named, "the unit vectors of span(V) orthogonal to the average (sum_j m_j = 0)")
    if slope.size == 2 and problem.beta != 0.0 and k > 1:
        if k == 2:  # +-(v_1 - v_2) are two points
            return 2, tuple(named)
        spread = 1.0 + (k - 1) * problem.beta
        total = -slope[0] * spread / (slope[1] * problem.beta)
        if total**2 <= k * spread:
            named.append(f"the unit vectors of span(V) with sum_j m_j = {total:.6g}")
    return 1, tuple(named)


def most_values(psi: Array, k: int) -> int:
    """Return a proved bound on the number of distinct overlaps at almost every beta."""
    problem = Problem(psi, k, 0.25)
    return min(_limits(problem, form_of(problem.slope, k, problem.beta))[0], k)


def _interior_zeros(slope: Array) -> list[float]:
    first = int(np.flatnonzero(slope)[0])
    chain = Polynomial(list(slope[first:])).sturm()
    if len(chain) < 2:
        return []
    inside = zeros(chain, Fraction(-1), Fraction(1), Fraction(1, 2**60))
    return [float(u) for u in inside if abs(u) < 1 - Fraction(1, 2**50)]


def _check_number(orbits: int, most: int, prefix: str = "") -> None:
    if orbits > most:
        raise ValueError(
            f"max_orbits must be at least the number of orbits to list them, got {most} for "
            f"{prefix}{orbits}"
        )


def _representatives(
    problem: Problem, rows: Rows, values: Array, sizes: Integers
) -> tuple[Array, Integers, NDArray[np.bool_]]:
    """One point of each orbit, and whether -w belongs to the orbit by permutations alone.

    Groups of equal size come in descending overlap.
    """
    chosen = _ordered(values, sizes)
    opposite = _ordered(-values, sizes)
    gap = chosen - opposite
    alike = np.all(np.abs(gap) <= _SAME, axis=1)
    if problem.even:  # of w and -w the one whose first overlap that differs is larger
        first = np.argmax(np.abs(gap) > _SAME, axis=1)
        other = gap[np.arange(len(gap)), first] < -_SAME
        chosen = np.where(other[:, None], opposite, chosen)
    order = np.argsort(rows, kind="stable")
    keep = np.ones(len(rows), dtype=bool)
    ends = np.flatnonzero(np.diff(rows[order])) + 1
    for group in np.split(order, ends):
        for i in range(1, group.size):
            before = group[:i][keep[group[:i]]]
            distance = np.max(np.abs(chosen[before] - chosen[group[i]]), axis=1)
            keep[group[i]] = bool(np.all(distance > _SAME))
    return chosen[keep], sizes[keep], alike[keep]


def _ordered(values: Array, sizes: Integers) -> Array:
    order = np.lexsort((-values, -sizes), axis=1)
    return np.take_along_axis(values, order, axis=1)


def _table(
    problem: Problem,
    form: Form,
    points: list[_Points],
    systems: tuple[System, ...],
    named: tuple[str, ...],
    d: int | None,
    max_orbits: int,
) -> FixedPoints:
    k = problem.k
    total = sum(len(values) for values, *_ in points)
    _check_number(total, max_orbits)
    width = max((values.shape[1] for values, *_ in points), default=0) + 1
    values = np.full((total, width), np.nan)
    sizes = np.zeros((total, width), dtype=np.int64)
    alike = np.zeros(total, dtype=bool)
    row = 0
    for value, size, same in points:
        end, count = row + len(value), value.shape[1]
        values[row:end, :count], sizes[row:end, :count], alike[row:end] = value, size, same
        rest = k - size.sum(axis=1)
        sizes[row:end, count] = rest
        values[row:end, count] = np.where(rest > 0, 0.0, np.nan)
        row = end
    values[np.abs(values) < 1e-16] = 0.0
    if isinstance(form, SquaredForm):
        reflections = np.where(values > 0.0, sizes, 0).sum(axis=1)
    else:
        reflections = np.where(problem.even & ~alike, 1, 0)
    spectrum = spectra(problem, values, sizes)
    _check_residuals(problem, spectrum, values, sizes)
    kind, negative = spectrum.kinds(outside=d is None or d > k)
    order = np.lexsort((spectrum.outside, spectrum.loss))
    return FixedPoints(
        k=k,
        values=values[order],
        multiplicities=sizes[order],
        reflections=reflections[order].astype(np.int64),
        loss=spectrum.loss[order],
        outside_eigenvalue=spectrum.outside[order],
        residual=spectrum.residual[order],
        eigenvalues=spectrum.eigenvalues[order],
        eigenvalue_counts=spectrum.counts[order],
        scale=spectrum.scale[order],
        morse_index=negative[order],
        kind=kind[order],
        degenerate_sets=named,
        systems=systems,
    )


def _check_residuals(problem: Problem, spectrum: Spectrum, values: Array, sizes: Integers) -> None:
    worst = int(np.argmax(spectrum.residual)) if spectrum.residual.size else -1
    # what the rounding of k overlaps alone makes of a residual
    rounding = 4.0 * np.finfo(float).eps * (problem.psi.size - 1) * np.sqrt(problem.k)
    if worst >= 0 and spectrum.residual[worst] > max(RESIDUAL, rounding):
        raise ArithmeticError(
            "beta must be farther from the ends of its range for this link and k, got a fixed "
            f"point whose residual is {spectrum.residual[worst]:.1e}, with overlaps "
            f"{values[worst]} of multiplicities {sizes[worst]}"
        )
