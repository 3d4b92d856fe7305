"""The command ``hermiteflow run``: one experiment, from options or from a TOML file."""

from __future__ import annotations

import argparse
import dataclasses
import re
import sys
import time
import tomllib
import typing
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import hermiteflow as hf

from ._files import whole
from ._usage import Parser, UsageError, at_least, hint, natural, need

_HELP = """\
Run one experiment and write what it measured, with its config, seed and versions, to a netCDF
file. NAME is search_time, nearest, coverage, threshold, phase_diagram or sample_complexity; its
fields are options, or lines of a TOML file. Finished points are kept beside the file until it is
written, or in --store for good: after Ctrl-C or a crash, --resume goes on from there.

exit status: 0, 2 for bad usage, 130 for Ctrl-C
"""
_EXAMPLES = """\
examples:
  hermiteflow run coverage --links 3=1 --k 5 20 --out coverage.nc
  hermiteflow run threshold --links tanh-1 --k 5 --out threshold.nc --figure threshold.pdf
  hermiteflow run config.toml

a config.toml:
  experiment = "search_time"
  seed = 1
  out = "search_time.nc"
  links = [{hermite = {3 = 1.0}}, {name = "relu", without = [1]}]
  targets = {kind = "equiangular", k = 10, beta = 0.05}
  d = [1e3, 1e6, 1e9]
"""
#: Modules that an experiment needs.
_NEEDS = ("xarray", "h5netcdf", "h5py", "zarr", "google_crc32c", "tqdm")
#: Of the command for one experiment.
_EXAMPLE = {
    "search_time": "search_time --links 3=1 relu-1-2 --d 1e3 1e6 1e9 --out times.nc",
    "nearest": "nearest --links 3=1 4=1 --k 3 50 --n 5000 --out nearest.nc --figure nearest.pdf",
    "coverage": "coverage --links 3=1,4=0.5 --k 5 20 --out coverage.nc --resume",
    "threshold": "threshold --links erf-1 --k 5 10 --out threshold.nc",
    "phase_diagram": "phase_diagram --links 4=1 --k 5 --out phase.nc --executor processes",
    "sample_complexity": "sample_complexity --links 2=1 --d 1e2 1e4 1e6 --n 200 --out steps.nc",
}
_SYNTAX = """\
LINK is a name, with degrees to leave out (relu, relu-1-2, erf-1), or Hermite coefficients by degree
(3=1,4=0.5). TARGETS is orthonormal, equiangular:BETA or random:DIMENSION.
"""
_FORMATS = (".pdf", ".png", ".svg")
#: Keys of a TOML file that are no fields.
_SETTINGS = ("seed", "threads", "out", "figure", "executor", "store", "resume")
_KEYS = ("experiment", *_SETTINGS)
#: What a TOML file may ask for.
_EXECUTORS = ("serial", "threads", "processes")


def _experiments() -> dict[str, tuple[type, Callable[..., Any]]]:
    from . import experiments as e

    return {
        "search_time": (e.SearchTimeConfig, e.search_time),
        "nearest": (e.NearestConfig, e.nearest),
        "coverage": (e.CoverageConfig, e.coverage),
        "threshold": (e.ThresholdConfig, e.threshold),
        "phase_diagram": (e.PhaseDiagramConfig, e.phase_diagram),
        "sample_complexity": (e.SampleComplexityConfig, e.sample_complexity),
    }


def run(argv: Sequence[str]) -> int:
    """Run the command on what follows its name."""
    need("run", _NEEDS)
    known = _experiments()
    from_file = bool(argv) and argv[0].endswith(".toml")
    options = _parser(known).parse_args(["file", *argv] if from_file else list(argv))
    given = vars(options)
    settings = {key: given.pop(key) for key in _SETTINGS}
    name = given.pop("experiment")
    if name == "file":
        table = _read(given["path"])
        name = _experiment(table, known)
        for key, value in settings.items():
            if value is None and key in table:
                settings[key] = _setting(key, table[key])
        table = {key: value for key, value in table.items() if key not in _KEYS}
        fields = [field.name for field in dataclasses.fields(known[name][0])]
        for key in table:
            if not {key, f"{key}s"} & set(fields):
                told = hint(key, [*fields, *_SETTINGS])
                raise UsageError(f"{key} is no field or setting of {name}{told}")
    else:
        table = {key: value for key, value in given.items() if value is not None}
    if settings["out"] is None:
        raise UsageError("run needs --out FILE, or out in the TOML file")
    return _measure(name, *known[name], table, settings)


