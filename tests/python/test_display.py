"""How objects are shown: one screen, no arrays, HTML that stands alone and cannot inject."""

from __future__ import annotations

import html
import re
from dataclasses import replace
from html.parser import HTMLParser
from typing import Any

import numpy as np
import pytest

import hermiteflow as hf
from hermiteflow import _display

NASTY = "<script>alert('x')</script>&\n"


def _nasty_link() -> hf.Link:
    link = hf.link(np.tanh)
    return replace(link, name=NASTY + "long " * 50)


def _objects() -> dict[str, Any]:
    rng = np.random.default_rng(0)
    targets = hf.random_index_vectors(k=60, d=40, seed=0)
    flow = hf.CorrelationFlow(
        hf.IndexVectors(targets.vectors(40)),
        _nasty_link(),
        student=hf.link(np.sin),
        second_layer=rng.uniform(0.5, 1.0, 300),
        target_weights=rng.uniform(0.5, 1.0, 60),
    )
    events: dict[str, Any] = {f"{NASTY}{i}": hf.HittingTime([0.2, 0.4]) for i in range(9)}
    sol = hf.solve(
        flow,
        weights=hf.random_weights(n=300, d=40, seed=1),
        t_end=1e-3,
        events=events,
        save_at=np.linspace(0, 1e-3, 50),
    )
    return {
        "link": hf.hermite({3: 1.0, 5: -0.2}),
        "nasty link": _nasty_link(),
        "constant": hf.polynomial([2.0]),
        "long series": hf.hermite({p: 1 / (p + 1) for p in range(2, 200)}),
        "orthonormal": hf.Orthonormal(k=3),
        "equiangular": hf.Equiangular(k=10, beta=0.1 + 0.2),
        "gram": targets,
        "one vector": hf.IndexVectors([[0.6, 0.8]]),
        "V": flow.targets,
        "interaction": flow.interaction,
        "flow": flow,
        "squared flow": hf.SquaredFlow(
            flow.targets, flow.link, student=flow.student, second_layer=flow.second_layer
        ),
        "free flow": hf.SquaredFlow(
            hf.Orthonormal(k=2), hf.link("relu"), constrained=False, train_second_layer=True
        ),
        "small flow": hf.CorrelationFlow(hf.Orthonormal(k=2), hf.hermite(3), second_layer=0.5),
        "solution": sol,
    }


@pytest.fixture(scope="module")
def objects() -> dict[str, Any]:
    return _objects()


NAMES = [
    "link", "nasty link", "constant", "long series", "orthonormal", "equiangular", "gram",
    "one vector", "V", "interaction", "flow", "squared flow", "free flow",
    "small flow", "solution",
]  # fmt: skip


def fits(text: str) -> bool:
    """A screen: at most 18 lines of 80 columns, and no array in them."""
    lines = text.splitlines()
    return len(lines) <= 18 and max(map(len, lines)) <= 80 and "array(" not in text


def test_the_check_of_a_screen_sees_faults() -> None:
    assert fits("a\nb")
    for bad in ("x" * 81, "x\n" * 19, "array([1.])"):
        assert not fits(bad)


def test_every_object_is_tried(objects: dict[str, Any]) -> None:
    assert list(objects) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_repr_fits_a_screen(name: str, objects: dict[str, Any]) -> None:
    text = repr(objects[name])
    assert fits(text)
    assert text.startswith(type(objects[name]).__name__)
    assert str(objects[name]) == text


