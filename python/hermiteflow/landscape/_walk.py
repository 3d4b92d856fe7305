"""One curve of fixed points from a start to both of its ends, and what happens on the way."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from ._continuation import Family, Place, family_of, groups_text, mirrored
from ._intervals import Array

#: Events of one curve this close are one.
_TOGETHER = 1e-7
#: How far from a point with -w a permutation of w a turn may be found that is there.
MIRROR = 1e-2
_NONE = np.empty(0, dtype=np.intp)
_MOST_STEPS = 20_000


@dataclass(frozen=True, eq=False)
class Station:
    """A place of a curve with its meaning.

    Parameters
    ----------
    kind : str
        "node" (none), "grid" (a beta of the grid), "fold", "merge" (two groups meet and the curve
        goes on), "end" (the curve meets its own mirror image), "stop" (it runs into a singular
        point with m . g = 0), "within", "mirror" or "outside" (an eigenvalue changes sign; see
        `Test`).
    place : Place
        Where.
    pairs : tuple of (int, int)
        Groups that have met.
    groups : tuple of int
        Groups of which an inner eigenvalue is 0.
    grid : int
        Which beta of the grid, or -1.
    row : int
        Which fixed point of those listed there, or -1.
    """

    kind: str
    place: Place
    pairs: tuple[tuple[int, int], ...] = ()
    groups: tuple[int, ...] = ()
    grid: int = -1
    row: int = -1


@dataclass(eq=False)
class Walk:
    """One direction along a curve.

    Parameters
    ----------
    family : Family
        The curve's.
    even : bool
        Whether psi is even.
    taus : (B,)
        The grid, ascending; the curve is left where tau leaves its range.
    step : float
        Longest step.
    """

    family: Family
    even: bool
    taus: Array
    step: float
    stations: list[Station] = field(default_factory=list)
    closed: bool = False

    def run(self, start: Place) -> None:
        """Follow the curve along the tangent of `start`."""
        here, length = start, self.step
        for turn in range(_MOST_STEPS):
            if self.family.singular(here):
                self.stations.append(Station("stop", here))
                return
            after, length = self.family.stride(here, length, 1e-7 * self.step)
            marks = self._events(here, after, length)
            back = self._return(start, here, after, length) if turn > 0 else None
            if back is not None:
                marks = [mark for mark in marks if mark[0] < back[0]]
            last = (length, Station("node", after)) if back is None else back
            own = np.flatnonzero(self.taus == start.tau) if back is not None else _NONE
            if self._between(here, [*marks, last], own):
                return
            if back is not None:
                self.closed = True
                return
            here, length = after, min(1.6 * length, self.step)
        raise ArithmeticError(
            f"a curve of fixed points does not end within {_MOST_STEPS} steps, at beta = "
            f"{here.beta:.12g}, {groups_text(self.family.sizes, here.u)}"
        )

    def _between(
        self, here: Place, marks: list[tuple[float, Station]], own: NDArray[np.intp]
    ) -> bool:
        """Add the stations of a step, but for rows `own` of the grid; return whether it ends."""
        low, high = float(self.taus[0]), float(self.taus[-1])
        before, at = here, 0.0
        for s, station in marks:
            to = station.place
            if len(marks) > 1:
                middle = self.family.advance(here, 0.5 * (at + s))
                if middle is not None:
                    self.stations.append(Station("node", middle))
            rising = to.tau > before.tau
            inside = (
                (self.taus > before.tau) & (self.taus <= to.tau)
                if rising
                else (self.taus < before.tau) & (self.taus >= to.tau)
            )
            rows = np.flatnonzero(inside)
            for row in rows if rising else rows[::-1]:
                if row not in own:
                    self._pass(here, at, s, int(row))
            if not low <= to.tau <= high:
                return True
            self.stations.append(station)
            if station.kind == "end":
                return True
            before, at = to, s
        return False

    def _pass(self, here: Place, low: float, high: float, row: int) -> None:
        tau = float(self.taus[row])
        _, place = self.family.locate(here, low, high, lambda p: p.tau - tau)
        self.stations.append(Station("grid", place, grid=row))

    def _events(self, here: Place, after: Place, length: float) -> list[tuple[float, Station]]:
        """Return what happens in a step, in order."""
        family = self.family
        out: list[tuple[float, Station]] = []

        def add(kind: str, test: Callable[[Place], float], groups: tuple[int, ...]) -> None:
            s, place = family.locate(here, 0.0, length, test)
            pairs = ((groups[0], groups[1]),) if kind == "merge" else ()
            out.append((s, Station(kind, place, pairs, () if pairs else groups)))

        changed = np.flatnonzero((here.tests >= 0.0) != (after.tests >= 0.0))
        for i in changed:
            add(*self._test(int(i)))
        if (here.tangent[-1] >= 0.0) != (after.tangent[-1] >= 0.0):
            add("fold", lambda p: float(p.tangent[-1]), ())
        out.sort(key=lambda mark: mark[0])
        return self._simplify(out)

    def _test(self, i: int) -> tuple[str, Callable[[Place], float], tuple[int, ...]]:
        kind, groups = self.family.tests[i]
        return kind, lambda p: float(p.tests[i]), groups

    def _simplify(self, marks: list[tuple[float, Station]]) -> list[tuple[float, Station]]:
        """Make one event of those that are one, and say where the curve ends."""
        out: list[tuple[float, Station]] = []
        merges = [(s, m) for s, m in marks if m.kind == "merge"]
        for s, mark in marks:
            if mark.kind == "merge":
                continue
            near = [m for t, m in merges if abs(t - s) < 100.0 * _TOGETHER]
            met = {g for m in near for pair in m.pairs for g in pair}
            # where groups meet, their inner eigenvalues and those between them vanish as well
            if met and (mark.kind == "mirror" or (mark.kind == "within" and met & {*mark.groups})):
                continue
            if mark.kind == "fold" and any(self._own_mirror(m.pairs) for m in near):
                continue
            mirror = self._mirror(mark.place) if mark.kind == "fold" else None
            out.append((s, mark if mirror is None else Station("end", mirror)))
        for s, mark in merges:
            ends = self._own_mirror(mark.pairs)
            out.append((s, replace(mark, kind="end") if ends else mark))
        out.sort(key=lambda m: m[0])
        joined: list[tuple[float, Station]] = []
        for s, mark in out:
            if joined and s - joined[-1][0] < _TOGETHER:
                t, other = joined[-1]
                if {mark.kind, other.kind} <= {"merge", "end"} or mark.kind == other.kind:
                    kind = "end" if "end" in (mark.kind, other.kind) else mark.kind
                    joined[-1] = (
                        t,
                        replace(
                            other,
                            kind=kind,
                            pairs=(*other.pairs, *mark.pairs),
                            groups=(*other.groups, *mark.groups),
                        ),
                    )
                    continue
            joined.append((s, mark))
        return joined

    def _own_mirror(self, pairs: tuple[tuple[int, int], ...]) -> bool:
        """Whether behind the point where these groups meet lie the same orbits again."""
        return any(self.family.sizes[i] == self.family.sizes[j] for i, j in pairs)

    def _mirror(self, place: Place) -> Place | None:
        """Return where a curve turns because there -w is a permutation of w, if that is why.

        It meets the curve of -w there, on a curve of such points, on which this is a simple zero
        of an eigenvalue; on its own curve equations are singular there.
        """
        if not self.even or self.family.symmetric:
            return None
        own, u = self.family, place.u
        partner = mirrored(own.sizes, u, MIRROR)
        if partner is None:
            return None
        u = 0.5 * (u - u[partner])
        family = family_of(own.slope, own.k, own.sizes, u, 1e-9)
        first = len(family.tests) - family.across.shape[1]
        x = family.unknowns(u, place.tau)

        def value(tau: float, row: int | None) -> tuple[Place | None, int, float]:
            there = family.at(x, tau)
            if there is None:
                return None, 0, math.inf
            tests = there.tests[first:]
            row = int(np.argmin(np.abs(tests))) if row is None else row
            return there, row, float(tests[row])

        taus = [place.tau, place.tau + 1e-6]
        there, row, f = value(taus[0], None)
        for _ in range(20):
            if there is None or abs(taus[1] - place.tau) > MIRROR:
                return None
            before, (there, _, f) = f, value(taus[1], row)
            if abs(f) < 1e-15 or f == before or abs(taus[1] - taus[0]) < 1e-15:
                break
            taus = [taus[1], taus[1] - f * (taus[1] - taus[0]) / (f - before)]
        if there is None or abs(f) > 1e-9:
            return None
        x = own.unknowns(there.u, there.tau)
        return replace(place, x=x, beta=there.beta, u=there.u, tests=0.0 * place.tests)

    def _return(
        self, start: Place, here: Place, after: Place, length: float
    ) -> tuple[float, Station] | None:
        """Return where in this step the curve is back at its start, or at -w if psi is even."""
        for sign in (1.0, -1.0) if self.even else (1.0,):
            flip = np.append(np.full(start.x.size - 1, sign), 1.0)
            origin, normal = start.x * flip, start.tangent * flip
            behind, ahead = normal @ (here.x - origin), normal @ (after.x - origin)
            near = np.linalg.norm(after.x - origin) + np.linalg.norm(here.x - origin) < 3 * length
            if not near or not behind < 0.0 <= ahead:
                continue
            line = float(normal @ origin)

            def ahead_of(p: Place, normal: Array = normal, line: float = line) -> float:
                return float(normal @ p.x) - line

            s, place = self.family.locate(here, 0.0, length, ahead_of)
            if np.linalg.norm(place.x - origin) < 1e-6:
                return s, Station("node", place)
        return None


def both_ways(
    family: Family, start: Station, even: bool, taus: Array, step: float
) -> tuple[list[Station], bool]:
    """Return the stations of the whole curve through `start`, and whether it is closed."""
    forth = Walk(family, even, taus, step)
    forth.run(start.place)
    if forth.closed:
        return [start, *forth.stations], True
    back = Walk(family, even, taus, step)
    back.run(replace(start.place, tangent=-start.place.tangent))
    return [*back.stations[::-1], start, *forth.stations], False


def away_from_events(
    family: Family, place: Place, taus: Array, step: float, *, bare: bool = False
) -> Place:
    """Return a place on the same curve at which no test is zero, within the range of tau.

    `bare`: even if none is zero here.
    """
    worst = min(float(np.min(np.abs(place.tests))), 1e-4 * abs(float(place.tangent[-1])))
    if worst > 1e-8 and not bare:
        return place
    for share in (0.37, -0.37, 0.11, -0.11, 0.013, -0.013, 1e-3, -1e-3):
        there = family.advance(place, share * step)
        if there is not None and taus[0] < there.tau < taus[-1]:
            return there
    return place
