"""Files from anywhere: nothing in them is run, nothing written elsewhere, nothing large allocated.

Changed bytes by the hundred, by `nox -s files` by the thousand (`HERMITEFLOW_FILES` mutants from
the seed `HERMITEFLOW_FILES_SEED`), and files that were crafted.
"""

from __future__ import annotations

import ast
import io
import json
import os
import re
import subprocess
import sys
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sweep_functions as f

pytest.importorskip("zarr")
h5py = pytest.importorskip("h5py")

import untrusted_files as u  # noqa: E402

import hermiteflow as hf  # noqa: E402
from hermiteflow.sweeps import _store, _zarr  # noqa: E402

FILES = int(os.environ.get("HERMITEFLOW_FILES", "150"))
SEED = int(os.environ.get("HERMITEFLOW_FILES_SEED", "0"))


# ------------------------------------------------------------------ changed bytes


def outcomes(first: int, count: int) -> Iterator[tuple[str, str]]:
    """Yield the kind of each mutant and how it ended; a process that ends early is a finding."""
    while count > 0:
        command = [sys.executable, "-W", "ignore", u.__file__, str(SEED), str(first), str(count)]
        run = subprocess.run(
            command,
            capture_output=True,
            text=True,
            check=False,
            env=f.environment(PYTHONWARNINGS=""),
        )
        lines = run.stdout.splitlines()
        for line in lines:
            _, kind, how = line.split(" ", 2)
            yield kind, ast.literal_eval(how)
        first, count = first + len(lines), count - len(lines)
        if count > 0:
            yield "process", f"mutant {first}: exit code {run.returncode}, {run.stderr[-2000:]}"
            first, count = first + 1, count - 1


def test_changed_bytes() -> None:
    counts: Counter[tuple[str, str]] = Counter()
    for kind, how in outcomes(0, FILES):
        assert how in ("refused", "read"), (kind, how)
        counts[kind, how] += 1
    assert sum(counts.values()) == FILES
    assert all(counts[kind, "refused"] for kind in u.KINDS)
    told = ", ".join(f"{kind} {how}: {n}" for (kind, how), n in sorted(counts.items()))
    print(f"{FILES} mutants, seed {SEED}: {told}")


PLANTED = f"""
import os, pickle, sys
import untrusted_files as u
from pathlib import Path
def bad(path):
    DO
u.KINDS = {{"config.toml": (u.KINDS["config.toml"][0], bad)}}
sys.argv = ["", "{SEED}", "0", "1"]
u.main({SEED}, 0, 1)
"""


@pytest.mark.parametrize(
    ("fault", "seen"),
    [
        ("os.system('true')", "os.system"),
        ("pickle.loads(pickle.dumps(Path))", "pickle.find_class"),
        ("exec('1')", "exec"),
        ("(path.parent.parent / 'x').write_text('x')", "open"),
        ("path.rename(path.parent.parent / 'x')", "os.rename"),
        ("bytearray(3 << 30)", "MemoryError"),
        ("return os.urandom(8)", "read, but as something else"),
        ("return {}['k'] if 'place' in str(path) else 0", "KeyError"),
    ],
)
def test_a_planted_fault_is_seen(fault: str, seen: str) -> None:
    run = subprocess.run(
        [sys.executable, "-c", PLANTED.replace("DO", fault)],
        capture_output=True, text=True, check=True, env=f.environment(PYTHONWARNINGS=""),
    )  # fmt: skip
    assert seen in run.stdout


# ------------------------------------------------------------------ crafted solutions


def edit(path: Path, change: Callable[[Any], None]) -> None:
    with h5py.File(path, "r+") as file:
        change(file)


def retype(file: Any, name: str, make: Callable[[], None]) -> None:
    del file[name]
    make()


def huge(file: Any) -> None:
    retype(file, "steps", lambda: file.create_dataset("steps", (10**12,), "i8", chunks=(1000,)))


def marked(file: Any) -> None:
    """Name an array as a dimension of netCDF is named, but for the full stop."""
    huge(file)
    file["steps"].attrs["NAME"] = np.bytes_("This is a netCDF dimension but not a netCDF variable")


def packed(file: Any) -> None:
    zeros = np.zeros(4_000_000)
    retype(file, "steps", lambda: file.create_dataset("steps", data=zeros, compression="gzip"))


def external(file: Any) -> None:
    place = [("/etc/passwd", 0, 32)]
    retype(file, "steps", lambda: file.create_dataset("steps", (4,), "i8", external=place))


def virtual(file: Any) -> None:
    layout = h5py.VirtualLayout((4,), "i8")
    layout[:] = h5py.VirtualSource("../../other.nc", "steps", (4,))
    retype(file, "steps", lambda: file.create_virtual_dataset("steps", layout))


def linked(file: Any) -> None:
    file["steps"] = h5py.ExternalLink("../other.nc", "steps")


