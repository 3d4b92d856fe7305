"""The main job: claims hold, a broken psi is seen, what is written stands alone."""

from __future__ import annotations

import base64
import dataclasses
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import hermiteflow as hf

xr = pytest.importorskip("xarray")
pytest.importorskip("matplotlib")

from hermiteflow import claims, cli, plot, report  # noqa: E402

SEED = 20


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, int]:
    """One quick run from the command line."""
    out = tmp_path_factory.mktemp("reproduce") / "deep" / "er"
    status = cli.main(["reproduce", "--quick", "--out", str(out), "--seed", str(SEED)])
    return out, status


def test_every_claim_holds(run: tuple[Path, int]) -> None:
    out, status = run
    summary = json.loads((out / "claims.json").read_text())
    failing = [row for row in summary["rows"] if not row["holds"]]
    assert failing == []
    assert status == 0
    assert {row["claim"] for row in summary["rows"]} == set("abcdefgh")
    assert summary["seed"] == SEED


def test_the_table_is_complete(run: tuple[Path, int]) -> None:
    out, _ = run
    text = (out / "table.txt").read_text()
    rows = json.loads((out / "claims.json").read_text())["rows"]
    assert text.splitlines()[0].split() == ["claim", "quantity", "theory", "measured", "holds"]
    assert len(re.findall(r"^\([a-h]\)", text, re.MULTILINE)) == len(rows)
    for row in rows:
        assert row["measured"] in text


def test_the_data_open_again(run: tuple[Path, int]) -> None:
    out, _ = run
    files = sorted((out / "data").iterdir())
    names = {
        f"claim_{key}_{name}.nc" for key in "abcdefgh" for name in claims.plan(quick=True)[key]
    }
    assert {path.name for path in files} == names
    for path in files:
        with xr.open_dataset(path, engine="h5netcdf") as ds:
            assert json.loads(ds.attrs["seed"])["entropy"] == str(SEED)
            assert json.loads(ds.attrs["config"])
            assert json.loads(ds.attrs["versions"])["hermiteflow"] == hf.__version__
            assert ds.attrs["time_unit"]


def test_figures_are_there(run: tuple[Path, int]) -> None:
    out, _ = run
    for key in "abcdefgh":
        assert (out / "figures" / f"claim_{key}.pdf").read_bytes().startswith(b"%PDF")
        svg = (out / "figures" / f"claim_{key}.svg").read_text()
        assert "<svg" in svg
        assert not external(svg)
    assert not list(out.rglob("*.part"))


def external(text: str) -> list[str]:
    """Whatever makes a browser ask another host, but for what scripts do (tests/browser)."""
    text = re.sub(r"(<script[^>]*>).*?</script>", r"\1", text, flags=re.S)
    attribute = r"""(?:src|href|action|data|srcset)\s*=\s*["'](?!data:|#)([^"']*)"""
    url = r"""url\(\s*["']?(?!#|data:)([^)]*)"""
    return re.findall(f"{attribute}|{url}|(@import)|(<link)|(<!DOCTYPE[^>]*http)", text, re.I)


def test_the_report_stands_alone(run: tuple[Path, int]) -> None:
    out, _ = run
    page = (out / "report.html").read_text()
    assert not external(page)
    assert "default-src 'none'" in page
    images = re.findall(r"data:image/svg\+xml;base64,([A-Za-z0-9+/=]+)", page)
    assert len(images) == 8
    for image in images:
        assert not external(base64.b64decode(image).decode())
    assert f"seed {SEED}" in page
    assert hf.__version__ in page
    assert "hermiteflow reproduce --quick" in page
    for row in json.loads((out / "claims.json").read_text())["rows"]:
        assert row["theory"].replace(">", "&gt;") in page


def test_the_check_for_external_references_sees_them() -> None:
    for bad in (
        '<img src="https://x.org/a.png">',
        "<style>@import 'a.css'</style>",
        "<p style='background: url(http://x.org/a)'>",
        "<script src='https://x.org/plotly.js'></script>",
        "<script>1</script><script src='//x.org/a.js'>2</script>",
        "<link rel=x>",
    ):
        assert external(bad)


