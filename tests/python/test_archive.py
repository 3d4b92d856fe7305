"""Solutions that last: as Datasets, in files, and what is refused."""

from __future__ import annotations

import dataclasses
import json
import math
import pickle
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import hermiteflow as hf

h5py = pytest.importorskip("h5py")
xr = pytest.importorskip("xarray")
pytest.importorskip("h5netcdf")

from hermiteflow import archive  # noqa: E402

TARGETS: dict[str, hf.Targets] = {
    "orthonormal": hf.Orthonormal(k=3),
    "equiangular": hf.Equiangular(k=3, beta=0.1),
    "gram": hf.random_index_vectors(k=3, d=9, seed=3),
    "rank deficient": hf.random_index_vectors(k=4, d=3, seed=3),
    "V": hf.IndexVectors(hf.random_weights(n=3, d=9, seed=4)),
}
N = 5


def make(targets: hf.Targets, **options: Any) -> hf.Solution:
    d = 9 if targets.rank == targets.k else 3
    flow = options.pop("flow", hf.CorrelationFlow(targets, hf.hermite({3: 1.0, 4: 0.1})))
    if options.pop("weights", False):
        start: dict[str, Any] = {"weights": hf.random_weights(n=N, d=d, seed=5)}
    else:
        start = {"overlaps": hf.random_overlaps(targets, n=N, d=d, seed=5)}
    return hf.solve(flow, **start, **options)


@pytest.fixture(scope="module")
def full() -> hf.Solution:
    """Everything at once: ladder, single level, convergence, trajectory, names of any kind."""
    events: dict[str, hf.HittingTime | hf.Converged] = {
        "ladder": hf.HittingTime([0.5, 0.8, 0.9999]),
        "hit": hf.HittingTime(0.7),
        "done": hf.Converged(),
        "a/b \N{GREEK SMALL LETTER BETA}": hf.HittingTime([0.6]),
        "a_b _": hf.HittingTime(0.6),
        "": hf.HittingTime(0.99),
    }
    start = hf.random_overlaps(TARGETS["orthonormal"], n=40, d=100, seed=5)
    flow = hf.CorrelationFlow(TARGETS["orthonormal"], hf.hermite(3))
    return hf.solve(flow, overlaps=start, events=events, save_at=[0.0, 2.0, 8.0, 1e4])


def fields_agree(left: hf.Solution, right: hf.Solution) -> None:
    """Field by field, so that `==` of the class is not its own judge."""
    for entry in dataclasses.fields(hf.Solution):
        a, b = getattr(left, entry.name), getattr(right, entry.name)
        pairs = [(a[name], b[name]) for name in a] if isinstance(a, dict) else [(a, b)]
        assert not isinstance(a, dict) or list(a) == list(b), entry.name
        for x, y in pairs:
            if isinstance(x, np.ndarray):
                assert x.dtype == y.dtype, entry.name
                np.testing.assert_array_equal(x, y, strict=True, err_msg=entry.name)
            else:
                assert x == y, entry.name
                assert type(x) is type(y), entry.name


def the_same(left: hf.Solution, right: hf.Solution) -> None:
    fields_agree(left, right)
    assert left == right
    assert hash(left) == hash(right)


# ------------------------------------------------------------------ round trips


@pytest.mark.parametrize("weights", [False, True], ids=["overlaps", "weights"])
@pytest.mark.parametrize("name", TARGETS)
def test_targets_return(name: str, weights: bool, tmp_path: Path) -> None:
    sol = make(TARGETS[name], weights=weights, t_end=3.0)
    assert (sol.weights is not None) == weights
    again = hf.load(sol.save(tmp_path / "run.nc"))
    the_same(again, sol)
    assert again.flow == sol.flow
    assert type(again.flow.targets) is type(sol.flow.targets)
    the_same(make(TARGETS[name], weights=weights, t_end=3.0, flow=again.flow), sol)


def test_every_field_returns(full: hf.Solution, tmp_path: Path) -> None:
    assert np.isnan(full.trajectory).any()
    assert np.isnan(full.events["hit"]).any()
    assert set(full.counts()) == {"converged", "no_escape"}
    assert set(full.kind) == {"index", ""}
    assert full.events["ladder"].shape == (40, 3)
    assert full.events["hit"].shape == (40,)
    again = hf.load(full.save(tmp_path / "run.nc"))
    the_same(again, full)
    assert again.options["events"] == full.options["events"]
    assert math.isinf(again.options["t_end"])


