"""Fixed points listed without a gap: formulas, brute force, polynomial roots, degenerate cases."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from oracles import Array, hermite_coefficients, series

import hermiteflow as hf


def flow(k: int, beta: float, link: hf.Link, student: hf.Link | None = None) -> hf.CorrelationFlow:
    targets = hf.Equiangular(k=k, beta=beta) if beta else hf.Orthonormal(k=k)
    return hf.CorrelationFlow(targets, link, student=student)


# ------------------------------------------------------------------ orthonormal, pure degrees


def formula(p: int, k: int, c: float) -> set[tuple[object, ...]]:
    """Orbits of docs/mathematics: values, count, loss, index in span(V), kind for d > k."""
    out: set[tuple[object, ...]] = set()
    for s in range(1, k + 1):
        u, loss, ways = s**-0.5, c * s ** (1 - p / 2), math.comb(k, s)
        bottom = "minimum" if s == 1 else "saddle"
        if p % 2 == 0:
            out.add((s, round(u, 9), ways * 2**s, round(-loss, 9), s - 1, bottom))
        else:
            top = "maximum" if s == 1 else "saddle"
            out.add((s, round(u, 9), ways, round(-loss, 9), s - 1, bottom))
            out.add((s, round(-u, 9), ways, round(loss, 9), k - s, top))
    return out


def listed(points: hf.FixedPoints) -> set[tuple[object, ...]]:
    out: set[tuple[object, ...]] = set()
    for orbit in points:
        ((size, value),) = (
            (s, v) for s, v in zip(orbit.multiplicities, orbit.values, strict=True) if v != 0.0
        )
        head = (size, round(value, 9), orbit.count, round(orbit.loss, 9))
        out.add((*head, orbit.morse_index, orbit.kind))
    return out


@pytest.mark.parametrize("p", [3, 4, 5, 6])
@pytest.mark.parametrize("k", [1, 2, 3, 12, 60])
def test_orthonormal_orbits_are_the_formula(p: int, k: int) -> None:
    points = hf.fixed_points(flow(k, 0.0, 2.0 * hf.hermite(p)))
    assert listed(points) == formula(p, k, 4.0)
    assert points.total == (3**k - 1 if p % 2 == 0 else 2 * (2**k - 1))
    assert listed(points) != formula(p, k, 2.0)
    assert listed(points) != formula(p + 2, k, 4.0) or k == 1


@pytest.mark.parametrize("p", [3, 4])
def test_totals_are_exact_at_k_1000(p: int) -> None:
    points = hf.fixed_points(flow(1000, 0.0, hf.hermite(p)))
    assert points.total == (3**1000 - 1 if p == 4 else 2 * (2**1000 - 1))
    middle = points[700]
    values = np.array([v for v, _ in middle.eigenvalues])
    counts = [c for _, c in middle.eigenvalues]
    size = next(s for s, v in zip(middle.multiplicities, middle.values, strict=True) if v)
    lam = middle.outside_eigenvalue
    np.testing.assert_allclose(sorted(values), sorted([-(p - 2) * lam, lam]), rtol=1e-9)
    assert sorted(counts) == sorted([size - 1, 1000 - size])


@pytest.mark.parametrize(("p", "k"), [(3, 2), (3, 4), (4, 3), (5, 3), (4, 12), (3, 12)])
def test_orthonormal_points_one_by_one(p: int, k: int) -> None:
    """Each point that the orbits stand for, and its Hessian by differences of the loss."""
    points = hf.fixed_points(flow(k, 0.0, hf.hermite(p)))
    signs = (-1, 0, 1) if p % 2 == 0 else (0, 1)
    explicit = [
        np.array(e) / math.sqrt(np.abs(e).sum())
        for e in itertools.product(signs, repeat=k)
        if any(e)
    ]
    if p % 2:
        explicit += [-w for w in explicit]
    assert points.total == len(explicit)
    by_loss: dict[float, int] = {}
    for w in explicit:
        key = round(-float(np.sum(w**p)), 9) + 0.0
        by_loss[key] = by_loss.get(key, 0) + 1
    assert {round(o.loss, 9) + 0.0: o.count for o in points} == by_loss
    if k > 4:
        return
    for orbit in points:
        eigenvalues = sphere_hessian(lambda w: -np.sum(w**p), orbit.overlaps)
        mine = np.repeat([v for v, _ in orbit.eigenvalues], [c for _, c in orbit.eigenvalues])
        np.testing.assert_allclose(mine, eigenvalues, atol=1e-5)


def sphere_hessian(loss: object, w: Array, h: float = 1e-3) -> Array:
    """Eigenvalues of the second derivative along great circles through w, by differences."""
    basis = np.linalg.svd(w[None])[2][1:]

    def second(z: Array) -> float:
        length = np.linalg.norm(z)

        def at(t: float) -> float:
            return float(loss(np.cos(t * length) * w + np.sin(t * length) * z / length))  # type: ignore[operator]

        values = [at(j * h) for j in (-2, -1, 0, 1, 2)]
        return float(np.dot([-1, 16, -30, 16, -1], values)) / (12 * h * h)

    n = len(basis)
    matrix = np.zeros((n, n))
    for i in range(n):
        for j in range(n):
            plus, minus = (
                second(basis[i] + basis[j]),
                (second(basis[i] - basis[j]) if i != j else 0.0),
            )
            matrix[i, j] = (plus - minus) / 4
    return np.linalg.eigvalsh(matrix)


# ------------------------------------------------------------------ brute force

LINKS = {
    **{f"h{p}": (hf.hermite(p), None) for p in (3, 4, 5, 6)},
    "h3+h4": (hf.hermite({3: 1.0, 4: 1.0}), None),
    "h1+h3": (hf.hermite({1: 0.7, 3: 1.0}), None),
    "h2+h4": (hf.hermite({2: 0.5, 4: 1.0}), None),
    "h4-h6": (hf.hermite({4: 1.0, 6: 1.0}), hf.hermite({4: 1.0, 6: -0.6})),
    "h3-h4+h5": (hf.hermite({3: 1.0, 4: 1.0, 5: 1.0}), hf.hermite({3: 1.0, 4: -1.5, 5: 1.2})),
    "h1+h2": (hf.hermite({1: 1.0, 2: 1.0}), None),
}


def brute_force(G: Array, c: Array, starts: int, seed: int) -> Array:
    """Fixed points with m . g != 0 by Newton's method on (4) from many starts, (N, k)."""
    k = len(G)
    slope, bend = series(c, 1), series(c, 2)
    rng = np.random.default_rng(seed)
    m = rng.standard_normal((starts, k)) @ np.linalg.cholesky(G).T
    inverse = np.linalg.inv(G)
    m /= np.sqrt(np.einsum("ni,ij,nj->n", m, inverse, m))[:, None]
    for _ in range(80):
        g, b = slope(m), bend(m)
        lam = np.sum(m * g, axis=1)
        force = g @ G - lam[:, None] * m
        jacobian = G * b[:, None, :] - lam[:, None, None] * np.eye(k)
        jacobian = jacobian - m[:, :, None] * (g + m * b)[:, None, :]
        step = np.linalg.solve(jacobian + 1.3e-10 * np.eye(k), force[:, :, None])[:, :, 0]
        size = np.linalg.norm(step, axis=1, keepdims=True)
        m = m - step * np.minimum(1.0, 0.2 / np.maximum(size, 1e-300))
        m = np.clip(m, -1.5, 1.5)
    g = slope(m)
    lam = np.sum(m * g, axis=1)
    residual = np.max(np.abs(g @ G - lam[:, None] * m), axis=1)
    length = np.einsum("ni,ij,nj->n", m, inverse, m)
    good = (residual < 1e-11) & (np.abs(length - 1) < 1e-9) & (np.abs(lam) > 1e-6)
    m = m[good]
    keep: list[Array] = []
    for point in m:
        if not keep or np.min(np.max(np.abs(np.array(keep) - point), axis=1)) > 1e-5:
            keep.append(point)
    return np.array(keep)


