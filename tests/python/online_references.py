"""One-pass gradient descent by plain NumPy: in R^d with inputs that are given, and as a chain of
Gram matrices. Each takes a name of a fault to make."""

from __future__ import annotations

import numpy as np

import hermiteflow as hf
from hermiteflow import _core
from hermiteflow._checks import Array
from hermiteflow._frame import Frame
from hermiteflow.starts import stream_key

Flow = hf.CorrelationFlow | hf.SquaredFlow


def layer_of(flow: Flow, n: int) -> Array:
    """Return a."""
    layer = flow.neurons(n)
    return np.ones(n) if layer is None else np.array(layer)


def words(seed: int) -> tuple[int, int]:
    """Return the key of the inputs of a run."""
    first, _ = stream_key(seed, "online_sgd")
    return first & 0xFFFFFFFF, first >> 32


def inputs(seed: int, step: int, batch: int, d: int) -> Array:
    """Return X (batch, d) of a step, counted from 1, as the core draws it."""
    groups = -(-d // 16)
    rows = [
        _core.sample_normals(words(seed), 1, (step - 1) * batch + b, groups)[:d]
        for b in range(batch)
    ]
    return np.array(rows)


def errors(flow: Flow, own: Array, others: Array, a: Array, fault: str) -> Array:
    """Return e of each sample, from fields (batch, n) and (batch, k)."""
    student = flow.student or flow.link
    truth = flow.link(others) @ flow.target_weights
    if isinstance(flow, hf.CorrelationFlow):
        return truth
    sign = 1.0 if fault == "sign" else -1.0
    return np.asarray(truth + sign * (student(own) @ a))


def in_space(
    flow: Flow, W: Array, *, steps: int, rate: float, batch: int, seed: int, fault: str = ""
) -> tuple[Array, Array]:
    """Return weights and a after steps in R^d, from the inputs of the core."""
    student = flow.student or flow.link
    V = flow.targets.vectors(W.shape[1])
    frame = Frame.of(flow.targets, W.shape[1])
    free = isinstance(flow, hf.SquaredFlow) and not flow.constrained
    trained = isinstance(flow, hf.SquaredFlow) and flow.train_second_layer
    a, W = layer_of(flow, W.shape[0]), W.copy()
    for step in range(1, steps + 1):
        X = frame.leave(inputs(seed, step, batch, W.shape[1]))
        own = X @ W.T
        e = errors(flow, own, X @ V.T, a, fault)
        c = e[:, None] * a * student.derivative(own)
        if fault != "sum":
            c, e = c / batch, e / batch
        move = c.T @ X
        if not free and fault != "projection":
            move -= (c * own).sum(axis=0)[:, None] * W
        if trained:
            a = a + rate * (student(own).T @ e)
        W = W + rate * move
        if not free and fault != "norm":
            W /= np.linalg.norm(W, axis=1, keepdims=True)
    return W, a


def root(S: Array) -> Array:
    """Return L with L L^T = S, which may be singular."""
    values, vectors = np.linalg.eigh(S)
    return np.asarray(vectors * np.sqrt(np.maximum(values, 0.0))[..., None, :])


def by_gram(
    flow: Flow,
    M: Array,
    Q: Array,
    d: int,
    *,
    runs: int,
    steps: int,
    rate: float,
    batch: int,
    rng: np.random.Generator,
    fault: str = "",
) -> tuple[Array, Array]:
    """Return M (runs, n, k) and Q of chains of S = [[Q, M], [M^T, G]], all at full rank.

    x_b . x_c = xi_b . xi_c + Z_b . Z_c, Z (batch, d - n - k) normal: from its definition.
    """
    student, G = flow.student or flow.link, flow.targets.gram
    n, k = M.shape
    a = layer_of(flow, n)
    M, Q = np.tile(M, (runs, 1, 1)), np.tile(Q, (runs, 1, 1))
    for _ in range(steps):
        top = np.concatenate([Q, M], axis=2)
        bottom = np.concatenate([M.transpose(0, 2, 1), np.tile(G, (runs, 1, 1))], axis=2)
        xi = rng.standard_normal((runs, batch, n + k))
        fields = xi @ root(np.concatenate([top, bottom], axis=1)).transpose(0, 2, 1)
        own, others = fields[..., :n], fields[..., n:]
        Z = rng.standard_normal((runs, batch, d - n - k))
        rest = Z @ Z.transpose(0, 2, 1)
        if fault == "no rest":
            rest = 0.0 * rest
        if fault == "orthogonal batch":
            rest = rest * np.eye(batch)
        products = xi @ xi.transpose(0, 2, 1) + rest
        e = errors(flow, own, others, a, fault)
        c = rate / batch * e[..., None] * a * student.derivative(own)
        left = c.transpose(0, 2, 1)
        keep = 1.0 - (c * own).sum(axis=1)[..., None]
        cross = left @ own * keep.transpose(0, 2, 1)  # of the move of i, and w_l
        Q = keep * Q * keep.transpose(0, 2, 1) + cross + cross.transpose(0, 2, 1)
        Q = Q + left @ products @ c
        M = keep * M + left @ others
        norms = np.sqrt(np.diagonal(Q, axis1=1, axis2=2))[..., None]
        M, Q = M / norms, Q / norms / norms.transpose(0, 2, 1)
    return M, Q
