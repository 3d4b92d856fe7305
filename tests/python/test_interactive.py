"""Axes as figures of plotly.js: the same numbers, labels as HTML, errors for what is unknown."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

pytest.importorskip("matplotlib")
go = pytest.importorskip("plotly.graph_objects")

from matplotlib import cbook  # noqa: E402
from matplotlib.figure import Figure  # noqa: E402

from hermiteflow import _drawing, _interactive  # noqa: E402
from hermiteflow._markup import to_html  # noqa: E402


@pytest.mark.parametrize(
    ("text", "html"),
    [
        ("share < 1 & more", "share &lt; 1 &amp; more"),
        (r"$h_{3}$, $k=5$", "<i>h</i><sub>3</sub>, <i>k</i>=5"),
        (r"$h_{3} - 0.5 h_{4}$", "<i>h</i><sub>3</sub> \u2212 0.5 <i>h</i><sub>4</sub>"),
        (r"$\beta_c$", "β<sub><i>c</i></sub>"),
        (r"$\beta \,/\, \beta_{\rm fold}$", "β \u2009/\u2009 β<sub>fold</sub>"),
        (r"$d^{p^*/2-1}$", "<i>d</i><sup><i>p</i><sup>*</sup>/2\u22121</sup>"),
        (r"$p^* \geq 3$", "<i>p</i><sup>*</sup> ≥ 3"),
        (r"$\mathbb{R}^{100}$", "ℝ<sup>100</sup>"),
        (r"$x^23$", "<i>x</i><sup>2</sup>3"),
        ("two\nlines", "two<br>lines"),
        (r"$a < b$", "<i>a</i> &lt; <i>b</i>"),
    ],
)
def test_labels(text: str, html: str) -> None:
    assert to_html(text) == html


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("cost 3$", "dollars in pairs"),
        (r"$\frac{1}{2}$", "got 'frac'"),
        (r"$x_{1$", "braces in pairs"),
        (r"$x}$", "braces in pairs"),
        (r"$x^$", "something after"),
        (r"$\mathbb{Q}$", "got 'Q'"),
    ],
)
def test_labels_that_have_no_html(text: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        to_html(text)


def drawn() -> Any:
    ax = Figure().subplots()
    values = np.array([[0.5, 0.25, 1.0], [2.0, 1.5, 2.25], [np.nan] * 3])
    _drawing.points(ax, [10.0, 100.0, 1000.0], values, 0, label="$k=5$")
    ax.plot([10.0, 1000.0], [0.1, 3.0], color="#D55E00", ls="--", lw=2.0, label="theory")
    ax.axvline(50.0, color="0.5")
    ax.fill_between([10.0, 100.0], [0.1, 0.2], [0.3, 0.4], alpha=0.2)
    ax.annotate(r"$\beta_c$", (50.0, 3.2))
    ax.set(xscale="log", xlabel="input dimension $d$", ylabel="time", ylim=(0.0, 4.0))
    ax.set_title("$h_{3}$", loc="left")
    ax.legend(title="bars: 99 % intervals")
    return ax


def trace(panel: dict[str, Any], name: str) -> dict[str, Any]:
    (one,) = [t for t in panel["data"] if t.get("name") == name]
    return one


def test_a_panel_has_the_numbers_of_the_axes() -> None:
    (panel,) = _interactive.panels([drawn()])
    json.dumps(panel, allow_nan=False)
    points = trace(panel, "<i>k</i>=5")
    assert points["x"] == [10.0, 100.0, 1000.0]
    assert points["y"] == [0.5, 2.0, None]
    assert points["error_y"]["array"] == [0.5, 0.25, None]
    assert points["error_y"]["arrayminus"] == [0.25, 0.5, None]
    assert points["customdata"] == [[0.25, 1.0], [1.5, 2.25], [None, None]]
    assert points["showlegend"]
    line = trace(panel, "theory")
    assert line["mode"] == "lines"
    assert line["line"]["color"] == "rgba(213, 94, 0, 1)"
    assert "px" in line["line"]["dash"]
    (band,) = [t for t in panel["data"] if t.get("fill")]
    assert band["fillcolor"].endswith("0.2)")
    layout = panel["layout"]
    assert panel["title"] == "<i>h</i><sub>3</sub>"
    assert layout["xaxis"]["type"] == "log"
    assert layout["xaxis"]["title"]["text"] == "input dimension <i>d</i>"
    assert layout["yaxis"]["range"] == [0.0, 4.0]
    assert [shape["x0"] for shape in layout["shapes"]] == [50.0]
    (note,) = layout["annotations"]
    assert (note["x"], note["y"], note["text"]) == (np.log10(50.0), 3.2, "β<sub><i>c</i></sub>")
    assert layout["legend"]["title"]["text"] == "bars: 99 % intervals"


def corners(shape: str, x: list[float], y: list[float]) -> list[tuple[float, float]]:
    """Corners of plotly.js's path: h along x, v along y; "hvh" turns half-way."""
    path = [(x[0], y[0])]
    for a, b, end in zip(x, x[1:], y[1:], strict=False):
        turn = {"hv": b, "vh": a, "hvh": 0.5 * (a + b)}[shape]
        path += [(turn, path[-1][1]), (turn, end), (b, end)]
    return bends(path)