def expanded(points: hf.FixedPoints, *, even: bool, orthonormal: bool) -> Array:
    """Every point of every orbit."""
    out: set[tuple[float, ...]] = set()
    for orbit in points:
        for row in set(itertools.permutations(orbit.overlaps.tolist())):
            if even and orthonormal:
                signed = itertools.product(*[(u, -u) if u else (u,) for u in row])
            else:
                signed = iter([row, tuple(-u for u in row)] if even else [row])
            out |= {tuple(round(u, 10) + 0.0 for u in point) for point in signed}
    assert len(out) == points.total
    return np.array(sorted(out))


def same_points(first: Array, second: Array) -> None:
    assert len(first) == len(second)
    for point in first:
        assert np.min(np.max(np.abs(second - point), axis=1)) < 1e-7


@pytest.mark.parametrize("beta", [0.0, 0.12, 0.3, 0.55, -0.25])
@pytest.mark.parametrize("name", LINKS)
def test_nothing_is_left_out(name: str, beta: float) -> None:
    teacher, student = LINKS[name]
    k = 3
    points = hf.fixed_points(flow(k, beta, teacher, student))
    c = hermite_coefficients(teacher, 6) * hermite_coefficients(student or teacher, 6)
    G = (1 - beta) * np.eye(k) + beta
    found = brute_force(G, c, 6000, seed=3)
    if any("unit" in text for text in points.degenerate_sets):
        found = isolated(found, G, c)
    even = not np.any(np.abs(c[1::2]) > 1e-12)
    mine = expanded(points, even=even, orthonormal=beta == 0.0)
    same_points(mine, found)
    with pytest.raises(AssertionError):  # an orbit forgotten
        same_points(mine[1:], found)
    # each system says how many zeros were proved and found
    assert all(system.proved == system.found for system in points.systems)


