"""What moves the weights under the squared loss, by its coefficients: (10) and (15). No flows."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ._checks import Array
from ._correlators import Correlator
from .interactions import Interaction


class Pull(NamedTuple):
    """dw_i/dt = sum_j D_ij v_j - sum_l C_il w_l - s_i w_i."""

    D: Array
    C: Array
    s: Array


def pull_on_sphere(
    psi: Interaction, psi_ss: Interaction, M: Array, Q: Array, a: Array, b: Array
) -> Pull:
    """Return D, C and rho of (10), C with a zero diagonal."""
    D = a[:, None] * b * psi.derivative(M)
    C = a[:, None] * a * psi_ss.derivative(Q)
    np.fill_diagonal(C, 0.0)
    return Pull(D, C, (D * M).sum(axis=1) - (C * Q).sum(axis=1))


def pull_of_free(
    teacher: Correlator, students: Correlator, M: Array, Q: Array, a: Array, b: Array
) -> Pull:
    """Return D, C and s of (15), from averages at the norms on the diagonal of Q."""
    norms, outer, pairs = np.diag(Q), a[:, None] * b, a[:, None] * a
    with_teacher = teacher(norms[:, None], M, 1.0)
    # l = i too: 2 d11 + d12 is the slope of E[sigma(w.x)^2] in |w|^2
    among = students(norms[:, None], Q, norms)
    s = 2.0 * ((pairs * among.d11).sum(axis=1) - (outer * with_teacher.d11).sum(axis=1))
    return Pull(outer * with_teacher.d12, pairs * among.d12, s)