def attribute(name: str, value: Any) -> Callable[[Any], None]:
    return lambda file: file.attrs.__setitem__(name, value)


def described(change: dict[str, Any]) -> Callable[[Any], None]:
    def make(file: Any) -> None:
        about = json.loads(file.attrs["flow"])
        about["targets"].update(change)
        file.attrs["flow"] = json.dumps(about)

    return make


SOLUTIONS: dict[str, tuple[Callable[[Any], None], str]] = {
    "huge shape": (huge, "bytes of data in a file of"),
    "almost a dimension": (marked, "bytes of data in a file of"),
    "packed zeros": (packed, "bytes of data in a file of"),
    "data in another file": (external, "the data of 'steps' lie in another file"),
    "virtual data": (virtual, "the data of 'steps' lie in another file"),
    "external link": (lambda file: retype(file, "steps", lambda: linked(file)), "is a link"),
    "soft link": (
        lambda file: retype(
            file, "steps", lambda: file.__setitem__("steps", h5py.SoftLink("/rejected"))
        ),
        "is a link",
    ),
    "group": (
        lambda file: retype(file, "steps", lambda: file.create_group("steps")),
        "is a group",
    ),
    "deep JSON": (attribute("run", "[" * 10_000), "a damaged file"),
    "long number": (attribute("run", "9" * 10_000), "a damaged file"),
    "code": (attribute("flow", "cos\nsystem\n(S'true'\ntR."), "a damaged file"),
    "many index vectors": (described({"type": "Orthonormal", "k": 10**15}), "a damaged file"),
    "a path": (described({"type": "../../x"}), "a damaged file"),
}


@pytest.mark.parametrize("name", SOLUTIONS)
def test_crafted_solutions_are_refused(name: str, tmp_path: Path) -> None:
    """Checksums are made to fit where they can be: an author of a bad file can do so too."""
    path = tmp_path / "solution.nc"
    u.make_solution(path)
    change, words = SOLUTIONS[name]
    edit(path, change)
    with pytest.raises(ValueError, match=words):
        hf.load(path)


# ------------------------------------------------------------------ crafted checkpoints


def rewritten(path: Path, name: str, data: bytes, packing: int = zipfile.ZIP_STORED) -> None:
    """Put other bytes in the place of one array."""
    with zipfile.ZipFile(path) as held:
        members = {info.filename: held.read(info) for info in held.infolist()}
    members[f"{name}.npy"] = data
    with zipfile.ZipFile(path, "w", packing) as out:
        for member, content in members.items():
            out.writestr(member, content)


def array(values: Any) -> bytes:
    out = io.BytesIO()
    np.save(out, np.asarray(values), allow_pickle=True)
    return out.getvalue()


class Touch:
    """What pickle would call."""

    def __reduce__(self) -> Any:
        return os.mkdir, ("code was run",)


def claimed(shape: str) -> bytes:
    header = f"{{'descr': '<f8', 'fortran_order': False, 'shape': {shape}, }}".encode()
    header += b" " * (117 - len(header)) + b"\n"
    return b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header


CHECKPOINTS: dict[str, tuple[str, bytes, int]] = {
    "pickled objects": ("rows", array([Touch()]), zipfile.ZIP_STORED),
    "a huge claim": ("rows", claimed("(1000000000000, 1000)"), zipfile.ZIP_STORED),
    "a negative claim": ("rows", claimed("(-1,)"), zipfile.ZIP_STORED),
    "an odd header": ("rows", claimed("__import__('os')"), zipfile.ZIP_STORED),
    "a bomb": ("rows", array(np.zeros(20_000_000)), zipfile.ZIP_DEFLATED),
    "deep JSON": ("about", array("[" * 5000), zipfile.ZIP_STORED),
    "a list": ("about", array("[]"), zipfile.ZIP_STORED),
    "a number": ("about", array(3.0), zipfile.ZIP_STORED),
}


