"""Files that appear whole or not at all. Knows nothing of what is in them."""

from __future__ import annotations

import errno
import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

#: How the name of a file ends that never came to its place; it starts with a dot.
PART = ".part"


@contextmanager
def whole(path: Path) -> Iterator[Path]:
    """Give the name of a file beside `path`, which takes its place when all is written.

    Symbolic links keep pointing to the file that they name. If the block raises, or the process
    ends, an older file stays as it was.
    """
    target = path.resolve()
    part = target.with_name(f".{uuid.uuid4().hex}{PART}")
    try:
        yield part
        with part.open("rb") as written:
            os.fsync(written.fileno())
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)


def clear_points(folder: Path) -> None:
    """Remove a folder of finished points, of one sweep or of several, if it is one.

    Raises
    ------
    FileExistsError
        If something else lies there; nothing is removed.
    """
    if not folder.exists():
        return
    single = (folder / "sweep.json").is_file()
    inside = [folder] if single or not folder.is_dir() else list(folder.iterdir())
    if not all((path / "sweep.json").is_file() for path in inside):
        raise FileExistsError(errno.EEXIST, "holds more than finished points", str(folder))
    shutil.rmtree(folder)
