"""Which index vector does a neuron find? The one nearest to its start, told before solving."""

import hermiteflow as hf


def main() -> None:
    """Compare the rule with the flow, for odd and even links."""
    targets = hf.Orthonormal(k=30)
    for name, link in (
        ("h_3", hf.hermite(3)),
        ("h_4", hf.hermite(4)),
        ("tanh without 1", hf.link("tanh").without(1)),
    ):
        flow = hf.CorrelationFlow(targets, link)
        start = hf.random_overlaps(targets, n=2000, d=10**6, seed=1)
        foretold = hf.nearest_index(flow, start)
        found = hf.solve(flow, overlaps=start).index
        print(f"{name:16} {int((foretold == found).sum())} of {found.size} as foretold")


if __name__ == "__main__":
    main()
