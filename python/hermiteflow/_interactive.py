"""Axes of matplotlib as figures of plotly.js, so that page and vector figure show the same.

Knows the artists that the plots draw: lines, points with intervals, bands, bars, texts.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from ._markup import to_html

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis
    from matplotlib.collections import QuadMesh
    from matplotlib.container import BarContainer, ErrorbarContainer
    from matplotlib.lines import Line2D

#: Markers of matplotlib by their names in plotly.js.
_MARKERS = {
    "o": "circle", "s": "square", "^": "triangle-up", "D": "diamond", "v": "triangle-down",
    "P": "cross", "X": "x",
}  # fmt: skip
_DASHES = {"-": "solid", "--": "dash", ":": "dot", "-.": "dashdot"}
#: Steps of matplotlib by their names in plotly.js: h is along x, v along y, in the order drawn.
_SHAPES = {"steps": "vh", "steps-pre": "vh", "steps-post": "hv", "steps-mid": "hvh"}
#: Pixels of a point of 1/72 inch, as the figures are read on a screen.
_PIXELS = 1.25
#: Height of the axes in pixels.
_HEIGHT = 320
Trace = dict[str, Any]


def panels(axes: list[Axes]) -> list[dict[str, Any]]:
    """Return a figure of plotly.js for each of some axes: ``{"title", "data", "layout"}``.

    The title is HTML, to stand above the figure.

    Parameters
    ----------
    axes : list of matplotlib.axes.Axes
        What the plots of `hermiteflow.plot` draw on.

    Raises
    ------
    ValueError
        If a label's mathtext has no HTML (`_markup`).
    TypeError
        If there is an artist of another kind.
    """
    return [_panel(ax) for ax in axes if ax.get_label() != "<colorbar>"]


def _panel(ax: Axes) -> dict[str, Any]:
    from matplotlib.collections import PolyCollection, QuadMesh
    from matplotlib.container import BarContainer, ErrorbarContainer

    traces: list[Trace] = []
    shapes: list[Trace] = []
    parts: set[Artist] = set()
    for container in ax.containers:
        if isinstance(container, ErrorbarContainer):
            traces.append(_points(ax, container))
        elif isinstance(container, BarContainer):
            traces.append(_bars(container))
        else:
            raise TypeError(f"axes must hold points or bars, got {type(container).__name__}")
        parts.update(container.get_children())
    for line in ax.lines:
        if line in parts or np.size(line.get_xdata()) == 0:
            continue
        if line.get_transform() is ax.get_xaxis_transform(which="grid"):
            shapes += _upright(line)
        else:
            traces.append(_line(line))
    for area in ax.collections:
        if area in parts:
            continue
        if isinstance(area, QuadMesh):
            traces.append(_mesh(area))
            continue
        if not isinstance(area, PolyCollection):
            raise TypeError(f"axes must hold lines, points or bands, got {type(area).__name__}")
        traces.append(_band(area))
    traces += _legend(ax, traces)
    traces.sort(key=lambda trace: trace.pop("order", 0.0))
    return {
        "title": to_html(ax.get_title(loc="left")),
        "data": traces,
        "layout": _layout(ax, shapes),
    }


def _numbers(values: Any) -> list[float | None]:
    """Numbers as JSON takes them: None breaks a line."""
    array = np.asarray(values, dtype=np.float64)
    return [float(x) if np.isfinite(x) else None for x in array]


def _colour(colour: Any, alpha: float | None = None) -> str:
    from matplotlib.colors import to_rgba

    red, green, blue, opacity = to_rgba(colour, alpha)
    parts = ", ".join(f"{round(255 * x)}" for x in (red, green, blue))
    return f"rgba({parts}, {opacity:.3g})"


def _name(artist: Any) -> str:
    label = str(artist.get_label())
    return "" if label.startswith("_") else to_html(label)


def _hover(name: str, ax_text: str) -> str:
    return (f"<b>{name}</b><br>" if name else "") + ax_text + "<extra></extra>"


def _marker(line: Line2D) -> dict[str, Any]:
    face = line.get_markerfacecolor()
    hollow = face == "none" or (isinstance(face, str) and face.lower() in ("w", "white"))
    edge = _colour(line.get_markeredgecolor(), line.get_alpha())
    return {
        "symbol": _MARKERS[str(line.get_marker())],
        "size": _PIXELS * float(line.get_markersize()),
        "color": "rgba(255, 255, 255, 1)" if hollow else _colour(face, line.get_alpha()),
        "line": {"color": edge, "width": 1.2},
    }


def _stroke(line: Line2D) -> dict[str, Any]:
    style: Any = line.get_linestyle()
    if line.is_dashed() and style not in _DASHES:
        style = "--"
    pattern = getattr(line, "_unscaled_dash_pattern", (0, None))[1]
    dash = _DASHES.get(style, "dash")
    if pattern is not None and style == "--":
        dash = ",".join(f"{_PIXELS * max(line.get_linewidth(), 1.0) * x:.3g}px" for x in pattern)
    return {
        "color": _colour(line.get_color(), line.get_alpha()),
        "width": _PIXELS * float(line.get_linewidth()),
        "dash": dash,
    }


def _line(line: Line2D) -> Trace:
    has_line = str(line.get_linestyle()).lower() not in ("none", "", " ")
    has_marker = str(line.get_marker()) in _MARKERS
    name = _name(line)
    trace: Trace = {
        "type": "scatter",
        "mode": "+".join(["lines"] * has_line + ["markers"] * has_marker) or "none",
        "x": _numbers(line.get_xdata()),
        "y": _numbers(line.get_ydata()),
        "name": name,
        "showlegend": False,
        "hovertemplate": _hover(name, "%{x:.6~g}, %{y:.6~g}"),
        "order": float(line.get_zorder()),
    }
    if has_line:
        trace["line"] = _stroke(line)
        if shape := _SHAPES.get(line.get_drawstyle()):
            trace["line"]["shape"] = shape
    if has_marker:
        trace["marker"] = _marker(line)
    return trace


def _points(ax: Axes, container: ErrorbarContainer) -> Trace:
    """Points with intervals; the hover tells both ends."""
    line, _, bars = container.lines
    assert line is not None
    trace = _line(line)
    segments = [np.asarray(part) for part in bars[0].get_segments()]
    value = np.asarray(line.get_ydata(), dtype=np.float64)
    low, high = value.copy(), value.copy()
    for i, part in enumerate(segments):
        if part.size:
            low[i], high[i] = np.min(part[:, 1]), np.max(part[:, 1])
    trace["mode"] = "markers"
    trace["error_y"] = {
        "type": "data",
        "symmetric": False,
        "array": _numbers(high - value),
        "arrayminus": _numbers(value - low),
        "color": _colour(line.get_color(), line.get_alpha()),
        "thickness": 1.25,
        "width": 3,
    }
    trace["customdata"] = [[a, b] for a, b in zip(_numbers(low), _numbers(high), strict=True)]
    name = _name(container)
    trace["name"] = name
    interval = "%{y:.6~g} [%{customdata[0]:.6~g}, %{customdata[1]:.6~g}]"
    trace["hovertemplate"] = _hover(name, "%{x:.6~g}: " + interval)
    return trace


def _bars(container: BarContainer) -> Trace:
    """Horizontal bars."""
    boxes = list(container)
    name = _name(container)
    return {
        "type": "bar",
        "orientation": "h",
        "x": [float(box.get_width()) for box in boxes],
        "base": [float(box.get_x()) for box in boxes],
        "y": [float(box.get_y() + 0.5 * box.get_height()) for box in boxes],
        "marker": {"color": _colour(boxes[0].get_facecolor())},
        "name": name,
        "showlegend": False,
        "hovertemplate": _hover(name, "%{x:.6~g} %"),
        "order": 1.0,
    }


def _band(area: Any) -> Trace:
    corners = np.concatenate([path.vertices for path in area.get_paths()])
    return {
        "type": "scatter",
        "mode": "lines",
        "x": _numbers(corners[:, 0]),
        "y": _numbers(corners[:, 1]),
        "fill": "toself",
        "fillcolor": _colour(area.get_facecolor()[0]),
        "line": {"width": 0},
        "hoverinfo": "skip",
        "showlegend": False,
        "order": float(area.get_zorder()),
    }


def _mesh(mesh: QuadMesh) -> Trace:
    """Turn cells between straight edges into a heatmap, with its bar of colours."""
    corners = np.asarray(mesh.get_coordinates(), dtype=np.float64)
    values = np.ma.filled(np.ma.asarray(mesh.get_array(), dtype=np.float64), np.nan)
    values = values.reshape(corners.shape[0] - 1, corners.shape[1] - 1)
    places = np.linspace(0.0, 1.0, 17)
    low, high = mesh.get_clim()
    bar = getattr(mesh, "colorbar", None)
    label = "" if bar is None else to_html(bar.ax.get_ylabel())
    return {
        "type": "heatmap",
        "x": _numbers(corners[0, :, 0]),
        "y": _numbers(corners[:, 0, 1]),
        "z": [_numbers(row) for row in values],
        "zmin": low,
        "zmax": high,
        "colorscale": [[float(x), _colour(mesh.cmap(x))] for x in places],
        "showscale": bar is not None,
        "colorbar": {"title": {"text": label, "side": "right"}, "thickness": 14},
        "hovertemplate": "%{x:.4~g}, %{y}: %{z:.4~g}<extra></extra>",
        "order": float(mesh.get_zorder()),
    }


def _upright(line: Line2D) -> list[Trace]:
    """Turn a line across the axes at one x into shapes: itself, on its outline if it has one."""
    x = float(np.asarray(line.get_xdata())[0])
    low, high = (float(y) for y in np.asarray(line.get_ydata()))
    shape = {"type": "line", "x0": x, "x1": x, "y0": low, "y1": high, "yref": "y domain"}
    own = {**shape, "layer": "below", "line": _stroke(line)}
    if not line.get_path_effects():
        return [own]
    outline = {"color": "#1a1a1a", "width": _PIXELS * (line.get_linewidth() + 1.2)}
    return [{**shape, "layer": "above", "line": outline}, {**own, "layer": "above"}]


def _legend(ax: Axes, traces: list[Trace]) -> list[Trace]:
    """Let traces of a legend's labels show there; return its other entries, traces of no points."""
    from matplotlib.container import ErrorbarContainer
    from matplotlib.lines import Line2D

    legend = ax.get_legend()
    if legend is None:
        return []
    more = []
    handles, texts = legend.legend_handles, legend.get_texts()
    for rank, (entry, text) in enumerate(zip(handles, texts, strict=True)):
        name = to_html(text.get_text())
        own = [trace for trace in traces if trace.get("name") == name]
        if own:
            if not own[0]["x"]:  # plotly.js has no entry for a trace without points
                own[0].update(x=[None], y=[None])
            own[0].update(showlegend=True, legendrank=rank + 1)
            continue
        handle: object = entry.lines[0] if isinstance(entry, ErrorbarContainer) else entry
        if not isinstance(handle, Line2D):
            raise TypeError(f"a legend must tell of lines and points, got {type(handle).__name__}")
        trace = _line(handle)
        trace.update(x=[None], y=[None], name=name, showlegend=True, legendrank=rank + 1)
        more.append(trace)
    return more


