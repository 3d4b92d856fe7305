"""Draw docs/_static/sample-complexity.svg: steps of online descent against d, and theory."""

from pathlib import Path
from typing import Any

import matplotlib

import hermiteflow as hf
from hermiteflow import plot

matplotlib.use("Agg")
import matplotlib.pyplot as plt

OUT = Path(__file__).parent / "_static" / "sample-complexity.svg"
#: The studies of docs/finite_samples, six minutes or more on two processors.
STUDIES: tuple[dict[str, Any], ...] = (
    {"links": hf.hermite(2), "d": (1e2, 1e3, 1e4, 1e5, 1e6), "n": 256, "d_fit": 1e4, "seed": 1},
    {"links": hf.hermite(3), "d": (1e2, 3e2, 1e3, 3e3, 1e4), "n": 128, "seed": 1},
)


def main() -> None:
    """Compute both studies and draw them."""
    draw([hf.experiments.sample_complexity(**study) for study in STUDIES])


def draw(studies: list[Any]) -> None:
    """Draw a row for each study: steps, and steps over theory's power of d."""
    figure, axes = plt.subplots(len(studies), 2, figsize=(10.5, 8), layout="constrained")
    for ds, pair in zip(studies, axes, strict=True):
        for ax, relative in zip(pair, (False, True), strict=True):
            plot.sample_complexity(ds, relative=relative, ax=ax)
    figure.savefig(OUT, metadata={"Date": None})
    print(f"{OUT}: {OUT.stat().st_size / 1000:.0f} kB")
    for ds in studies:
        print(ds.power.values, ds.log_rate.values, ds.censored.values)


if __name__ == "__main__":
    plt.rcParams.update({"font.size": 9, "svg.hashsalt": "samples"})
    main()
