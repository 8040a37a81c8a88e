"""Where terms are evaluated: random, quasi-random and Gauss points, and points that follow the residual."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import torch

from hermite_pinn.cuda.encoder.morton import morton_order
from hermite_pinn.errors import InvalidArgumentError
from hermite_pinn.geometry import Box, Face
from hermite_pinn.geometry.quadrature import gauss_axis
from hermite_pinn.problem.conditions import PointSet, Roughness, Term
from hermite_pinn.problem.problem import Problem
from hermite_pinn.residuals.evaluation import TermEvaluator, on_face, restriction
from hermite_pinn.run.distributed import Ranks

__all__ = ["RAD", "Batch", "Pool", "TermGroup", "term_groups"]


@dataclass(frozen=True)
class RAD:
    """Residual-based adaptive distribution of the interior points (Wu et al. 2023, arXiv 2207.10289).

    Points are drawn from a random pool with density proportional to ``|r|**k / mean(|r|**k) + c``, where ``r`` is the
    root of the sum of squares of all interior residuals, each divided by the size of its source.

    Parameters
    ----------
    k
        Exponent: larger values follow the residual more closely; 0 gives uniform points.
    c
        Uniform part, relative to the mean of the other.
    every
        Steps of a first-order method between two new pools; ``lbfgs`` takes new points in every round instead.
    pool
        Points of the pool; ``None`` takes ten times as many as are drawn.

    Raises
    ------
    InvalidArgumentError
        For negative or infinite numbers.

    References
    ----------
    C. Wu, M. Zhu, Q. Tan, Y. Kartha, L. Lu, "A comprehensive study of non-adaptive and residual-based adaptive sampling
    for physics-informed neural networks", Computer Methods in Applied Mechanics and Engineering 403 (2023).

    Examples
    --------
    >>> import torch
    >>> RAD(k=1, c=1).probabilities(torch.tensor([0.0, 1.0, 2.0])).tolist()
    [0.16666666666666666, 0.3333333333333333, 0.5]
    """

    k: float = 1.0
    c: float = 1.0
    every: int = 100
    pool: int | None = None

    def __post_init__(self) -> None:
        if not (self.k >= 0 and self.c >= 0 and math.isfinite(self.k) and math.isfinite(self.c)):
            raise InvalidArgumentError(f"k and c must be finite and not negative, got k={self.k}, c={self.c}")
        if self.every < 1 or (self.pool is not None and self.pool < 1):
            raise InvalidArgumentError(f"every and pool must be at least 1, got every={self.every}, pool={self.pool}")

    def pool_size(self, count: int) -> int:
        """Points of the pool from which ``count`` are drawn."""
        return 10 * count if self.pool is None else self.pool

    def probabilities(self, residual: torch.Tensor) -> torch.Tensor:
        """Probability of each point of a pool.

        Parameters
        ----------
        residual
            (n,), of any sign.

        Returns
        -------
        torch.Tensor
            (n,), float64, with sum one; uniform where every residual is zero or one is not finite.
        """
        size = residual.detach().double().abs()
        top = size.max()
        powers = (size / top) ** self.k
        density = powers / powers.mean() + self.c
        usable = torch.isfinite(top) & (top > 0)
        return torch.where(usable, density / density.sum(), 1.0 / size.numel())


@dataclass(frozen=True)
class Pool:
    """Random points (dim, n) with the cumulative sum (n,) of their probabilities."""

    x: torch.Tensor
    cumulative: torch.Tensor

    @classmethod
    def weighted(cls, x: torch.Tensor, probabilities: torch.Tensor) -> Pool:
        """A pool with given probabilities."""
        return cls(x, probabilities.cumsum(0))

    def draw(self, count: int, generator: torch.Generator) -> torch.Tensor:
        """Independent draws (dim, count)."""
        u = torch.rand(count, generator=generator, dtype=torch.float64, device=generator.device)
        chosen = torch.searchsorted(self.cumulative, u * self.cumulative[-1], right=True)
        return self.x[:, chosen.clamp_(max=self.x.shape[1] - 1)].contiguous()


@dataclass(frozen=True)
class Batch:
    """Points of one region.

    Attributes
    ----------
    x
        (dim, n).
    columns
        Measured values at the points by name, each (n,).
    weights
        (n,) with sum one, or None for equal weights.
    """

    x: torch.Tensor
    columns: dict[str, torch.Tensor] = field(default_factory=dict)
    weights: torch.Tensor | None = None

    def mean_square(self, residual: torch.Tensor) -> torch.Tensor:
        """Weighted mean of the squares of a residual (n,) at the points."""
        return residual.square().mean() if self.weights is None else self.weights @ residual.square()

    def share(self, ranks: Ranks) -> Batch:
        """The part of one process; the weights of all parts together have sum one."""
        count = self.x.shape[1]
        if ranks.size == 1:
            return self
        weights = self.x.new_full((count,), 1.0 / count) if self.weights is None else self.weights
        if not ranks.divides(count):
            return Batch(self.x, self.columns, weights / ranks.size)
        part = ranks.part(count)
        columns = {k: v[part] for k, v in self.columns.items()}
        return Batch(self.x[:, part].contiguous(), columns, weights[part])

    def sorted(self, domain: Box) -> Batch:
        """The same points along a space-filling curve, so that the encoder's reads and sums are near each other."""
        order = morton_order(self.x, domain.lower, domain.upper)
        columns = {k: v[order] for k, v in self.columns.items()}
        return Batch(self.x[:, order].contiguous(), columns, None if self.weights is None else self.weights[order])

    def pieces(self, size: int) -> Iterator[Batch]:
        """The batch in parts of at most ``size`` points with weights whose total is one."""
        count = self.x.shape[1]
        weights = self.x.new_full((count,), 1.0 / count) if self.weights is None else self.weights
        for start in range(0, count, size):
            part = slice(start, start + size)
            columns = {k: v[part] for k, v in self.columns.items()}
            yield Batch(self.x[:, part].contiguous(), columns, weights[part])