def _axis(axis: Axis, limits: tuple[float, float], scale: str, label: str) -> dict[str, Any]:
    from matplotlib.ticker import FixedLocator

    low, high = (float(np.log10(x)) if scale == "log" else float(x) for x in limits)
    out: dict[str, Any] = {
        "type": scale,
        "range": [low, high],
        "title": {"text": to_html(label), "standoff": 8},
        "gridcolor": "#e6e6e6",
        "linecolor": "#444",
        "ticks": "outside",
        "zeroline": False,
    }
    if isinstance(axis.get_major_locator(), FixedLocator):
        places = axis.get_majorticklocs().tolist()
        out["tickvals"] = _numbers(places)
        out["ticktext"] = [to_html(x) for x in axis.get_major_formatter().format_ticks(places)]
    elif scale == "log":
        out.update(exponentformat="power", dtick=max(1, math.ceil(abs(high - low) / 6)))
    return out


def _note(ax: Axes, text: Any) -> dict[str, Any]:
    """Turn a text at a point, or at an x above the axes, into an annotation."""
    x, y = (float(value) for value in getattr(text, "xy", text.get_position()))
    above = getattr(text, "xycoords", "data") == ("data", "axes fraction")
    return {
        "x": math.log10(x) if ax.get_xscale() == "log" else x,
        "y": y,
        "yref": "y domain" if above else "y",
        "text": to_html(text.get_text()),
        "showarrow": False,
        "yanchor": "bottom",
    }


