"""`hermiteflow run`: experiments from options and from TOML files, and how to get it wrong."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import xarray as xr
from commands import exits

import hermiteflow as hf
from hermiteflow.experiments import CoverageConfig, NearestConfig, SearchTimeConfig, TargetSpec
from hermiteflow.experiments._reading import compact_link, compact_targets, read_fields, read_link

SMALL = ["--links", "3=1", "--k", "4", "--batches", "5", "--d", "1e4"]


# ------------------------------------------------------------------ values


@pytest.mark.parametrize(
    ("value", "link"),
    [
        ("relu", hf.link("relu")),
        ({"name": "tanh", "without": [1]}, hf.link("tanh").without(1)),
        ({"hermite": {"3": 1.0, "4": 0.5}}, hf.hermite({3: 1.0, 4: 0.5})),
        ({"polynomial": [0, 0, 1], "scale": 2.0}, 2.0 * hf.polynomial([0, 0, 1])),
        (compact_link("erf"), hf.link("erf")),
        (compact_link("relu-1-2"), hf.link("relu").without(1, 2)),
        (compact_link("3=1,4=0.5"), hf.hermite({3: 1.0, 4: 0.5})),
    ],
)
def test_links_from_plain_values(value: Any, link: hf.Link) -> None:
    assert read_link(value) == link
    assert read_link(value) != 1.5 * link


def test_arrangements_from_plain_values() -> None:
    for text, spec in (
        ("orthonormal", TargetSpec()),
        ("equiangular:0.05", TargetSpec(kind="equiangular", beta=0.05)),
        ("random:100", TargetSpec(kind="random", dimension=100)),
    ):
        assert read_fields(NearestConfig, {"targets": compact_targets(text)}) == {"targets": spec}
    table = {"kind": "equiangular", "k": 10, "beta": 0.05}
    fields = read_fields(SearchTimeConfig, {"targets": table, "link": "relu"})
    assert fields == {
        "targets": (TargetSpec(kind="equiangular", beta=0.05),),
        "k": 10,
        "links": (hf.link("relu"),),
    }
    assert read_fields(CoverageConfig, {"targets": table})["k"] == (10,)


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ({"batchs": 3}, "batchs is no field of this experiment; did you mean 'batches'?"),
        ({"n": 3}, "n is no field of this experiment"),
        ({"batches": "3"}, "batches must be an integer of at least 1, got '3'"),
        ({"batches": 2.5}, "batches must be an integer"),
        ({"d": "big"}, "d must be"),
        ({"k": []}, "k must hold at least one value, got none"),
        ({"k": [3, "x"]}, "k must be an integer of at least 2, got 'x'"),
        ({"links": 3}, "links must be a name or a table"),
        ({"link": "rleu"}, "links must be one of 'relu', .* did you mean 'relu'"),
        ({"link": "relu", "links": ["erf"]}, "links must be given once"),
        ({"link": {"hermit": {"3": 1}}}, "links.hermit is no part of a link; did you mean"),
        ({"link": {"hermite": {"3": 1}, "name": "erf"}}, "must have one of name, hermite"),
        ({"link": {"hermite": {"x": 1}}}, "must have whole numbers as keys, got 'x'"),
        ({"link": {"hermite": {"3": "1"}}}, "links.hermite.3 must be"),
        ({"link": {"hermite": [3]}}, "links.hermite must be a table of degrees"),
        ({"targets": "othonormal"}, r"kind must be one of .*; did you mean 'orthonormal'"),
        ({"targets": {"kind": "equiangular", "betta": 1}}, "targets.betta is no part"),
        ({"targets": {"kind": "orthonormal", "k": 3}, "k": 4}, "k must be given once"),
        ({"targets": {"kind": "equiangular", "beta": "x"}}, "targets.beta must be"),
        ({"targets": 3}, "targets must be a kind or a table"),
    ],
)
def test_bad_tables_name_the_field(table: dict[str, Any], words: str) -> None:
    with pytest.raises((ValueError, TypeError), match=words):
        read_fields(CoverageConfig, table)


# ------------------------------------------------------------------ the command


def test_options_and_file_are_the_same_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)  # a file writes below the working folder only
    first, second, figure = tmp_path / "a.nc", tmp_path / "b.nc", tmp_path / "c.svg"
    argv = ["run", "coverage", *SMALL, "--seed", "3", "--out", str(first), "--figure", str(figure)]
    status, out, err = exits(argv, capsys)
    assert status == 0
    head, summary = out.splitlines()
    sizes = "link 1, targets 1, k 1, batch 5, ratio 9, limit 3, factor 3"
    assert head == f"{first}: coverage over {sizes}"
    assert summary.startswith("h3, orthonormal, k = 4: ")
    assert err.startswith("took ")
    assert figure.read_text().startswith("<?xml")
    file = tmp_path / "config.toml"
    file.write_text(
        f'''
        experiment = "coverage"
        seed = 3
        threads = 1
        out = "{second}"
        link = {{hermite = {{3 = 1.0}}}}
        k = 4
        batches = 5
        d = 1e4
        '''
    )
    assert exits(["run", str(file)], capsys)[0] == 0
    with xr.open_dataset(first) as a, xr.open_dataset(second) as b:
        xr.testing.assert_identical(a.load(), b.load())
        assert json.loads(a.attrs["config"])["k"] == [4]
        assert json.loads(a.attrs["seed"])["entropy"] == "3"
    # an option wins over the file, and another seed gives other numbers
    assert exits(["run", str(file), "--seed", "4", "--out", str(first)], capsys)[0] == 0
    with xr.open_dataset(first) as a, xr.open_dataset(second) as b:
        assert not a.load().identical(b.load())
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.nc", "b.nc", "c.svg", "config.toml"]


def test_every_experiment_runs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    runs = {
        "search_time": ["--links", "relu-1-2", "--k", "3", "--d", "1e6", "1e8", "--n", "20"],
        "nearest": ["--links", "tanh-1", "--k", "3", "--n", "20"],
        "threshold": ["--links", "3=1,4=0.5", "--k", "4", "--n", "5", "--positions", "0.5", "2.5"],
        "phase_diagram": ["--k", "3", "--positions", "0.5", "--ratios", "1", "--batches", "2"],
        "sample_complexity": ["--links", "2=1", "--d", "20", "40", "--learning-rate", "1e-2"],
    }
    for name, options in runs.items():
        out, figure = tmp_path / f"{name}.nc", tmp_path / f"{name}.pdf"
        argv = ["run", name, *options, "--out", str(out), "--figure", str(figure)]
        assert exits(argv, capsys)[0] == 0
        with xr.open_dataset(out) as ds:
            assert ds.attrs["experiment"] == name
        assert figure.read_bytes().startswith(b"%PDF")


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        ([], "NAME | FILE.toml"),
        (["coverag"], "invalid choice: 'coverag'"),
        (["coverage", "--batchs", "3"], "--batchs"),
        (["coverage", "--batches", "x"], "must be a whole number >= 1, got 'x'"),
        (["coverage", "--links", "3:1", "--out", "a.nc"], "links.name must be one of 'relu'"),
        (["coverage", "--links", "3=1,x"], "a link must be a name or terms such as 3=1,4=0.5"),
        (["coverage", *SMALL], "run needs --out FILE"),
        (["coverage", *SMALL, "--out", "/no/such/folder/a.nc"], "no such folder"),
        (["coverage", *SMALL, "--out", "/"], "is a folder"),
        (["coverage", *SMALL, "--k", "1", "--out", "a.nc"], "--k: must be a whole number >= 2"),
        (["coverage", *SMALL, "--d", "2", "--out", "a.nc"], "d must"),
        (["nothing.toml"], "No such file"),
    ],
)
def test_bad_usage_is_one_line(
    argv: list[str],
    words: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    status, out, err = exits(["run", *argv], capsys)
    lines = [line for line in err.splitlines() if not line.startswith("took")]
    assert (status, out, len(lines)) == (2, "", 1)
    assert words in err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("experiment = 3", "experiment must be the name of one, got 3"),
        ('experiment = "coverge"', "did you mean 'coverage'"),
        ('experiment = "coverage"\nout = 3', "out must be the name of a file, got 3"),
        ('experiment = "coverage"\nseed = -1\nout = "x"', "seed must be a whole number >= 0"),
        ('experiment = "coverage"\nbatchs = 3\nout = "x.nc"', "did you mean 'batches'"),
        ("experiment = ", "must be a TOML file"),
        ("\xff", "must be a TOML file"),
    ],
)
def test_bad_files_are_one_line(
    text: str,
    words: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("config.toml").write_text(text, encoding="latin-1")
    status, out, err = exits(["run", "config.toml"], capsys)
    assert (status, out, err.count("\n")) == (2, "", 1)
    assert words in err
    assert [path.name for path in tmp_path.iterdir()] == ["config.toml"]


def test_an_older_file_stays_if_the_run_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "a.nc"
    out.write_text("kept")

    def interrupt(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(hf, "solve", interrupt)
    argv = ["run", "nearest", "--links", "3=1", "--k", "3", "--n", "5", "--out", str(out)]
    status, _, err = exits(argv, capsys)
    told = f"finished points are in {out}.store; the same command with --resume goes on from there"
    assert (status, err) == (130, f"{told}\nhermiteflow: interrupted\n")
    assert out.read_text() == "kept"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.nc", "a.nc.store"]
    monkeypatch.undo()
    assert exits(argv, capsys)[0] == 0  # afresh; and the points go when the file is there
    assert [path.name for path in tmp_path.iterdir()] == ["a.nc"]


def test_a_folder_with_anything_else_is_not_removed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "a.nc.store").mkdir()
    (tmp_path / "a.nc.store" / "mine.txt").write_text("kept")
    argv = ["run", "nearest", "--k", "3", "--n", "5", "--out", str(tmp_path / "a.nc")]
    status, _, err = exits(argv, capsys)
    assert status == 2
    assert "holds more than finished points" in err
    assert err.count("\n") == 1
    assert (tmp_path / "a.nc.store" / "mine.txt").read_text() == "kept"


def test_a_killed_run_is_resumed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """SIGKILL once a point is in the store; then the same command, and the same data."""
    out, plain = tmp_path / "a.nc", tmp_path / "b.nc"
    argv = ["run", "nearest", "--links", "3=1", "4=1", "--k", "3", "20", "50", "--n", "20000"]
    command = "from hermiteflow.cli import main; raise SystemExit(main())"
    process = subprocess.Popen(
        [sys.executable, "-c", command, *argv, "--out", str(out), "--resume"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    store = tmp_path / "a.nc.store"
    while process.poll() is None and not list(store.glob("counts/c.*")):
        time.sleep(0.01)
    process.kill()
    process.wait()
    assert not out.exists()
    before = len(list(store.glob("counts/c.*")))
    assert before >= 1
    assert exits([*argv, "--out", str(out), "--resume"], capsys)[0] == 0
    assert not store.exists()  # its points are in the file
    assert exits([*argv, "--out", str(plain), "--executor", "processes"], capsys)[0] == 0
    with xr.open_dataset(out) as a, xr.open_dataset(plain) as b:
        xr.testing.assert_identical(a.load(), b.load())
    kept = ["--store", str(tmp_path / "kept")]
    small = ["run", "nearest", "--links", "3=1", "--k", "3", "--n", "5", "--out", str(out), *kept]
    assert exits(small, capsys)[0] == 0
    (tmp_path / "kept" / "counts" / "c.0.0.0").unlink()
    assert exits([*small, "--resume"], capsys)[0] == 0  # goes on from DIR, not beside
    assert (tmp_path / "kept" / "counts" / "c.0.0.0").exists()
    assert not store.exists()
    for change, words in (
        (["--seed", "1"], "whose seed is 0, not 1"),
        (["--k", "4"], "whose k is 3, not 4"),
        (["--n", "6"], "whose n is 5, not 6"),
    ):
        status, _, err = exits([*small, *change], capsys)
        assert status == 2
        assert "store must be of this sweep" in err
        assert words in err
    status, _, err = exits([*argv, "--out", str(out), "--executor", "tcp://127.0.0.1:1"], capsys)
    assert status == 2
    assert "127.0.0.1:1" in err


def test_submodules_come_when_they_are_asked_for() -> None:
    code = (
        "import sys, hermiteflow as hf; before = {'xarray', 'matplotlib'} & set(sys.modules); "
        "print(sorted(before), hf.experiments.__name__, hf.plot.__name__, hasattr(hf, 'plots'))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[] hermiteflow.experiments hermiteflow.plot False\n"


def test_a_run_beside_another_takes_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The second of two runs with one --out is refused, and the first ends well."""
    out = tmp_path / "a.nc"
    argv = ["run", "nearest", "--links", "3=1", "4=1", "--k", "3", "20", "60", "--n", "30000"]
    command = "from hermiteflow.cli import main; raise SystemExit(main())"
    process = subprocess.Popen(
        [sys.executable, "-c", command, *argv, "--out", str(out)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    store = tmp_path / "a.nc.store"
    while process.poll() is None and not list(store.glob("counts/c.*")):
        time.sleep(0.01)
    status, _, err = exits([*argv, "--out", str(out)], capsys)
    _, told = process.communicate()
    assert process.returncode == 0, told
    assert out.exists()
    assert status == 2
    assert "is in use by another run" in err
    assert err.count("\n") == 1


def test_a_full_disk_is_one_line(tmp_path: Path) -> None:
    """A limit on the size of files, met when the result is written: the old one stays."""
    out = tmp_path / "a.nc"
    out.write_text("kept")
    command = (
        "import resource, sys; resource.setrlimit(resource.RLIMIT_FSIZE, (8192, 8192));"
        "from hermiteflow.cli import main; raise SystemExit(main())"
    )
    argv = ["run", "nearest", "--links", "3=1", "--k", "3", "--n", "5", "--out", str(out)]
    done = subprocess.run(
        [sys.executable, "-c", command, *argv], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2, done.stderr
    assert done.stderr.count("\n") == 1
    assert f"cannot write {out}: File too large" in done.stderr
    assert out.read_text() == "kept"
    assert not list(tmp_path.glob(".*"))


@pytest.mark.parametrize("name", ["fig.xyz", "fig", "a.nc"])
def test_a_bad_figure_is_told_at_once(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    argv = ["run", "nearest", "--k", "3", "--n", "5", "--out", str(tmp_path / "a.nc")]
    status, _, err = exits([*argv, "--figure", str(tmp_path / name)], capsys)
    assert status == 2
    assert "must be another file, in .pdf, .png, .svg" in err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (["nearst"], "did you mean 'nearest'?"),
        (["nearest", "--lnks", "3=1"], "did you mean --links?"),
    ],
)
def test_guesses(argv: list[str], words: str, capsys: pytest.CaptureFixture[str]) -> None:
    status, _, err = exits(["run", *argv], capsys)
    assert status == 2
    assert words in err
    assert "file" not in err.split("see")[0]


@pytest.mark.parametrize(("line", "words"), [
    ('exceutor = "threads"', "did you mean 'executor'?"),
    ('ouput = "a.nc"', "did you mean 'out'?"),
    ("resume = 1", "resume must be true or false"),
])  # fmt: skip
def test_guesses_for_a_file(
    line: str, words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "a.toml"
    file.write_text(f'experiment = "nearest"\n{line}\n')
    status, _, err = exits(["run", str(file)], capsys)
    assert status == 2
    assert words in err


def test_each_help_has_an_example(capsys: pytest.CaptureFixture[str]) -> None:
    names = ("search_time", "nearest", "coverage", "threshold", "phase_diagram")
    for name in (*names, "sample_complexity"):
        status, out, _ = exits(["run", name, "--help"], capsys)
        assert status == 0
        assert f"example:\n  hermiteflow run {name} " in out
        assert "LINK is a name" in out
