"""What is fixed when an encoder kernel is compiled, and its source."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from hermite_pinn.cuda.runtime.source import BLOCK, REALS, assembled
from hermite_pinn.errors import InvalidArgumentError

from .basis import KERNEL_BASES
from .channels import Channels
from .layout import GridLayout

__all__ = ["OPERATIONS", "PER_LEVEL", "TO_TABLE", "Specialization"]

OPERATIONS = ("jets", "summed_jets", "adjoint", "diagonal", "input_gradient", "jacobian_vector", "vector_jacobian")

#: Operations with one row of blocks per level on a GPU, and those that add to a table.
PER_LEVEL = ("jets", "adjoint", "diagonal", "vector_jacobian")
TO_TABLE = ("adjoint", "diagonal", "vector_jacobian")


#: Ways to weigh vertices, by their number in cell.cuh.
WEIGHTS = ("ends", "corner", "window")

REGISTER = 64  # bytes of a vector register
MOST_STACK = 4 * 2**20  # bytes: half of what threads have on common systems


@dataclass(frozen=True)
class Specialization:
    """What is fixed when an encoder kernel is compiled.

    Resolutions, table sizes, lists of vertices, the box and periodicity are run-time data; basis, dimension, features,
    channels and precision are not.

    Attributes
    ----------
    operation
        One of :data:`OPERATIONS`.
    split
        Whether the derivative orders have tables of their own.
    dtype
        Of points and arithmetic, ``"float32"`` or ``"float64"``.
    terms
        Rows of the Jacobian per point, for its products with vectors.
    stored
        Of the table that is read: ``"float16"``, or ``""`` for the same as ``dtype``.
    limbs
        64-bit integers per sum: 0 sums in ``dtype``, 1 or 2 independently of the order (see sums.cuh).
    indexed
        Whether any level stores listed vertices only; others know nothing of maps (see storage.cuh).
    blend
        See :class:`GridLayout`.

    Examples
    --------
    >>> s = Specialization("jets", 2, "cubic", 1, False, Channels.value(2), "float64")
    >>> "#define HP_DIM 2" in s.source("cpp")
    True
    """

    operation: str
    dim: int
    basis: str
    features: int
    split: bool
    channels: Channels
    dtype: str
    terms: int = 1
    stored: str = ""
    limbs: int = 0
    indexed: bool = False
    blend: float = 1.0

    @classmethod
    def of(
        cls,
        operation: str,
        layout: GridLayout,
        channels: Channels,
        dtype: str,
        terms: int = 1,
        stored: str = "",
        limbs: int = 0,
    ) -> Specialization:
        """The specialisation that serves ``layout``."""
        return cls(
            operation,
            layout.dim,
            layout.basis,
            layout.features,
            layout.split,
            channels,
            dtype,
            terms,
            stored,
            limbs,
            layout.indexed,
            layout.blend,
        )

    def source(self, language: str) -> str:
        """Complete source for ``language`` ``"cu"`` (NVRTC) or ``"cpp"`` (host compiler).

        Raises
        ------
        InvalidArgumentError
            If a point would need more than 4 MiB of a thread's stack.
        """
        if self.stack_bytes > MOST_STACK:
            raise InvalidArgumentError(
                f"kernels for {self.features} features and {len(self.channels)} channels of a {self.basis} basis in {self.dim} "
                f"dimensions would need {self.stack_bytes / 2**20:.0f} MiB for every point; use fewer features"
            )
        return assembled(f"encoder/encoder.{language}", self._constants(), self._tables())

    @property
    def stack_bytes(self) -> int:
        """Estimate of the bytes that a register of points needs for the stages of its contraction.

        Examples
        --------
        >>> Specialization("jets", 2, "cubic", 1, False, Channels.value(2), "float64").stack_bytes
        960
        """
        orders = KERNEL_BASES[self.basis].coefficients
        channels = self.channels.raised[0] if self.operation == "input_gradient" else self.channels
        nodes = (*channels.contraction.nodes[: self.dim], 1)
        numbers = 2 * self.features * sum(n * orders**axis for axis, n in enumerate(nodes))
        if self.operation == "diagonal":
            numbers += KERNEL_BASES[self.basis].taps ** self.dim * orders**self.dim * self.features
        return REGISTER * (numbers + self.terms)

    def _constants(self) -> dict[str, str | int]:
        constants: dict[str, str | int] = {
            "HP_REAL": REALS[getattr(torch, self.dtype)],
            "HP_DIM": self.dim,
            "HP_GROUPS": len(self._groups()),
            "HP_BASIS": self.basis,
            "HP_FEATURES": self.features,
            "HP_OPERATION": self.operation,
            "HP_BLOCK": BLOCK,
            "HP_TERMS": self.terms,
            "HP_STORED": "half" if self.stored == "float16" else "real",
            "HP_LIMBS": self.limbs,
            "HP_INDEXED": "true" if self.indexed else "false",
        }
        return constants | self._weights()

    def _weights(self) -> dict[str, str | int]:
        """Constants of bases whose weights are no products over the axes of those of two ends; others have none."""
        chosen = WEIGHTS.index(KERNEL_BASES[self.basis].weights)
        found: dict[str, str | int] = {"HP_WEIGHTS": chosen} if chosen else {}
        return found | ({"HP_BLEND": repr(float(self.blend))} if chosen == 1 else {})

    def _layout(self) -> GridLayout:
        sizes = None
        if self.split:
            groups = self.dim * (KERNEL_BASES[self.basis].coefficients - 1) + 1
            sizes = (2,) * (groups - 1) + (4,)
        return GridLayout((0.0,) * self.dim, (1.0,) * self.dim, ((2,) * self.dim,), self.basis, self.features, sizes)

    def _groups(self) -> tuple[tuple[int, ...], ...]:
        return tuple(g.alphas for g in self._layout().groups[0])

    def _tables(self) -> str:
        channels = self.channels
        differentiated, derivative_nodes = 0, [[0] * self.dim]
        if self.operation == "input_gradient":
            differentiated = len(channels)
            channels, nodes = channels.raised
            derivative_nodes = [list(row) for row in nodes]
        plan = channels.contraction
        orders = [channels.axis_orders(i) for i in range(self.dim)]
        masks = [sum(1 << m for m in row) for row in orders]
        groups = self._groups()
        group_of = {a: g for g, alphas in enumerate(groups) for a in alphas}
        position_of = {a: alphas.index(a) for alphas in groups for a in alphas}
        record = range(len(group_of))

        def lookup(name: str, values: list[int]) -> str:
            text = ", ".join(map(str, values))
            return f"HP_INLINE constexpr int {name}(int i) {{ constexpr int list[] = {{{text}}}; return list[i]; }}\n"

        lines = [
            "namespace hp {\n",
            "struct term { int node, order, source; double weight; };\n",
            "template <int AXIS> struct stage;\n",
        ]
        for axis in range(self.dim):
            terms = ", ".join(f"{{{t.node}, {t.order}, {t.source}, {t.weight!r}}}" for t in plan.terms[axis])
            lines.append(
                f"template <> struct stage<{axis}> {{ static constexpr int nodes = {plan.nodes[axis]}, "
                f"terms = {len(plan.terms[axis])}; static constexpr term list[] = {{{terms}}}; }};\n"
            )
        lines.append(f"template <> struct stage<{self.dim}> {{ static constexpr int nodes = 1; }};\n")
        lines.append(f"constexpr int MAX_ORDER = {max(max(row) for row in orders)};\n")
        lines.append(f"constexpr int DIFFERENTIATED = {differentiated};\n")
        lines.append(lookup("axis_orders", masks))
        lines.append(lookup("group_size", [len(g) for g in groups]))
        lines.append(lookup("group_of", [group_of[a] for a in record]))
        lines.append(lookup("position_of", [position_of[a] for a in record]))
        flat = ", ".join(str(n) for row in derivative_nodes for n in row)
        lines.append(f"constexpr int derivative_nodes[] = {{{flat}}};\n")
        if KERNEL_BASES[self.basis].weights == "corner":
            lines.append(_corner_terms(channels))
        lines.append("}\n")
        return "".join(lines)


def _corner_terms(channels: Channels) -> str:
    """Terms of channels up to the second order for corner.cuh: channel, up to two axes, weight."""
    rows = []
    for node, channel in enumerate(channels.channels):
        for weight, orders in channel:
            axes = [axis for axis, m in enumerate(orders) for _ in range(m)]
            first, second = (*axes, -1, -1)[:2]
            rows.append(f"{{{node}, {first}, {second}, {weight!r}}}")
    return (
        "struct corner_term { int node, first, second; double weight; };\n"
        f"constexpr int CORNER_TERMS = {len(rows)};\n"
        f"constexpr corner_term corner_terms[] = {{{', '.join(rows)}}};\n"
    )
