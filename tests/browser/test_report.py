"""The report in headless Chromium: drawn, zoomed, hovered, and no request to any other host.

Needs chromium and chromedriver on the PATH; `nox -s browser` and CI run it.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from selenium import webdriver
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

from hermiteflow import _interactive, claims, report
from hermiteflow._figures import claim_figure

#: What the bar above a figure may offer; plotly.js has one more that sends the data away.
BUTTONS = ["Download plot", "Zoom", "Pan", "Zoom in", "Zoom out", "Reset axes"]
SMALL: dict[str, dict[str, Any]] = {
    "search_time": {"n": 200, "d": (1e2, 1e6, 1e8), "replicates": 200},
    "nearest": {"n": 500},
    "coverage": {"k": (5, 10), "batches": 40},
    "threshold": {"n": 50, "positions": (0.5, 1.03, 1.5, 2.05)},
    "between": {"n": 50},
    "diagram_p3": {"k": 4, "betas": 7},
    "phase_diagram": {"k": 3, "ratios": (1.0, 2.0), "positions": (0.5, 2.5), "batches": 2},
    "diagram_p4": {"k": 3, "betas": 7},
    "nearly_orthogonal": {"k": (5,), "batches": 40},
    "equiangular_p3": {"batches": 40},
    "equiangular_p4": {"batches": 40},
}


@pytest.fixture(scope="module")
def found() -> list[claims.Claim]:
    """All claims on small samples: what they find does not matter here."""
    with pytest.MonkeyPatch.context() as patch:
        plan = claims.plan(quick=True)
        for part in plan.values():
            for name, config in part.items():
                part[name] = dataclasses.replace(config, **SMALL.get(name, {}))
        patch.setattr(claims, "plan", lambda *, quick: plan)
        return [claims.run_claim(key, quick=True, seed=0) for key in claims.CLAIMS]


@pytest.fixture(scope="module")
def written(found: list[claims.Claim], tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("report")
    report.write(found, out, command="hermiteflow reproduce", seed=0)
    return out / "report.html"


Start = Callable[..., webdriver.Chrome]


def load(browser: webdriver.Chrome, page: Path) -> None:
    browser.get(page.as_uri())
    WebDriverWait(browser, 30).until(
        lambda b: b.execute_script(
            "return [...document.querySelectorAll('.panel')].every(x => x._fullLayout)"
        )
    )


def requests(browser: webdriver.Chrome, page: Path) -> list[str]:
    """Every address that a page asked for, itself first, but for what stands in it."""
    out = []
    for entry in browser.get_log("performance"):
        message = json.loads(entry["message"])["message"]
        parameters = message["params"]
        if message["method"] != "Network.requestWillBeSent":
            continue
        if parameters["documentURL"] == page.as_uri():  # and not of the browser's own first page
            out.append(parameters["request"]["url"])
    return [url for url in out if not url.startswith(("data:", "blob:"))]


def panel(browser: webdriver.Chrome, name: str) -> Any:
    box = browser.find_element(By.ID, f"panel-{name}")
    browser.execute_script("arguments[0].scrollIntoView({block: 'center'})", box)
    return box


def test_nothing_is_asked_of_any_host(start: Start, written: Path) -> None:
    browser = start()
    load(browser, written)
    assert requests(browser, written) == [written.as_uri()]
    assert browser.get_log("browser") == []


def test_such_a_request_would_be_seen(start: Start, written: Path, tmp_path: Path) -> None:
    """The twin: a picture from elsewhere is asked for, or is stopped by the page's own policy."""
    address = "http://127.0.0.1:9/picture.png"
    text = written.read_text().replace("<h1>", f'<img src="{address}"><h1>', 1)
    stopped, asked = tmp_path / "stopped.html", tmp_path / "asked.html"
    stopped.write_text(text)
    asked.write_text(text.replace("Content-Security-Policy", "x-nothing", 1))
    browser = start()
    load(browser, stopped)
    assert any(
        "Content Security Policy" in entry["message"] for entry in browser.get_log("browser")
    )
    load(browser, asked)
    assert requests(browser, asked) == [asked.as_uri(), address]


