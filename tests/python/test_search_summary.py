"""What is told of a search: medians, slopes, and the neurons that did not arrive."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

import hermiteflow as hf

pytest.importorskip("xarray")

import xarray as xr

from hermiteflow import experiments as ex
from hermiteflow.cli import main
from hermiteflow.experiments._search_time import lost_share, lost_words

D = (1e4, 1e6, 1e8)
MIXED = hf.hermite({2: 0.5, 3: 1.0, 5: -0.2})  # psi' = 0 at u = -0.17: some come to rest there
SPECS = (ex.TargetSpec(), ex.TargetSpec(kind="equiangular", beta=0.05))


@pytest.fixture(scope="module")
def search() -> Any:
    return ex.search_time(
        links=(MIXED, hf.hermite(2), hf.hermite(3)), targets=SPECS, n=100, d=D, d_fit=1e4,
        replicates=50, seed=0,
    )  # fmt: skip


def with_losses(ds: Any, losses: tuple[int, ...]) -> Any:
    """The same, but this many of the neurons of the first cell are lost at each d, others not."""
    times = np.where(np.isfinite(ds.hitting_time.values), ds.hitting_time.values, 1.0)
    for i, lost in enumerate(losses):
        times[0, 0, i, :lost] = np.inf
    return ds.assign(hitting_time=(ds.hitting_time.dims, times))


def words(ds: Any) -> list[str]:
    """The lost neurons in each line, or nothing."""
    return [line.partition("; ")[2] for line in ex.summary(ds).splitlines()]


def same_share(ds: Any, share: Any) -> bool:
    """Whether shares are those counted neuron by neuron."""
    counted = [
        [[sum(t == np.inf for t in row) / len(row) for row in cell] for cell in link]
        for link in ds.hitting_time.values.tolist()
    ]
    return bool(np.allclose(share, counted, rtol=0, atol=1e-12))


def test_shares_are_those_that_are_counted(search: Any) -> None:
    share = lost_share(search)
    assert share.dims == ("link", "targets", "d")
    assert share.sel(link="0.5 h2 + h3 - 0.2 h5").max() > 0.1
    assert same_share(search, share)
    # planted: those that arrive, one neuron more, another cell's
    for fault in (1.0 - share, share + 0.01, share[::-1]):
        assert not same_share(search, fault)


@pytest.mark.parametrize(
    ("losses", "told"),
    [
        ((0, 0, 0), ""),
        ((1, 1, 1), ""),  # 1 % is no more than 1 %
        ((2, 2, 2), "2 % of the neurons had not reached 0.3"),
        ((0, 0, 2), "0 % to 2 % of the neurons, by d, had not reached 0.3"),
        ((2, 44, 16), "2 % to 44 % of the neurons, by d, had not reached 0.3"),
    ],
)
def test_losses_are_told_of_above_one_per_cent(
    search: Any, losses: tuple[int, ...], told: str
) -> None:
    assert words(with_losses(search, losses)) == [told, *[""] * 5]


def test_each_line_has_what_was_measured(search: Any) -> None:
    lines = iter(ex.summary(search).splitlines())
    for link in search.link.values:
        for targets in search.targets.values:
            cell = search.sel(link=link, targets=targets)
            line = next(lines)
            assert line.startswith(f"{link}, {targets}: median time ")
            # read back from the data, by another way
            median = np.quantile(cell.hitting_time.values[-1], 0.5, method="inverted_cdf")
            fit = cell.log_rate if link != "h3" else cell.power
            found = re.findall(r"-?\d[\d.]*(?:e[-+]\d+)?", line.partition(": ")[2])
            wanted = [median, D[-1], *fit.values[:1], 99.0, *fit.values[1:]]
            np.testing.assert_allclose([float(x) for x in found[:6]], wanted, rtol=1e-3)
            other = cell.power if link != "h3" else cell.log_rate  # planted: the other slope
            wanted = [median, D[-1], *other.values[:1], 99.0, *other.values[1:]]
            with pytest.raises(AssertionError):
                np.testing.assert_allclose([float(x) for x in found[:6]], wanted, rtol=1e-3)
            assert ("slope of its log on log d" in line) == (link == "h3")
    assert next(lines, None) is None


def test_a_median_that_is_lost_has_no_slope() -> None:
    ds = ex.search_time(links=hf.hermite(3), k=1, n=51, d=(1e6, 1e8), replicates=5, seed=0)
    times = ds.hitting_time.values.copy()
    times[..., :26] = np.inf
    lost = ds.assign(
        hitting_time=(ds.hitting_time.dims, times),
        median_time=ds.median_time * np.inf,
        power=ds.power * np.nan,
    )
    assert ex.summary(lost).startswith(
        "h3, orthonormal: median time inf at d = 1e+08, slope of its log on log d unknown; "
    )


def labels(ax: Any) -> list[str]:
    return [text.get_text() for text in ax.get_legend().get_texts()]


def test_figures_tell_of_losses(search: Any) -> None:
    for losses, told in (((2, 44, 16), "\n2 % to 44 % did not arrive"), ((0, 1, 0), "")):
        ds = with_losses(search, losses)
        ax = hf.plot.search_rate(ds, ax=Figure().subplots())
        assert [label.partition("\n")[2] for label in labels(ax)] == [told.strip(), "", "", ""]
        times = ds.hitting_time  # those of the first link become those of h3
        swapped = ds.isel(link=[2, 1, 0]).assign(hitting_time=(times.dims, times.values))
        ax = hf.plot.hitting_times(swapped, ax=Figure().subplots())
        both = told.replace("2 % to", "0 % to")  # over both arrangements
        assert labels(ax)[0] == f"$h_{{3}}$: theory $d^{{0.5}}${both}"


def test_the_legend_of_rates_covers_no_measurement(search: Any) -> None:
    figure = Figure()
    ax = hf.plot.search_rate(search, ax=figure.subplots())
    FigureCanvasAgg(figure).draw()
    box = ax.get_legend().get_window_extent()

    def covered() -> bool:
        return any(
            box.contains(*place)
            for line in ax.get_lines()
            for place in ax.transData.transform(np.column_stack(line.get_data()))
        )

    assert not covered()
    ax.set_ylim(*sorted(ax.get_lines()[0].get_ydata()[[0, -1]]))  # planted: no room
    assert covered()
    nothing = search.assign(**{f"median_{x}": search.median_time * np.nan for x in ("time", "low")})
    assert hf.plot.search_rate(nothing, ax=Figure().subplots()).get_legend() is not None


def test_the_command_prints_them(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "times.nc"
    argv = ["run", "search_time", "--links", "2=0.5,3=1,5=-0.2", "3=1", "--d", "1e4", "1e8"]
    argv += ["--d-fit", "1", "--n", "50", "--replicates", "5", "--out", str(out)]
    assert main(argv) == 0
    printed = capsys.readouterr().out.splitlines()
    assert printed[1:] == ex.summary(xr.load_dataset(out)).splitlines()
    assert len(printed) == 3
    assert "% of the neurons" in printed[1]


def test_words_of_shares() -> None:
    assert lost_words(np.array([0.0101])) == "1 %"
    assert lost_words(np.array([0.01])) == ""
    assert lost_words(np.array([0.014, 0.996])) == "1.4 % to 100 %"
