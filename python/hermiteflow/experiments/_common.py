"""What every experiment shares: target descriptions, seeds, attributes of a Dataset."""

from __future__ import annotations

import dataclasses
import functools
import json
import math
import platform
import typing
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import numpy as np
from numpy.typing import NDArray

import hermiteflow as hf
from hermiteflow import _checks
from hermiteflow._engine import check_series
from hermiteflow.starts import MAX_DIMENSION, stream

if TYPE_CHECKING:
    from collections.abc import Sequence

    import xarray as xr

    from hermiteflow.links import Link
    from hermiteflow.targets import Targets

__all__ = ["TIME_UNIT", "Progress", "Seed", "TargetSpec", "stream"]

Seed = int | np.random.SeedSequence | None
Progress = Callable[[str], object]

#: Time unit of every Dataset.
TIME_UNIT = "time of the gradient flow of the correlation loss (2), a_i = b_j = 1"

#: Overlaps held at once (numbers, 8 bytes each): fixed, so that it never changes a result.
CHUNK = 4_000_000

_Config = TypeVar("_Config")


@dataclass(frozen=True, kw_only=True)
class TargetSpec:
    """Which index vectors an experiment uses, before their number k is known.

    Parameters
    ----------
    kind : {"orthonormal", "equiangular", "random"}
        Structure of the Gram matrix.
    beta : float
        Inner product of any two index vectors; "equiangular" only.
    dimension : int, optional
        Dimension in which independent uniform unit vectors are drawn; "random" only.

    Examples
    --------
    >>> TargetSpec(kind="equiangular", beta=0.25).label
    'equiangular beta=0.25'
    """

    kind: Literal["orthonormal", "equiangular", "random"] = "orthonormal"
    beta: float = 0.0
    dimension: int | None = None

    def __post_init__(self) -> None:
        kinds = ("orthonormal", "equiangular", "random")
        if not isinstance(self.kind, str):
            raise ValueError(f"kind must be one of {kinds}, got {_checks.describe(self.kind)}")
        _checks.choice(self.kind, "kind", kinds)
        object.__setattr__(self, "beta", _checks.real(self.beta, "beta"))
        if self.dimension is not None:
            object.__setattr__(self, "dimension", _checks.integer(self.dimension, "dimension"))
        if self.kind != "equiangular" and self.beta != 0.0:
            raise ValueError(f"beta goes with kind 'equiangular' only, got kind {self.kind!r}")
        if (self.kind == "random") != (self.dimension is not None):
            raise ValueError(
                f"dimension goes with kind 'random' and with no other, got kind {self.kind!r} "
                f"and dimension {self.dimension!r}"
            )

    @property
    def label(self) -> str:
        """Short description, used as a coordinate."""
        if self.kind == "equiangular":
            return f"equiangular beta={self.beta:.4g}"
        if self.kind == "random":
            return f"random in R^{self.dimension}"
        return self.kind

    def build(self, k: int, seed: np.random.SeedSequence) -> Targets:
        """Index vectors, k of them; the seed matters for "random" only."""
        if self.kind == "equiangular":
            return hf.Equiangular(k=k, beta=self.beta)
        if self.kind == "random":
            assert self.dimension is not None
            return hf.random_index_vectors(k=k, d=self.dimension, seed=seed)
        return hf.Orthonormal(k=k)

    def rank(self, k: int) -> int:
        """Return the dimension of the span of k index vectors."""
        if self.dimension is not None:
            return min(k, self.dimension)
        return self.build(k, np.random.SeedSequence(0)).rank


def make_config(cls: type[_Config], fields: Mapping[str, Any]) -> _Config:
    """Build a frozen config from keywords; an unknown one is named, with the closest known."""
    known = [f.name for f in dataclasses.fields(cls)]  # type: ignore[arg-type]
    for name in fields:
        if name not in known:
            guess = _checks.guess(name, known)
            raise TypeError(f"{cls.__name__} has the fields {known}, got {name!r}{guess}")
    return cls(**fields)


def check_fields(config: Any) -> None:
    """Coerce the fields of a frozen config to the types of their annotations, or say what is wrong.

    A bare value does for a tuple. Links and arrangements must have labels that differ, as they are
    the coordinates of a Dataset. Links must be such that `hf.solve` takes them at this `rtol`.
    """
    names = {"Link": hf.Link, "TargetSpec": TargetSpec}
    hints = typing.get_type_hints(type(config), localns=names)
    for f in dataclasses.fields(config):
        value, wanted, low = getattr(config, f.name), hints[f.name], least(config, f.name)
        if typing.get_origin(wanted) is tuple:
            inner = typing.get_args(wanted)[0]
            value = tuple(_coerce(item, f.name, inner, low) for item in as_tuple(value))
            require(len(value) > 0 or f.default == (), f.name, "not be empty", ())
            if inner in (hf.Link, TargetSpec):
                _differ(value, f.name)
        else:
            value = _coerce(value, f.name, wanted, low)
        object.__setattr__(config, f.name, value)
    rtol = _checks.tolerance(config.rtol)
    for link in config.links:
        signs = any(part.named and part.name == "sign" for part, _ in link.parts)
        require(not signs, "links", "have a derivative, which sign lacks", link_label(link))
        try:
            check_series(hf.CorrelationFlow(hf.Orthonormal(k=1), link), rtol)
        except ValueError as error:
            raise ValueError(f"links: {link_label(link)!r}: {error}") from None
    confidence = config.confidence
    require(0.0 < confidence < 1.0, "confidence", "lie in (0, 1)", confidence)


