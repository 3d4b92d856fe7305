"""What a user's `mypy --strict` sees of an installed hermiteflow; checked by CI, never run.

Each ignored error must be there: without types, all would be Any and the ignore unused, which is
an error of its own.
"""

from typing import assert_type

import numpy as np

import hermiteflow as hf

targets = hf.Orthonormal(k=20)
flow = hf.CorrelationFlow(targets, hf.hermite(3))
m0 = hf.random_overlaps(targets, n=200, d=10**9, seed=0)
sol = hf.solve(flow, overlaps=m0, events={"hit": hf.HittingTime(0.5)})

assert_type(targets, hf.Orthonormal)
assert_type(sol, hf.Solution)
assert_type(m0.dtype, np.dtype[np.float64])
assert_type(hf.link("relu"), hf.Link)
assert_type(flow.hessian(m0[0]), hf.Hessian)
assert_type(hf.fixed_points(flow), hf.FixedPoints)

hf.Orthonormal(k="20")  # type: ignore[arg-type]
hf.solve(flow, overlap=m0)  # type: ignore[call-overload]
hf.hermite(3, 4, 5)  # type: ignore[call-arg]
print(sol.t_finale)  # type: ignore[attr-defined]
hf.fixed_point(flow)  # type: ignore[attr-defined]
