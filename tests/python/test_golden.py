"""Seeds, files, checkpoints and stores of each version in `golden/` hold in this one: docs/cite."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any, NoReturn

import golden
import numpy as np
import pytest
import sweep_functions

import hermiteflow as hf
from hermiteflow import _core

xr = pytest.importorskip("xarray")
pytest.importorskip("h5netcdf")
pytest.importorskip("zarr")

VERSIONS = sorted(path.name for path in golden.FOLDER.iterdir())
SOLUTIONS = ("correlation", "squared", "empirical", "online")


def kept(version: str) -> dict[str, Any]:
    return json.loads((golden.FOLDER / version / "streams.json").read_text(encoding="utf-8"))


def compatible(version: str) -> bool:
    """By semantic versioning: below 1.0 the second number plays the part of the first."""
    old, new = (tuple(map(int, v.split(".")[:2])) for v in (version, hf.__version__))
    return old == new if old[0] == 0 else old[0] == new[0]


@pytest.fixture(params=[version for version in VERSIONS if compatible(version)])
def version(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_this_version_has_files_of_its_own() -> None:
    """A version that nobody has kept cannot be held against anything."""
    assert any(compatible(version) for version in VERSIONS)
    for version in VERSIONS:
        folder = golden.FOLDER / version
        assert kept(version)["version"] == version
        names = {path.name for path in folder.iterdir()}
        assert names == {
            *(f"{name}.nc" for name in SOLUTIONS), "checkpoint.npz", "store", "streams.json",
        }  # fmt: skip
        assert all(path.stat().st_size < 25_000 for path in folder.iterdir())
        for name in SOLUTIONS:
            with xr.open_dataset(folder / f"{name}.nc", engine="h5netcdf", decode_cf=False) as ds:
                assert ds.attrs["source"] == f"hermiteflow {version}"


# ------------------------------------------------------------------ streams


def agree(found: list[Any], wanted: list[Any]) -> None:
    """Reals to 1e-13: within what linear algebra may round differently."""
    reals = [[float.fromhex(x) for x in values] for values in (found, wanted)]
    np.testing.assert_allclose(*reals, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("name", golden.BITS)
def test_seeds_draw_the_same_bits(version: str, name: str, isa: str) -> None:
    wanted = kept(version)["bits"][name]
    assert golden.flat(golden.BITS[name]()) == wanted
    assert wanted != wanted[::-1]


@pytest.mark.parametrize("name", golden.NUMBERS)
def test_seeds_draw_the_same_numbers_within_rounding(version: str, name: str, isa: str) -> None:
    wanted = kept(version)["numbers"][name]
    found = golden.flat(golden.NUMBERS[name]())
    agree(found, wanted)
    moved = [*found[:-1], (float.fromhex(found[-1]) + 1e-11).hex()]
    with pytest.raises(AssertionError):
        agree(moved, wanted)


@pytest.mark.parametrize("name", golden.COUNTS)
def test_seeds_give_the_same_counts(version: str, name: str) -> None:
    assert golden.flat(golden.COUNTS[name]()) == kept(version)["counts"][name]


# ------------------------------------------------------------------ files


@pytest.mark.parametrize("name", SOLUTIONS)
def test_solutions_are_read_bit_for_bit(version: str, name: str, tmp_path: Path) -> None:
    digests = kept(version)["digests"]
    file = golden.FOLDER / version / f"{name}.nc"
    found = hf.load(file)
    ds = found.to_xarray()
    assert golden.digest(ds) == digests[f"{name}.nc"]
    moved = ds.assign(overlaps=np.nextafter(ds["overlaps"], 2.0))
    assert golden.digest(moved) != digests[f"{name}.nc"]
    assert hf.load(found.save(tmp_path / "again.nc")) == found
    if name == "empirical":
        whole = hf.load(file, sample=golden.sample())
        np.testing.assert_array_equal(whole.flow.X, golden.sample())
        assert whole.flow.loss(whole.weights) == pytest.approx(whole.loss, rel=1e-12)


@pytest.mark.parametrize("name", SOLUTIONS)
def test_the_same_calls_come_to_the_same_solutions(version: str, name: str) -> None:
    """Results are not promised to the last bit; a change of more than rounding is a change."""
    file = golden.FOLDER / version / f"{name}.nc"
    old, new = hf.load(file).to_xarray(), golden.solutions()[name].to_xarray()
    assert set(new.variables) == set(old.variables)
    for variable in {"overlaps", "status", "trajectory"} & set(old.variables):
        np.testing.assert_allclose(new[variable], old[variable], rtol=0, atol=1e-9)
    with pytest.raises(AssertionError):
        np.testing.assert_allclose(new["overlaps"] + 1e-8, old["overlaps"], rtol=0, atol=1e-9)


def test_a_checkpoint_is_gone_on_with(version: str, tmp_path: Path) -> None:
    file = Path(shutil.copy(golden.FOLDER / version / "checkpoint.npz", tmp_path))
    before = _core.build_info()["isa"]
    for isa in _core.build_info()["isa_available"]:
        assert _core.select_isa(isa)
        try:
            if isa == golden.ISA:
                found = golden.online("direct", save_at=[5, 10, 20], checkpoint=file)
                wanted = golden.online("direct", save_at=[5, 10, 20])
            else:
                with pytest.raises(ValueError, match="under the same instruction set"):
                    golden.online("direct", save_at=[5, 10], checkpoint=file)
        finally:
            _core.select_isa(before)
    np.testing.assert_allclose(found.trajectory, wanted.trajectory, rtol=0, atol=1e-13)
    with np.load(golden.FOLDER / version / "checkpoint.npz") as data:
        assert json.loads(str(data["about"]))["step"] == 10
    with pytest.raises(ValueError, match="another"):  # gone on with, so no longer of 10 steps
        golden.online("direct", steps=10, seed=4, checkpoint=file)


def test_a_store_is_read_and_belongs_to_its_version(
    version: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = tmp_path / "store"
    shutil.copytree(golden.FOLDER / version / "store", store)
    found = xr.open_zarr(store, chunks=None).load()
    digests = kept(version)["digests"]
    assert golden.digest(found) == digests["store"]
    assert golden.digest(found + 1) != digests["store"]

    def one(x: float, seed: np.random.SeedSequence) -> NoReturn:
        raise AssertionError(f"{x} is computed again")

    one.__module__, one.__qualname__ = "sweep_functions", "one"
    monkeypatch.setattr(sweep_functions, "one", one)
    grid = {"x": [1.0, 2.0]}
    if version == hf.__version__:
        assert golden.digest(hf.sweep(one, grid, seed=0, store=store)) == digests["store"]
        shutil.rmtree(store / "y")
        with pytest.raises(hf.SweepError, match="computed again"):
            hf.sweep(one, grid, seed=0, store=store)
    else:  # what is missing would come from another version
        with pytest.raises(ValueError, match=rf"whose hermiteflow is {version}"):
            hf.sweep(one, grid, seed=0, store=store)
