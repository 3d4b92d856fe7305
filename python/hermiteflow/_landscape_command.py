"""The command ``hermiteflow landscape``: tables of fixed points, thresholds, and their figure."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import hermiteflow as hf

from ._activations import NAMES
from ._usage import UsageError, at_least, natural, need

_HELP = """\
List every fixed point of one neuron with its kind, at each beta: orbits under the symmetries of
equiangular index vectors, their loss, Morse index in span(V) and eigenvalue outside of it. Print
the values of beta at which minima appear, tie and vanish, and draw all branches over beta, into
landscape.pdf in the working folder unless --out says another file, or - for none.

exit status: 0, 2 for bad usage, 130 for Ctrl-C
"""
_EXAMPLES = """\
examples:
  hermiteflow landscape --k 10 --p 3 --beta 0.0 0.05 0.2
  hermiteflow landscape --k 5 --hermite 3=1 4=0.5 --beta 0.1 --out figure.svg
  hermiteflow landscape --k 4 --link erf --without 1 --beta 0.1
"""
_FORMATS = (".pdf", ".png", ".svg")
#: Betas of the figure.
_GRID = 61


def add_parser(commands: Any) -> None:
    """Add the command's parser."""
    parser = commands.add_parser(
        "landscape",
        help="list every fixed point and its kind, and draw them over beta",
        description=_HELP,
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--k", type=at_least(1), required=True, help="number of index vectors")
    link = parser.add_mutually_exclusive_group(required=True)
    link.add_argument("--p", type=at_least(1), metavar="P", help="the link h_P")
    link.add_argument("--link", choices=NAMES, metavar="NAME", help=f"one of {', '.join(NAMES)}")
    link.add_argument(
        "--hermite", nargs="+", type=_term, metavar="P=C", help="the link sum C h_P of these terms"
    )
    parser.add_argument(
        "--without", nargs="+", type=natural, default=[], metavar="P", help="degrees to remove"
    )
    parser.add_argument(
        "--beta",
        nargs="+",
        type=float,
        default=[0.0],
        metavar="B",
        help="inner products of the index vectors, one table each (default: 0)",
    )
    parser.add_argument(
        "--d", type=at_least(1), default=None, help="input dimension, for the kinds (default: > k)"
    )
    parser.add_argument(
        "--out",
        type=Path,
        default=Path("landscape.pdf"),
        metavar="FILE",
        help=f"figure, one of {', '.join(_FORMATS)} (default: %(default)s); - for none",
    )


def _term(text: str) -> tuple[int, float]:
    degree, equals, coefficient = text.partition("=")
    try:
        if not (equals and degree.isdecimal()):
            raise ValueError
        return int(degree), float(coefficient)
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"must be a degree and its coefficient, such as 3=1.0, got {text!r}"
        ) from None


def run(options: argparse.Namespace) -> int:
    """Run the command."""
    draw = str(options.out) != "-" and options.k > 1
    if draw:
        need("landscape with a figure", ("matplotlib", "xarray"))
        if options.out.suffix.lower() not in _FORMATS:
            raise UsageError(
                f"--out must end in one of {', '.join(_FORMATS)}, or be -, got {options.out}"
            )
        if not options.out.absolute().parent.is_dir():
            raise UsageError(f"--out {options.out}: no such folder")
    try:
        link = _link(options)
        flows = [hf.CorrelationFlow(_targets(options.k, b), link) for b in options.beta]
        tables = [_table(flow, options.d) for flow in flows]
    except (ValueError, ArithmeticError) as error:
        raise UsageError(str(error)) from error
    print(f"link {link!r}")
    thresholds = _thresholds(link, options.k) if options.k > 1 else {}
    for beta, table in zip(options.beta, tables, strict=True):
        print(f"\nbeta = {beta:g}: {table!r}")
    if draw and flows[0].interaction.singular:
        print("\nno figure: psi' of this link is no polynomial, so that no list is proved complete")
    elif draw:
        known = [t for t in thresholds.values() if np.isfinite(t)]
        _draw(link, options, known)
    return 0


def _table(flow: hf.CorrelationFlow, d: int | None) -> hf.FixedPoints | hf.FoundPoints:
    if flow.interaction.singular:
        return hf.find_fixed_points(flow, seed=0, d=d)
    return hf.fixed_points(flow, d=d)


def _link(options: argparse.Namespace) -> hf.Link:
    if options.link is not None:
        link = hf.link(options.link)
    elif options.hermite is not None:
        link = hf.hermite(dict(options.hermite))
    else:
        link = hf.hermite(options.p)
    return link.without(*options.without) if options.without else link


def _targets(k: int, beta: float) -> hf.Targets:
    return hf.Orthonormal(k=k) if beta == 0.0 else hf.Equiangular(k=k, beta=beta)


def _thresholds(link: hf.Link, k: int) -> dict[str, float]:
    """Print each threshold, or why there is none, and return them."""
    rows: tuple[tuple[str, str, Callable[[], float]], ...] = (
        ("beta_c", "the average turns from saddle to minimum", lambda: hf.critical_beta(link, k)),
        (
            "beta_equal",
            "the average and the index-like minima have the same loss",
            lambda: hf.equal_loss_beta(link, k),
        ),
        ("beta_fold", "the index-like minima end", lambda: hf.fold_beta(link, k).beta),
    )
    out = {}
    for name, meaning, find in rows:
        try:
            out[name] = find()
            print(f"{name:10} = {out[name]:.12f}  {meaning}")
        except ValueError as error:
            print(f"{name:10}   none: {error}")
    return out


def _draw(link: hf.Link, options: argparse.Namespace, thresholds: list[float]) -> None:
    import matplotlib as mpl
    from matplotlib.figure import Figure

    from . import plot

    low = min(0.0, *options.beta)
    high = max([*options.beta, *(1.3 * t for t in thresholds)]) or 0.5
    span = high - low
    # away from the ends of the range, and from exact hits of a bifurcation
    betas = np.linspace(max(low, -0.98 / (options.k - 1)), min(high + 0.013 * span, 0.98), _GRID)
    try:
        diagram = hf.bifurcation_diagram(link, options.k, betas, d=options.d)
    except (ValueError, ArithmeticError) as error:
        raise UsageError(f"no figure: {error}") from error
    with mpl.rc_context({"svg.fonttype": "none", "pdf.fonttype": 42}):
        figure = Figure(figsize=(7.0, 5.0), layout="constrained")
        plot.bifurcation(diagram, ax=figure.subplots())
        try:
            figure.savefig(options.out, dpi=160)
        except OSError as error:
            raise UsageError(f"--out {options.out}: {error.strerror or error}") from error
    print(f"\nfigure: {options.out}")
