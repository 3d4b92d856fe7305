"""Stored samples: bad input, files that are streamed, pickles, memory, Ctrl-C."""

from __future__ import annotations

import os
import pickle
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from interrupt import heard

import hermiteflow as hf

T2 = hf.Orthonormal(k=2)
LINK = hf.hermite(3)
N, D = 50, 4
X = np.random.default_rng(0).standard_normal((N, D))
W = hf.random_weights(n=3, d=D, seed=0)


def flow(sample: Any = X, link: hf.Link = LINK, targets: hf.Targets = T2, **options: Any) -> Any:
    return hf.EmpiricalFlow(targets, link, sample, **options)


def spoilt(value: float, at: tuple[int, int], dtype: Any = np.float64) -> np.ndarray:
    out = X.astype(dtype)
    out[at] = value
    return out


def solve(**options: Any) -> Any:
    return hf.solve(flow(loss="squared"), **{"weights": W, "t_end": 1.0, **options})


def free(size: float) -> float:
    return flow(loss="squared", constrained=False).loss(size * W)


BIG = np.where(np.arange(N) == 7, 1e308, 1.0)
SHAPE = "X must have shape (N, d) and not be empty"
BAD: list[tuple[type[Exception], str, Callable[[], object]]] = [
    # the sample
    (ValueError, "X must be finite, got nan at (17, 2)", lambda: flow(spoilt(np.nan, (17, 2)))),
    (ValueError, "X must be finite, got inf at (49, 3)",
     lambda: flow(spoilt(np.inf, (49, 3), "f4"))),
    (ValueError, "X must be finite, got -inf at (0, 0)", lambda: flow(spoilt(-np.inf, (0, 0)))),
    (
        ValueError,
        "X must be finite, got nan at (5, 3)",  # beyond the index vectors, with labels and a kink
        lambda: flow(spoilt(np.nan, (5, 3)), hf.link("relu"), y=np.ones(N)),
    ),
    (ValueError, "X must be finite, got inf at (5, 0)",
     lambda: flow(spoilt(np.inf, (5, 0)), hf.link("tanh"))),
    (TypeError, "X must hold float32 or float64 numbers, shape (N, d), got dtype int64",
     lambda: flow(np.ones((N, D), dtype=int))),
    (TypeError, "got dtype complex128", lambda: flow(1j * X)),
    (TypeError, "got dtype float16", lambda: flow(X.astype(np.float16))),
    (TypeError, "got dtype object", lambda: flow(X.astype(object))),
    (TypeError, "X must be an ordinary array of shape (N, d), got a masked array",
     lambda: flow(np.ma.masked_array(X))),
    (ValueError, "X must be an array of shape (N, d), got a ragged list",
     lambda: flow([[1.0], [1.0, 2.0]])),
    (ValueError, "in the byte order of this machine", lambda: flow(X.astype(">f8"))),
    (ValueError, f"{SHAPE}, got (4,)", lambda: flow(X[0])),
    (ValueError, f"{SHAPE}, got (50, 4, 1)", lambda: flow(X[:, :, None])),
    (ValueError, f"{SHAPE}, got (0, 4)", lambda: flow(X[:0])),
    (ValueError, "X must have contiguous rows", lambda: flow(np.asfortranarray(X))),
    (ValueError, "X must have contiguous rows",
     lambda: flow(X[:, ::2], targets=hf.Orthonormal(k=1))),
    (ValueError, "X must have shape (N, d) with d >= rank(G) + 1 = 5, got (50, 4)",
     lambda: flow(targets=hf.Orthonormal(k=4))),
    (ValueError, "X must have shape (N, 3), for V has shape (2, 3), got (50, 4)",
     lambda: flow(targets=hf.IndexVectors(np.eye(2, 3)))),
    (ValueError, "link must be finite on X, got f*(x) = nan in row 3, with |x| = ",
     lambda: flow(spoilt(40.0, (3, 0)), hf.link(np.arctan))),
    # labels
    (ValueError, "y must have shape (50,), got (49,)", lambda: flow(y=np.ones(N - 1))),
    (ValueError, "y must have shape (50,), got (50, 1)", lambda: flow(y=np.ones((N, 1)))),
    (ValueError, "y must be finite, got nan at (3,)",
     lambda: flow(y=np.where(np.arange(N) == 3, np.nan, 1.0))),
    (TypeError, "y must hold real numbers", lambda: flow(y=1j * np.ones(N))),
    # the model
    (ValueError, "loss must be one of 'correlation', 'squared', got 'sqaured'; did you mean "
     "'squared'?", lambda: flow(loss="sqaured")),
    (TypeError, "loss must be one of", lambda: flow(loss=2)),
    (ValueError, "constrained must be True with loss='correlation'",
     lambda: flow(constrained=False)),
    (TypeError, "constrained must be True or False", lambda: flow(loss="squared", constrained=0)),
    (ValueError, "student must have a derivative, got a link with 'sign'",
     lambda: flow(student=hf.link("sign"))),
    (ValueError, "target_weights must have shape (2,)", lambda: flow(target_weights=[1.0])),
    (TypeError, "targets must be index vectors", lambda: flow(targets=3)),
    # weights
    (ValueError, "W must have shape (n, 4), got (3, 5)",
     lambda: flow().loss(hf.random_weights(n=3, d=5, seed=0))),
    (ValueError, "W must have rows of unit norm", lambda: flow().gradient(2.0 * W)),
    (ValueError, "W must be finite", lambda: flow().gradient(np.nan * W)),
    (ValueError, "second_layer must have one entry for each of the n = 3 neurons, got 2",
     lambda: flow(second_layer=[1.0, 2.0]).gradient(W)),
    # what is not finite
    (ValueError, "W must give a finite loss, got f(x) = nan in row 3 of X, where |w . x| is up to "
     "60; a link made from a callable is known on [-32, 32]",
     lambda: flow(spoilt(60.0, (3, 3)), hf.link(np.arctan)).loss(np.eye(D)[3:])),
    (ValueError, "W must give a finite gradient, got f(x) = nan in row 3 of X, where |w . x| is",
     lambda: flow(spoilt(60.0, (3, 3)), hf.link(np.arctan)).gradient(np.eye(D)[2:])),
    (ValueError, "W must give a finite loss, got f(x) = nan in row 0 of X, where |w . x| is up to ",
     lambda: free(1e150)),
    (ValueError, "W must give a finite loss, got an overflow with |y| = 1e+308 in row 7 of X and "
     "|f(x)| = ", lambda: flow(y=BIG, loss="squared").loss(W)),
    (ValueError, "W must give a finite gradient, got an overflow with |y| = 1.7e+308 in row 7",
     lambda: flow(50.0 * X, y=1.7 * BIG).gradient(W)),
    # solve
    (ValueError, "weights must be given for an EmpiricalFlow", lambda: solve(weights=None)),
    (ValueError, "weights must have shape (n, 4), got (3, 5)",
     lambda: solve(weights=hf.random_weights(n=3, d=5, seed=0))),
    (ValueError, "weights must have rows of unit norm", lambda: solve(weights=2.0 * W)),
    (ValueError, "overlaps must not be given for an EmpiricalFlow", lambda: solve(overlaps=W)),
    (ValueError, "student_overlaps must not be given", lambda: solve(student_overlaps=W)),
    (ValueError, "reduce must be left out", lambda: solve(reduce=False)),
    (ValueError, "form must be one of 'coordinates'", lambda: solve(form="order parameters")),
    (ValueError, "t_end must be finite for an EmpiricalFlow", lambda: solve(t_end=np.inf)),
    (ValueError, "save_at must end at or before t_end", lambda: solve(save_at=[2.0])),
    (ValueError, "method must be one of", lambda: solve(method="euler")),
    (ValueError, "step must be given with method 'rk4'", lambda: solve(method="rk4")),
    (ValueError, "memory_limit must be at least", lambda: solve(memory_limit=1000)),
    (ValueError, "n_threads must be an integer", lambda: solve(n_threads=0)),
    (ValueError, "events['low'] must not be a LossLevel with loss='correlation'",
     lambda: hf.solve(flow(), weights=W, t_end=1.0, events={"low": hf.LossLevel(0.1)})),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "message", "call"), BAD)
