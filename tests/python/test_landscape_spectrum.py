"""Loss, residual and spectra of points with groups of equal overlaps, against plain matrices."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

import hermiteflow as hf
from hermiteflow.landscape._problem import Problem
from hermiteflow.landscape._spectrum import Spectrum, spectra

Array = NDArray[np.float64]

PSI = np.array([0.2, -0.3, 0.8, 0.5, -0.4])
#: k, beta, sizes of groups; those of other length are filled up with zeros.
CASES = [
    (5, 0.2, (1, 4)),
    (5, -0.15, (2, 2, 1)),
    (5, 0.0, (5,)),
    (3, 0.3, (1, 1, 1)),
    (2, -0.6, (1, 1)),
]


def unit_point(k: int, beta: float, sizes: tuple[int, ...], seed: int) -> Array:
    """Overlaps (r,) of a random unit vector of span(V) with equal ones in each group."""
    u = np.random.default_rng(seed).uniform(-1.0, 1.0, len(sizes))
    m = np.repeat(u, sizes)
    gram = (1.0 - beta) * np.eye(k) + beta
    return u / np.sqrt(m @ np.linalg.solve(gram, m))


def by_matrices(k: int, beta: float, m: Array) -> tuple[float, float, float, Array]:
    """Loss, lambda, residual and the Hessian's eigenvalues in span(V), from (2), (4) and (11)."""
    slope = np.polynomial.polynomial.polyder(PSI)
    g = np.polynomial.polynomial.polyval(m, slope)
    bend = np.polynomial.polynomial.polyval(m, np.polynomial.polynomial.polyder(slope))
    gram = (1.0 - beta) * np.eye(k) + beta
    vectors = np.linalg.cholesky(gram)  # rows are the index vectors
    w = np.linalg.solve(vectors, m)
    basis = np.linalg.svd(w[None])[2][1:]
    hessian = (m @ g) * np.eye(k) - vectors.T @ np.diag(bend) @ vectors
    force = gram @ g - (m @ g) * m
    plain = np.polynomial.polynomial.polyval(np.abs(m), np.abs(slope))
    terms = ((1.0 - beta) * np.eye(k) + abs(beta)) @ plain
    return (
        -float(np.sum(np.polynomial.polynomial.polyval(m, PSI))),
        float(m @ g),
        float(np.linalg.norm(force) / np.linalg.norm(terms)),
        np.linalg.eigvalsh(basis @ hessian @ basis.T),
    )


def listed(spectrum: Spectrum, row: int) -> Array:
    return np.sort(np.repeat(spectrum.eigenvalues[row], spectrum.counts[row]))


@pytest.mark.parametrize(("k", "beta", "sizes"), CASES)
@pytest.mark.parametrize("pad", [0, 2])
def test_spectra_are_those_of_plain_matrices(
    k: int, beta: float, sizes: tuple[int, ...], pad: int
) -> None:
    points = [unit_point(k, beta, sizes, seed) for seed in range(4)]
    values = np.array([[*u, *[0.3] * pad] for u in points])  # what is not there does not count
    groups = np.array([[*sizes, *[0] * pad]] * 4)
    found = spectra(Problem(PSI, k, beta), values, groups)
    assert np.all(np.sum(found.counts, axis=1) == k - 1)
    # no digit depends on the unit of the loss
    small = spectra(Problem(2.0**-40 * PSI, k, beta), values, groups)
    np.testing.assert_array_equal(2.0**40 * small.eigenvalues, found.eigenvalues)
    np.testing.assert_array_equal(small.kinds(outside=True)[0], found.kinds(outside=True)[0])

    def check(row: int, factor: float) -> None:
        m = factor * np.repeat(points[row], sizes)
        loss, along, residual, eigenvalues = by_matrices(k, beta, m)
        assert found.loss[row] == pytest.approx(loss, rel=1e-13)
        assert found.outside[row] == pytest.approx(along, rel=1e-13)
        assert found.residual[row] == pytest.approx(residual, rel=1e-12, abs=1e-15)
        np.testing.assert_allclose(listed(found, row), eigenvalues, rtol=1e-12, atol=1e-13)
        slope = np.polynomial.polynomial.polyder(PSI, 2)
        bends = np.abs(np.polynomial.polynomial.polyval(m, slope))
        assert found.scale[row] == pytest.approx(max(abs(along), *bends), rel=1e-13)

    for row in range(4):
        check(row, 1.0)
        with pytest.raises(AssertionError):  # the mirror image
            check(row, -1.0)


