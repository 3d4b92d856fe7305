"""Profiles of hypothesis, and the table of cases at the end of a run."""

import os
import sys
import tempfile
from pathlib import Path
from typing import Any

import matplotlib as mpl
import pytest
from hypothesis import configuration, settings

sys.path.insert(0, str(Path(__file__).parent))
mpl.use("Agg")

import ledger

#: What a run with the profile "full" must reach.
ENOUGH = 10_000

# nothing is kept between runs, so that the tree stays as it was
configuration.set_hypothesis_home_dir(Path(tempfile.gettempdir()) / "hypothesis")
_common: dict[str, Any] = {
    "deadline": None,
    "database": None,
    "print_blob": True,
    "suppress_health_check": (),
}
settings.register_profile("quick", max_examples=8, derandomize=True, **_common)
settings.register_profile("full", max_examples=130, **_common)
settings.load_profile(os.environ.get("HERMITEFLOW_ROBUSTNESS", "quick"))


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Take the counts of a process of pytest-xdist."""
    ledger.merge(getattr(node, "workeroutput", {}).get("ledger", {}))


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    output = getattr(session.config, "workeroutput", None)
    if output is not None:
        output["ledger"] = ledger.portable()
        return
    whole = session.config.getoption("-k") == "" and not session.config.getoption("lf", False)
    folder = Path(__file__).parent
    whole = whole and any(Path(a).resolve() == folder for a in session.config.args)
    total = sum(ledger.COUNTS.values())
    full = settings.default is not None and settings.default.max_examples >= 100
    if whole and full and session.exitstatus == 0 and total < ENOUGH:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
        print(f"\nfewer than {ENOUGH} cases: {total}")


def pytest_terminal_summary(terminalreporter: Any) -> None:
    if ledger.COUNTS:
        terminalreporter.section("cases by public function")
        for line in ledger.table():
            terminalreporter.write_line(line)
