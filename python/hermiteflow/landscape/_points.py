"""Single fixed points for any index vectors: Newton's method, kinds, a search from many starts."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from hermiteflow import _checks
from hermiteflow.driver import solve
from hermiteflow.flows import CorrelationFlow
from hermiteflow.solution import SolveWarning, Status

from ._found import FixedPoint, FoundPoints
from ._intervals import Array
from ._problem import coupling

#: Largest residual of a fixed point.
RESIDUAL = 1e-14
#: `classify` does not follow Newton's method farther than this on the sphere.
_REACH = 0.2
_STEPS = 60
_CLIMBS = 200
_SAME = 1e-6


class _Sphere:
    """The flow of neurons in span(V), in coordinates of an orthonormal basis of it."""

    def __init__(self, flow: CorrelationFlow, a: float) -> None:
        self.flow, self.a = flow, a
        self.factor = flow.targets.factor
        self.inverse = np.linalg.pinv(self.factor)

    def forces(self, w: Array) -> tuple[Array, Array, Array]:
        """Return minus the gradient, and its residual, and m . g for rows w (n, rank)."""
        weights = self.a * self.flow.target_weights
        m = w @ self.factor.T
        g = weights * self.flow.interaction.derivative(m)
        pull = g @ self.factor
        along = np.sum(w * pull, axis=1)
        force = pull - along[:, None] * w
        terms = np.abs(weights) * self.flow.interaction.reach(m)  # before they cancel
        terms = np.linalg.norm(terms @ np.abs(self.factor), axis=1)
        return force, np.linalg.norm(force, axis=1) / np.where(terms > 0.0, terms, 1.0), along

    def ascend(self, w: Array) -> Array:
        """Return points nearer to maxima of the loss, from rows w, for Newton's method."""
        for _ in range(_CLIMBS):
            force, residual, _ = self.forces(w)
            length = np.linalg.norm(force, axis=1)
            scale = np.where(length > 0.0, 0.5 * residual / np.where(length > 0.0, length, 1.0), 0)
            w = w - scale[:, None] * force
            w /= np.linalg.norm(w, axis=1, keepdims=True)
        return w

    def newton(self, w: Array) -> tuple[Array, Array]:
        """Return the best points of Newton's method from rows w, and their residuals."""
        w = w / np.linalg.norm(w, axis=1, keepdims=True)
        best, least = w.copy(), np.full(len(w), np.inf)
        rank, active = w.shape[1], np.arange(len(w))
        weights = self.a * self.flow.target_weights
        for _ in range(_STEPS):
            here = w[active]
            force, residual, along = self.forces(here)
            better = residual < least[active]
            best[active[better]], least[active[better]] = here[better], residual[better]
            # below a few units of rounding there is nothing to gain
            going = residual > 4e-16
            active, here = active[going], here[going]
            if active.size == 0:
                break
            force, along = force[going], along[going]
            curvature = weights * self.flow.interaction.derivative(here @ self.factor.T, order=2)
            curvature = np.where(np.isfinite(curvature), curvature, 0.0)
            matrix = along[:, None, None] * np.eye(rank)
            matrix = matrix - np.einsum("kr,nk,ks->nrs", self.factor, curvature, self.factor)
            normal = here[:, :, None] * here[:, None, :]
            project = np.eye(rank) - normal
            size = np.abs(matrix).sum(axis=(1, 2)) + 1e-300
            matrix = project @ matrix @ project + size[:, None, None] * normal
            matrix += 1e-15 * size[:, None, None] * np.eye(rank)
            step = np.linalg.solve(matrix, force[:, :, None])[:, :, 0]
            with np.errstate(over="ignore", invalid="ignore"):
                length = np.linalg.norm(step, axis=1, keepdims=True)
            lost = ~np.isfinite(length)  # a singular matrix says nothing: stay
            step, length = np.where(lost, 0.0, step), np.where(lost, 1.0, length)
            moved = here + step * np.minimum(1.0, 0.3 / np.maximum(length, 1e-300))
            w[active] = moved / np.linalg.norm(moved, axis=1, keepdims=True)
        return best, least

    def point(self, w: Array, residual: float, d: int | None) -> FixedPoint:
        """Return the fixed point at w."""
        return _describe(self.flow, self.factor @ w, self.a, residual, d)


