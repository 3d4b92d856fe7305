"""What `experiments.summary` says is what the Dataset holds, counted anew."""

from __future__ import annotations

import math
import re
from collections import Counter
from typing import Any

import numpy as np
import pytest

import hermiteflow as hf

pytest.importorskip("xarray")

import xarray as xr

from hermiteflow import experiments as ex

LINKS = (hf.hermite(3), hf.hermite(4))
NUMBER = re.compile(r"(?<![\w.])-?\d[\d.]*(?:e[-+]?\d+)?")


def numbers(text: str) -> list[float]:
    return [float(x) for x in NUMBER.findall(text)]


def same(line: str, wanted: list[float]) -> bool:
    """Whether the numbers of a line, after its name, are these in this order."""
    found = numbers(line.partition(": ")[2])
    return len(found) == len(wanted) and np.allclose(found, wanted, rtol=2e-3, atol=1e-12)


def agree(ds: xr.Dataset, wanted: list[list[float]]) -> bool:
    lines = ex.summary(ds).splitlines()
    return len(lines) == len(wanted) and all(map(same, lines, wanted))


def test_coverage() -> None:
    ds = ex.coverage(links=LINKS, k=(3, 6), factors=(2.0, 3.5), batches=40, seed=0)
    binomial = pytest.importorskip("scipy.stats").binomtest

    def counted(ds: xr.Dataset) -> list[list[float]]:
        rows = []
        for needed in ds.n_needed.values.reshape(-1, 40).tolist():
            row: list[float] = []
            k = ds.k.values[len(rows) % 2]
            for n in (2 * k, math.ceil(3.5 * k)):
                found = sum(x <= n for x in needed)
                low, high = binomial(found, 40).proportion_ci(0.99)
                row += [100 * found / 40, 100 * low, 100 * high, n]
            rows.append([*row, sorted(needed)[19]])
        return rows

    assert agree(ds, counted(ds))
    assert not agree(ds, counted(ds.isel(link=[1, 0])))  # planted: the other link's
    assert not agree(ds, counted(ds.isel(k=[1, 0])))
    late = ds.assign(n_needed=ds.n_needed * np.inf)
    assert ex.summary(late).splitlines()[0].endswith(f"needed more than {int(ds.n_max[0])} neurons")


def test_nearest() -> None:
    ds = ex.nearest(links=LINKS, targets=ex.TargetSpec(), k=(2, 3), n=300, seed=0)
    binomial = pytest.importorskip("scipy.stats").binomtest

    def counted(ds: xr.Dataset) -> list[list[float]]:
        rows = []
        for cell, theory in zip(
            ds["count"].values.reshape(-1, 6).tolist(), (25.0, 12.5, 0.0, 0.0), strict=True
        ):
            at, other, elsewhere, trapped, _tied, failed = cell
            row: list[float] = []
            arrived = at + other + elsewhere
            for part, whole in ((at, arrived), (trapped, 300 - failed)):
                low, high = binomial(part, whole).proportion_ci(0.99)
                row += [100 * part / whole, 100 * low, 100 * high]
            rows.append([*row, theory])  # odd h_3: all k overlaps are negative, 2^-k
        return rows

    assert agree(ds, counted(ds))
    assert not agree(ds, counted(ds.isel(link=[1, 0])))


