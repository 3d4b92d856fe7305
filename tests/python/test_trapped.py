"""Which starts never escape, where links of several degrees end, and (13) thinned by traps."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

import hermiteflow as hf

pytest.importorskip("xarray")

from hermiteflow import _judges
from hermiteflow import experiments as ex
from hermiteflow.experiments import _trapped, statistics

#: The lowest degree is even, the whole is not.
MIXED = hf.hermite({4: 1.0, 5: 0.5})
LEANING = ex.TargetSpec(kind="equiangular", beta=0.2)


@pytest.mark.parametrize(
    ("link", "share"),
    [
        (hf.hermite(3), 2.0**-6),
        (hf.hermite(4), 0.0),
        (hf.hermite(33), 2.0**-6),
        (hf.hermite({3: 1.0, 4: 2.0}), 2.0**-6),
        (MIXED, 0.0),
        (hf.hermite({2: 1.0, 4: 1.0}), 0.0),
        (hf.link("erf").without(1), 2.0**-6),
        (hf.link("relu").without(1, 2), 0.0),
        # psi' = u^3 + 5 u^4 stops negative overlaps at -1/5
        (hf.hermite({4: 0.5, 5: 1.0}), math.nan),
        (hf.hermite(2), math.nan),
        (hf.hermite({2: 1.0, 3: 1.0}), math.nan),
        (hf.hermite(1), math.nan),
        (hf.hermite(0), math.nan),
    ],
)
def test_trapped_starts_by_theory(link: hf.Link, share: float) -> None:
    np.testing.assert_equal(_trapped.trapped_share(link, ex.TargetSpec(), 6), share)
    for spec in (LEANING, ex.TargetSpec(kind="random", dimension=50)):
        assert math.isnan(_trapped.trapped_share(link, spec, 6))


def test_neurons_of_a_mixed_link_end_at_the_nearest(monkeypatch: pytest.MonkeyPatch) -> None:
    def untied(ds: Any) -> Any:
        return ds["count"].sel(outcome=[name for name in ds.outcome.values if name != "tied start"])

    def run() -> Any:
        return ex.nearest(links=(MIXED, hf.hermite({3: 1.0, 4: 0.5})), k=5, n=1000, seed=0)

    ds = run()
    at = untied(ds).sel(k=5)
    ends = at.sel(outcome=["another index vector", "another fixed point", "failed"])
    assert ends.sum() == 0
    lost = at.sel(outcome="never escapes").values
    assert lost[0] == 0
    assert statistics.clopper_pearson(int(lost[1]), 1000, confidence=1 - 1e-5).contains(2.0**-5)
    np.testing.assert_array_equal(ds.trapped.values, [[0.0], [2.0**-5]])
    # Planted: the largest overlap, whatever the sign that governs the search.
    monkeypatch.setattr(hf, "nearest_index", lambda flow, m: np.asarray(m).argmax(axis=1))
    wrong = run()
    share = wrong.nearest_share.sel(k=5, limit="estimate").values
    assert share[0] < 0.7
    assert share[1] == 1.0


def test_those_that_escape_with_negative_overlaps_end_at_the_largest() -> None:
    ds = ex.nearest(links=hf.hermite(3), targets=LEANING, k=3, n=500, seed=1)
    assert ds["count"].sel(outcome="another index vector").sum() == 0
    assert ds.trapped_share.sel(limit="high").item() < 2.0**-3
    assert np.isnan(ds.trapped).all()


def test_a_constant_or_linear_start_has_no_nearest() -> None:
    for link in (hf.hermite(1), hf.hermite(0), hf.link("relu")):
        with pytest.raises(ValueError, match=r"links must have p\* >= 2"):
            ex.nearest(links=link, seed=0)


def gap(ds: Any, trapped: float) -> float:
    """Largest distance between the found distribution and (13)."""
    n = np.arange(1, int(ds.n_max[0]) + 1)
    theory = hf.exact.coverage_probability(n, int(ds.k[0]), trapped=trapped)
    return _judges._distance(ds.n_needed.values.ravel(), theory)


@pytest.mark.parametrize("link", [MIXED, hf.hermite(3)])
def test_a_mixed_link_finds_as_an_even_one(link: hf.Link) -> None:
    ds = ex.coverage(links=link, k=2, batches=2000, factors=8.0, seed=0)
    band = statistics.dkw_band(2000, confidence=1 - 1e-5)
    assert gap(ds, ds.trapped.item()) < band
    planted = 0.25 - ds.trapped.item()  # thinned where it must not be, and the other way round
    assert gap(ds, planted) > band
    assert float(_judges._probabilities(ds.isel(link=0, targets=0), 2)[0]) == 0.0
    of_judge = _judges._probabilities(ds.isel(link=0, targets=0), 2)
    assert _judges._distance(ds.n_needed.values.ravel(), of_judge) < band


def test_leaning_index_vectors_trap_fewer() -> None:
    """What is not thinned is a bound: no other law of finds has a larger chance."""
    ds = ex.coverage(
        links=hf.hermite(3), targets=LEANING, k=3, batches=1000, d=1e4, factors=8.0, seed=0
    )
    band = statistics.dkw_band(1000, confidence=1 - 1e-5)
    assert np.isnan(ds.trapped).all()
    assert gap(ds, 0.0) < band
    assert gap(ds, 2.0**-3) > band  # planted: as many as orthonormal ones trap
    np.testing.assert_array_equal(
        _judges._probabilities(ds.isel(link=0, targets=0), 3),
        hf.exact.coverage_probability(np.arange(1, int(ds.n_max[0]) + 1), 3),
    )
