"""What a version drew and wrote, kept so that later ones can be held against it.

`python tests/python/golden.py` writes `golden/VERSION` for the version that is installed, and never
again: files of a version that is out there do not change. Of files there is one of each kind.
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import sweep_functions
from online_references import inputs

import hermiteflow as hf
from hermiteflow import _core

FOLDER = Path(__file__).resolve().parent / "golden"
TWO = hf.Orthonormal(k=2)
CUBE = hf.CorrelationFlow(TWO, hf.hermite(3))
SQUARED = hf.SquaredFlow(TWO, hf.hermite(3), train_second_layer=True)
#: A checkpoint belongs to one instruction set: the one that every x86-64 processor has.
ISA = "generic"


def sample() -> np.ndarray:
    return hf.random_weights(n=6, d=4, seed=11) * 2.0


def online(method: str, **options: Any) -> hf.OnlineSolution:
    """Some steps of online descent; from fixed numbers, so that a checkpoint fits anywhere."""
    keywords: dict[str, Any] = {"learning_rate": 1e-2, "steps": 20, "seed": 3, "method": method}
    if method == "direct":
        keywords["weights"] = hf.random_weights(n=2, d=5, seed=2)
    else:
        keywords |= {"overlaps": [[0.1, -0.2], [0.3, 0.05]], "d": 5}
    if method == "in_law":
        keywords["student_overlaps"] = [[1.0, 0.25], [0.25, 1.0]]
    return hf.online_sgd(CUBE, **{**keywords, **options})


# ------------------------------------------------------------------ streams

#: The package's own generator: the same bits under every instruction set.
BITS: dict[str, Callable[[], Any]] = {
    "random_overlaps": lambda: hf.random_overlaps(hf.Orthonormal(k=3), n=3, d=10**6, seed=0),
    "random_overlaps, d = k": lambda: hf.random_overlaps(TWO, n=3, d=2, seed=1),
    "random_weights": lambda: hf.random_weights(n=2, d=7, seed=0),
    "inputs of online_sgd": lambda: inputs(0, 1, 2, 5),
    "seeds of sweep": lambda: hf.sweep(sweep_functions.one, {"x": [1.0, 2.0]}, seed=0)["y"].values,
}
#: NumPy's linear algebra has a part, or steps are computed: the same within rounding.
NUMBERS: dict[str, Callable[[], Any]] = {
    "random_order_parameters": lambda: np.hstack(
        hf.random_order_parameters(TWO, n=3, d=100, seed=0)
    ),
    "random_index_vectors": lambda: hf.random_index_vectors(k=3, d=5, seed=0).gram,
    "random_index_vectors, k > d": lambda: hf.random_index_vectors(k=3, d=2, seed=0).gram,
    "online_sgd, direct": lambda: online("direct").overlaps,
    "online_sgd, in_law": lambda: online("in_law").overlaps,
    "online_sgd, in_law, batch": lambda: online("in_law", batch=3).overlaps,
    "online_sgd, marginal": lambda: online("marginal").overlaps,
}
#: Counts, which rounding does not move.
COUNTS: dict[str, Callable[[], Any]] = {
    "solve_ensemble": lambda: hf.solve_ensemble(CUBE, n=200, d=1000, seed=0).counts,
    "experiments.coverage": lambda: (
        hf.experiments.coverage(links=hf.hermite(4), k=3, batches=10, seed=0).n_needed.values
    ),
    "basin_shares": lambda: hf.basin_shares(hf.hermite(3), 3, 0.1, n=50, seed=0)["count"].values,
}


def flat(values: Any) -> list[Any]:
    """Numbers one after the other: integers, or reals in hexadecimal, which keeps all bits."""
    array = np.asarray(values)
    if array.dtype.kind in "iu":
        return [int(x) for x in array.ravel()]
    return [float(x).hex() for x in array.ravel()]


def streams() -> dict[str, dict[str, list[Any]]]:
    groups = {"bits": BITS, "numbers": NUMBERS, "counts": COUNTS}
    return {
        name: {key: flat(make()) for key, make in group.items()} for name, group in groups.items()
    }


# ------------------------------------------------------------------ files


def solutions() -> dict[str, Any]:
    W, short = hf.random_weights(n=2, d=4, seed=5), {"t_end": 1.0, "save_at": [0.5, 1.0]}
    hit = {"hit": hf.HittingTime([0.3, 0.9])}
    general = hf.IndexVectors(gram=[[1.0, 0.25], [0.25, 1.0]])
    relu = hf.link("relu").without(1) + 0.5 * hf.hermite(3)
    stored = hf.EmpiricalFlow(hf.IndexVectors(np.eye(2, 4)), hf.hermite(3), sample())
    return {
        "correlation": hf.solve(
            hf.CorrelationFlow(general, relu, second_layer=[1.0, -0.5]),
            weights=W,
            events=hit,
            **short,
        ),
        "squared": hf.solve(SQUARED, weights=W, events=hit, **short),
        "empirical": hf.solve(stored, weights=W, **short),
        "online": online("in_law", save_at=[0, 10], events=hit),
    }


def digest(found: Any) -> str:
    """SHA-256 of all numbers of a Dataset, names and shapes included; of strings too."""
    total = hashlib.sha256()
    for name in sorted(map(str, found.variables)):
        values = np.asarray(found.variables[name].values)
        total.update(f"{name} {values.shape} {values.dtype.kind}\n".encode())
        if values.dtype.kind in "OUST":
            total.update("\n".join(map(str, values.ravel().tolist())).encode())
        else:
            plain = values.astype(values.dtype.newbyteorder("<"))
            total.update(np.ascontiguousarray(plain).tobytes())
    return total.hexdigest()


def write(folder: Path) -> None:
    """Write everything for this version."""
    import xarray as xr

    folder.mkdir(parents=True)
    before = _core.build_info()["isa"]
    assert _core.select_isa(ISA)
    digests = {}
    for name, solution in solutions().items():
        solution.save(folder / f"{name}.nc")
        digests[f"{name}.nc"] = digest(solution.to_xarray())
    online("direct", steps=10, save_at=[5, 10], checkpoint=folder / "checkpoint.npz")
    hf.sweep(sweep_functions.one, {"x": [1.0, 2.0]}, seed=0, store=folder / "store")
    (folder / "store" / "log.jsonl").unlink()  # of this machine and hour, and no part of the data
    digests["store"] = digest(xr.open_zarr(folder / "store", chunks=None).load())
    _core.select_isa(before)
    kept = {"version": hf.__version__, "digests": digests, **streams()}
    (folder / "streams.json").write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    place = FOLDER / hf.__version__
    if place.exists():
        sys.exit(f"{place} is there already, and files of a version never change")
    write(place)
