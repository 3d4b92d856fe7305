"""All zeros of small systems of equations in boxes, proved by interval arithmetic.

Branch and prune with Krawczyk's operator, over any number of systems at once: every part of the
box is either shown to hold no zero, or lies in a box shown to hold exactly one. Knows intervals.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ._intervals import Array, Dual, Interval, Number, Real, variables

Rows = NDArray[np.intp]
#: (coordinates, rows of the systems) -> as many equations as coordinates.
Equations = Callable[[Sequence[Dual], Rows], Sequence[Dual]]

#: Each box is widened by this share before it is tested, so that a zero on its edge is found.
_MARGIN = 0.1
#: A box this narrow that is still undecided is given up: near a double zero rounding hides more.
_NARROWEST = 2.0**-28
_CHUNK = 40_000
#: Boxes that are tested for one call; beyond, the problem is out of reach.
_MOST_BOXES = 5_000_000
_NEWTON_STEPS = 8


@dataclass(frozen=True)
class Zeros:
    """Zeros, each alone in its box.

    Parameters
    ----------
    system : (N,)
        Row of the system.
    point : (N, dimension)
        The zero, within rounding.
    low, high : (N, dimension)
        A box that holds this zero and no other one of the system.
    undecided : list of (system, point)
        Where it could be shown neither that there is a zero nor that there is none: as at a zero
        that is double within rounding.
    """

    system: Rows
    point: Array
    low: Array
    high: Array
    undecided: list[tuple[int, Array]]


def isolate(equations: Equations, low: Array, high: Array, systems: int) -> Zeros:
    """Return all zeros in the box from `low` to `high`, shape (dimension,), of each system.

    Zeros just outside the box may come as well.

    Raises
    ------
    ArithmeticError
        If more boxes would have to be tested than is sensible.
    """
    dimension = low.size
    stack = [
        (np.tile(low, (len(rows), 1)), np.tile(high, (len(rows), 1)), rows)
        for rows in np.array_split(np.arange(systems), max(1, systems // _CHUNK))
    ]
    found: list[tuple[Rows, Array, Array]] = []
    undecided: list[tuple[int, Array]] = []
    tested = 0
    while stack:
        lower, upper, rows = stack.pop()
        if len(rows) > _CHUNK:  # depth first: memory stays bounded
            half = len(rows) // 2
            stack.append((lower[half:], upper[half:], rows[half:]))
            lower, upper, rows = lower[:half], upper[:half], rows[:half]
        tested += len(rows)
        if tested > _MOST_BOXES + 100 * systems:
            raise ArithmeticError(
                f"zeros of {dimension} equations in {systems} systems were not isolated within "
                f"{tested} boxes: too many distinct overlaps"
            )
        margin = _MARGIN * (upper - lower)
        wide_low, wide_high = lower - margin, upper + margin
        empty, one, narrow_low, narrow_high = _judge(equations, wide_low, wide_high, rows)
        if one.any():
            found.append((rows[one], wide_low[one], wide_high[one]))
        left = ~(empty | one)
        if not left.any():
            continue
        # What the operator leaves of a box is all that can hold a zero.
        lower = np.maximum(lower[left], narrow_low[left])
        upper = np.minimum(upper[left], narrow_high[left])
        rows = rows[left]
        some = np.all(lower <= upper, axis=1)
        lower, upper, rows = lower[some], upper[some], rows[some]
        width = upper - lower
        widest = np.argmax(width, axis=1)
        here = np.arange(len(rows))
        stuck = width[here, widest] < _NARROWEST
        if stuck.any():
            middle = 0.5 * (lower + upper)
            undecided += [(int(rows[i]), middle[i]) for i in np.flatnonzero(stuck)]
            lower, upper, rows = lower[~stuck], upper[~stuck], rows[~stuck]
            width, widest, here = width[~stuck], widest[~stuck], np.arange(len(rows))
        cut = lower[here, widest] + 0.4871 * width[here, widest]
        first, second = upper.copy(), lower.copy()
        first[here, widest] = cut
        second[here, widest] = cut
        stack.append(
            (np.concatenate([lower, second]), np.concatenate([first, upper]), np.tile(rows, 2))
        )
    return _gather(equations, found, undecided, dimension)


def _split(values: Sequence[Dual]) -> tuple[list[Number], list[list[Number]]]:
    zero = [value.value * 0.0 for value in values]
    return [value.value for value in values], [
        [zero[i] if slope is None else slope for slope in value.slopes]
        for i, value in enumerate(values)
    ]


def newton_system(equations: Equations, point: Array, rows: Rows) -> tuple[Array, Array]:
    """Return values (N, dimension) and Jacobians (N, dimension, dimension) in doubles."""
    values, slopes = _split(equations(variables([Real(x) for x in point.T]), rows))
    shape = point.shape[0]
    value = np.stack([np.broadcast_to(v.value, shape) for v in values], axis=1)
    jacobian = np.stack(
        [np.stack([np.broadcast_to(s.value, shape) for s in row], axis=1) for row in slopes], axis=1
    )
    return value, jacobian


def _judge(
    equations: Equations, low: Array, high: Array, rows: Rows
) -> tuple[NDArray[np.bool_], NDArray[np.bool_], Array, Array]:
    """Which boxes hold no zero, which exactly one, and bounds on where zeros may lie."""
    count, dimension = low.shape
    values, slopes = _split(
        equations(variables([Interval(a, b) for a, b in zip(low.T, high.T, strict=True)]), rows)
    )
    empty = np.zeros(count, dtype=bool)
    for value in values:
        empty |= ~value.holds_zero
    one = np.zeros(count, dtype=bool)
    narrow_low, narrow_high = low.copy(), high.copy()
    todo = np.flatnonzero(~empty)
    if todo.size == 0:
        return empty, one, narrow_low, narrow_high
    low, high = low[todo], high[todo]
    centre = 0.5 * (low + high)
    at_centre, _ = _split(equations(variables([Interval(x) for x in centre.T]), rows[todo]))
    jacobian = [[slope[todo] for slope in row] for row in slopes]
    middle = np.stack([np.stack([s.middle for s in row], axis=1) for row in jacobian], axis=1)
    regular = np.abs(np.linalg.det(middle)) > 1e-200
    middle[~regular] = np.eye(dimension)
    inverse = np.linalg.inv(middle)
    step = [Interval(a - m, b - m) for a, b, m in zip(low.T, high.T, centre.T, strict=True)]
    inside = regular.copy()
    outside = np.zeros(todo.size, dtype=bool)
    for i in range(dimension):
        image = Interval(centre[:, i])
        for j in range(dimension):
            factor = Interval(inverse[:, i, j])
            image = image + -(factor * at_centre[j])
            defect = Interval(np.full(todo.size, float(i == j)))
            for m in range(dimension):
                defect = defect + -(Interval(inverse[:, i, m]) * jacobian[m][j])
            image = image + defect * step[j]
        inside &= (image.low > low[:, i]) & (image.high < high[:, i])
        outside |= regular & ((image.high < low[:, i]) | (image.low > high[:, i]))
        narrow_low[todo, i] = np.where(regular, np.maximum(low[:, i], image.low), low[:, i])
        narrow_high[todo, i] = np.where(regular, np.minimum(high[:, i], image.high), high[:, i])
    one[todo] = inside & ~outside
    empty[todo] |= outside
    return empty, one, narrow_low, narrow_high


def _gather(
    equations: Equations,
    found: list[tuple[Rows, Array, Array]],
    undecided: list[tuple[int, Array]],
    dimension: int,
) -> Zeros:
    """Newton's method in each box, and one box for each zero."""
    if not found:
        none = np.empty((0, dimension))
        return Zeros(np.empty(0, dtype=np.intp), none, none, none, undecided)
    rows = np.concatenate([part[0] for part in found])
    low = np.concatenate([part[1] for part in found])
    high = np.concatenate([part[2] for part in found])
    point = 0.5 * (low + high)
    for _ in range(_NEWTON_STEPS):
        value, jacobian = newton_system(equations, point, rows)
        before = point
        point = np.clip(point - np.linalg.solve(jacobian, value[..., None])[..., 0], low, high)
    lost = np.any(np.abs(point - before) > 1e-10, axis=1)
    if lost.any():  # Krawczyk's test passed, so Newton's method cannot fail but by a defect here
        raise ArithmeticError(f"a zero was proved but not found near {point[np.argmax(lost)]}")
    zeros = Zeros(rows, point, low, high, undecided)
    return merge(
        zeros, point, lambda a, b: bool(np.all((point[b] > low[a]) & (point[b] < high[a])))
    )


def merge(zeros: Zeros, image: Array, same: Callable[[int, int], bool]) -> Zeros:
    """Keep one of those zeros that are the same: alike in `image` (N, m), and `same` says so."""
    directions = np.cos(1.0 + np.arange(image.shape[1]) * np.sqrt(2.0))
    key = image @ directions
    order = np.lexsort((key, zeros.system))
    keep = np.ones(order.size, dtype=bool)
    near = (np.diff(zeros.system[order]) == 0) & (np.diff(key[order]) < 1e-6)
    start = 0
    while start < order.size:
        end = start
        while end < near.size and near[end]:
            end += 1
        group = order[start : end + 1]
        for i, a in enumerate(group):
            for b in group[i + 1 :] if keep[a] else ():
                if keep[b] and np.max(np.abs(image[a] - image[b])) < 1e-6 and same(int(a), int(b)):
                    keep[b] = False
        start = end + 1
        if not near[start:].any():
            break
    chosen = order[keep[order]]
    return replace(
        zeros,
        system=zeros.system[chosen],
        point=zeros.point[chosen],
        low=zeros.low[chosen],
        high=zeros.high[chosen],
    )