def bends(path: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """Leave out repeated points and those in the middle of a straight piece."""
    path = list(dict.fromkeys(path))
    inner = [
        b
        for a, b, c in zip(path, path[1:], path[2:], strict=False)
        if not (a[0] == b[0] == c[0] or a[1] == b[1] == c[1])
    ]
    return [path[0], *inner, path[-1]]


@pytest.mark.parametrize("style", ["steps", "steps-pre", "steps-post", "steps-mid"])
def test_steps_stay_steps(style: str) -> None:
    x, y = [1.0, 2.0, 4.0], [0.0, 0.5, 1.0]
    ax = Figure().subplots()
    ax.plot(x, y, drawstyle=style, label="theory")
    ax.plot(x, y, label="straight")
    ax.legend()
    (panel,) = _interactive.panels([ax])
    shape = trace(panel, "theory")["line"]["shape"]
    step = {"steps-post": cbook.pts_to_poststep, "steps-mid": cbook.pts_to_midstep}
    drawn = zip(*step.get(style, cbook.pts_to_prestep)(x, y).tolist(), strict=True)
    path = bends(list(drawn))
    assert corners(shape, x, y) == path
    for other in {"hv", "vh", "hvh"} - {shape}:  # planted: the steps of another style
        assert corners(other, x, y) != path
    assert "shape" not in trace(panel, "straight")["line"]
    del panel["title"]
    go.Figure(panel)


def test_plotly_takes_every_name_and_value() -> None:
    (panel,) = _interactive.panels([drawn()])
    del panel["title"]
    go.Figure(panel)
    panel["layout"]["hover"] = "closest"  # the twin: no such name
    with pytest.raises(ValueError, match="hover"):
        go.Figure(panel)


def test_bars_and_their_labels() -> None:
    ax = Figure().subplots()
    ax.barh([0, 1], [30.0, 60.0], left=[0.0, 10.0], label="found")
    ax.set_yticks([0, 1], ["$h_{3}$", "erf"])
    ax.legend()
    (panel,) = _interactive.panels([ax])
    bars = trace(panel, "found")
    assert (bars["x"], bars["base"]) == ([30.0, 60.0], [0.0, 10.0])
    assert np.allclose(bars["y"], [0.0, 1.0])
    assert panel["layout"]["yaxis"]["ticktext"] == ["<i>h</i><sub>3</sub>", "erf"]
    assert bars["showlegend"]


def test_what_is_not_known_is_named() -> None:
    ax = Figure().subplots()
    ax.scatter([1.0], [2.0])
    with pytest.raises(TypeError, match="PathCollection"):
        _interactive.panels([ax])
    ax = Figure().subplots()
    ax.stem([1.0], [2.0])
    with pytest.raises(TypeError, match="StemContainer"):
        _interactive.panels([ax])


def test_cells_of_colour() -> None:
    figure = Figure()
    ax = figure.subplots()
    image = ax.pcolormesh([0.0, 1.0, 3.0], [0.0, 2.0], [[0.25, 1.0]], vmin=0.0, vmax=1.0)
    figure.colorbar(image, ax=ax).set_label("share of $v_j$")
    ax.annotate("here", (1.0, 1.0), xycoords=("data", "axes fraction"))
    (panel,) = _interactive.panels(figure.axes)  # the bar of colours is no panel
    (cells,) = panel["data"]
    assert (cells["x"], cells["y"], cells["z"]) == ([0.0, 1.0, 3.0], [0.0, 2.0], [[0.25, 1.0]])
    assert (cells["zmin"], cells["zmax"], cells["showscale"]) == (0.0, 1.0, True)
    assert cells["colorscale"][0][1] == "rgba(68, 1, 84, 1)"  # the lower end of viridis
    assert cells["colorbar"]["title"]["text"] == "share of <i>v</i><sub><i>j</i></sub>"
    assert panel["layout"]["annotations"][0]["yref"] == "y domain"
    del panel["title"]
    go.Figure(panel)
