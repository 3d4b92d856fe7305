"""Sweeps over grids of arbitrary values, and their stores."""

from __future__ import annotations

import math
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from harness import Case, runs_of
from hypothesis import strategies as st
from strategies import ODD, anything, uncalled

import hermiteflow as hf


def _point(x: Any, seed: Any) -> dict[str, Any]:
    return {"text": str(x), "number": 1.5}


def _by_name(**given: Any) -> dict[str, Any]:
    return {"count": len(given)}


def _returns(result: Any) -> Any:
    return lambda x, seed: result


def check_grid(answer: Any, values: Any) -> None:
    size = math.prod(len(v) for v in values.values())
    assert math.prod(answer.sizes.values()) == size
    assert set(answer.dims) == set(values)
    assert np.all(answer["count"].values == len(values) + 1)


def check_axis(answer: Any, x: Any) -> None:
    assert answer.sizes == {"x": len(x)}
    x = list(x.values()) if isinstance(x, dict) else x
    for place, value in enumerate(x):
        plain = value.item() if isinstance(value, np.generic) else value
        known = answer["text"].values[place]
        assert known in (str(value), str(plain), str(_float(plain)))


def _float(value: Any) -> Any:
    number = isinstance(value, int | float) and abs(value) < 2.0**1000
    return float(value) + 0.0 if number else value  # there is one zero


def check_result(answer: Any, result: Any) -> None:
    assert answer.sizes["x"] == 2
    for name, value in result.items():
        wanted = np.asarray(value)
        found = answer[name].values
        assert found.shape == (2, *wanted.shape)
        assert np.array_equal(found[0], wanted, equal_nan=wanted.dtype.kind in "fc")


def _stored(x: Any, threads_per_worker: Any, progress: Any) -> Any:
    with TemporaryDirectory() as folder:
        store = Path(folder) / "sweep"
        options: dict[str, Any] = {"threads_per_worker": threads_per_worker, "progress": progress}
        first = hf.sweep(_point, {"x": x}, seed=0, store=store, **options)
        again = hf.sweep(_point, {"x": x}, seed=0, store=store, **options)
        return first, again


def check_stored(answer: Any, x: Any, **options: Any) -> None:
    first, again = answer
    check_axis(first, x)
    assert first.equals(again)


_values = st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False) | st.text(max_size=5)
DISTINCT = (
    st.lists(st.integers(-5, 5), min_size=1, max_size=3, unique=True)
    | st.lists(st.sampled_from([0.5, -1.5, 1e300, 5e-324]), min_size=1, max_size=3, unique=True)
    | st.lists(
        st.sampled_from(["a", "é", "", " ", "/", "x y"]), min_size=1, max_size=3, unique=True
    )
    | st.sampled_from(
        [[True, False], (None, 3), np.arange(3), np.array(["u", "v"]), [(1, 2), (3,)]]
    )
)
GRIDS = st.dictionaries(st.sampled_from(["a", "b", "k", "link", "_x", "é"]),
                        st.sampled_from([[1], [0.5, 1.5], ["u", "v"], range(2)]),
                        min_size=1, max_size=3)  # fmt: skip
ODD_GRIDS = anything() | st.dictionaries(
    st.sampled_from(["a", "", "1a", "seed", "class", 3, None, "a b"]),
    st.lists(_values | st.sampled_from(ODD), max_size=3) | anything(), max_size=2)  # fmt: skip
RESULTS = st.dictionaries(st.sampled_from(["a", "b"]), st.sampled_from([
    1, 0.5, True, np.arange(3.0), np.float32(2.0), [1.0, 2.0], np.ones((2, 1)), math.nan, "word",
        1j,
]), min_size=1)  # fmt: skip
ODD_RESULTS = anything() | st.dictionaries(st.sampled_from(["a", "", "x", "seed", 3]), anything())

CASES = [
    Case("sweep", lambda values: hf.sweep(_by_name, values, seed=0), {"values": GRIDS}, check_grid,
         spoilt={"values": ODD_GRIDS}, says={"values": "values|function must take"}),
    Case("sweep", lambda x: hf.sweep(_point, {"x": x}), {"x": DISTINCT}, check_axis,
         spoilt={"x": st.lists(_values | st.sampled_from(ODD), max_size=3) | anything()},
         says={"x": r"values\['x'\]|\bx\b"}),
    Case("sweep", lambda result: hf.sweep(_returns(result), {"x": [1, 2]}), {"result": RESULTS},
         check_result, spoilt={"result": ODD_RESULTS}, says={"result": "at x=1"},
         allowed=(ValueError, TypeError, hf.SweepError)),
    Case("sweep", _stored, {"x": DISTINCT, "threads_per_worker": st.just(1),
                            "progress": st.sampled_from([None, False])}, check_stored,
         spoilt={"x": None, "progress": uncalled()}, refuses="must hold Unicode", share=0.3),
    Case("sweep", lambda **options: hf.sweep(_point, {"x": [1]}, **options),
         {"executor": st.just("serial"), "seed": st.integers(0, 2**128),
          "dims": st.sampled_from([None, {}, {"number": []}])},
         lambda answer, **options: check_axis(answer, [1])),
    Case("sweep", lambda function: hf.sweep(function, {"x": [1]}), {"function": st.just(_point)},
         lambda answer, function: None, allowed=(ValueError, TypeError, hf.SweepError),
         says={"function": "function|at x=1"}, share=0.5),
]  # fmt: skip

test_case = runs_of(CASES)
