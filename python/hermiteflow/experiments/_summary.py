"""What a Dataset of each experiment says, in lines of text."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from hermiteflow import _checks

from ._search_time import lost_share, lost_words

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["summary"]


def summary(ds: xr.Dataset) -> str:
    """Return what an experiment has measured, in a few lines; `hermiteflow run` prints them.

    Parameters
    ----------
    ds : xarray.Dataset
        Result of one of `experiments`.

    Returns
    -------
    str
        A line for each link and arrangement or k; for `threshold` and `phase_diagram` one for
        each inner product too. Estimates with their intervals (but for shares of `threshold`),
        theory beside them where there is one.

    Raises
    ------
    TypeError, ValueError
        If `ds` is no Dataset, or one of something else.

    Examples
    --------
    >>> import hermiteflow as hf
    >>> ds = hf.experiments.coverage(links=hf.hermite(4), k=5, d=1e6, batches=50, seed=0)
    >>> print(summary(ds).partition(":")[0])
    h4, orthonormal, k = 5
    """
    _checks.of_experiment(ds, *_LINES)
    return "\n".join(_LINES[ds.attrs["experiment"]](ds))


def _search_time(ds: xr.Dataset) -> Iterator[str]:
    config = json.loads(ds.attrs["config"])
    for cell, name in _cells(ds, "link", "targets"):
        last = cell.isel(d=int(np.argmax(cell.d.values)))
        yield (
            f"{name}: median time {float(last.median_time):.4g} at d = {float(last.d):g}, "
            + _slope(cell, config, "it", "its log")
            + _lost(lost_share(cell).values, config)
        )


def _sample_complexity(ds: xr.Dataset) -> Iterator[str]:
    config = json.loads(ds.attrs["config"])
    for cell, name in _cells(ds, "link", "targets"):
        last = cell.isel(d=int(np.argmax(cell.d.values)))
        steps, low, high = last.step_quantile.sel(quantile=config["quantile"]).values.tolist()
        number = f"{steps:.4g} [{low:.4g}, {high:.4g}]" if math.isfinite(steps) else f"> {low:.4g}"
        theory = f", theory {float(cell.theory_power):g}" if cell.information_exponent != 2 else ""
        yield (
            f"{name}: quantile {config['quantile']:g} of the steps {number} at d = "
            f"{float(last.d):g}, {_slope(cell, config, 'their time', 'their log')}{theory}"
            + _lost(cell.censored.values / cell.sizes["neuron"], config)
        )


def _slope(cell: Any, config: Mapping[str, Any], time: str, log: str) -> str:
    """Return the slope of log time on log d or, for p* = 2, of the time on log d."""
    two = float(cell.information_exponent) == 2.0
    slope, low, high = (cell.log_rate if two else cell.power).values.tolist()
    known = f"{slope:.4g}, {100.0 * config['confidence']:.6g} % interval {low:.4g} .. {high:.4g}"
    return f"slope of {time if two else log} on log d " + (
        known if math.isfinite(slope) else "unknown"
    )


def _lost(shares: NDArray[np.float64], config: Mapping[str, Any]) -> str:
    lost = lost_words(shares)
    each = ", by d," if " to " in lost else ""
    return f"; {lost} of the neurons{each} had not reached {config['level']:g}" if lost else ""


def _nearest(ds: xr.Dataset) -> Iterator[str]:
    for cell, name in _cells(ds, "link", "k"):
        yield (
            f"{name}: {_percent(cell.nearest_share)} of those that arrived are at the index "
            f"vector nearest to their start; {_percent(cell.trapped_share)} are trapped, theory "
            f"{_rounded(cell.trapped)}"
        )


def _coverage(ds: xr.Dataset) -> Iterator[str]:
    for cell, name in _cells(ds, "link", "targets", "k"):
        parts = [
            f"{_percent(cell.probability_linear.sel(factor=factor))} at n = {int(n)}"
            for factor, n in zip(ds.factor.values, cell.n_linear.values, strict=True)
        ]
        half = np.quantile(cell.n_needed.values, 0.5, method="inverted_cdf")
        needed = f"{half:.4g}" if math.isfinite(half) else f"more than {int(cell.n_max)}"
        yield (
            f"{name}: all are found in {', '.join(parts)}; half of the networks needed {needed} "
            "neurons"
        )


def _threshold(ds: xr.Dataset) -> Iterator[str]:
    for family, name in _cells(ds, "link", "k"):
        yield (
            f"{name}: beta_c = {float(family.beta_c):.12g}, beta_fold = "
            f"{float(family.beta_fold):.12g}"
        )
        for position in ds.position.values:
            cell = family.sel(position=position)
            counts = cell["count"]
            ends = [f"{start}: {_ends(counts.sel(start=start))}" for start in ds.start.values]
            yield f"  beta = {float(cell.beta):.6g}: " + "; ".join(ends)


def _ends(counts: xr.DataArray) -> str:
    """Return where neurons ended, those first where most did."""
    total = int(counts.sum())
    there = counts.values.argsort()[::-1]
    return ", ".join(
        f"{_rounded(counts.values[i] / total)} {counts.end.values[i]}"
        for i in there
        if counts.values[i]
    )


def _phase_diagram(ds: xr.Dataset) -> Iterator[str]:
    for cell, name in _cells(ds, "loss", "link", "k", "position"):
        parts = [
            f"{_percent(cell.recovered_share.sel(ratio=ratio))} at n = "
            f"{int(cell.n.sel(ratio=ratio))}"
            for ratio in ds.ratio.values
        ]
        label = name.partition(", position")[0]
        yield f"{label}, beta = {float(cell.beta):.4g}: recovered {', '.join(parts)}"


#: Lines of each experiment.
_LINES: dict[str, Callable[[Any], Iterator[str]]] = {
    "search_time": _search_time,
    "nearest": _nearest,
    "coverage": _coverage,
    "threshold": _threshold,
    "phase_diagram": _phase_diagram,
    "sample_complexity": _sample_complexity,
}


def _cells(ds: xr.Dataset, *dims: str) -> Iterator[tuple[Any, str]]:
    """Yield the parts of a Dataset along some dimensions, each with its name."""
    for place in np.ndindex(*(ds.sizes[dim] for dim in dims)):
        cell = ds.isel(dict(zip(dims, place, strict=True)))
        labels = [
            f"{dim} = {cell[dim].item()}" if dim in ("k", "position") else str(cell[dim].item())
            for dim in dims
        ]
        yield cell, ", ".join(labels)


def _percent(interval: Any) -> str:
    """Return a share with its interval in per cent."""
    estimate, low, high = np.asarray(interval, dtype=np.float64).tolist()
    if not math.isfinite(estimate):
        return "unknown"
    return f"{_rounded(estimate)} [{100.0 * low:.4g}, {100.0 * high:.4g}]"


def _rounded(share: Any) -> str:
    return f"{100.0 * float(share):.4g} %"
