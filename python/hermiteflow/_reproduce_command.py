"""The command ``hermiteflow reproduce``: every claim, its table, figures and report."""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import hermiteflow as hf

from ._usage import UsageError, at_least, natural, need

if TYPE_CHECKING:
    from .claims import Claim

#: Modules of the extra ``reproduce``, in the order in which a missing one is told.
EXTRA = ("matplotlib", "xarray", "h5netcdf", "h5py", "plotly", "zarr", "google_crc32c", "tqdm")

_HELP = """\
Simulate claims (a) to (e) of Simsek, Bendjeddou, Hsu (AISTATS 2025, arXiv 2411.08798) and three of
ours, print one table of theory beside measurement, and write data (netCDF), figures (PDF, SVG)
and an interactive, self-contained report.html. Finished points are kept in DIR/store until
the report is written, or in --store for good: after Ctrl-C or a crash, --resume goes on from there.

exit status: 0 if every claim holds, 1 if one does not, 2 for bad usage, 130 for Ctrl-C
"""
_EXAMPLES = """\
examples:
  hermiteflow reproduce --quick                   under a minute, into ./hermiteflow-reproduce
  hermiteflow reproduce --out results --seed 7    the full run, other random numbers
  hermiteflow reproduce --out results --seed 7 --resume     goes on after Ctrl-C
  hermiteflow reproduce --executor tcp://host:8786          on a dask cluster
"""


def add_parser(commands: Any) -> None:
    """Add the command's parser."""
    parser = commands.add_parser(
        "reproduce",
        help="simulate the paper's claims and write a report",
        description=_HELP,
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--quick", action="store_true", help="smaller samples, under a minute")
    parser.add_argument(
        "--out",
        type=Path,
        default=Path("hermiteflow-reproduce"),
        metavar="DIR",
        help="where to write; made if missing (default: %(default)s)",
    )
    parser.add_argument(
        "--seed", type=natural, default=0, metavar="S", help="a number >= 0 (default: 0)"
    )
    parser.add_argument(
        "--threads",
        type=at_least(1),
        default=None,
        metavar="N",
        help="threads; results do not depend on it (default: HERMITEFLOW_NUM_THREADS or all)",
    )
    parser.add_argument(
        "--executor",
        default="serial",
        metavar="E",
        help="serial (default), threads, processes, or a dask scheduler such as tcp://host:8786",
    )
    parser.add_argument(
        "--store",
        type=Path,
        default=None,
        metavar="DIR",
        help="keep finished points here for good; the same command goes on from there",
    )
    parser.add_argument(
        "--resume", action="store_true", help="go on from the points of an interrupted run"
    )


def run(options: argparse.Namespace) -> int:
    """Run the command on its parsed options; return the exit status."""
    need("reproduce", EXTRA)
    out = _folder(options.out)
    begin = time.perf_counter()
    from .sweeps._store import discard

    own = options.store is None
    store = out / "store" if own else options.store
    try:
        if own and not options.resume:
            discard(store)
        store.mkdir(exist_ok=True)
    except OSError as error:
        raise UsageError(f"{store}: {error.strerror or error}") from error
    claims = _simulate(options, store)
    from . import report

    try:
        report.write(claims, out, command=_command(options), seed=options.seed)
    except OSError as error:
        print(report.table(claims))
        raise UsageError(f"cannot write to {out}: {error.strerror or error}") from error
    if own:
        discard(store)
    print(report.table(claims))
    holding = sum(claim.holds for claim in claims)
    seconds = time.perf_counter() - begin
    print(f"{holding} of {len(claims)} claims hold. Report: {out / 'report.html'}")
    print(f"took {seconds:.1f} s", file=sys.stderr)
    return 0 if holding == len(claims) else 1


def _simulate(options: argparse.Namespace, store: Path) -> list[Claim]:
    from tqdm import tqdm

    from .claims import CLAIMS, plan, run_claim

    configs = plan(quick=options.quick)
    total = sum(config.points for part in configs.values() for config in part.values())
    # disable=None: no bar where stderr is not a terminal.
    with tqdm(total=total, unit="run", file=sys.stderr, disable=None, dynamic_ncols=True) as bar:

        def advance(label: str) -> None:
            bar.set_description(label[:24].ljust(24), refresh=False)
            bar.update()

        try:
            return [
                run_claim(
                    key,
                    quick=options.quick,
                    seed=options.seed,
                    n_threads=options.threads,
                    progress=advance,
                    executor=options.executor,
                    store=store,
                )
                for key in CLAIMS
            ]
        except (ValueError, OSError, ImportError, hf.SweepError) as error:
            raise UsageError(" ".join(str(error).split())) from error
        except KeyboardInterrupt:
            bar.close()
            where = "" if options.store else " --resume"
            print(
                f"finished points are in {store}; {_command(options)}{where} goes on from there",
                file=sys.stderr,
            )
            raise


def _command(options: argparse.Namespace) -> str:
    parts = ["hermiteflow reproduce"]
    parts += ["--quick"] * options.quick
    if options.out != Path("hermiteflow-reproduce"):
        parts.append(f"--out {options.out}")
    parts.append(f"--seed {options.seed}")
    if options.store is not None:
        parts.append(f"--store {options.store}")
    return " ".join(parts)


def _folder(path: Path) -> Path:
    """Make the folder and see that it can be written, before anything is computed."""
    try:
        path.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path):
            return path
    except OSError as error:
        raise UsageError(f"--out {path}: {error.strerror or error}") from error
