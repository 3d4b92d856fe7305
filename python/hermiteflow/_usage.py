"""How the command line reads numbers and tells of bad usage. Knows no command."""

from __future__ import annotations

import argparse
import importlib.util
from collections.abc import Callable, Iterable


class UsageError(Exception):
    """Something that one line tells, and that ends with exit status 2."""


def natural(text: str) -> int:
    """Read a whole number >= 0."""
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"must be a whole number >= 0, got {text!r}")
    return int(text)


def at_least(low: int) -> Callable[[str], int]:
    """Return a reader of whole numbers >= low."""

    def read(text: str) -> int:
        if not text.isdecimal() or int(text) < low:
            raise argparse.ArgumentTypeError(f"must be a whole number >= {low}, got {text!r}")
        return int(text)

    return read


def need(command: str, modules: Iterable[str]) -> None:
    """Refuse to start without the modules of the extra ``reproduce``."""
    missing = [name for name in modules if importlib.util.find_spec(name) is None]
    if missing:
        raise UsageError(
            f"{command} needs {', '.join(missing)}: pip install 'hermiteflow[reproduce]'"
        )
