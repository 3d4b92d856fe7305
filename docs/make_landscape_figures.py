"""Draw docs/_static/landscape-*.png: every branch of fixed points, and the shares of basins."""

from pathlib import Path

import matplotlib
import numpy as np

import hermiteflow as hf
from hermiteflow import plot

matplotlib.use("Agg")
import matplotlib.pyplot as plt

OUT = Path(__file__).parent / "_static"
K = 10


def branches() -> None:
    """Draw the branches of h_3, by loss and by overlap."""
    diagram = hf.bifurcation_diagram(hf.hermite(3), K, np.linspace(0.0, 0.2, 61))
    figure, (left, right) = plt.subplots(1, 2, figsize=(10, 4.2), layout="constrained")
    plot.bifurcation(diagram, ax=left)
    left.get_legend().remove()
    plot.bifurcation(diagram, quantity="overlap", ax=right)
    figure.savefig(OUT / "landscape-branches.png", dpi=110)


def basins() -> None:
    """Draw where three kinds of starts end, for h_3 and h_4."""
    figure, axes = plt.subplots(1, 2, figsize=(10, 4.2), layout="constrained")
    for ax, link in zip(axes, (hf.hermite(3), hf.hermite(4)), strict=True):
        critical, fold = hf.critical_beta(link, K), hf.fold_beta(link, K).beta
        place = np.array([*np.linspace(-0.6, 1.4, 21), -0.03, 0.03, 0.97, 1.03, 0.85, 0.93])
        betas = np.sort(critical + place * (fold - critical))
        shares = hf.basin_shares(link, K, betas, n=2000, seed=0)
        plot.threshold(shares, ax=ax)
    figure.savefig(OUT / "landscape-basins.png", dpi=110)


if __name__ == "__main__":
    plt.rcParams.update({"font.size": 9, "axes.spines.top": False, "axes.spines.right": False})
    branches()
    basins()
