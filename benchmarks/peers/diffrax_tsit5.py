"""diffrax on (4) for psi = u^3, G = I: vmapped, compiled, warm, in double precision.

Tried, at k = 50, d = 1e6, to convergence, on two busy cores. With Tsit5 at tolerance 1e-6, in
seconds for 1,000 neurons:

- controllers: `PIDController` as I 0.264, as PI (0.4, 0.3) 0.275, as PI (0.2, 0.4) 0.260: no
  difference, and the I controller takes fewest steps;
- adjoints: `RecursiveCheckpointAdjoint` (the default) 0.264, `DirectAdjoint` 0.268, `ForwardMode`
  0.267;
- no dense output and no steps saved: `SaveAt(t1=True)` in all of these;
- the tolerance is an argument of the compiled function, so that nothing is compiled again.

One batch goes as long as its slowest neuron, and its state leaves the cache. With Dopri8 at 1e-8,
in seconds for 4,000 neurons, sorted by their largest start so that those of a batch take equally
long:

- batches of 4000, 2000, 1000, 500, 250, 125: 9.3, 6.2, 4.3, 3.5, 3.34, 4.2;
- the same on two Python threads: 9.2, 5.2, 3.7, 3.38, 3.35, 3.36; not sorted, batches of 250: 3.50;
- for 2,000 neurons, on two threads, batches of 250, 125, 64, 32: 1.4, 1.9, 1.9, 2.4;
- Tsit5 at the tolerance 3e-10 that reaches the same accuracy: 5.9 (3.35 for Dopri8).

So: sorted batches of 256 on two threads, the I controller, and the better of Tsit5 and Dopri8, each
at the loosest tolerance that reaches our accuracy.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Any

os.environ.setdefault("JAX_PLATFORMS", "cpu")

import diffrax
import jax
import jax.numpy as jnp
import numpy as np
import optimistix

jax.config.update("jax_enable_x64", True)

Array = np.ndarray

BATCH = 256
METHODS = ("Tsit5", "Dopri8")


def _field(_t: Any, m: Any, _args: Any) -> Any:
    g = 3.0 * m * m
    return g - jnp.dot(m, g) * m


def _steady(t: Any, y: Any, args: Any, **_: Any) -> Any:
    g = 3.0 * y * y
    speed = _field(t, y, args)
    return jnp.sum(speed * speed) <= 1e-12 * jnp.sum(g * g)


def _passes(t: Any, y: Any, args: Any, **_: Any) -> Any:
    return jnp.max(jnp.abs(y)) - 0.5


@cache
def _compiled(method: str, hitting: bool) -> Callable[[Any, float], Any]:
    event = (
        diffrax.Event(_passes, optimistix.Newton(1e-13, 1e-13))
        if hitting
        else diffrax.Event(_steady)
    )
    solver = getattr(diffrax, method)()

    def one(m: Any, rtol: Any) -> Any:
        atol = 1e-3 * rtol * jnp.max(jnp.abs(m))
        found = diffrax.diffeqsolve(
            diffrax.ODETerm(_field),
            solver,
            t0=0.0,
            t1=jnp.inf,
            dt0=None,
            y0=m,
            stepsize_controller=diffrax.PIDController(rtol=rtol, atol=atol),
            saveat=diffrax.SaveAt(t1=True),
            event=event,
            max_steps=None,
            throw=False,
        )
        return found.ts[0] if hitting else found.ys[0]

    compiled: Callable[[Any, float], Any] = jax.jit(jax.vmap(one, in_axes=(0, None)))
    return compiled


def _batches(m0: Array, rtol: float, method: str, hitting: bool, threads: int) -> Array:
    order = np.argsort(-m0.max(axis=1))
    missing = -m0.shape[0] % BATCH  # the last batch is filled up, so that one shape is compiled
    padded = m0[np.concatenate([order, order[-1:].repeat(missing)])]
    run = _compiled(method, hitting)
    parts = [padded[i : i + BATCH] for i in range(0, padded.shape[0], BATCH)]
    with ThreadPoolExecutor(threads) as pool:
        done = list(pool.map(lambda part: np.asarray(run(part, rtol)), parts))
    out = np.empty_like(np.concatenate(done)[: m0.shape[0]])
    out[order] = np.concatenate(done)[: m0.shape[0]]
    return out


def solve(m0: Array, rtol: float, method: str, threads: int) -> Array:
    """Return the overlaps (n, k) of converged neurons."""
    return _batches(m0, rtol, method, False, threads)


def hitting_times(m0: Array, rtol: float, method: str, threads: int) -> Array:
    """Return the times (n,) at which the largest overlap passes 1/2."""
    return _batches(m0, rtol, method, True, threads)
