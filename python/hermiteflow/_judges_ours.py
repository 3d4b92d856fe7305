"""How our own claims are judged: (f) coexisting minima, (g) erf and ReLU, (h) two losses."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

import hermiteflow as hf

from ._judges import coverage_rows, search_rows, threshold_rows
from ._rows import CONFIDENCE, Row, interval, row
from ._statistics import clopper_pearson

if TYPE_CHECKING:
    import xarray as xr


def judge_coexistence(datasets: Mapping[str, xr.Dataset]) -> list[Row]:
    rows = []
    for p in (3, 4):
        rows += _diagram_rows(p, datasets[f"diagram_p{p}"])
    return rows + _between_rows(datasets["between"])


def pure_fold(p: int, k: int) -> float:
    """beta_fold of psi = u^p in closed form, p = 3 and 4."""
    n = k - 1
    if p == 3:
        return 1.0 / (1.0 + 2.0 * math.sqrt(n))
    roots = np.roots([n, 2.0 * n, 0.0, -2.0, -1.0])  # n t^3 (2 + t) = 1 + 2 t
    t = max(roots.real[np.abs(roots.imag) < 1e-9])
    return float(t * (2.0 + t) / (3.0 + 2.0 * t + t * t))


def _equal_loss(p: int, k: int) -> float:
    """Inner product at which both kinds of minima have one loss, psi = u^p."""
    t = (k - 1) ** (-2.0 / p)
    odds = sum(t**i for i in range(1, p - 1)) / (1.0 + t ** (p / 2.0 - 1.0))
    return float(odds / (1.0 + odds))


def _diagram_rows(p: int, ds: xr.Dataset) -> list[Row]:
    k, link = int(ds.attrs["k"]), hf.hermite(p)
    signs = 2 if p % 2 == 0 else 1
    minimum = ds.event_side_kind.values == "minimum"
    is_fold = ds.event_kind.values == "fold"
    sizes = ds.multiplicity.values[ds.event_branch.values[:, 0], 0]
    folds = ds.event_beta.values[is_fold & minimum.any(axis=1)]
    crossing = ds.event_kind.values == "crossing"
    critical = ds.event_beta.values[crossing & (sizes == k) & (minimum.sum(axis=1) == 1)]
    rows = []
    fold, average = pure_fold(p, k), (p - 2) / (k + p - 2)
    for name, theory, found in (("beta_c", average, critical), ("beta_fold", fold, folds)):
        quantity = f"{name} among the branches of fixed points, h{p}, k = {k}"
        value = float(found[0]) if found.size else math.nan
        holds = found.size > 0 and bool(np.all(np.abs(found - theory) < 1e-10))
        rows.append(row("f", quantity, f"{theory:.12f}", f"{value:.12f}", holds))
    tie = hf.equal_loss_beta(link, k)
    rows.append(
        row(
            "f",
            f"beta at which both kinds of minima have one loss, h{p}, k = {k}",
            f"{_equal_loss(p, k):.12f}",
            f"{tie:.12f}",
            abs(tie - _equal_loss(p, k)) < 1e-10,
        )
    )
    for where, beta, expected in (
        ("0.9 beta_c", 0.9 * average, k),
        ("(beta_c + beta_fold)/2", 0.5 * (average + fold), k + 1),
        ("1.1 beta_fold", 1.1 * fold, 1),
    ):
        flow = hf.CorrelationFlow(hf.Equiangular(k=k, beta=beta), link)
        count = sum(orbit.count for orbit in hf.fixed_points(flow) if orbit.kind == "minimum")
        quantity = f"minima of the loss, all fixed points listed, h{p}, k = {k}, beta = {where}"
        rows.append(
            row("f", quantity, f"{signs * expected}", f"{count}", count == signs * expected)
        )
    return rows


def _between_rows(ds: xr.Dataset) -> list[Row]:
    rows = []
    for link in ds.link.values:
        cell = ds.sel(link=link, k=10).sortby("position")
        failures = int(cell["count"].sel(end="failed").sum())
        total = int(cell["count"].isel(position=0, start=0).sum()) * cell.sizes["position"]
        for near, start, end in (
            ("the average", "average", "average"),
            ("an index vector", "index vector", "index-like"),
        ):
            stay = int(cell["count"].sel(start=start, end=end).sum())
            quantity = f"starts near {near} that stay, {link}, between beta_c and beta_fold"
            measured = f"{stay} of {total}"
            rows.append(row("f", quantity, "all", measured, stay == total, failures=failures))
        share = cell.share.sel(start="random", end="average")
        half, late = (interval(share.sel(position=x)) for x in (1.5, 1.95))
        at = float(cell.beta.sel(position=1.95) / cell.beta_fold)
        for name, value, theory, holds in (
            ("half-way to the fold", half, "below 0.03", half.high < 0.03),
            (f"at {at:.2f} beta_fold", late, "0.1 to 0.5", 0.1 < late.low < late.high < 0.5),
        ):
            quantity = f"random starts that end at the average, {link}, k = 10, {name}"
            rows.append(row("f", quantity, theory, str(value), holds, failures=failures))
    return rows


def judge_links(datasets: Mapping[str, xr.Dataset]) -> list[Row]:
    return [
        *search_rows("g", datasets["search_time"]),
        *coverage_rows("g", datasets["coverage"]),
        *threshold_rows("g", datasets["threshold"]),
    ]


def judge_two_losses(datasets: Mapping[str, xr.Dataset]) -> list[Row]:
    ds = datasets["phase_diagram"]
    ds = ds.isel(link=0, k=0)
    link, k = str(ds.link.values), int(ds.k)
    failures = int(ds.failures.sum())
    beyond = ds.isel(position=np.flatnonzero(ds.beta.values > float(ds.beta_fold)))
    wide = ds.isel(ratio=-1)
    where = f"{link}, k = {k}"
    rows = []
    found = beyond.found.sel(loss="correlation").values
    rows.append(
        row(
            "h",
            f"networks that find any index vector, correlation loss, {where}, beta > beta_fold",
            "0",
            str(clopper_pearson(int((found > 0).sum()), found.size, confidence=CONFIDENCE)),
            not (found > 0).any(),
            failures=failures,
        )
    )
    ratio = float(wide.ratio)
    below = wide.isel(position=0).found_share.sel(loss="correlation")
    quantity = f"share of index vectors found, correlation loss, {where}, n = {ratio:g} k, beta = "
    quantity += f"{float(wide.beta[0]):.3f}"
    measured = interval(below)
    rows.append(row("h", quantity, "> 0.7", str(measured), measured.estimate > 0.7))
    again = beyond.recovered.sel(loss="squared").values
    complete = int((again == k).sum())
    share = clopper_pearson(complete, again.size, confidence=CONFIDENCE)
    quantity = f"networks that recover all index vectors, squared loss, {where}, beta > beta_fold"
    rows.append(row("h", quantity, "> 0.5", str(share), share.low > 0.5, failures=failures))
    return rows
