"""The field: a multilevel Hermite grid read by a head, as options and as the function they make."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch

from hermite_pinn.cuda.encoder import ops
from hermite_pinn.cuda.encoder.channels import Channels
from hermite_pinn.cuda.encoder.half import half_copy
from hermite_pinn.cuda.encoder.layout import BASES, GridLayout
from hermite_pinn.cuda.network.activation import JetPlan
from hermite_pinn.cuda.tensor_grid.pyramid import Pyramid, from_records, to_records
from hermite_pinn.errors import InvalidArgumentError, OutOfMemoryError
from hermite_pinn.geometry import Domain
from hermite_pinn.memory import available_memory, spelled_size

from .boundary_factor import Envelope
from .heads import HEADS, Siren

__all__ = ["Field", "GridField", "basis_for", "linear_field", "resolutions_of"]

CHUNK = 1 << 17  # points evaluated at a time

Levels = int | Sequence[int] | Sequence[Sequence[int]]


def basis_for(order: int) -> str:
    """The basis of least degree, from cubics on, with square integrable derivatives of an order up to 4.

    Examples
    --------
    >>> [basis_for(order) for order in (1, 2, 3, 4)]
    ['cubic', 'cubic', 'quintic', 'septic']
    """
    return next(name for name in ("cubic", "quintic", "septic") if BASES[name] >= order)


@dataclass(frozen=True)
class Field:
    """What kind of field to use.

    Parameters
    ----------
    head
        ``"linear"`` (the sum of the levels), ``"siren"`` (the paper's network, no skip) or ``"siren+linear"`` (the
        sum of the levels plus a gated network).
    basis
        ``"cubic"`` (value and slopes per vertex, C1), ``"quintic"`` (and curvatures, C2), ``"septic"`` (and third
        derivatives, C3), or for comparison ``"linear"``, ``"smoothstep"``, ``"cosine"``.
    base
        Cells of the coarsest level, one number or one per axis.
    ratio
        Factor of the resolution from level to level; 2 makes levels nested, which ``gauss_newton`` needs.
    features
        Features per level; ``None`` means one per field for the linear head, else the larger of 2 and the number of
        fields.
    table_size
        Largest number of slots per level, a power of two, or one per derivative order (T1, T2, T3, ...); ``None``:
        dense everywhere.
    width, depth, omega, activation
        The network: units per layer, hidden layers, frequency inside the activation, and ``"sine"``, ``"tanh"``,
        ``"silu"`` or ``"softplus"``.
    table_std
        Standard deviation of the initial values in the tables of a network head (derivatives start at zero).
    fused
        Whether one kernel takes the derivatives through all layers of the network (up to 128 units wide) or each
        layer has kernels of its own; ``None``: where that is faster.  The numbers are the same to rounding.
    half
        Whether the kernels read the tables rounded to float16, with arithmetic in float32: half the memory traffic, for
        problems without derivatives (data and images) and first-order methods.  Training keeps float32 tables, and the
        solution has the rounded numbers.

    Raises
    ------
    InvalidArgumentError
        For unknown names and numbers out of range.

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

    def __post_init__(self) -> None:
        if self.head not in HEADS:
            raise InvalidArgumentError(f"unknown head {self.head!r}; known: {', '.join(HEADS)}")
        if self.basis not in BASES:
            raise InvalidArgumentError(f"unknown basis {self.basis!r}; known: {', '.join(BASES)}")
        if not self.ratio > 1:
            raise InvalidArgumentError(f"the resolution must grow from level to level: ratio > 1, got {self.ratio}")
        for name in ("width", "depth"):
            if getattr(self, name) < 1:
                raise InvalidArgumentError(f"{name} must be at least 1, got {getattr(self, name)}")
        if not self.omega > 0:
            raise InvalidArgumentError(f"omega must be positive, got {self.omega}")

    def feature_count(self, fields: int) -> int:
        """Features per level for a number of fields."""
        if self.features is None:
            return fields if self.head == "linear" else max(2, fields)
        if self.head != "siren" and self.features < fields:
            raise InvalidArgumentError(
                f"the head {self.head!r} reads one feature per field, so features must be at least {fields}, got {self.features}"
            )
        return self.features

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
        sizes = (self.table_size,) if isinstance(self.table_size, int) else self.table_size
        count = self.feature_count(len(fields))
        layout = GridLayout(
            domain.lower,
            domain.upper,
            resolutions_of(levels, self.base, self.ratio, domain.dim),
            self.basis,
            count,
            sizes,
            tuple(periodic),
        )
        _check_memory(layout, dtype, torch.device(device))
        generator = torch.Generator().manual_seed(seed)
        table = torch.zeros(layout.size, dtype=dtype)
        siren = None
        if self.head != "linear":
            noise = self.table_std * torch.randn(layout.size, generator=generator, dtype=torch.float64)
            table = torch.where(_value_mask(layout), noise, 0.0).to(dtype)
            siren = Siren.initialised(
                layout.levels * count,
                len(fields),
                self.width,
                self.depth,
                self.omega,
                self.activation,
                generator,
                dtype,
            )
            siren = replace(siren, fused=self.fused)
        gate = torch.zeros(1, dtype=dtype) if self.head == "siren+linear" else None
        field = GridField(domain.names, tuple(fields), layout, self.head, table, siren, gate, half=self.half)
        return field.to(device, dtype)


