"""Files of every kind that the package reads, with changed bytes: refused, or read as they were.

As a script, `untrusted_files.py SEED FIRST COUNT` reads mutants and says how each ended. A hook
of Python's audit sees what would be the work of a file that runs code or writes elsewhere.
"""

from __future__ import annotations

import contextlib
import difflib  # of a hint: imported while it is watched, it would be taken for foreign code
import io
import os
import random
import resource
import shutil
import signal
import sys
import tempfile
import typing
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import sweep_functions as f
from long_calls import digest

import hermiteflow as hf
from hermiteflow import _run_command, cli

WATCHED = (
    "os.system", "os.exec", "os.posix_spawn", "os.spawn", "os.fork", "subprocess.Popen",
    "pickle.find_class", "socket.connect", "ctypes.dlopen", "exec", "shutil.rmtree",
)  # fmt: skip
PLACES = ("os.remove", "os.rename", "os.mkdir", "os.rmdir", "os.link", "os.symlink", "os.truncate")
assert difflib
PATIENCE = 60  # seconds for one file


def _own(filename: str, folder: str) -> bool:
    """Whether typing evaluates an annotation of our classes, or a library imports its module."""
    frame = sys._getframe(2)
    if frame.f_code.co_filename == "<frozen importlib._bootstrap>":
        return not os.path.realpath(filename).startswith(folder + os.sep)
    while frame.f_back is not None and frame.f_code.co_filename == typing.__file__:
        if frame.f_code.co_name == "get_type_hints":
            return True
        frame = frame.f_back
    return False


