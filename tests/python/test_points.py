"""Fixed points found by search, and kinds of single ones, against lists and differences."""

from __future__ import annotations

import math
import re

import numpy as np
import pytest
from oracles import Array

import hermiteflow as hf

LINKS = {
    "h3": hf.hermite(3),
    "h4": hf.hermite(4),
    "h3 + h4 / 2": hf.hermite({3: 1.0, 4: 0.5}),
    "h2 + h3": hf.hermite({2: 1.0, 3: 1.0}),
    "erf": hf.link("erf").without(1),
}


@pytest.mark.parametrize("name", LINKS)
@pytest.mark.parametrize("beta", [0.0, 0.1, -0.2])
def test_a_search_finds_all_that_are_listed(name: str, beta: float) -> None:
    k = 3
    targets = hf.Equiangular(k=k, beta=beta) if beta else hf.Orthonormal(k=k)
    flow = hf.CorrelationFlow(targets, LINKS[name])
    listed, found = hf.fixed_points(flow), hf.find_fixed_points(flow, n_starts=200)
    assert len(found) == listed.total
    assert not found.surely_incomplete
    kinds = {kind: sum(o.count for o in listed if o.kind == kind) for kind in set(listed.kind)}
    for kind, count in kinds.items():
        assert sum(point.kind == kind for point in found) == count
    losses = np.sort(np.concatenate([np.full(o.count, o.loss) for o in listed]))
    np.testing.assert_allclose([point.loss for point in found], losses, atol=1e-12)
    assert max(point.residual for point in found) <= 1e-14
    # the list itself obeys Morse's theorem, and would not without one orbit
    signs = [o.count * (-1) ** o.morse_index for o in listed]
    assert sum(signs) == 2
    assert all(sum(signs) - sign != 2 for sign in signs)


def test_relu_has_the_landscape_of_an_even_degree() -> None:
    flow = hf.CorrelationFlow(hf.Orthonormal(k=4), hf.link("relu").without(1))
    found = hf.find_fixed_points(flow, n_starts=300)
    assert len(found) == 3**4 - 1
    assert not found.surely_incomplete
    for size in range(1, 5):
        group = [p for p in found if np.sum(np.abs(p.overlaps) > 0.1) == size]
        assert len(group) == math.comb(4, size) * 2**size
        assert {p.morse_index for p in group} == {size - 1}
        psi = (math.sqrt(1 - 1 / size) + math.asin(size**-0.5) / size**0.5) / (2 * math.pi)
        rest = (4 - size) / (2 * math.pi)
        assert group[0].loss == pytest.approx(-size * psi - rest, rel=1e-12)
    text = repr(found)
    assert text.startswith("80 fixed points found from 334 starts; the list may be incomplete")
    assert "minimum      8  -0.727465      0" in text
    assert "residuals up to" in text


def test_a_gap_in_the_list_is_seen() -> None:
    flow = hf.CorrelationFlow(hf.random_index_vectors(k=5, d=8, seed=1), hf.hermite(3))
    found = hf.find_fixed_points(flow)
    assert found.alternating_sum == 2
    for row in range(len(found)):
        rest = tuple(p for i, p in enumerate(found) if i != row)
        cut = hf.FoundPoints(rest, found.starts, 0, found.rank)
        assert cut.surely_incomplete
        assert "the list is incomplete" in repr(cut)


def shown_ends(gram: Array, link: hf.Link) -> list[str]:
    """The overlaps in the table, row by row, of the minima."""
    found = hf.find_fixed_points(hf.CorrelationFlow(hf.IndexVectors(gram=gram), link))
    lines = repr(found).splitlines()
    assert max(map(len, lines)) <= 88  # as wide as four overlaps without places
    column = lines[1].index("index vector: overlap")
    return [line[column:] for line in lines if line.strip().startswith("minimum")]


