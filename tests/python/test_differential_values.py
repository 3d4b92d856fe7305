"""Links, interactions, index vectors, statistics and counts against mpmath, SciPy and NumPy."""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction

import mpmath
import numpy as np
import pytest
import scipy.stats
from oracles import gauss_hermite, unit_rows

import hermiteflow as hf

pytest.importorskip("xarray")

from hermiteflow import experiments as ex
from hermiteflow.experiments import statistics

Real = Callable[[mpmath.mpf], mpmath.mpf]


def sigmoid(x: mpmath.mpf) -> mpmath.mpf:
    return 1 / (1 + mpmath.exp(-x))


#: sigma and sigma' of what has no closed form of psi.
SMOOTH: dict[str, tuple[Real, Real]] = {
    "tanh": (mpmath.tanh, lambda x: mpmath.sech(x) ** 2),
    "sigmoid": (sigmoid, lambda x: sigmoid(x) * sigmoid(-x)),
    "softplus": (lambda x: mpmath.log(1 + mpmath.exp(x)), sigmoid),
    "gelu": (lambda x: x * mpmath.ncdf(x), lambda x: mpmath.ncdf(x) + x * mpmath.npdf(x)),
    "silu": (
        lambda x: x * sigmoid(x),
        lambda x: sigmoid(x) * (1 + x * sigmoid(-x)),
    ),
}


def average(student: Real, teacher: Real, u: float) -> float:
    """E[s(x) t(u x + sqrt(1 - u^2) y)] by the trapezoidal rule in the plane, poles far enough."""
    with mpmath.workdps(25):
        h, v = mpmath.mpf(1) / 4, mpmath.mpf(u)
        rest = mpmath.sqrt(1 - v * v)
        x = [i * h for i in range(-36, 37)]
        mass = [h * mpmath.npdf(t) for t in x]
        inner = [mpmath.fdot(mass, [teacher(v * p + rest * q) for q in x]) for p in x]
        return float(
            mpmath.fsum(m * student(p) * i for m, p, i in zip(mass, x, inner, strict=True))
        )


@pytest.mark.parametrize(
    ("student", "teacher"),
    [("tanh", "tanh"), ("sigmoid", "tanh"), ("gelu", "silu"), ("silu", "softplus")],
)
def test_interactions_without_closed_form_by_mpmath(student: str, teacher: str) -> None:
    """psi = E[sigma sigma*] and psi' = E[sigma' sigma*'], by Gaussian integration by parts."""
    psi = hf.Interaction(hf.link(teacher), hf.link(student))
    for u in (0.6, -0.35):
        for order in (0, 1):
            wanted = average(SMOOTH[student][order], SMOOTH[teacher][order], u)
            found = float(psi.derivative(u, order=order))
            assert found == pytest.approx(wanted, rel=1e-13, abs=1e-15)
            wrong = average(SMOOTH[student][order], SMOOTH[teacher][order], u * (1 + 1e-6))
            assert found != pytest.approx(wrong, rel=1e-13, abs=1e-15)


@pytest.mark.parametrize(
    ("student", "teacher"),
    [("relu", "softplus"), ("erf", "tanh"), ("gelu", "gelu"), ("sign", "erf")],
)
def test_interactions_by_monte_carlo(student: str, teacher: str) -> None:
    u, rng = 0.7, np.random.default_rng(3)
    x = rng.standard_normal((2, 400_000))
    w, v = x[0], u * x[0] + math.sqrt(1 - u * u) * x[1]
    sigma, target = hf.link(student), hf.link(teacher)
    psi = hf.Interaction(target, sigma)
    products = [sigma(w) * target(v)]
    if student != "sign":
        products.append(sigma.derivative(w) * target.derivative(v))
    for order, each in enumerate(products):
        error = each.std() / math.sqrt(each.size)
        assert abs(each.mean() - psi.derivative(u, order=order)) < 5 * error
        assert abs(each.mean() - 1.05 * psi.derivative(u, order=order)) > 5 * error


@pytest.mark.parametrize("name", ["tanh", "silu", "relu"])
def test_norms_by_mpmath(name: str) -> None:
    """E sigma^2, of a ReLU up to the degree that is kept, and what is left of E sigma'^2."""
    link = hf.link(name)
    sigma, slope = SMOOTH.get(name, (lambda x: x * (x > 0), lambda x: mpmath.mpf(x > 0)))
    grid = [-12, 0, 12] if name == "relu" else [-12, -6, 0, 6, 12]
    with mpmath.workdps(30):
        size = float(mpmath.quad(lambda x: sigma(x) ** 2 * mpmath.npdf(x), grid))
        energy = float(mpmath.quad(lambda x: slope(x) ** 2 * mpmath.npdf(x), grid))
    series = np.array(link.series)
    left = energy - float(np.arange(series.size) @ series**2)
    bound = 1e-5 if name == "relu" else 1e-12

    def agrees(reference: float) -> bool:
        return link.norm**2 == pytest.approx(reference, rel=bound, abs=0.0)

    assert agrees(size)
    assert not agrees(size * (1 + 10 * bound))
    assert left <= link.remainder + 1e-14
    if name == "relu":
        assert link.remainder < 1.01 * left


