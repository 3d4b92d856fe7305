"""Files that appear whole or not at all. Knows nothing of what is in them."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

#: How the name of a file ends that never came to its place; it starts with a dot.
PART = ".part"
_BLOCK = 1 << 16


@contextmanager
def whole(path: Path, room: int = 0) -> Iterator[Path]:
    """Give the name of a file beside `path`, which takes its place when all is written.

    With `room`, so many bytes are written there first: libraries that meet a full disk half-way may
    take the process down. Symbolic links keep pointing to the file that they name. If the block
    raises, or the process ends, an older file stays as it was.
    """
    target = path.resolve()
    part = target.with_name(f".{uuid.uuid4().hex}{PART}")
    try:
        with part.open("wb") as file:
            for _ in range(-(-room // _BLOCK)):
                file.write(bytes(_BLOCK))
        part.unlink()
        yield part
        with part.open("rb") as written:
            os.fsync(written.fileno())
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)