def _layout(ax: Axes, shapes: list[Trace]) -> dict[str, Any]:
    legend = ax.get_legend()
    title = "" if legend is None else to_html(legend.get_title().get_text())
    notes = [_note(ax, text) for text in ax.texts]
    lines = 0 if legend is None else len(legend.get_texts()) + title.count("<br>") + bool(title)
    below = 62 + 19 * lines
    return {
        "xaxis": _axis(ax.xaxis, ax.get_xlim(), ax.get_xscale(), ax.get_xlabel()),
        "yaxis": {
            **_axis(ax.yaxis, ax.get_ylim(), ax.get_yscale(), ax.get_ylabel()),
            "automargin": True,
        },
        "legend": {
            "title": {"text": title, "font": {"size": 12}},
            "font": {"size": 12},
            "yanchor": "top",
            "y": -58 / _HEIGHT,
            "xanchor": "left",
            "x": 0.0,
            "tracegroupgap": 0,
        },
        "height": 30 + _HEIGHT + below,
        "margin": {"l": 62, "r": 12, "t": 30, "b": below},
        "paper_bgcolor": "white",
        "plot_bgcolor": "white",
        "font": {"family": "system-ui, sans-serif", "size": 13, "color": "#1a1a1a"},
        "hovermode": "closest",
        "barmode": "overlay",
        "shapes": shapes,
        "annotations": notes,
    }
