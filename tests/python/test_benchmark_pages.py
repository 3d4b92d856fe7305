"""Pages and figures that the benchmarks write."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from benchmarks import figures, tables  # noqa: E402


def test_a_page_without_markers_is_refused(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("no markers")
    with pytest.raises(ValueError, match="begin: engine"):
        tables.write(page, {"engine": [], "machine": None, "cases": {}} | {"engine": [ROW]})


ROW = {
    "p": 3, "d": 100, "k": 20, "n": 1, "method": "tsit5", "steps": 1.0, "rejected": 0.0,
    "microseconds": 1.0, "best": 1.0, "error": 1e-9, "success": True,
}  # fmt: skip


def test_figures_need_results(tmp_path: Path) -> None:
    assert figures.draw({"cases": {}}, tmp_path) == []


def test_the_page_of_the_documentation_has_every_marker() -> None:
    text = (ROOT / "docs" / "performance.md").read_text()
    for name in tables.BLOCKS:
        assert text.count(f"<!-- begin: {name} -->") == 1
        assert text.count(f"<!-- end: {name} -->") == 1