def test_reach_bounds_the_slope_and_is_it_where_nothing_cancels() -> None:
    u = np.linspace(-1, 1, 41)
    for terms, signs in (({2: 0.5, 3: 1.0}, 1), ({2: 0.5, 3: -1.0}, -1)):
        psi = hf.Interaction(hf.hermite(terms), hf.hermite({2: 1.0, 3: 1.0}))
        assert np.all(psi.reach(u) >= np.abs(psi.derivative(u)) * (1 - 1e-15))
        np.testing.assert_allclose(
            psi.reach(u), np.abs(u) + 3 * u**2, rtol=1e-14
        )  # sum_p p |c_p c*_p| |u|^(p-1)
        same = signs * u > 0
        np.testing.assert_allclose(psi.reach(u)[same], np.abs(psi.derivative(u[same])), rtol=1e-13)
    relu = hf.Interaction(hf.link("relu"))
    np.testing.assert_allclose(relu.reach(u[u > 0]), relu.derivative(u[u > 0]), rtol=1e-13)
    assert hf.Interaction(hf.hermite({2: 3.0, 5: 1.0})).scale == 18.0  # 2 c_2^2


# ------------------------------------------------------------------ index vectors

DEFICIENT = unit_rows(5, 3, 4)


@pytest.mark.parametrize(
    "targets",
    [
        hf.Orthonormal(k=4),
        hf.Equiangular(k=4, beta=0.3),
        hf.Equiangular(k=4, beta=-0.2),
        hf.IndexVectors(unit_rows(4, 6, 3)),
        hf.IndexVectors(DEFICIENT),
        hf.IndexVectors(gram=DEFICIENT @ DEFICIENT.T),
    ],
)
def test_projections_are_those_of_numpy(targets: hf.Targets) -> None:
    """|P w|^2 = m^T G^+ m, and L L^T = G."""
    d = 3 if targets.rank == 3 else 6
    m = unit_rows(7, d, 8) @ targets.vectors(d).T
    inverse = np.linalg.pinv(targets.gram)
    wanted = np.einsum("ij,jk,ik->i", m, inverse, m)
    np.testing.assert_allclose(targets.squared_projection(m), wanted, rtol=1e-12)
    np.testing.assert_allclose(targets.factor @ targets.factor.T, targets.gram, atol=1e-14)
    assert targets.rank == np.linalg.matrix_rank(targets.gram)
    wrong = np.einsum("ij,jk,ik->i", m, inverse + 0.01, m)
    with pytest.raises(AssertionError):  # another Gram matrix
        np.testing.assert_allclose(targets.squared_projection(m), wrong, rtol=1e-12)


# ------------------------------------------------------------------ statistics


@pytest.mark.parametrize("confidence", [0.1, 0.5, 0.95, 1 - 1e-9])
def test_normal_quantiles_and_bands_are_scipys(confidence: float) -> None:
    wanted = scipy.stats.norm.isf((1 - confidence) / 2)
    assert statistics.normal_quantile(confidence) == pytest.approx(wanted, rel=1e-12)
    assert statistics.normal_quantile(confidence) != pytest.approx(2 * wanted, rel=1e-3)
    band = statistics.dkw_band(37, confidence=confidence)
    assert 2 * math.exp(-2 * 37 * band**2) == pytest.approx(1 - confidence, rel=1e-6)
    # at least as wide as the exact band of Kolmogorov, by little for many samples
    exact = scipy.stats.kstwo.isf(1 - confidence, 37)
    assert exact < band
    if confidence > 0.4:
        assert band < 1.06 * exact


def test_slopes_are_scipys() -> None:
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=9), rng.normal(size=(3, 9))
    wanted = [scipy.stats.linregress(x, row).slope for row in y]
    np.testing.assert_allclose(statistics.slope(x, y), wanted, rtol=1e-12)
    with pytest.raises(AssertionError):
        np.testing.assert_allclose(statistics.slope(x, y + 1e-6 * x), wanted, rtol=1e-12)
    replicates = y[0] + 0.1 * rng.normal(size=(50, 9))
    error = np.std([np.polyfit(x, row, 1)[0] for row in replicates], ddof=1)
    half = scipy.stats.norm.isf(0.05) * error
    found = statistics.slope_interval(x, y[0], replicates, confidence=0.9)
    np.testing.assert_allclose(found, (wanted[0], wanted[0] - half, wanted[0] + half), rtol=1e-10)
    assert found.contains(wanted[0] + 0.99 * half)
    assert not found.contains(wanted[0] + 1.01 * half)
    with pytest.raises(ValueError, match="value must be a number"):
        found.contains(math.nan)


