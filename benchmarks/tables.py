"""Results in, Markdown out: on the screen, and between the markers of a page."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

Results = dict[str, Any]


def table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """Return a Markdown table with columns of even width."""
    lines = [list(head), *(list(row) for row in rows)]
    widths = [max(len(line[i]) for line in lines) for i in range(len(lines[0]))]
    padded = [
        "| "
        + " | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True))
        + " |"
        for line in lines
    ]
    rule = "|" + "|".join("-" * (width + 2) for width in widths) + "|"
    return "\n".join([padded[0], rule, *padded[1:]])


def _seconds(side: dict[str, Any]) -> str:
    low, high = min(side["seconds"]), max(side["seconds"])
    return f"{_time(low)} / {_time(side['median'])} / {_time(high)}"


def _time(seconds: float) -> str:
    if seconds < 1e-3:
        return f"{1e6 * seconds:.0f} µs"
    return f"{1e3 * seconds:.3g} ms" if seconds < 1.0 else f"{seconds:.3g} s"


def power(value: float) -> str:
    """Return a power of ten as 1e6, without signs or padding."""
    return f"{value:.0e}".replace("e+0", "e").replace("e+", "e")


def machine_lines(machine: dict[str, Any]) -> str:
    """Return what was measured on, as a paragraph."""
    versions = ", ".join(
        f"{name} {version}" if version else f"{name} missing"
        for name, version in machine["versions"].items()
    )
    return (
        f"{machine['processor']}, {machine['cores']} cores, {machine['threads']} threads on every "
        f"side that has them; hermiteflow {machine['hermiteflow']} ({machine['isa']}, "
        f"{machine['compiler']}), Python {machine['python']}, {versions}. Load at the start: "
        f"{machine['load']:.1f}."
    )


def cases_table(results: Results) -> str:
    """Return ratios: times are best / median / worst of the rounds."""
    rows = []
    for case in results["cases"].values():
        peer, ratio, target = case.get("peer"), case["ratio"], case["target"]
        rows.append(
            (
                case["title"],
                peer["name"] if peer else (case["verdict"] or "none"),
                _seconds(case["ours"]),
                _seconds(peer) if peer else "",
                f"{ratio['median']:.3g} ({ratio['low']:.3g} to {ratio['high']:.3g})"
                if ratio
                else (case["verdict"] if peer else ""),
                f"{target:g}" if target else "",
                case["measure"],
                f"{case['ours']['error']:.1e}",
                f"{peer['error']:.1e}" if peer else "",
            )
        )
    head = (
        "case",
        "peer",
        "ours",
        "peer's time",
        "ratio",
        "at least",
        "error in",
        "ours",
        "peer's",
    )
    return table(head, rows)


def peaks_table(results: Results) -> str:
    """Return how much of the machine's peak the kernels reach, in the same rounds."""
    seen, rows = set(), []
    for case in results["cases"].values():
        if "gflops" not in case or case["title"] in seen:
            continue
        seen.add(case["title"])
        rows.append(
            (
                case["title"],
                f"{case['gflops']:.1f}",
                f"{case['gemm_gflops']:.1f}",
                f"{case['fma_gflops']:.1f}",
                f"{100 * case['share_of_gemm']:.0f} %",
                f"{100 * case['share_of_fma']:.0f} %",
            )
        )
    head = ("case", "GF/s", "GEMM", "FMA loop", "share of GEMM", "share of FMA")
    return table(head, rows)


def missed_lines(results: Results) -> str:
    """Return what falls short of what we want, one line each."""
    lines = []
    for case in results["cases"].values():
        ratio, target = case["ratio"], case["target"]
        if target and ratio is None:
            lines.append(f"- {case['title']}: {case['verdict']}.")
        elif target and ratio["median"] < target:
            lines.append(
                f"- {case['title']}, against {case['peer']['name']}: "
                f"{ratio['median']:.3g} instead of {target:g}."
            )
        wanted = case.get("wanted_share", 0.0)
        if wanted and case["share_of_gemm"] < wanted:
            lines.append(
                f"- {case['title']}: {100 * case['share_of_gemm']:.0f} % of the GEMM peak instead "
                f"of {100 * wanted:.0f} %."
            )
    return "\n".join(dict.fromkeys(lines)) or "Nothing: every case reaches what we want of it."


