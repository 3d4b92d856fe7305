"""Fields of experiments: their types, their labels, and what the attributes tell of them."""

from __future__ import annotations

import dataclasses
import functools
import json
from typing import Any

import numpy as np
import pytest

import hermiteflow as hf

pytest.importorskip("xarray")

from hermiteflow import experiments as ex
from hermiteflow.experiments import _common
from hermiteflow.experiments._reading import read_fields

NAMES = (
    *("search_time", "nearest", "coverage", "threshold", "phase_diagram"),
    "sample_complexity",
)
WITH_N = ("search_time", "nearest", "threshold", "sample_complexity")
WITH_BATCHES = ("coverage", "phase_diagram")
WITH_TARGETS = ("search_time", "nearest", "coverage", "sample_complexity")


@pytest.fixture(autouse=True)
def _nothing_is_computed(monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*_: Any, **__: Any) -> Any:
        raise AssertionError("computed")

    monkeypatch.setattr(hf, "sweep", never)


@pytest.mark.parametrize(
    ("names", "fields", "error", "words"),
    [
        (NAMES, {"links": "relu"}, TypeError, r"links must be a Link such as .*got 'relu' \(str\)"),
        (NAMES, {"links": (hf.hermite(3), 4)}, TypeError, r"links must be a Link.* 4 \(int\)"),
        (NAMES, {"links": ()}, ValueError, "links must not be empty"),
        (
            NAMES,
            {"k": "5"},
            TypeError,
            r"k must be an integer of at least [123], got '5' \(str\)",
        ),
        (
            NAMES,
            {"k": 5.5},
            ValueError,
            r"k must be an integer of at least [123], got 5.5 \(float\)",
        ),
        (
            NAMES,
            {"k": True},
            TypeError,
            r"k must be an integer of at least [123], got True \(bool\)",
        ),
        (
            WITH_N,
            {"n": 10.5},
            ValueError,
            r"n must be an integer of at least [123], got 10.5 \(float\)",
        ),
        (
            WITH_N,
            {"n": True},
            TypeError,
            r"n must be an integer of at least [123], got True \(bool\)",
        ),
        (
            WITH_BATCHES,
            {"batches": 2.5},
            ValueError,
            "batches must be an integer of at least 1, got 2.5",
        ),
        (
            WITH_TARGETS,
            {"targets": "orthonormal"},
            TypeError,
            "targets must be a TargetSpec.*'orth",
        ),
        (NAMES, {"d": "many"}, TypeError, r"d must be a number.*'many' \(str\)"),
        (NAMES, {"d": float("nan")}, ValueError, "d must be a number.*nan"),
        (NAMES, {"rtol": None}, TypeError, r"rtol must be a number.*None \(NoneType\)"),
        (NAMES, {"rtol": 0.5}, ValueError, r"rtol must be a number in \(0, 0.1\], got 0.5"),
        (NAMES, {"rtol": 1e-15}, ValueError, "rtol must be at least 1e-14, got 1e-15"),
        (
            NAMES,
            {"links": (hf.hermite(3), hf.link("sign"))},
            ValueError,
            "links must have a derivative, which sign lacks, got 'sign'",
        ),
        (
            NAMES,
            {"links": hf.link(np.abs)},
            ValueError,
            r"^links: 'absolute': link must have a series of psi' that reaches .* 1e-0[68]",
        ),
        (NAMES, {"progress": 3}, TypeError, r"progress must be a callable, got 3 \(int\)"),
        (NAMES, {"progress": None}, TypeError, "progress must be a callable, got None"),
        (NAMES, {"n_threads": 0}, ValueError, "n_threads must be an integer of at least 1"),
        (NAMES, {"n_threads": "a"}, TypeError, "n_threads must be an integer"),
        (
            ("sample_complexity",),
            {"d": (1e3, 1e19)},
            ValueError,
            r"d must be whole numbers from rank\(G\) \+ 1 = 2 to 1e18, got \(1000.0, 1e\+19\)",
        ),
        (
            ("sample_complexity",),
            {"k": 20, "d": (20, 40), "level": 0.1},
            ValueError,
            r"d must be whole numbers from rank\(G\) \+ 1 = 21",
        ),
        (
            ("sample_complexity",),
            {"k": 3, "targets": ex.TargetSpec(kind="equiangular", beta=2.0)},
            ValueError,
            "beta must be a number in",
        ),
        (NAMES, {"confidence": 1.0}, ValueError, r"confidence must lie in \(0, 1\), got 1.0"),
        (
            ("search_time", "sample_complexity"),
            {"quantiles": 2},
            ValueError,
            r"quantiles must lie in \[0, 1\]",
        ),
        (NAMES, {"seed": -1}, ValueError, "seed must be an int of at least 0, got -1"),
        (NAMES, {"seed": "0"}, TypeError, "seed must be an int"),
        (("phase_diagram",), {"losses": 3}, TypeError, r"losses must be text, got 3 \(int\)"),
    ],
)
def test_wrong_types_are_named(
    names: tuple[str, ...], fields: dict[str, Any], error: type[Exception], words: str
) -> None:
    for name in names:
        with pytest.raises(error, match=words):
            getattr(ex, name)(**{"seed": 0, **fields})


BOUNDS = [
    (config, field, low)
    for config in (
        ex.SearchTimeConfig,
        ex.NearestConfig,
        ex.CoverageConfig,
        ex.ThresholdConfig,
        ex.PhaseDiagramConfig,
        ex.SampleComplexityConfig,
    )
    for field, low in config.LEAST.items()
]