def test_the_table_tells_which_index_vectors_overlap() -> None:
    gram = np.eye(5)
    gram[2, 3] = gram[3, 2] = 0.33
    link = hf.hermite({2: 0.5, 3: 1.0, 5: -0.2})
    rows = shown_ends(gram, link)
    assert rows[0] == "2: 0.8155, 3: 0.8155, 0: 0, ..."
    assert sorted(rows[1:]) == [
        "0: 1, 1: 0, 2: 0, ...",
        "1: 1, 0: 0, 2: 0, ...",
        "4: 1, 0: 0, 1: 0, ...",
    ]
    # planted: other index vectors lean together, which sorted overlaps do not tell
    other = [3, 1, 2, 0, 4]
    assert shown_ends(gram[np.ix_(other, other)], link)[0] == "0: 0.8155, 2: 0.8155, 1: 0, ..."
    # a point and its opposite are one row, two points at different index vectors are not
    text = repr(
        hf.find_fixed_points(
            hf.CorrelationFlow(hf.IndexVectors(gram=gram[1:4, 1:4]), hf.hermite(4))
        )
    )
    assert "minimum      2         -1      0        4  0: 1, 1: 0, 2: 0\n" in text
    assert "minimum      2   -1.01516      0    4.061  1: 0.9988, 2: 0.3764, 0: 0\n" in text
    assert "minimum      2   -1.01516      0    4.061  2: 0.9988, 1: 0.3764, 0: 0\n" in text


def test_weights_tell_index_vectors_apart() -> None:
    def table(flow: hf.CorrelationFlow) -> list[str]:
        return [" ".join(line.split()) for line in repr(hf.find_fixed_points(flow)).splitlines()]

    orthonormal, link = hf.Orthonormal(k=2), hf.hermite(4)
    assert table(hf.CorrelationFlow(orthonormal, link))[2] == "minimum 4 -1 0 4 1, 0"
    apart = hf.CorrelationFlow(orthonormal, link, target_weights=[1.0, 2.0])
    assert table(apart)[2:4] == ["minimum 2 -2 0 8 1: 1, 0: 0", "minimum 2 -1 0 4 0: 1, 1: 0"]
    point = hf.classify(apart, [0.0, 1.0])
    assert "largest overlap 1 with index vector 1, " in repr(point)


def on_sphere(flow: hf.CorrelationFlow, overlaps: Array) -> tuple[Array, Array]:
    """A unit vector of span(V) with these overlaps, and the factor L of G."""
    factor = np.linalg.cholesky(flow.targets.gram)
    return np.linalg.solve(factor, overlaps), factor


def refusal(flow: hf.CorrelationFlow, overlaps: Array) -> str:
    try:
        hf.classify(flow, overlaps)
    except ValueError as error:
        return str(error)
    return ""


@pytest.mark.parametrize("p", [3, 4])
def test_points_of_a_random_gram_matrix_by_differences(p: int) -> None:
    """Gradient, Hessian and index of each point, from the loss on the sphere alone."""
    flow = hf.CorrelationFlow(hf.random_index_vectors(k=4, d=7, seed=2), hf.hermite(p))
    found = hf.find_fixed_points(flow)
    assert len(found) >= 8
    rng = np.random.default_rng(0)

    def loss(w: Array, factor: Array) -> float:
        return -float(np.sum((factor @ w) ** p))

    for point in found:
        w, factor = on_sphere(flow, point.overlaps)
        assert np.linalg.norm(w) == pytest.approx(1.0, abs=1e-12)
        assert point.loss == pytest.approx(loss(w, factor), abs=1e-12)
        basis = np.linalg.svd(w[None])[2][1:]  # tangent space

        def along(x: Array, w: Array = w, basis: Array = basis, factor: Array = factor) -> float:
            z = x @ basis
            size = float(np.linalg.norm(z))
            moved = w if size == 0.0 else math.cos(size) * w + math.sin(size) * z / size
            return loss(moved, factor)

        h, eye = 1e-3, np.eye(3)
        slope = [(along(h * e) - along(-h * e)) / (2 * h) for e in eye]
        np.testing.assert_allclose(slope, 0.0, atol=1e-4)
        bend = np.array(
            [
                [
                    (
                        along(h * (a + b))
                        - along(h * (a - b))
                        - along(h * (b - a))
                        + along(-h * (a + b))
                    )
                    / (4 * h * h)
                    for b in eye
                ]
                for a in eye
            ]
        )
        values = np.linalg.eigvalsh(bend)
        np.testing.assert_allclose(point.hessian.eigenvalues, values, atol=2e-3)
        assert point.morse_index == int(np.sum(values < 0.0))
        assert point.outside_eigenvalue == pytest.approx(-p * point.loss, rel=1e-12)
        with pytest.raises(AssertionError):
            np.testing.assert_allclose(point.hessian.eigenvalues, -values, atol=2e-3)
        # a point moved by 1e-3 comes back; one far from any does not
        back = hf.classify(flow, factor @ (w + 1e-3 * basis[0]) / math.sqrt(1 + 1e-6))
        np.testing.assert_allclose(back.overlaps, point.overlaps, atol=1e-9)
    start = rng.standard_normal((100, 4))
    start /= np.linalg.norm(start, axis=1)[:, None]
    messages = [refusal(flow, factor @ row) for row in start]
    assert sum(map(bool, messages)) > 10
    assert all(re.search(r"residual of .* at a distance of", m) for m in messages if m)