def engine_table(results: Results) -> str:
    """Return steps, rejections, time and error by method."""
    rows = [
        (
            str(row["p"]),
            power(row["d"]),
            row["method"],
            f"{row['steps']:g}",
            f"{100 * row['rejected']:.2f} %",
            f"{row['microseconds']:.2f} µs",
            f"{row['error']:.1e}",
        )
        for row in results["engine"]
    ]
    head = ("p", "d", "method", "steps", "rejected", "time a neuron", "error of hitting times")
    return table(head, rows)


def precision_table(results: Results) -> str:
    """Return error over tolerance, of hitting times and of overlaps at equal phase."""
    rows = []
    for line in results["precision"]["lines"]:
        ratios = [
            f"{line[name][part]:.2g}"
            for name in ("time", "overlaps")
            for part in ("median", "high", "worst")
        ]
        rows.append(
            (line["method"], power(line["rtol"]), f"{line['evaluations']:g}", *ratios,
             str(line["missed"]))
        )  # fmt: skip
    head = ("method", "rtol", "evaluations", "time: median", "95 %", "worst", "overlaps: median",
            "95 %", "worst", "missed")  # fmt: skip
    return table(head, rows)


def curves_table(results: Results) -> str:
    """Return the points of the curves."""
    rows = [
        (name, power(p["n"]), str(p["k"]), power(p["d"]), str(p["threads"]),
         f"{_time(p['best'])} / {_time(p['median'])} / {_time(p['worst'])}",
         f"{1e6 * p['median'] / p['n']:.2f} µs", f"{p['error']:.1e}")
        for name, curve in results["curves"].items()
        for p in curve
    ]  # fmt: skip
    head = ("against", "n", "k", "d", "threads", "best / median / worst", "a neuron", "error")
    return table(head, rows)


BLOCKS = {
    "machine": ("machine", lambda results: machine_lines(results["machine"])),
    "cases": ("cases", cases_table),
    "peaks": ("cases", peaks_table),
    "missed": ("cases", missed_lines),
    "engine": ("engine", engine_table),
    "precision": ("precision", precision_table),
    "curves": ("curves", curves_table),
}


def blocks(results: Results) -> dict[str, str]:
    """Return the text of each block for which there are results."""
    return {name: make(results) for name, (key, make) in BLOCKS.items() if results.get(key)}


PICTURES = {
    "cases": (
        "performance-ratios.png",
        "Ratio of the peers' times to ours, with the spread over the rounds and the ratio wanted",
    ),
    "precision": (
        "work-precision.png",
        "Errors of hitting times and of overlaps at equal phase, against evaluations of the field, "
        "and, divided by the tolerance, against the tolerance, for the three methods",
    ),
    "curves": (
        "performance-curves.png",
        "Time a neuron against the number of neurons, the dimension, the number of index vectors "
        "and the threads",
    ),
}


def write(path: Path, results: Results) -> None:
    """Replace what stands between the markers of a page, for each block with results.

    A block's picture follows its table, if it is in the folder _static beside the page.
    """
    text = path.read_text(encoding="utf8")
    for name, block in blocks(results).items():
        begin, end = f"<!-- begin: {name} -->", f"<!-- end: {name} -->"
        if text.count(begin) != 1 or text.count(end) != 1:
            raise ValueError(f"{path} must hold one {begin} and one {end}")
        parts = [begin, block, end]
        picture, words = PICTURES.get(name, ("", ""))
        if picture and (path.parent / "_static" / picture).exists():
            parts.insert(2, f"![{words}](_static/{picture})")
        head, rest = text.split(begin)
        text = head + "\n\n".join(parts) + rest.split(end)[1]
    path.write_text(text, encoding="utf8")
