"""The figure of overlaps against time; `plot.trajectories`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from . import _checks
from ._checks import dataset
from ._drawing import COLOURS, finish, new_axes

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.axes import Axes


def trajectories(ds: xr.Dataset, *, neuron: int = 0, most: int = 7, ax: Axes | None = None) -> Axes:
    """Draw the overlaps of one neuron with the index vectors against time.

    The overlaps that become largest in size have a colour each, all others are grey.

    Parameters
    ----------
    ds : xarray.Dataset
        `Solution.to_xarray` of a solution with `save_at`.
    neuron : int
        Which neuron.
    most : int
        How many overlaps get a colour, at most 7.
    ax : matplotlib.axes.Axes, optional
        Where to draw.

    Raises
    ------
    ValueError
        If nothing was saved along the way, or there is no such neuron.

    Examples
    --------
    >>> import numpy as np, hermiteflow as hf
    >>> from matplotlib.figure import Figure
    >>> flow = hf.CorrelationFlow(hf.Orthonormal(k=3), hf.hermite(3))
    >>> times = np.linspace(0.0, 30.0, 61)
    >>> sol = hf.solve(flow, overlaps=[[0.1, 0.05, -0.02]], save_at=times, t_end=30.0)
    >>> len(trajectories(sol.to_xarray(), ax=Figure().subplots()).lines)
    3
    """
    dataset(ds)
    if "trajectory" not in ds:
        raise ValueError("ds must be of a solution with save_at, got one without a trajectory")
    neuron = _checks.integer(neuron, "neuron", low=0, high=ds.sizes["neuron"] - 1)
    most = _checks.integer(most, "most", low=0, high=len(COLOURS))
    ax = new_axes(ax)
    paths = ds.trajectory.isel(neuron=neuron).transpose("time", "index_vector").values
    reach = np.max(np.where(np.isnan(paths), 0.0, np.abs(paths)), axis=0)
    order = np.argsort(-reach, kind="stable")
    for rank, j in reversed(list(enumerate(order.tolist()))):
        chosen = rank < most
        style: dict[str, Any] = (
            {"color": COLOURS[rank], "lw": 1.6} if chosen else {"color": "0.7", "lw": 0.7}
        )
        ax.plot(ds.time.values, paths[:, j], label=f"$m_{{{j}}}$" if chosen else None, **style)
    if most:
        handles, labels = ax.get_legend_handles_labels()
        ax.legend(handles[::-1], labels[::-1], loc="upper left", bbox_to_anchor=(1.0, 1.0))
    return finish(ax, f"neuron {neuron}", xlabel="time of the flow $t$", ylabel="overlap")
