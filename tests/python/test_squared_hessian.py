"""The Hessian (16) of the squared loss, against second differences and derived spectra."""

from __future__ import annotations

import math

import numpy as np
import pytest
from averages import curvature, geodesic, tangent_vectors
from oracles import Array, rk4, unit_rows

import hermiteflow as hf

A, B = np.array([1.2, -0.7, 0.5]), np.array([0.8, -1.1])
W6, V6 = unit_rows(3, 6, 41), unit_rows(2, 6, 42)
LINKS = {
    "h3": (hf.hermite(3), None),
    "h4 + h2": (hf.hermite({2: 0.5, 4: 1.0}), hf.hermite({2: -0.8, 3: 0.7, 4: 0.4})),
    "erf": (hf.link("erf"), None),
    "relu, erf": (hf.link("erf"), hf.link("relu")),
    "relu": (hf.link("relu"), None),
    "mixed": (hf.hermite({0: 0.3, 1: -0.4, 2: 0.5, 3: 0.6}), hf.polynomial([0.1, 0.5, -0.3, 0.4])),
    "sign": (hf.link("sign"), hf.link("erf")),
}
each_pair = pytest.mark.parametrize("name", LINKS)
LINK = hf.hermite({1: 0.3, 2: 0.4, 3: 1.0, 4: 0.2})


def flow_of(name: str) -> hf.SquaredFlow:
    link, student = LINKS[name]
    return hf.SquaredFlow(
        hf.IndexVectors(V6), link, student=student, second_layer=A, target_weights=B
    )


def close(first: object, second: object, atol: float) -> None:
    np.testing.assert_allclose(first, second, rtol=0, atol=atol)


def form(hessian: hf.SquaredHessian, z: Array) -> float:
    """H[z, z] in the coordinates of the tangent spaces."""
    y = np.einsum("idp,id->ip", hessian.basis, z).ravel()
    return float(y @ hessian.matrix @ y)


@each_pair
def test_second_differences_along_geodesics(name: str) -> None:
    flow = flow_of(name)
    hessian = flow.hessian(W6)
    rho = flow._pull(flow.overlaps(W6), flow.student_overlaps(W6), A).s
    for seed in range(5):
        z = tangent_vectors(W6, 50 + seed)
        expected = curvature(lambda e, z=z: flow.loss(geodesic(W6, z, e)), 0.02)
        got = form(hessian, z)
        close(got, expected, 2e-6)
        squares = np.sum(z * z, axis=1)
        among = np.einsum("il,id,ld->", flow._pull(W6 @ V6.T, flow.student_overlaps(W6), A).C, z, z)
        for fault in (-got, 2 * got, got - rho @ squares, got - 0.5 * among):
            with pytest.raises(AssertionError):
                close(fault, expected, 2e-6)


@each_pair
def test_the_basis_is_orthonormal_and_tangent(name: str) -> None:
    hessian = flow_of(name).hessian(W6)
    assert hessian.matrix.shape == (15, 15)
    close(hessian.matrix, hessian.matrix.T, 1e-15)
    close(hessian.eigenvalues, np.linalg.eigvalsh(hessian.matrix), 1e-12)
    assert np.all(np.diff(hessian.eigenvalues) >= 0)
    for w, basis in zip(W6, hessian.basis, strict=True):
        close(basis.T @ basis, np.eye(5), 1e-14)
        close(w @ basis, 0.0, 1e-14)


@each_pair
@pytest.mark.parametrize("d", [6, 9, 14])
def test_order_parameters_have_the_same_spectrum(name: str, d: int) -> None:
    """From W in R^d, and from (M, Q) with the directions outside counted."""
    flow = hf.SquaredFlow(
        hf.IndexVectors(gram=V6 @ V6.T), LINKS[name][0], student=LINKS[name][1], second_layer=A,
        target_weights=B,
    )  # fmt: skip
    W = unit_rows(3, d, 43)
    M, Q = flow.overlaps(W), flow.student_overlaps(W)
    dense, short = flow.hessian(W), flow.hessian_of(M, Q, d)

    def spectrum(hessian: hf.SquaredHessian) -> Array:
        values, counts = hessian._counted
        return np.sort(np.repeat(values, counts.astype(int)))

    close(spectrum(short), spectrum(dense), 1e-11)
    assert (short.kind, short.morse_index) == (dense.kind, dense.morse_index)
    wrong = flow.hessian_of(M * 0.9, Q, d)
    with pytest.raises(AssertionError):
        close(spectrum(wrong), spectrum(dense), 1e-11)
    unknown = flow.hessian_of(M, Q)
    assert unknown.outside_count is None
    close(unknown.outside_eigenvalues, flow.hessian_of(M, Q, 10**9).outside_eigenvalues, 1e-13)