def _check_memory(layout: GridLayout, dtype: torch.dtype, device: torch.device) -> None:
    need, free = layout.size * torch.empty(0, dtype=dtype).element_size(), available_memory(device)
    if free is not None and need > free:
        raise OutOfMemoryError(
            f"tables of {layout.levels} levels up to {layout.resolutions[-1]} cells have {layout.size:,} coefficients and need "
            f"{spelled_size(need)}, but {spelled_size(free)} are free on {device}; use fewer levels or a smaller table_size"
        )


def resolutions_of(levels: Levels, base: int | Sequence[int], ratio: float, dim: int) -> tuple[tuple[int, ...], ...]:
    """Cells per axis of every level from a count of levels, or from an explicit list.

    Examples
    --------
    >>> resolutions_of(3, 4, 1.5, 2)
    ((4, 4), (6, 6), (9, 9))
    >>> resolutions_of([4, (8, 16)], 4, 2.0, 2)
    ((4, 4), (8, 16))
    """
    first = (base,) * dim if isinstance(base, int) else tuple(base)
    if len(first) != dim:
        raise InvalidArgumentError(f"base needs one number, or one per axis ({dim}), got {base!r}")
    if isinstance(levels, int):
        if levels < 1:
            raise InvalidArgumentError(f"levels must be at least 1, got {levels}")
        return tuple(tuple(int(b * ratio**level + 1e-9) for b in first) for level in range(levels))
    if isinstance(levels, str) or not len(levels):
        raise InvalidArgumentError(f"levels is a number of levels or a list of resolutions, got {levels!r}")
    found = []
    for n in levels:
        one = (n,) * dim if isinstance(n, int) else tuple(int(k) for k in n)
        if len(one) != dim or min(one) < 1:
            raise InvalidArgumentError(f"a resolution needs one positive number, or one per axis ({dim}), got {n!r}")
        found.append(one)
    return tuple(found)


def _value_mask(layout: GridLayout) -> torch.Tensor:
    """Which table elements are values rather than derivatives."""
    mask = torch.zeros(layout.size, dtype=torch.bool)
    for row in layout.groups:
        for g in row:
            width = len(g.alphas) * layout.features
            if 0 in g.alphas:
                part = mask[g.offset : g.offset + g.slots * width].view(g.slots, len(g.alphas), layout.features)
                part[:, g.alphas.index(0)] = True
    return mask


