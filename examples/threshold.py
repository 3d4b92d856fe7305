"""At which inner product of the index vectors does learning fail? Theory beside simulation."""

import hermiteflow as hf


def main() -> None:
    """Print both thresholds, and where random starts end around them."""
    link, k = hf.link("erf").without(1), 8
    critical, fold = hf.critical_beta(link, k), hf.fold_beta(link, k).beta
    print(f"erf without 1, k = {k}: the average is a minimum from beta = {critical:.6f} on,")
    print(f"index-like minima last to beta = {fold:.6f}")
    betas = [0.95 * critical, 0.5 * (critical + fold), 0.98 * fold, 1.02 * fold]
    shares = hf.basin_shares(link, k, betas, n=500, seed=0)
    for beta, share in zip(
        betas, shares.share.sel(start="random", end="average").values, strict=True
    ):
        print(f"beta = {beta:.4f}: {share[0]:6.1%} of random starts end at the average "
              f"({share[1]:.1%} to {share[2]:.1%})")  # fmt: skip


if __name__ == "__main__":
    main()
