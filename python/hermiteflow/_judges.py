"""How each claim is judged: measured intervals on one side, closed forms on the other."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

import hermiteflow as hf

from . import experiments as ex
from ._plan import FOLDS
from ._rows import CONFIDENCE, Row, interval, row
from .experiments import statistics

if TYPE_CHECKING:
    import xarray as xr

#: Least share of networks that must find every index vector for "with high probability".
HIGH = 0.8


def judge_search(datasets: Mapping[str, xr.Dataset]) -> list[Row]:
    return search_rows("a", datasets["search_time"])


def search_rows(claim: str, ds: xr.Dataset) -> list[Row]:
    """Slopes of the search time, for each link and arrangement."""
    rows = []
    for link in ds.link.values:
        exponent = int(ds.information_exponent.sel(link=link))
        for targets in ds.targets.values:
            cell = ds.sel(link=link, targets=targets)
            failures = int(cell.failures.sum())
            if exponent == 2:
                low, high = ex.log_rate_bounds(cell.gram.values, float(cell.leading))
                measured = interval(cell.log_rate)
                theory = f"{low:.4f}" if low == high else f"{low:.3f} to {high:.3f}"
                quantity = f"slope of median T on log d, p* = 2, {targets}"
                holds = measured.low <= high and measured.high >= low
            else:
                measured = interval(cell.power)
                theory = f"p*/2 - 1 = {exponent / 2 - 1:g}"
                quantity = f"slope of log median T on log d, p* = {exponent}, {targets}"
                holds = measured.contains(exponent / 2 - 1)
            rows.append(row(claim, quantity, theory, str(measured), holds, failures=failures))
    return rows


def judge_nearest(datasets: Mapping[str, xr.Dataset]) -> list[Row]:
    ds = datasets["nearest"]
    rows = []
    for link in ds.link.values:
        cell = ds.sel(link=link)
        at = cell["count"].sum("k")
        names = ("nearest index vector", "another index vector", "another fixed point")
        near, other, elsewhere = (int(at.sel(outcome=name)) for name in names)
        total = max(1, near + other + elsewhere)
        share = statistics.clopper_pearson(near, total, confidence=CONFIDENCE)
        failures = int(at.sel(outcome="failed"))
        sizes = ", ".join(str(k) for k in ds.k.values)
        rows.append(
            row(
                "b",
                f"escaping neurons that end at the nearest index vector, {link}, k = {sizes}",
                "all",
                f"{near} of {total}, {share}",
                near == total,
                failures=failures,
            )
        )
        k = int(ds.k.values[0])
        expected = float(cell.trapped.isel(k=0))
        trapped = interval(cell.trapped_share.isel(k=0))
        theory = f"2^-{k} = {expected:g}" if expected > 0.0 else f"{expected:g}"
        quantity = f"neurons that never escape, {link}, k = {k}"
        rows.append(
            row("b", quantity, theory, str(trapped), trapped.contains(expected), failures=failures)
        )
    return rows


def judge_coverage(datasets: Mapping[str, xr.Dataset]) -> list[Row]:
    return coverage_rows("c", datasets["coverage"])


def coverage_rows(claim: str, ds: xr.Dataset) -> list[Row]:
    """Chances that all index vectors are found, for each link, against (13)."""
    ds = ds.isel(targets=0)
    rows = []
    failures = int(ds.failures.sum())
    for link in ds.link.values:
        cell = ds.sel(link=link)
        theory = {int(k): _probabilities(cell, int(k)) for k in ds.k.values}
        small, large = (int(ds.k.values[i]) for i in (0, -1))
        n = int(ds.n.sel(k=large, ratio=2.0))
        found = interval(cell.probability.sel(k=large, ratio=2.0))
        holds = found.contains(theory[large][n - 1]) and found.low > HIGH
        quantity = f"P(all found), {link}, k = {large}, n = 2 k log k = {n}"
        limit = f"{theory[large][n - 1]:.4f}"
        rows.append(row(claim, quantity, limit, str(found), holds, failures=failures))
        ends = [interval(cell.probability_linear.sel(k=k, factor=3.0)) for k in (small, large)]
        known = [theory[k][3 * k - 1] for k in (small, large)]
        holds = all(end.contains(value) for end, value in zip(ends, known, strict=True))
        rows.append(
            row(
                claim,
                f"P(all found), {link}, n = 3 k, k = {small} and k = {large}",
                f"{known[0]:.3f}, falls to {known[1]:.3f}",
                f"{ends[0]}, then {ends[1]}",
                holds and ends[1].high < ends[0].low,
                failures=failures,
            )
        )
        gap, k = max((_distance(cell.n_needed.sel(k=k).values, theory[k]), k) for k in theory)
        band = statistics.dkw_band(ds.sizes["batch"], confidence=CONFIDENCE)
        quantity = f"largest |P - (13)| over all n and k, {link} (at k = {k})"
        rows.append(
            row(claim, quantity, f"below {band:.3f}", f"{gap:.3f}", gap <= band, failures=failures)
        )
    return rows


def _probabilities(cell: xr.Dataset, k: int) -> np.ndarray[Any, Any]:
    """(13) for n = 1 to n_max, thinned by the starts that never escape.

    Where theory does not know their share it is the upper bound without any.
    """
    trapped = float(cell.trapped.sel(k=k).fillna(0.0))
    sizes = np.arange(1, int(cell.n_max.sel(k=k)) + 1)
    return np.asarray(hf.exact.coverage_probability(sizes, k, trapped=trapped))


def _distance(needed: np.ndarray[Any, Any], theory: np.ndarray[Any, Any]) -> float:
    """Largest distance between the empirical distribution of `needed` and the theory."""
    counts = np.bincount(needed[np.isfinite(needed)].astype(int), minlength=theory.size + 1)
    return float(np.abs(np.cumsum(counts)[1:] / needed.size - theory).max())


def judge_threshold(datasets: Mapping[str, xr.Dataset]) -> list[Row]:
    return threshold_rows("d", datasets["threshold"])


def threshold_rows(claim: str, ds: xr.Dataset) -> list[Row]:
    """Where starts of each kind change their end, for each link and k."""
    rows = []
    for link, k in itertools.product(ds.link.values, ds.k.values):
        cell = ds.sel(link=link, k=k).sortby("position")
        beta = cell.beta.values
        failures = int(cell["count"].sel(end="failed").sum())
        to_average = cell.share.sel(end="average")
        for start, near, name in (
            ("average", "the average", "beta_c"),
            ("index vector", "an index vector", "beta_fold"),
        ):
            share = to_average.sel(start=start, limit="estimate").values
            low = max((b for b in beta if np.all(share[beta <= b] == 0.0)), default=math.nan)
            high = min((b for b in beta if np.all(share[beta >= b] == 1.0)), default=math.nan)
            value = float(cell[name])
            quantity = f"{name}, {link}, k = {k}: starts near {near} switch from 0 to 100 % average"
            rows.append(
                row(
                    claim,
                    quantity,
                    f"{value:.5f}",
                    f"between {low:.5f} and {high:.5f}",
                    low < value < high < 1.1 * low,
                    failures=failures,
                )
            )
        random = to_average.sel(start="random")
        critical, fold = float(cell.beta_c), float(cell.beta_fold)
        above = interval(random[int(np.argmax(beta > critical))])
        beyond = interval(random[int(np.argmax(beta > fold))])
        for share, where, theory, holds in (
            (above, f"{float(beta[beta > critical][0]) / critical:.3f} beta_c",
             "0, below 0.02", above.high < 0.02),
            (beyond, f"{float(beta[beta > fold][0]) / fold:.3f} beta_fold",
             "1", beyond.estimate == 1.0),
        ):  # fmt: skip
            quantity = f"random starts that end at the average, {link}, k = {k}, beta = {where}"
            rows.append(row(claim, quantity, theory, str(share), holds, failures=failures))
    return rows


def judge_learning(datasets: Mapping[str, xr.Dataset]) -> list[Row]:
    rows = []
    for name, ds in datasets.items():
        for link in ds.link.values:
            cell = ds.sel(link=link).isel(k=-1)
            k, n = int(cell.k), int(cell.n.sel(ratio=3.0))
            failures = int(cell.failures.sum())
            picks = range(ds.sizes["targets"]) if name == "nearly_orthogonal" else (0,)
            for i in picks:
                found = interval(cell.probability.isel(targets=i).sel(ratio=3.0))
                where = str(ds.targets.values[i])
                quantity = f"P(all found), {link}, {where}, k = {k}, n = 3 k log k = {n}"
                holds = found.low > HIGH
                rows.append(row("e", quantity, f"> {HIGH}", str(found), holds, failures=failures))
            if name == "nearly_orthogonal":
                continue
            past = FOLDS.index(next(x for x in FOLDS if x > 1.0))
            some = (cell.found.isel(targets=slice(past, None)) > 0).values
            share = statistics.clopper_pearson(int(some.sum()), some.size, confidence=CONFIDENCE)
            quantity = f"networks that find any index vector, {link}, k = {k}, beta > beta_fold"
            rows.append(row("e", quantity, "0", str(share), not some.any(), failures=failures))
    return rows
