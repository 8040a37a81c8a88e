"""The loss of a picture, for methods that train a field at random pixels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from hermite_pinn.cuda.encoder.channels import Channels
from hermite_pinn.field.grid_field import GridField
from hermite_pinn.methods.training.loss import Loss

from .evidence import Evidence

__all__ = ["PictureBatch", "PictureLoss"]

VALUE = Channels.value(2)
#: Numbers that are evaluated at once where all of them count in every step.
PIECE = 1 << 14


@dataclass(frozen=True)
class PictureBatch:
    """Which numbers of every array, and which pixels of the known ones; with the part of the whole that they are."""

    chosen: tuple[torch.Tensor, ...]
    known: torch.Tensor
    shares: tuple[float, ...]


class PictureLoss(Loss[PictureBatch]):
    """Mean squares of misfits at pixels, and of what is known besides.

    Where numbers are sums of pixels, the field is evaluated at these pixels and summed in the same way: the exact
    picture has no loss.

    Parameters
    ----------
    given
        The picture.
    field
        To start from.
    points, known_points
        Numbers of every array, and known pixels, in a step; None for all.
    normalize
        Whether misfits are measured in units of the numbers' root mean square.
    """

    def __init__(
        self, given: Evidence, field: GridField, points: int | None, known_points: int | None, normalize: bool
    ) -> None:
        self.given, self.field, self.points, self.known_points = given, field, points, known_points
        measurement, dtype, device = given.measurement, field.dtype, field.device
        self.measured = measurement.names
        beside = () if given.source == "values" else ("mean",) if given.known.frame is None else ("border",)
        self.names, self.weighted = (*self.measured, *beside), beside
        self.tables, self.networks = field.level_slices, field.layers
        rms = float(np.sqrt(np.mean([np.square(t).mean() for t in given.targets if t.size] or [0.0])))
        self.unit = rms if normalize and rms > 0 else 1.0
        x, y = (torch.as_tensor(a, dtype=dtype, device=device) for a in given.pixels.axes)
        rows, columns = given.pixels.shape
        self.points_of = torch.stack([x.repeat(rows), y.repeat_interleave(columns)])
        self.targets = [torch.as_tensor(t.reshape(len(t), -1), dtype=dtype, device=device) for t in given.targets]
        self.places = [torch.as_tensor(s.places, device=device) for s in measurement.stencils]
        self.tap_weights = [torch.as_tensor(s.weights, dtype=dtype, device=device) for s in measurement.stencils]
        self.centres = torch.as_tensor(measurement.places, device=device)
        self._place_known(dtype, device)

    def _place_known(self, dtype: torch.dtype, device: torch.device) -> None:
        known, pixels = self.given.known, self.given.pixels
        numbers = pixels.border if known.frame is not None else pixels.numbers.ravel()
        self.outer = torch.as_tensor(numbers, device=device)
        if known.frame is not None:
            frame = known.frame.reshape(len(known.frame), -1)[:, numbers]
            self.told = torch.as_tensor(frame, dtype=dtype, device=device)
        elif known.mean is not None:
            self.told = torch.as_tensor(known.mean, dtype=dtype, device=device)

    def tensors(self) -> dict[str, torch.Tensor]:
        """Those of the field."""
        return {k: v.detach().clone() for k, v in self.field.tensors().items()}

    def model(self, tensors: Mapping[str, torch.Tensor]) -> GridField:
        """The field with them."""
        return self.field.with_tensors(dict(tensors))

    # -- batches ---
    def draw(self, generator: torch.Generator) -> PictureBatch:
        """Numbers with replacement; where derivatives of the field are measured, all arrays at the same pixels."""
        if self.points is None:
            return self._all
        chosen = [self._drawn(t.shape[1], self.points, generator) for t in self.targets]
        if self.given.measurement.channels is not None:
            chosen = [chosen[0]] * len(chosen)
        known = self._drawn(len(self.outer), self.known_points or self.points, generator)
        return PictureBatch(tuple(chosen), known, (1.0,) * len(self.names))

    @staticmethod
    def _drawn(count: int, number: int, generator: torch.Generator) -> torch.Tensor:
        device = generator.device
        if count == 0:
            return torch.zeros(0, dtype=torch.int64, device=device)
        return torch.randint(count, (number,), generator=generator, device=device)

    @property
    def _all(self) -> PictureBatch:
        device = self.field.device
        chosen = tuple(torch.arange(t.shape[1], device=device) for t in self.targets)
        return PictureBatch(chosen, torch.arange(len(self.outer), device=device), (1.0,) * len(self.names))

    def parts(
        self, number: int, tensors: Mapping[str, torch.Tensor], generator: torch.Generator
    ) -> Sequence[PictureBatch]:
        """The numbers of a round, in pieces."""
        whole = self.draw(generator)
        sizes = [len(c) for c in (*whole.chosen, whole.known)][: len(self.names)]
        several = max(1, -(-max(sizes, default=1) // PIECE))
        pieces = [c.tensor_split(several) for c in (*whole.chosen, whole.known)]
        return [
            PictureBatch(
                tuple(p[k] for p in pieces[:-1]),
                pieces[-1][k],
                tuple(len(p[k]) / size if size else 0.0 for p, size in zip(pieces, sizes, strict=False)),
            )
            for k in range(several)
        ]

    # -- losses ---
    def misfits(self, tensors: Mapping[str, torch.Tensor], batch: PictureBatch) -> list[torch.Tensor]:
        """Of every array, in its unit, (channels, n), and of what is known besides."""
        field = self.model(tensors)
        by_pixels = self.given.measurement.channels is None
        numbers = [p[:, c].reshape(-1) for p, c in zip(self.places, batch.chosen, strict=True)] if by_pixels else []
        numbers += [self.outer[batch.known]] if self.weighted else []
        values: list[torch.Tensor] = []
        if numbers:
            at = self.points_of[:, torch.cat(numbers)]
            values = list(field.jets(at, VALUE)[:, 0].split([len(n) for n in numbers], 1))
        read = self._summed(values, batch) if by_pixels else self._differentiated(field, batch)
        rows = [(r - t[:, c]) / self.unit for r, t, c in zip(read, self.targets, batch.chosen, strict=True)]
        if self.weighted and self.given.known.frame is not None:
            rows.append(values[-1] - self.told[:, batch.known])
        elif self.weighted:
            rows.append(values[-1].mean(1, keepdim=True) - self.told[:, None])
        return rows

    def _summed(self, values: Sequence[torch.Tensor], batch: PictureBatch) -> list[torch.Tensor]:
        return [
            torch.einsum("t,ctn->cn", w, v.reshape(len(v), len(w), len(c)))
            for w, v, c in zip(self.tap_weights, values[: len(self.tap_weights)], batch.chosen, strict=True)
        ]

    def _differentiated(self, field: GridField, batch: PictureBatch) -> list[torch.Tensor]:
        channels = self.given.measurement.channels
        assert channels is not None
        at = self.points_of[:, self.centres[batch.chosen[0]]]
        return list(field.jets(at, channels).unbind(1))

    def losses(self, tensors: Mapping[str, torch.Tensor], batch: PictureBatch) -> dict[str, torch.Tensor]:
        """Mean squares, times the part of the whole."""
        rows = zip(self.names, self.misfits(tensors, batch), batch.shares, strict=True)
        return {name: share * r.square().mean() if r.numel() else 0.0 * r.sum() for name, r, share in rows}

    def rows(
        self, tensors: Mapping[str, torch.Tensor], part: PictureBatch, weights: Mapping[str, float]
    ) -> torch.Tensor:
        """The misfits, weighted so that the sum of their squares is the loss."""
        rows = zip(self.names, self.misfits(tensors, part), part.shares, strict=True)
        return torch.cat(
            [r.reshape(-1) * (weights.get(n, 1.0) * share / max(1, r.numel())) ** 0.5 for n, r, share in rows]
        )

    def report(self, values: Mapping[str, float]) -> dict[str, float]:
        """Root mean squares, in the units of the numbers."""
        units = dict.fromkeys(self.measured, self.unit)
        return {name: units.get(name, 1.0) * value for name, value in super().report(values).items()}