@pytest.mark.parametrize(
    "options",
    [
        {"method": "rk4", "step": 0.1, "t_end": 1.0, "renormalize": False},
        {"method": "rk4", "step": 0.1, "t_end": 1.0, "reduce": False, "weights": True},
        {"method": "dop853", "rtol": 1e-10, "atol": 1e-14, "max_steps": 500, "t_end": 2},
        {"save_at": 0.5, "t_end": 1.0},
        {"t_end": 0.0},
    ],
    ids=["rk4", "all coordinates", "dop853", "one saved time", "no time"],
)
def test_options_return(options: dict[str, Any], tmp_path: Path) -> None:
    sol = make(TARGETS["orthonormal"], **options)
    asked = {key: value for key, value in options.items() if key in sol.options}
    assert asked == {key: sol.options[key] for key in asked}
    the_same(hf.load(sol.save(tmp_path / "run.nc")), sol)


@pytest.mark.parametrize(
    "layers",
    [
        {"second_layer": 0.5},
        {"second_layer": np.linspace(0.5, 1.5, N)},
        {"second_layer": -np.ones(1), "target_weights": [1.0, 2.0, 1e-3]},
        {"student": hf.hermite({3: 0.5, 4: 1 / 3})},
    ],
    ids=["one a", "a", "negative a and b", "student"],
)
def test_layers_and_students_return(layers: dict[str, Any], tmp_path: Path) -> None:
    flow = hf.CorrelationFlow(TARGETS["equiangular"], hf.hermite({3: 0.1 + 0.2, 4: 0.1}), **layers)
    sol = make(TARGETS["equiangular"], flow=flow, t_end=2.0)
    again = hf.load(sol.save(tmp_path / "run.nc"))
    the_same(again, sol)
    assert again.flow == flow
    assert (again.flow.student is None) == (flow.student is None)


def test_a_link_from_a_callable_returns_as_by_pickle(tmp_path: Path) -> None:
    link = hf.link(lambda x: np.sin(2.0 * x)).without(1)
    assert link.function is not None
    flow = hf.CorrelationFlow(TARGETS["orthonormal"], link, student=0.1 * link + hf.hermite(4))
    sol = make(TARGETS["orthonormal"], flow=flow, t_end=5.0)
    again = hf.load(sol.save(tmp_path / "run.nc"))
    the_same(again, sol)
    pickled = pickle.loads(pickle.dumps(flow))
    assert again.flow == pickled
    assert again.flow.link.name == pickled.link.name == link.name
    assert again.flow.link.function is None
    the_same(make(TARGETS["orthonormal"], flow=again.flow, t_end=5.0), sol)


def test_a_truncated_series_keeps_its_remainder(tmp_path: Path) -> None:
    flow = hf.CorrelationFlow(TARGETS["orthonormal"], hf.link(np.abs), student=hf.hermite(4))
    assert flow.link.remainder > 0.0
    sol = make(TARGETS["orthonormal"], flow=flow, t_end=1.0)
    again = hf.load(sol.save(tmp_path / "run.nc"))
    assert again.flow.link.remainder == flow.link.remainder
    the_same(again, sol)