def test_bad_input_names_the_argument(
    kind: type[Exception], message: str, call: Callable[[], object]
) -> None:
    with pytest.raises(kind, match=re.escape(message)):
        call()


def test_what_looks_odd_but_is_fine() -> None:
    """Lists, one sample, a sample of zeros, large numbers, and a teacher without a derivative."""
    assert flow([[1.0, 2.0, 3.0]]).labels.shape == (1,)
    assert np.all(flow(np.zeros((5, 3)), hf.link("tanh")).gradient(np.eye(2, 3)) == 0.0)
    signs = flow(link=hf.link("sign"), student=hf.link("tanh"), loss="squared")
    assert set(signs.labels) <= {-2.0, 0.0, 2.0}
    assert np.isfinite(flow(1e30 * X, hf.link("tanh")).gradient(W)).all()
    assert not flow().X.flags.writeable
    assert X.flags.writeable


@pytest.mark.parametrize("loss", ["correlation", "squared"])
def test_a_run_that_is_not_finite_has_a_status(loss: str) -> None:
    """Where it starts so and where it comes to be so: with the last finite state, and a warning."""
    outside = flow(spoilt(60.0, (3, 3)), hf.link(np.arctan), loss=loss)
    for run, weights in ((flow(y=BIG, loss=loss), W), (outside, np.eye(D)[2:])):
        with pytest.warns(hf.SolveWarning, match=r"ended at t = 0: non_finite \("):
            sol = hf.solve(run, weights=weights, t_end=1.0)
        assert sol.status is hf.Status.non_finite
        assert not sol.success
        np.testing.assert_allclose(sol.weights, weights, rtol=0.0, atol=1e-15)
    away = np.sqrt([[0.75, 0.0, 0.0, 0.25]])  # |w . x| < 32, and drawn to where it is more
    pulls = flow(spoilt(60.0, (3, 3)), hf.link(np.arctan), loss=loss,
                 y=np.where(np.arange(N) == 3, 900.0, 0.0))  # fmt: skip
    with pytest.warns(hf.SolveWarning, match="non_finite"):
        sol = hf.solve(pulls, weights=away, t_end=100.0)
    assert sol.status is hf.Status.non_finite
    assert 0.0 < sol.t_final < 100.0
    assert np.isfinite([sol.loss, *sol.overlaps.ravel(), *sol.gradient_norms]).all()