def isolated(points: Array, G: Array, c: Array) -> Array:
    """Points with a nonsingular Hessian in span(V)."""
    slope, bend = series(c, 1), series(c, 2)
    keep = []
    for m in points:
        lam = float(m @ slope(m))
        root = np.linalg.cholesky(G)
        w = np.linalg.solve(root, m)
        basis = np.linalg.svd(w[None])[2][1:]
        matrix = basis @ (lam * np.eye(len(m)) - root.T @ np.diag(bend(m)) @ root) @ basis.T
        keep.append(np.min(np.abs(np.linalg.eigvalsh(matrix))) > 1e-6)
    return points[np.array(keep, dtype=bool)]


@pytest.mark.parametrize("p", [3, 4, 5, 6])
@pytest.mark.parametrize("beta", [0.05, 0.2, -0.1])
def test_two_values_are_the_roots_of_a_polynomial(p: int, beta: float) -> None:
    """Pure degrees: with t = y/x, (1 - beta)(t + .. + t^(p-2)) = beta (s + (k-s) t^(p-1))."""
    k = 7
    points = hf.fixed_points(flow(k, beta, hf.hermite(p)))
    for s in range(1, k):
        ascending = [-beta * s, *[1 - beta] * (p - 2), -beta * (k - s)]
        roots = np.polynomial.polynomial.polyroots(ascending)
        real = np.sort(roots.real[np.abs(roots.imag) < 1e-9])
        mine = sorted(
            float(v[1] / v[0]) if m[0] == s else float(v[0] / v[1])
            for orbit in points
            for v, m in [(orbit.values, orbit.multiplicities)]
            if len(m) == 2 and s in m
        )
        times = 1 if p % 2 == 0 else 2
        np.testing.assert_allclose(mine, np.repeat(real, times), rtol=1e-9)


@pytest.mark.parametrize("p", [3, 4, 5, 6])
def test_no_more_points_than_a_tensor_has_eigenvectors(p: int) -> None:
    for k, beta in ((2, 0.1), (5, 0.07), (9, 0.02), (9, -0.05), (20, 0.03)):
        points = hf.fixed_points(flow(k, beta, hf.hermite(p)))
        bound = 2 * ((p - 1) ** k - 1) // (p - 2)
        assert 0 < points.total <= bound
        if beta == 0.02:  # near orthonormal none has met another
            assert points.total == (3**k - 1 if p % 2 == 0 else 2 * (2**k - 1))


