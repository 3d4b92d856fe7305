"""Many threads, every way to start processes, and processes that end while the core computes."""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
import threading
from concurrent import futures

import long_calls
import pytest
import sweep_functions as f
from long_calls import short

#: Not the sweeps, which start threads and processes of their own.
NAMES = [name for name in long_calls.CALLS if "sweep" not in name]


@pytest.fixture(scope="module")
def expected() -> dict[str, str]:
    return {name: short(name) for name in NAMES}


def test_eight_threads_with_different_runs(expected: dict[str, str]) -> None:
    """The same bits as one after another, again and again."""
    barrier = threading.Barrier(8)

    def work(i: int) -> list[tuple[str, str]]:
        barrier.wait()
        mine = [NAMES[(i + j) % len(NAMES)] for j in range(len(NAMES))]
        return [(name, short(name)) for name in mine]

    with futures.ThreadPoolExecutor(8) as pool:
        found = [pair for pairs in pool.map(work, range(8)) for pair in pairs]
    assert len(found) == 8 * len(NAMES)
    assert all(expected[name] == bits for name, bits in found)
    # the twin: the digests tell runs, and two seeds, apart
    assert len(set(expected.values())) == len(NAMES)
    assert short("ensemble") != long_calls.digest(
        long_calls.hf.solve_ensemble(long_calls.FLOW, n=300, d=10**6, seed=1)
    )


@pytest.mark.parametrize("method", ["spawn", "forkserver"])
def test_pools_of_processes(method: str, expected: dict[str, str]) -> None:
    context = multiprocessing.get_context(method)
    with futures.ProcessPoolExecutor(2, context) as pool:
        assert list(pool.map(short, NAMES, timeout=120)) == [expected[name] for name in NAMES]


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_fork_while_other_threads_compute(expected: dict[str, str]) -> None:
    """The child has the thread that forked, and no other; it computes on threads of its own."""
    stop = threading.Event()

    def work(name: str) -> None:
        while not stop.is_set():
            short(name)

    threads = [threading.Thread(target=work, args=(name,)) for name in NAMES[:4]]
    for thread in threads:
        thread.start()
    try:
        for name in NAMES:
            read, write = os.pipe()
            pid = os.fork()
            if pid == 0:
                os.write(write, short(name).encode())
                os._exit(0)
            os.close(write)
            with os.fdopen(read, "rb") as pipe:
                assert pipe.read().decode() == expected[name]
            assert os.waitpid(pid, 0)[1] == 0
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def ends(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code],
        env=f.environment(), capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip


DAEMON = """
import sys, threading, time
import long_calls
call = long_calls.CALLS[sys.argv[1] if len(sys.argv) > 1 else NAME]
def work():
    while True:
        call.long()
thread = threading.Thread(target=work, daemon=True)
thread.start()
time.sleep(0.4)
print("main ends", thread.is_alive(), flush=True)
"""


@pytest.mark.parametrize("name", NAMES)
def test_the_interpreter_ends_during_a_run(name: str) -> None:
    """A thread that nobody waits for is in the core when the main thread has nothing more to do."""
    done = ends(DAEMON.replace("NAME", repr(name)))
    assert (done.returncode, done.stdout) == (0, "main ends True\n"), done.stderr
    assert done.stderr == ""


def test_an_exit_status_is_kept_during_a_run() -> None:
    done = ends(DAEMON.replace("NAME", "'solve'") + "sys.exit(7)")
    assert (done.returncode, done.stderr) == (7, "")


SUBINTERPRETER = """
try:
    import _xxsubinterpreters as interpreters
except ImportError:  # its name from 3.13 on
    import _interpreters as interpreters
inner = interpreters.create()
code = '''
try:
    import hermiteflow as hf
    flow = hf.CorrelationFlow(hf.Orthonormal(k=2), hf.hermite(3))
    print("works", hf.solve(flow, overlaps=[[0.1, 0.2]]).index[0])
except ImportError as error:
    print("ImportError", error)
'''
try:
    interpreters.run_string(inner, code)
finally:
    interpreters.destroy(inner)
print("outer goes on", flush=True)
"""


def test_a_subinterpreter_works_or_is_told() -> None:
    """NumPy decides: it warns, or refuses to be imported twice."""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", SUBINTERPRETER],
        env=f.environment(PYTHONWARNINGS=""), capture_output=True, text=True, check=False,
        timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    first, last = done.stdout.splitlines()
    assert first.startswith(("works 1", "ImportError"))
    assert last == "outer goes on"
