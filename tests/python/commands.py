"""Runs the command line inside a test."""

from __future__ import annotations

import pytest

from hermiteflow import cli


def exits(argv: list[str], capsys: pytest.CaptureFixture[str]) -> tuple[int, str, str]:
    """Return exit status, stdout and stderr."""
    try:
        status = cli.main(argv)
    except SystemExit as stop:
        status = int(stop.code or 0)
    out, err = capsys.readouterr()
    return status, out, err
