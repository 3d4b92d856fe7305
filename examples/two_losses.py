"""Past the fold the correlation loss finds nothing. Does the squared loss?"""

import hermiteflow as hf


def main() -> None:
    """Print the mean share of index vectors that each loss recovers, below and past the fold."""
    ds = hf.experiments.phase_diagram(
        links=(hf.hermite(4),), k=(4,), positions=(0.5, 2.5), ratios=(1.0, 3.0), batches=5, seed=0
    )
    beta_c, fold = ds.beta_c.item(), ds.beta_fold.item()
    print(f"h4, k = 4: beta_c = {beta_c:.4f}, the minima of the correlation loss end at {fold:.4f}")
    for loss, counted in (("correlation", ds.found_share), ("squared", ds.recovered_share)):
        share = counted.sel(loss=loss, limit="estimate").squeeze()
        for position in ds.position.values:
            beta = ds.beta.sel(position=position).item()
            row = ", ".join(
                f"{share.sel(position=position, ratio=ratio).item():.0%} with n = {ratio:g} k"
                for ratio in ds.ratio.values
            )
            print(f"{loss} loss, beta = {beta:.3f}: {row}")


if __name__ == "__main__":
    main()
