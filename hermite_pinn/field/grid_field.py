"""Fields on a box as functions: an encoder read by a head."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch

from hermite_pinn.cuda.encoder.channels import Channels
from hermite_pinn.cuda.encoder.layout import GridLayout
from hermite_pinn.cuda.network.activation import JetPlan
from hermite_pinn.geometry import Domain
from hermite_pinn.schema import Entry

from .appended import Appended
from .broken_grid import BrokenGrid
from .earlier import modern_description, modern_tree
from .encoder import Encoder
from .encoders import READABLE
from .exact_conditions import factor_from
from .head import Head
from .heads import HEADS, LinearHead
from .hermite_grid import HermiteGrid
from .linearized_field import FieldRows, LinearizedField
from .product_rule import Factor
from .singular_part import SingularPart
from .siren import Siren
from .summed import Summed
from .tree import ENCODER, HEAD, LAYERS, SINGULAR, TABLE, Tree, branch, joined, rooted, within

__all__ = ["FieldRows", "GridField", "LinearizedField", "linear_field"]

CHUNK = 1 << 17  # points evaluated at a time


@dataclass(frozen=True, eq=False)
class GridField:
    """Fields on a box as functions: encoder and head, with exact derivatives.

    Its parameters are a tree of tensors with paths such as ``encoder/table``, ``head/layers/0/weight`` and
    ``head/gate``; see :mod:`hermite_pinn.field.tree`.

    Attributes
    ----------
    axes, names
        Names of coordinates and fields.
    encoder
        From points to features.
    head
        From features to fields.
    boundary_factor
        What makes conditions hold exactly, by a factor that vanishes on faces and by what is added; or None.
    singular
        Functions that are singular at corners of the domain, which are added to all this, or None.

    Examples
    --------
    >>> import hermite_pinn as hp
    >>> field = hp.solve(hp.problems.poisson2d(), levels=2, progress=False).field
    >>> field.axes, field.names, field.head.name, list(field.tensors())
    (('x', 'y'), ('u',), 'linear', ['encoder/table'])
    """

    axes: tuple[str, ...]
    names: tuple[str, ...]
    encoder: Encoder
    head: Head
    boundary_factor: Factor | None = None
    singular: SingularPart | None = None

    @property
    def dtype(self) -> torch.dtype:
        """Precision of the parameters."""
        return next(iter(self.tensors().values())).dtype

    @property
    def device(self) -> torch.device:
        """Where the parameters are."""
        return next(iter(self.tensors().values())).device

    @property
    def layout(self) -> GridLayout:
        """Levels and places of the coefficients, where the encoder is a grid; see :attr:`Encoder.grid`."""
        return self.encoder.grid

    @property
    def table(self) -> torch.Tensor:
        """Flat coefficients, where the encoder is a grid."""
        return self.tensors()[TABLE]

    @property
    def siren(self) -> Siren | None:
        """The network, where the head has one."""
        return self.head.network

    @property
    def gate(self) -> torch.Tensor | None:
        """The network's factor, where the head has one."""
        return self.head.gate

    @property
    def linear(self) -> bool:
        """Whether the fields are the sum of the levels, linear in all parameters."""
        return self.head.sums_levels

    # -- parameters ---
    def tensors(self) -> dict[str, torch.Tensor]:
        """All trainable tensors by their path."""
        own = rooted(self.encoder.parameters(), ENCODER) | rooted(self.head.parameters(), HEAD)
        return own if self.singular is None else own | rooted(self.singular.parameters(), SINGULAR)

    def with_tensors(self, tensors: Tree) -> GridField:
        """The same field with other values in :meth:`tensors`."""
        return replace(
            self,
            encoder=self.encoder.with_parameters(branch(tensors, ENCODER)),
            head=self.head.with_parameters(branch(tensors, HEAD)),
            singular=None if self.singular is None else self.singular.with_parameters(branch(tensors, SINGULAR)),
        )

    def to(self, device: torch.device | str, dtype: torch.dtype | None = None) -> GridField:
        """The field on another device or in another precision."""
        return self.with_tensors({k: v.to(device, dtype or v.dtype) for k, v in self.tensors().items()})

    def detached(self) -> GridField:
        """A copy that shares nothing with the graph or the memory of this one."""
        return self.with_tensors({k: v.detach().clone() for k, v in self.tensors().items()})

    def at_level(self, level: int) -> GridField:
        """The same field while a level is the finest that is trained; see :meth:`.Encoder.at_level`."""
        return replace(self, encoder=self.encoder.at_level(level))

    def rounded(self) -> GridField:
        """The same function where the table is read in half precision, with that table in full: it has derivatives."""
        return replace(self, encoder=self.encoder.rounded())

    def folded(self) -> GridField:
        """The same function with redundant factors of the head taken into its other parameters."""
        return replace(self, head=self.head.folded())

    @property
    def unknowns(self) -> tuple[str, ...]:
        """Paths that a least-squares problem solves for, once the field is :meth:`folded`."""
        added = () if self.singular is None else rooted(self.singular.parameters(), SINGULAR)
        own = rooted(self.encoder.parameters(), ENCODER)
        return (*own, *(joined(HEAD, path) for path in self.head.unknowns), *added)

    @property
    def level_slices(self) -> dict[str, tuple[slice, ...]]:
        """Where the parameters of every level of the encoder lie, by path; see :attr:`Encoder.level_slices`."""
        return rooted(self.encoder.level_slices, ENCODER)

    @property
    def tables(self) -> dict[str, GridLayout]:
        """Where the coefficients of grids lie, by path; see :attr:`Encoder.tables`."""
        return {joined(ENCODER, path): layout for path, layout in self.encoder.tables.items()}

    @property
    def layers(self) -> tuple[str, ...]:
        """Paths of the weights and biases of a network."""
        return tuple(path for path in self.tensors() if within(path, LAYERS))

    @property
    def readout(self) -> tuple[str, ...]:
        """Paths of the network's last layer."""
        return tuple(joined(HEAD, path) for path in self.head.readout)

    def affine_in(self, paths: Collection[str]) -> bool:
        """Whether the fields are affine in some of the parameters together."""
        moving = any(within(path, ENCODER) for path in paths)
        own = branch(dict.fromkeys(paths), HEAD)
        return (self.encoder.affine or not moving) and self.head.affine_in(own, moving)

    @property
    def parameter_count(self) -> int:
        """Numbers stored, padding of the table excluded."""
        return self.encoder.parameter_count + self._beside_encoder

    @property
    def reachable_count(self) -> int:
        """Numbers that can influence the field somewhere in the box."""
        return self.encoder.reachable_count + self._beside_encoder

    @property
    def _beside_encoder(self) -> int:
        return sum(v.numel() for path, v in self.tensors().items() if not within(path, ENCODER))

    # -- values ---
    def _read(self, x: torch.Tensor, plan: JetPlan) -> torch.Tensor:
        """What the head reads; see :meth:`Head.jets`."""
        if self.head.sums_levels:
            return self.encoder.summed_jets(x, plan.carried)
        return self.encoder.jets(x, plan.carried)

    def jets(self, x: torch.Tensor, channels: Channels) -> torch.Tensor:
        """Derivative channels of all fields.

        Parameters
        ----------
        x
            Points (dim, n) of the field's dtype and device.

        Returns
        -------
        torch.Tensor
            (fields, channels, n), differentiable in the parameters and (for values and first derivatives) in ``x``.
        """
        if self.boundary_factor is not None:
            plan = JetPlan.of(channels)
            inner = replace(self, boundary_factor=None, singular=None).jets(x, plan.carried)
            jets = torch.einsum("frcn,fcn->frn", self.boundary_factor.matrix(x, plan), inner)
            added = self.boundary_factor.added(x, channels)
            jets = jets if added is None else jets + added
        else:
            jets = self._inner_jets(x, channels)
        return jets if self.singular is None else jets + self.singular.jets(x, channels, self.names)

    def _inner_jets(self, x: torch.Tensor, channels: Channels) -> torch.Tensor:
        """What encoder and head make; where derivatives are differences, these are of the fields."""
        stencil = self.encoder.stencil(x, channels)
        if stencil is not None:
            plan = self.head.plan(Channels.value(len(x)))
            return stencil.combine(self.head.jets(self._read(stencil.points, plan), plan))
        plan = self.head.plan(channels)
        return self.head.jets(self._read(x, plan), plan)

    def evaluate(self, x: torch.Tensor, channels: Channels) -> torch.Tensor:
        """:meth:`jets` without gradients, in pieces that bound the memory."""
        with torch.no_grad():
            parts = [self.jets(x[:, i : i + CHUNK].contiguous(), channels) for i in range(0, max(1, x.shape[1]), CHUNK)]
        return parts[0] if len(parts) == 1 else torch.cat(parts, 2)

    def product_rule(self, x: torch.Tensor, channels: Channels) -> torch.Tensor | None:
        """The boundary factor's part in jets at points, for :meth:`linearized`; None without such a factor."""
        if self.boundary_factor is None:
            return None
        return self.boundary_factor.matrix(x, JetPlan.of(channels))

    def linearized(
        self, x: torch.Tensor, channels: Channels, product_rule: torch.Tensor | None = None
    ) -> LinearizedField:
        """:meth:`jets` without gradients, and what products with its derivatives by the parameters need.

        Parameters
        ----------
        x, channels
            As for :meth:`jets`.
        product_rule
            From the method of this name, for callers that keep it; it depends on the points only.

        Examples
        --------
        >>> from hermite_pinn import Box, Field
        >>> field = Field().build(Box(x=(0, 1)), ["u"], [False], 1)
        >>> x = torch.tensor([[0.25]], dtype=torch.float64)
        >>> rows = field.linearized(x, Channels.value(1)).rows([torch.ones(1, 1, 1, dtype=torch.float64)])
        >>> direction = {"encoder/table": torch.ones_like(field.table)}
        >>> rows.forward(direction).tolist()  # the value at a vertex
        [[1.0]]
        """
        if product_rule is None:
            product_rule = self.product_rule(x, channels)
        inner = channels if self.boundary_factor is None else JetPlan.of(channels).carried
        stencil = self.encoder.stencil(x, inner)
        at, plan = x, self.head.plan(inner if stencil is None else Channels.value(len(x)))
        if stencil is not None:
            at = stencil.points
        with torch.no_grad():
            head = self.head.linearized(self._read(at, plan), plan)
            jets = head.jets if stencil is None else stencil.combine(head.jets)
            if product_rule is not None:
                jets = torch.einsum("frcn,fcn->frn", product_rule, jets)
            held = None if self.boundary_factor is None else self.boundary_factor.added(x, channels)
            jets = jets if held is None else jets + held
            added = None
            if self.singular is not None:
                added = self.singular.by_field(x, channels, self.names)
                jets = jets + torch.einsum("i,ifcn->fcn", self.singular.coefficients, added)
        return LinearizedField(at, plan.carried, self.encoder, head, product_rule, jets, added, stencil)

    # -- grids ---
    def collapsed(self) -> GridField:
        """The same function on its finest level alone, where that is exact (linear head, nested levels)."""
        if not self.linear or self.boundary_factor is not None:
            return self
        return replace(self, encoder=self.encoder.collapsed())

    def level_coefficients(self, level: int) -> torch.Tensor:
        """Coefficients of one dense level as (features, m N_1, ..., m N_d)."""
        return self.encoder.level_coefficients(level)

    # -- files ---
    def describe(self) -> dict[str, Any]:
        """Everything but the tensors, as plain data."""
        described: dict[str, Any] = {
            "axes": list(self.axes),
            "names": list(self.names),
            "encoder": self.encoder.describe(),
            "head": self.head.describe(),
        }
        if self.boundary_factor is not None:
            described["boundary_factor"] = self.boundary_factor.describe()
        if self.singular is not None:
            described["singular"] = self.singular.describe()
        return described

    @classmethod
    def from_description(cls, described: Mapping[str, Any] | Entry, tensors: Tree | Entry) -> GridField:
        """Inverse of :meth:`describe` with :meth:`tensors`; understands those of version 1.

        Tensors on the device ``meta`` give a field of which nothing can be evaluated, to see whether shapes and types
        fit before the numbers are read.

        Raises
        ------
        CorruptFileError
            If something is missing, is not finite, or does not fit together.
        """
        given, leaves = (
            Entry.of(described, "the description of a field"),
            Entry.of(tensors, "the description of a field"),
        )
        whole = replace(given, value=modern_description(given))
        tree = modern_tree(leaves.entries())
        if len(tree) < len(leaves.value):
            raise leaves.refuse("every tensor once")
        axes, names = (_distinct_names(whole.at(key)) for key in ("axes", "names"))

        def part(group: str) -> Entry:
            return Entry(
                {k: e.value for k, e in branch(tree, group).items()}, leaves.source, joined(leaves.path, group)
            )

        kind = whole.at("encoder").at("name")
        encoder = READABLE[kind.text(READABLE)].from_description(whole.at("encoder"), part(ENCODER))
        encoder = Appended.around(Summed.around(encoder, whole.at("encoder")), whole.at("encoder"))
        if encoder.dim != len(axes):
            raise whole.at("axes").refuse(f"{encoder.dim} names, one for every axis of the encoder")
        shape = encoder.levels * encoder.features, len(names)
        kind = whole.at("head").at("name")
        head = HEADS[kind.text(HEADS)].from_description(whole.at("head"), *shape, part(HEAD))
        if head.one_feature_per_field and encoder.features < len(names):
            raise whole.at("names").refuse(f"at most {encoder.features} names, one for every feature")
        factor = whole.get("boundary_factor")
        box = encoder.lower, encoder.upper, len(names)
        singular = whole.get("singular")
        restored = cls(
            axes,
            names,
            encoder,
            head,
            None if factor is None else factor_from(factor, *box, axes),
            None if singular is None else SingularPart.from_description(singular, part(SINGULAR), axes, names),
        )
        own = restored.tensors()
        if set(own) != set(tree):
            raise leaves.refuse(f"tensors called {', '.join(own)}")
        if len({v.dtype for v in own.values()}) > 1:
            raise leaves.refuse("tensors of one type: " + ", ".join(f"{k} is {v.dtype}" for k, v in own.items()))
        return restored


