"""`python -m benchmarks`: our side and the peers by turns, at the same accuracy, in one table."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np

from . import curves, engine, figures, machine, precision, tables
from .cases import CASES
from .measure import measure

OTHERS = ("engine", "precision", "curves")


def parse(arguments: list[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    names = (*CASES, *OTHERS)
    parser.add_argument(
        "--case", action="append", choices=names, metavar="NAME",
        help=f"only this one; may be repeated: {', '.join(names)}",
    )  # fmt: skip
    parser.add_argument("--rounds", type=int, default=7, help="rounds of each case (7)")
    parser.add_argument("--quick", action="store_true", help="small sizes, to see that it runs")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures there")
    parser.add_argument(
        "--load", type=Path, metavar="FILE",
        help="start from an earlier --json; what is measured now replaces its part, and without "
        "--case nothing is measured",
    )  # fmt: skip
    parser.add_argument("--figures", type=Path, metavar="DIR", help="draw pictures there")
    parser.add_argument(
        "--write", type=Path, metavar="PAGE", help="put the tables between the markers of a page"
    )
    options = parser.parse_args(arguments)
    if options.rounds < 1:
        parser.error(f"--rounds must be at least 1, got {options.rounds}")
    return options


def run(names: list[str], results: dict[str, Any], *, rounds: int, small: bool) -> None:
    """Measure what is asked for, into `results`; each line is printed when it is there."""
    for name, case in CASES.items():
        if name not in names:
            continue
        print(f"{name} ...", flush=True)
        found = measure(case.build(small), min(rounds, case.rounds))
        wanted = {"target": case.target, "wanted_share": case.share, "small": small}
        results["cases"][name] = {**found, **wanted}
        ratio = found["ratio"]
        print(f"  {found['title']}")
        for side in ("ours", "peer"):
            if side in found:
                part = found[side]
                print(
                    f"  {side}: {part['name']}: best {part['best']:.4g} s, "
                    f"median {part['median']:.4g} s, worst {part['worst']:.4g} s, "
                    f"error {part['error']:.1e}"
                )
        if ratio:
            print(f"  ratio {ratio['median']:.3g} ({ratio['low']:.3g} to {ratio['high']:.3g})")
        elif found["verdict"]:
            print(f"  {found['verdict']}")
        print(
            f"  in these rounds: GEMM {found['gemm_gflops']:.1f} GF/s, "
            f"FMA loop {found['fma_gflops']:.1f} GF/s",
            flush=True,
        )
    if "engine" in names:
        print("engine ...", flush=True)
        results["engine"] = list(engine.rows(small, min(rounds, 5)))
    if "precision" in names:
        print("precision ...", flush=True)
        results["precision"] = precision.study(20 if small else 1_000)
    if "curves" in names:
        print("curves ...", flush=True)
        results["curves"] = {}
        for name, point in curves.points(small, min(rounds, 5)):
            results["curves"].setdefault(name, []).append(point)


def main(arguments: list[str] | None = None) -> dict[str, Any]:
    """Measure, print, write; return the results."""
    options = parse(arguments)
    results: dict[str, Any] = {}
    names = options.case or [*CASES, *OTHERS]
    if options.load:
        results = json.loads(options.load.read_text(encoding="utf8"))
        names = options.case or []
    results.setdefault("cases", {})
    if names:
        results["machine"] = machine.describe()
        print(tables.machine_lines(results["machine"]), flush=True)
    run(names, results, rounds=options.rounds, small=options.quick)
    for block in tables.blocks(results).values():
        print(f"\n{block}")
    if options.json:
        text = json.dumps(results, indent=1, default=_plain)
        options.json.write_text(text + "\n", encoding="utf8")
    if options.figures:
        for path in figures.draw(results, options.figures):
            print(f"wrote {path}")
    if options.write:
        tables.write(options.write, results)
        print(f"wrote {options.write}")
    return results


def _plain(value: object) -> object:
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError(f"cannot write {type(value).__name__} as JSON")


if __name__ == "__main__":
    main()
