"""Rows of residuals at points, linearised in the coefficients of sums and products over the axes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from hermite_pinn.field.axis_functions import AxisFunctions
from hermite_pinn.field.products import Products
from hermite_pinn.geometry import Samples
from hermite_pinn.problem.problem import Problem
from hermite_pinn.residuals.compiled import CompiledTerm, Jet, compile_term
from hermite_pinn.residuals.evaluation import restricted

__all__ = ["Counts", "SeparableRows", "spread"]

Derivatives = dict[tuple[str, int, int], np.ndarray]


@dataclass(frozen=True)
class Counts:
    """How many points the interior has, and each face."""

    inside: int
    face: int


class _Part:
    """The points of one term, with what the functions of an axis are there."""

    def __init__(self, problem: Problem, term: CompiledTerm, samples: Samples, along: Sequence[AxisFunctions]) -> None:
        self.problem, self.term, self.samples = problem, term, samples
        self.points = samples.x.numpy()
        self.env = samples.leaves(problem.domain.names)
        self.orders = sorted({orders for _, orders in term.jets})
        wanted = {(i, o[i]) for o in self.orders for i in range(len(o))}
        self.matrices = {(i, k): along[i].matrix(self.points[i], k) for i, k in sorted(wanted)}

    def jets(self, encoder: Products) -> tuple[dict[Jet, np.ndarray], Derivatives, Derivatives]:
        """Derivatives of the fields, and of the functions of every axis: of products (rank, n), and of sums (n,)."""
        products, sums = encoder.products.numpy(), encoder.sums.numpy()
        names = self.problem.fields
        factors: Derivatives = {}
        added: Derivatives = {}
        for (i, k), matrix in self.matrices.items():
            for f, name in enumerate(names):
                factors[name, i, k] = products[f, :, i, : matrix.shape[1]] @ matrix.T
                added[name, i, k] = matrix @ sums[f, i, : matrix.shape[1]]
        jets = {}
        for name, orders in self.term.jets:
            total = math.prod((factors[name, i, k] for i, k in enumerate(orders)), start=np.ones(1)).sum(0)
            moving = [i for i, k in enumerate(orders) if k]
            for i in moving if len(moving) == 1 else () if moving else range(len(orders)):
                total = total + added[name, i, orders[i]]
            jets[name, orders] = total
        return jets, factors, added

    def linearised(self, jets: dict[Jet, np.ndarray]) -> tuple[np.ndarray, dict[Jet, np.ndarray | float]]:
        """Residual (n,), and its derivatives by the jets."""
        count = self.points.shape[1]
        tensors = {j: torch.as_tensor(v) for j, v in jets.items()}
        rest, variable, _ = self.term.evaluate(self.env, tensors)
        own = np.broadcast_to(np.asarray(rest, dtype=float), (count,))
        slopes: dict[Jet, np.ndarray | float] = dict(self.term.constant)
        slopes |= {j: np.broadcast_to(np.asarray(v, dtype=float), (count,)) for j, v in variable.items()}
        return own, slopes


def spread(problem: Problem, samples: Samples) -> Samples:
    """The points, every second one moved towards faces and corners, where polynomials bend most.

    Least squares at points of equal density alone let products of polynomials grow there unseen.
    """
    x = samples.x.clone()
    for row, a, length in zip(x, problem.domain.lower, problem.domain.lengths, strict=True):
        moved = a + length * 0.5 * (1.0 - torch.cos(math.pi * (row[::2] - a) / length))
        row[::2] = torch.where((row[::2] > a) & (row[::2] < a + length), moved, row[::2])
    return Samples(x, samples.weights, samples.normals)


class SeparableRows:
    """Residuals of all terms of a problem at quasi-random points, each relative to the size of what it does.

    An equation that takes derivatives with coefficients c along lengths L is divided by the sum of ``|c| / L^k``: its
    rows then bound the error of the fields where it is as stable as Laplace's.

    Parameters
    ----------
    problem
        On a box.
    along
        Functions of every axis.
    counts
        Of points.
    seed
        Of the points.
    """

    def __init__(self, problem: Problem, along: Sequence[AxisFunctions], counts: Counts, seed: int) -> None:
        self.problem, self.along = problem, list(along)
        self.parts = []
        for number, term in enumerate(problem.terms):
            count = counts.inside if term.region.is_interior else counts.face
            samples = restricted(term, problem, spread(problem, term.region.quasi_random(count, seed + 101 * number)))
            self.parts.append(_Part(problem, compile_term(problem, term), samples, along))
        self.lengths = np.array([a.upper - a.lower for a in along])

    def residuals(self, encoder: Products) -> list[np.ndarray]:
        """By term, relative to what it does, (n,)."""
        found = []
        for part in self.parts:
            jets, _, _ = part.jets(encoder)
            rest, slopes = part.linearised(jets)
            found.append(rest / self._size(slopes))
        return found

    def _size(self, slopes: dict[Jet, np.ndarray | float]) -> float:
        by_field: dict[str, float] = {}
        for (name, orders), s in slopes.items():
            size = float(np.sqrt(np.mean(np.square(s)))) / float(np.prod(self.lengths ** np.array(orders)))
            by_field[name] = by_field.get(name, 0.0) + size
        return max(by_field.values(), default=0.0) or 1.0

    def system(
        self, encoder: Products, sums: bool, chosen: Sequence[int], axes: Sequence[int] | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Residuals (rows,) and their derivatives (rows, unknowns), each term with the same weight.

        Unknowns are, field by field, the coefficients of the sum, if asked for, and of the chosen products, axis by
        axis; of these only the axes named, where some are.
        """
        residuals, blocks = [], []
        chosen = list(chosen)
        for part in self.parts:
            jets, factors, _ = part.jets(encoder)
            rest, slopes = part.linearised(jets)
            weight = 1.0 / (self._size(slopes) * math.sqrt(max(1, len(rest))))
            columns = []
            for name in self.problem.fields:
                own = {o: s for (f, o), s in slopes.items() if f == name}
                if sums:
                    columns += [self._sum_block(part, own, i, len(rest)) for i in range(len(self.along))]
                for r in chosen:
                    for i in range(len(self.along)) if axes is None else axes:
                        columns.append(self._product_block(part, own, factors, name, r, i, len(rest)))
            residuals.append(weight * rest)
            blocks.append(weight * np.hstack(columns))
        return np.concatenate(residuals), np.vstack(blocks)

    def _sum_block(
        self, part: _Part, slopes: dict[tuple[int, ...], np.ndarray | float], axis: int, count: int
    ) -> np.ndarray:
        block = np.zeros((count, self.along[axis].count))
        for orders, s in slopes.items():
            if not any(k for i, k in enumerate(orders) if i != axis):
                block += np.reshape(s, (-1, 1)) * part.matrices[axis, orders[axis]]
        return block

    def _product_block(
        self,
        part: _Part,
        slopes: dict[tuple[int, ...], np.ndarray | float],
        factors: Derivatives,
        name: str,
        number: int,
        axis: int,
        count: int,
    ) -> np.ndarray:
        by_order: dict[int, np.ndarray] = {}
        for orders, s in slopes.items():
            others = [factors[name, i, k][number] for i, k in enumerate(orders) if i != axis]
            rest = np.asarray(s) * math.prod(others, start=np.ones(count))
            by_order[orders[axis]] = by_order.get(orders[axis], 0.0) + rest
        block = np.zeros((count, self.along[axis].count))
        for order, rest in by_order.items():
            block += rest[:, None] * part.matrices[axis, order]
        return block

    def values(self, encoder: Products, points: np.ndarray) -> np.ndarray:
        """From changes of the unknowns, of the sum and all products, to those of the fields at points (dim, n).

        In the mean square over these: (fields n, unknowns).
        """
        count, products = points.shape[1], encoder.products.numpy()
        matrices = [a.matrix(x, 0) for a, x in zip(self.along, points, strict=True)]
        found = []
        for f in range(encoder.features):
            columns = list(matrices)
            for r in range(encoder.rank):
                along = [m @ products[f, r, i, : m.shape[1]] for i, m in enumerate(matrices)]
                for i, m in enumerate(matrices):
                    others = math.prod((a for j, a in enumerate(along) if j != i), start=np.ones(count))
                    columns.append(others[:, None] * m)
            row = [np.zeros((count, sum(m.shape[1] for m in columns)))] * encoder.features
            row[f] = np.hstack(columns)
            found.append(np.hstack(row))
        return np.vstack(found) / math.sqrt(count)

    # -- unknowns ---
    def moved(
        self,
        encoder: Products,
        step: np.ndarray,
        sums: bool,
        chosen: Sequence[int],
        axes: Sequence[int] | None = None,
    ) -> Products:
        """The encoder with a step added to the unknowns of :meth:`system`."""
        added, products = encoder.sums.numpy().copy(), encoder.products.numpy().copy()
        place = 0
        for f in range(encoder.features):
            for target, i in self._targets(added[f], products[f], sums, chosen, axes):
                count = self.along[i].count
                target[:count] += step[place : place + count]
                place += count
        return encoder.with_parameters({"sums": torch.as_tensor(added), "products": torch.as_tensor(products)})

    def _targets(
        self, added: np.ndarray, products: np.ndarray, sums: bool, chosen: Sequence[int], axes: Sequence[int] | None
    ) -> list[tuple[np.ndarray, int]]:
        every = list(range(len(self.along)))
        found = [(added[i], i) for i in every] if sums else []
        return found + [(products[r, i], i) for r in chosen for i in (every if axes is None else axes)]