def test_bootstrap_means_are_scipys() -> None:
    samples = np.random.default_rng(1).gamma(2.0, size=40)
    found = statistics.bootstrap_mean(samples, confidence=0.9, seed=0)
    theirs = scipy.stats.bootstrap(
        (samples,), np.mean, confidence_level=0.9, n_resamples=20_000, method="percentile",
        random_state=np.random.default_rng(2),
    ).confidence_interval  # fmt: skip
    assert found.estimate == pytest.approx(samples.mean(), rel=1e-14)
    # 4000 resamples tell an end to about 2 % of the width
    width = theirs.high - theirs.low
    assert abs(found.low - theirs.low) < 0.06 * width
    assert abs(found.high - theirs.high) < 0.06 * width
    narrow = statistics.bootstrap_mean(samples, confidence=0.8, seed=0)
    assert narrow.high < theirs.high - 0.06 * width


# ------------------------------------------------------------------ experiments and counts


def found_all(k: int, n: int) -> float:
    """P(n throws into k boxes leave none empty), by counting surjections exactly."""
    ways = [Fraction(1)] + [Fraction(0)] * k  # by how many boxes are filled
    for _ in range(n):
        ways = [ways[j] * j / k + (ways[j - 1] * (k - j + 1) / k if j else 0) for j in range(k + 1)]
    return float(ways[k])


def test_coverage_has_the_law_of_throws_into_boxes() -> None:
    """Even psi, G = I: each neuron ends at an index vector drawn uniformly."""
    k, batches = 4, 400
    ds = ex.coverage(links=hf.hermite(4), k=k, batches=batches, ratios=(2.0, 3.0), seed=5)
    for ratio in (2.0, 3.0):
        cell = ds.sel(k=k).isel(link=0, targets=0).sel(ratio=ratio)
        n = int(cell.n)
        hits = int((cell.n_needed <= n).sum())
        assert scipy.stats.binomtest(hits, batches, found_all(k, n)).pvalue > 1e-5
        assert scipy.stats.binomtest(hits, batches, found_all(k + 1, n)).pvalue < 1e-5
        assert hf.exact.coverage_probability(n, k) == pytest.approx(found_all(k, n), rel=1e-12)
    needed = hf.exact.neurons_needed(k, 0.9)
    assert found_all(k, needed) >= 0.9 > found_all(k, needed - 1)


def test_counts_and_times_are_numpys() -> None:
    flow = hf.CorrelationFlow(hf.Orthonormal(k=2), hf.hermite(3))
    m0 = hf.random_overlaps(flow.targets, n=200, d=50, seed=0)
    sol = hf.solve(flow, overlaps=m0)
    values, counts = np.unique(sol.status, return_counts=True)
    wanted = {hf.Status(v).name: int(c) for v, c in zip(values, counts, strict=True)}
    assert sol.counts() == wanted
    assert len(wanted) == 2  # some are trapped
    assert sol.success
    steps = [0, 5, 20]
    run = hf.online_sgd(
        flow, overlaps=m0, d=50, method="marginal", learning_rate=1e-3, steps=20, seed=1,
        save_at=steps,
    )  # fmt: skip
    np.testing.assert_allclose(run.times, 1e-3 * np.array(steps), rtol=1e-15)
    losses = -np.sum(run.trajectory**3, axis=(1, 2))
    np.testing.assert_allclose(run.losses, losses, rtol=1e-12)
    with pytest.raises(AssertionError):
        np.testing.assert_allclose(run.losses, 0.5 * losses, rtol=1e-12)


def test_links_of_polynomials_are_numpys() -> None:
    """Coefficients, values and slopes through NumPy's own conversion, and arithmetic of links."""
    powers = np.array([0.3, -1.0, 0.0, 2.0, 0.1])
    link = hf.polynomial(powers.tolist())
    factorials = np.sqrt([math.factorial(p) for p in range(5)])
    wanted = np.polynomial.hermite_e.poly2herme(powers) * factorials
    np.testing.assert_allclose(link.coefficients(4), wanted, rtol=1e-13)
    x, w = gauss_hermite(20)
    np.testing.assert_allclose(link(x), np.polynomial.polynomial.polyval(x, powers), rtol=1e-9)
    assert link.norm**2 == pytest.approx(float(w @ link(x) ** 2), rel=1e-12)
    assert (link.degree, link.information_exponent) == (4, 1)
    zeroed = np.where([False, True, False, True, False], 0.0, wanted)
    np.testing.assert_allclose(link.without(1, 3).coefficients(4), zeroed, rtol=1e-13)
    noisy = hf.hermite({2: 1.0, 3: 1e-15})
    np.testing.assert_array_equal(noisy.significant(), [0.0, 0.0, 1.0, 0.0])
    np.testing.assert_array_equal(noisy.kept(), noisy.significant())
    with pytest.raises(AssertionError):
        np.testing.assert_allclose(link.coefficients(4), wanted * factorials, rtol=1e-13)
