"""What the points return: its form, checked at each point, and the Dataset. Knows no files.

May import `_grid` and `_zarr`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from .. import _checks
from ._grid import Grid, Index, check_name
from ._zarr import STRING

if TYPE_CHECKING:
    import xarray as xr

Cells = dict[str, NDArray[Any]]


@dataclass(frozen=True)
class Variable:
    """The form of one result: the same at every point.

    Parameters
    ----------
    name : str
        The function's name for it.
    dtype : str
        NumPy's, little-endian, or "string".
    shape : tuple of int
        At one point.
    dims : tuple of str
        Dimensions of the array at one point.
    """

    name: str
    dtype: str
    shape: tuple[int, ...]
    dims: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.name} {self.dtype} {self.shape}"

    def to_json(self) -> dict[str, Any]:
        """Return the form as JSON data."""
        return {key: list(v) if isinstance(v, tuple) else v for key, v in asdict(self).items()}


def variable_from(data: Mapping[str, Any]) -> Variable:
    """Return the form that `Variable.to_json` described.

    Raises
    ------
    ValueError, KeyError, TypeError
        If it is not one that a function could have returned.
    """
    name = check_name(data["name"], "a name of a result")
    dims = tuple(check_name(dim, "a dimension") for dim in data["dims"])
    shape = tuple(_checks.integer(length, "a length") for length in data["shape"])
    dtype = data["dtype"]
    if dtype != STRING and (np.dtype(dtype).kind not in "biufc" or np.dtype(dtype).itemsize > 16):
        raise ValueError(f"a dtype of a result must be of numbers, got {dtype!r}")
    if len(dims) != len(shape):
        raise ValueError(f"{name} must have as many dimensions as lengths")
    return Variable(name, dtype, shape, dims)


def make_cells(returned: object) -> Cells:
    """Return what a function returned as arrays; text as arrays of objects.

    Raises
    ------
    TypeError, ValueError
        Unless it is a mapping of names to scalars or arrays of numbers, booleans or strings.
    """
    if not isinstance(returned, Mapping):
        raise TypeError(
            f"function must return a dict of scalars or arrays, got {_checks.describe(returned)}"
        )
    if not returned:
        raise ValueError("function must return at least one name, got an empty dict")
    names = [check_name(name, "a name that function returns") for name in returned]
    return {name: _cell(name, returned[name]) for name in sorted(names)}


def _cell(name: str, value: object) -> NDArray[Any]:
    wanted = f"result {name!r} must be a scalar or an array of numbers, booleans or strings"
    try:
        raw = np.asarray(value)
    except ValueError as error:
        raise ValueError(f"{wanted}, got a ragged list") from error
    if np.ma.isMaskedArray(value) or raw.dtype.kind not in "biufcUT":
        raise TypeError(f"{wanted}, got {_checks.describe(value)}")
    if raw.size == 0:
        raise ValueError(f"{wanted} and not be empty, got shape {raw.shape}")
    if raw.dtype.kind in "UT":
        for item in raw.ravel():
            str(item).encode()  # a lone surrogate is an error here, where the point is known
        return np.asarray(raw.astype(str).astype(object))
    if raw.dtype.itemsize > (16 if raw.dtype.kind == "c" else 8):
        raise TypeError(f"{wanted} of at most 64 bits, got dtype {raw.dtype}")
    return raw.astype(raw.dtype.newbyteorder("="), order="C")


def form_of(cells: Cells, dims: Mapping[str, Sequence[str]], grid: Grid) -> tuple[Variable, ...]:
    """Return the form of the results from those of one point.

    Raises
    ------
    ValueError
        If names clash, or `dims` does not fit.
    """
    unknown = [name for name in dims if name not in cells]
    if unknown:
        raise ValueError(f"dims must name results, {', '.join(cells)}, got {unknown[0]!r}")
    lengths: dict[str, int] = {}
    form = []
    for name, cell in cells.items():
        if name in grid.names:
            raise ValueError(f"function must not return a name of the grid, got {name!r}")
        own = tuple(dims.get(name, (f"{name}_{axis}" for axis in range(cell.ndim))))
        if len(own) != cell.ndim:
            raise ValueError(
                f"dims[{name!r}] must name {cell.ndim} dimensions, shape {cell.shape}, got {own}"
            )
        for dim, length in zip(own, cell.shape, strict=True):
            if dim in grid.names or dim in cells or own.count(dim) > 1:
                raise ValueError(f"dims[{name!r}] must be names of their own, got {dim!r}")
            if lengths.setdefault(dim, length) != length:
                raise ValueError(
                    f"dims must give one length to {dim!r}, got {lengths[dim]} and {length}"
                )
        dtype = STRING if cell.dtype.kind == "O" else cell.dtype.newbyteorder("<").str
        form.append(Variable(name, dtype, cell.shape, own))
    return tuple(form)


class Results:
    """The results of all points, in memory.

    Parameters
    ----------
    grid : Grid
        The grid.
    dims : mapping of str to sequence of str
        Names of dimensions that the caller chose.
    """

    def __init__(self, grid: Grid, dims: Mapping[str, Sequence[str]]) -> None:
        self.grid = grid
        self.dims = dims
        self.form: tuple[Variable, ...] | None = None
        self._held: dict[str, NDArray[Any]] = {}
        self._model = "the first point that finished"

    def adopt(self, form: tuple[Variable, ...], model: str) -> None:
        """Take the form of the results, and say in errors where it comes from."""
        self.form, self._model = form, model
        for variable in form:
            dtype: Any = object if variable.dtype == STRING else np.dtype(variable.dtype)
            self._held[variable.name] = np.empty(self.grid.shape + variable.shape, dtype)

    def check(self, cells: Cells) -> None:
        """Raise ValueError unless a point's results have the form of the others."""
        assert self.form is not None
        expected = {variable.name: variable for variable in self.form}
        if set(expected) != set(cells):
            raise ValueError(
                f"function must return the same names at every point: {', '.join(expected)} at "
                f"{self._model}, here {', '.join(cells)}"
            )
        for name, cell in cells.items():
            dtype = STRING if cell.dtype.kind == "O" else cell.dtype.newbyteorder("<").str
            found = Variable(name, dtype, cell.shape, expected[name].dims)
            if found != expected[name]:
                raise ValueError(
                    f"function must return the same shapes and dtypes at every point: "
                    f"{expected[name]} at {self._model}, here {found}"
                )

    def put(self, index: Index, cells: Cells) -> None:
        """Keep the results of a point."""
        for name, cell in cells.items():
            self._held[name][index] = cell[()] if cell.ndim == 0 else cell

    def dataset(self, attributes: Mapping[str, Any]) -> xr.Dataset:
        """Return all results, over the dimensions of the grid."""
        import xarray as xr

        assert self.form is not None
        data = {}
        for variable in self.form:
            held = self._held[variable.name]
            if variable.dtype == STRING:
                held = held.astype(str)
            data[variable.name] = (self.grid.names + variable.dims, held)
        coords = {axis.name: axis.coordinate for axis in self.grid.axes}
        return xr.Dataset(data, coords, dict(attributes))
