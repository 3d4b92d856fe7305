"""`online_sgd` in R^d against plain NumPy on the same inputs, and its random numbers."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest
from online_references import in_space, inputs, words

import hermiteflow as hf
from hermiteflow import _core
from hermiteflow._checks import Array
from hermiteflow._point_links import point_link

MASK = 0xFFFFFFFF


def philox(counter: list[int], key: tuple[int, int]) -> list[int]:
    """Philox-4x32-10, as it was published."""
    c, (k0, k1) = list(counter), key
    for _ in range(10):
        first, second = 0xD2511F53 * c[0], 0xCD9E8D57 * c[2]
        c = [(second >> 32) ^ c[1] ^ k0, second & MASK, (first >> 32) ^ c[3] ^ k1, first & MASK]
        k0, k1 = (k0 + 0x9E3779B9) & MASK, (k1 + 0xBB67AE85) & MASK
    return c


def normals(key: tuple[int, int], tag: int, sample: int) -> Array:
    """The first 32 normal numbers of a sample: radius from 40 bits, angle from 24."""
    out = np.zeros((2, 2, 8))
    for lane in range(8):
        w = philox([lane, sample & MASK, sample >> 32, tag], key)
        for half, word in enumerate((w[0] | w[1] << 32, w[2] | w[3] << 32)):
            radius = np.sqrt(-2.0 * np.log(((word >> 24) + 0.5) / 2.0**40))
            angle = ((word >> 3) % 2**21 + 0.5) / 2.0**21 * np.pi / 4
            x, y = np.cos(angle), np.sin(angle)
            if word & 1:
                x, y = y, x
            out[half, 0, lane] = radius * x * (-1.0 if word >> 1 & 1 else 1.0)
            out[half, 1, lane] = radius * y * (-1.0 if word >> 2 & 1 else 1.0)
    return out.ravel()


def test_philox_gives_the_published_numbers() -> None:
    # known answers of Random123 for philox4x32-10
    assert philox([0] * 4, (0, 0)) == [0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8]
    digits = [0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344]
    wanted = [0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1]
    assert philox(digits, (0xA4093822, 0x299F31D0)) == wanted


def test_inputs_are_those_normal_numbers(isa: str) -> None:
    key = (7, 2**31 + 5)
    for sample in (0, 5, 2**40 + 3):
        wanted = normals(key, 1, sample)
        for groups in (1, 2):  # the first group alone too
            found = _core.sample_normals(key, 1, sample, groups)
            np.testing.assert_allclose(found, wanted[: 16 * groups], rtol=1e-12)
    # many of them: the longest and the shortest radii too
    found = _core.sample_normals(key, 1, 3, 40_000)
    assert abs(np.mean(found**2) - 1.0) < 4 * (2 / found.size) ** 0.5


def test_inputs_are_the_same_bits_under_every_instruction_set() -> None:
    draws, before = [], _core.build_info()["isa"]
    for name in _core.build_info()["isa_available"]:
        _core.select_isa(name)
        draws.append(_core.sample_normals((1, 2), 1, 9, 50))
    _core.select_isa(before)
    assert all((draw == draws[0]).all() for draw in draws)


def test_inputs_are_normal_and_independent() -> None:
    X = inputs(3, 1, 400, 1600)
    n = X.size
    moments = [X.mean() * n**0.5, (np.mean(X**2) - 1) * (n / 2) ** 0.5]
    moments += [np.mean(X**3) * (n / 15) ** 0.5, (np.mean(X**4) - 3) * (n / 96) ** 0.5]
    pairs = [np.mean(X[:, i:-40] * X[:, i + s : X.shape[1] - 40 + s])
             for i, s in ((0, 1), (0, 8), (3, 16), (5, 24))]  # fmt: skip
    pairs += [np.mean(X[:-1] * X[1:]), np.mean(X[:-1] ** 2 * X[1:] ** 2 - 1.0) / 8**0.5]
    scores = [*moments, *(np.array(pairs) * n**0.5)]
    assert np.max(np.abs(scores)) < 4.0
    # far tails too
    assert abs(np.mean(np.abs(X) > 3.0) - 0.0026998) < 4 * (0.0027 / n) ** 0.5


LINKS = {
    "hermite": hf.hermite({0: 0.3, 2: 1.0, 3: -0.5}),
    "erf": hf.link("erf"),
    "relu": hf.link("relu") + 0.3 * hf.hermite(2),
    "tanh": hf.link("tanh"),
    "sigmoid": hf.link("sigmoid"),
    "softplus": hf.link("softplus"),
    "gelu": hf.link("gelu"),
    "silu": hf.link("silu"),
    "sin": hf.link("sin"),
    "cos": hf.link("cos"),
    "exp": hf.link("exp"),
    "callable": hf.link(lambda x: np.sin(2.0 * x) + 0.1 * x),
}


@pytest.mark.parametrize("name", LINKS)
def test_links_at_points_are_the_links(name: str, isa: str) -> None:
    link, x = LINKS[name], np.linspace(-7.0, 7.0, 1003)
    value, slope = _core.point_values(point_link(link), x)
    tolerance = 1e-12 if name == "callable" else 1e-14
    np.testing.assert_allclose(value, link(x), rtol=tolerance, atol=tolerance)
    exact = 2.0 * np.cos(2.0 * x) + 0.1 if name == "callable" else link.derivative(x)
    np.testing.assert_allclose(slope, exact, rtol=tolerance, atol=20 * tolerance)


def test_a_callable_is_known_on_its_table_only() -> None:
    spec = point_link(hf.link(np.tanh))
    value, _ = _core.point_values(spec, np.array([-32.5, -31.9, 31.9, 32.0]))
    assert np.isnan(value).tolist() == [True, False, False, True]


V = np.random.default_rng(0).standard_normal((3, 40))
V /= np.linalg.norm(V, axis=1, keepdims=True)
CUBE, MIXED = hf.hermite(3), hf.hermite({2: 1.0, 3: 0.4})
FLOWS: dict[str, hf.CorrelationFlow | hf.SquaredFlow] = {
    "correlation": hf.CorrelationFlow(hf.Orthonormal(k=2), CUBE),
    "correlation, general V": hf.CorrelationFlow(
        hf.IndexVectors(V), MIXED, second_layer=[1.0, -0.5, 0.3, 2.0, 1.0], target_weights=[1, 2, 3]
    ),
    "squared": hf.SquaredFlow(hf.Orthonormal(k=2), CUBE, student=hf.link("tanh")),
    "squared, equiangular": hf.SquaredFlow(hf.Equiangular(k=3, beta=0.4), hf.link("erf")),
    "free": hf.SquaredFlow(hf.Orthonormal(k=2), hf.link("relu"), constrained=False),
    "trained": hf.SquaredFlow(
        hf.IndexVectors(V), MIXED, second_layer=[1.0, -0.5, 0.3, 2.0, 1.0], train_second_layer=True
    ),
    "both": hf.SquaredFlow(
        hf.Orthonormal(k=2), hf.link("erf"), constrained=False, train_second_layer=True
    ),
}
RUN = {"steps": 25, "rate": 0.01, "seed": 11}


def start() -> Array:
    return hf.random_weights(n=5, d=40, seed=4)


@pytest.mark.parametrize("batch", [1, 3, 20])
@pytest.mark.parametrize("name", FLOWS)
def test_weights_are_those_of_numpy(name: str, batch: int, isa: str) -> None:
    flow, W = FLOWS[name], start()
    sol = hf.online_sgd(
        flow, weights=W, steps=25, learning_rate=0.01, batch=batch, seed=11, n_threads=1
    )
    wanted, layer = in_space(flow, W, batch=batch, **RUN)  # type: ignore[arg-type]
    assert sol.weights is not None
    assert np.abs(wanted - W).max() > 0.01  # it went somewhere
    np.testing.assert_allclose(sol.weights, wanted, rtol=0, atol=2e-13)
    np.testing.assert_allclose(sol.second_layer, layer, rtol=0, atol=1e-12)
    np.testing.assert_allclose(sol.overlaps, wanted @ flow.targets.vectors(40).T, atol=2e-13)
    np.testing.assert_allclose(sol.student_overlaps, wanted @ wanted.T, atol=5e-13)


@pytest.mark.parametrize("fault", ["sign", "sum", "projection", "norm"])
def test_planted_faults_are_seen(fault: str) -> None:
    flow, W = FLOWS["squared"], start()
    sol = hf.online_sgd(flow, weights=W, steps=25, learning_rate=0.01, batch=3, seed=11)
    wrong, _ = in_space(flow, W, batch=3, fault=fault, **RUN)  # type: ignore[arg-type]
    assert sol.weights is not None
    assert np.abs(sol.weights - wrong).max() > 1e-4


@pytest.mark.parametrize(("d", "batch"), [(4000, 1), (70_000, 4), (5000, 40), (9000, 600)])
def test_stretches_and_threads_do_not_matter(d: int, batch: int) -> None:
    # several stretches of coordinates; the last is drawn twice, as its inputs are many
    flow, W = FLOWS["squared"], hf.random_weights(n=5, d=d, seed=1)
    runs = [
        hf.online_sgd(
            flow, weights=W, steps=3, learning_rate=0.3 / d, batch=batch, seed=2, n_threads=threads
        )
        for threads in (1, 2, 3)
    ]
    assert runs[0] == runs[1] == runs[2]
    wanted, _ = in_space(flow, W, steps=3, rate=0.3 / d, batch=batch, seed=2)
    assert runs[0].weights is not None
    np.testing.assert_allclose(runs[0].weights, wanted, rtol=0, atol=1e-13)


def test_fewer_threads_than_were_asked_for() -> None:
    # OpenMP may give fewer: nobody waits for the others
    script = """
import hermiteflow as hf
flow = hf.SquaredFlow(hf.Orthonormal(k=2), hf.hermite(3))
W = hf.random_weights(n=5, d=70_000, seed=1)
sol = hf.online_sgd(flow, weights=W, steps=3, learning_rate=1e-6, seed=2, n_threads=2)
print(sol.overlaps.tobytes().hex())
"""
    found = {
        limit: subprocess.run(
            [sys.executable, "-c", script],
            env={**os.environ, "OMP_THREAD_LIMIT": limit},
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
        ).stdout
        for limit in ("1", "2")
    }
    assert found["1"] == found["2"] != ""


def test_the_key_is_that_of_the_seed() -> None:
    assert words(0) != words(1)
    assert not (inputs(0, 1, 1, 16) == inputs(1, 1, 1, 16)).any()
