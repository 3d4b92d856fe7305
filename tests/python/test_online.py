"""`online_sgd`: what it may be asked, and what comes back."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import hermiteflow as hf

CUBE = hf.CorrelationFlow(hf.Orthonormal(k=2), hf.hermite(3))
SQUARED = hf.SquaredFlow(hf.Orthonormal(k=2), hf.hermite(3))
RUN: dict[str, Any] = {"steps": 40, "learning_rate": 1e-3, "seed": 0}


def parameters(n: int = 3, d: int = 50) -> dict[str, Any]:
    M, Q = hf.random_order_parameters(hf.Orthonormal(k=2), n=n, d=d, seed=1)
    return {"overlaps": M, "student_overlaps": Q, "d": d}


def test_defaults_follow_what_is_given() -> None:
    W = hf.random_weights(n=3, d=50, seed=0)
    assert hf.online_sgd(CUBE, weights=W, **RUN).method == "direct"
    assert hf.online_sgd(CUBE, **parameters(), **RUN).method == "in_law"
    direct = hf.online_sgd(CUBE, method="direct", **parameters(), **RUN)
    assert direct.weights is None  # no weights were given
    law = hf.online_sgd(CUBE, weights=W, method="in_law", **RUN)
    assert law.weights is None
    assert law.d == 50
    one = hf.online_sgd(CUBE, overlaps=[[0.1, 0.2]], d=9, **RUN)
    assert one.student_overlaps is not None
    assert one.student_overlaps.shape == (1, 1)


@pytest.mark.parametrize("method", ["direct", "in_law"])
def test_saved_steps_are_the_ends_of_shorter_runs(method: str) -> None:
    sol = hf.online_sgd(SQUARED, method=method, batch=2, save_at=[0, 7, 40], **parameters(), **RUN)
    given = parameters()
    assert sol.student_trajectory is not None
    np.testing.assert_allclose(sol.trajectory[0], given["overlaps"], atol=1e-15)
    np.testing.assert_allclose(sol.student_trajectory[0], given["student_overlaps"], atol=1e-14)
    np.testing.assert_allclose(sol.trajectory[2], sol.overlaps, atol=1e-15)
    short = hf.online_sgd(SQUARED, method=method, batch=2, **given, **{**RUN, "steps": 7})
    np.testing.assert_allclose(sol.trajectory[1], short.overlaps, atol=1e-15)
    np.testing.assert_allclose(sol.student_trajectory[1], short.student_overlaps, atol=1e-15)
    np.testing.assert_array_equal(sol.times, 1e-3 * np.array([0, 7, 40]))
    M, Q = sol.trajectory[1], sol.student_trajectory[1]
    np.testing.assert_allclose(sol.losses[1], SQUARED.loss_of(M, Q))
    assert (np.diagonal(sol.student_trajectory, axis1=1, axis2=2) == 1.0).all()


def test_marginal_saves_and_losses() -> None:
    m = hf.random_overlaps(CUBE.targets, n=150, d=50, seed=1)
    sol = hf.online_sgd(CUBE, overlaps=m, d=50, method="marginal", save_at=[0, 7, 40], **RUN)
    np.testing.assert_allclose(sol.trajectory[0], m, atol=1e-15)
    np.testing.assert_array_equal(sol.trajectory[2], sol.overlaps)
    short = hf.online_sgd(CUBE, overlaps=m, d=50, method="marginal", **{**RUN, "steps": 7})
    np.testing.assert_array_equal(sol.trajectory[1], short.overlaps)
    np.testing.assert_allclose(sol.losses[1], -np.sum(short.overlaps**3))


@pytest.mark.parametrize("method", ["direct", "in_law", "marginal"])
def test_losses_are_nan_after_the_end(method: str) -> None:
    W = hf.random_weights(n=3, d=50, seed=1)
    events = {"all": hf.HittingTime(0.001, terminal=True)}
    saves = [0, 20, 39]
    sol = hf.online_sgd(
        CUBE, weights=W, method=method, events=events, save_at=saves, **{**RUN, "steps": 39}
    )
    assert (sol.status == int(hf.Status.event)).all()
    np.testing.assert_allclose(sol.losses[0], -np.sum(W[:, :2] ** 3), rtol=1e-12)
    assert np.isnan(sol.losses[1:]).all()


@pytest.mark.parametrize("method", ["direct", "in_law", "marginal"])
def test_neurons_that_have_met_an_end_at_the_start_take_no_step(
    method: str, tmp_path: Path
) -> None:
    W = np.eye(2, 9)
    events = {"up": hf.HittingTime([0.1, 0.5], terminal=True)}
    keywords: dict[str, Any] = {"weights": W, "method": method, "events": events, **RUN}
    sol = hf.online_sgd(CUBE, **keywords)
    assert (sol.status == int(hf.Status.event)).all()
    np.testing.assert_array_equal(sol.steps, 0)
    np.testing.assert_array_equal(sol.overlaps, np.eye(2))
    np.testing.assert_array_equal(sol.events["up"], 0.0)
    if method != "marginal":
        file = tmp_path / "run.npz"
        for _ in range(2):
            assert hf.online_sgd(CUBE, checkpoint=file, **keywords) == sol
        keywords["weights"] = np.eye(3, 9)  # the third has yet to meet it
        assert (hf.online_sgd(CUBE, **keywords).steps > 0).all()


def test_marginal_neurons_depend_on_seed_and_number_alone() -> None:
    m = hf.random_overlaps(CUBE.targets, n=1000, d=50, seed=1)
    events = {"half": hf.HittingTime([0.2, 0.4], terminal=True)}
    runs = [
        hf.online_sgd(
            CUBE, overlaps=m[:n], d=50, method="marginal", steps=3000, learning_rate=3e-3, seed=0,
            events=events, n_threads=threads,
        )
        for n, threads in ((1000, 1), (1000, 2), (300, 1))
    ]  # fmt: skip
    assert runs[0] == runs[1]
    np.testing.assert_array_equal(runs[0].overlaps[:300], runs[2].overlaps)
    np.testing.assert_array_equal(runs[0].events["half"][:300], runs[2].events["half"])
    ended = runs[0].status == int(hf.Status.event)
    assert 0 < ended.sum() < 1000  # others were led away
    hits = runs[0].events["half"]
    assert (hits[ended, 0] <= hits[ended, 1]).all()
    np.testing.assert_array_equal(hits[ended, 1], runs[0].steps[ended])
    assert (np.abs(runs[0].overlaps[ended]).max(axis=1) >= 0.4).all()
    assert (runs[0].steps[~ended] == 3000).all()
    assert np.isnan(hits[~ended, 1]).all()


@pytest.mark.parametrize("method", ["direct", "in_law"])
def test_events_are_first_steps(method: str) -> None:
    given = parameters()
    every = np.arange(3001)
    events = {"up": hf.HittingTime([0.25, 0.5]), "end": hf.HittingTime(0.4, terminal=True)}
    keywords: dict[str, Any] = {**given, "method": method, "steps": 3000, "learning_rate": 5e-3}
    free = hf.online_sgd(CUBE, seed=3, save_at=every, **keywords)
    sol = hf.online_sgd(CUBE, seed=3, events=events, **keywords)
    top = np.abs(free.trajectory).max(axis=2)  # (T, n)
    last = int(sol.steps[0])
    for level, found in ((0.25, sol.events["up"][:, 0]), (0.4, sol.events["end"])):
        first = np.array([np.argmax(row >= level) for row in top.T], dtype=float)
        first[~(top >= level).any(axis=0)] = np.nan
        first[first > last] = np.nan
        np.testing.assert_array_equal(found, first)
    if np.isfinite(sol.events["end"]).all():
        assert last == int(np.max(sol.events["end"]))
        assert (sol.status == hf.Status.event).all()
    else:
        assert last == 3000


def test_levels_met_at_the_start_are_met_at_step_0() -> None:
    sol = hf.online_sgd(
        CUBE, overlaps=[[0.6, 0.0]], d=50, events={"up": hf.HittingTime([0.5, 0.55])}, **RUN
    )
    np.testing.assert_array_equal(sol.events["up"], [[0.0, 0.0]])


@pytest.mark.parametrize("method", ["direct", "in_law", "marginal"])
def test_a_learning_rate_that_blows_up_gives_a_status(method: str) -> None:
    given = parameters()
    if method == "marginal":
        del given["student_overlaps"]
    with pytest.warns(hf.SolveWarning, match="learning_rate is too large"):
        sol = hf.online_sgd(CUBE, method=method, steps=10, learning_rate=1e200, seed=0, **given)
    assert (sol.status == hf.Status.non_finite).all()
    assert (sol.steps == 0).all()
    np.testing.assert_allclose(sol.overlaps, given["overlaps"], atol=1e-15)


def test_free_weights_that_blow_up_keep_their_last_finite_state() -> None:
    flow = hf.SquaredFlow(hf.Orthonormal(k=2), hf.hermite(3), constrained=False)
    with pytest.warns(hf.SolveWarning, match="after step"):
        sol = hf.online_sgd(flow, steps=1000, learning_rate=1.0, seed=0, **parameters())
    assert (sol.status == hf.Status.non_finite).all()
    assert 0 < sol.steps[0] < 1000
    assert np.isfinite(sol.overlaps).all()
    assert np.isfinite(sol.student_overlaps).all()


def test_huge_dimensions() -> None:
    flow = hf.SquaredFlow(hf.Orthonormal(k=4), hf.link("erf"))
    M, Q = hf.random_order_parameters(flow.targets, n=4, d=10**12, seed=0)
    sol = hf.online_sgd(
        flow, overlaps=M, student_overlaps=Q, d=10**12, steps=5000, learning_rate=1e-13, seed=1
    )
    assert sol.student_overlaps is not None
    # a step moves by eta sqrt(d): 5000 of them hardly, and norms stay 1
    assert 0.0 < np.abs(sol.overlaps - M).max() < 1e-8
    assert np.linalg.eigvalsh(sol.student_overlaps)[0] > 0.9


def test_long_steps_in_law_are_watched_one_by_one() -> None:
    seen: list[int] = []

    def stop(done: int, steps: int) -> None:
        seen.append(done)
        raise RuntimeError("enough")

    with pytest.raises(RuntimeError, match="enough"):
        hf.online_sgd(
            SQUARED, batch=200_000, steps=1000, learning_rate=1e-6, seed=0, progress=stop,
            **parameters(),
        )  # fmt: skip
    assert 0 < seen[0] < 64


# ------------------------------------------------------------------ objects


def test_solutions_are_values() -> None:
    sol = hf.online_sgd(
        CUBE, save_at=[10], events={"up": hf.HittingTime(0.9)}, **parameters(), **RUN
    )
    again = hf.online_sgd(
        CUBE, save_at=[10], events={"up": hf.HittingTime(0.9)}, **parameters(), **RUN
    )
    other = hf.online_sgd(CUBE, save_at=[10], **parameters(), **{**RUN, "seed": 1})
    assert sol == again
    assert hash(sol) == hash(again)
    assert sol != other
    assert sol != 3
    assert pickle.loads(pickle.dumps(sol)) == sol
    text = repr(sol)
    assert "OnlineSolution of 3 neurons, k = 2, d = 50, in_law" in text
    assert "3 t_end" in text
    assert "0 of 3 times" in text
    assert "OnlineSolution" in sol._repr_html_()


@pytest.mark.parametrize("name", ["in_law", "direct", "marginal", "trained", "plain"])
def test_solutions_come_back_from_files(name: str, tmp_path: Path) -> None:
    events = {"up, or down": hf.HittingTime([0.3, 0.9]), "up  or down": hf.HittingTime(0.1)}
    keywords: dict[str, Any] = {**RUN, "save_at": [0, 10], "events": events}
    if name == "direct":
        V = np.linalg.qr(np.random.default_rng(0).standard_normal((20, 2)))[0].T
        flow = hf.CorrelationFlow(hf.IndexVectors(V), hf.link("erf"), second_layer=[1.0, 2.0, 3.0])
        sol = hf.online_sgd(flow, weights=hf.random_weights(n=3, d=20, seed=0), **keywords)
    elif name == "marginal":
        m = hf.random_overlaps(CUBE.targets, n=5, d=50, seed=1)
        sol = hf.online_sgd(CUBE, overlaps=m, d=50, method="marginal", **keywords)
    elif name == "trained":
        trained = hf.SquaredFlow(hf.Orthonormal(k=2), hf.hermite(3), train_second_layer=True)
        sol = hf.online_sgd(trained, **parameters(), **keywords)
    elif name == "plain":
        sol = hf.online_sgd(SQUARED, **parameters(), **RUN)
    else:
        sol = hf.online_sgd(SQUARED, **parameters(), **keywords)
    again = hf.load(sol.save(tmp_path / "run.nc"))
    assert again == sol
    assert isinstance(again, hf.OnlineSolution)
    ds = sol.to_xarray()
    assert ds["overlaps"].dims == ("neuron", "index_vector")
    if name != "plain":
        assert ds["trajectory"].dims == ("step", "neuron", "index_vector")
        np.testing.assert_array_equal(ds["step"], [0, 10])


@pytest.mark.parametrize("method", ["in_law", "marginal"])
@pytest.mark.parametrize(
    "seed",
    [
        7,
        np.int32(7),
        None,
        np.random.SeedSequence(3),
        np.random.SeedSequence(2**100, spawn_key=(4, 5), pool_size=8),
        np.random.SeedSequence([1, 2**70]).spawn(2)[1],
        np.random.SeedSequence(np.array([1, 2])),
    ],
)
def test_a_run_is_repeated_from_the_seed_it_keeps(method: str, seed: Any, tmp_path: Path) -> None:
    given = parameters()
    if method == "marginal":
        del given["student_overlaps"]
    keywords: dict[str, Any] = {**given, **RUN, "method": method}
    first = hf.online_sgd(CUBE, **{**keywords, "seed": seed})
    kept = hf.load(first.save(tmp_path / "run.nc")).options["seed"]
    assert kept == first.options["seed"]
    assert isinstance(kept, dict) == isinstance(seed, np.random.SeedSequence)
    again = np.random.SeedSequence(**kept) if isinstance(kept, dict) else kept
    assert hf.online_sgd(CUBE, **{**keywords, "seed": again}) == first
    if isinstance(kept, dict):  # the twin: another child of the sequence
        other = np.random.SeedSequence(**{**kept, "spawn_key": [*kept["spawn_key"], 0]})
        assert hf.online_sgd(CUBE, **{**keywords, "seed": other}) != first


def test_a_generator_is_not_kept() -> None:
    runs = [
        hf.online_sgd(CUBE, **parameters(), **{**RUN, "seed": np.random.default_rng(0)})
        for _ in range(2)
    ]
    assert runs[0] == runs[1]
    assert runs[0].options["seed"] is None


def test_many_inputs_are_not_kept() -> None:
    # 2000 samples of 1e5 numbers are 1.6 GB, of which 1024 columns a thread are kept at a time
    W = hf.random_weights(n=2, d=10**5, seed=0)
    sol = hf.online_sgd(
        SQUARED, weights=W, batch=2000, steps=1, learning_rate=1e-6, seed=0, n_threads=1,
        memory_limit=5e7,
    )  # fmt: skip
    assert sol.steps[0] == 1
    with pytest.raises(ValueError, match="for samples of a batch"):
        hf.online_sgd(
            SQUARED, weights=W, batch=2000, steps=1, learning_rate=1e-6, seed=0, n_threads=1,
            memory_limit=1e7,
        )  # fmt: skip


# ------------------------------------------------------------------ bad input


BAD: dict[str, tuple[dict[str, Any], type[Exception], str]] = {
    "steps": ({"steps": 0}, ValueError, "steps must be an integer of at least 1"),
    "rate": ({"learning_rate": 0.0}, ValueError, r"learning_rate must be a number in \(0"),
    "rate nan": ({"learning_rate": float("nan")}, ValueError, "learning_rate"),
    "batch": ({"batch": 0}, ValueError, "batch must be an integer of at least 1"),
    "batch text": ({"batch": "2"}, TypeError, "batch"),
    "method": ({"method": "in-law"}, ValueError, "did you mean 'in_law'"),
    "save_at": ({"save_at": [1.5]}, ValueError, "save_at must hold whole steps, got 1.5"),
    "save_at late": ({"save_at": [41]}, ValueError, "save_at must end at or before steps = 40"),
    "save_at order": ({"save_at": [3, 3]}, ValueError, "strictly increasing"),
    "event": ({"events": {"x": hf.Converged()}}, TypeError, r"events\['x'\] must be a HittingTime"),
    "loss": (
        {"events": {"x": hf.LossLevel(0.1)}}, ValueError, "must not be a LossLevel with a Correlat",
    ),
    "loss_every": ({"loss_every": 10}, ValueError, "loss_every must be left out without a LossLev"),
    "level": ({"events": {"x": hf.HittingTime(1.5)}}, ValueError, "levels of at most 1"),
    "events": ({"events": [hf.HittingTime(0.1)]}, TypeError, "events must map names"),
    "event name": ({"events": {1: hf.HittingTime(0.1)}}, TypeError, "names that are str"),
    "d small": ({"d": 2}, ValueError, r"d must be at least rank \+ 1 = 3, got 2"),
    "d below span": ({"d": 4}, ValueError, "d must be at least 5, the dimension of the span"),
    "no d": ({"d": None}, ValueError, "d must be given with overlaps"),
    "no Q": ({"student_overlaps": None}, ValueError, "student_overlaps must be given"),
    "both": ({"weights": np.eye(3, 50)}, ValueError, "exactly one of weights and overlaps"),
    "neither": ({"overlaps": None}, ValueError, "exactly one of weights and overlaps"),
    "Q": ({"student_overlaps": np.eye(2)}, ValueError, r"^student_overlaps .* shape \(3, 3\)"),
    "Q nan": (
        {"student_overlaps": np.full((3, 3), np.nan)}, ValueError, "^student_overlaps .* finite",
    ),
    "overlaps": ({"overlaps": np.ones((3, 2))}, ValueError, "positive semi-definite"),
    "checkpoint": ({"checkpoint": 3}, TypeError, "checkpoint must be a path"),
    "seed": ({"checkpoint": "x.npz", "seed": None}, ValueError, "checkpoint needs a seed"),
    "memory": ({"memory_limit": 500}, ValueError, "memory_limit must be at least"),
    "progress": ({"progress": 3}, TypeError, "progress must be True or False, or a callable"),
    "threads": ({"n_threads": 0}, ValueError, "n_threads"),
    "marginal Q": ({"method": "marginal"}, ValueError, "student_overlaps must not be given"),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_named(name: str) -> None:
    keywords, error, text = BAD[name]
    with pytest.raises(error, match=text):
        hf.online_sgd(CUBE, **{**parameters(), **RUN, **keywords})


def test_more_bad_input() -> None:
    W = hf.random_weights(n=3, d=50, seed=0)
    with pytest.raises(TypeError, match="flow must be a CorrelationFlow or a SquaredFlow"):
        hf.online_sgd("cube", weights=W, **RUN)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="d must not be given with weights"):
        hf.online_sgd(CUBE, weights=W, d=50, **RUN)
    with pytest.raises(ValueError, match="rows of unit norm"):
        hf.online_sgd(CUBE, weights=2 * W, **RUN)
    with pytest.raises(ValueError, match="rank \\+ 1"):
        hf.online_sgd(CUBE, weights=np.eye(2), **RUN)
    with pytest.raises(ValueError, match="method 'marginal' needs a CorrelationFlow"):
        hf.online_sgd(SQUARED, weights=W, method="marginal", **RUN)
    with pytest.raises(ValueError, match="batch must be 1 with method 'marginal'"):
        hf.online_sgd(CUBE, weights=W, method="marginal", batch=2, **RUN)
    with pytest.raises(ValueError, match="checkpoint needs method 'direct' or 'in_law'"):
        hf.online_sgd(CUBE, weights=W, method="marginal", checkpoint="x", **RUN)
    flow = hf.CorrelationFlow(hf.Orthonormal(k=2), hf.hermite(3), second_layer=[1.0, 2.0])
    with pytest.raises(ValueError, match="one entry for each of the n = 3 neurons"):
        hf.online_sgd(flow, weights=W, **RUN)
