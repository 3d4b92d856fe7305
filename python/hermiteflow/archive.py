"""Solutions in files: netCDF that appears whole or not at all, and is checked when read."""

from __future__ import annotations

import hashlib
import json
import math
import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from . import _checks, _dataset, _online_dataset, _squared_dataset
from ._dataset import FORMAT, VERSION
from ._files import whole
from .empirical_solution import EmpiricalSolution
from .online_solution import OnlineSolution
from .solution import Solution
from .squared_solution import SquaredSolution

if TYPE_CHECKING:
    import xarray as xr

    from ._stored_sample import Sample

__all__ = ["load", "save"]

AnySolution = Solution | SquaredSolution | OnlineSolution

#: How netCDF-4 marks a dimension without a coordinate.
_BARE_DIMENSION = b"This is a netCDF dimension but not a netCDF variable."
_SIGNATURE = b"\x89HDF\r\n\x1a\n"
_NEEDED = ("xarray", "h5netcdf", "h5py")


def save(solution: AnySolution, path: str | os.PathLike[str]) -> Path:
    """Write a solution to a file; see `Solution.save`."""
    _checks.modules("save", _NEEDED)
    given = _path(path)
    if given.is_dir():
        raise ValueError(f"path must name a file, got the folder {str(given)!r}")
    target = given.resolve()  # a link keeps pointing to the file that it names
    if not target.parent.is_dir():
        raise FileNotFoundError(f"path must lie in a folder that exists, got {str(given)!r}")
    ds = solution.to_xarray()
    encoding = {name: {"_FillValue": None} for name in ds.variables}
    ds.attrs["checksum"] = _checksum(ds)
    with whole(target, int(1.1 * ds.nbytes) + (1 << 18)) as part:
        ds.to_netcdf(part, engine="h5netcdf", encoding=encoding)
    return given


def load(path: str | os.PathLike[str], *, sample: Sample | None = None) -> AnySolution:
    """Read a solution that `Solution.save` wrote, equal to the one that was saved.

    Nothing in the file is executed. A link that was made from a callable comes back as its
    series. Needs the extra `reproduce`.

    Parameters
    ----------
    path : str or path
        The file.
    sample : array (N, d), optional
        Of an `EmpiricalSolution` the sample, which its file leaves out. Without it the solution has
        all but what needs it.

    Returns
    -------
    Solution, SquaredSolution, EmpiricalSolution or OnlineSolution

    Raises
    ------
    ValueError
        If the file is not such a solution, is damaged or cut short, or has another version; if the
        sample is not that of the solution, by its shape and digest, or the solution has none.
    OSError
        If it cannot be opened.
    ImportError
        Without xarray, h5netcdf or h5py, naming what to install.

    Examples
    --------
    >>> import tempfile, hermiteflow as hf
    >>> flow = hf.CorrelationFlow(hf.Orthonormal(k=2), hf.hermite(3))
    >>> sol = hf.solve(flow, overlaps=[[0.1, 0.2]])
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     again = hf.load(sol.save(folder + "/run.nc"))
    >>> again == sol, again.flow == flow
    (True, True)
    """
    found = _load(path)
    if sample is None:
        return found
    if not isinstance(found, EmpiricalSolution):
        raise ValueError(f"sample must be left out for a {type(found).__name__}, which has none")
    return replace(found, flow=found.flow._with(sample, "sample"))


def _load(path: str | os.PathLike[str]) -> AnySolution:
    _checks.modules("load", _NEEDED)
    import h5py  # type: ignore[import-untyped]
    import xarray as xr

    given = _path(path)
    with given.open("rb") as file:
        start = file.read(len(_SIGNATURE))
    if start != _SIGNATURE:
        raise _refusal(given, f"a file that is not netCDF-4: it starts with {start!r}")
    try:
        # says what is wrong before h5netcdf does, which would also write to stderr
        with h5py.File(given, "r") as file:
            _check_contents(file, given.stat().st_size)
        # nothing is decoded: units of time stay words, NaN stays NaN
        with xr.open_dataset(given.resolve(), engine="h5netcdf", decode_cf=False) as ds:
            found = ds.attrs.get("hermiteflow_format"), ds.attrs.get("format_version")
            if found == (FORMAT, VERSION):
                if ds.attrs.get("checksum") != _checksum(ds.load()):
                    raise ValueError("its checksum does not fit")
                if json.loads(ds.attrs["run"]).get("kind") == _online_dataset.KIND:
                    return _online_dataset.from_dataset(ds)
                if json.loads(ds.attrs["flow"])["type"] in ("SquaredFlow", "EmpiricalFlow"):
                    return _squared_dataset.from_dataset(ds)
                return _dataset.from_dataset(ds)
            source = ds.attrs.get("source", "an unknown program")
    except MemoryError:
        raise
    except Exception as error:  # HDF5 tells of damage in many ways
        what = error.args[0] if isinstance(error, KeyError) else error
        raise _refusal(given, f"a damaged file: {what}") from error
    if found[0] != FORMAT:
        raise _refusal(given, "a netCDF file of another kind")
    raise _refusal(given, f"format {found[1]}, written by {source}")


def _check_contents(file: Any, size: int) -> None:
    """Refuse what `save` never writes: data elsewhere, and more numbers than the file has bytes.

    A file of a few bytes can claim any shape, and can name other files as the place of its data.
    """
    import h5py

    total = 0
    for name in file:
        if not isinstance(file.get(name, getlink=True), h5py.HardLink):
            raise ValueError(f"{name!r} is a link to another place")
        found = file[name]
        if isinstance(found, h5py.Group):
            raise ValueError(f"{name!r} is a group")
        if isinstance(found, h5py.Dataset):
            if found.external is not None or found.is_virtual:
                raise ValueError(f"the data of {name!r} lie in another file")
            mark = found.attrs.get("NAME")
            if not (isinstance(mark, bytes) and mark.startswith(_BARE_DIMENSION)):
                total += math.prod(found.shape) * found.dtype.itemsize
    if total > size:
        raise ValueError(f"{total} bytes of data in a file of {size} bytes")


def _checksum(ds: xr.Dataset) -> str:
    """SHA-256 of all that `from_dataset` reads."""
    digest = hashlib.sha256(f"{ds.attrs['flow']}\0{ds.attrs['run']}".encode())
    for name in sorted(map(str, ds.variables)):
        variable = ds.variables[name]
        digest.update(f"\0{name}\0{variable.dims}\0{variable.shape}\0".encode())
        if variable.dtype.kind in "biuf":
            plain = variable.values.astype(variable.dtype.newbyteorder("<"), copy=False)
            digest.update(np.ascontiguousarray(plain).data)
        else:
            digest.update("\0".join(map(str, variable.values.ravel())).encode())
    return digest.hexdigest()


def _path(path: str | os.PathLike[str]) -> Path:
    if not isinstance(path, str | os.PathLike):
        raise TypeError(f"path must be a str or a path, got {_checks.describe(path)}")
    if "\0" in str(path):
        raise ValueError(f"path must be without NUL, got {_checks.describe(path)}")
    return Path(path)


def _refusal(path: Path, what: str) -> ValueError:
    short = " ".join(what.split())
    return ValueError(
        f"path must name a {FORMAT} of format {VERSION} that Solution.save wrote, "
        f"got {str(path)!r}: {short}"
    )
