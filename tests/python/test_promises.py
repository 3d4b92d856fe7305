"""What docs/cite promises: streams of seeds, one version everywhere, no old deprecation."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

import numpy as np
import pytest

import hermiteflow as hf

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = Path(hf.__file__).resolve().parent


def digest(array: np.ndarray) -> str:
    return hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest()[:16]


# ------------------------------------------------------------------ streams of seeds


def test_the_package_draws_the_same_bits_as_ever(isa: str) -> None:
    targets = hf.Orthonormal(k=3)
    m0 = hf.random_overlaps(targets, n=100, d=10**6, seed=0)
    assert digest(m0) == "e3e46db63cf04799"
    assert digest(hf.random_weights(n=10, d=50, seed=0)) == "4ef5a2f6118c7a68"
    assert digest(hf.random_overlaps(targets, n=100, d=10**6, seed=1)) != digest(m0)


#: M, and what is off the diagonals of Q and G.
DRAWN = np.array(
    [
        -0.07368545188448496,
        -0.02920629271863767,
        0.10554392899659312,
        0.07718067043458512,
        -0.0024255120934026163,
        -0.303344084469524,
    ]
)


def test_draws_with_linear_algebra_are_as_ever_within_rounding() -> None:
    M, Q = hf.random_order_parameters(hf.Orthonormal(k=2), n=2, d=100, seed=0)
    G = hf.random_index_vectors(k=2, d=4, seed=0).gram
    found = np.array([*M.ravel(), Q[0, 1], G[0, 1]])
    assert np.allclose(found, DRAWN, rtol=0, atol=1e-14)
    assert not np.allclose(np.roll(found, 1), DRAWN, rtol=0, atol=1e-14)


# ------------------------------------------------------------------ versions


def test_one_version_everywhere() -> None:
    cite = (ROOT / "docs" / "cite.md").read_text(encoding="utf-8")
    versions = {"docs/cite.md": re.findall(r"version = {([^}]*)}", cite)}
    for name, pattern in (
        ("CITATION.cff", r"^version: (\S+)"),
        ("pyproject.toml", r'^version = "([^"]*)"'),
    ):
        file = ROOT / name
        if file.is_file():  # not where an installed wheel is tested
            versions[name] = re.findall(pattern, file.read_text(), re.MULTILINE)
    assert versions == {name: [hf.__version__] for name in versions}


# ------------------------------------------------------------------ deprecations


def overdue(sources: dict[str, str], version: str) -> list[str]:
    """Deprecations without a version, and those that have warned for a minor release."""
    major, minor = (int(part) for part in version.split(".")[:2])
    found = []
    for name, text in sources.items():
        since = re.findall(r"deprecated since (\d+)\.(\d+)", text)
        if text.count("DeprecationWarning") > len(since):
            found.append(f"{name}: a DeprecationWarning does not say since when")
        found += [
            f"{name}: deprecated since {a}.{b}, is to go"
            for a, b in since
            if (int(a), int(b)) < (major, minor - 1)
        ]
    return found


def test_no_deprecation_is_older_than_a_minor_release() -> None:
    sources = {p.name: p.read_text(encoding="utf-8") for p in sorted(PACKAGE.rglob("*.py"))}
    assert len(sources) > 50
    assert overdue(sources, hf.__version__) == []


@pytest.mark.parametrize(
    ("text", "version", "faults"),
    [
        ('warn("deprecated since 0.3; use solve", DeprecationWarning)', "0.3.2", 0),
        ('warn("deprecated since 0.3; use solve", DeprecationWarning)', "0.4.0", 0),
        ('warn("deprecated since 0.3; use solve", DeprecationWarning)', "0.5.0", 1),
        ('warn("deprecated since 0.3; use solve", DeprecationWarning)', "1.0.0", 1),
        ('warn("will go; use solve", DeprecationWarning)', "0.3.0", 1),
    ],
)
def test_an_old_deprecation_is_found(text: str, version: str, faults: int) -> None:
    assert len(overdue({"module.py": text}, version)) == faults
