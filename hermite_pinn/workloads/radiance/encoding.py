"""An encoder of the package as a module: points in space to features."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from hermite_pinn.checks import choice, instance
from hermite_pinn.cuda.encoder.channels import Channels
from hermite_pinn.field.encoder import Encoder
from hermite_pinn.field.encoders import ENCODERS
from hermite_pinn.field.field import Field
from hermite_pinn.geometry import Box

from .setting import Three

__all__ = ["Encoding", "encoder_option", "kind_of", "resolutions"]

VALUE = Channels.value(3)


def encoder_option(name: str, value: Any, **words: Any) -> Any:
    """The encoder of a recipe: ``"linear"``, the name of one, or a :class:`hermite_pinn.Field` with its options."""
    if isinstance(value, str):
        return choice(name, value, ("linear", *ENCODERS))
    return instance(name, value, Field, "the name of an encoder or a hermite_pinn.Field", **words)


def kind_of(encoder: str | Field) -> Field:
    """The field that an :func:`encoder_option` stands for.

    Examples
    --------
    >>> kind_of("linear").basis, kind_of("smooth").encoder
    ('linear', 'smooth')
    """
    if not isinstance(encoder, str):
        return encoder
    return Field(basis="linear", head="siren") if encoder == "linear" else Field(encoder=encoder, head="siren")


def resolutions(levels: int, coarsest: int, finest: int) -> list[int]:
    """Cells along an axis by level, growing by equal factors.

    Examples
    --------
    >>> resolutions(5, 16, 256)
    [16, 32, 64, 128, 256]
    >>> resolutions(1, 16, 256)
    [256]
    """
    if levels == 1:
        return [finest]
    growth = math.log(finest / coarsest) / (levels - 1)
    return [math.floor(coarsest * math.exp(growth * level) + 1e-6) for level in range(levels)]


class Encoding(nn.Module):
    """Features of points, (levels * features, n) of (3, n), by an encoder that users call by name.

    Parameters
    ----------
    kind
        The encoder and its own options; levels, features and table size are those given here.
    lower, upper
        Corners of the box in which it is.
    cells
        Cells along an axis by level.
    features
        Per level.
    table_size
        Largest number of records of a level; None: as many as it has vertices.
    spread
        Standard deviation of the first values.
    generator, dtype, device
        Of random numbers, of the parameters, and where they are.
    """

    def __init__(
        self,
        kind: Field,
        lower: Three,
        upper: Three,
        cells: list[int],
        features: int,
        table_size: int | None,
        spread: float,
        generator: torch.Generator,
        dtype: torch.dtype,
        device: torch.device,
    ) -> None:
        super().__init__()
        encoder_class = ENCODERS[kind.encoder]
        own = {"table_size": table_size, "table_std": spread}
        options = replace(kind, head="siren", **{k: v for k, v in own.items() if k in encoder_class.takes})  # type: ignore[arg-type]
        box = Box(**{name: (a, b) for name, a, b in zip("xyz", lower, upper, strict=True)})
        seed = int(torch.randint(2**31, (1,), generator=generator))
        built = encoder_class.build(options, box, (False,) * 3, cells, features, generator, dtype, device, seed)
        self.encoder: Encoder = built
        self.halved = kind.half
        self.values = nn.ParameterDict(
            {name: nn.Parameter(leaf.to(device, dtype)) for name, leaf in built.parameters().items()}
        )

    @property
    def outputs(self) -> int:
        """Number of features of all levels."""
        return self.encoder.levels * self.encoder.features

    @property
    def levels(self) -> tuple[slice, ...]:
        """Where the parameters of each level are, if it has a table."""
        return self.encoder.level_slices.get("table", ())

    def at(self) -> Encoder:
        """The encoder with the present parameters."""
        return self.encoder.with_parameters(dict(self.values.items())) if len(self.values) else self.encoder

    def forward(self, points: Tensor) -> Tensor:
        """Features; differentiable by the parameters, and by the points once."""
        encoder = self.at().rounded() if self.halved and points.requires_grad else self.at()
        return encoder.jets(points, VALUE).reshape(self.outputs, -1)

    def recalled(self, points: Tensor, known: Tensor, index: Tensor) -> Tensor:
        """Features of points (3, n) that are ``known[:, index]``, differentiable as if they were computed."""
        if self.halved:
            found: Tensor = self(points)
            return found
        encoder = self.at()
        parts = known.view(encoder.levels, encoder.features, 1, -1)
        return encoder.recalled_jets(points, VALUE, parts, index).reshape(self.outputs, -1)
