"""What is not read: other files, damaged ones, edited ones; and writes that fail."""

from __future__ import annotations

import dataclasses
import json
import pickle
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from solutions import TARGETS, everything, make, the_same

import hermiteflow as hf

h5py = pytest.importorskip("h5py")
xr = pytest.importorskip("xarray")
pytest.importorskip("h5netcdf")

from hermiteflow import archive  # noqa: E402


@pytest.fixture(scope="module")
def full() -> hf.Solution:
    return everything()


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
    "polynomial": (edit_flow(lambda x: x["link"].update(polynomial=["a"])), "must hold real"),
    "part": (edit_flow(lambda x: x["link"].update(parts=[{"name": "os"}])), "name must be one of"),
    "factor": (
        edit_flow(lambda x: x["link"].update(parts=[{"name": "relu", "factor": "1"}])),
        "factor must be",
    ),
    "beyond": (
        edit_flow(
            lambda x: x["link"].update(
                parts=[{"name": "f", "factor": 1.0, "series": [0.0, 1.0], "beyond": [-1.0, 0.0]}]
            )
        ),
        "beyond must be",
    ),
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
