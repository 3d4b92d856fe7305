"""The command ``hermiteflow info``: what a bug report needs, and nothing that names the user."""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import platform
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

from . import _core
from ._reproduce_command import EXTRA

#: Environment variables that change what is computed, or on how many threads.
PREFIXES = ("HERMITEFLOW_", "OMP_", "GOMP_", "KMP_", "LIBOMP_")
NAMES = ("MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMEXPR_NUM_THREADS")
PACKAGES = ("numpy", *EXTRA, "dask", "distributed", "scipy", "threadpoolctl", "shtab")
_OPENMP = {201511: "4.5", 201811: "5.0", 202011: "5.1", 202111: "5.2"}


def add_parser(commands: Any) -> None:
    """Add the command's parser."""
    parser = commands.add_parser(
        "info",
        help="versions, build, what is installed",
        description=(
            "Print what a bug report needs: versions, build, processor, threads, installed "
            "packages. The home directory is written as ~."
        ),
        epilog="examples:\n  hermiteflow info\n  hermiteflow info --json",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--json", action="store_true", help="one JSON object, for programs")


def run(options: argparse.Namespace) -> int:
    """Print the report; the exit status is 0."""
    found = report()
    print(json.dumps(found, indent=2) if options.json else as_text(found))
    return 0


def report() -> dict[str, dict[str, Any]]:
    """Return what a bug report needs, by topic.

    Returns
    -------
    dict
        Topics "hermiteflow", "build", "machine", "environment" (variables that are set),
        "threadpools" (empty without threadpoolctl) and "packages" (None where one is missing);
        each a dict of strings, numbers, lists, bools and None.

    Examples
    --------
    >>> from hermiteflow import _info
    >>> found = _info.report()
    >>> found["machine"]["processors"] >= 1
    True
    """
    build = dict(_core.build_info())
    version = build.pop("version")
    here = {
        "version": str(version),
        "imported from": short(str(Path(__file__).parent)),
        "compiled module": short(str(_core.__file__)),
        "editable install": editable(),
    }
    machine = {
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "executable": short(sys.executable),
        "platform": platform.platform(),
        "processor": processor(),
        "processors": os.cpu_count() or 1,
        "usable processors": usable_processors(),
    }
    return {
        "hermiteflow": here,
        "build": build,
        "machine": machine,
        "environment": environment(),
        "threadpools": threadpools(),
        "packages": {name: installed(name) for name in PACKAGES},
    }


def as_text(found: dict[str, dict[str, Any]]) -> str:
    """Return a report in lines of a name and a value."""
    lines: list[tuple[str, str]] = []
    for topic, values in found.items():
        for name, value in values.items():
            key = topic if name == "version" else name
            lines.append((key, _told(key, value)))
        if topic == "environment" and not values:
            lines.append((topic, "none of " + ", ".join(f"{prefix}*" for prefix in PREFIXES)))
    width = max(len(name) for name, _ in lines)
    return "\n".join(f"{name.ljust(width)}  {value}" for name, value in lines)


def _told(name: str, value: Any) -> str:
    """Return one value in words."""
    if value is None:
        extra = "reproduce" if name in EXTRA else "test"
        return f"missing: pip install 'hermiteflow[{extra}]'" if name in PACKAGES else "unknown"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(str(item) for item in value)
    if name == "openmp":
        if value == 0:
            return "0 (built without threads)"
        return f"{value} ({_OPENMP.get(value, 'unknown version')})"
    return str(value)


def short(path: str) -> str:
    """Return a text with the home directory as ~, so that a report does not name its writer."""
    home = str(Path.home())
    return path.replace(home, "~") if len(home) > 1 else path


def editable() -> bool | None:
    """Whether the package runs from a checkout; None where no installer has left a note."""
    try:
        note = metadata.distribution("hermiteflow").read_text("direct_url.json")
    except metadata.PackageNotFoundError:
        return None
    told = json.loads(note) if note else {}
    return bool(told.get("dir_info", {}).get("editable", False))


def processor() -> str:
    """Return the model of the processor as the system calls it."""
    table = Path("/proc/cpuinfo")
    lines = table.read_text(encoding="utf8").splitlines() if table.exists() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def usable_processors() -> int:
    """Return how many processors this process may run on, fewer than all in many jobs."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def environment() -> dict[str, str]:
    """Return the variables that change what is computed or on how many threads, if set."""
    return {
        name: short(value)
        for name, value in sorted(os.environ.items())
        if name.startswith(PREFIXES) or name in NAMES
    }


def threadpools() -> dict[str, str]:
    """Return the thread pools in the process: two runtimes of OpenMP explain many a slow run."""
    if importlib.util.find_spec("threadpoolctl") is None:
        return {}
    import threadpoolctl

    pools: dict[str, str] = {}
    for pool in threadpoolctl.threadpool_info():
        name = Path(str(pool["filepath"])).name
        version = f" {pool['version']}" if pool["version"] else ""
        pools[name] = f"{pool['user_api']}{version}, {pool['num_threads']} threads"
    return pools


def installed(name: str) -> str | None:
    """Return the version of an installed package, or None."""
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None