class TermGroup:
    """Terms that share their points, because they belong to the same region.

    Parameters
    ----------
    terms
        The terms, at least one; of several faces those of the first.
    problem
        What they belong to.
    device, dtype
        Of the points.
    extra
        Further columns (n,) of measured points.
    faces
        Several faces on which the same terms hold, for random points only; empty for the region of the terms.
    """

    def __init__(
        self,
        terms: Sequence[Term],
        problem: Problem,
        device: torch.device,
        dtype: torch.dtype,
        extra: Mapping[str, np.ndarray] | None = None,
        faces: Sequence[Face] = (),
    ) -> None:
        self.terms, self.problem, self.faces = list(terms), problem, tuple(faces)
        self.evaluator = TermEvaluator(terms, problem)
        self.region = terms[0].region
        self.device, self.dtype = device, dtype
        self.measured: Batch | None = None
        if isinstance(self.region, PointSet):
            columns = {k: torch.as_tensor(v).to(device, dtype) for k, v in self.region.columns.items()}
            columns |= {k: torch.as_tensor(v).to(device, dtype) for k, v in (extra or {}).items()}
            place = torch.as_tensor(self.region.points.T.copy()).to(device, dtype)
            self.measured = Batch(place, columns).sorted(problem.domain)

    @property
    def interior(self) -> bool:
        """Whether the terms hold in the whole domain."""
        return self.region is None

    @property
    def whole(self) -> bool:
        """Whether the terms are taken in the whole domain: equations and penalties."""
        return self.region is None or isinstance(self.region, Roughness)

    @property
    def face(self) -> Face | None:
        """The face on which the terms hold, if they do."""
        return self.region if isinstance(self.region, Face) else None

    @property
    def regions(self) -> int:
        """How many regions there are: of several faces their number, otherwise one."""
        return max(1, len(self.faces))

    def random(self, count: int, generator: torch.Generator) -> Batch:
        """Uniform random points, as many on each of several faces; the measured points of a data term.

        Where a condition is restricted to a part of its face, the points outside are replaced by others inside and
        have no weight, so that the shapes do not depend on the data and nothing waits for the device.  A draw without
        any point inside has no weight at all.
        """
        if self.measured is not None:
            return self.measured
        if self.faces:
            x = self.problem.domain.sample(len(self.faces) * count, generator, self.dtype)
            for k, face in enumerate(self.faces):
                x[face.axis, k * count : (k + 1) * count].fill_(face.position)
            return Batch(x)
        x = self.problem.domain.sample(count, generator, self.dtype, self.face)
        if self.terms[0].where is None:
            return Batch(x)
        kept = restriction(self.terms[0], self.problem, x)
        inside = kept.sum().clamp(min=1)
        place = torch.arange(count, device=x.device)
        order = torch.argsort(kept.to(torch.uint8), descending=True, stable=True)[place % inside]
        weights = ((place < inside) & kept.any()).to(self.dtype) / inside
        return Batch(x.index_select(1, order), weights=weights)

    def quasi_random(self, count: int, seed: int) -> Batch:
        """Scrambled Sobol points; the measured points of a data term."""
        if self.measured is not None:
            return self.measured
        domain = self.problem.domain
        engine = torch.quasirandom.SobolEngine(domain.dim, scramble=True, seed=seed)  # type: ignore[no-untyped-call]
        unit = engine.draw(count, dtype=torch.float64).T
        lower, lengths = torch.tensor(domain.lower)[:, None], torch.tensor(domain.lengths)[:, None]
        x = (lower.double() + lengths.double() * unit).contiguous()
        if self.face is not None:
            x[self.face.axis] = self.face.position
        return self._kept(Batch(x.to(self.device, self.dtype)))

    def gauss(self, cells: Sequence[int], order: int) -> Batch:
        """Gauss points with their weights, ``order`` per axis in each of ``cells``; measured points of a data term."""
        if self.measured is not None:
            return self.measured
        domain = self.problem.domain
        axes, weights = [], []
        for i, n in enumerate(cells):
            if self.face is not None and self.face.axis == i:
                axes.append(np.array([self.face.position]))
                weights.append(np.ones(1))
            else:
                found = gauss_axis(domain.lower[i], domain.upper[i], n, order)
                axes.append(found[0])
                weights.append(found[1])
        x = torch.stack([torch.as_tensor(g.ravel()) for g in np.meshgrid(*axes, indexing="ij")])
        total = weights[0]
        for w in weights[1:]:
            total = np.multiply.outer(total, w)
        flat = torch.as_tensor(total.ravel())
        place = (self.device, self.dtype)
        return self._kept(Batch(x.to(*place), {}, (flat / flat.sum()).to(*place)))

    def _kept(self, batch: Batch) -> Batch:
        if self.terms[0].where is None:
            return batch
        kept = on_face(self.terms[0], self.problem, batch.x)
        weights = None if batch.weights is None else batch.weights[kept] / batch.weights[kept].sum()
        return replace(batch, x=batch.x[:, kept].contiguous(), weights=weights)