def test_every_end_of_the_flow_is_in_the_list() -> None:
    targets = hf.random_index_vectors(k=6, d=10, seed=4)
    flow = hf.CorrelationFlow(targets, hf.hermite({3: 1.0, 4: 0.4}))
    minima = np.array([p.overlaps for p in hf.find_fixed_points(flow) if p.kind == "minimum"])
    sol = hf.solve(flow, overlaps=hf.random_overlaps(targets, n=300, d=1000, seed=0))
    ends = sol.overlaps[sol.status == hf.Status.converged]

    def nearest(points: Array) -> Array:
        return np.max(np.abs(ends[:, None] - points[None]), axis=2).min(axis=1)

    assert len(ends) > 150
    assert nearest(minima).max() < 1e-4
    assert nearest(minima[1:]).max() > 0.1


def test_small_forces_are_no_fixed_points() -> None:
    """The terms of psi' decide what counts as zero, not its largest value."""
    spread = np.linspace(1.0, 1.2, 100)
    point = hf.classify(
        hf.CorrelationFlow(hf.Orthonormal(k=100), hf.hermite(12)), spread / np.linalg.norm(spread)
    )
    np.testing.assert_allclose(point.overlaps, 0.1, rtol=1e-12)
    weak = hf.CorrelationFlow(hf.Orthonormal(k=3), hf.hermite(3), target_weights=[1e-15] * 3)
    with pytest.raises(ValueError, match="overlaps must lie near a fixed point"):
        hf.classify(weak, [0.9, 0.3, 0.1])
    zero = hf.classify(weak, [0.0, 0.0, 0.0])
    assert (zero.kind, zero.residual) == ("degenerate", 0.0)


def test_points_of_other_kinds_are_told_apart_in_the_table() -> None:
    flow = hf.CorrelationFlow(hf.Orthonormal(k=2), hf.hermite(3), target_weights=[1e-15] * 2)
    text = repr(hf.find_fixed_points(flow))
    assert "minimum      2" in text
    assert "maximum      2" in text


def test_bad_input() -> None:
    flow = hf.CorrelationFlow(hf.Orthonormal(k=2), hf.hermite(3))
    with pytest.raises(TypeError, match="flow must be a CorrelationFlow"):
        hf.find_fixed_points("h3")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="n_starts must be an integer of at least 1"):
        hf.find_fixed_points(flow, n_starts=0)
    layers = hf.CorrelationFlow(hf.Orthonormal(k=2), hf.hermite(3), second_layer=[1.0, 2.0])
    with pytest.raises(ValueError, match="one second_layer for all neurons"):
        hf.find_fixed_points(layers)
    with pytest.raises(ValueError, match="overlaps must be those of a unit vector"):
        hf.classify(flow, [1.0, 1.0])
    with pytest.raises(ValueError, match="overlaps must lie near a fixed point"):
        hf.classify(flow, [1e-4, 0.0])
    for overlaps in ([0.5, 0.0], [0.0, 0.0]):
        with pytest.raises(ValueError, match=r"which lies in span\(V\) for d = 2"):
            flow.hessian(overlaps, d=2)
