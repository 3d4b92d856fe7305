"""One-pass gradient descent in PyTorch, as one writes it: autograd, then back on the sphere."""

from __future__ import annotations

import math

import torch

from ..problems import Array


def link(x: torch.Tensor) -> torch.Tensor:
    """h_3."""
    return (x * x - 3.0) * x / math.sqrt(6.0)


def step(W: torch.Tensor, V: torch.Tensor, x: torch.Tensor, rate: float) -> torch.Tensor:
    """Return weights after a step on one sample x (1, d)."""
    W = W.detach().requires_grad_()
    error = link(x @ V.T).sum(1) - link(x @ W.T).sum(1)
    (gradient,) = torch.autograd.grad(0.5 * (error * error).mean(), W)
    with torch.no_grad():
        along = (gradient * W).sum(1, keepdim=True)
        W = W - rate * (gradient - along * W)
        return W / W.norm(dim=1, keepdim=True)


def solve(W: Array, V: Array, steps: int, rate: float, inputs: Array | None = None) -> Array:
    """Return weights after so many steps on fresh samples, or on those that are given."""
    torch.set_num_threads(1)
    w, v = torch.tensor(W), torch.tensor(V)
    for i in range(steps):
        x = torch.randn(1, w.shape[1], dtype=torch.float64)
        if inputs is not None:
            x = torch.tensor(inputs[i : i + 1])
        w = step(w, v, x, rate)
    return w.numpy()