@dataclass(frozen=True, eq=False)
class GridField:
    """Fields on a box as functions: tables and head, with exact derivatives.

    Attributes
    ----------
    axes, names
        Names of coordinates and fields.
    layout
        Levels and places of the coefficients.
    head
        One of :data:`hermite_pinn.field.heads.HEADS`.
    table
        Flat coefficients.
    siren, gate
        The network and its factor, where the head has them.
    envelope
        A factor that makes the fields vanish on faces, or None.
    half
        Whether the table is read in half precision; then the field has values only, see :meth:`rounded`.
    """

    axes: tuple[str, ...]
    names: tuple[str, ...]
    layout: GridLayout
    head: str
    table: torch.Tensor
    siren: Siren | None = None
    gate: torch.Tensor | None = None
    envelope: Envelope | None = None
    half: bool = False

    @property
    def dtype(self) -> torch.dtype:
        """Precision of the coefficients."""
        return self.table.dtype

    @property
    def device(self) -> torch.device:
        """Where the coefficients are."""
        return self.table.device

    def tensors(self) -> dict[str, torch.Tensor]:
        """All trainable tensors by name."""
        found = {"table": self.table}
        if self.siren is not None:
            for k, (w, b) in enumerate(zip(self.siren.weights, self.siren.biases, strict=True)):
                found[f"weight{k}"] = w
                found[f"bias{k}"] = b
        if self.gate is not None:
            found["gate"] = self.gate
        return found

    def with_tensors(self, tensors: dict[str, torch.Tensor]) -> GridField:
        """The same field with other values in :meth:`tensors`."""
        siren = self.siren
        if siren is not None:
            count = len(siren.weights)
            siren = replace(
                siren,
                weights=tuple(tensors[f"weight{k}"] for k in range(count)),
                biases=tuple(tensors[f"bias{k}"] for k in range(count)),
            )
        return replace(self, table=tensors["table"], siren=siren, gate=tensors.get("gate"))

    def to(self, device: torch.device | str, dtype: torch.dtype | None = None) -> GridField:
        """The field on another device or in another precision."""
        return self.with_tensors({k: v.to(device, dtype or v.dtype) for k, v in self.tensors().items()})

    def detached(self) -> GridField:
        """A copy that shares nothing with the graph or the memory of this one."""
        return self.with_tensors({k: v.detach().clone() for k, v in self.tensors().items()})

    def rounded(self) -> GridField:
        """The same function where the table is read in half precision, with that table in full: it has derivatives."""
        return replace(self, table=self.table.half().to(self.dtype), half=False) if self.half else self

    @property
    def parameter_count(self) -> int:
        """Numbers stored, padding of the table excluded."""
        grid = sum(g.slots * len(g.alphas) * self.layout.features for row in self.layout.groups for g in row)
        return grid + sum(v.numel() for k, v in self.tensors().items() if k != "table")

    @property
    def reachable_count(self) -> int:
        """Numbers that can influence the field somewhere in the box."""
        return self.layout.reachable + sum(v.numel() for k, v in self.tensors().items() if k != "table")

    def jets(self, x: torch.Tensor, channels: Channels) -> torch.Tensor:
        """Derivative channels of all fields.

        Parameters
        ----------
        x
            Points (dim, n) of the field's dtype and device.

        Returns
        -------
        torch.Tensor
            (fields, channels, n), differentiable in the tables, the network and (for values and first derivatives) in
            ``x``.
        """
        if self.envelope is not None:
            plan = JetPlan.of(channels)
            return self.envelope.apply(replace(self, envelope=None).jets(x, plan.carried), x, plan)
        count = len(self.names)
        copy = half_copy(self.table) if self.half else None
        if self.head == "linear":
            return ops.summed_jets(x, self.table, self.layout, channels, copy=copy)[:count]
        plan = JetPlan.of(channels)
        features = ops.jets(x, self.table, self.layout, plan.carried, copy=copy)
        flat = features.reshape(-1, len(plan.carried), x.shape[1])
        assert self.siren is not None
        out = self.siren.jets(flat, plan)
        if self.gate is not None:
            linear = plan.requested(features.sum(0)[:count])
            out = linear + self.gate * out
        return out

    def evaluate(self, x: torch.Tensor, channels: Channels) -> torch.Tensor:
        """:meth:`jets` without gradients, in pieces that bound the memory."""
        with torch.no_grad():
            parts = [self.jets(x[:, i : i + CHUNK].contiguous(), channels) for i in range(0, max(1, x.shape[1]), CHUNK)]
        return parts[0] if len(parts) == 1 else torch.cat(parts, 2)

    def collapsed(self) -> GridField:
        """The same function on its finest level alone, where that is exact (linear head, nested levels)."""
        layout = self.layout
        if self.head != "linear" or not layout.nested or layout.levels == 1 or self.envelope is not None:
            return self
        pyramid = Pyramid(layout.basis, layout.resolutions, layout.periodic, layout.features, self.dtype, self.device)
        vector = torch.empty(pyramid.size, dtype=self.dtype, device=self.device)
        for level, view in enumerate(pyramid.views(vector)):
            view.copy_(self.level_coefficients(level))
        finest = pyramid.accumulate(vector)
        single = layout.with_levels(layout.resolutions[-1:])
        flat = to_records(finest, layout.orders)
        table = torch.zeros(single.size, dtype=self.dtype, device=self.device)
        table[: flat.numel()] = flat
        return replace(self, layout=single, table=table)

    def level_coefficients(self, level: int) -> torch.Tensor:
        """Coefficients of one dense level as (features, m N_1, ..., m N_d)."""
        layout = self.layout
        group = layout.groups[level][0]
        count = group.slots * layout.record * layout.features
        part = self.table[group.offset : group.offset + count]
        return from_records(part, layout.orders, layout.vertices(level), layout.features)

    def describe(self) -> dict[str, Any]:
        """Everything but the tensors, as plain data."""
        found: dict[str, Any] = {
            "axes": list(self.axes),
            "names": list(self.names),
            "layout": self.layout.key,
            "head": self.head,
        }
        if self.siren is not None:
            found |= {"omega": self.siren.omega, "activation": self.siren.activation, "layers": len(self.siren.weights)}
        if self.envelope is not None:
            found["envelope"] = self.envelope.describe()
        return found

    @classmethod
    def from_description(cls, described: dict[str, Any], tensors: dict[str, torch.Tensor]) -> GridField:
        """Inverse of :meth:`describe` with :meth:`tensors`."""
        siren = None
        if "layers" in described:
            count = int(described["layers"])
            siren = Siren(
                tuple(tensors[f"weight{k}"] for k in range(count)),
                tuple(tensors[f"bias{k}"] for k in range(count)),
                float(described["omega"]),
                str(described["activation"]),
            )
        layout = GridLayout.from_key(described["layout"])
        names = tuple(described["axes"]), tuple(described["names"])
        envelope = Envelope.from_description(described["envelope"]) if "envelope" in described else None
        return cls(*names, layout, described["head"], tensors["table"], siren, tensors.get("gate"), envelope)


def linear_field(
    domain: Domain,
    fields: Sequence[str],
    periodic: Sequence[bool],
    basis: str,
    resolutions: Sequence[tuple[int, ...]],
    coefficients: Sequence[torch.Tensor],
) -> GridField:
    """A linear-head field with dense levels given as tensors (fields, m N_1, ..., m N_d)."""
    layout = GridLayout(domain.lower, domain.upper, tuple(resolutions), basis, len(fields), None, tuple(periodic))
    table = torch.zeros(layout.size, dtype=coefficients[0].dtype, device=coefficients[0].device)
    for row, c in zip(layout.groups, coefficients, strict=True):
        flat = to_records(c, layout.orders)
        table[row[0].offset : row[0].offset + flat.numel()] = flat
    return GridField(domain.names, tuple(fields), layout, "linear", table)