@pytest.mark.parametrize("name", CHECKPOINTS)
def test_crafted_checkpoints_are_refused(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "checkpoint.npz"
    u.make_checkpoint(path)
    rewritten(path, *CHECKPOINTS[name])
    with pytest.raises(ValueError, match="checkpoint must be a file that online_sgd wrote"):
        u.read_checkpoint(path)
    assert [left.name for left in tmp_path.iterdir()] == ["checkpoint.npz"]


def test_the_planted_object_would_have_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The twin: where objects are let in, the file above does what it wants."""
    monkeypatch.chdir(tmp_path)
    np.load(io.BytesIO(array([Touch()])), allow_pickle=True)
    assert (tmp_path / "code was run").is_dir()


# ------------------------------------------------------------------ crafted stores


def forged(path: Path, change: Callable[[dict[str, Any]], object]) -> None:
    """Change the manifest, and make its hash fit."""
    manifest = json.loads((path / "sweep.json").read_text())
    change(manifest)
    manifest["hash"] = _store._hash(manifest)
    (path / "sweep.json").write_text(json.dumps(manifest))


def set_result(**more: Any) -> Callable[[dict[str, Any]], object]:
    return lambda manifest: manifest["results"][1].update(more)


STORES: dict[str, Callable[[dict[str, Any]], object]] = {
    "a path as a name": set_result(name="../../x"),
    "an absolute name": set_result(name="/elsewhere/x"),
    "a path as a dimension": set_result(dims=["../x"]),
    "a negative shape": set_result(shape=[-1]),
    "objects": set_result(dtype="|O"),
    "a dtype that is code": set_result(dtype="__import__('os')"),
    "no list": lambda manifest: manifest.update(results=3),
}


@pytest.mark.parametrize("name", STORES)
def test_crafted_stores_are_refused(name: str, tmp_path: Path) -> None:
    path = tmp_path / "in" / "store"
    path.parent.mkdir()
    u.make_store(path)
    forged(path, STORES[name])
    before = sorted(p.relative_to(tmp_path) for p in tmp_path.rglob("*"))
    with pytest.raises(ValueError, match="store must"):
        u.read_store(path)
    assert sorted(p.relative_to(tmp_path) for p in tmp_path.rglob("*")) == before


@pytest.mark.parametrize("dtype", ["<f8", "string"])
def test_a_shape_that_no_point_has_is_not_allocated(dtype: str, tmp_path: Path) -> None:
    """What lies in the store does not fit to it, so all is computed again."""
    whole = u.read_store(tmp_path / "whole")
    path = tmp_path / "store"
    u.make_store(path)
    forged(path, set_result(shape=[10**13], dtype=dtype))
    assert u.read_store(path).identical(whole)
    assert f.tree(path) == f.tree(tmp_path / "whole")


def test_more_strings_than_bytes_are_not_looked_for() -> None:
    raw = (2**32 - 1).to_bytes(4, "little") + bytes(8)
    with pytest.raises(ValueError, match="it claims 4294967295 strings in 12 bytes"):
        _zarr.decode(raw + _zarr._crc(raw), "string", (2,))


@pytest.mark.parametrize("name", ["sweep.json", "log.jsonl", "zarr.json", "y", "y/c.0.0"])
def test_a_store_with_links_is_refused(name: str, tmp_path: Path) -> None:
    """Through them it would write outside of its folder."""
    path, outside = tmp_path / "store", tmp_path / "outside"
    u.make_store(path)
    (path / name).rename(outside)
    (path / name).symlink_to(outside)
    before = f.tree(outside) if outside.is_dir() else outside.read_bytes()
    with pytest.raises(ValueError, match=f"store must hold no symbolic links.*'{name}'"):
        u.read_store(path)
    assert (f.tree(outside) if outside.is_dir() else outside.read_bytes()) == before


# ------------------------------------------------------------------ crafted configs

CONFIGS = {
    "a folder above": ('out = "coverage.nc"', 'out = "../x.nc"', "out must lie below"),
    "another place": ('out = "coverage.nc"', 'out = "/elsewhere/x.nc"', "out must lie below"),
    "a link": ('out = "coverage.nc"', 'out = "link/x.nc"', "out must lie below"),
    "a NUL": ('out = "coverage.nc"', 'out = "x\\u0000.nc"', "out must be the name of a file"),
    "a figure above": ('"coverage.svg"', '"../x.svg"', "figure must lie below"),
    "a store above": ('"points"', '"../../x"', "store must lie below"),
    "a scheduler": ('"serial"', '"tcp://host:8786"', "executor must be serial, threads, processes"),
    "no word": ('"serial"', "[1]", "executor must be serial, threads, processes"),
    "depth": ('"serial"', "[" * 5000, "must be a TOML file"),
    "a long number": ("batches = 5", "batches = 1" + "0" * 5000, "must be a TOML file"),
    "a large number": ("batches = 5", "batches = 10000000000000000000000", " "),
    "many": ("batches = 5", "batches = 1000000000000", " "),
    "dimensions": ("k = 10", "k = 1000000000000", " "),
    "code": ('"relu"', "\"__import__('os')\"", "must be one of"),
    "a path": ('"relu"', '"../../x"', "must be one of"),
}


@pytest.mark.parametrize("name", CONFIGS)
def test_crafted_configs_are_refused(name: str, tmp_path: Path) -> None:
    old, new, words = CONFIGS[name]
    place = tmp_path / "in" / "here"
    place.mkdir(parents=True)
    (place / "link").symlink_to(tmp_path)
    assert old in u.TOML
    path = place / "config.toml"
    path.write_text(u.TOML.replace(old, new))
    with pytest.raises(ValueError, match=re.escape(words)):
        u.read_toml(path)
    assert sorted(p.name for p in tmp_path.rglob("*")) == ["config.toml", "here", "in", "link"]