def at_the_teacher(k: int, d: int, psi: hf.Interaction) -> dict[float, int]:
    """Eigenvalues and multiplicities as docs/squared derives them."""
    top, B, C = (float(psi.derivative(u, order)) for u, order in ((1.0, 1), (0.0, 2), (0.0, 1)))
    pair = np.linalg.eigvals(np.array([[top + (k - 2) * C, B - C], [B, top - C]])).real
    pairs = [
        (top - C, (k - 1) * (d - k)), (top + (k - 1) * C, d - k),
        (top - C + B, k * (k - 3) // 2), (top - C - B, (k - 1) * (k - 2) // 2),
        (pair[0], k - 1), (pair[1], k - 1), (top + B + (k - 2) * C, 1),
    ]  # fmt: skip
    out: dict[float, int] = {}
    for value, count in pairs:
        out[value] = out.get(value, 0) + count
    return {value: count for value, count in out.items() if count}


def repeated(spectrum: dict[float, int]) -> Array:
    return np.sort(np.repeat(list(spectrum), list(spectrum.values())))


@pytest.mark.parametrize("k", [3, 4, 6])
@pytest.mark.parametrize("link", [LINK, hf.hermite(3), hf.hermite(2), hf.hermite({1: 0.5, 4: 1.0}),
                                  hf.link("erf")])  # fmt: skip
def test_spectrum_at_the_teacher(k: int, link: hf.Link) -> None:
    d = k + 2
    flow = hf.SquaredFlow(hf.Orthonormal(k=k), link)
    hessian = flow.hessian(np.eye(k, d))
    expected = repeated(at_the_teacher(k, d, flow.interaction))
    close(hessian.eigenvalues, expected, 1e-12)
    # E[(sum_i sigma'(w_i.x) z_i.x)^2]: never negative; rotations are free for h_2 alone
    assert hessian.kind == ("degenerate" if link == hf.hermite(2) else "minimum")
    assert hessian.eigenvalues[0] > -1e-12
    large = flow.hessian_of(np.eye(k), np.eye(k), 10**6)
    assert sum(count for _, count in large.distinct) == k * (10**6 - 1)
    assert large.kind == hessian.kind
    for fault in (-expected, expected + 1e-3, expected / 2):
        with pytest.raises(AssertionError):
            close(hessian.eigenvalues, fault, 1e-12)


@pytest.mark.parametrize(("n", "k"), [(1, 3), (3, 3), (4, 2), (5, 4)])
def test_spectrum_at_the_average(n: int, k: int) -> None:
    d, m = k + 2, 1 / math.sqrt(k)
    flow = hf.SquaredFlow(hf.Orthonormal(k=k), LINK)
    W = np.zeros((n, d))
    W[:, :k] = m
    close(flow.gradient(W), 0.0, 1e-14)
    psi = flow.interaction
    outside = k * m * float(psi.derivative(m))
    inside, push = outside - float(psi.derivative(m, 2)), n * float(psi.derivative(1.0))
    expected = repeated({
        inside: k - 1, outside: d - k,
        inside - push: (n - 1) * (k - 1), outside - push: (n - 1) * (d - k),
    })  # fmt: skip
    hessian = flow.hessian(W)
    close(hessian.eigenvalues, expected, 1e-12)
    if n > 1:
        assert hessian.kind == "saddle"
        assert hessian.morse_index == int(np.sum(expected < 0))
        alone = hf.SquaredFlow(hf.Orthonormal(k=k), LINK).hessian(W[:1]).eigenvalues
        with pytest.raises(AssertionError):  # as if neurons were alone
            close(hessian.eigenvalues, np.sort(np.tile(alone, n)), 1e-12)


def test_one_neuron_is_that_of_the_correlation_loss() -> None:
    targets = hf.Equiangular(k=3, beta=0.2)
    M = np.array([0.5, 0.1, -0.3])
    got = hf.SquaredFlow(targets, LINK).hessian_of(M[None], np.eye(1), 10)
    want = hf.CorrelationFlow(targets, LINK).hessian(M, 10)
    close(got.eigenvalues, want.eigenvalues, 1e-12)
    close(got.outside_eigenvalues, want.outside_eigenvalue, 1e-13)
    assert got.outside_count == want.outside_count


def test_the_flow_ends_where_the_hessian_says_so() -> None:
    """A start near the teacher returns to it, at the rate of the lowest eigenvalue."""
    k, d = 3, 5
    flow = hf.SquaredFlow(hf.Orthonormal(k=k), LINK)
    hessian = flow.hessian(np.eye(k, d))
    values, vectors = np.linalg.eigh(hessian.matrix)
    z = np.einsum("idp,ip->id", hessian.basis, vectors[:, 0].reshape(k, d - 1))

    def velocity(w: Array) -> Array:
        return -flow.gradient(w / np.linalg.norm(w, axis=1, keepdims=True))

    W = geodesic(np.eye(k, d), 1e-4 * z, 1.0)
    end = rk4(velocity, W, 5e-3, 100, renormalize=True)
    ratio = np.linalg.norm(end - np.eye(k, d)) / 1e-4
    close(ratio, math.exp(-0.5 * values[0]), 2e-3)
    with pytest.raises(AssertionError):
        close(ratio, math.exp(-0.5 * 2 * values[0]), 2e-3)


def test_relus_on_a_teacher_vector() -> None:
    """psi'' is infinite where two vectors are parallel, and no tangent step sees it."""
    flow = hf.SquaredFlow(hf.Orthonormal(k=2), hf.link("relu"))
    W = np.eye(2, 4)
    hessian = flow.hessian(W)
    for seed in range(3):
        z = tangent_vectors(W, seed)
        rough = (flow.loss(geodesic(W, z, 1e-4)) + flow.loss(geodesic(W, z, -1e-4))) / 1e-8
        close(form(hessian, z), rough, 1e-3)
        with pytest.raises(AssertionError):
            close(2 * form(hessian, z), rough, 1e-3)


def test_shown_and_refused() -> None:
    flow = hf.SquaredFlow(hf.Orthonormal(k=2), LINK)
    text = repr(flow.hessian(unit_rows(3, 4, 1)))
    assert text.startswith("SquaredHessian(saddle, ")
    assert len(text) < 100
    assert "d not given" in repr(flow.hessian_of(np.eye(2), np.eye(2)))
    for options in ({"constrained": False}, {"train_second_layer": True}):
        other = hf.SquaredFlow(hf.Orthonormal(k=2), LINK, **options)
        with pytest.raises(ValueError, match="flow must have constrained=True"):
            other.hessian(np.eye(2, 4))
    with pytest.raises(ValueError, match="M and Q must be inner products of vectors"):
        flow.hessian_of(np.array([[1.0, 0.0], [1.0, 0.0]]), np.eye(2))
    with pytest.raises(ValueError, match="in dimension d = 3"):
        flow.hessian_of(np.zeros((2, 2)), np.eye(2), d=3)
    with pytest.raises(ValueError, match=r"n \(r - 1\) must be at most 8192"):
        flow.hessian(np.eye(2, 5000))
    with pytest.raises(ValueError, match="d must be at least rank"):
        flow.hessian_of(np.zeros((1, 2)), np.eye(1), d=1)


@pytest.mark.parametrize("d", [10**18, 10**30])
def test_counts_of_any_size(d: int) -> None:
    """n (d - 1) eigenvalues in all: more than 64 bits hold."""
    flow = hf.SquaredFlow(hf.Orthonormal(k=20), hf.hermite(3))
    hessian = flow.hessian_of(np.eye(20), np.eye(20), d=d)
    ((value, count),) = hessian.distinct
    close(value, 3.0, 1e-12)
    assert count == 20 * (d - 1)
    assert f"x {count})" in repr(hessian)
    turned = hf.SquaredFlow(hf.Orthonormal(k=20), hf.hermite(3), second_layer=-1.0)
    assert turned.hessian_of(np.eye(20), np.eye(20), d=d).morse_index > 2**64