def _parser(known: Mapping[str, tuple[type, Callable[..., Any]]]) -> argparse.ArgumentParser:
    form = argparse.RawDescriptionHelpFormatter
    parser = Parser(
        prog="hermiteflow run", description=_HELP, epilog=_EXAMPLES, formatter_class=form
    )
    _fill(parser, known)
    return parser


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the experiments and their options to a parser of the command; imports them."""
    _fill(parser, _experiments())


def _fill(
    parser: argparse.ArgumentParser, known: Mapping[str, tuple[type, Callable[..., Any]]]
) -> None:
    form = argparse.RawDescriptionHelpFormatter
    names = parser.add_subparsers(dest="experiment", metavar="NAME | FILE.toml", required=True)
    for name, (cls, function) in known.items():
        summary = str(function.__doc__).partition("\n")[0]
        example = f"{_SYNTAX}\nexample:\n  hermiteflow run {_EXAMPLE[name]}"
        one = names.add_parser(
            name, help=summary, description=summary, epilog=example, formatter_class=form
        )
        _add_fields(one, cls)
        _add_settings(one)
    file = names.add_parser("file")
    file.add_argument("path", type=Path)
    _add_settings(file)


def _add_settings(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--out", type=Path, metavar="FILE", help="netCDF file to write")
    parser.add_argument("--figure", type=Path, metavar="FILE", help=".pdf, .png or .svg to draw")
    parser.add_argument("--seed", type=natural, metavar="S", help="a number >= 0 (default: 0)")
    parser.add_argument(
        "--threads", type=at_least(1), metavar="N", help="threads; results do not depend on it"
    )
    parser.add_argument(
        "--executor",
        metavar="E",
        help="serial (default), threads, processes, or a dask scheduler such as tcp://host:8786",
    )
    parser.add_argument(
        "--store",
        type=Path,
        metavar="DIR",
        help="keep finished points here for good; the same command goes on from there",
    )
    parser.add_argument(
        "--resume",
        action="store_true",
        default=None,
        help="go on from the points of an interrupted run beside --out",
    )


def _add_fields(parser: argparse.ArgumentParser, cls: type) -> None:
    from .experiments._common import least
    from .experiments._reading import compact_link, compact_targets

    kinds: dict[str, Callable[[str], Any]] = {
        "Link": _reader(compact_link),
        "TargetSpec": _reader(compact_targets),
        "int": natural,
        "float": float,
        "str": str,
    }
    meanings = dict(re.findall(r"^ {4}(\w+) : .*\n((?: {8}.*\n)+)", str(cls.__doc__), re.M))
    for field in dataclasses.fields(cls):
        many = str(field.type).startswith("tuple")
        inner = re.sub(r"tuple\[(.*), \.\.\.\]", r"\1", str(field.type))
        low = least(cls, field.name)
        meaning = " ".join(meanings.get(field.name, "").split()).replace("%", "%%")
        parser.add_argument(
            f"--{field.name.replace('_', '-')}",
            dest=field.name,
            nargs="+" if many else None,
            type=at_least(low) if low is not None else kinds[inner],
            metavar={"Link": "LINK", "TargetSpec": "TARGETS"}.get(inner, "X"),
            help=meaning,
        )


def _reader(read: Callable[[str], Any]) -> Callable[[str], Any]:
    def parse(text: str) -> Any:
        try:
            return read(text)
        except ValueError as error:
            raise argparse.ArgumentTypeError(str(error)) from None

    return parse


def _read(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as file:
            return tomllib.load(file)
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror or error}") from error
    except (ValueError, RecursionError) as error:  # numbers too long, lists too deep
        raise UsageError(f"{path} must be a TOML file: {error}") from error


def _experiment(table: Mapping[str, Any], known: Mapping[str, Any]) -> str:
    name = table.get("experiment")
    if not isinstance(name, str) or name not in known:
        raise UsageError(f"experiment must be the name of one, got {name!r}{hint(name, known)}")
    return name


def _setting(key: str, value: Any) -> Any:
    """Return a setting of a TOML file, which may come from anyone: it reaches no other place."""
    if key == "executor":
        if value not in _EXECUTORS:
            raise UsageError(
                f"executor must be {', '.join(_EXECUTORS)} in a file, got {value!r}; a dask "
                "scheduler, which can run any code here, must be given with --executor"
            )
        return value
    if key == "resume":
        if not isinstance(value, bool):
            raise UsageError(f"resume must be true or false, got {value!r}")
        return value
    if key in ("out", "figure", "store"):
        if not isinstance(value, str):
            raise UsageError(f"{key} must be the name of a file, got {value!r}")
        return _below(key, value)
    try:
        return (natural if key == "seed" else at_least(1))(str(value))
    except argparse.ArgumentTypeError as error:
        raise UsageError(f"{key} {error}") from error


def _below(key: str, name: str) -> Path:
    try:
        inside = Path(name).resolve().is_relative_to(Path.cwd().resolve())
    except (OSError, ValueError, RuntimeError) as error:  # a NUL, a loop of links
        raise UsageError(f"{key} must be the name of a file, got {name!r}: {error}") from error
    if not inside:
        raise UsageError(
            f"{key} must lie below the working folder in a file, got {name!r}; --{key} may name "
            "any place"
        )
    return Path(name)


def _measure(
    name: str,
    cls: type,
    function: Callable[..., Any],
    table: Mapping[str, Any],
    settings: Mapping[str, Any],
) -> int:
    from tqdm import tqdm

    from .experiments._reading import read_fields

    out, figure, store = settings["out"], settings["figure"], settings["store"]
    for option, path in (("--out", out), ("--figure", figure)):
        if path is not None and not path.absolute().parent.is_dir():
            raise UsageError(f"{option} {path}: no such folder")
        if path is not None and path.is_dir():
            raise UsageError(f"{option} {path}: is a folder")
    passing = store is None
    going = " with --resume" if passing else ""
    if store is None:
        store = out.with_name(out.name + ".store")
    if figure is not None:
        need("run with --figure", ("matplotlib",))
        if figure.suffix not in _FORMATS or figure.absolute() == out.absolute():
            raise UsageError(f"--figure {figure}: must be another file, in {', '.join(_FORMATS)}")
    try:
        fields = read_fields(cls, table)
        total = typing.cast(Any, cls(**fields)).points
    except (ValueError, TypeError) as error:
        raise UsageError(str(error)) from error
    begin = time.perf_counter()
    _forget(store, passing and not settings["resume"])
    with tqdm(total=total, unit="run", file=sys.stderr, disable=None, dynamic_ncols=True) as bar:

        def advance(label: str) -> None:
            bar.set_description(label[:48].ljust(48), refresh=False)
            bar.update()

        try:
            ds = function(
                seed=settings["seed"] or 0,
                n_threads=settings["threads"],
                progress=advance,
                executor=settings["executor"] or "serial",
                store=store,
                **fields,
            )
        except (ValueError, TypeError, OSError, ImportError, hf.SweepError) as error:
            if store.is_dir() and not any(path.is_dir() for path in store.iterdir()):
                _forget(store, passing)  # no point was finished
            raise UsageError(" ".join(str(error).split())) from error
        except KeyboardInterrupt:
            bar.close()
            told = f"finished points are in {store}; the same command{going} goes on from there"
            print(told, file=sys.stderr)
            raise
    try:
        with whole(out, int(1.1 * ds.nbytes) + (1 << 18)) as part:
            ds.to_netcdf(part, engine="h5netcdf")
        if figure is not None:
            _draw(ds, figure)
    except OSError as error:
        raise UsageError(f"cannot write {out}: {error.strerror or error}") from error
    _forget(store, passing)
    _tell(name, ds, out)
    print(f"took {time.perf_counter() - begin:.1f} s", file=sys.stderr)
    return 0


def _tell(name: str, ds: Any, out: Path) -> None:
    """Print what was run, and what was measured."""
    from .experiments import summary

    sizes = ", ".join(f"{dim} {size}" for dim, size in ds.sizes.items())
    print(f"{out}: {name} over {sizes}")
    print(summary(ds))


def _forget(store: Path, passing: bool) -> None:
    from .sweeps._store import discard

    try:
        if passing:
            discard(store)
    except OSError as error:
        raise UsageError(f"{store}: {error.strerror or error}") from error


def _draw(ds: Any, path: Path) -> None:
    """Draw all of a Dataset into a file."""
    import matplotlib as mpl

    from . import plot

    with mpl.rc_context({"svg.fonttype": "none", "pdf.fonttype": 42}):
        figure = plot.draw(ds)
        with whole(path) as part:
            figure.savefig(part, format=path.suffix[1:], dpi=160)
