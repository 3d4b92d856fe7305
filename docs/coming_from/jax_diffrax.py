"""JAX and diffrax: one neuron as a function, over all of them by `vmap`, compiled by `jit`."""

import os

os.environ.setdefault("JAX_PLATFORMS", "cpu")

import diffrax
import jax
import jax.numpy as jnp
import numpy as np
import optimistix

jax.config.update("jax_enable_x64", True)  # overlaps near 1/sqrt(d) need doubles


def field(_t: jax.Array, m: jax.Array, _args: object) -> jax.Array:
    """Return g - (m . g) m for psi = u^3 and orthonormal index vectors."""
    g = 3.0 * m * m
    return g - jnp.dot(m, g) * m


def hitting_times(
    m0: np.ndarray, level: float = 0.5, rtol: float = 1e-8, t_end: float = 100.0
) -> np.ndarray:
    """Return when the largest overlap of each neuron first is `level`; NaN if not by t_end."""

    def passes(t: jax.Array, y: jax.Array, args: object, **_: object) -> jax.Array:
        return jnp.abs(y).max() - level

    def one(m: jax.Array) -> jax.Array:
        atol = 1e-3 * rtol * jnp.abs(m).max()
        sol = diffrax.diffeqsolve(
            diffrax.ODETerm(field),
            diffrax.Tsit5(),
            t0=0.0,
            t1=t_end,
            dt0=None,
            y0=m,
            stepsize_controller=diffrax.PIDController(rtol=rtol, atol=atol),
            saveat=diffrax.SaveAt(t1=True),
            event=diffrax.Event(passes, optimistix.Newton(1e-13, 1e-13)),
            max_steps=None,
            throw=False,
        )
        met = sol.result == diffrax.RESULTS.event_occurred
        return jnp.where(met, sol.ts[0], jnp.nan)

    return np.asarray(jax.jit(jax.vmap(one))(m0))


if __name__ == "__main__":
    d, k, n = 1000, 4, 8
    W = np.random.default_rng(0).standard_normal((n, d))
    W /= np.linalg.norm(W, axis=1, keepdims=True)
    V = np.eye(k, d)
    print(hitting_times(W @ V.T))
