"""Ctrl-C during a long call, in a process of its own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

_SCRIPT = """
import os, signal, threading, time
import numpy as np, hermiteflow as hf
{setup}
def value():
    return {value}
reference, sent = value(), []
def strike():
    time.sleep(0.4)
    sent.append(time.perf_counter())
    os.kill(os.getpid(), signal.SIGINT)
threading.Thread(target=strike, daemon=True).start()
try:
    for _ in range(10_000):
        {call}
except KeyboardInterrupt:
    print(time.perf_counter() - sent[0])
assert np.array_equal(reference, value(), equal_nan=True)
print("usable")
"""


def heard(folder: Path, *, setup: str, call: str, value: str) -> None:
    """Ctrl-C ends a call at once, and `value` is afterwards what it was before."""
    script = folder / "long.py"
    script.write_text(_SCRIPT.format(setup=setup.strip(), call=call, value=value))
    out = subprocess.run(
        [sys.executable, script], capture_output=True, text=True, timeout=120, check=True
    ).stdout.split()
    assert out[1] == "usable"
    # 0.2 s on an idle machine; no test asserts a time, but waiting for the end would be minutes
    assert float(out[0]) < 5.0
