"""Ctrl-C at random moments of every kind of run; see also `nox -s interrupts`.

`HERMITEFLOW_INTERRUPTS` is the number of interrupts, `HERMITEFLOW_INTERRUPTS_SEED` that of their
moments.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading
import time

import pytest
import sweep_functions as f
from long_calls import CALLS

pytest.importorskip("xarray")

INTERRUPTS = int(os.environ.get("HERMITEFLOW_INTERRUPTS", "10"))
SEED = int(os.environ.get("HERMITEFLOW_INTERRUPTS_SEED", "0"))
PATIENCE = 30.0  # seconds; an interrupt is heard after 0.2 s on an idle machine

# Takes the name of a run from stdin, says "go", runs until it is struck, then tells what is left.
CHILD = """
import os, sys, threading, time
from pathlib import Path
import long_calls

def read(path):
    try:
        return Path(path).read_text()
    except (FileNotFoundError, ProcessLookupError):
        return ""

def others():  # threads of Python, threads of the system, children but the resource tracker
    tasks = os.listdir("/proc/self/task")
    pids = [p for t in tasks for p in read(f"/proc/self/task/{t}/children").split()]
    known = [p for p in pids if "resource_tracker" not in read(f"/proc/{p}/cmdline")]
    return threading.active_count(), len(tasks), len(known)

def forever(long):
    while True:
        long()
PLANT
expected = {name: long_calls.digest(call.short()) for name, call in long_calls.CALLS.items()}
for line in sys.stdin:
    name = line.strip()
    call = long_calls.CALLS[name]
    right = long_calls.digest(call.short()) == expected[name]
    before = others()
    heard = False
    try:
        print("go", flush=True)
        forever(call.long)
    except KeyboardInterrupt:
        heard = True
    deadline = time.monotonic() + 5.0  # the system takes a moment to forget a thread
    while any(x > y for x, y in zip(others(), before)) and time.monotonic() < deadline:
        time.sleep(0.01)
    left = others()
    right = right and long_calls.digest(call.short()) == expected[name]
    print(f"{heard} {right} {all(x <= y for x, y in zip(left, before))}", before, left, flush=True)
"""


def start(plant: str = "") -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", CHILD.replace("PLANT", plant)],
        env=f.environment(HERMITEFLOW_NUM_THREADS="2"),
        text=True,
        start_new_session=True,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def strike(child: subprocess.Popen[str], name: str, wait: float, *, group: bool) -> str:
    """Run, interrupt, and return what the child says; an empty string if it must be killed."""
    assert child.stdin is not None
    assert child.stdout is not None
    child.stdin.write(f"{name}\n")
    child.stdin.flush()
    first = child.stdout.readline()
    assert first == "go\n", first
    time.sleep(wait)
    if group:  # as a terminal does
        os.killpg(child.pid, signal.SIGINT)
    else:
        child.send_signal(signal.SIGINT)
    watch = threading.Timer(PATIENCE, child.kill)
    watch.start()
    try:
        return child.stdout.readline().strip()
    finally:
        watch.cancel()


def test_interrupts_at_random_moments() -> None:
    """Each is heard, leaves no thread and no process, and the process goes on to the same bits."""
    moments = random.Random(SEED)
    names = list(CALLS)
    slowest = 0.0
    counts = dict.fromkeys(names, 0)
    with start() as child:
        for i in range(INTERRUPTS):
            name = names[i % len(names)]
            wait = moments.uniform(0.0, 1.2 if "processes" in name else 0.5)
            begin = time.monotonic()
            said = strike(child, name, wait, group=bool(moments.getrandbits(1)))
            if not said.startswith("True True True"):
                child.kill()
                pytest.fail(f"{name}, struck after {wait:.3f} s: {said!r} {child.communicate()[1]}")
            counts[name] += 1
            slowest = max(slowest, time.monotonic() - begin - wait)
        _, err = child.communicate()
        assert child.returncode == 0
        assert err == ""
    print(f"{INTERRUPTS} interrupts, seed {SEED}: {counts}; the slowest took {slowest:.2f} s")


PLANTS = {
    "a thread that stays": (
        "def forever(long):\n"
        "    threading.Thread(target=time.sleep, args=(9.0,), daemon=True).start()\n"
        "    while True: long()\n",
        "True True False",
    ),
    "a process that stays": (
        "import subprocess\n"
        "def forever(long):\n"
        "    child = subprocess.Popen(['sleep', '9'], start_new_session=True)\n"
        "    while True: long()\n",
        "True True False",
    ),
    "an interrupt that is not heard": (
        "def forever(long):\n"
        "    try: long()\n"
        "    except KeyboardInterrupt: pass\n",
        "False True True",
    ),
    "other bits": (
        "digest, calls = long_calls.digest, []\n"
        "def changed(result):\n"
        "    calls.append(0)\n"
        "    return digest(result) + '!' * (len(calls) > len(long_calls.CALLS) + 1)\n"
        "long_calls.digest = changed\n",
        "True False True",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", PLANTS)
def test_a_planted_fault_is_seen(name: str) -> None:
    plant, expected = PLANTS[name]
    with start(plant) as child:
        assert strike(child, "online in law", 0.2, group=False).startswith(expected)
        child.kill()