def least(config: Any, name: str) -> int | None:
    """Return the least value of an integer field, from the `LEAST` of a config or its class."""
    bounds: Mapping[str, int] = getattr(config, "LEAST", {})
    return bounds.get(name)


def _coerce(value: object, name: str, wanted: type, low: int | None) -> Any:
    if wanted is float:
        return _checks.real(value, name)
    if wanted is int:
        return _checks.integer(value, name, low=low, high=_checks.LARGEST)
    if isinstance(value, np.ndarray) and value.ndim == 0:
        value = value.item()
    if not isinstance(value, wanted):
        what = {hf.Link: "a Link", TargetSpec: "a TargetSpec", str: "text"}[wanted]
        example = {hf.Link: ' such as hf.link("relu")', TargetSpec: f" such as {TargetSpec()}"}
        raise TypeError(
            f"{name} must be {what}{example.get(wanted, '')}, got {_checks.describe(value)}"
        )
    return value


def _differ(values: Sequence[Any], name: str) -> None:
    seen: dict[str, Any] = {}
    for value in values:
        label = value.label if isinstance(value, TargetSpec) else link_label(value)
        if label in seen:
            pair = f"{json.dumps(describe(seen[label]))} and {json.dumps(describe(value))}"
            raise ValueError(f"{name} must have labels that differ, got {label!r} of {pair}")
        seen[label] = value


def require(condition: bool, name: str, expectation: str, got: object) -> None:
    """Raise ValueError in the house's words unless `condition` holds."""
    if not condition:
        raise ValueError(f"{name} must {expectation}, got {got!r}")


def check_dimensions(d: float | tuple[float, ...], ranks: Iterable[int]) -> None:
    """Raise ValueError unless d are dimensions that hold index vectors of all these ranks."""
    low = max(ranks)
    inside = all(value.is_integer() and low <= value <= MAX_DIMENSION for value in as_tuple(d))
    each = "be whole numbers" if isinstance(d, tuple) else "be a whole number"
    require(inside, "d", f"{each} from rank(G) = {low} to 1e18", d)


def seed_sequence(seed: Seed) -> np.random.SeedSequence:
    """SeedSequence of an int, of another sequence or, for None, of fresh entropy."""
    if isinstance(seed, np.random.SeedSequence):
        return seed
    whole = isinstance(seed, int | np.integer) and not isinstance(seed, bool | np.timedelta64)
    if seed is not None and not whole:
        raise TypeError(f"seed must be an int, a SeedSequence or None, got {type(seed).__name__}")
    if seed is not None and seed < 0:
        raise ValueError(f"seed must be an int of at least 0, got {seed}")
    return np.random.SeedSequence(None if seed is None else int(seed))


def link_label(link: Link) -> str:
    """Name a link, by its Hermite series if it is a polynomial, for coordinates and legends.

    >>> link_label(hf.hermite({3: 1.0, 5: 0.5})), link_label(hf.link("relu").without(1))
    ('h3 + 0.5 h5', 'relu without 1')
    """
    if link.parts:
        return link.name
    coefficients = link.significant()
    terms = []
    for degree in np.flatnonzero(np.abs(coefficients) > 1e-12 * link.norm):
        value = float(coefficients[degree])
        terms.append(f"h{degree}" if value == 1.0 else f"{value:.4g} h{degree}")
    return " + ".join(terms).replace("+ -", "- ") or "0"


def is_even(link: Link) -> bool:
    """Whether psi is even: no odd degree in the series."""
    return bool(np.all(np.abs(link.significant()[1::2]) <= 1e-12 * link.norm))


def neurons_of(ratio: float, k: int) -> int:
    """Return n = ratio k, rounded up; what rounding adds to an integer (2.2 * 25) is no neuron."""
    return math.ceil(ratio * k * (1.0 - 1e-12))


def time_scale(link: Link, d: float) -> float:
    """Return the scale of the search time, ``d^(p*/2 - 1)``, at least 1."""
    power: float = max(0.0, link.information_exponent / 2.0 - 1.0)
    return math.pow(d, power)


