"""Slow, independent references for the tests, written from the mathematics alone.

Nothing here imports hermiteflow. W is (n, d), V (k, d), M and the fields (n, k).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import mpmath
import numpy as np
from numpy.typing import NDArray
from scipy import integrate, stats

Array = NDArray[np.float64]
Function = Callable[[Array], Array]


# ------------------------------------------------------------------ Hermite


def hermite_value(p: int, x: Array) -> Array:
    """h_p(x) = He_p(x) / sqrt(p!), from the explicit sum of He_p."""
    terms = [
        (-1) ** m * math.factorial(p) / (math.factorial(m) * math.factorial(p - 2 * m) * 2**m)
        * np.asarray(x, float) ** (p - 2 * m)
        for m in range(p // 2 + 1)
    ]  # fmt: skip
    return sum(terms) / math.sqrt(math.factorial(p))


def gauss_hermite(nodes: int) -> tuple[Array, Array]:
    """Nodes and weights of E[f(X)], X ~ N(0, 1)."""
    x, w = np.polynomial.hermite_e.hermegauss(nodes)
    return x, w / math.sqrt(2 * math.pi)


def hermite_coefficients(f: Function, degree: int, nodes: int = 80) -> Array:
    x, w = gauss_hermite(nodes)
    return np.array([np.sum(w * f(x) * hermite_value(p, x)) for p in range(degree + 1)])


def hermite_coefficients_mp(f: Callable[[mpmath.mpf], mpmath.mpf], degree: int) -> Array:
    """The same by mpmath's own quadrature on the line, to 20 digits."""
    with mpmath.workdps(30):
        out = []
        for p in range(degree + 1):
            scale = mpmath.sqrt(mpmath.factorial(p) * 2 * mpmath.pi * mpmath.mpf(2) ** p)

            def integrand(x: mpmath.mpf, p: int = p, scale: mpmath.mpf = scale) -> mpmath.mpf:
                physicists = mpmath.hermite(
                    p, x / mpmath.sqrt(2)
                )  # He_p = 2^(-p/2) H_p(x / sqrt 2)
                return f(x) * physicists / scale * mpmath.exp(-x * x / 2)

            out.append(float(mpmath.quad(integrand, list(range(-14, 15, 2)))))
    return np.array(out)


def psi_quadrature(student: Function, target: Function, u: float, nodes: int = 60) -> float:
    """E[student(X) target(u X + sqrt(1 - u^2) Y)] by a product rule, exact for polynomials."""
    x, w = gauss_hermite(nodes)
    inner = target(u * x[:, None] + math.sqrt(1 - u * u) * x) @ w
    return float(np.sum(w * student(x) * inner))


def series(c: Sequence[float] | Array, order: int = 0) -> Function:
    """u -> the derivative of given order of sum_p c_p u^p."""
    coefficients = np.polynomial.polynomial.polyder(np.asarray(c, float), order) if order else c
    return lambda u: np.polynomial.polynomial.polyval(np.asarray(u, float), coefficients)


# ------------------------------------------------------------------ loss, gradient, field


def loss(W: Array, V: Array, psi: Function, a: Array, b: Array) -> float:
    return float(-(a @ psi(W @ V.T) @ b))


def finite_difference_gradient(of: Callable[[Array], float], W: Array, h: float = 2e-3) -> Array:
    """Riemannian gradient: derivatives along normalise(w + h e), Richardson-extrapolated twice."""

    def slope(i: int, q: int, step: float) -> float:
        values = []
        for signed in (step, -step):
            moved = W.copy()
            moved[i, q] += signed
            moved[i] /= np.linalg.norm(moved[i])
            values.append(of(moved))
        return (values[0] - values[1]) / (2 * step)

    out = np.empty_like(W)
    for i, q in np.ndindex(*W.shape):
        coarse, middle, fine = (slope(i, q, h * f) for f in (1.0, 0.5, 0.25))
        first, second = (4 * middle - coarse) / 3, (4 * fine - middle) / 3
        out[i, q] = (16 * second - first) / 15
    return out


