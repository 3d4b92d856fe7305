"""How many samples does online gradient descent need? Links of information exponent 2 and 3."""

import numpy as np

import hermiteflow as hf

DIMENSIONS = (50, 100, 200, 400)


def show(name: str, values: np.ndarray) -> None:
    """Print a row of numbers."""
    print(f"     {name:22}" + "  ".join(f"{value:9.4g}" for value in values))


def main() -> None:
    """Print median steps, those of the flow, and the power of d by which they grow."""
    for p in (2, 3):
        # the learning rate is delta d^(-p/2): noise is then as strong at every d
        ds = hf.experiments.sample_complexity(
            links=hf.hermite(p), d=DIMENSIONS, n=100, delta=0.5, seed=0
        )
        cell = ds.isel(link=0, targets=0).sel(quantile=0.5)
        slope, low, high = cell.power.values
        law = "steps / log d" if p == 2 else "steps"
        theory = float(cell.theory_power)
        print(f"h_{p}: {law} grow as d^{slope:.2f} ({low:.2f} to {high:.2f}), theory {theory:g}")
        show("learning rate", cell.learning_rate.values)
        show("median steps", cell.step_quantile.sel(limit="estimate").values)
        show("the flow's time / eta", cell.flow_quantile.values)


if __name__ == "__main__":
    main()