def test_every_panel_shows_what_the_figure_shows(
    start: Start, written: Path, found: list[claims.Claim]
) -> None:
    browser = start()
    load(browser, written)
    boxes = browser.find_elements(By.CSS_SELECTOR, ".panel")
    expected = {
        f"panel-{claim.key}{i}": part
        for claim in found
        for i, part in enumerate(_interactive.panels(claim_figure(claim).axes))
    }
    assert {box.get_attribute("id") for box in boxes} == set(expected)
    for box in boxes:
        part = expected[str(box.get_attribute("id"))]
        kept = [t for t in part["data"] if t["type"] == "scatter" and t["x"] != [None]]
        drawn = box.find_elements(By.CSS_SELECTOR, ".scatterlayer .trace")
        assert len(drawn) >= len(kept) > 0 or part["data"][0]["type"] == "bar"
        assert box.size["width"] > 300
        names = {t["name"] for t in part["data"] if t.get("showlegend")}
        assert len(box.find_elements(By.CSS_SELECTOR, ".legend .traces")) == len(names)
        titles = [b.get_attribute("data-title") for b in
                  box.find_elements(By.CSS_SELECTOR, ".modebar-btn")]  # fmt: skip
        assert titles == BUTTONS


def test_dragging_zooms_and_a_double_click_goes_back(start: Start, written: Path) -> None:
    browser = start()
    load(browser, written)
    box = panel(browser, "a0")
    limits = "return document.getElementById('panel-a0')._fullLayout.xaxis.range.slice()"
    before = browser.execute_script(limits)
    area = box.find_element(By.CSS_SELECTOR, ".nsewdrag")
    drag = ActionChains(browser).move_to_element_with_offset(area, -80, -60).click_and_hold()
    drag.move_by_offset(150, 100).release().perform()
    WebDriverWait(browser, 10).until(lambda b: b.execute_script(limits) != before)
    low, high = browser.execute_script(limits)
    assert before[0] < low < high < before[1]
    ActionChains(browser).move_to_element(area).double_click().perform()
    WebDriverWait(browser, 10).until(lambda b: b.execute_script(limits) == before)


def test_the_pointer_tells_the_numbers(
    start: Start, written: Path, found: list[claims.Claim]
) -> None:
    browser = start()
    load(browser, written)
    box = panel(browser, "c0")
    point = box.find_elements(By.CSS_SELECTOR, ".scatterlayer .point")[0]
    ActionChains(browser).move_to_element(point).perform()
    text = WebDriverWait(browser, 10).until(
        lambda _: "".join(t.text for t in box.find_elements(By.CSS_SELECTOR, ".hovertext"))
    )
    ds = found[2].datasets["coverage"].isel(link=0, targets=0)
    shares = {f"[{low:.6g}, {high:.6g}]" for _, low, high in
              ds.probability.values.reshape(-1, 3)}  # fmt: skip
    assert any(share in text for share in shares), (text, shares)
    assert "k=" in text.replace(" ", "")


def test_a_click_in_the_legend_hides(start: Start, written: Path) -> None:
    browser = start()
    load(browser, written)
    box = panel(browser, "c0")
    visible = """return document.getElementById('panel-c0')._fullData
                 .filter(t => t.visible === true).length"""
    before = browser.execute_script(visible)
    ActionChains(browser).click(box.find_element(By.CSS_SELECTOR, ".legendtoggle")).perform()
    WebDriverWait(browser, 10).until(lambda b: b.execute_script(visible) == before - 1)


def test_without_scripts_the_vector_figures_show(start: Start, written: Path) -> None:
    browser = start(scripts=False)
    browser.get(written.as_uri())
    images = browser.find_elements(By.CSS_SELECTOR, "noscript img")
    assert len(images) == len(claims.CLAIMS)
    assert all(image.size["height"] > 100 for image in images)


def test_a_phone_has_no_sideways_scrolling(start: Start, written: Path) -> None:
    browser = start(width=500)
    load(browser, written)
    widths = "return [document.documentElement.scrollWidth, window.innerWidth]"
    page, window = browser.execute_script(widths)
    assert page <= window