# ------------------------------------------------------------------ files


def mapped(path: Path, dtype: Any = np.float32) -> np.memmap:
    """Rows of a file, with some of each to the left and right."""
    out = np.memmap(path, dtype=dtype, mode="w+", shape=(N + 2, D + 3), offset=16)
    out[:] = np.nan
    out[1:-1, 2:-1] = X
    out.flush()
    return out[1:-1, 2:-1]


def test_a_mapped_sample_is_pickled_as_its_place(tmp_path: Path) -> None:
    rows = mapped(tmp_path / "x.bin")
    first = flow(rows, loss="squared")
    data = pickle.dumps(first)
    plain = flow(np.array(rows), loss="squared")
    assert len(data) < len(pickle.dumps(plain)) - rows.size * 2
    again = pickle.loads(pickle.loads(pickle.dumps(data)))
    assert isinstance(again.X, np.memmap)
    assert np.array_equal(again.X, rows)
    assert np.array_equal(again.gradient(W), first.gradient(W))
    assert again == first == plain
    twice = pickle.loads(pickle.dumps(again))
    assert isinstance(twice.X, np.memmap)
    assert np.array_equal(twice.X, rows)
    assert "float32, memory-mapped" in repr(twice)
    backwards = flow(rows[::-1], loss="squared")  # has no place: its numbers are pickled
    assert np.array_equal(pickle.loads(pickle.dumps(backwards)).X, rows[::-1])
    assert backwards != first
    del again, twice
    (tmp_path / "x.bin").unlink()
    with pytest.raises(FileNotFoundError):
        pickle.loads(data)


