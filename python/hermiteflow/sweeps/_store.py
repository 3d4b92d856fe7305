"""The folder of a sweep: what is finished in it, and whose it is. Knows not how points are run.

May import `_content`, `_files`, `_grid`, `_results` and `_zarr`. In the folder lie

- `sweep.json`: the config and, from the first result on, the form of the results, with a hash;
- one Zarr array for each result, a chunk for each point: written whole, with a checksum;
- `zarr.json`, the root of the Zarr group: written last, so that only a complete sweep opens;
- `log.jsonl`: times and hosts, all that may differ between two runs; locked while one goes on.

Nothing in it is executed when it is read.
"""

from __future__ import annotations

import datetime
import errno
import hashlib
import json
import logging
import os
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from .. import _checks
from ..starts import seed_config
from . import _files, _zarr
from ._content import canonical
from ._grid import Grid, Index
from ._results import Cells, Variable, variable_from

#: What the manifest and the attributes say, and the version of the layout.
FORMAT, VERSION = "sweep", 1
_MANIFEST, _LOG, _ROOT = "sweep.json", "log.jsonl", "zarr.json"
_NOTHING = "nothing was overwritten"
_log = logging.getLogger("hermiteflow")


class Store:
    """An open store; the only one that writes to its folder.

    Parameters
    ----------
    path : str or path
        A folder: missing, empty, or of the same sweep.
    config : dict
        What the sweep is, JSON data; a seed of None takes the one in the folder.
    grid : Grid
        The points.

    Raises
    ------
    ValueError, OSError
        In one line: not a sweep's, damaged, another sweep's, in use, not writable.
    """

    def __init__(self, path: str | os.PathLike[str], config: dict[str, Any], grid: Grid) -> None:
        if not isinstance(path, str | os.PathLike):
            raise TypeError(f"store must be a str or a path, got {_checks.describe(path)}")
        self.path = Path(path).absolute()
        self.grid = grid
        self.form: tuple[Variable, ...] | None = None
        self.damaged: list[str] = []
        self._journal: _files.Journal | None = None
        found = self._look()
        if found is not None:
            self._agree(config, found)
        try:
            if found is None:
                self.path.mkdir(exist_ok=True)
            self._journal = _files.Journal(self.path / _LOG)
        except BlockingIOError:
            message = f"store must not be in use by another run, got {str(path)!r}"
            raise BlockingIOError(errno.EAGAIN, message) from None
        except OSError as error:
            if found is None or error.errno not in (errno.EACCES, errno.EPERM, errno.EROFS):
                raise self.trouble(error, "which cannot be written") from error
        try:
            found = self._look()  # the lock is ours: nobody changes it any more
            self.config = self._agree(config, found)
            if self._journal is not None:
                self._clean()
            if found is None:
                self._write_manifest()
            elif "results" in found:
                self.form = self._form(found["results"])
        except OSError as error:
            self.close()
            raise self.trouble(error, "which cannot be written") from error
        except BaseException:
            self.close()
            raise

    @property
    def writable(self) -> bool:
        """Whether points can be added."""
        return self._journal is not None

    def finished(self) -> Iterator[tuple[Index, Cells]]:
        """Read every finished point; what is damaged counts as missing, and is logged."""
        if self.form is None:
            return
        listed = {}
        for variable in self.form:
            folder = self.path / variable.name
            listed[variable] = {p.name for p in folder.iterdir()} if folder.is_dir() else set()
        for index in self.grid.indices():
            if all(_chunk(variable, index) in names for variable, names in listed.items()):
                cells = self._read(index)
                if cells is not None:
                    yield index, cells

    def adopt(self, form: tuple[Variable, ...]) -> None:
        """Write the form of the results, and the folders that they go to."""
        if self.form != form:
            self.form = form
            self._write_manifest()
        for name, metadata in self._arrays().items():
            folder = self.path / name
            folder.mkdir(exist_ok=True)
            _files.ensure(folder / _ROOT, _zarr.text(metadata))
        for axis in self.grid.axes:
            _files.ensure(self.path / axis.name / "c.0", _zarr.encode(axis.coordinate))

    def reopen(self) -> None:
        """Take back the word that the sweep is complete."""
        (self.path / _ROOT).unlink(missing_ok=True)

    def write(self, index: Index, cells: Cells) -> None:
        """Write the results of a point: each file whole or not at all."""
        assert self.form is not None
        for variable in self.form:
            path = self.path / variable.name / _chunk(variable, index)
            _files.write(path, _zarr.encode(cells[variable.name]))

    def finish(self, attributes: Mapping[str, Any]) -> None:
        """Say that the sweep is complete: from now on it opens as a Zarr group."""
        assert self.form is not None
        self.adopt(self.form)
        arrays = self._arrays()
        root, data = self.path / _ROOT, _zarr.text(_zarr.group_metadata(attributes, arrays))
        if root.is_file() and root.read_bytes() == data:
            return
        for name in arrays:
            _files.sync_folder(self.path / name)
        _files.write(root, data)
        _files.sync_folder(self.path)

    def log(self, **entry: Any) -> None:
        """Add an entry to the side log."""
        if self._journal is not None:
            now = datetime.datetime.now(datetime.UTC).isoformat(timespec="milliseconds")
            self._journal.add(json.dumps({"time": now, **entry}).encode())

    def close(self) -> None:
        """Let go of the folder."""
        if self._journal is not None:
            self._journal.close()
            self._journal = None

    def trouble(self, error: OSError, what: str) -> OSError:
        """Return an error of the operating system in one line, with what it means here."""
        return OSError(error.errno, f"{error.strerror or error}: store {str(self.path)!r}, {what}")

    def _read(self, index: Index) -> Cells | None:
        assert self.form is not None
        cells = {}
        for variable in self.form:
            path = self.path / variable.name / _chunk(variable, index)
            try:
                cells[variable.name] = _zarr.decode(
                    path.read_bytes(), variable.dtype, variable.shape
                )
            except ValueError as error:
                where = f"{variable.name} at {self.grid.describe(index)}"
                _log.warning("sweep: %s is damaged, to be computed again: %s", where, error)
                self.damaged.append(where)
                return None
        return cells

    def _arrays(self) -> dict[str, dict[str, Any]]:
        assert self.form is not None
        arrays = {}
        for axis in self.grid.axes:
            dtype = axis.coordinate.dtype
            kind = _zarr.STRING if dtype.kind == "U" else dtype.str
            shape = axis.coordinate.shape
            arrays[axis.name] = _zarr.array_metadata(shape, shape, kind, (axis.name,))
        point = (1,) * len(self.grid.shape)
        for variable in self.form:
            arrays[variable.name] = _zarr.array_metadata(
                self.grid.shape + variable.shape,
                point + variable.shape,
                variable.dtype,
                self.grid.names + variable.dims,
            )
        return arrays

    def _look(self) -> dict[str, Any] | None:
        """Return the manifest, or None where a store may begin."""
        shown = repr(str(self.path))
        if not self.path.parent.is_dir():
            raise FileNotFoundError(
                errno.ENOENT, f"store must lie in a folder that exists: {shown}"
            )
        if not self.path.exists():
            return None
        if not self.path.is_dir():
            raise ValueError(f"store must be a folder, got the file {shown}; {_NOTHING}")
        links = _files.links(self.path)
        if links:
            raise ValueError(
                f"store must hold no symbolic links, got {shown} with {min(links)!r}; {_NOTHING}"
            )
        try:
            data = (self.path / _MANIFEST).read_bytes()
        except FileNotFoundError:
            held = [path.name for path in self.path.iterdir()]
            others = [name for name in held if name != _LOG and not _files.is_part(name)]
            if others:
                raise ValueError(
                    f"store must be new, empty or of a sweep, got {shown}, which holds "
                    f"{min(others)!r} and no {_MANIFEST}; {_NOTHING}"
                ) from None
            return None
        except OSError as error:
            raise self.trouble(error, "which cannot be read") from error
        try:
            manifest: dict[str, Any] = json.loads(data)
            if manifest.get("hermiteflow_format") != FORMAT or manifest["hash"] != _hash(manifest):
                raise ValueError("its hash does not fit")
        except (ValueError, KeyError, AttributeError, RecursionError) as error:
            raise ValueError(
                f"store must be of a sweep, got {shown}, whose {_MANIFEST} is damaged: {error}; "
                f"{_NOTHING}"
            ) from error
        if manifest.get("format_version") != VERSION:
            raise ValueError(
                f"store must have format {VERSION}, got {shown} of format "
                f"{manifest.get('format_version')}; {_NOTHING}"
            )
        return manifest

    def _agree(self, config: dict[str, Any], found: dict[str, Any] | None) -> dict[str, Any]:
        """Return the config to use, or refuse a store of another sweep."""
        if found is None:
            return {**config, "seed": config["seed"] or fresh_seed()}
        held: dict[str, Any] = found["config"]
        if config["seed"] is None:
            config = {**config, "seed": held["seed"]}
        if canonical(held) != canonical(config):
            raise ValueError(
                f"store must be of this sweep, got {str(self.path)!r} of another, "
                f"{_difference(held, config)}; choose another store; {_NOTHING}"
            )
        return config

    def _form(self, results: Any) -> tuple[Variable, ...]:
        try:  # names become folders: no word of a file is taken for granted
            return tuple(map(variable_from, results))
        except (ValueError, KeyError, TypeError) as error:
            raise ValueError(
                f"store must be of a sweep, got {str(self.path)!r}, whose {_MANIFEST} is damaged: "
                f"{error}; {_NOTHING}"
            ) from error

    def _clean(self) -> None:
        _files.remove_parts(self.path)
        for path in self.path.iterdir():
            if path.is_dir():
                _files.remove_parts(path)

    def _write_manifest(self) -> None:
        manifest: dict[str, Any] = {
            "hermiteflow_format": FORMAT,
            "format_version": VERSION,
            "config": self.config,
        }
        if self.form is not None:
            manifest["results"] = [variable.to_json() for variable in self.form]
        manifest["hash"] = _hash(manifest)
        _files.write(self.path / _MANIFEST, _zarr.text(manifest))