@pytest.mark.parametrize(("config", "field", "low"), BOUNDS)
def test_a_bound_is_the_same_whatever_is_wrong(config: Any, field: str, low: int) -> None:
    wanted = f"^{field} must be an integer of at least {low}, got "
    for value, error in (("many", TypeError), (2.5, ValueError), (low - 1, ValueError)):
        for call in (config, functools.partial(read, config)):
            with pytest.raises(error, match=wanted):
                call(**{field: value})
    # every integer has a bound
    integers = {f.name for f in dataclasses.fields(config) if str(f.type).find("int") >= 0}
    assert integers == config.LEAST.keys()


def read(config: type, **table: Any) -> Any:
    return config(**read_fields(config, table))


@pytest.mark.parametrize("name", ["search_time", "nearest", "coverage", "threshold"])
@pytest.mark.parametrize("value", [1e30, 1e18 + 256, 1000.5, 2.0])
def test_dimensions_are_told_of_before_what_depends_on_them(name: str, value: float) -> None:
    k = 3
    for d in ((10.0, value), value) if name == "search_time" else (value,):
        with pytest.raises(ValueError, match=r"^d must be .* from rank\(G\) = 3 to 1e18, got "):
            getattr(ex, name)(d=d, k=k, seed=0)
    with pytest.raises(AssertionError, match="computed"):
        getattr(ex, name)(d=(1e6, 1e18) if name == "search_time" else 1e18, k=k, seed=0)


@pytest.mark.parametrize(
    ("fields", "error", "words"),
    [
        ({"kind": "equiangular", "beta": "a"}, TypeError, r"beta must be a number.*'a' \(str\)"),
        ({"kind": "equiangular", "beta": float("nan")}, ValueError, "beta must be a number"),
        ({"kind": "random", "dimension": 10.5}, ValueError, "dimension must be an integer"),
        ({"kind": 3}, ValueError, "kind must be one of"),
    ],
)
def test_wrong_arrangements_are_named(
    fields: dict[str, Any], error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words):
        ex.TargetSpec(**fields)


def test_numbers_of_numpy_are_numbers() -> None:
    config = ex.CoverageConfig(
        links=hf.hermite(3),
        k=np.array([4, 5]),
        d=10**4,
        batches=np.int64(7),
        ratios=np.float32(0.5),
    )
    assert config.k == (4, 5)
    assert config.ratios == (0.5,)
    assert {type(x) for x in (*config.k, config.batches)} == {int}
    assert {type(x) for x in (*config.ratios, config.d)} == {float}


CLOSE = 1.0 / 3.0, 0.33333


@pytest.mark.parametrize("name", NAMES)
def test_links_of_one_label_are_refused(name: str) -> None:
    links = tuple(hf.hermite({3: 1.0, 5: c}) for c in CLOSE)
    with pytest.raises(ValueError, match=r"links must have labels that differ.*0\.3333 h5") as info:
        getattr(ex, name)(links=links, seed=0)
    assert repr(CLOSE[0]) in str(info.value)
    assert repr(CLOSE[1]) in str(info.value)


@pytest.mark.parametrize("name", ["search_time", "coverage"])
def test_arrangements_of_one_label_are_refused(name: str) -> None:
    specs = tuple(ex.TargetSpec(kind="equiangular", beta=0.5 * c) for c in CLOSE)
    with pytest.raises(ValueError, match="targets must have labels that differ") as info:
        getattr(ex, name)(targets=specs, seed=0)
    assert repr(0.5 * CLOSE[0]) in str(info.value)


def rebuilt(told: dict[str, Any]) -> hf.Link:
    """A link from what a Dataset tells of it."""
    degrees = {int(p): c for p, c in told["hermite"].items()} or {0: 0.0}
    link = hf.hermite(degrees)
    for part in told.get("functions", ()):
        if "series" in part:
            link = link + part["factor"] * hf.hermite(dict(enumerate(part["series"])))
        else:
            link = link + part["factor"] * hf.link(part["name"])
    return link


@pytest.mark.parametrize(
    "link",
    [
        hf.hermite({3: 1.0, 40: 1.0 / 3.0}),
        hf.link("relu").without(1, 2),
        hf.link(np.sin),
        0.1 * hf.link("erf") + hf.link("tanh") + hf.hermite({3: 2.0 / 7.0}),
    ],
)
def test_a_config_determines_its_links(link: hf.Link) -> None:
    told = json.loads(json.dumps(_common.describe(link)))
    assert rebuilt(told).series == link.series
    told["hermite"]["3"] = 1e-16 + told["hermite"].get("3", 0.0) * (1.0 + 1e-15)  # planted
    assert rebuilt(told).series != link.series


def test_a_config_determines_its_arrangements() -> None:
    spec = ex.TargetSpec(kind="equiangular", beta=1.0 / 3.0)
    told: Any = json.loads(json.dumps(_common.describe(spec)))
    assert ex.TargetSpec(**told) == spec
    assert spec.label.endswith("beta=0.3333")


def test_the_level_of_a_search_lies_below_all_ends() -> None:
    with pytest.raises(ValueError, match=r"level must be below 1/sqrt\(k\) = 0.4472.*h2"):
        ex.SearchTimeConfig(links=hf.hermite(2), level=0.45)
    ex.SearchTimeConfig(links=hf.hermite(2), level=0.44)
    ex.SearchTimeConfig(links=hf.hermite(3), level=0.45)


def test_labels_and_parity_of_high_degrees() -> None:
    assert _common.link_label(hf.hermite(33)) == "h33"
    assert _common.link_label(hf.hermite({3: 1.0, 40: -0.5})) == "h3 - 0.5 h40"
    assert _common.link_label(hf.hermite({3: 1e-14})) == "1e-14 h3"
    assert not _common.is_even(hf.hermite(33))
    assert _common.is_even(hf.hermite(34))
