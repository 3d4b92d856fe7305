"""How many neurons are lost for odd links? A sweep over processes that can be interrupted."""

import argparse
import tempfile
from pathlib import Path

import numpy as np

import hermiteflow as hf


def lost(k: int, link: hf.Link, seed: np.random.SeedSequence) -> dict[str, float]:
    """Return the share of neurons that never escape."""
    flow = hf.CorrelationFlow(hf.Orthonormal(k=k), link)
    start = hf.random_overlaps(flow.targets, n=4000, d=10**8, seed=seed)
    status = hf.solve(flow, overlaps=start, rtol=1e-6).status
    return {"share": float(np.mean(status == hf.Status.no_escape))}


def main(store: Path) -> None:
    """Print measured shares beside theory, 2^-k; run it again and it reads the store."""
    grid = {"k": [1, 2, 3, 4, 6], "link": [hf.hermite(3), hf.hermite(5)]}
    ds = hf.sweep(lost, grid, executor="processes", seed=0, store=store)
    for k in ds.k.values:
        shares = "  ".join(f"{float(ds.share.sel(k=k, link=link)):.4f}" for link in ds.link.values)
        print(f"k = {k}: {shares}   theory {2.0**-k:.4f}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("store", type=Path, nargs="?", help="a folder for finished points")
    given = parser.parse_args().store
    with tempfile.TemporaryDirectory() as folder:
        main(given or Path(folder) / "store")