# ------------------------------------------------------------------ a broken psi is seen

#: Coverage does not know the degree: a wrong one shows in every other claim.
FAULTS = [
    *(("none", key) for key in "abcdefgh"),
    *(("exponent", key) for key in "abdefg"),
    ("sign", "h"),
    ("squared", "h"),
    *(("sign", key) for key in "abcde"),
]
SMALLER: dict[str, dict[str, Any]] = {
    "search_time": {"n": 1000},
    "nearest": {"n": 2000, "k": (3, 10)},
    "coverage": {"k": (5, 20), "batches": 150},
    "threshold": {"n": 700},
    "nearly_orthogonal": {"k": (10,)},
    "between": {"n": 2000, "positions": (1.05, 1.5, 1.95)},
    "diagram_p3": {"k": 4, "betas": 7},
    "phase_diagram": {"k": 3, "ratios": (1.0, 3.0), "batches": 10},
    "diagram_p4": {"k": 4, "betas": 7},
}


#: With the wrong sign neurons go where every step is slow; a few show it.
FEW = {"search_time": {"n": 50}, "threshold": {"n": 50}}


def shrink(monkeypatch: pytest.MonkeyPatch, sizes: dict[str, dict[str, Any]]) -> None:
    plan = claims.plan(quick=True)
    for part in plan.values():
        for name, config in part.items():
            part[name] = dataclasses.replace(config, **sizes.get(name, {}))
    monkeypatch.setattr(claims, "plan", lambda *, quick: plan)


@pytest.fixture
def smaller(monkeypatch: pytest.MonkeyPatch) -> None:
    """Samples as small as the claims can bear."""
    shrink(monkeypatch, SMALLER)


def break_psi(monkeypatch: pytest.MonkeyPatch, fault: str) -> None:
    intact = hf.CorrelationFlow

    def wrong_exponent(targets: Any, link: Any, student: Any = None) -> Any:
        series = link.coefficients(8)
        return intact(
            targets, hf.hermite({int(p) + 1: float(series[p]) for p in np.flatnonzero(series)})
        )

    def wrong_sign(targets: Any, link: Any, student: Any = None) -> Any:
        return intact(targets, link, student=-1.0 * link)

    if fault == "squared":
        whole = hf.SquaredFlow
        monkeypatch.setattr(
            hf, "SquaredFlow", lambda t, link, **o: whole(t, link, student=-1.0 * link, **o)
        )
    elif fault != "none":
        broken = wrong_exponent if fault == "exponent" else wrong_sign
        for module in (hf, hf.landscape._basins):
            monkeypatch.setattr(module, "CorrelationFlow", broken)