def describe(value: object) -> object:
    """Turn a config value into what JSON can hold."""
    if isinstance(value, TargetSpec):
        return {f.name: getattr(value, f.name) for f in dataclasses.fields(value)}
    if isinstance(value, tuple | list):
        return [describe(item) for item in value]
    if isinstance(value, np.generic):
        return value.item()
    if value is None or isinstance(value, bool | int | float | str):
        return value
    return _describe_link(value) if isinstance(value, hf.Link) else repr(value)


def _describe_link(link: Link) -> dict[str, Any]:
    """Label, Hermite coefficients by degree to the last bit, and what is added to them.

    A function that is known by name is told by it; any other one by its series.
    """
    out: dict[str, Any] = {
        "label": link_label(link),
        "hermite": {str(p): c for p, c in enumerate(link.polynomial) if c != 0.0},
    }
    if link.parts:
        out["functions"] = [
            {"name": part.name, "factor": factor}
            | ({} if part.named else {"series": [float(c) for c in part.series]})
            for part, factor in link.parts
        ]
    return out


def attributes(name: str, config: object, root: np.random.SeedSequence) -> dict[str, Any]:
    """Attributes of an experiment's Dataset: config, seed and versions, as netCDF takes them."""
    fields = {f.name: describe(getattr(config, f.name)) for f in dataclasses.fields(config)}  # type: ignore[arg-type]
    seed = {"entropy": str(root.entropy), "spawn_key": [int(key) for key in root.spawn_key]}
    return {
        "experiment": name,
        "config": json.dumps(fields),
        "seed": json.dumps(seed),
        "versions": json.dumps(versions()),
        "time_unit": TIME_UNIT,
    }


def versions() -> dict[str, str]:
    """Versions behind a result, and how the core was built.

    >>> sorted(versions())[:2]
    ['build', 'hermiteflow']
    """
    return {
        "hermiteflow": str(hf.__version__),
        "build": json.dumps({k: str(v) for k, v in dict(hf.build_info()).items()}),
        "numpy": np.__version__,
        "python": platform.python_version(),
    }


def silent(_: str) -> None:
    """Report no progress."""


@dataclass(frozen=True, kw_only=True)
class Run:
    """How an experiment is run; what `hf.sweep` takes.

    Parameters
    ----------
    root : SeedSequence
        Root of every random stream.
    n_threads : int or None
        Threads of a point; by default all for "serial", one for other executors.
    progress : callable
        Called with a label after each point.
    executor : {"serial", "threads", "processes"}, Client or str
        Who computes the points.
    store : str or path, optional
        A folder for finished points, from which an interrupted experiment goes on.
    """

    root: np.random.SeedSequence
    n_threads: int | None
    progress: Progress
    executor: Any
    store: Any

    @classmethod
    def of(
        cls, seed: Seed, n_threads: int | None, progress: Progress, executor: Any, store: Any
    ) -> Run:
        """Return the run of these keywords of an experiment."""
        if store is not None and seed is None:
            raise ValueError("seed must be given with a store: it goes on from there")
        root = seed_sequence(seed)
        if n_threads is not None:
            n_threads = _checks.threads(n_threads)
        if not callable(progress):
            raise TypeError(f"progress must be a callable, got {_checks.describe(progress)}")
        return cls(
            root=root, n_threads=n_threads, progress=progress, executor=executor, store=store
        )

    def points(
        self,
        function: Callable[..., dict[str, Any]],
        config: object,
        grid: Mapping[str, Any],
        label: str,
        dims: Mapping[str, Sequence[str]],
        **more: Any,
    ) -> xr.Dataset:
        """Return what ``function(config=config, shared=number, **more, **point, seed=...)`` gives.

        `shared` is a seed that all points have in common.
        """
        shared = int(stream(self.root, 0).generate_state(1, np.uint64)[0])
        done = 0

        def report(now: int, _: int) -> None:
            nonlocal done
            for _ in range(now - done):
                self.progress(label)
            done = now

        threads = self.n_threads
        if threads is None:
            alone = isinstance(self.executor, str) and self.executor == "serial"
            threads = (_checks.threads(None) or hf.build_info()["max_threads"]) if alone else 1
        return hf.sweep(
            functools.partial(function, config=config, shared=shared, **more),
            grid,
            executor=self.executor,
            seed=self.root,
            store=self.store,
            dims=dims,
            threads_per_worker=threads,
            progress=report,
        )


def as_tuple(values: Any) -> tuple[Any, ...]:
    """Tuple of a sequence, or of one bare value."""
    if isinstance(values, str | Mapping) or not hasattr(values, "__len__"):
        return (values,)
    if isinstance(values, np.ndarray) and values.ndim == 0:
        return (values.item(),)
    return tuple(values)


def failed(status: NDArray[np.integer[Any]]) -> NDArray[np.bool_]:
    """Neurons whose integration went wrong, as told from those that lawfully never escape."""
    lawful = (hf.Status.converged, hf.Status.t_end, hf.Status.event, hf.Status.no_escape)
    return ~np.isin(status, [int(code) for code in lawful])
