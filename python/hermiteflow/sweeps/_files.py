"""Files that appear whole or not at all, and the lock of a folder. Knows nothing of sweeps."""

from __future__ import annotations

import contextlib
import errno
import os
from pathlib import Path

from .._files import PART, whole

try:
    import fcntl
except ImportError:  # not on every system; then nothing warns of a second run
    fcntl = None  # type: ignore[assignment]

_NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.EBADF, errno.EINVAL)


def write(path: Path, data: bytes) -> None:
    """Write a file beside its place, bring it to the disk, then move it there.

    zarr-python's LocalStore renames too, but neither syncs nor cleans up after Ctrl-C.
    """
    with whole(path) as part:
        part.write_bytes(data)


def ensure(path: Path, data: bytes) -> None:
    """Write a file unless it is there with the same bytes."""
    try:
        if path.read_bytes() == data:
            return
    except FileNotFoundError:
        pass
    write(path, data)


def is_part(name: str) -> bool:
    """Whether a name is that of a file that never came to its place."""
    return name.startswith(".") and name.endswith(PART)


def links(folder: Path) -> list[str]:
    """Return the symbolic links in a folder and the folders in it.

    Through one that came with a folder, files would be written outside of it.
    """
    found = []
    with contextlib.suppress(PermissionError), os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_symlink():
                found.append(entry.name)
            elif entry.is_dir():
                with contextlib.suppress(PermissionError), os.scandir(entry.path) as inner:
                    found += [f"{entry.name}/{file.name}" for file in inner if file.is_symlink()]
    return found


def remove_parts(folder: Path) -> None:
    """Remove what a killed process left half-written."""
    for path in list(folder.iterdir()):
        if is_part(path.name):
            path.unlink(missing_ok=True)


def sync_folder(folder: Path) -> None:
    """Bring the names in a folder to the disk, where the system can."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        with contextlib.suppress(OSError):
            os.fsync(handle)
    finally:
        os.close(handle)


class Journal:
    """A file that lines are added to, and that one process at a time holds.

    Parameters
    ----------
    path : path
        The file; made if missing.

    Raises
    ------
    BlockingIOError
        If another process holds it.
    """

    def __init__(self, path: Path) -> None:
        flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | getattr(os, "O_CLOEXEC", 0)
        self._handle = os.open(path, flags, 0o666)
        try:
            if fcntl is not None:
                fcntl.flock(self._handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            size = os.lseek(self._handle, 0, os.SEEK_END)
            if size and os.pread(self._handle, 1, size - 1) != b"\n":
                self.add(b"")  # ends the line that a killed process began
        except OSError as error:
            if error.errno not in _NO_LOCKS:
                self.close()
                raise

    def add(self, line: bytes) -> None:
        """Add a line; a journal that cannot be written stops no run."""
        with contextlib.suppress(OSError):
            os.write(self._handle, line + b"\n")

    def close(self) -> None:
        """Let go of the file."""
        os.close(self._handle)
