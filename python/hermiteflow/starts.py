"""Random starts, exactly in law at any dimension, (6) and (14) of the docs. Knows targets."""

from __future__ import annotations

import logging
from typing import Any

import numpy as np
from numpy.random import Generator, SeedSequence

from . import _checks, _core
from ._checks import Array
from ._memory import check_array, check_square
from .targets import IndexVectors, Targets

Seed = int | SeedSequence | Generator | None

#: Largest dimension that is drawn.
MAX_DIMENSION = 10**18
#: Streams of the neurons of `random_order_parameters`, apart from those of sweeps.
_ORDER_PARAMETERS = 19793
_log = logging.getLogger("hermiteflow")


def _words(seed: Generator) -> tuple[int, int]:
    words = seed.integers(0, 2**64, size=2, dtype=np.uint64)
    return int(words[0]), int(words[1])


def root_of(seed: Seed, purpose: str) -> SeedSequence:
    """Return the root of many streams; a fresh seed is logged at level INFO."""
    if isinstance(seed, SeedSequence):
        return seed
    if isinstance(seed, Generator):
        return SeedSequence(_words(seed))
    if seed is None:
        sequence = SeedSequence()
        _log.info("%s: drew seed %s", purpose, sequence.entropy)
        return sequence
    return SeedSequence(_checks.integer(seed, "seed", low=0))


def seed_config(root: SeedSequence) -> dict[str, Any]:
    """Return what makes the sequence again as its keywords, and is plain data for JSON."""
    entropy: Any = root.entropy
    words = np.ndim(entropy) and not isinstance(entropy, str)
    return {
        "entropy": [int(word) for word in entropy] if words else int(entropy),
        "spawn_key": [int(word) for word in root.spawn_key],
        "pool_size": int(root.pool_size),
    }


def stream(root: SeedSequence, *key: int) -> SeedSequence:
    """Return the independent stream of `key`, whatever was drawn before (unlike ``spawn``)."""
    return SeedSequence(
        entropy=root.entropy, spawn_key=(*root.spawn_key, *key), pool_size=root.pool_size
    )


def stream_key(seed: Seed, purpose: str) -> tuple[int, int]:
    """Return the key of a counter-based stream; a fresh seed is logged at level INFO."""
    if isinstance(seed, Generator):
        return _words(seed)
    state = root_of(seed, purpose).generate_state(2, np.uint64)
    return int(state[0]), int(state[1])


def random_index_vectors(*, k: int, d: int, seed: Seed = None) -> IndexVectors:
    """Return k index vectors uniform on the sphere of R^d, through their Gram matrix alone.

    Only G is drawn, by the Bartlett decomposition: exactly in law, at any d up to 1e18.

    Parameters
    ----------
    k, d : int
        Number of index vectors, dimension.
    seed : int, SeedSequence, Generator or None
        None draws entropy, and logs it (logger "hermiteflow", level INFO).

    Examples
    --------
    >>> import hermiteflow as hf
    >>> hf.random_index_vectors(k=5, d=10**9, seed=0).rank
    5
    """
    k = _checks.integer(k, "k")
    d = _checks.integer(d, "d", high=MAX_DIMENSION)
    if d == 1:
        raise ValueError("d must be at least 2 for random index vectors, got 1")
    check_square(k, "k", "index vectors")
    return IndexVectors(gram=_core.draw_gram(stream_key(seed, "random_index_vectors"), k, float(d)))


def random_overlaps(
    targets: Targets, *, n: int, d: int, seed: Seed = None, n_threads: int | None = None
) -> Array:
    """Return overlaps (n, k) of n neurons uniform on the sphere of R^d, exactly in law.

    Row i depends on the seed and on i alone, not on n.

    Parameters
    ----------
    targets : Targets
        The index vectors.
    n, d : int
        Number of neurons; dimension, at least the rank of the targets, up to 1e18.
    seed : int, SeedSequence, Generator or None
        None draws entropy, and logs it (logger "hermiteflow", level INFO).

    References
    ----------
    docs/mathematics (6).

    Examples
    --------
    >>> import hermiteflow as hf
    >>> hf.random_overlaps(hf.Orthonormal(k=3), n=2, d=10**12, seed=0).shape
    (2, 3)
    """
    if not isinstance(targets, Targets):
        raise TypeError(f"targets must be index vectors, got {_checks.describe(targets)}")
    n = _checks.integer(n, "n")
    d = _checks.integer(d, "d", high=MAX_DIMENSION)
    targets.check_dimension(d)
    check_array(n=n, k=targets.k)
    key = stream_key(seed, "random_overlaps")
    factor = None if targets.structure == "identity" else targets.factor
    return _core.draw_overlaps(key, 0, n, targets.k, factor, float(d), _checks.threads(n_threads))


