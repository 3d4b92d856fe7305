"""The scripts of examples/ run as they stand and print what they promise."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).resolve().parents[2] / "examples"
#: What each must print, as a pattern.
PRINTS = {
    "search_time": r"relu without 1, 2 \(p\* = 4\) .* slope 1\.0\d, theory 1\.0",
    "nearest": r"h_4 +2000 of 2000 as foretold",
    "threshold": r"beta = 0\.\d+: 100\.0% of random starts end at the average \(\d+\.\d% to 100",
    "coverage": r"neurons find all with probability 0\.9[^$]*measured 0\.\d+, exact 0\.9",
    "sweep": r"k = 1: 0\.[45]\d+  0\.[45]\d+   theory 0\.5000",
}


def test_every_script_is_tested() -> None:
    assert sorted(path.stem for path in FOLDER.glob("*.py")) == sorted(PRINTS)


@pytest.mark.parametrize("name", PRINTS)
def test_an_example_runs(name: str, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "error", str(FOLDER / f"{name}.py")],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert re.search(PRINTS[name], done.stdout), done.stdout
    assert list(tmp_path.iterdir()) == []
