"""Theory's share of neurons that never escape, by which (13) is thinned."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import hermiteflow as hf
from hermiteflow.flows import CorrelationFlow

from ._common import TargetSpec, is_even

if TYPE_CHECKING:
    from hermiteflow.links import Link


def trapped_share(link: Link, spec: TargetSpec, k: int) -> float:
    """Theory's share of starts that never escape as d grows; NaN where there is none.

    At G = I an odd p* >= 3 traps the starts whose overlaps are all negative. An even p* traps none
    if a negative overlap leads to -1; where a zero of psi' stops it, and for p* <= 2 unless psi is
    even, theory does not tell. Neither does it for other Gram matrices, which trap fewer.

    References
    ----------
    docs/mathematics, claims (b) and (c).

    Examples
    --------
    >>> trapped_share(hf.hermite(3), TargetSpec(), 4), trapped_share(hf.hermite(4), TargetSpec(), 4)
    (0.0625, 0.0)
    """
    exponent = hf.Interaction(link).information_exponent
    known = spec.kind == "orthonormal" or (spec.kind == "equiangular" and spec.beta == 0.0)
    if not known or exponent < 2 or not math.isfinite(exponent):
        return math.nan
    if exponent % 2 == 1:
        return math.pow(2.0, -k)
    if exponent == 2 and (link.significant().size == 3 or not is_even(link)):
        return math.nan
    alone = CorrelationFlow(hf.Orthonormal(k=1), link)
    return 0.0 if hf.nearest_index(alone, [[-1e-6]])[0] == 0 else math.nan
