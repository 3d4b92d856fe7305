"""A row of the table of claims: a quantity, its theory, what was measured, whether they agree."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ._statistics import Interval

if TYPE_CHECKING:
    import xarray as xr

#: Two-sided coverage of every interval that decides a row: some 90 tests share an error of 1e-3.
CONFIDENCE = 1.0 - 1e-5


@dataclass(frozen=True, kw_only=True)
class Row:
    """One line of the table.

    Parameters
    ----------
    claim : str
        Letter of the claim.
    quantity : str
        What is measured.
    theory : str
        What it should be.
    measured : str
        What it was, with its interval at `CONFIDENCE`.
    holds : bool
        Whether the two agree.
    """

    claim: str
    quantity: str
    theory: str
    measured: str
    holds: bool


def row(
    claim: str, quantity: str, theory: str, measured: str, holds: bool, *, failures: int = 0
) -> Row:
    """Build a row; one that rests on neurons whose integration failed never holds, and says so."""
    if failures:
        measured = f"{measured} ({failures} neurons failed)"
    verdict = bool(holds) and failures == 0
    return Row(claim=claim, quantity=quantity, theory=theory, measured=measured, holds=verdict)


def interval(values: xr.DataArray) -> Interval:
    """Return estimate, low and high along the dimension ``limit``."""
    return Interval(*(float(values.sel(limit=name)) for name in values.limit.values))
