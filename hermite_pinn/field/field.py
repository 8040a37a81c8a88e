"""What kind of field to use, as options."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from functools import partial
from types import MappingProxyType
from typing import Any

import numpy as np
import torch

from hermite_pinn.calls import with_options_named
from hermite_pinn.checks import Check, check_options, choice, either, flag, integer, items, number, text
from hermite_pinn.cuda.encoder.basis import BASES
from hermite_pinn.cuda.network.activation import ACTIVATIONS
from hermite_pinn.errors import InvalidArgumentError
from hermite_pinn.geometry import Domain
from hermite_pinn.memory import check_fits

from .appended import Appended
from .encoder import Levels
from .encoders import ENCODERS
from .grid_field import GridField, linear_field
from .heads import HEADS
from .hermite_grid import check_tables, resolutions_of
from .outline import Outline
from .smooth_grid import WEIGHTS
from .stencils import DIFFERENCES

__all__ = ["Field", "GridField", "Levels", "basis_for", "linear_field", "resolutions_of"]


def basis_for(order: int) -> str:
    """The basis of least degree, from cubics on, with square integrable derivatives of an order up to 4.

    Examples
    --------
    >>> [basis_for(order) for order in (1, 2, 3, 4)]
    ['cubic', 'cubic', 'quintic', 'septic']
    """
    return next(name for name in ("cubic", "quintic", "septic") if BASES[name].coefficients >= order)


def _per_axis(name: str, value: Any, **words: Any) -> int | tuple[int, ...]:
    """A number of at least 1, or one per axis."""
    if isinstance(value, (list, tuple)) or (isinstance(value, np.ndarray) and value.ndim > 0):
        several = items(name, value, "a number, or one per axis", least=1, most=16)
        return tuple(integer(f"each number of {name}", n, least=1, most=2**31) for n in several)
    return integer(name, value, least=1, most=2**31, **words)


def _names(name: str, value: Any) -> tuple[str, ...]:
    """Names of coordinates, each once."""
    several = items(name, value, "a sequence of names of coordinates", most=4)
    names = tuple(text(f"each of {name}", one, hint="auxiliary inputs are coordinates, by name") for one in several)
    if len(set(names)) < len(names):
        raise InvalidArgumentError(f"{name} takes every coordinate once, got {names}")
    return names


def _activation(name: str, value: Any) -> str:
    """A smooth activation; a rectifier has its own answer, since other libraries start from it."""
    hint = (
        "second derivatives of a rectified unit vanish, so no residual of second order could see it"
        if isinstance(value, str) and value == "relu"
        else ""
    )
    return choice(name, value, ACTIVATIONS, hint=hint)


at_least_one = partial(integer, least=1)

CHECKS: Mapping[str, Check] = MappingProxyType(
    {
        "head": partial(choice, options=HEADS),
        "basis": partial(choice, options=BASES),
        "base": partial(_per_axis, hint="it counts cells of the coarsest level"),
        "ratio": partial(number, above=1, hint="the resolution must grow from level to level"),
        "features": either(at_least_one, None),
        "table_size": either(_per_axis, None),
        "width": partial(integer, least=1, most=2**20),
        "depth": partial(integer, least=1, most=1000),
        "omega": partial(number, above=0),
        "activation": _activation,
        "table_std": partial(number, least=0),
        "fused": either(flag, None),
        "half": flag,
        "encoder": partial(choice, options=ENCODERS),
        "weights": partial(choice, options=WEIGHTS),
        "blend": partial(number, least=0, most=1),
        "differences": partial(choice, options=DIFFERENCES),
        "epsilon": either(partial(number, above=0), None),
        "frequencies": partial(integer, least=1, most=2**16),
        "bandwidth": partial(number, above=0),
        "aux": _names,
        "rank": either(partial(integer, least=0, most=2**10), None),
    }
)

#: Options that mean something to some encoders only; see :attr:`.Encoder.takes`.
OWN = ("basis", "base", "ratio", "table_size", "table_std", "half", "weights", "blend", "differences", "epsilon", "frequencies", "bandwidth", "rank")  # fmt: skip


@with_options_named
@dataclass(frozen=True)
class Field:
    """The kind of the unknown function: an encoder (a grid of several levels) read by a head.

    Parameters
    ----------
    head
        ``"linear"`` (the sum of the levels), ``"siren"`` (a network that reads the levels) or ``"siren+linear"`` (the
        sum of the levels plus a gated network).
    basis
        ``"cubic"`` (value and slopes per vertex, C1), ``"quintic"`` (and curvatures, C2), ``"septic"`` (and third
        derivatives, C3), or for comparison ``"linear"``, ``"smoothstep"``, ``"cosine"``.
    base
        Cells of the coarsest level, one number or one per axis.
    ratio
        Factor of the resolution from level to level.  With 2 the levels are nested, which ``gauss_newton`` needs.
    features
        Features per level.  ``None``: one per field for the linear head, otherwise the larger of 2 and the number of
        fields.
    table_size
        Largest number of slots per level, a power of two, or one per derivative order (T1, T2, T3, ...).  Larger levels
        are hashed.  ``None``: all levels are dense.
    width, depth, omega, activation
        The network: units per layer, hidden layers, frequency inside the activation, and ``"sine"``, ``"tanh"``,
        ``"silu"`` or ``"softplus"``.
    table_std
        Standard deviation of the initial values in the tables of a network head (derivatives start at zero).
    fused
        Whether one kernel takes the derivatives through all layers of the network (up to 128 units wide), or each layer
        has its own kernels.  ``None`` chooses the faster one.  The numbers are the same to rounding.
    half
        Whether the kernels read the tables rounded to float16, with arithmetic in float32.  This halves the memory
        traffic of problems without derivatives (data and images) and first-order methods.  Training keeps float32
        tables, and the solution has the rounded numbers.
    encoder
        ``"hermite"``: the multilevel grid.  For comparison: ``"trilinear_fd"`` (linear interpolation, derivatives of
        the fields by differences), ``"smooth"`` (values read by smooth weights), ``"straight_through"`` (multilinear
        values, gradients of smooth weights), ``"cubic"`` (Catmull-Rom: four values per axis), ``"fourier"`` (random
        waves), ``"coordinates"`` (nothing before the network).  These have bases of their own; see docs/encoders.md.
        For boxes of many axes: ``"products"`` (sums and products over the axes of functions of one axis).
    weights
        For ``"smooth"``: ``"cosine"`` or ``"smoothstep"`` along every axis, or ``"cosine_product"``, the cosine of the
        whole weight of a corner (Heo et al.).
    blend
        For ``"straight_through"``: the share of the smooth weights in gradients, 0 to 1.
    differences, epsilon
        For ``"trilinear_fd"``: ``"central"`` (2 dim + 1 taps) or ``"tetrahedral"`` (NeuralAngelo's four, in three
        dimensions), and the distance of the taps.  ``None``: one cell of the finest level.
    frequencies, bandwidth
        For ``"fourier"``: the number of random frequencies, and their standard deviation in waves per edge of the box.
        The seed is that of the run.
    rank
        For ``"products"``: the number of products beside the sum, a maximum if the method chooses the number.
        ``None``: as many as it takes, or four.
    aux
        Names of coordinates that the network reads beside the features, as in Instant-NGP; with ``head="siren"``.

    Raises
    ------
    InvalidArgumentError
        For unknown names, numbers out of range, and options that the encoder does not have.

    Examples
    --------
    >>> Field(head="siren", table_size=2**14).head
    'siren'
    """

    head: str = "linear"
    basis: str = "cubic"
    base: int | tuple[int, ...] = 4
    ratio: float = 2.0
    features: int | None = None
    table_size: int | tuple[int, ...] | None = None
    width: int = 128
    depth: int = 2
    omega: float = 0.5
    activation: str = "sine"
    table_std: float = 0.01
    fused: bool | None = None
    half: bool = False
    encoder: str = "hermite"
    weights: str = "cosine"
    blend: float = 1.0
    differences: str = "central"
    epsilon: float | None = None
    frequencies: int = 64
    bandwidth: float = 2.0
    aux: tuple[str, ...] = ()
    rank: int | None = None

    def __post_init__(self) -> None:
        check_options(self, CHECKS)
        defaults = {f.name: f.default for f in fields(self)}
        kind = ENCODERS[self.encoder]
        foreign = [n for n in OWN if n not in kind.takes and getattr(self, n) != defaults[n]]
        if foreign:
            have = [repr(name) for name, other in ENCODERS.items() if foreign[0] in other.takes]
            raise InvalidArgumentError(
                f"encoder={self.encoder!r} has no {foreign[0]}, got {foreign[0]}={getattr(self, foreign[0])!r}; leave it out, "
                f"or use an encoder that has one: {', '.join(have)}"
            )
        if self.aux and self.head != "siren":
            raise InvalidArgumentError(
                f"aux={self.aux} are inputs of a network that reads all features, and head={self.head!r} sums them; use "
                "head='siren'"
            )
        if kind.heads is not None and self.head not in kind.heads:
            raise InvalidArgumentError(
                f"encoder={self.encoder!r} has no features that head={self.head!r} could sum to fields; use "
                f"head={' or '.join(repr(name) for name in HEADS if name in kind.heads)}"
            )

    @property
    def linear(self) -> bool:
        """Whether fields are the sum of the levels, linear in all parameters."""
        return HEADS[self.head].sums_levels

    def _aux_axes(self, domain: Domain) -> tuple[int, ...]:
        """Axes of the auxiliary inputs, in the order of the domain."""
        unknown = [name for name in self.aux if name not in domain.names]
        if unknown:
            raise InvalidArgumentError(
                f"aux={self.aux} names {unknown[0]!r}, and the coordinates are {', '.join(domain.names)}"
            )
        return tuple(axis for axis, name in enumerate(domain.names) if name in self.aux)

    @property
    def nestable(self) -> bool:
        """Whether dense levels of the encoder are what nested iteration makes and refines."""
        return ENCODERS[self.encoder].nestable

    def check_derivatives(self, order: int, dim: int) -> None:
        """Raise an error where a problem takes derivatives, up to the second, that the encoder does not have.

        Parameters
        ----------
        order
            Highest order of the derivatives that the problem takes.
        dim
            Number of axes.

        Raises
        ------
        InvalidArgumentError
            With the encoders that have them.

        Examples
        --------
        >>> try:
        ...     Field(basis="linear").check_derivatives(2, 1)
        ... except InvalidArgumentError as error:
        ...     print(str(error)[:43])
        the problem has derivatives of order 2, and
        """
        wanted, own = min(order, 2), ENCODERS[self.encoder]
        limit = own.derivative_order(self, dim)
        if limit >= wanted:
            return
        read = [(name, kind) for name, kind in ENCODERS.items() if kind.heads is None or "siren" in kind.heads]
        have = [f"{name!r}" for name, kind in read if kind.derivative_order(Field(encoder=name, head="siren"), dim) >= wanted]  # fmt: skip
        chosen = "".join(f", {n}={getattr(self, n)!r}" for n in ("basis", "weights") if n in own.takes)
        raise InvalidArgumentError(
            f"the problem has derivatives of order {order}, and those of Field(encoder={self.encoder!r}{chosen}) are functions up "
            f"to order {limit} only; encoders with derivatives of order {wanted} are {', '.join(have)}"
        )

    def feature_count(self, fields: int) -> int:
        """Features per level for a number of fields."""
        return HEADS[self.head].feature_count(fields, self.features)

    def outline(
        self,
        domain: Domain,
        fields: Sequence[str],
        periodic: Sequence[bool],
        levels: Levels,
        dtype: torch.dtype = torch.float64,
        device: torch.device | None = None,
    ) -> Outline:
        """What :meth:`build` would make, without its numbers.

        Raises
        ------
        InvalidArgumentError
            For options that do not fit the domain or the number of fields.
        OutOfMemoryError
            If tables or network do not fit.
        """
        kind, count, place = HEADS[self.head], self.feature_count(len(fields)), device or torch.device("cpu")
        encoder = ENCODERS[self.encoder]
        grid, inputs = encoder.planned(self, domain, periodic, levels, count)
        inputs += sum(2 if periodic[axis] else 1 for axis in self._aux_axes(domain))
        if grid is not None:
            check_tables(grid, dtype, place)
        size = kind.planned_size(self, inputs, len(fields))
        what = f"a network of width={self.width} and depth={self.depth}"
        check_fits(size * dtype.itemsize, what, "lower its width or depth", place)
        basis = self.basis if grid is None else grid.basis
        order = encoder.derivative_order(self, domain.dim)
        return Outline(kind.sums_levels, basis, grid, order=order, nestable=encoder.nestable)

    def build(
        self,
        domain: Domain,
        fields: Sequence[str],
        periodic: Sequence[bool],
        levels: Levels,
        seed: int = 0,
        dtype: torch.dtype = torch.float64,
        device: torch.device | str = "cpu",
    ) -> GridField:
        """A field with fresh tables: zero for the linear head, small random values for the others."""
        self.outline(domain, fields, periodic, levels, dtype, torch.device(device))
        generator = torch.Generator().manual_seed(seed)
        kind, count = HEADS[self.head], self.feature_count(len(fields))
        place, random = torch.device(device), None if kind.sums_levels else generator
        encoder = ENCODERS[self.encoder].build(self, domain, periodic, levels, count, random, dtype, place, seed)
        if self.aux:
            encoder = Appended(encoder, self._aux_axes(domain))
        head = kind.build(self, encoder.levels * encoder.features, len(fields), generator, dtype)
        return GridField(domain.names, tuple(fields), encoder, head).to(place, dtype)