def monte_carlo(
    W: Array, V: Array, a: Array, b: Array, *,
    student: Function, student_slope: Function, target: Function, samples: int, seed: int,
) -> tuple[Array, Array, Array, Array]:  # fmt: skip
    """Loss -E[f f*] and its Riemannian gradient by sampling x: means and standard errors."""
    rng, (n, d) = np.random.default_rng(seed), W.shape
    sums = [np.zeros(()), np.zeros(()), np.zeros((n, d)), np.zeros((n, d))]  # and of squares
    batch = 20_000
    for _ in range(samples // batch):
        x = rng.standard_normal((batch, d))
        fields = x @ W.T
        response = target(x @ V.T) @ b
        values = -(student(fields) @ a) * response
        tangent = x[:, None, :] - fields[:, :, None] * W
        slopes = -(response[:, None] * a * student_slope(fields))[:, :, None] * tangent
        terms = (values.sum(), (values**2).sum(), slopes.sum(0), (slopes**2).sum(0))
        sums = [total + term for total, term in zip(sums, terms, strict=True)]
    means = [total / samples for total in sums]
    errors = [np.sqrt((means[i + 1] - means[i] ** 2) / samples) for i in (0, 2)]
    return means[0], errors[0], means[2], errors[1]


def field(M: Array, G: Array, slope: Function, a: Array, b: Array) -> Array:
    """dm/dt = G g - (m . g) m, row by row."""
    g = a[:, None] * b * slope(M)
    return np.array([G @ gi - (mi @ gi) * mi for mi, gi in zip(M, g, strict=True)])


def weight_field(W: Array, V: Array, slope: Function, a: Array, b: Array) -> Array:
    """dw/dt = (I - w w^T) sum_j a b_j psi'(m_j) v_j."""
    pull = (a[:, None] * b * slope(W @ V.T)) @ V
    return pull - np.sum(W * pull, axis=1, keepdims=True) * W


# ------------------------------------------------------------------ integrators


def rk4(f: Function, y: Array, step: float, steps: int, *, renormalize: bool = False) -> Array:
    """Classical Runge-Kutta; each row is put back on the sphere after each step if asked."""
    for _ in range(steps):
        k1 = f(y)
        k2 = f(y + step / 2 * k1)
        k3 = f(y + step / 2 * k2)
        k4 = f(y + step * k3)
        y = y + step / 6 * (k1 + 2 * k2 + 2 * k3 + k4)
        if renormalize:
            y = y / np.linalg.norm(y, axis=1, keepdims=True)
    return y


def rk4_weights(
    W: Array, V: Array, slope: Function, a: Array, b: Array, *,
    step: float, steps: int, renormalize: bool,
) -> Array:  # fmt: skip
    """RK4 of (3) in R^d."""
    return rk4(lambda w: weight_field(w, V, slope, a, b), W, step, steps, renormalize=renormalize)


def dop853(
    m0: Array, G: Array, slope: Function, a: Array, b: Array, *, t: Array, rtol: float = 1e-13
) -> Array:
    """(4) by SciPy, one neuron at a time: (n, T, k)."""
    out = []
    for row, weight in zip(m0, a, strict=True):

        def right(_: float, m: Array, weight: float = weight) -> Array:
            return field(m[None], G, slope, np.array([weight]), b)[0]

        answer = integrate.solve_ivp(
            right, (0.0, float(np.max(t))), row, "DOP853", t_eval=t, rtol=rtol, atol=1e-16
        )
        assert answer.success
        out.append(answer.y.T)
    return np.array(out)


# ------------------------------------------------------------------ starts


def unit_rows(n: int, d: int, seed: int) -> Array:
    w = np.random.default_rng(seed).standard_normal((n, d))
    return w / np.linalg.norm(w, axis=1, keepdims=True)


def gaussian_starts(V: Array, n: int, seed: int) -> Array:
    """Overlaps V w with w a normalised Gaussian vector of R^d."""
    return unit_rows(n, V.shape[1], seed) @ V.T


def rotation(d: int, seed: int) -> Array:
    q, r = np.linalg.qr(np.random.default_rng(seed).standard_normal((d, d)))
    return q * np.sign(np.diag(r))


def gram_vectors(G: Array, d: int, seed: int) -> Array:
    """Dense unit vectors (k, d) with Gram matrix G, by its eigenvectors and a random rotation."""
    values, vectors = np.linalg.eigh(G)
    keep = values > 1e-12 * values.max()
    factor = vectors[:, keep] * np.sqrt(values[keep])
    V = factor @ rotation(d, seed)[: factor.shape[1]]
    return V / np.linalg.norm(V, axis=1, keepdims=True)


def assert_same_law(sample: Array, reference: Array, *, level: float = 1e-4) -> None:
    """Two samples (n, k) agree in law: KS on each column, on directions, on norms, on extremes."""
    directions = unit_rows(4, sample.shape[1], seed=99)

    def features(x: Array) -> Array:
        # squares make the comparison sharp for laws that are symmetric under x -> -x
        parts = [x, x @ directions.T, (x @ directions.T) ** 2, (x**2).sum(1)[:, None]]
        parts += [np.abs(x).max(1)[:, None], x[:, :1] * x[:, -1:]]
        return np.round(np.concatenate(parts, axis=1), 9)  # constants stay constant

    first, second = features(sample), features(reference)
    smallest = min(stats.ks_2samp(p, q).pvalue for p, q in zip(first.T, second.T, strict=True))
    assert smallest > level / first.shape[1], f"laws differ: p-value {smallest:.2e}"


def assert_law(sample: Array, cdf: Callable[[Array], Array], *, level: float = 1e-4) -> None:
    """A sample (n,) follows a known distribution function."""
    p = stats.kstest(sample, cdf).pvalue
    assert p > level, f"law differs: p-value {p:.2e}"
