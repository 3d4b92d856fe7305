"""hermiteflow: the flow, the starts and the event."""

import numpy as np

import hermiteflow as hf


def hitting_times(m0: np.ndarray, level: float = 0.5, rtol: float = 1e-8) -> np.ndarray:
    """Return when the largest overlap of each neuron first is `level`; NaN if never."""
    flow = hf.CorrelationFlow(hf.Orthonormal(k=m0.shape[1]), hf.hermite(3))
    sol = hf.solve(flow, overlaps=m0, rtol=rtol, events={"hit": hf.HittingTime(level)})
    return sol.events["hit"]


if __name__ == "__main__":
    d, k, n = 1000, 4, 8
    W = np.random.default_rng(0).standard_normal((n, d))
    W /= np.linalg.norm(W, axis=1, keepdims=True)
    V = np.eye(k, d)
    print(hitting_times(W @ V.T))
