"""Stored samples X (N, d): checked, read where they lie, and never copied whole. Knows no flows."""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass
from typing import Any, NoReturn

import numpy as np
from numpy.lib.stride_tricks import as_strided
from numpy.typing import NDArray

from ._checks import Array

Sample = NDArray[np.float32] | NDArray[np.float64]

#: Bytes of X that are looked at together in Python.
_AT_ONCE = 1 << 22


def check_sample(X: object, name: str = "X") -> Sample:
    """Return X as a read-only view, float32 or float64, with contiguous rows.

    Lists are converted, arrays are not. Whether all entries are finite is left to the pass over X
    that the labels need.
    """
    if np.ma.isMaskedArray(X):
        raise TypeError(f"{name} must be an ordinary array of shape (N, d), got a masked array")
    try:
        raw = X if isinstance(X, np.memmap) else np.asarray(X)
    except ValueError as error:
        raise ValueError(f"{name} must be an array of shape (N, d), got a ragged list") from error
    if raw.dtype.kind != "f" or raw.dtype.itemsize not in (4, 8):
        raise TypeError(
            f"{name} must hold float32 or float64 numbers, shape (N, d), got dtype "
            f"{raw.dtype}: convert it yourself, it may be large"
        )
    if not raw.dtype.isnative or not raw.flags.aligned:
        raise ValueError(
            f"{name} must be aligned and in the byte order of this machine, got dtype "
            f"{raw.dtype.str}, aligned: {raw.flags.aligned}"
        )
    if raw.ndim != 2 or raw.size == 0:
        raise ValueError(f"{name} must have shape (N, d) and not be empty, got {raw.shape}")
    item = raw.dtype.itemsize
    if (raw.shape[1] > 1 and raw.strides[1] != item) or raw.strides[0] % item:
        raise ValueError(
            f"{name} must have contiguous rows (C order, or rows that lie apart), got strides "
            f"{raw.strides} of {item} byte numbers: np.ascontiguousarray makes a copy"
        )
    view = raw.view()
    view.flags.writeable = False
    return view


def check_labels(X: Sample, labels: Array, given: bool) -> None:
    """Raise ValueError unless X is finite, and labels from the model are.

    A row of X with NaN or inf must have left NaN in `labels`.
    """
    bad = np.flatnonzero(~np.isfinite(labels))
    for row in map(int, bad):
        wrong = np.flatnonzero(~np.isfinite(X[row]))
        if wrong.size:
            where = (row, int(wrong[0]))
            raise ValueError(f"X must be finite, got {X[where]} at {where}")
    if bad.size and not given:
        row = int(bad[0])
        raise ValueError(
            f"link must be finite on X, got f*(x) = {labels[row]} in row {row}, with |x| = "
            f"{math.hypot(*X[row].tolist()):.4g}"
        )


def digest(X: Sample, labels: Array) -> str:
    """Return a digest of type, shape and entries of a sample and its labels, read in blocks.

    Examples
    --------
    >>> import numpy as np
    >>> X = np.eye(3)
    >>> digest(X, X[0]) == digest(X.copy(), X[0]), digest(X, X[0]) == digest(2 * X, X[0])
    (True, False)
    """
    found = hashlib.blake2b(f"{X.dtype.str} {X.shape}".encode(), digest_size=20)
    rows = max(1, _AT_ONCE // (X.shape[1] * X.dtype.itemsize))
    for begin in range(0, X.shape[0], rows):
        found.update(np.ascontiguousarray(X[begin : begin + rows]).data)
    found.update(np.ascontiguousarray(labels).data)
    return found.hexdigest()


@dataclass(frozen=True)
class Absent:
    """A sample that is elsewhere: what the file of a solution tells of it.

    Parameters
    ----------
    dtype, shape
        Those of X (N, d).
    digest : str
        That of X and the labels.
    filename : str or None
        The file that X was mapped from.
    """

    dtype: str
    shape: tuple[int, int]
    digest: str
    filename: str | None

    @classmethod
    def of(cls, X: Sample | Absent, found: str) -> Absent:
        """Return what a file tells of a sample with this digest."""
        if isinstance(X, Absent):
            return X
        N, d = X.shape
        mapped = isinstance(X, np.memmap) and X.filename is not None
        return cls(X.dtype.name, (int(N), int(d)), found, str(X.filename) if mapped else None)  # type: ignore[union-attr]

    def refuse(self) -> NoReturn:
        """Raise ValueError: the sample is needed."""
        source = "" if self.filename is None else f", mapped from {self.filename!r}"
        raise ValueError(
            "X must be given to a flow that was read from a file, by hf.load(path, sample=X) or "
            f"flow.with_sample(X), got none: {self.dtype} of shape {self.shape}{source}"
        )

    def check(self, X: Sample, labels: Array, name: str) -> None:
        """Raise ValueError unless X is the sample that was left out; reads it once."""
        if X.shape != self.shape or X.dtype.name != self.dtype:
            raise ValueError(
                f"{name} must be the sample of the solution, {self.dtype} of shape {self.shape}, "
                f"got {X.dtype.name} of shape {X.shape}"
            )
        found = digest(X, labels)
        if found != self.digest:
            raise ValueError(
                f"{name} must be the sample of the solution, whose digest is {self.digest}, got "
                f"one with {found}"
            )


@dataclass(frozen=True)
class FileRows:
    """Where a memory-mapped X lies: what is pickled in its place."""

    filename: str
    dtype: str
    offset: int
    shape: tuple[int, int]
    stride: int

    @classmethod
    def of(cls, X: Sample | Absent) -> FileRows | None:
        """Return where X lies in its file, or None for an array in memory."""
        if not isinstance(X, np.memmap) or X.filename is None or X.strides[0] < 0:
            return None
        root: Any = X
        while isinstance(root.base, np.memmap):
            root = root.base
        inside = _address(X) - _address(root)
        return cls(str(X.filename), X.dtype.str, int(root.offset) + inside, X.shape, X.strides[0])

    def open(self) -> Sample:
        """Map the file again, read-only."""
        dtype = np.dtype(self.dtype)
        count = (self.shape[0] - 1) * (self.stride // dtype.itemsize) + self.shape[1]
        flat = np.memmap(self.filename, dtype=dtype, mode="r", offset=self.offset, shape=(count,))
        strides = (self.stride, dtype.itemsize)
        return as_strided(flat, self.shape, strides, subok=True, writeable=False)


def _address(values: NDArray[Any]) -> int:
    return int(values.__array_interface__["data"][0])
