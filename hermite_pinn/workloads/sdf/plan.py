"""How a distance is fitted: the method, the kind of field, and the run that they make together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Protocol, cast

import torch

from hermite_pinn.checks import choice, instance
from hermite_pinn.errors import InvalidArgumentError
from hermite_pinn.field.field import Field, Levels
from hermite_pinn.field.grid_field import GridField
from hermite_pinn.field.hermite_grid import resolutions_of
from hermite_pinn.geometry import Box
from hermite_pinn.memory import check_fits
from hermite_pinn.methods import METHODS
from hermite_pinn.methods.training.method import TrainingMethod
from hermite_pinn.run.device import choose_device
from hermite_pinn.run.ending import Ending
from hermite_pinn.run.identity import plain
from hermite_pinn.run.monitor import Monitor
from hermite_pinn.run.workload import Save

from .affine_fit import AffineFit
from .cell_system import Weights
from .course import Course
from .distance_loss import BATCHES
from .misfits import Misfits
from .samples import SampleSource
from .target import Target
from .training import Trainer, Training

__all__ = ["LEAST_SQUARES", "FitRun", "Plan", "default_field"]

#: The method that fits fields which are affine in their parameters.
LEAST_SQUARES = "gauss_newton"
NAMES = ("d",)
PERIODIC = (False,) * 3


class FitRun(Protocol):
    """Something that fits a field, and can be continued."""

    @property
    def field(self) -> GridField:
        """The best field so far."""

    @property
    def stats(self) -> Mapping[str, Any]:
        """Numbers of the method, once it is done."""

    def run(self, save: Save, saved: Mapping[str, Any] | None) -> Ending:
        """Fit it, from the start or from a saved state."""


@dataclass(frozen=True)
class Plan:
    """A method with a kind of field, checked as far as that is possible without the surface.

    Attributes
    ----------
    method
        That trains, or None for least squares.
    spec
        The kind of field.
    levels
        How many, or their resolutions.
    weights
        Of misfits.
    dtype, device
        Of the field.
    seed
        Of everything random.
    """

    method: Trainer | None
    spec: Field
    levels: Levels
    weights: Weights
    dtype: torch.dtype
    device: torch.device
    seed: int

    @classmethod
    def of(
        cls,
        method: Any,
        field: Field | None,
        levels: Levels,
        weights: Weights,
        dtype: torch.dtype | None,
        device: str | torch.device,
        seed: int,
    ) -> Plan:
        """The plan of some arguments; defaults are those of the method.

        Raises
        ------
        InvalidArgumentError
            For a method that fits no distances, and for a field that it cannot fit.
        """
        trainer = _trainer(method)
        spec = field or default_field(LEAST_SQUARES if trainer is None else trainer.name)
        kind = dtype or (torch.float64 if trainer is None else trainer.precision)
        made = cls(trainer, spec, levels, weights, kind, torch.device("cpu"), seed)
        if not (made.by_level and isinstance(device, str) and device == "auto"):
            made = replace(made, device=choose_device(device))
        made._check()
        return made

    @property
    def name(self) -> str:
        """Of the method."""
        return LEAST_SQUARES if self.method is None else self.method.name

    @property
    def by_level(self) -> bool:
        """Whether levels are fitted one after the other, near the surface only where they are fine."""
        return self.method is None and self.spec.nestable and self.spec.table_size is None

    @property
    def options(self) -> dict[str, Any]:
        """Of the method and the misfits, for files."""
        own = {} if self.method is None else asdict(self.method)  # type: ignore[call-overload]
        return plain(own) | {f"{name}_weight": value for name, value in asdict(self.weights).items()}

    def _check(self) -> None:
        spec, method = self.spec, self.method
        if method is None and not spec.linear:
            raise InvalidArgumentError(
                f"gauss_newton fits distances by linear least squares, with head='linear', got head={spec.head!r}, which is not "
                "affine in its parameters; train it with method='adam', 'soap' or 'lbfgs'"
            )
        if spec.half or (spec.linear and spec.features not in (None, 1)):
            raise InvalidArgumentError(
                "a distance is one field of full precision: leave out half, and with head='linear' features"
            )
        if method is not None and method.adaptive is not None:
            raise InvalidArgumentError(
                f"samples of a surface do not follow residuals; leave adaptive={method.adaptive!r} out of {method.name}"
            )
        if self.dtype != torch.float64 and method is not None and method.precision == torch.float64:
            raise InvalidArgumentError(f"{method.name} works in float64, got dtype={self.dtype}; use adam for float32")
        if self.by_level and self.device.type != "cpu":
            raise InvalidArgumentError(
                f"gauss_newton fits dense levels on the CPU, got device={str(self.device)!r}; leave device out, or train: "
                "method='adam'"
            )
        if any((self.weights.normal, self.weights.eikonal)):
            spec.check_derivatives(1, 3)
        if method is not None and method.points is not None:
            need = method.points * self.dtype.itemsize * (8 * BATCHES + spec.width * spec.depth * (not spec.linear))
            check_fits(need, f"a pool of {BATCHES} times {method.points:,} samples", "lower points", self.device)

    def resolutions(self) -> tuple[tuple[int, ...], ...]:
        """Cells along the axes by level."""
        return tuple(resolutions_of(self.levels, self.spec.base, self.spec.ratio, 3))

    def start(self, box: Box) -> GridField:
        """The field before it is fitted."""
        return self.spec.build(box, NAMES, PERIODIC, self.levels, self.seed, self.dtype, self.device)

    def run(self, target: Target, box: Box, monitor: Monitor) -> FitRun:
        """What fits the distance to a surface in a box.

        Raises
        ------
        InvalidArgumentError, OutOfMemoryError
            For levels that make no field, or one that does not fit.
        """
        if self.by_level:
            return Course(target, box, self.spec.basis, self.resolutions(), self.weights, self.dtype, monitor)
        source = SampleSource(target, box, self.dtype, self.device)
        misfits, start = Misfits(self.weights, target.extent), self.start(box)
        if self.method is None:
            return AffineFit(start, source, misfits, monitor, self.seed)
        return Training(self.method, start, source, misfits, monitor, self.seed)


def _trainer(method: Any) -> Trainer | None:
    """The method that trains, or None for least squares."""
    if isinstance(method, str):
        if method == LEAST_SQUARES:
            return None
        method = METHODS[choice("method", method, METHODS, otherwise="a method object such as hp.Adam(steps=2000)")]()
    hint = f"give {method.__name__}(), not the class" if isinstance(method, type) else ""
    accepted = (
        "'gauss_newton', which has no options here, 'adam', 'soap', 'lbfgs', or one of hp.Adam(), hp.SOAP(), hp.LBFGS()"
    )
    return cast(Trainer, instance("method", method, TrainingMethod, accepted, hint=hint).completed())


def default_field(method: str) -> Field:
    """Dense cubics for least squares; the paper's network, with tables of 2**16 slots, for training."""
    if method == LEAST_SQUARES:
        return Field(base=8)
    return Field(head="siren", base=8, features=2, table_size=2**16, width=128, depth=2, omega=30.0)
