"""How the command line reads numbers and tells of bad usage. Knows no command."""

from __future__ import annotations

import argparse
import difflib
import importlib.util
import re
from collections.abc import Callable, Iterable
from typing import NoReturn

from . import _checks


class Parser(argparse.ArgumentParser):
    """Tells what is wrong in one line, with what may have been meant."""

    def error(self, message: str) -> NoReturn:
        """End the process with exit status 2."""
        self.exit(2, f"{self.prog}: error: {self._guessed(message)} (see {self.prog} --help)\n")

    def _guessed(self, message: str) -> str:
        choice = re.search(r"invalid choice: '([^']*)' \(choose from (.*)\)", message)
        if choice:
            known = re.findall(r"'?([\w.-]+)'?", choice[2])
            return f"{message.partition('invalid choice')[0]}invalid choice: {choice[1]!r}" + hint(
                choice[1], [name for name in known if name != "file"]
            )
        unknown = re.search(r"unrecognized arguments: (--[\w-]+)", message)
        if unknown:
            known = [name for name in _options(self) if name.startswith("--")]
            close = difflib.get_close_matches(unknown[1], known, n=1)
            return message + (f"; did you mean {close[0]}?" if close else "")
        return message


def _options(parser: argparse.ArgumentParser) -> list[str]:
    """Options of a parser and of those below it."""
    out = list(parser._option_string_actions)
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for below in action.choices.values():
                out += _options(below)
    return out


def hint(name: object, known: Iterable[str]) -> str:
    """Return a guess at what was meant, and what there is."""
    names = list(known)
    return f"{_checks.guess(name, names)} (there are {', '.join(names)})"


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
