"""The distance to a surface as a loss that any training method minimises."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch

from hermite_pinn.field.grid_field import GridField
from hermite_pinn.field.tree import ENCODER, within
from hermite_pinn.methods.training.loss import Loss
from hermite_pinn.schema import Entry

from .misfits import Misfits
from .samples import Samples, SampleSource

__all__ = ["DistanceLoss", "output_units"]

#: Samples of a pool, in batches, and steps until the next pool: every sample is used five times on average.
BATCHES, RENEWAL = 10, 50
#: Samples of a round of a method that keeps them, unless it says how many.
ROUND = 20_000
PIECE = 1 << 15  # samples evaluated at a time
HELD_OUT = 2_000  # samples at which errors are only reported
LARGEST_SEED = 2**62


class DistanceLoss(Loss[Samples]):
    """Misfits of a field at samples from a pool, which is renewed as the training goes on.

    Closest points of a surface are searched for when a pool is made, and not in every step.

    Parameters
    ----------
    field
        To start from; its outputs are taken in units of the extent of the surface.
    source
        Of samples.
    misfits
        What is minimised.
    count
        Samples of a step, or of a round; None for the number that suits.
    seed
        Of the samples at which errors are only reported.
    """

    renewal = RENEWAL

    def __init__(self, field: GridField, source: SampleSource, misfits: Misfits, count: int | None, seed: int) -> None:
        self.field, self.source, self.misfits, self.seed = field, source, misfits, seed
        self.count = ROUND if count is None else count
        self.names = misfits.names
        self.tables = field.level_slices
        self.networks = field.layers
        self.units = output_units(field, misfits.extent)
        self.pool: Samples | None = None
        self.pool_seed = 0
        self._apart: Samples | None = None

    # -- tensors ---
    def tensors(self) -> dict[str, torch.Tensor]:
        """Copies of the start values."""
        return {k: v.detach().clone() for k, v in self.field.tensors().items()}

    def model(self, tensors: Mapping[str, torch.Tensor]) -> GridField:
        """The field with these tensors, in the units of the coordinates."""
        return self.field.with_tensors({k: v * self.units.get(k, 1.0) for k, v in tensors.items()})

    # -- random batches ---
    def draw(self, generator: torch.Generator) -> Samples:
        """Samples of the pool, as many of every part as the pool has in proportion."""
        if self.pool is None:
            self._fill(generator)
        assert self.pool is not None
        return self.pool.draw(self.count, generator)

    def losses(self, tensors: Mapping[str, torch.Tensor], batch: Samples) -> dict[str, torch.Tensor]:
        """Weighted means of squares by name."""
        return self.misfits.losses(self._jets(tensors, batch), batch)

    def _jets(self, tensors: Mapping[str, torch.Tensor], batch: Samples) -> torch.Tensor:
        return self.model(tensors).jets(batch.x, self.misfits.channels)[0]

    def renew(self, tensors: Mapping[str, torch.Tensor], generator: torch.Generator) -> bool:
        """Make another pool, in the memory of the one before."""
        before = self.pool
        self._fill(generator)
        if before is None:
            return True
        assert self.pool is not None
        before.copy_(self.pool)
        self.pool = before
        return False

    def _fill(self, generator: torch.Generator) -> None:
        self.pool_seed = _drawn_seed(generator)
        self.pool = self.source.samples(BATCHES * self.count, self.pool_seed)

    # -- the same batch in every step ---
    def parts(self, number: int, tensors: Mapping[str, torch.Tensor], generator: torch.Generator) -> Sequence[Samples]:
        """New samples, in pieces."""
        return list(self.source.samples(self.count, _drawn_seed(generator)).pieces(PIECE))

    def rows(self, tensors: Mapping[str, torch.Tensor], part: Samples, weights: Mapping[str, float]) -> torch.Tensor:
        """All misfits (k, n) times the roots of the weights of their samples."""
        assert part.weights is not None
        return torch.cat(list(self.misfits.rows(self._jets(tensors, part), part).values())) * part.weights.sqrt()

    # -- reports ---
    def report(self, values: Mapping[str, float]) -> dict[str, float]:
        """RMS of the misfits in the user's units."""
        return self.misfits.report(values)

    def held_out(self, tensors: Mapping[str, torch.Tensor]) -> dict[str, float]:
        """The same at samples of their own."""
        if self._apart is None:
            self._apart = self.source.samples(HELD_OUT, self.seed + 3)
        with torch.no_grad():
            losses = self.losses(tensors, self._apart)
        return self.report({name: float(value) for name, value in losses.items()})

    # -- checkpoints ---
    def state(self) -> dict[str, Any]:
        """The seed of the pool, which says all about it."""
        return {} if self.pool is None else {"pool_seed": self.pool_seed}

    def restore(self, saved: Mapping[str, Any]) -> None:
        """Make the pool again."""
        if "pool_seed" in saved:
            self.pool_seed = Entry.of(saved, "the checkpoint").at("pool_seed").integer(0, LARGEST_SEED)
            self.pool = self.source.samples(BATCHES * self.count, self.pool_seed)


def _drawn_seed(generator: torch.Generator) -> int:
    return int(torch.randint(LARGEST_SEED, (1,), generator=generator, device=generator.device))


def output_units(field: GridField, unit: float) -> dict[str, float]:
    """By path, what the tensors of a field are multiplied with so that its outputs count in a unit.

    Those are the last layer of a network, or the parameters of an encoder whose features are summed; where a network
    reads such features, its first layer is divided by the unit.

    Examples
    --------
    >>> import hermite_pinn as hp
    >>> box = hp.Box(x=(0, 1))
    >>> output_units(hp.Field().build(box, ["d"], [False], 1), 3.0)
    {'encoder/table': 3.0}
    >>> output_units(hp.Field(head="siren", depth=1).build(box, ["d"], [False], 1), 3.0)
    {'head/layers/1/weight': 3.0, 'head/layers/1/bias': 3.0}
    """
    units = dict.fromkeys(field.readout, unit)
    summed = field.linear or field.gate is not None
    if summed:
        units |= {path: unit for path in field.tensors() if within(path, ENCODER)}
    if summed and field.layers:
        units[field.layers[0]] = 1.0 / unit
    return units
