"""Make `oracles` importable from every test, from the sources or away from them."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from hermiteflow import _core

sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture(params=_core.build_info()["isa_available"])
def isa(request: pytest.FixtureRequest) -> Iterator[str]:
    """Run a test under each instruction set of this machine."""
    before = _core.build_info()["isa"]
    assert _core.select_isa(request.param)
    yield request.param
    _core.select_isa(before)
