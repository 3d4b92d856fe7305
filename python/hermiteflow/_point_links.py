"""Links as functions of points, as the core sees them: series, named functions, tables.

Where samples are drawn or stored a link is a function, not its averages. Knows links only.
"""

from __future__ import annotations

import numpy as np
from numpy.polynomial import legendre

from . import _core
from ._activations import NAMES, Activation
from ._checks import Array
from .links import Link

#: A callable is tabulated on [-REACH, REACH], by panels of width 1 / PANELS_PER_UNIT with TERMS
#: terms each: those by which its Hermite series is found. Beyond it counts as not finite.
REACH, PANELS_PER_UNIT, TERMS = 32.0, 8, 16


def point_link(link: Link) -> _core.PointSpec:
    """Return a link as the core evaluates it at points.

    Parameters
    ----------
    link : Link
        Polynomials and named functions are evaluated as such, a callable through its values on
        [-32, 32], between which it is interpolated; beyond them it is NaN.

    References
    ----------
    docs/mathematics, "Model".

    Examples
    --------
    >>> import numpy as np
    >>> import hermiteflow as hf
    >>> spec = point_link(hf.hermite(2) + hf.link("tanh"))
    >>> value, slope = _core.point_values(spec, np.array([0.0, 1.0]))
    >>> value.round(6), slope.round(6)
    (array([-0.707107,  0.761594]), array([1.      , 1.834188]))
    """
    series, factors = np.array(link.polynomial), np.zeros(len(NAMES))
    table: Array | None = None
    for part, factor in link.parts:
        if part.named:
            factors[NAMES.index(part.name)] += factor
        elif part.function is None:
            size = max(series.size, len(part.series))
            series = np.pad(series, (0, size - series.size))
            series[: len(part.series)] += factor * part.coefficients
        else:
            rows = factor * tabulated(part)
            table = rows if table is None else table + rows
    p = np.arange(1.0, series.size)
    return _core.PointSpec(
        series,
        series[1:] * np.sqrt(p),
        1.0 / np.sqrt(p),
        np.sqrt((p - 1.0) / p),
        factors,
        REACH,
        table,
    )


def tabulated(part: Activation) -> Array:
    """Return polynomials in t on [-1, 1], lowest degree first, of each panel: (panels, TERMS)."""
    assert part.function is not None
    nodes, _ = legendre.leggauss(TERMS)
    edges = np.arange(-REACH, REACH, 1.0 / PANELS_PER_UNIT)
    x = edges[:, None] + (1.0 + nodes) / (2.0 * PANELS_PER_UNIT)
    with np.errstate(over="ignore", invalid="ignore"):
        values = np.asarray(part.function(x), dtype=np.float64)
        to_legendre = np.linalg.inv(legendre.legvander(nodes, TERMS - 1))
        monomials = np.zeros((TERMS, TERMS))
        for degree in range(TERMS):
            monomials[degree, : degree + 1] = legendre.leg2poly(np.eye(TERMS)[degree])
        table = values @ to_legendre.T @ monomials
    return np.ascontiguousarray(table)