def test_what_repr_says() -> None:
    assert repr(hf.hermite(3)) == "Link(series=h_3, degree=3, information_exponent=3)"
    assert repr(hf.hermite({0: 2.0, 4: -1.0})) == (
        "Link(series=2 h_0 - h_4, degree=4, information_exponent=4)"
    )
    assert repr(hf.link(np.sin)) == (
        "Link(name=sin, series=0.6065 h_1 - 0.2476 h_3 + 0.05537 h_5 + ..., degree=29,\n"
        "     information_exponent=1)"
    )
    assert "remainder=" in repr(hf.link(np.abs))
    assert repr(hf.Orthonormal(k=3)) == "Orthonormal(k=3, rank=3, structure=identity)"
    assert repr(hf.Equiangular(k=4, beta=0.25)) == (
        "Equiangular(k=4, beta=0.25, rank=4, structure=equiangular)"
    )
    assert repr(hf.IndexVectors([[1.0, 0.0, 0.0], [0.6, 0.8, 0.0]])) == (
        "IndexVectors(k=2, d=3, inner_products=0.6 .. 0.6, rank=2, structure=general)"
    )
    psi = hf.Interaction(hf.polynomial([1.0, 2.0, 0.0, 1.0]), hf.hermite({0: 1.0, 1: 1.0, 3: -1.0}))
    assert repr(psi) == "Interaction(psi=1 + 5 u - 2.449 u^3, degree=3, information_exponent=1)"
    flow = hf.CorrelationFlow(hf.Orthonormal(k=2), hf.hermite(4), target_weights=[1.0, 3.0])
    assert repr(flow).splitlines() == [
        "CorrelationFlow on the sphere, L = -E[f f*]",
        "  targets           Orthonormal(k=2, rank=2, structure=identity)",
        "  link              series=h_4, degree=4, information_exponent=4",
        "  student           the same",
        "  interaction       psi=u^4, degree=4, information_exponent=4",
        "  second layer a    1",
        "  target weights b  2 values in 1 .. 3",
    ]


def test_a_solution_tells_how_its_neurons_ended() -> None:
    flow = hf.CorrelationFlow(hf.Orthonormal(k=1), hf.hermite(3))
    start = np.array([0.1, 0.2, 0.3, -0.1])[:, None]
    sol = hf.solve(flow, overlaps=start, events={"hit": hf.HittingTime(0.5)}, save_at=[0.0, 0.5])
    text = repr(sol)
    assert "3 converged, 1 no_escape" in text
    assert "3 index; 1 of 1 index vectors reached" in text
    hits = np.sort(sol.events["hit"])  # the lost neuron counts as infinite
    assert f"hit: in 75 %, median {hits[1]:.4g}, 5 % to 95 %: {hits[0]:.4g} .. inf" in text
    assert "2 times in 0 .. 0.5" in text
    assert "weights" not in text


def test_quantiles_count_lost_times_as_infinite() -> None:
    times = np.arange(1.0, 102.0)
    assert _display.quantiles(times) == "median 51, 5 % to 95 %: 6 .. 96"
    times[50:] = np.nan
    assert _display.quantiles(times) == "median inf, 5 % to 95 %: 6 .. inf"
    assert _display.quantiles(np.full(3, np.nan)) == "inf"


class Page(HTMLParser):
    """Tags, attributes and text of a page; complains about tags that do not close."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.styles: list[str] = []
        self.text = ""
        self.open: list[str] = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.open.append(tag)
        self.styles += [str(value) for name, value in attrs if name == "style"]
        assert {name for name, _ in attrs} <= {"style", "scope"}

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data + " "


@pytest.mark.parametrize("name", NAMES)
def test_html_says_the_same_and_stands_alone(name: str, objects: dict[str, Any]) -> None:
    shown = objects[name]
    page = Page(shown._repr_html_())
    assert page.open == []
    assert set(page.tags) == {"div", "strong", "table", "tr", "th", "td"}
    for style in page.styles:  # the colours are those of the page around
        assert not re.search(r"#|rgb|url|white(?!-space)|black|background: (?!none)", style)
    card = shown._card()
    words = " ".join(page.text.split())
    for label, value in card.rows:
        assert f"{label.replace('_', ' ')} {' '.join(value.split())}" in words
        assert re.sub(r"\s", "", value) in re.sub(r"\s", "", repr(shown))


def test_the_reader_of_pages_sees_an_injection(objects: dict[str, Any]) -> None:
    page = objects["nasty link"]._repr_html_()
    assert html.escape("<script>") in page
    assert "script" not in Page(page).tags
    assert "script" in Page(html.unescape(page).replace("&", "")).tags


def test_an_error_stays_on_one_line(objects: dict[str, Any]) -> None:
    with pytest.raises(TypeError) as caught:
        hf.solve(objects["solution"], overlaps=[[0.1]])
    assert "\n" not in str(caught.value)
    with pytest.raises(ValueError, match="degree must be at most 128") as beyond:
        hf.link(np.abs).coefficients(200)
    assert "\n" not in str(beyond.value)


def test_own_targets_are_shown_too() -> None:
    class Pair(hf.Orthonormal):
        pass

    assert repr(Pair(k=2)) == "Pair(k=2, rank=2, structure=identity)"