@pytest.mark.parametrize("p", [3, 4, 5, 6])
def test_equiangular_up_to_k_50(p: int) -> None:
    points = hf.fixed_points(flow(50, 0.05, hf.hermite(p)))
    assert np.max(points.residual) <= 1e-14
    assert points[0].kind == "minimum"
    for orbit in points[:3]:
        G = 0.95 * np.eye(50) + 0.05
        g = p * orbit.overlaps ** (p - 1)
        np.testing.assert_allclose(G @ g, (orbit.overlaps @ g) * orbit.overlaps, atol=1e-13)


def test_families_alone_at_k_1000() -> None:
    whole = hf.fixed_points(flow(20, 0.02, hf.hermite(4)))
    for family, sizes in (("index-like", {1, 19}), ("pair", {2, 18}), ("average", {20})):
        part = hf.fixed_points(flow(20, 0.02, hf.hermite(4)), families=family)
        chosen = [o for o in whole if set(o.multiplicities) == sizes]
        assert [o.loss for o in part] == [o.loss for o in chosen]
        assert len(part) > 0
    names = ("index-like", "pair", "average")
    points = hf.fixed_points(flow(1000, 0.005, hf.hermite(6)), families=names)
    kinds = {o.multiplicities: o.kind for o in points}
    assert points[0].kind == "minimum"
    assert max(points[0].overlaps) > 0.99
    assert (1000,) in kinds
    central = hf.fixed_points(flow(7, 0.0, hf.hermite({3: 1.0, 4: 1.0})), families="index-like")
    everything = hf.fixed_points(flow(7, 0.0, hf.hermite({3: 1.0, 4: 1.0})))
    assert len(central) == sum(set(o.multiplicities) == {1, 6} for o in everything) > 2


# ------------------------------------------------------------------ degenerate and bad input


def test_sets_that_are_not_isolated_are_named() -> None:
    sphere = hf.fixed_points(flow(3, 0.0, hf.hermite(2)))
    assert len(sphere) == 0
    assert "the unit sphere of span(V)" in sphere.degenerate_sets
    averages = hf.fixed_points(flow(3, 0.2, hf.hermite(2)))
    assert [o.multiplicities for o in averages] == [(3,)]
    assert averages.total == 2
    assert any("orthogonal to the average" in text for text in averages.degenerate_sets)
    mixed = hf.fixed_points(flow(2, 0.0, hf.hermite({3: 1.0, 4: 1.0})))
    assert any("-0.75" in text for text in mixed.degenerate_sets)
    linear = hf.fixed_points(flow(4, 0.1, hf.hermite(1)))
    assert sorted(o.kind for o in linear) == ["maximum", "minimum"]
    assert linear.degenerate_sets == ()


@pytest.mark.parametrize(
    ("k", "beta", "p"),
    [(2, 0.5, 4), (3, 0.25, 3), (7, 0.125, 3), (2, math.nextafter(0.5, 0), 4)],
)
def test_at_a_bifurcation_the_average_is_degenerate(k: int, beta: float, p: int) -> None:
    """beta_c = (p - 2)/(k + p - 2) is a double here."""
    points = hf.fixed_points(flow(k, beta, hf.hermite(p)))
    average = [o for o in points if o.multiplicities == (k,) and o.values[0] > 0]
    assert len(average) == 1
    # k - 1 eigenvalues are zero, and the others are not negative
    assert average[0].kind == "degenerate"
    assert average[0].morse_index == 0


def test_a_double_zero_is_one_degenerate_point() -> None:
    """psi = u^3 + u^4: sizes 16 and 2 touch where x + y = -3/4, at x = -1/12, y = -2/3."""
    points = hf.fixed_points(flow(18, 0.0, hf.hermite({3: 1.0, 4: 1.0})))
    touching = [o for o in points if sorted(o.multiplicities) == [2, 16] and 0.0 not in o.values]
    near = [o for o in touching if abs(max(o.values) + 1 / 12) < 1e-6]
    assert len(near) == 1
    np.testing.assert_allclose(sorted(near[0].values), [-2 / 3, -1 / 12], atol=1e-12)
    assert min(abs(v) for v, _ in near[0].eigenvalues) < 1e-9