@pytest.mark.filterwarnings("ignore::hermiteflow.SolveWarning")
@pytest.mark.usefixtures("smaller")
@pytest.mark.parametrize(("fault", "key"), FAULTS)
def test_a_broken_psi_fails_where_psi_does_not(
    fault: str, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    break_psi(monkeypatch, fault)
    if fault == "sign":
        shrink(monkeypatch, FEW)
    claim = claims.run_claim(key, quick=True, seed=SEED)
    assert claim.holds == (fault == "none")


def test_the_exit_status_tells(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    title = claims.CLAIMS["d"][0]
    row = claims.Row(claim="d", quantity="q", theory="1", measured="2", holds=False)

    def failing(key: str, **_: Any) -> claims.Claim:
        return claims.Claim(key=key, title=title, rows=(row,), datasets={})

    monkeypatch.setattr(claims, "run_claim", failing)
    monkeypatch.setattr(report, "write", lambda *_, **__: [])
    assert cli.main(["reproduce", "--quick", "--out", str(tmp_path)]) == 1
    assert "0 of 8 claims hold" in capsys.readouterr().out


def test_a_full_disk_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    row = claims.Row(claim="d", quantity="q", theory="1", measured="2", holds=True)

    def holding(key: str, **_: Any) -> claims.Claim:
        return claims.Claim(key=key, title="t", rows=(row,), datasets={})

    def full(*_: Any, **__: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(claims, "run_claim", holding)
    monkeypatch.setattr(report, "write", full)
    assert cli.main(["reproduce", "--out", str(tmp_path)]) == 2
    out, err = capsys.readouterr()
    assert err.count("\n") == 1
    assert "No space left on device" in err
    assert "(d)" in out  # what was computed is not lost


def test_a_failed_neuron_fails_its_row() -> None:
    from hermiteflow._rows import row as make_row

    row = make_row("a", "q", "t", "1", True, failures=3)
    assert not row.holds
    assert "3 neurons failed" in row.measured


def test_an_unknown_claim_is_named() -> None:
    with pytest.raises(ValueError, match="'z'"):
        claims.run_claim("z")


def test_plots_make_axes_of_their_own(
    run: tuple[Path, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    with xr.open_dataset(run[0] / "data" / "claim_c_coverage.nc", engine="h5netcdf") as ds:
        ax = plot.coverage(ds)
        assert plot.coverage_linear(ds, ax=ax) is ax
        assert ax.get_xlabel()
        assert ax.get_ylabel()
    plt.close(ax.figure)


# ------------------------------------------------------------------ interrupted and resumed

ARGV = ["reproduce", "--quick", "--seed", "4"]


@pytest.fixture
def tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two claims with a few points each."""
    shrink(
        monkeypatch,
        {
            "search_time": {"n": 20, "d": (1e6, 1e8), "replicates": 50},
            "nearest": {"n": 50, "k": (3,)},
        },
    )
    kept = {key: claims.CLAIMS[key] for key in "ab"}
    monkeypatch.setattr(claims, "CLAIMS", kept)


@pytest.mark.usefixtures("tiny")
def test_an_interrupted_run_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main([*ARGV, "--out", str(tmp_path / "whole")]) in (0, 1)
    assert not (tmp_path / "whole" / "store").exists()
    capsys.readouterr()
    solve, calls = hf.solve, []

    def interrupted(*args: Any, **options: Any) -> Any:
        calls.append(1)
        if len(calls) == 26:  # in claim (b)
            raise KeyboardInterrupt
        return solve(*args, **options)

    out = tmp_path / "out"
    monkeypatch.setattr(hf, "solve", interrupted)
    assert cli.main([*ARGV, "--out", str(out)]) == 130
    err = capsys.readouterr().err
    going = f"hermiteflow reproduce --quick --out {out} --seed 4 --resume goes on from there"
    assert err == f"finished points are in {out / 'store'}; {going}\nhermiteflow: interrupted\n"
    assert not (out / "report.html").exists()
    first = len(calls)
    monkeypatch.setattr(hf, "solve", lambda *a, **o: calls.append(1) or solve(*a, **o))
    assert cli.main([*ARGV, "--out", str(out), "--resume"]) in (0, 1)
    total = 24 + 4  # points of (a) and (b)
    assert len(calls) == first + total - (first - 1)
    for path in sorted((tmp_path / "whole" / "data").iterdir()):
        with xr.open_dataset(path) as a, xr.open_dataset(out / "data" / path.name) as b:
            xr.testing.assert_identical(a.load(), b.load())


@pytest.mark.usefixtures("tiny")
def test_a_store_knows_its_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store = tmp_path / "points"
    argv = ["--out", str(tmp_path / "out"), "--store", str(store)]
    assert cli.main([*ARGV, *argv]) in (0, 1)
    assert len(list(store.glob("*/sweep.json"))) == 2
    capsys.readouterr()
    assert cli.main(["reproduce", "--quick", "--seed", "5", *argv]) == 2
    err = capsys.readouterr().err
    assert err.count("\n") == 1
    assert "store must be of this sweep" in err
    busy = tmp_path / "out" / "store"
    busy.mkdir()
    (busy / "mine").write_text("kept")
    assert cli.main([*ARGV, "--out", str(tmp_path / "out")]) == 2
    assert "holds more than finished points" in capsys.readouterr().err
    assert (busy / "mine").read_text() == "kept"
    argv[-1] = str(tmp_path / "no" / "folder")
    assert cli.main([*ARGV, *argv]) == 2
    assert "No such file" in capsys.readouterr().err
