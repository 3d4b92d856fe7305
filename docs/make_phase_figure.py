"""Draw docs/_static/phase-diagram.svg: what the two losses recover over beta and n/k."""

from pathlib import Path
from typing import Any

import matplotlib

import hermiteflow as hf
from hermiteflow import plot

matplotlib.use("Agg")
import matplotlib.pyplot as plt

OUT = Path(__file__).parent / "_static" / "phase-diagram.svg"
LINKS = (hf.hermite(3), hf.hermite(4))
#: The study of docs/squared, about eight minutes on two processors.
STUDY: dict[str, Any] = {
    "links": LINKS,
    "k": 10,
    "positions": (0.0, 0.5, 0.9, 1.5, 2.2, 2.7, 3.3),
    "ratios": (1.0, 1.5, 2.0, 3.0),
    "batches": 30,
    "d": 100.0,
    "seed": 0,
}


def main() -> None:
    """Compute the study and draw both losses for both links."""
    draw(hf.experiments.phase_diagram(executor="processes", **STUDY))


def draw(ds: Any) -> None:
    """Draw a row of two panels for each link."""
    rows = ds.sizes["link"]
    figure, axes = plt.subplots(
        rows, 2, figsize=(9, 2.9 * rows), layout="constrained", squeeze=False
    )
    for link, pair in zip(ds.link.values, axes, strict=True):
        plot.phase_diagram(ds, link=str(link), ax=pair)
    figure.savefig(OUT, metadata={"Date": None})
    print(f"{OUT}: {OUT.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    plt.rcParams.update({"font.size": 9, "svg.hashsalt": "phase"})
    main()
