"""Where source files lie, for tests of documents; some are not there away from the sources."""

from __future__ import annotations

from pathlib import Path

import hermiteflow as hf

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = Path(hf.__file__).resolve().parent


def file_of(path: str) -> Path | None:
    """Where a file lies; None where it cannot be looked up, as beside an installed wheel."""
    if path.startswith("python/hermiteflow/"):
        return PACKAGE / path.removeprefix("python/hermiteflow/")
    return ROOT / path if (ROOT / "cpp").is_dir() else None
