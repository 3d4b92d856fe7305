"""Curves of fixed points cut into branches, on each of which beta is monotone, and their events."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from ._atlas import EVENT, Atlas, canonical, meeting_of
from ._continuation import groups_text, mirrored
from ._intervals import Array
from ._problem import Problem
from ._spectrum import spectra
from ._table import FixedPoints
from ._walk import Station

_CUTS = ("fold", "merge", "end", "stop")
_CHANGES = ("within", "mirror", "outside")


@dataclass(frozen=True, eq=False)
class Branch:
    """Fixed points with given sizes of groups, one for each beta of an interval.

    Parameters
    ----------
    sizes : tuple of int
        Sizes of the groups, in descending order, of equal ones those with larger overlaps first.
    count : int
        Number of fixed points at each beta.
    sign : float
        By which the overlaps of stations are multiplied.
    order : (r,)
        Groups of stations in the order of `sizes`.
    stations : list of Station
        In ascending beta, those at the ends left out.
    kinds : list of (str, int)
        Kind and Morse index in each segment between changes, in ascending beta.
    loss : float
        Loss somewhere.
    """

    sizes: tuple[int, ...]
    count: int
    sign: float
    order: NDArray[np.intp]
    stations: list[Station]
    kinds: list[tuple[str, int]]
    loss: float

    def overlaps(self, station: Station) -> Array:
        """Return the overlaps at a station in the order of `sizes`."""
        return np.asarray(self.sign * station.place.u[self.order])

    def listed(self, station: Station, points: FixedPoints) -> Array:
        """Return the same, with all digits of the list of fixed points."""
        u = self.overlaps(station)
        there = points.multiplicities[station.row] > 0
        known = points.values[station.row][there]
        sizes = points.multiplicities[station.row][there]
        if sorted(sizes) == sorted(self.sizes):
            for sign in (1.0, -1.0):
                _, values, order = canonical(self.sizes, u)
                other = canonical(tuple(sizes), sign * known)[1]
                if np.max(np.abs(values - other)) < 1e-4:
                    out = np.empty_like(u)
                    out[order] = other
                    return out
        # at beta = 0 an orbit of an even psi holds all changes of sign
        nearest = np.argmin(np.abs(np.abs(u)[:, None] - np.abs(known)), axis=1)
        return np.asarray(np.copysign(np.abs(known)[nearest], u))


@dataclass(frozen=True)
class Event:
    """Something that happens on branches.

    Parameters
    ----------
    kind : str
        "fold", "merging", "crossing", "outside" or "degenerate".
    branches : (int, int)
        Which; -1 for none.
    station : Station
        Where, as the first branch sees it.
    kinds : ((str, int), (str, int))
        Kind and Morse index of both branches beside the event; of a branch that goes on those
        below and above it.
    """

    kind: str
    branches: tuple[int, int]
    station: Station
    kinds: tuple[tuple[str, int], tuple[str, int]]


@dataclass(eq=False)
class Pieces:
    """Branches and events of an atlas.

    Parameters
    ----------
    atlas : Atlas
        Complete.
    psi : (degree + 1,)
        Coefficients of psi.
    points : sequence of FixedPoints
        The lists at each beta of the grid.
    outside : bool
        Whether kinds count the directions outside of span(V).
    """

    atlas: Atlas
    psi: Array
    points: Sequence[FixedPoints]
    outside: bool

    def cut(self) -> tuple[list[Branch], list[Event]]:
        """Return branches in ascending loss, and events in ascending beta.

        Raises
        ------
        ArithmeticError
            If a fixed point of a list is not of the kind that its branch has there.
        """
        branches: list[Branch] = []
        at: dict[tuple[int, int], tuple[int, int]] = {}  # where on which branch changes are
        ends: list[tuple[Station, int, int]] = []  # cut, branch below or -1, branch after or -1
        for c, curve in enumerate(self.atlas.curves):
            indices = self._from_a_cut(curve.stations, curve.closed)
            cuts = [n for n, i in enumerate(indices) if curve.stations[i].kind in _CUTS]
            bounds = [-1, *cuts, len(indices)]
            before = -1
            for low, high in pairwise(bounds):
                own = indices[low + 1 : high]
                number = -1
                if own:
                    number = len(branches)
                    branch, own = self._branch(c, own)
                    branches.append(branch)
                    changes = [i for i in own if curve.stations[i].kind in _CHANGES]
                    at.update({(c, i): (number, n) for n, i in enumerate(changes)})
                if low >= 0:
                    ends.append((curve.stations[indices[low]], before, number))
                before = number
            if curve.closed and ends and cuts:  # the last branch runs into the first cut
                first = len(ends) - len(cuts)
                station, _, after = ends[first]
                ends[first] = (station, before, after)
        events = self._changes(branches, at) + self._ends(branches, ends, at)
        return self._sorted(branches, events)

    def _from_a_cut(self, stations: list[Station], closed: bool) -> list[int]:
        """Return the indices of stations, of a closed curve from a cut on."""
        indices = list(range(len(stations)))
        cuts = [i for i in indices if stations[i].kind in _CUTS]
        return indices[cuts[0] :] + indices[: cuts[0]] if closed and cuts else indices

    def _branch(self, c: int, own: list[int]) -> tuple[Branch, list[int]]:
        """Return a branch, and its stations' indices in ascending beta."""
        curve = self.atlas.curves[c]
        if curve.stations[own[0]].place.tau > curve.stations[own[-1]].place.tau:
            own = own[::-1]
        stations = [curve.stations[i] for i in own]
        listed = [s for s in stations if s.row >= 0]
        reference = (listed or stations)[0].place.u
        sizes, even = curve.family.sizes, self.atlas.even
        sign = 1.0
        if even:  # of w and -w the one whose first overlap that differs is larger
            gap = canonical(sizes, reference)[1] - canonical(sizes, -reference)[1]
            apart = np.flatnonzero(np.abs(gap) > 1e-9)
            sign = -1.0 if apart.size and gap[apart[0]] < 0.0 else 1.0
        ordered, _, order = canonical(sizes, sign * reference)
        middle = stations[len(stations) // 2]
        twins = even and mirrored(sizes, middle.place.u, 1e-7) is None
        count = math.factorial(self.atlas.k) << int(twins)
        for size in sizes:
            count //= math.factorial(size)
        kinds, loss = self._kinds(sizes, stations)
        return Branch(ordered, count, sign, order, stations, kinds, loss), own

    def _kinds(
        self, sizes: tuple[int, ...], stations: list[Station]
    ) -> tuple[list[tuple[str, int]], float]:
        """Return kind and Morse index in each segment, and the least loss of a list or any."""
        segments: list[list[Station]] = [[]]
        changes = [s for s in stations if s.kind in _CHANGES]
        for station in stations:
            if station.kind in _CHANGES:
                segments.append([])
            else:
                segments[-1].append(station)
        out, losses = [], []
        for segment in segments:
            if not segment:
                out.append(("", 0))
                continue
            place = segment[len(segment) // 2].place
            problem = Problem(self.psi, self.atlas.k, place.beta)
            spectrum = spectra(problem, place.u[None], np.array([sizes]))
            kind, negative = spectrum.kinds(outside=self.outside)
            out.append((str(kind[0]), int(negative[0])))
            losses.append(float(spectrum.loss[0]))
            for station in segment:
                if station.row >= 0:
                    self._check(sizes, station, out[-1], changes)
        listed = [float(self.points[s.grid].loss[s.row]) for s in stations if s.row >= 0] or losses
        return out, min(listed, default=math.inf)

    def _check(
        self,
        sizes: tuple[int, ...],
        station: Station,
        expected: tuple[str, int],
        changes: list[Station],
    ) -> None:
        points, row = self.points[station.grid], station.row
        kind = str(points.kind[row])
        if kind == "degenerate" or (kind, int(points.morse_index[row])) == expected:
            return
        near = [np.linalg.norm(station.place.x - s.place.x) for s in changes]
        if min(near, default=1.0) < EVENT or abs(station.place.tangent[-1]) < EVENT:
            return
        raise ArithmeticError(
            f"the fixed point at beta = {station.place.beta:.12g} with "
            f"{groups_text(sizes, station.place.u)} is a {kind} of index "
            f"{points.morse_index[row]} on a branch of kind {expected[0]} and index {expected[1]}; "
            "a bifurcation may be too close to it"
        )

    # -------------------------------------------------------------- events

    def _changes(
        self, branches: list[Branch], at: dict[tuple[int, int], tuple[int, int]]
    ) -> list[Event]:
        out = []
        for (c, i), (branch, n) in at.items():
            station = self.atlas.curves[c].stations[i]
            kinds = branches[branch].kinds
            kind = "outside" if station.kind == "outside" else "crossing"
            out.append(Event(kind, (branch, branch), station, (kinds[n], kinds[n + 1])))
        return out

    def _ends(
        self,
        branches: list[Branch],
        ends: list[tuple[Station, int, int]],
        at: dict[tuple[int, int], tuple[int, int]],
    ) -> list[Event]:
        none = ("", -1)

        def beside(number: int, station: Station) -> tuple[str, int]:
            if number < 0:
                return none
            branch = branches[number]
            ascends = branch.stations[len(branch.stations) // 2].place.tau < station.place.tau
            return branch.kinds[-1 if ascends else 0]

        out = []
        for station, before, after in ends:
            if station.kind == "fold":
                kinds = (beside(before, station), beside(after, station))
                out.append(Event("fold", (before, after), station, kinds))
                continue
            if station.kind == "stop":
                number = max(before, after)
                kinds = (beside(number, station), none)
                out.append(Event("degenerate", (number, -1), station, kinds))
                continue
            family = next(c.family for c in self.atlas.curves if station in c.stations)
            found = self.atlas.host(meeting_of(family, station))
            host = at[found][0] if found is not None else -1
            for number in (before, after):
                if number >= 0:
                    kinds = (beside(number, station), none)
                    out.append(Event("merging", (number, host), station, kinds))
        return out

    def _sorted(
        self, branches: list[Branch], events: list[Event]
    ) -> tuple[list[Branch], list[Event]]:
        order = sorted(range(len(branches)), key=lambda n: (branches[n].loss, branches[n].sizes))
        to = {old: new for new, old in enumerate(order)} | {-1: -1}
        renamed = []
        for e in events:
            first, second = to[e.branches[0]], to[e.branches[1]]
            kinds = e.kinds
            if e.kind == "fold" and (first < 0 or 0 <= kinds[1][1] < kinds[0][1]):
                first, second, kinds = second, first, (kinds[1], kinds[0])
            if first >= 0:
                renamed.append(Event(e.kind, (first, second), e.station, kinds))
        # symmetric ones agree in beta but for rounding
        renamed.sort(key=lambda e: (round(e.station.place.beta, 11), e.kind, e.branches))
        return [branches[n] for n in order], renamed