def _describe(
    flow: CorrelationFlow, overlaps: Array, a: float, residual: float, d: int | None
) -> FixedPoint:
    loss = -a * float(flow.interaction(np.clip(overlaps, -1.0, 1.0)) @ flow.target_weights)
    return FixedPoint(_checks.frozen(overlaps), loss + 0.0, flow._hessian(overlaps, a, d), residual)


def classify(flow: CorrelationFlow, overlaps: ArrayLike, d: int | None = None) -> Any:
    """Return the fixed point near these overlaps, and of which kind it is.

    Polished by Newton's method on the sphere to a residual of 1e-14.

    Parameters
    ----------
    flow : CorrelationFlow
        Any flow.
    overlaps : array_like (k,) or (n, k)
        Points near fixed points; of n rows, row i belongs to neuron i.
    d : int, optional
        Input dimension; by default any above that of the span of the index vectors.

    Returns
    -------
    FixedPoint, or a tuple of n of them

    Raises
    ------
    ValueError
        If there is no fixed point nearby that Newton's method reaches; the message has the
        residual.

    References
    ----------
    docs/mathematics (11).

    Examples
    --------
    >>> import hermiteflow as hf
    >>> flow = hf.CorrelationFlow(hf.Orthonormal(k=3), hf.hermite(3))
    >>> point = hf.classify(flow, [0.7, 0.7, 0.0])
    >>> point.kind, point.morse_index, point.overlaps.round(6)
    ('saddle', 1, array([0.707107, 0.707107, 0.      ]))
    """
    if not isinstance(flow, CorrelationFlow):
        raise TypeError(f"flow must be a CorrelationFlow, got {_checks.describe(flow)}")
    k = flow.targets.k
    one = _checks.points(overlaps, "overlaps").ndim < 2
    rows = _checks.array(overlaps, "overlaps", (k,) if one else ("n", k)).reshape(-1, k)
    layer = flow.neurons(len(rows))
    out = tuple(
        _classify(flow, row, 1.0 if layer is None else float(layer[i]), d)
        for i, row in enumerate(rows)
    )
    return out[0] if one else out


def _classify(flow: CorrelationFlow, row: Array, a: float, d: int | None) -> FixedPoint:
    sphere = _Sphere(flow, a)
    _checks.of_unit_vectors(row, "overlaps")
    start = sphere.inverse @ row
    length = float(np.linalg.norm(start))
    if length > 1.0 + 1e-6 or np.max(np.abs(sphere.factor @ start - row)) > 1e-6:
        raise ValueError(
            "overlaps must be those of a unit vector, got a projection on span(V) of length "
            f"{length:.9g}"
        )
    weights = a * flow.target_weights
    pull = np.abs((weights * flow.interaction.derivative(row)) @ flow.targets.gram)
    terms = (np.abs(weights) * flow.interaction.reach(row)) @ np.abs(flow.targets.gram)
    if np.all(pull <= RESIDUAL * terms):  # m . g = 0: terms that cancel, or none
        return _describe(flow, row.copy(), a, 0.0, d)
    if length < 1e-3:
        raise ValueError(
            "overlaps must lie near a fixed point, got a point where psi' does not vanish and "
            f"whose projection on span(V) has length {length:.3g}"
        )
    ends, residuals = sphere.newton(start[None])
    residual = float(residuals[0])
    moved = float(np.linalg.norm(ends[0] - start))
    if residual > RESIDUAL or moved > _REACH:
        raise ValueError(
            "overlaps must lie near a fixed point, got a point from which Newton's method came to "
            f"a residual of {residual:.2e} (at most {RESIDUAL:g}) at a distance of {moved:.3g} "
            f"(at most {_REACH:g})"
        )
    return sphere.point(ends[0], residual, d)