def test_npy_files(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", X)
    first = flow(np.load(tmp_path / "x.npy", mmap_mode="r"))
    assert first == flow()
    assert np.array_equal(pickle.loads(pickle.dumps(first)).X, X)


STREAM = """
import resource, sys, threading, tracemalloc
import numpy as np, hermiteflow as hf
X = np.memmap(sys.argv[1], dtype=np.float32, mode="r", shape=(65536, 1024))
W = hf.random_weights(n=4, d=1024, seed=0)
def anonymous():
    with open("/proc/self/smaps_rollup") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("Anonymous:"))
tracemalloc.start()
before, most, done = anonymous(), [0], []
def look():
    while not done:
        most[0] = max(most[0], anonymous())
worker = threading.Thread(target=look)
worker.start()
flow = hf.EmpiricalFlow(hf.Orthonormal(k=2), hf.link("tanh"), X, loss="squared", n_threads=2)
flow.gradient(W, n_threads=2)
hf.solve(flow, weights=W, t_end=0.1, method="rk4", step=0.1, n_threads=2)
hash(flow)
done.append(True)
worker.join()
extra = np.array(X) if len(sys.argv) > 2 else None
most[0] = max(most[0], anonymous())
print(tracemalloc.get_traced_memory()[1], 1024 * (most[0] - before))
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_a_file_is_streamed_and_never_copied_whole(tmp_path: Path) -> None:
    """256 MiB on disk (most of it a hole); arrays and anonymous memory stay far below."""
    path = tmp_path / "large.bin"
    X = np.memmap(path, dtype=np.float32, mode="w+", shape=(65536, 1024))
    X[::4096] = np.random.default_rng(0).standard_normal((16, 1024))
    X.flush()
    del X

    def run(*extra: str) -> list[int]:
        command = [sys.executable, "-c", STREAM, str(path), *extra]
        out = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
        return [int(word) for word in out.stdout.split()]

    arrays, anonymous = run()
    assert arrays < 16 * 2**20
    if "libasan" not in os.environ.get("LD_PRELOAD", ""):  # which keeps memory of its own
        assert anonymous < 64 * 2**20
    arrays, anonymous = run("copy")  # the twin
    assert arrays > 256 * 2**20
    assert anonymous > 256 * 2**20
    path.unlink()


# ------------------------------------------------------------------ Ctrl-C

SETUP = """
X = np.random.default_rng(0).standard_normal((40_000, 200), dtype=np.float32)
flow = hf.EmpiricalFlow(hf.Orthonormal(k=2), hf.link("tanh"), X, loss="squared")
W = hf.random_weights(n=256, d=200, seed=0)
"""
LONG = {
    "gradient": "flow.gradient(W)",
    "loss": "flow.loss(W)",
    "solve": "hf.solve(flow, weights=W, t_end=1e9, rtol=1e-13)",
    "labels": "hf.EmpiricalFlow(hf.Orthonormal(k=100), hf.link('gelu'), X)",
}


@pytest.mark.skipif(not hasattr(__import__("os"), "fork"), reason="signals of POSIX")
@pytest.mark.parametrize("name", LONG)
def test_ctrl_c_is_heard_at_once_and_leaves_all_usable(name: str, tmp_path: Path) -> None:
    heard(tmp_path, setup=SETUP, call=LONG[name], value="flow.gradient(W[:8])")


def test_progress_counts_steps() -> None:
    seen: list[tuple[int, int]] = []
    big = np.random.default_rng(0).standard_normal((20_000, 50))
    run = hf.EmpiricalFlow(T2, hf.link("tanh"), big, loss="squared")
    weights = hf.random_weights(n=8, d=50, seed=0)
    sol = hf.solve(run, weights=weights, t_end=4.0, progress=lambda *at: seen.append(at))
    assert seen
    assert all(0 <= steps <= sol.steps and most == 100_000 for steps, most in seen)
    assert sorted(seen) == seen