def term_groups(
    problem: Problem,
    device: torch.device,
    dtype: torch.dtype,
    extra: Mapping[int, Mapping[str, np.ndarray]] | None = None,
    together: bool = False,
) -> list[TermGroup]:
    """The terms of a problem by region, in the problem's order; all penalties together.

    ``extra`` has further columns of measured points by the ``id`` of their region.  ``together`` makes one group of
    whole faces with the same terms: a step then has one loss for them, not one per face.
    """
    groups: dict[tuple[object, int], list[Term]] = {}
    for t in problem.terms:
        region: object = t.region if t.region is None or isinstance(t.region, Face) else id(t.region)
        if isinstance(t.region, Roughness):
            region = Roughness
        groups.setdefault((region, id(t.where)), []).append(t)
    found: dict[object, list[Term]] = {}
    faces: dict[object, list[Face]] = {}
    for key, terms in groups.items():
        if together and isinstance(terms[0].region, Face) and terms[0].where is None:
            same: object = tuple((t.name, id(t.residual), t.weight) for t in terms)
            faces.setdefault(same, []).append(terms[0].region)
        else:
            same = key
        found.setdefault(same, terms)
    made = []
    for same, terms in found.items():
        several = faces.get(same, [])
        columns = (extra or {}).get(id(terms[0].region))
        made.append(TermGroup(terms, problem, device, dtype, columns, several if len(several) > 1 else ()))
    return made
