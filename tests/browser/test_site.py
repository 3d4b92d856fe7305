"""Every page of the documentation in headless Chromium: nothing makes a page scroll sideways.

Tables, code and formulas that are wider than the page must scroll inside themselves. The site is
built here, unless HERMITEFLOW_SITE names a folder where it lies.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from selenium import webdriver

DOCS = Path(__file__).resolve().parents[2] / "docs"
PHONE, DESKTOP = 390, 1400
#: Ends when MathJax has set all formulas, and wide.js has looked at them.
SETTLED = """
const done = arguments[0];
if (document.querySelector("script[src*=mathjax]")) {
  const wait = () => window.MathJax && MathJax.startup && MathJax.startup.promise
    ? MathJax.startup.promise.then(() => requestAnimationFrame(() => done()))
    : setTimeout(wait, 20);
  wait();
} else {
  done();
}
"""
#: What is beyond the window without a box of its own to scroll, and "page" if anything that holds
#: the whole article can be scrolled sideways.
BEYOND = """
const width = document.documentElement.clientWidth, found = [];
function scrolls(element) {
  for (let e = element; e && e.tagName !== "ARTICLE"; e = e.parentElement) {
    const overflow = getComputedStyle(e).overflowX;
    if ((overflow === "auto" || overflow === "scroll")
        && e.getBoundingClientRect().right <= width + 1) return true;
  }
  return false;
}
for (const e of document.querySelectorAll("article *")) {
  const box = e.getBoundingClientRect();
  if (box.width > 0 && box.right > width + 1 && !e.closest("mjx-assistive-mml") && !scrolls(e))
    found.push(e.tagName.toLowerCase());
}
for (let e = document.querySelector("article"); e; e = e.parentElement)
  if (["auto", "scroll"].includes(getComputedStyle(e).overflowX)
      && e.scrollWidth > e.clientWidth + 1) found.push("page");
if (document.documentElement.scrollWidth > window.innerWidth) found.push("page");
return found;
"""

Start = Callable[..., webdriver.Chrome]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    built = os.environ.get("HERMITEFLOW_SITE", "")
    if built:
        return Path(built)
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "sphinx", "-q", "-W", str(DOCS), str(folder)]
    subprocess.run(command, check=True)
    return folder


def pages(site: Path) -> list[Path]:
    return [p for p in sorted(site.rglob("*.html")) if "_static" not in p.relative_to(site).parts]


def resize(browser: webdriver.Chrome, width: int) -> None:
    """Set the width of the window; one of a desktop cannot be as narrow as a phone."""
    browser.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride",
        {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width == PHONE},
    )


def too_wide(browser: webdriver.Chrome, page: Path) -> list[str]:
    """Return what is wider than the window on a page, by its tag."""
    browser.get(page.as_uri())
    browser.set_script_timeout(60)
    browser.execute_async_script(SETTLED)
    return list(browser.execute_script(BEYOND))


@pytest.mark.parametrize("width", [PHONE, DESKTOP])
def test_no_page_scrolls_sideways(start: Start, site: Path, width: int) -> None:
    browser = start()
    resize(browser, width)
    found = {page.name: too_wide(browser, page) for page in pages(site)}
    assert len(found) > 20
    assert {name: tags for name, tags in found.items() if tags} == {}


@pytest.mark.parametrize(
    ("planted", "tag"),
    [
        ('<div style="width: 2000px">wide</div>', "div"),
        (f'<p style="white-space: nowrap">{"wide " * 300}</p>', "page"),
        (f"<table><tr><td>{'wide' * 300}</td></tr></table>", "table"),
        (f'<span class="math" style="white-space: nowrap">{"wide " * 300}</span>', "span"),
    ],
)
@pytest.mark.parametrize("width", [PHONE, DESKTOP])
def test_a_planted_width_is_seen(
    start: Start, site: Path, tmp_path: Path, width: int, planted: str, tag: str
) -> None:
    """The twin, on a page without the package's own styles and scripts."""
    copy = tmp_path / "site"
    copy.mkdir()
    shutil.copytree(site / "_static", copy / "_static")
    text = (site / "cite.html").read_text(encoding="utf-8")
    for name in ("narrow.css", "wide.js"):
        assert name in text
        (copy / "_static" / name).write_text("")
    (copy / "cite.html").write_text(text.replace("</h1>", f"</h1>{planted}", 1), encoding="utf-8")
    browser = start()
    resize(browser, width)
    assert tag in too_wide(browser, copy / "cite.html")


def test_without_the_styles_pages_are_too_wide(start: Start, site: Path, tmp_path: Path) -> None:
    """Why narrow.css and wide.js are there."""
    copy = tmp_path / "site"
    shutil.copytree(site, copy)
    for name in ("narrow.css", "wide.js"):
        (copy / "_static" / name).write_text("")
    browser = start()
    resize(browser, PHONE)
    assert {"span", "page"} <= set(too_wide(browser, copy / "mathematics.html"))
    assert "table" in too_wide(browser, copy / "genindex.html")
