"""`online_sgd` in law: joint laws against runs in R^d and a plain chain of Gram matrices."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pytest
from online_references import by_gram
from scipy import stats

import hermiteflow as hf
from hermiteflow._checks import Array

RUNS, D, STEPS = 2500, 12, 8
#: Of the largest of about 100 scores; about 1e-4 by chance.
MOST = 5.0

TARGETS = hf.Equiangular(k=2, beta=0.4)
FLOWS: dict[str, hf.CorrelationFlow | hf.SquaredFlow] = {
    "correlation": hf.CorrelationFlow(
        TARGETS, hf.hermite({2: 1.0, 3: 0.3}), second_layer=[1.0, -0.7, 0.5]
    ),
    "squared": hf.SquaredFlow(hf.Orthonormal(k=2), hf.hermite(2), student=hf.link("tanh")),
    # steps that hardly have a mean, of links without heavy tails: noise of many samples
    "noise": hf.CorrelationFlow(
        TARGETS,
        hf.link("sin") + 0.01 * hf.hermite(2),
        student=hf.link("cos"),
        second_layer=[1.0, -0.7, 0.5],
    ),
    "relu": hf.SquaredFlow(TARGETS, hf.link("relu"), second_layer=[1.0, -0.7, 0.5]),
}
#: Large enough for the terms of order eta^2: each moves |w|^2 by some 10 % a step.
RATE = {"correlation": 0.08, "noise": 0.05, "squared": 0.15, "relu": 0.15}
#: So large that a step forgets the weights: inner products of samples are all that matters.
HUGE = 20.0


def start(flow: hf.CorrelationFlow | hf.SquaredFlow) -> tuple[Array, Array, Array]:
    W = hf.random_weights(n=3, d=D, seed=8)
    return W, flow.overlaps(W), W @ W.T


def row(M: Array, Q: Array) -> Array:
    return np.concatenate([M.ravel(), Q[np.triu_indices(len(Q), 1)]])


@cache
def sample(way: str, name: str, batch: int, fault: str = "", rate: float = 0.0) -> Array:
    """Order parameters (RUNS, 9) after STEPS steps."""
    flow, rate = FLOWS[name], rate or RATE[name]
    W, M, Q = start(flow)
    if way == "gram":
        Ms, Qs = by_gram(
            flow, M, Q, D, runs=RUNS, steps=STEPS, rate=rate, batch=batch,
            rng=np.random.default_rng(5), fault=fault,
        )  # fmt: skip
        return np.array([row(*pair) for pair in zip(Ms, Qs, strict=True)])
    keywords: dict[str, Any] = {"weights": W} if way == "direct" else {
        "overlaps": M, "student_overlaps": Q, "d": D
    }  # fmt: skip
    first = 0 if way == "direct" else 10**6
    out = []
    for seed in range(first, first + RUNS):
        sol = hf.online_sgd(
            flow, steps=STEPS, learning_rate=rate, batch=batch, seed=seed, n_threads=1, **keywords
        )
        assert sol.student_overlaps is not None
        out.append(row(sol.overlaps, sol.student_overlaps))
    return np.array(out)


def largest_score(x: Array, y: Array) -> float:
    """The largest score of means, of all products of two, and of distributions (KS as a score)."""
    centre = y.mean(axis=0)
    scores = []
    for values in (lambda z: z, lambda z: np.stack(
        [(z[:, i] - centre[i]) * (z[:, j] - centre[j])
         for i in range(z.shape[1]) for j in range(i + 1)], axis=1
    )):  # fmt: skip
        u, v = values(x), values(y)
        error = np.sqrt(u.var(axis=0) / len(u) + v.var(axis=0) / len(v))
        scores.append(np.max(np.abs(u.mean(axis=0) - v.mean(axis=0)) / error))
    p = min(stats.ks_2samp(x[:, i], y[:, i]).pvalue for i in range(x.shape[1]))
    scores.append(stats.norm.isf(0.5 * p))
    return float(max(scores))


@pytest.mark.parametrize("batch", [1, 3, 9])
@pytest.mark.parametrize("name", FLOWS)
def test_three_ways_agree_in_their_joint_law(name: str, batch: int) -> None:
    direct, law = sample("direct", name, batch), sample("law", name, batch)
    gram = sample("gram", name, batch)
    assert largest_score(direct, law) < MOST
    assert largest_score(law, gram) < MOST
    assert largest_score(direct, gram) < MOST


@pytest.mark.parametrize(
    ("name", "batch", "fault"),
    [
        ("squared", 1, "no rest"),
        ("correlation", 3, "no rest"),
        ("squared", 3, "sign"),
    ],
)
def test_planted_faults_are_seen(name: str, batch: int, fault: str) -> None:
    assert largest_score(sample("law", name, batch), sample("gram", name, batch, fault)) > 2 * MOST


def test_samples_of_a_batch_are_not_orthogonal() -> None:
    direct, law = (sample(way, "noise", 40, rate=HUGE) for way in ("direct", "law"))
    assert largest_score(direct, law) < MOST
    wrong = sample("gram", "noise", 40, "orthogonal batch", rate=HUGE)
    assert largest_score(law, wrong) > 2 * MOST


@pytest.mark.parametrize("d", [3, 4, 5, 7])
@pytest.mark.parametrize("batch", [1, 4])
def test_few_dimensions(d: int, batch: int) -> None:
    """Where W and V span R^d or nearly so: nothing, one or few coordinates outside."""
    flow = hf.SquaredFlow(hf.Orthonormal(k=2), hf.hermite(2))
    W = hf.random_weights(n=3, d=d, seed=8)
    runs = []
    for method, first in (("direct", 0), ("in_law", 10**6)):
        sols = [
            hf.online_sgd(
                flow, weights=W, steps=5, learning_rate=0.1, batch=batch, seed=s, method=method
            )
            for s in range(first, first + 2000)
        ]
        runs.append(np.array([row(s.overlaps, s.student_overlaps) for s in sols]))  # type: ignore[arg-type]
    assert largest_score(*runs) < MOST


def test_free_weights_and_a_trained_layer() -> None:
    flow = hf.SquaredFlow(
        hf.Orthonormal(k=2), hf.link("erf"), constrained=False, train_second_layer=True
    )
    W = 1.5 * hf.random_weights(n=2, d=9, seed=8)
    runs = []
    for method, first in (("direct", 0), ("in_law", 10**6)):
        sols = [
            hf.online_sgd(
                flow, weights=W, steps=6, learning_rate=0.2, batch=2, seed=s, method=method
            )
            for s in range(first, first + 2000)
        ]
        rows = [
            np.concatenate(
                [s.overlaps.ravel(), s.student_overlaps[np.triu_indices(2)], s.second_layer]  # type: ignore[index]
            )
            for s in sols
        ]
        runs.append(np.array(rows))
    assert largest_score(*runs) < MOST


# ------------------------------------------------------------------ one neuron at a time


MARGINAL = {
    "cube": hf.CorrelationFlow(hf.Orthonormal(k=2), hf.hermite(3)),
    "general": hf.CorrelationFlow(
        TARGETS, hf.hermite(2) + 0.3 * hf.link("erf"), second_layer=-0.8, target_weights=[1.0, 0.5]
    ),
    "relu": hf.CorrelationFlow(hf.Orthonormal(k=2), hf.link("relu")),
}


@pytest.mark.parametrize("d", [3, 4, 10, 300])
@pytest.mark.parametrize("name", MARGINAL)
def test_marginal_neurons_have_the_law_of_one(name: str, d: int) -> None:
    flow, runs = MARGINAL[name], 3000
    m = hf.random_overlaps(flow.targets, n=1, d=d, seed=3)
    one = np.array(
        [
            hf.online_sgd(flow, overlaps=m, d=d, steps=15, learning_rate=0.4 / d, seed=s).overlaps[
                0
            ]
            for s in range(runs)
        ]
    )
    many = hf.online_sgd(
        flow,
        overlaps=np.repeat(m, runs, axis=0),
        d=d,
        steps=15,
        learning_rate=0.4 / d,
        seed=99,
        method="marginal",
    ).overlaps
    assert largest_score(one, many) < MOST
    if d > 4:  # twin: a slightly larger step is seen
        wrong = hf.online_sgd(
            flow, overlaps=np.repeat(m, runs, axis=0), d=d, steps=15, learning_rate=0.55 / d,
            seed=99, method="marginal",
        ).overlaps  # fmt: skip
        assert largest_score(one, wrong) > MOST


def test_marginal_neurons_are_not_joint() -> None:
    """Two neurons that share samples are dependent; "marginal" says nothing of that."""
    flow = hf.CorrelationFlow(hf.Orthonormal(k=1), hf.hermite(2))
    M, Q = np.array([[0.5], [0.5]]), np.array([[1.0, 0.9], [0.9, 1.0]])
    keywords: dict[str, Any] = {"d": 10, "steps": 5, "learning_rate": 0.05}
    joint = np.array(
        [
            hf.online_sgd(flow, overlaps=M, student_overlaps=Q, seed=s, **keywords).overlaps[:, 0]
            for s in range(1000)
        ]
    )
    many = hf.online_sgd(
        flow, overlaps=np.tile(M, (1000, 1)), seed=0, method="marginal", **keywords
    ).overlaps.reshape(1000, 2)
    assert np.corrcoef(joint.T)[0, 1] > 0.6
    assert abs(np.corrcoef(many.T)[0, 1]) < 0.15


# ------------------------------------------------------------------ small steps


def test_small_steps_tend_to_the_flow_at_the_root_of_their_size() -> None:
    """Over a fixed time the distance to the flow is sqrt(eta d) in size: noise of 1 / eta steps."""
    flow = hf.SquaredFlow(hf.Orthonormal(k=2), hf.hermite(2))
    d, t_end, rates = 50, 0.5, np.array([8e-4, 2e-4, 5e-5])
    M, Q = hf.random_order_parameters(flow.targets, n=2, d=d, seed=1)
    flowed = hf.solve(flow, overlaps=M, student_overlaps=Q, t_end=t_end).overlaps
    rms = []
    for rate in rates:
        off = [
            hf.online_sgd(
                flow, overlaps=M, student_overlaps=Q, d=d, steps=round(t_end / rate),
                learning_rate=rate, seed=s,
            ).overlaps - flowed
            for s in range(100)
        ]  # fmt: skip
        rms.append(np.sqrt(np.mean(np.square(off))))
    slope = np.polyfit(np.log(rates), np.log(rms), 1)[0]
    assert 0.4 < slope < 0.6
    # twin: twice the step is another flow, which no small step mends
    wrong = hf.solve(flow, overlaps=M, student_overlaps=Q, t_end=2 * t_end).overlaps
    assert np.abs(wrong - flowed).max() > 5 * rms[-1]
