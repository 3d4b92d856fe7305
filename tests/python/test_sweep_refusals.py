"""Stores that a sweep refuses, and leaves as they are."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
import sweep_functions as f

import hermiteflow as hf

pytest.importorskip("xarray")

XS = {"x": [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"seed": 1}, "whose seed is .*0.*, not .*1"),
        ({"function": f.slow}, "whose function is sweep_functions:one, not sweep_functions:slow"),
        ({"values": {"x": [1.0, 2.0]}}, r"whose x is 1.0, 2.0, 3.0, .*, not 1.0, 2.0;"),
        ({"values": {"x": [1, 2, 3, 4, 5, 6]}}, "whose x is 1.0.*, not 1, 2"),
        ({"dims": {"y": ["t"]}}, "whose dims is {}, not"),
    ],
)
def test_another_sweep_is_refused(change: dict[str, Any], message: str, tmp_path: Path) -> None:
    store = tmp_path / "s"
    hf.sweep(f.one, XS, seed=0, store=store)
    before = f.tree(store)
    options = {"function": f.one, "values": XS, "seed": 0, **change}
    with pytest.raises(ValueError, match=message) as caught:
        hf.sweep(options.pop("function"), options.pop("values"), **options, store=store)
    assert "choose another store; nothing was overwritten" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert f.tree(store) == before


def test_another_version_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hf.sweep(f.one, XS, seed=0, store=tmp_path / "s")
    info = {**hf.build_info(), "version": "9.9"}
    monkeypatch.setattr("hermiteflow._core.build_info", lambda: info)
    with pytest.raises(ValueError, match=rf"whose hermiteflow is {hf.__version__}, not 9.9"):
        hf.sweep(f.one, XS, seed=0, store=tmp_path / "s")


def test_objects_are_told_apart_by_content(tmp_path: Path) -> None:
    values = {"k": [2], "link": {"mine": hf.hermite(3)}}
    hf.sweep(f.escape, values, seed=0, store=tmp_path / "s")
    hf.sweep(f.escape, values, seed=0, store=tmp_path / "s")
    values["link"] = {"mine": hf.hermite({3: 1.0 + 1e-15})}
    with pytest.raises(ValueError, match="values of link have the same labels and another content"):
        hf.sweep(f.escape, values, seed=0, store=tmp_path / "s")


def _manifest(store: Path, change: Any) -> None:
    path = store / "sweep.json"
    manifest = json.loads(path.read_text())
    change(manifest)
    manifest["hash"] = hf.sweeps._store._hash(manifest)  # as one who means harm would
    path.write_text(json.dumps(manifest))


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda s: (s / "sweep.json").write_bytes(b""), "sweep.json is damaged"),
        (lambda s: (s / "sweep.json").write_bytes(b"\xff\xfe"), "sweep.json is damaged"),
        (lambda s: (s / "sweep.json").write_text("[1]"), "sweep.json is damaged"),
        (lambda s: (s / "sweep.json").write_text("[" * 10**5), "sweep.json is damaged"),
        (
            lambda s: (s / "sweep.json").write_text(
                (s / "sweep.json").read_text().replace('"twice"', '"twine"')
            ),
            "its hash does not fit",
        ),
        (lambda s: _manifest(s, lambda m: m.update(format_version=2)), "format 1, got .* 2"),
        (
            lambda s: _manifest(s, lambda m: m["results"][0].update(name="../../evil")),
            "damaged: a name of a result must be an identifier",
        ),
        (lambda s: _manifest(s, lambda m: m["results"][0].update(dtype="|O")), "damaged"),
        (lambda s: _manifest(s, lambda m: m["results"][0].update(shape=[-1])), "damaged"),
        (lambda s: _manifest(s, lambda m: m["results"][0].pop("dims")), "damaged"),
        (lambda s: (s / "sweep.json").unlink(), "which holds .* and no sweep.json"),
    ],
)
def test_a_corrupt_store_is_left_alone(damage: Any, message: str, tmp_path: Path) -> None:
    store = tmp_path / "s"
    hf.sweep(f.one, XS, seed=0, store=store)
    damage(store)
    before = f.tree(store)
    with pytest.raises(ValueError, match=message) as caught:
        hf.sweep(f.one, XS, seed=0, store=store)
    assert "\n" not in str(caught.value)
    assert f.tree(store) == before


def test_other_places_are_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "thesis.tex").write_text("mine")
    for place, kind, message in (
        ("file", ValueError, "store must be a folder, got the file"),
        ("folder", ValueError, "which holds 'thesis.tex' and no sweep.json"),
        ("no/where", FileNotFoundError, "store must lie in a folder that exists"),
        ("file/x", FileNotFoundError, "store must lie in a folder that exists"),
    ):
        with pytest.raises(kind, match=message):
            hf.sweep(f.one, XS, store=tmp_path / place)
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["file", "folder", "thesis.tex"]
    with pytest.raises(TypeError, match="store must be a str or a path, got 3"):
        hf.sweep(f.one, XS, store=3)  # type: ignore[arg-type]
    (tmp_path / "empty").mkdir()
    hf.sweep(f.one, XS, store=tmp_path / "empty")


@pytest.fixture
def nobody() -> Any:
    """Be somebody for whom permissions count."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


def test_unwritable_folders(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    for folder in (tmp_path, *tmp_path.parents):
        folder.chmod(0o755)  # somebody else must get here
        if folder.name.startswith("pytest-of-"):
            break
    store = tmp_path / "s"
    whole = hf.sweep(f.one, XS, seed=0, store=store)
    (tmp_path / "t").mkdir()
    with pytest.raises(hf.SweepError):
        hf.sweep(f.fails, {"x": [1, 2, 3]}, seed=0, store=tmp_path / "t")
    for folder in (tmp_path, store, tmp_path / "t"):
        folder.chmod(0o555)
        for path in folder.glob("log.jsonl"):
            path.chmod(0o444)
    before = f.tree(tmp_path)
    try:
        request.getfixturevalue("nobody")
        with pytest.raises(PermissionError, match=r"Permission denied: store .* cannot be written"):
            hf.sweep(f.one, XS, seed=0, store=tmp_path / "new")
        assert hf.sweep(f.one, XS, seed=0, store=store).identical(whole)
        with pytest.raises(PermissionError, match=r"must be writable to go on.*1 of 3 points"):
            hf.sweep(f.fails, {"x": [1, 2, 3]}, seed=0, store=tmp_path / "t")
        assert f.tree(tmp_path) == before
    finally:
        if os.getuid() == 0:
            os.seteuid(0)
        for folder in (tmp_path, store, tmp_path / "t"):
            folder.chmod(0o755)


def test_two_runs_at_once_are_refused(tmp_path: Path) -> None:
    store = tmp_path / "s"
    code = (
        f"hf.sweep(f.slow, {{'x': range(60)}}, seed=0, store={str(store)!r},"
        "progress=lambda done, n: done == 1 and print('go', flush=True))"
    )
    run = f.child(code)
    assert run.stdout is not None
    assert run.stdout.readline() == "go\n"
    with pytest.raises(BlockingIOError, match="store must not be in use by another run"):
        hf.sweep(f.slow, {"x": range(60)}, seed=0, store=store)
    run.kill()
    run.communicate()
    hf.sweep(f.slow, {"x": range(60)}, seed=0, store=store, executor="threads", workers=10)