def test_no_points_at_all() -> None:
    found = spectra(Problem(PSI, 4, 0.1), np.zeros((0, 2)), np.zeros((0, 2), dtype=np.int64))
    assert found.loss.shape == found.residual.shape == (0,)
    kind, index = found.kinds(outside=True)
    assert kind.shape == index.shape == (0,)


def test_nothing_moves_where_psi_vanishes() -> None:
    """No direction bends, and neither size nor residual is divided by zero."""
    for psi in (np.array([0.0, 0.0, 0.0, 1.0]), np.array([0.0, 0.0, 1.0, 0.0])):
        found = spectra(Problem(0.0 * psi, 3, 0.0), np.array([[0.6, 0.8]]), np.array([[1, 1]]))
        assert found.residual.tolist() == [0.0]
        assert np.all(found.scale > 0.0)
        assert found.kinds(outside=True)[0].tolist() == ["degenerate"]


KINDS = [
    ((2.0, 1.0), (1, 2), 1.0, "minimum", "minimum", 0),
    ((2.0, 1.0), (1, 2), -1.0, "minimum", "saddle", 0),
    ((-2.0, 1.0), (3, 2), 1.0, "saddle", "saddle", 3),
    ((-2.0, -1.0), (3, 2), -1.0, "maximum", "maximum", 5),
    ((-2.0, -1.0), (3, 2), 1.0, "maximum", "saddle", 5),
    ((-2.0, 1.0), (0, 2), 1.0, "minimum", "minimum", 0),  # the first does not exist
    ((-2.0, 1.0), (2, 0), -1.0, "maximum", "maximum", 2),
    ((1.9e-9, 1.0), (1, 2), 1.0, "degenerate", "degenerate", 0),  # below 1e-9 of the scale, 2
    ((-1.9e-9, 1.0), (1, 2), 1.0, "degenerate", "degenerate", 0),
    ((2.1e-9, 1.0), (1, 2), 1.0, "minimum", "minimum", 0),
    ((-2.1e-9, 1.0), (4, 2), 1.0, "saddle", "saddle", 4),
    ((-2.1e-9, -1.0), (4, 2), 0.0, "maximum", "degenerate", 6),
    ((2.0, 0.0), (0, 0), 1.0, "minimum", "minimum", 0),  # k = 1: no direction in span(V)
    ((2.0, 0.0), (0, 0), -1.0, "minimum", "maximum", 0),
]


@pytest.mark.parametrize(("values", "counts", "out", "inside", "whole", "index"), KINDS)
def test_kinds_by_signs(
    values: tuple[float, ...],
    counts: tuple[int, ...],
    out: float,
    inside: str,
    whole: str,
    index: int,
) -> None:
    zero = np.zeros(1)
    found = Spectrum(
        zero, np.array([out]), zero, np.array([values]), np.array([counts]), np.array([2.0])
    )
    for outside, kind in ((True, whole), (False, inside)):
        if not outside and not any(counts):
            continue  # a sphere of no dimension
        kinds, morse = found.kinds(outside=outside)
        assert (kinds.tolist(), morse.tolist()) == ([kind], [index])


def test_eigenvalues_of_a_small_link() -> None:
    """1e-6 h_3 has the landscape of h_3, 1e-12 times as high."""
    targets, link = hf.Equiangular(k=5, beta=0.05), hf.hermite(3)
    plain, small = (
        hf.fixed_points(hf.CorrelationFlow(targets, size * link)) for size in (1.0, 1e-6)
    )
    assert list(small.kind) == list(plain.kind)
    for one, other in zip(plain, small, strict=True):
        assert [c for _, c in other.eigenvalues] == [c for _, c in one.eigenvalues]
        found = [1e12 * v for v, _ in other.eigenvalues]
        np.testing.assert_allclose(found, [v for v, _ in one.eigenvalues], rtol=1e-12, atol=1e-12)