def root_seed(config: Mapping[str, Any]) -> np.random.SeedSequence:
    """Return the root seed that `seed_config` described."""
    return np.random.SeedSequence(
        config["entropy"], spawn_key=config["spawn_key"], pool_size=config["pool_size"]
    )


def fresh_seed() -> dict[str, Any]:
    """Return a seed from the system's entropy; it is logged."""
    root = np.random.SeedSequence()
    _log.info("sweep: drew seed %s", root.entropy)
    return seed_config(root)


def _chunk(variable: Variable, index: Index) -> str:
    """Return the file of a variable at a point: the whole array of one point is one chunk."""
    return _zarr.chunk_name(index + (0,) * len(variable.shape))


def _hash(manifest: Mapping[str, Any]) -> str:
    rest = {key: value for key, value in manifest.items() if key != "hash"}
    return hashlib.sha256(canonical(rest).encode()).hexdigest()


def _difference(held: dict[str, Any], asked: dict[str, Any]) -> str:
    """Say in words what tells two configs apart: the seed first, then values, then the rest."""
    names = [[axis["name"] for axis in config["grid"]] for config in (held, asked)]
    if canonical(held.get("seed")) != canonical(asked.get("seed")):
        one, two = (config["seed"]["entropy"] for config in (held, asked))
        if one != two:
            return f"whose seed is {one}, not {two}"
    if names[0] != names[1]:
        return f"whose names are {', '.join(names[0])}, not {', '.join(names[1])}"
    for one, two in zip(held["grid"], asked["grid"], strict=True):
        if one != two:
            labels = [_short(", ".join(axis["labels"])) for axis in (one, two)]
            if labels[0] == labels[1]:
                return f"whose values of {one['name']} have the same labels and another content"
            return f"whose {one['name']} is {labels[0]}, not {labels[1]}"
    for key, value in asked.items():
        if canonical(held.get(key)) != canonical(value):
            name, one, two = _leaves(key, held.get(key), value)
            return f"whose {name} is {_short(one)}, not {_short(two)}"
    return "whose config differs"