def test_threshold() -> None:
    ds = ex.threshold(links=LINKS, k=(3, 4), n=40, positions=(0.5, 1.95, 2.2), seed=0)
    lines = iter(ex.summary(ds).splitlines())
    for link in LINKS:
        for k in (3, 4):
            family = next(lines)
            assert same(family, [hf.critical_beta(link, k), hf.fold_beta(link, k).beta])
            cell = ds.sel(link=family.partition(",")[0], k=k)
            for position in ds.position.values:
                beta, _, ends = next(lines).strip().partition(": ")
                here = cell.sel(position=position)
                assert numbers(beta) == [pytest.approx(float(here.beta), rel=1e-5)]
                for told, start in zip(ends.split("; "), ds.start.values, strict=True):
                    assert told.startswith(f"{start}: ")
                    shares = re.findall(r"([\d.]+) % ([^,]+)", told)
                    counted = Counter(
                        {
                            str(end): int(count)
                            for end, count in zip(
                                ds.end.values, here["count"].sel(start=start).values, strict=True
                            )
                            if count
                        }
                    )
                    assert {end: float(x) for x, end in shares} == {
                        end: pytest.approx(100 * count / 40) for end, count in counted.items()
                    }
                    assert [float(x) for x, _ in shares] == sorted(
                        (float(x) for x, _ in shares), reverse=True
                    )
    assert next(lines, None) is None


def test_phase_diagram() -> None:
    ds = ex.phase_diagram(
        links=hf.hermite(4), k=(3,), positions=(0.0, 1.5), ratios=(1.0, 2.0), batches=5, seed=0
    )
    lines = ex.summary(ds).splitlines()
    assert [line.partition(",")[0] for line in lines] == ["correlation"] * 2 + ["squared"] * 2

    def told_by(lines: list[str]) -> bool:
        """Whether means are those counted, beside the intervals of the Dataset."""
        limits = 100.0 * ds.recovered_share.values.reshape(4, 2, 3)
        counted = ds.recovered.values.reshape(4, 2, 5).mean(axis=-1) / 0.03
        for line, means, intervals in zip(lines, counted, limits, strict=True):
            found = numbers(line.partition("recovered ")[2])
            wanted = [
                [mean, *interval[1:], n]
                for mean, interval, n in zip(means, intervals, (3, 6), strict=True)
            ]
            if not np.allclose(found, np.ravel(wanted), rtol=1e-3):
                return False
        return True

    assert told_by(lines)
    assert not told_by(lines[2:] + lines[:2])  # planted: those of the other loss


def test_sample_complexity() -> None:
    links = (hf.hermite(2), hf.hermite(3), hf.hermite({1: 1.0, 3: 0.5}))
    ds = ex.sample_complexity(links=links, d=(50.0, 100.0), n=30, replicates=20, d_fit=10.0, seed=0)
    for place, line in enumerate(ex.summary(ds).splitlines()):
        cell = ds.isel(link=place, targets=0)
        steps = sorted(cell.escape_steps.values[-1].tolist())
        fit = cell.log_rate if place == 0 else cell.power
        found = numbers(line.partition(": ")[2])
        assert found[:2] == [0.5, pytest.approx(steps[14], rel=1e-3)]
        np.testing.assert_allclose(found[5:9], [fit[0], 99.0, *fit[1:]], rtol=2e-3)
        other = cell.power if place == 0 else cell.log_rate  # planted
        assert not np.allclose(found[5:9], [other[0], 99.0, *other[1:]], rtol=2e-3)
        theory = ("", ", theory 2", ", theory 1")[place]
        assert line.partition("; ")[0].endswith(f"{found[8]:.4g}{theory}")
        assert ("slope of their log" in line) == (place > 0)


def test_what_has_not_been_reached_is_said() -> None:
    ds = ex.sample_complexity(
        links=hf.hermite(3), d=(50.0, 100.0), n=30, replicates=20, d_fit=10.0, horizon=1e-3, seed=0
    )
    (line,) = ex.summary(ds).splitlines()
    most = float(ds.max_steps[0, 1])
    assert f"steps > {most:.4g} at d = 100, slope of their log on log d unknown" in line
    assert line.endswith("; 100 % of the neurons had not reached 0.5")


@pytest.mark.parametrize("ds", [None, xr.Dataset(), xr.Dataset(attrs={"experiment": "other"})])
def test_anything_else_is_refused(ds: Any) -> None:
    with pytest.raises((TypeError, ValueError), match="ds must be"):
        ex.summary(ds)
