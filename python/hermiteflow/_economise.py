"""Series in fewer terms: what lies beyond rounding is given up in Chebyshev's polynomials.

Knows NumPy only.
"""

from __future__ import annotations

import numpy as np
from numpy.polynomial import Chebyshev, Polynomial
from numpy.typing import NDArray

Array = NDArray[np.float64]

#: Shares of the largest value: what may be left out, and how large the new terms may become
#: beside the old ones before their rounding would be seen.
LEFT_OUT, GROWTH = 6e-17, 1.5


def economised(coefficients: Array, low: float) -> Array:
    """Return a polynomial of lower degree that is the same on [low, 1] to rounding.

    Parameters
    ----------
    coefficients : array (terms,)
        c_0 + c_1 x + ...
    low : float
        0 or -1: where x begins.

    Returns
    -------
    array (fewer terms,)
        The same coefficients where nothing is gained.

    Examples
    --------
    >>> import numpy as np
    >>> geometric = 0.25 ** np.arange(40.0)  # 1 / (1 - x / 4)
    >>> short = economised(geometric, 0.0)
    >>> bool(short.size < 18), abs(float(np.polyval(short[::-1], 0.7)) - 1.0 / 0.825) < 1e-15
    (True, True)
    """
    if coefficients.size < 8:
        return coefficients
    domain = [low, 1.0]
    whole = Polynomial(coefficients).convert(kind=Chebyshev, domain=domain)
    sizes = np.abs(whole.coef)  # they fall as powers, down to rounding
    kept = int(np.flatnonzero(sizes > LEFT_OUT * np.max(sizes))[-1]) + 1
    short = Chebyshev(whole.coef[:kept], domain=domain).convert(kind=Polynomial).coef
    # large terms of both signs would cancel
    grown = np.sum(np.abs(short)) > GROWTH * np.sum(np.abs(coefficients))
    return coefficients if grown or short.size >= coefficients.size else np.ascontiguousarray(short)