def test_a_long_series_fits(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    link = hf.hermite({p: float(c) for p, c in enumerate(rng.normal(size=8001)) if p > 2})
    flow = hf.CorrelationFlow(hf.Orthonormal(k=1), link, student=hf.hermite(3))
    sol = hf.solve(flow, overlaps=[[0.1]], t_end=0.1)
    assert len(sol.to_xarray().attrs["flow"]) > 2**16  # more than an old HDF5 attribute takes
    the_same(hf.load(sol.save(tmp_path / "run.nc")), sol)


def test_failed_neurons_return(tmp_path: Path) -> None:
    flow = hf.CorrelationFlow(
        hf.Orthonormal(k=2), hf.hermite({3: 1e150}), second_layer=[1e-300, 1e10]
    )
    with pytest.warns(hf.SolveWarning):
        sol = hf.solve(flow, overlaps=[[0.1, 0.2], [0.1, 0.2]], t_end=1e-3)
    assert hf.Status.non_finite in sol.status
    the_same(hf.load(sol.save(tmp_path / "run.nc")), sol)


def test_equality_sees_every_field(full: hf.Solution) -> None:
    other = make(TARGETS["orthonormal"], t_end=1.0, weights=True, method="dopri5")
    for entry in dataclasses.fields(hf.Solution):
        value = getattr(other, entry.name)
        assert dataclasses.replace(full, **{entry.name: value}) != full, entry.name
    nudged = full.trajectory.copy()
    nudged[0, 0, 0] = np.nextafter(nudged[0, 0, 0], 1.0)
    assert dataclasses.replace(full, trajectory=nudged) != full
    with pytest.raises(AssertionError):
        fields_agree(dataclasses.replace(full, trajectory=nudged), full)
    assert full == dataclasses.replace(full, kind=full.kind.astype("<U20"))
    assert full != 3


# ------------------------------------------------------------------ the Dataset


def test_the_dataset_is_labelled(full: hf.Solution) -> None:
    ds = full.to_xarray()
    assert ds.trajectory.dims == ("neuron", "time", "index_vector")
    assert ds.overlaps.dims == ("neuron", "index_vector")
    assert ds.event_ladder.dims == ("neuron", "level_ladder")
    assert ds.event_hit.dims == ("neuron",)
    np.testing.assert_array_equal(ds.level_ladder, [0.5, 0.8, 0.9999])
    np.testing.assert_array_equal(ds.time, full.times)
    for name in ds.variables:
        assert ds[name].attrs["units"], name
        assert ds[name].attrs["long_name"], name
    meanings = dict(
        zip(ds.status.flag_values.tolist(), ds.status.flag_meanings.split(), strict=True)
    )
    assert meanings == {int(s): s.name for s in hf.Status}
    assert np.shares_memory(ds.trajectory.values, full.trajectory)
    described = json.loads(ds.attrs["flow"])
    assert described["targets"] == {"type": "Orthonormal", "k": 3}
    assert described["link"]["series"] == [0.0, 0.0, 0.0, 1.0]
    assert json.loads(ds.attrs["run"])["method"] == "tsit5"
    assert f"hermiteflow {hf.__version__}" == ds.attrs["source"]


def test_names_of_events_stay_apart(full: hf.Solution) -> None:
    ds = full.to_xarray()
    variables = dict(json.loads(ds.attrs["run"])["events"])
    assert list(variables) == list(full.events)
    assert len(set(variables.values())) == len(full.events)
    for name, variable in variables.items():
        np.testing.assert_array_equal(ds[variable], full.events[name])


def test_other_programs_read_the_file(full: hf.Solution, tmp_path: Path) -> None:
    path = full.save(tmp_path / "run.nc")
    with xr.open_dataset(path, engine="h5netcdf") as ds:
        np.testing.assert_array_equal(ds.trajectory.values, full.trajectory)
        assert list(ds.kind.values) == list(full.kind)
    with h5py.File(path) as file:
        np.testing.assert_array_equal(file["t_final"][:], full.t_final)


# ------------------------------------------------------------------ what is refused


def refused(path: Path, words: str) -> None:
    with pytest.raises(ValueError, match=re.escape(words)) as caught:
        hf.load(path)
    message = str(caught.value)
    assert message.startswith("path must name a solution of format 1 that Solution.save wrote")
    assert repr(str(path)) in message
    assert "\n" not in message


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    return make(TARGETS["V"], weights=True, save_at=[0.0, 1.0], t_end=2.0).save(tmp_path / "a.nc")


def test_other_files_are_refused(tmp_path: Path) -> None:
    for content in (b"", b"hello\n", pickle.dumps([1, 2]), b"CDF\x01" + bytes(100)):
        path = tmp_path / "other"
        path.write_bytes(content)
        refused(path, "a file that is not netCDF-4: it starts with")
    xr.Dataset({"x": ("y", [1.0])}).to_netcdf(tmp_path / "other.nc", engine="h5netcdf")
    refused(tmp_path / "other.nc", "a netCDF file of another kind")
    with pytest.raises(FileNotFoundError, match=re.escape("absent.nc")):
        hf.load(tmp_path / "absent.nc")
    with pytest.raises(IsADirectoryError):
        hf.load(tmp_path)
    with pytest.raises(TypeError, match="path must be a str or a path, got 3"):
        hf.load(3)  # type: ignore[arg-type]


def test_a_file_cut_short_is_refused(saved: Path) -> None:
    whole = saved.read_bytes()
    for share in (0.001, 0.01, 0.1, 0.3, 0.5, 0.8, 0.99):
        saved.write_bytes(whole[: int(share * len(whole))])
        refused(saved, "a damaged file" if share * len(whole) >= 8 else "a file that is not")
    saved.write_bytes(whole[:-1])
    refused(saved, "a damaged file")


def test_a_changed_number_is_refused(saved: Path) -> None:
    whole, number = saved.read_bytes(), hf.load(saved).trajectory[0, 1].tobytes()
    assert whole.count(number) == 1
    place = whole.index(number)
    saved.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
    refused(saved, "a damaged file")


def edit_flow(change: Callable[[dict[str, Any]], object]) -> Callable[[Any], None]:
    def edit(file: Any) -> None:
        described = json.loads(file.attrs["flow"])
        change(described)
        file.attrs["flow"] = json.dumps(described)

    return edit


def edit_run(change: Callable[[dict[str, Any]], object]) -> Callable[[Any], None]:
    def edit(file: Any) -> None:
        described = json.loads(file.attrs["run"])
        change(described)
        file.attrs["run"] = json.dumps(described)

    return edit


def replace(name: str, values: object) -> Callable[[Any], None]:
    def edit(file: Any) -> None:
        file[name][...] = values

    return edit


def set_attribute(name: str, value: object) -> Callable[[Any], None]:
    return lambda file: file.attrs.__setitem__(name, value)


EDITS: dict[str, tuple[Callable[[Any], None], str]] = {
    "version": (set_attribute("format_version", 2), "format 2, written by hermiteflow"),
    "kind of file": (set_attribute("hermiteflow_format", "sweep"), "of another kind"),
    "no json": (set_attribute("flow", "__import__('os')"), "a damaged file"),
    "no run": (lambda file: file.attrs.__delitem__("run"), "a damaged file"),
    "no status": (lambda file: file.__delitem__("status"), "no variable 'status'"),
    "no V": (lambda file: file.__delitem__("gram"), "no variable 'gram'"),
    "status": (replace("status", 99), "a number of status that does not exist"),
    "index": (replace("index", 3), "an index outside -1 .. k - 1"),
    "gram": (replace("gram", np.eye(3)), "gram must be that of V"),
    "V": (replace("V", 2.0), "V must have rows of unit norm"),
    "b": (replace("target_weights", np.nan), "target_weights must be finite"),
    "flow": (edit_flow(lambda x: x.update(type="os.system")), "a flow of type 'os.system'"),
    "targets": (edit_flow(lambda x: x["targets"].update(type="eval")), "targets of type 'eval'"),
    "k": (edit_flow(lambda x: x.update(targets={"type": "Orthonormal", "k": 2})), "target_weights"),
    "series": (edit_flow(lambda x: x["link"].update(series=["a"])), "series must hold real"),
    "remainder": (edit_flow(lambda x: x["link"].update(remainder=-1.0)), "remainder must be"),
    "event": (
        edit_run(lambda x: x["options"].update(events={"a": {"type": "open", "file": "x"}})),
        "an event of type 'open'",
    ),
    "variable": (edit_run(lambda x: x.update(events=[["a", "status"]])), "variable 'status'"),
    "absent event": (edit_run(lambda x: x.update(events=[["a", "event_a"]])), "event_a"),
}


@pytest.mark.parametrize("name", EDITS)
def test_edited_files_are_refused(name: str, saved: Path) -> None:
    edit, words = EDITS[name]
    with h5py.File(saved, "r+") as file:
        edit(file)
    if name != "no run":
        seal(saved)
    refused(saved, words)


def seal(path: Path) -> None:
    """Make the checksum fit again, so that what lies behind it is tried."""
    with xr.open_dataset(path, engine="h5netcdf", decode_cf=False) as ds:
        fitting = archive._checksum(ds.load())
    with h5py.File(path, "r+") as file:
        file.attrs["checksum"] = fitting


@pytest.mark.parametrize("what", ["flow", "run", "kind"])
def test_changed_words_are_refused(what: str, saved: Path) -> None:
    with h5py.File(saved, "r+") as file:
        if what == "kind":
            file["kind"][0] = "average"
        else:
            file.attrs[what] = file.attrs[what].replace("1", "2", 1)
    refused(saved, "its checksum does not fit")


def test_an_edit_that_changes_nothing_is_read(saved: Path) -> None:
    before = hf.load(saved)
    with h5py.File(saved, "r+") as file:
        edit_flow(lambda x: None)(file)
        edit_run(lambda x: None)(file)
        replace("status", file["status"][...])(file)
    seal(saved)
    the_same(hf.load(saved), before)


def test_a_gram_matrix_that_rounds_differently_elsewhere_is_kept(saved: Path) -> None:
    sol = hf.load(saved)
    gram = sol.flow.targets.gram.copy()
    gram[0, 1] = gram[1, 0] = np.nextafter(gram[0, 1], 1.0)
    with h5py.File(saved, "r+") as file:
        replace("gram", gram)(file)
    seal(saved)
    again = hf.load(saved)
    np.testing.assert_array_equal(again.flow.targets.gram, gram)
    np.testing.assert_array_equal(again.flow.targets.V, sol.flow.targets.V)  # type: ignore[attr-defined]
    assert again != sol


def test_what_cannot_be_saved_is_told(full: hf.Solution, tmp_path: Path) -> None:
    class Own(hf.Orthonormal):
        pass

    own = make(Own(k=2), t_end=1.0)
    path = tmp_path / "run.nc"
    with pytest.raises(TypeError, match="targets must be Orthonormal, Equiangular or Index"):
        own.save(path)
    with pytest.raises(TypeError, match="events must have names of type str, got 1"):
        dataclasses.replace(full, events={1: full.t_final}).save(path)  # type: ignore[dict-item]
    with pytest.raises(TypeError, match=re.escape("options['x'] must be a number")):
        dataclasses.replace(full, options={"x": object()}).to_xarray()
    with pytest.raises(ValueError, match="path must name a file, got the folder"):
        full.save(tmp_path)
    with pytest.raises(FileNotFoundError, match="path must lie in a folder that exists"):
        full.save(tmp_path / "absent" / "run.nc")
    with pytest.raises(TypeError, match="path must be a str or a path, got None"):
        full.save(None)  # type: ignore[arg-type]
    assert list(tmp_path.iterdir()) == []


# ------------------------------------------------------------------ whole or not at all


def test_a_write_that_fails_leaves_the_old_file(
    full: hf.Solution, saved: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, write = saved.read_bytes(), xr.Dataset.to_netcdf

    def half(ds: Any, path: Path, **options: Any) -> None:
        write(ds, path, **options)
        path.write_bytes(path.read_bytes()[:1000])
        raise OSError("no space left on device")

    monkeypatch.setattr(xr.Dataset, "to_netcdf", half)
    with pytest.raises(OSError, match="no space left"):
        full.save(saved)
    assert saved.read_bytes() == before
    assert list(saved.parent.iterdir()) == [saved]
    monkeypatch.undo()
    the_same(hf.load(full.save(saved)), full)
    assert list(saved.parent.iterdir()) == [saved]


def test_the_name_appears_with_the_whole_file(
    full: hf.Solution, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target, seen, write = tmp_path / "run.nc", [], xr.Dataset.to_netcdf

    def watched(ds: Any, path: Path, **options: Any) -> None:
        write(ds, path, **options)
        seen.append((path.parent == target.parent, target.exists()))

    monkeypatch.setattr(xr.Dataset, "to_netcdf", watched)
    assert full.save(str(target)) == target
    assert seen == [(True, False)]
    assert target.exists()


def test_a_link_to_a_file_stays_a_link(full: hf.Solution, tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    link = tmp_path / "run.nc"
    link.symlink_to(tmp_path / "there" / "real.nc")
    full.save(link)
    assert link.is_symlink()
    the_same(hf.load(tmp_path / "there" / "real.nc"), full)


@pytest.mark.parametrize("missing", ["xarray", "h5netcdf", "h5py"])
def test_a_missing_extra_is_named(
    missing: str, full: hf.Solution, saved: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, missing, None)
    calls: list[tuple[str, Callable[[], object]]] = [
        ("save", lambda: full.save(saved)),
        ("load", lambda: hf.load(saved)),
    ]
    if missing == "xarray":
        calls.append(("to_xarray", full.to_xarray))
    for name, call in calls:
        with pytest.raises(ImportError) as caught:
            call()
        assert str(caught.value) == f"{name} needs {missing}: pip install 'hermiteflow[reproduce]'"