def _leaves(name: str, one: Any, two: Any) -> tuple[str, Any, Any]:
    """Return the first parts in which two JSON values differ, and what they are called."""
    if isinstance(one, str) and isinstance(two, str):
        try:
            one, two = json.loads(one), json.loads(two)
        except ValueError:
            return name, one, two
    if isinstance(one, dict) and isinstance(two, dict) and one.keys() == two.keys():
        for key in one:
            if one[key] != two[key]:
                plain = key not in ("partial", "tuple", "dict", "fields")
                return _leaves(key if plain else name, one[key], two[key])
    if isinstance(one, list) and isinstance(two, list) and len(one) == len(two):
        for left, right in zip(one, two, strict=True):
            if left != right:
                named = len(one) == 2 and isinstance(one[0], str) and one[0] == two[0]
                return _leaves(one[0] if named else name, left, right)
    return name, one, two


def _short(value: object) -> str:
    text = value if isinstance(value, str) else canonical(value)
    return text if len(text) <= 80 else text[:77] + "..."


def discard(folder: Path) -> None:
    """Remove a folder of finished points, of one sweep or of several, that no run is using.

    Raises
    ------
    OSError
        If something else lies there, or another run is at it; nothing is removed.
    """
    if not folder.exists():
        return
    if (folder / _MANIFEST).is_file() or not folder.is_dir():
        inside = [folder]
    else:
        inside = [path for path in folder.iterdir() if not _only_begun(path)]
    if not all((path / _MANIFEST).is_file() for path in inside):
        raise FileExistsError(errno.EEXIST, "holds more than finished points", str(folder))
    journals: list[_files.Journal] = []
    try:
        for path in inside:
            journals.append(_files.Journal(path / _LOG))
        shutil.rmtree(folder)
    except BlockingIOError:
        message = "is in use by another run"
        raise BlockingIOError(errno.EAGAIN, message, str(folder)) from None
    finally:
        for journal in journals:
            journal.close()


def _only_begun(folder: Path) -> bool:
    """Whether a run was killed there before it wrote what it is."""
    return folder.is_dir() and all(
        path.name == _LOG or _files.is_part(path.name) for path in folder.iterdir()
    )