def random_order_parameters(
    targets: Targets, *, n: int, d: int, seed: Seed = None, n_threads: int | None = None
) -> tuple[Array, Array]:
    """Return M = W V^T and Q = W W^T of n neurons uniform on the sphere of R^d, exactly in law.

    Jointly so, at any d: a triangular (Bartlett) factor of n (n + 1) / 2 random numbers stands in
    for the part of W outside span(V), and Q comes from one product. For d < n + rank(G) Q is
    singular. Neuron i depends on the seed and on i alone, up to rounding, not on n.

    Parameters
    ----------
    targets : Targets
        The index vectors.
    n, d : int
        Number of neurons; dimension, at least the rank of the targets, up to 1e18.
    seed : int, SeedSequence, Generator or None
        None draws entropy, and logs it (logger "hermiteflow", level INFO).
    n_threads : int, optional
        Threads of the product.

    Returns
    -------
    M : Array (n, k)
    Q : Array (n, n)
        Symmetric, its diagonal exactly 1.

    Raises
    ------
    ValueError, TypeError
        Naming the argument, what was expected and what came.

    References
    ----------
    docs/mathematics (6);
    docs/squared (14).

    Examples
    --------
    >>> import hermiteflow as hf
    >>> M, Q = hf.random_order_parameters(hf.Orthonormal(k=3), n=5, d=10**12, seed=0)
    >>> M.shape, Q.shape, float(Q[0, 0])
    ((5, 3), (5, 5), 1.0)
    """
    if not isinstance(targets, Targets):
        raise TypeError(f"targets must be index vectors, got {_checks.describe(targets)}")
    n = _checks.integer(n, "n")
    d = _checks.integer(d, "d", high=MAX_DIMENSION)
    targets.check_dimension(d)
    threads = _checks.threads(n_threads)
    root = root_of(seed, "random_order_parameters")
    rank = targets.rank
    freedom = d - rank
    check_square(n, "n")
    # rows (z_i, y_i): the Gram matrix of y is Wishart, so a triangular factor of it will do
    rows = np.zeros((n, rank + min(n, freedom)))
    for i in range(n):
        generator = np.random.default_rng(stream(root, _ORDER_PARAMETERS, i))
        row = rows[i, : rank + min(i + 1, freedom)]
        row[:] = generator.standard_normal(row.size)
        if i < freedom:
            row[-1] = np.sqrt(generator.chisquare(float(freedom - i)))
        row /= np.sqrt(row @ row)
    inside = np.ascontiguousarray(rows[:, :rank])
    M = _core.project_weights(inside, np.ascontiguousarray(targets.factor), threads)
    Q = _core.project_weights(rows, rows, threads)
    Q = 0.5 * (Q + Q.T)
    np.fill_diagonal(Q, 1.0)
    return M, Q


def random_weights(*, n: int, d: int, seed: Seed = None, n_threads: int | None = None) -> Array:
    """Return n unit vectors (n, d), uniform on the sphere; row i depends on seed and i alone.

    Examples
    --------
    >>> import numpy as np, hermiteflow as hf
    >>> W = hf.random_weights(n=2, d=100, seed=0)
    >>> np.linalg.norm(W, axis=1).round(12)
    array([1., 1.])
    """
    n = _checks.integer(n, "n")
    d = _checks.integer(d, "d")
    check_array(n=n, d=d)
    key = stream_key(seed, "random_weights")
    return _core.draw_weights(key, n, d, _checks.threads(n_threads))
