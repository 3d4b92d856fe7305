"""The same problem in other packages: the scripts of docs/coming_from agree with (7)."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import hermiteflow as hf

DOCS = Path(__file__).resolve().parents[2] / "docs"
FOLDER = DOCS / "coming_from"
#: What each script needs, the error it may make, and faults: text and what stands in its place.
SCRIPTS = {
    "numpy_rk4": ("numpy", 1e-5, ("3.0 * m * m", "k1 + 2 * k2")),
    "scipy_solve_ivp": ("scipy", 1e-8, ("3.0 * m * m", "g - (m @ g) * m")),
    "jax_diffrax": ("diffrax", 1e-7, ("3.0 * m * m", "g - jnp.dot(m, g) * m")),
    "with_hermiteflow": ("hermiteflow", 1e-8, ("hf.hermite(3)",)),
}
FAULTS = {
    "3.0 * m * m": "3.001 * m * m",
    "k1 + 2 * k2": "k1 + 2.01 * k2",
    "g - (m @ g) * m": "g",
    "g - jnp.dot(m, g) * m": "g",
    "hf.hermite(3)": "hf.hermite({3: 1.001})",
}
#: diffrax comes with the extra `bench`, whose session in noxfile.py runs this file.
HERE = [name for name, (needs, _, _) in SCRIPTS.items() if importlib.util.find_spec(needs)]


def times_printed(script: Path) -> np.ndarray:
    done = subprocess.run(
        [sys.executable, "-W", "error", str(script)], capture_output=True, text=True, check=True
    )
    return np.array([float(word) for word in done.stdout.strip("[] \n").split()])


def exact_times() -> np.ndarray:
    W = np.random.default_rng(0).standard_normal((8, 1000))
    W /= np.linalg.norm(W, axis=1, keepdims=True)
    return np.array([hf.exact.orthonormal_hitting_time(3, 1.0, m, 0.5) for m in W[:, :4]])


def agrees(found: np.ndarray, error: float) -> bool:
    """Within the error, and NaN where the time is infinite."""
    exact = exact_times()
    hit = np.isfinite(exact)
    if found.shape != exact.shape or np.any(np.isfinite(found) != hit):
        return False
    return bool(np.all(np.abs(found[hit] / exact[hit] - 1.0) < error))


def test_one_neuron_is_trapped() -> None:
    assert np.count_nonzero(np.isinf(exact_times())) == 1


@pytest.mark.parametrize("name", HERE)
def test_a_script_finds_the_exact_times(name: str) -> None:
    assert agrees(times_printed(FOLDER / f"{name}.py"), SCRIPTS[name][1])


@pytest.mark.parametrize(("name", "text"), [(n, text) for n in HERE for text in SCRIPTS[n][2]])
def test_a_planted_fault_is_found(name: str, text: str, tmp_path: Path) -> None:
    source = (FOLDER / f"{name}.py").read_text()
    assert source.count(text) == 1
    planted = tmp_path / f"{name}.py"
    planted.write_text(source.replace(text, FAULTS[text]))
    assert not agrees(times_printed(planted), SCRIPTS[name][1])


def test_the_page_shows_every_script() -> None:
    text = (DOCS / "coming_from.md").read_text(encoding="utf-8")
    shown = re.findall(r"{literalinclude} coming_from/(\w+)\.py", text)
    assert sorted(shown) == sorted(SCRIPTS) == sorted(path.stem for path in FOLDER.glob("*.py"))


def cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip().strip("|").split("|")]


def strangers(page: str, measured: str) -> list[str]:
    """Rows of a page's table of times that the tables of the benchmarks do not have."""
    rows = {tuple(cells(line)) for line in measured.splitlines() if line.startswith("|")}
    machine = measured.split("<!-- begin: machine -->")[1].split(";", maxsplit=1)[0].strip()
    found = [] if machine in page else ["the machine"]
    quoted = page.split("<!-- begin: quoted -->")[1].split("<!-- end: quoted -->", maxsplit=1)[0]
    for line in quoted.strip().splitlines()[2:]:
        case, peer, ours, theirs, ratio, error, error_theirs = cells(line)
        wanted = (case, peer, ours, theirs, ratio)
        if not any(
            row[:5] == wanted and row[-2:] == (error, error_theirs) for row in rows if len(row) == 9
        ):
            found.append(line)
    return found


def test_quoted_times_are_those_of_the_benchmarks() -> None:
    page = (DOCS / "coming_from.md").read_text(encoding="utf-8")
    measured = (DOCS / "performance.md").read_text(encoding="utf-8")
    assert strangers(page, measured) == []
    changed = re.sub(r"(\d) ms", r"\g<1>9 ms", page, count=1)
    assert len(strangers(changed, measured)) == 1
    assert strangers(page.replace("Intel", "Other"), measured) == ["the machine"]