def _distinct_names(entry: Entry) -> tuple[str, ...]:
    names = tuple(e.text() for e in entry.items(least=1))
    if len(set(names)) < len(names) or not all(name.isidentifier() for name in names):
        raise entry.refuse("names, each once")
    return names


def linear_field(
    domain: Domain,
    fields: Sequence[str],
    periodic: Sequence[bool],
    basis: str,
    resolutions: Sequence[tuple[int, ...]],
    coefficients: Sequence[torch.Tensor],
) -> GridField:
    """A linear-head field with dense levels given as tensors (fields, m N_1, ..., m N_d).

    On a domain with breaks that is one level, with the vertices on breaks twice.
    """
    if domain.breaks:
        lines = [(a, *domain.breaks.get(n, ()), b) for n, (a, b) in domain.bounds.items()]
        broken = BrokenGrid.of(lines, resolutions[-1], basis, periodic, coefficients[-1])
        return GridField(domain.names, tuple(fields), broken, LinearHead(len(fields)))
    layout = GridLayout(domain.lower, domain.upper, tuple(resolutions), basis, len(fields), None, tuple(periodic))
    encoder = HermiteGrid.from_coefficients(layout, coefficients)
    return GridField(domain.names, tuple(fields), encoder, LinearHead(len(fields)))