class Watch:
    """What the audit hook saw while it was on."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.on, self.seen = str(folder.resolve()), False, [""]
        sys.addaudithook(self._hear)

    def _hear(self, event: str, args: tuple[Any, ...]) -> None:
        if not self.on:
            return
        if event == "exec" and _own(args[0].co_filename, self.folder):
            return
        if event in WATCHED:
            self.seen.append(f"{event}{args!r:.200}")
        elif event in PLACES or (event == "open" and self._writes(args)):
            for place in args[: 2 if event in ("os.rename", "os.link") else 1]:
                if isinstance(place, str | os.PathLike):
                    real = os.path.realpath(place)
                    if not real.startswith(self.folder + os.sep):
                        self.seen.append(f"{event} {real}")

    @staticmethod
    def _writes(args: tuple[Any, ...]) -> bool:
        flags = args[2] if isinstance(args[2], int) else 0
        return bool(flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT))


# ------------------------------------------------------------------ what is read

FLOW = hf.CorrelationFlow(hf.IndexVectors(np.eye(3, 50)), hf.hermite({3: 1.0, 4: 0.1}))
SQUARED = hf.SquaredFlow(hf.Orthonormal(k=2), hf.hermite(3))
M, Q = hf.random_order_parameters(SQUARED.targets, n=3, d=50, seed=1)
ONLINE: dict[str, Any] = {
    "overlaps": M, "student_overlaps": Q, "d": 50, "learning_rate": 1e-3, "seed": 0, "save_at": [3],
}  # fmt: skip
TOML = """experiment = "coverage"
seed = 1
threads = 1
out = "coverage.nc"
figure = "coverage.svg"
store = "points"
executor = "serial"
links = [{hermite = {3 = 1.0, 4 = 0.5}}, {name = "relu", without = [1]}]
targets = {kind = "equiangular", k = 10, beta = 0.05}
d = [1e3, 1e6]
batches = 5
"""


def make_solution(path: Path) -> None:
    start = hf.random_overlaps(FLOW.targets, n=4, d=50, seed=0)
    events = {"hit": hf.HittingTime(0.5)}
    hf.solve(FLOW, overlaps=start, events=events, save_at=[0.0, 1.0], t_end=2.0).save(path)


def make_squared(path: Path) -> None:
    hf.solve(SQUARED, overlaps=M, student_overlaps=Q, t_end=1.0, save_at=[0.5]).save(path)


def make_checkpoint(path: Path) -> None:
    hf.online_sgd(SQUARED, steps=20, checkpoint=path, **ONLINE)


def make_store(path: Path) -> None:
    hf.sweep(f.one, {"x": [0.5, 1.5, 2.5]}, seed=0, store=path)


def read_checkpoint(path: Path) -> Any:
    return hf.online_sgd(SQUARED, steps=30, checkpoint=path, **ONLINE)


def read_store(path: Path) -> Any:
    return hf.sweep(f.one, {"x": [0.5, 1.5, 2.5]}, seed=0, store=path)


def read_toml(path: Path) -> Any:
    """Run all but the experiment itself, which may be as long as the file asks for."""

    def stop(**keywords: Any) -> Any:
        raise ValueError("all was read")

    known = {name: (cls, stop) for name, (cls, _) in _run_command._experiments().items()}
    err = io.StringIO()
    stopped = mock.patch.object(_run_command, "_experiments", return_value=known)
    with stopped, contextlib.chdir(path.parent), contextlib.redirect_stderr(err):
        try:
            code = cli.main(["run", str(path)])
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else 1
    if code == 2 and err.getvalue().count("\n") <= 12:
        raise ValueError(err.getvalue())
    raise AssertionError(f"exit status {code}: {err.getvalue()}")


KINDS: dict[str, tuple[Callable[[Path], None], Callable[[Path], Any]]] = {
    "solution.nc": (make_solution, hf.load),
    "squared.nc": (make_squared, hf.load),
    "checkpoint.npz": (make_checkpoint, read_checkpoint),
    "store": (make_store, read_store),
    "config.toml": (lambda path: path.write_text(TOML) and None, read_toml),
}

# ------------------------------------------------------------------ mutants

WORDS = (
    b"9" * 30, b"-1", b"1e999", b"NaN", b"[" * 3000, b"{" * 3000, b"../../x", b"/other/x", b"\x00",
    b"__import__('os').system('touch x')", b"cos\nsystem\n(S'touch x'\ntR.", b"\xff\xfe", b"\n",
    b"null", b"true", b"[]", b"{}", b"object", b"|O", b"4294967296", b"18446744073709551615",
)  # fmt: skip


def mutate(data: bytes, chance: random.Random) -> bytes:
    """Change, drop, repeat or insert bytes, a few times."""
    out = bytearray(data)
    for _ in range(chance.choice((1, 1, 1, 2, 4, 16))):
        at = chance.randrange(len(out) + 1)
        size = chance.choice((1, 2, 4, 8, 64))
        way = chance.randrange(8)
        if way == 0:
            del out[at:]
        elif way == 1:
            del out[at : at + size]
        elif way == 2:
            out[at:at] = out[at : at + size]
        elif way == 3:
            out[at:at] = chance.choice(WORDS)
        elif way == 4:
            word = chance.choice(WORDS)
            out[at : at + len(word)] = word
        elif way == 5 and at < len(out):
            out[at] = chance.choice((0, 1, 127, 128, 255))
        elif way == 6:
            out[at : at + size] = chance.randbytes(size)
        elif at < len(out):
            out[at] ^= 1 << chance.randrange(8)
    return bytes(out)


def mutant(path: Path, chance: random.Random) -> None:
    if path.is_dir():
        files = sorted(p for p in path.rglob("*") if p.is_file())
        path = chance.choice([*files, path / "sweep.json", path / "sweep.json"])
    path.write_bytes(mutate(path.read_bytes(), chance))


def attempt(kind: str, originals: Path, place: Path, seed: str, watch: Watch) -> str:
    """Return "refused", "read", or what was wrong."""
    right = RIGHT[kind]
    path = place / kind
    if (originals / kind).is_dir():
        shutil.copytree(originals / kind, path)
    else:
        shutil.copy(originals / kind, path)
    mutant(path, random.Random(seed))
    watch.seen.clear()
    watch.on = True
    try:
        found = KINDS[kind][1](path)
        how = "read" if digest(found) == right else "read, but as something else"
    except ValueError as error:
        how = "refused"
        if "\n" in str(error) and kind != "config.toml":
            how = f"refused in many lines: {error}"
    except BaseException as error:
        how = f"{type(error).__name__}: {error}"
    finally:
        watch.on = False
    if watch.seen:
        how += f"; it did {watch.seen}"
    for left in place.iterdir():
        shutil.rmtree(left) if left.is_dir() else left.unlink()
    return how


RIGHT: dict[str, str] = {}


def prepare(originals: Path) -> None:
    """Write one file of each kind, and remember what is in it."""
    for kind, (make, read) in KINDS.items():
        make(originals / kind)
        copy = originals / f"copy of {kind}"
        if (originals / kind).is_dir():
            shutil.copytree(originals / kind, copy)
        else:
            shutil.copy(originals / kind, copy)
        with contextlib.suppress(ValueError):
            RIGHT[kind] = digest(read(copy))
        RIGHT.setdefault(kind, "")


def main(seed: int, first: int, count: int) -> None:
    warnings.simplefilter("ignore")
    names = list(KINDS)
    with tempfile.TemporaryDirectory() as folder:
        originals, place = Path(folder) / "originals", Path(folder) / "in" / "a" / "place"
        originals.mkdir()
        place.mkdir(parents=True)
        prepare(originals)
        watch = Watch(place)
        size = 4096 * int(Path("/proc/self/statm").read_text().split()[0])
        hard = resource.getrlimit(resource.RLIMIT_AS)[1]
        resource.setrlimit(resource.RLIMIT_AS, (size + (1 << 30), hard))
        for i in range(first, first + count):
            kind = names[i % len(names)]
            signal.alarm(PATIENCE)
            how = attempt(kind, originals, place, f"{seed} {i}", watch)
            signal.alarm(0)
            print(f"{i} {kind} {how!r}", flush=True)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:4]))
