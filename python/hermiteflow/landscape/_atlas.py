"""All curves of fixed points over a grid of beta, and the proof that no listed point is left out.

Curves start at the complete lists of fixed points at each beta, and wherever a curve that is known
meets one that is not. In the end each listed point has been passed exactly once.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from hermiteflow._hessian import ZERO

from ._continuation import Family, Place, family_of, groups_text, mirrored
from ._intervals import Array
from ._table import FixedPoints
from ._walk import MIRROR, Station, away_from_events, both_ways

#: A curve passes a listed fixed point if it comes this close.
_NEAR = 1e-6
#: Curves meet where both say that they do, this close in beta and in the overlaps.
_MEET_BETA, _MEET = 1e-7, 1e-4
#: So close to an event a curve need not pass a listed point: there are none, or one of two.
EVENT = 1e-5
#: A fold is at a beta of the grid if it is this close in tau.
_TOUCH = 1e-11
Sizes = tuple[int, ...]


def canonical(sizes: Sizes, u: Array) -> tuple[Sizes, Array, NDArray[np.intp]]:
    """Return sizes and overlaps in descending order, by sizes first, and that order."""
    order = np.lexsort((-u, -np.array(sizes)))
    return tuple(sizes[i] for i in order), u[order], order


def distance(sizes: Sizes, u: Array, others: Array, *, even: bool) -> Array:
    """Return how far points (N, r) in canonical order are from one, up to symmetry."""
    gap = np.max(np.abs(others - canonical(sizes, u)[1]), axis=1)
    if even:
        gap = np.minimum(gap, np.max(np.abs(others - canonical(sizes, -u)[1]), axis=1))
    return np.asarray(gap)


@dataclass(eq=False)
class Listing:
    """The fixed points of one beta, by sizes of groups: rows of the list, overlaps, claims.

    At beta = 0 all changes of sign are symmetries of an even psi. There each orbit falls into
    parts, as many as curves come through it, and `of` lists each part.
    """

    rows: dict[Sizes, NDArray[np.intp]]
    values: dict[Sizes, Array]
    claimed: dict[Sizes, NDArray[np.bool_]]

    @classmethod
    def of(cls, points: FixedPoints, *, split_signs: bool) -> Listing:
        """Return the listing of fixed points."""
        found: dict[Sizes, list[tuple[int, Array]]] = {}
        isolated = np.abs(points.outside_eigenvalue) > ZERO * points.scale
        for row in np.flatnonzero(isolated).tolist():
            there = points.multiplicities[row] > 0
            sizes = tuple(int(s) for s in points.multiplicities[row][there])
            for part, u in _signs(sizes, points.values[row][there], split=split_signs):
                key, value, _ = canonical(part, u)
                known = found.setdefault(key, [])
                if not split_signs or not any(
                    distance(key, value, v[None], even=True)[0] < 1e-9 for _, v in known
                ):
                    known.append((row, value))
        return cls(
            {key: np.array([row for row, _ in points]) for key, points in found.items()},
            {key: np.array([value for _, value in points]) for key, points in found.items()},
            {key: np.zeros(len(points), dtype=bool) for key, points in found.items()},
        )

    def claim(self, sizes: Sizes, u: Array, *, even: bool, near: float) -> int | None:
        """Return the row of the listed point that this is, and mark it; None if it is none.

        -1 if it has been claimed before.
        """
        key, value, _ = canonical(sizes, u)
        if key not in self.values:
            return None
        gap = distance(key, value, self.values[key], even=even)
        close = gap < near
        free = np.where(close & ~self.claimed[key], gap, math.inf)
        best = int(np.argmin(free))
        if not math.isfinite(free[best]):
            return -1 if close.any() else None
        self.claimed[key][best] = True
        return int(self.rows[key][best])


def _signs(sizes: Sizes, values: Array, *, split: bool) -> list[tuple[Sizes, Array]]:
    if not split:
        return [(sizes, values)]
    choices = [
        [(j, s - j) for j in range(s + 1)] if v > 0.0 else [(s, 0)]
        for s, v in zip(sizes, values, strict=True)
    ]
    out = []
    for choice in itertools.product(*choices):
        groups = [
            (n, sign * v)
            for pair, v in zip(choice, values, strict=True)
            for n, sign in zip(pair, (1.0, -1.0), strict=True)
            if n
        ]
        out.append((tuple(n for n, _ in groups), np.array([v for _, v in groups])))
    return out


@dataclass(frozen=True, eq=False)
class Curve:
    """A curve and its stations in order."""

    family: Family
    stations: list[Station]
    closed: bool


@dataclass(frozen=True, eq=False)
class Meeting:
    """A point that curves have in common, as one of them sees it.

    Parameters
    ----------
    beta : float
        Where.
    sizes, u : tuple and (r,)
        The point, in canonical order.
    split : tuple
        Sizes of the groups of the curve, in descending order.
    """

    beta: float
    sizes: Sizes
    u: Array
    split: Sizes


@dataclass(eq=False)
class Atlas:
    """Curves of fixed points, as many as there are.

    Parameters
    ----------
    slope : (degree,)
        Coefficients of psi'.
    k : int
        Number of index vectors.
    betas : (B,)
        The grid.
    listings : list of Listing
        What has been proved to be there.
    most : int
        Largest number of distinct overlaps.
    step : float
        Longest step along a curve.
    """

    slope: Array
    k: int
    betas: Array
    listings: list[Listing]
    most: int
    step: float
    curves: list[Curve] = field(default_factory=list)
    meetings: list[Meeting] = field(default_factory=list)
    crossings: list[tuple[Meeting, tuple[int, int]]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.even = not np.any(self.slope[::2])
        # a linear psi' has fixed points that are isolated at almost every beta only
        self.linear = self.slope.size <= 2
        self.taus = np.log1p((self.k - 1) * self.betas)

    def build(self) -> None:
        """Follow everything.

        Raises
        ------
        ArithmeticError
            If a listed point is passed twice or never, or a curve passes one that is not listed.
        """
        for b, listing in enumerate(self.listings):
            for sizes, values in listing.values.items():
                for i, u in enumerate(values):
                    if not listing.claimed[sizes][i]:
                        self._from_list(b, sizes, u)
                        if not listing.claimed[sizes][i]:
                            self._fail(b, sizes, u, "is listed and on no branch")
        self._close()

    def _fail(self, b: int, sizes: Sizes, u: Array, what: str) -> None:
        raise ArithmeticError(
            f"the fixed point at beta = {self.betas[b]:.12g} with {groups_text(sizes, u)} {what}; "
            "a bifurcation may be too close to it"
        )

    def _from_list(self, b: int, sizes: Sizes, u: Array) -> None:
        family = family_of(self.slope, self.k, sizes, u, 1e-7)
        tau = float(self.taus[b])
        x = family.unknowns(u, tau)
        if family.defect(x) > _NEAR:
            self._fail(b, sizes, u, "is listed and on no branch")
        place = family.at(x, tau)
        if place is None or np.max(np.abs(place.u - u)) > _NEAR:
            place = family.place(x, None)  # at a fold, on which no line tau = const is transversal
        start = away_from_events(family, place, self.taus, self.step)
        self._follow(family, start, grid=b if start is place else -1)

    def _follow(self, family: Family, place: Place, grid: int = -1) -> None:
        start = Station("node" if grid < 0 else "grid", place, grid=grid)
        stations, closed = both_ways(family, start, self.even, self.taus, self.step)
        curve = Curve(family, self._claimed(family, stations), closed)
        for i, station in enumerate(curve.stations):
            if station.kind in ("merge", "end"):
                self.meetings.append(meeting_of(family, station))
            elif station.kind in ("within", "mirror"):
                self.crossings.append((meeting_of(family, station), (len(self.curves), i)))
        self.curves.append(curve)

    def _claimed(self, family: Family, stations: list[Station]) -> list[Station]:
        """Return the stations with the rows of the listed points that they are."""
        out: list[Station] = []
        for station in stations:
            place, sizes = station.place, family.sizes
            if station.kind == "grid":
                listing = self.listings[station.grid]
                row = listing.claim(sizes, place.u, even=self.even, near=_NEAR)
                if row is not None and row >= 0:
                    out.append(replace(station, row=row))
                elif not self._at_event(family, place):
                    what = "is not listed" if row is None else "is passed by two branches"
                    self._fail(station.grid, sizes, place.u, what)
                continue
            out.append(station)
        return self._touching(family, out)

    def _touching(self, family: Family, stations: list[Station]) -> list[Station]:
        """Add listed points of a fold at a beta of the grid: rounding decides if it is passed."""
        out: list[Station] = []
        for i, station in enumerate(stations):
            claims: list[list[Station]] = [[], []]
            for b in np.flatnonzero(np.abs(self.taus - station.place.tau) < _TOUCH):
                sides = (stations[max(i - 3, 0) : i], stations[i + 1 : i + 4])
                for side, there in zip(claims, sides, strict=True):
                    if station.kind != "fold" or any(s.grid == b for s in there):
                        continue
                    u = station.place.u
                    row = self.listings[b].claim(family.sizes, u, even=self.even, near=_MEET)
                    if row is not None and row >= 0:
                        side.append(Station("grid", station.place, grid=int(b), row=row))
            out += [*claims[0], station, *claims[1]]
        return out

    def _at_event(self, family: Family, place: Place) -> bool:
        """Whether there need not be a listed point here: none, or one of two that fall together."""
        apart = place.tests[: family.first.size]
        if self.linear or float(np.min(np.abs(apart), initial=1.0)) < EVENT:
            return True
        if abs(place.tangent[-1]) < EVENT or abs(family.outside(place)) < EVENT:
            return True
        mirrors = self.even and not family.symmetric
        # equations are singular where a curve meets its mirror image, and places less exact
        return mirrors and mirrored(family.sizes, place.u, MIRROR) is not None

    # -------------------------------------------------------------- where curves meet

    def _close(self) -> None:
        """Follow curves that meet known ones between two betas of the grid."""
        done = 0
        while done < len(self.curves):
            self._partners(self.curves[done])
            done += 1

    def _partners(self, curve: Curve) -> None:
        for station in curve.stations:
            beta = station.place.beta
            if min(abs(beta - self.betas[0]), abs(beta - self.betas[-1])) < _MEET_BETA:
                continue  # what is known of the other curve ends there
            if station.kind in ("merge", "end"):
                meeting = meeting_of(curve.family, station)
                if self.host(meeting) is None:
                    self._start(meeting.sizes, meeting.u, station.place.tau)
            elif station.kind in ("within", "mirror"):
                for meeting, sizes, u in self._splits(curve.family, station):
                    if not self._known(meeting):
                        self._branch(station, sizes, u)

    def host(self, meeting: Meeting) -> tuple[int, int] | None:
        """Return curve and station of the more symmetric curve there, if it is known."""
        for other, place in self.crossings:
            if self._same(meeting, other):
                return place
        return None

    def _same(self, one: Meeting, other: Meeting) -> bool:
        if abs(one.beta - other.beta) > _MEET_BETA or one.sizes != other.sizes:
            return False
        return bool(distance(one.sizes, one.u, other.u[None], even=self.even)[0] < _MEET)

    def _known(self, meeting: Meeting) -> bool:
        """Whether a curve with these groups is known to end or pass there."""
        return any(
            other.split == meeting.split and self._same(meeting, other) for other in self.meetings
        )

    def _splits(self, family: Family, station: Station) -> list[tuple[Meeting, Sizes, Array]]:
        """Return how groups may split at a station: sizes and overlaps of the groups then."""
        here = meeting_of(family, station)
        if station.kind == "mirror":
            return [(here, family.sizes, station.place.u)]
        out: list[tuple[Meeting, Sizes, Array]] = []
        if len(here.sizes) >= self.most:
            return out
        for i in station.groups:
            size, rest = family.sizes[i], family.sizes[:i] + family.sizes[i + 1 :]
            u = np.concatenate([np.repeat(station.place.u[i], 2), np.delete(station.place.u, i)])
            for j in range(1, size // 2 + 1):
                sizes = (size - j, j, *rest)
                split = tuple(sorted(sizes, reverse=True))
                out.append((replace(here, split=split), sizes, u))
        return out

    def _start(self, sizes: Sizes, u: Array, tau: float) -> None:
        """Follow the curve through a point at which another one has met it."""
        family = family_of(self.slope, self.k, sizes, u, 1e-5)
        place = family.at(family.unknowns(u, tau), tau)
        if place is None:
            raise ArithmeticError(
                f"no fixed point where branches meet, at beta = {math.expm1(tau) / (self.k - 1)}, "
                f"{groups_text(sizes, u)}"
            )
        self._follow(family, away_from_events(family, place, self.taus, self.step, bare=True))

    def _branch(self, station: Station, sizes: Sizes, u: Array) -> None:
        """Follow a less symmetric curve from where it leaves a known one."""
        if station.kind == "mirror":
            self._leave_mirror(station, sizes, u)
            return
        family = Family(self.slope, self.k, sizes)
        place = family.place(family.unknowns(u, station.place.tau), None)
        self._follow(family, away_from_events(family, place, self.taus, self.step, bare=True))

    def _leave_mirror(self, station: Station, sizes: Sizes, u: Array) -> None:
        family = Family(self.slope, self.k, sizes)
        frame = family_of(self.slope, self.k, sizes, u, 1e-5).frame
        x = family.unknowns(u, station.place.tau)
        # two curves cross here: of the plane that they span, the direction across the known one
        plane = family.plane(x)
        known = np.column_stack([plane[:, :-1] @ frame, plane[:, -1]])
        normal = np.linalg.svd(known)[0][:, -1] @ plane
        for share in (0.5, 0.1, 0.02):
            point = family.correct(x + share * self.step * normal, normal)
            if point is not None and np.linalg.norm(point - x) < 2.0 * share * self.step:
                place = family.place(point, normal)
                if self.taus[0] < place.tau < self.taus[-1]:
                    self._follow(family, place)
                    return


def meeting_of(family: Family, station: Station) -> Meeting:
    """Return the point at a station, groups that have met as one."""
    sizes, values = list(family.sizes), station.place.u.copy()
    label = list(range(len(sizes)))
    for i, j in station.pairs:
        label = [label[i] if entry == label[j] else entry for entry in label]
    groups = sorted(set(label))
    merged = tuple(sum(s for s, g in zip(sizes, label, strict=True) if g == h) for h in groups)
    u = np.array(
        [np.mean([v for v, g in zip(values, label, strict=True) if g == h]) for h in groups]
    )
    split = tuple(sorted(family.sizes, reverse=True))
    key, u, _ = canonical(merged, u)
    return Meeting(station.place.beta, key, u, split)
