"""Where terms are evaluated: random, quasi-random and Gauss points, and points that follow the residual."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

import numpy as np
import torch

from hermite_pinn.calls import with_options_named
from hermite_pinn.checks import Check, check_options, either, integer, number
from hermite_pinn.cuda.encoder.morton import morton_order
from hermite_pinn.geometry import Domain, Region, Samples
from hermite_pinn.problem.problem import Problem
from hermite_pinn.problem.terms import Term
from hermite_pinn.residuals.evaluation import TermEvaluator, restricted, restriction
from hermite_pinn.run.distributed import Ranks

__all__ = ["RAD", "Batch", "Pool", "TermGroup", "term_groups"]


@with_options_named
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
        not_negative, at_least_one = partial(number, least=0), partial(integer, least=1)
        checks: dict[str, Check] = {
            "k": not_negative,
            "c": not_negative,
            "every": at_least_one,
            "pool": either(at_least_one, None),
        }
        check_options(self, checks)

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
    normals
        Outward normals (dim, n) where terms depend on them and they are not the same at all points.
    """

    x: torch.Tensor
    columns: dict[str, torch.Tensor] = field(default_factory=dict)
    weights: torch.Tensor | None = None
    normals: torch.Tensor | None = None

    def _chosen(self, points: torch.Tensor | slice, weights: torch.Tensor | None) -> Batch:
        """Some of the points, with other weights."""
        columns = {k: v[points] for k, v in self.columns.items()}
        normals = None if self.normals is None else self.normals[:, points].contiguous()
        return Batch(self.x[:, points].contiguous(), columns, weights, normals)

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
            return replace(self, weights=weights / ranks.size)
        part = ranks.part(count)
        return self._chosen(part, weights[part])

    def sorted(self, domain: Domain) -> Batch:
        """The same points along a space-filling curve, so that the encoder's reads and sums are near each other."""
        order = morton_order(self.x, domain.lower, domain.upper)
        return self._chosen(order, None if self.weights is None else self.weights[order])

    def pieces(self, size: int) -> Iterator[Batch]:
        """The batch in parts of at most ``size`` points with weights whose total is one."""
        count = self.x.shape[1]
        weights = self.x.new_full((count,), 1.0 / count) if self.weights is None else self.weights
        for start in range(0, count, size):
            part = slice(start, start + size)
            yield self._chosen(part, weights[part])


class TermGroup:
    """Terms that share their points, because they belong to the same region.

    Parameters
    ----------
    terms
        The terms, at least one; of several regions those of the first.
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
        faces: Sequence[Region] = (),
    ) -> None:
        self.terms, self.problem = list(terms), problem
        self.evaluator = TermEvaluator(terms, problem)
        self.region = problem.domain.together(faces) if faces else terms[0].region
        self.regions = max(1, len(faces))  # how many regions there are
        self.device, self.dtype = device, dtype
        self.measured: Batch | None = None
        if self.region.measured is not None:
            measured = self.region.measured.to(device, dtype)
            columns = measured.columns | {k: torch.as_tensor(v).to(device, dtype) for k, v in (extra or {}).items()}
            self.measured = Batch(measured.x, columns).sorted(problem.domain)

    @property
    def interior(self) -> bool:
        """Whether the terms are the equations."""
        return self.region.is_interior

    @property
    def whole(self) -> bool:
        """Whether the terms are taken in the whole domain: equations and penalties."""
        return self.region.everywhere

    def random(self, count: int, generator: torch.Generator) -> Batch:
        """Uniform random points, as many on each of several faces; the measured points of a data term.

        Where a condition is restricted to a part of its face, the points outside are replaced by others inside and
        have no weight, so that the shapes do not depend on the data and nothing waits for the device.  A draw without
        any point inside has no weight at all.
        """
        if self.measured is not None:
            return self.measured
        samples = self.region.random(count, generator, self.dtype)
        if self.terms[0].where is None:
            return self._batch(samples)
        kept = restriction(self.terms[0], self.problem, samples)
        inside = kept.sum().clamp(min=1)
        place = torch.arange(count, device=kept.device)
        order = torch.argsort(kept.to(torch.uint8), descending=True, stable=True)[place % inside]
        weights = ((place < inside) & kept.any()).to(self.dtype) / inside
        return self._batch(samples)._chosen(order, weights)

    def quasi_random(self, count: int, seed: int) -> Batch:
        """Points of a low-discrepancy sequence; the measured points of a data term."""
        if self.measured is not None:
            return self.measured
        samples = self.region.quasi_random(count, seed).to(self.device, self.dtype)
        return self._batch(restricted(self.terms[0], self.problem, samples))

    def gauss(self, cells: Sequence[int], order: int) -> Batch:
        """Gauss points with their weights, ``order`` per axis in each of ``cells``; measured points of a data term."""
        if self.measured is not None:
            return self.measured
        samples = self.region.gauss(cells, order)
        share = samples.weights / samples.weights.sum()
        kept = restricted(
            self.terms[0], self.problem, Samples(samples.x, share, samples.normals).to(self.device, self.dtype)
        )
        weights = kept.weights if self.terms[0].where is None else kept.weights / kept.weights.sum()
        return self._batch(kept, weights)

    def _batch(self, samples: Samples, weights: torch.Tensor | None = None) -> Batch:
        normals = samples.normals if self.evaluator.turning else None
        return Batch(samples.x, {}, weights, normals if isinstance(normals, torch.Tensor) else None)


def term_groups(
    problem: Problem,
    device: torch.device,
    dtype: torch.dtype,
    extra: Mapping[int, Mapping[str, np.ndarray]] | None = None,
    together: bool = False,
    without: Sequence[Term] = (),
) -> list[TermGroup]:
    """The terms of a problem by region, in the problem's order; all penalties together.

    ``extra`` has further columns of measured points by the ``id`` of their region.  ``together`` makes one group of
    whole faces with the same residuals: a step then has one loss for them, not one per face.  Terms ``without`` which
    it goes are left out.
    """
    groups: dict[tuple[Hashable, int], list[Term]] = {}
    for t in problem.terms:
        if any(t is left for left in without):
            continue
        groups.setdefault((t.region.support, id(t.where)), []).append(t)
    members: dict[object, list[Term]] = {}
    faces: dict[object, list[Region]] = {}
    for key, terms in groups.items():
        same: object = key
        if together and terms[0].region.on_boundary and terms[0].where is None:
            same = tuple((t.name, id(t.residual), t.weight) for t in terms)
            faces.setdefault(same, []).append(terms[0].region)
        members.setdefault(same, terms)
    made = []
    for same, terms in members.items():
        several = faces.get(same, [])
        columns = (extra or {}).get(id(terms[0].region))
        made.append(TermGroup(terms, problem, device, dtype, columns, several if len(several) > 1 else ()))
    return made