def find_fixed_points(
    flow: CorrelationFlow, *, n_starts: int = 200, seed: int = 0, d: int | None = None
) -> FoundPoints:
    """Search fixed points in the span of any index vectors; the list may be incomplete.

    From random starts and from points between index vectors, follows the flow to minima, the
    gradient to maxima, and Newton's method to anything; then Newton's method from the opposites of
    what was found, and from half-way between. Use `fixed_points` where it applies: it leaves none
    out.

    Parameters
    ----------
    flow : CorrelationFlow
        Any flow with one second layer for all neurons.
    n_starts : int
        Random starts.
    seed : int
        Of the random starts.
    d : int, optional
        Input dimension, for the kinds; by default any above rank(G).

    Returns
    -------
    FoundPoints
        Its `surely_incomplete` is a test by Morse's theorem.

    Raises
    ------
    TypeError, ValueError
        If an argument is not as above.

    References
    ----------
    docs/mathematics (11), "Fixed points and their kind".

    Examples
    --------
    >>> import hermiteflow as hf
    >>> flow = hf.CorrelationFlow(hf.IndexVectors([[1.0, 0.0], [0.6, 0.8]]), hf.hermite(4))
    >>> found = hf.find_fixed_points(flow, n_starts=20)
    >>> len(found), found[0].kind
    (4, 'minimum')
    """
    if not isinstance(flow, CorrelationFlow):
        raise TypeError(f"flow must be a CorrelationFlow, got {_checks.describe(flow)}")
    n_starts = _checks.integer(n_starts, "n_starts")
    sphere = _Sphere(flow, coupling(flow))
    rng = np.random.default_rng(_checks.integer(seed, "seed", low=0))
    starts = np.concatenate(
        [rng.standard_normal((n_starts, sphere.factor.shape[1])), _landmarks(sphere.factor)]
    )
    starts /= np.linalg.norm(starts, axis=1, keepdims=True)
    ends = [starts, _flow_ends(flow, starts, sphere), sphere.ascend(starts)]
    points, residuals = sphere.newton(np.concatenate(ends))
    points, _ = _distinct(points, residuals)
    between = [a + b for i, a in enumerate(points[:60]) for b in points[:i] if a @ b > -0.99]
    if len(points):
        more, residuals = sphere.newton(np.array([*-points, *between]))  # -w if psi has a parity
        points, _ = _distinct(
            np.concatenate([points, more]), np.concatenate([np.zeros(len(points)), residuals])
        )
    listed, degenerate = [], 0
    for w, residual in zip(points, sphere.forces(points)[1], strict=True):
        point = sphere.point(w, float(residual), d)
        if point.kind == "degenerate":
            degenerate += 1
        elif residual <= RESIDUAL:
            listed.append(point)
    listed.sort(key=lambda point: point.loss)
    symmetric = flow.targets.structure != "general" and np.ptp(flow.target_weights) == 0.0
    rank = sphere.factor.shape[1]
    return FoundPoints(tuple(listed), len(starts), degenerate, rank, bool(symmetric))


def _landmarks(factor: Array) -> Array:
    """Points along v_j, v_i +- v_j and the average, both signs."""
    rows = [factor, -factor]
    first, second = np.triu_indices(min(len(factor), 20), 1)
    for sign in (1.0, -1.0):
        rows += [factor[first] + sign * factor[second], -factor[first] - sign * factor[second]]
    rows += [factor.sum(axis=0)[None], -factor.sum(axis=0)[None]]
    points = np.concatenate(rows)
    return np.asarray(points[np.linalg.norm(points, axis=1) > 1e-6])


def _flow_ends(flow: CorrelationFlow, starts: Array, sphere: _Sphere) -> Array:
    own = CorrelationFlow(
        flow.targets,
        flow.link,
        student=flow.student,
        second_layer=sphere.a,
        target_weights=flow.target_weights,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SolveWarning)  # a start that goes nowhere is no loss
        solution = solve(own, overlaps=starts @ sphere.factor.T, rtol=1e-6)
    done = solution.overlaps[solution.status == Status.converged]
    return np.asarray(done @ sphere.inverse.T)


def _distinct(points: Array, residuals: Array) -> tuple[Array, Array]:
    """Keep one of each fixed point among those that converged."""
    good = residuals <= RESIDUAL
    points, residuals = points[good], residuals[good]
    keep: list[int] = []
    for i, w in enumerate(points):
        if not keep or np.min(np.max(np.abs(points[keep] - w), axis=1)) > _SAME:
            keep.append(i)
    return points[keep], residuals[keep]
