"""Headless Chromium for the tests of this folder."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from selenium import webdriver

Start = Callable[..., webdriver.Chrome]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Start browsers, each with a new profile; close them at the end."""
    running: list[webdriver.Chrome] = []

    def run(*, width: int = 1280, scripts: bool = True) -> webdriver.Chrome:
        chromium, driver = shutil.which("chromium"), shutil.which("chromedriver")
        assert chromium, "chromium is not on the PATH: apt install chromium"
        assert driver, "chromedriver is not on the PATH: apt install chromium-driver"
        options = webdriver.ChromeOptions()
        options.binary_location = chromium
        for flag in (
            "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
            "--disable-background-networking", "--disable-component-update", "--disable-sync",
            "--disable-dev-shm-usage", f"--window-size={width},1000",
            f"--user-data-dir={tmp_path / f'profile{len(running)}'}",
        ):  # fmt: skip
            options.add_argument(flag)
        if not scripts:
            blocked = {"profile.managed_default_content_settings.javascript": 2}
            options.add_experimental_option("prefs", blocked)
        options.set_capability("goog:loggingPrefs", {"performance": "ALL", "browser": "ALL"})
        browser = webdriver.Chrome(options=options, service=webdriver.ChromeService(driver))
        running.append(browser)
        return browser

    yield run
    for browser in running:
        browser.quit()
