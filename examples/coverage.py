"""How many neurons find all index vectors? The formula, and 1,000 networks."""

import numpy as np

import hermiteflow as hf


def main() -> None:
    """Compare the shares of complete networks with the exact probability."""
    k, networks, d = 20, 1000, 10**6
    flow = hf.CorrelationFlow(hf.Orthonormal(k=k), hf.hermite(4))
    needed = hf.exact.neurons_needed(k, 0.9)
    print(f"k = {k}: {needed} neurons find all with probability 0.9")
    start = hf.random_overlaps(flow.targets, n=networks * needed, d=d, seed=3)
    index = hf.solve(flow, overlaps=start, rtol=1e-6).index.reshape(networks, needed)
    for n in (needed // 2, 3 * needed // 4, needed):
        complete = np.mean([np.unique(row[:n]).size == k for row in index])
        print(
            f"n = {n:3}: measured {complete:.3f}, exact {hf.exact.coverage_probability(n, k):.3f}"
        )


if __name__ == "__main__":
    main()
