"""All of a Dataset on one figure, in as many panels as it takes; `plot.draw`."""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from ._checks import of_experiment
from ._plot_bifurcation import bifurcation
from ._plot_coverage import coverage, coverage_linear
from ._plot_ends import nearest, trapped
from ._plot_phase import phase_diagram
from ._plot_samples import sample_complexity
from ._plot_search import hitting_times, search_rate
from ._plot_threshold import threshold

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

#: What draws one panel, given its axes as `ax`.
Panel = Callable[..., object]


def draw(ds: xr.Dataset) -> Figure:
    """Draw all that an experiment has found: every link, k and arrangement.

    Parameters
    ----------
    ds : xarray.Dataset
        Result of one of `experiments`.

    Returns
    -------
    matplotlib.figure.Figure
        To be saved; it belongs to no window. One panel for each thing to see: for `search_time`
        the links of p* = 2 have one of their own, for `coverage` and `threshold` each link and k
        or arrangement.

    Raises
    ------
    ValueError
        If the Dataset is of something else.

    Examples
    --------
    >>> import hermiteflow as hf
    >>> links = (hf.hermite(2), hf.hermite(4))
    >>> ds = hf.experiments.search_time(links=links, n=20, d=(1e6, 1e8), seed=0)
    >>> len(draw(ds).axes)
    2
    """
    return compose(panels(ds))


def compose(drawings: Sequence[Panel]) -> Figure:
    """Return a figure of panels in rows of at most three, away from pyplot."""
    from matplotlib.figure import Figure

    columns = 2 if len(drawings) == 4 else min(3, len(drawings))
    rows = math.ceil(len(drawings) / columns)
    figure = Figure(figsize=(4.6 * columns, 4.6 * rows), layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False).ravel()
    for ax, one in zip(axes, drawings, strict=False):
        one(ax=ax)
    for ax in axes[len(drawings) :]:
        ax.remove()
    return figure


def panels(ds: xr.Dataset) -> list[Panel]:
    """Return what draws each panel of an experiment's Dataset."""
    of_experiment(ds, *_PANELS)
    return list(_PANELS[ds.attrs["experiment"]](ds))


def search_panels(ds: xr.Dataset) -> Iterator[Panel]:
    square = ds.information_exponent == 2
    if not square.all():
        yield functools.partial(hitting_times, ds)
    if square.any():
        yield functools.partial(search_rate, ds)


def nearest_panels(ds: xr.Dataset) -> Iterator[Panel]:
    yield functools.partial(nearest, ds)
    yield functools.partial(trapped, ds)


def coverage_panels(ds: xr.Dataset, by: str | None = None) -> Iterator[Panel]:
    """Panels against n / (k log k): colours for k, or for the arrangements of each k."""
    if by is None:
        by = "targets" if ds.sizes["k"] == 1 and ds.sizes["targets"] > 1 else "k"
    other = "targets" if by == "k" else "k"
    for link, value in itertools.product(ds.link.values.tolist(), ds[other].values.tolist()):
        yield functools.partial(coverage, ds, link=link, by=by, **{other: value})


def linear_panels(ds: xr.Dataset) -> Iterator[Panel]:
    """Panels against k, one for each n / k and arrangement, where there is more than one k."""
    if ds.sizes["k"] > 1:
        cells = itertools.product(ds.targets.values.tolist(), ds.factor.values.tolist())
        for targets, factor in cells:
            yield functools.partial(coverage_linear, ds, factor=factor, targets=targets)


def threshold_panels(ds: xr.Dataset, **options: Any) -> Iterator[Panel]:
    for link, k in itertools.product(ds.link.values.tolist(), ds.k.values.tolist()):
        yield functools.partial(threshold, ds, link=link, k=k, **options)


def phase_panels(ds: xr.Dataset) -> Iterator[Panel]:
    cells = itertools.product(ds.link.values, ds.k.values, ds.loss.values)
    for link, k, loss in cells:
        yield functools.partial(_phase, ds, link=str(link), k=int(k), loss=str(loss))


def _phase(ds: xr.Dataset, *, ax: Axes, **options: Any) -> None:
    phase_diagram(ds, ax=ax, **options)
    ax.grid(visible=False)


def sample_panels(ds: xr.Dataset) -> Iterator[Panel]:
    yield functools.partial(sample_complexity, ds)
    yield functools.partial(sample_complexity, ds, relative=True)


def diagram_panels(ds: xr.Dataset) -> Iterator[Panel]:
    yield functools.partial(_diagram, ds)


def _diagram(ds: xr.Dataset, *, ax: Axes) -> None:
    legend = bifurcation(ds, ax=ax).get_legend()
    assert legend is not None
    legend.set_loc("upper left")  # beside other panels there is no room on the right
    legend.set_bbox_to_anchor((0.0, -0.14), transform=ax.transAxes)


_PANELS: dict[str, Callable[[xr.Dataset], Iterator[Panel]]] = {
    "search_time": search_panels,
    "nearest": nearest_panels,
    "coverage": lambda ds: itertools.chain(coverage_panels(ds), linear_panels(ds)),
    "threshold": threshold_panels,
    "phase_diagram": phase_panels,
    "sample_complexity": sample_panels,
    "bifurcation": diagram_panels,
}
