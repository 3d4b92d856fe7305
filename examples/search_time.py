"""How does the search time grow with the input dimension? Links of information exponent 2 to 4."""

import numpy as np

import hermiteflow as hf

LINKS = {
    "tanh without 1 (p* = 3)": hf.link("tanh").without(1),
    "relu without 1 (p* = 2)": hf.link("relu").without(1),
    "relu without 1, 2 (p* = 4)": hf.link("relu").without(1, 2),
}
DIMENSIONS = [10**4, 10**6, 10**8]


def median_time(link: hf.Link, d: int, n: int = 400) -> float:
    """Return the median time until an overlap reaches 0.3; a lost neuron counts as infinite."""
    flow = hf.CorrelationFlow(hf.Orthonormal(k=5), link)
    start = hf.random_overlaps(flow.targets, n=n, d=d, seed=0)
    sol = hf.solve(flow, overlaps=start, events={"hit": hf.HittingTime(0.3)}, rtol=1e-6)
    return float(np.median(np.where(np.isnan(sol.events["hit"]), np.inf, sol.events["hit"])))


def main() -> None:
    """Print medians, and the slope of their logarithm."""
    for name, link in LINKS.items():
        times = [median_time(link, d) for d in DIMENSIONS]
        slope = np.log(times[-1] / times[0]) / np.log(DIMENSIONS[-1] / DIMENSIONS[0])
        theory = max(0.0, link.information_exponent / 2 - 1)
        shown = "  ".join(f"{t:9.3g}" for t in times)
        print(f"{name:28} medians {shown}   slope {slope:.2f}, theory {theory:.1f}")


if __name__ == "__main__":
    main()