def test_bad_input() -> None:
    with pytest.raises(ValueError, match="psi' = 0"):
        hf.fixed_points(flow(3, 0.1, hf.hermite(3), hf.hermite(4)))
    with pytest.raises(ValueError, match="find_fixed_points"):
        hf.fixed_points(
            hf.CorrelationFlow(hf.IndexVectors(gram=[[1, 0.3], [0.3, 1]]), hf.hermite(3))
        )
    with pytest.raises(ValueError, match="target_weights"):
        hf.fixed_points(
            hf.CorrelationFlow(hf.Orthonormal(k=2), hf.hermite(3), target_weights=[1.0, 2.0])
        )
    with pytest.raises(ValueError, match="complete"):
        hf.fixed_points(flow(3, 0.1, hf.link(lambda x: np.maximum(x, 0.0))))
    with pytest.raises(ValueError, match=r"max_orbits.*got 10 for .*20"):
        hf.fixed_points(flow(20, 0.0, hf.hermite(4)), max_orbits=10)
    with pytest.raises(ValueError, match="families must be one of"):
        hf.fixed_points(flow(3, 0.1, hf.hermite(3)), families="pairs")
    with pytest.raises(ValueError, match="d must be"):
        hf.fixed_points(flow(3, 0.1, hf.hermite(3)), d=2)
    with pytest.raises(TypeError, match="flow"):
        hf.fixed_points(hf.hermite(3))


def test_one_index_vector() -> None:
    points = hf.fixed_points(flow(1, 0.0, hf.hermite(3)))
    assert [(o.kind, o.values, o.count) for o in points] == [
        ("minimum", (1.0,), 1),
        ("maximum", (-1.0,), 1),
    ]


def test_the_dimension_decides_what_lies_outside() -> None:
    """MATH: for odd p and d = k the downward average is a minimum."""
    k = 4
    for d, kind in ((None, "saddle"), (k + 1, "saddle"), (k, "minimum")):
        points = hf.fixed_points(flow(k, 0.0, hf.hermite(3)), d=d)
        assert next(o.kind for o in points if o.values == (-0.5,)) == kind


def test_weights_scale_and_reverse() -> None:
    targets, link = hf.Equiangular(k=4, beta=0.1), hf.hermite({3: 1.0, 4: 0.5})
    plain = hf.fixed_points(hf.CorrelationFlow(targets, link))
    other = hf.fixed_points(
        hf.CorrelationFlow(targets, link, second_layer=-2.0, target_weights=[0.5] * 4)
    )
    assert plain.total == other.total
    np.testing.assert_allclose(np.sort(-other.loss), np.sort(plain.loss), atol=1e-12)
    swap = {"minimum": "maximum", "maximum": "minimum"}
    kinds = sorted(swap.get(str(kind), str(kind)) for kind in other.kind)
    assert kinds == sorted(str(kind) for kind in plain.kind)


def test_a_list_is_a_sequence_a_table_and_a_dataset() -> None:
    points = hf.fixed_points(flow(5, 0.1, hf.hermite(3)))
    assert len(points) == len(list(points))
    assert points[-1].loss == points[len(points) - 1].loss == max(points.loss)
    assert [o.loss for o in points[1:3]] == list(points.loss[1:3])
    with pytest.raises(IndexError):
        points[len(points)]
    text = repr(points)
    assert text.startswith(f"{points.total} fixed points in {len(points)} orbits")
    assert text.count("\n") == len(points) + 1 + len(points.degenerate_sets)
    data = points.to_xarray()
    assert data.sizes["orbit"] == len(points)
    assert sum(int(c) for c in data["count"].values) == points.total
    np.testing.assert_array_equal(data.loss, points.loss)
