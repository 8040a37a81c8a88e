"""What a training method needs of a workload: tensors to train, and named losses of them at a batch."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Generic, TypeVar

import torch

from hermite_pinn.errors import InvalidArgumentError

from .bounded_parameters import BoundedMap

__all__ = ["Loss", "checked_tensors"]

BatchT = TypeVar("BatchT")


class Loss(ABC, Generic[BatchT]):
    """A weighted sum of named losses of named tensors, at batches that it draws itself.

    A workload (residuals of a differential equation, signed distances, rays) implements the abstract members; then
    :class:`hermite_pinn.Adam`, :class:`hermite_pinn.SOAP` and :class:`hermite_pinn.LBFGS` train it, with schedules,
    balanced weights, history, limits, callbacks, checkpoints and CUDA graphs.  Everything else here has a default
    and says more about the workload where there is more to say.  What a batch is, the workload alone knows.

    Attributes
    ----------
    names
        The losses, in the order of the history's columns.
    weighted
        Those whose weight the method chooses: it starts at the option ``weight`` and may be balanced.  The others
        weigh 1.
    tables
        Of tensors that are tables of a grid, by name: the part of every level, coarse to fine, one after the other;
        a curriculum over the levels trains their parts one by one.
    networks
        Names of the weights and biases of networks, which SOAP preconditions.
    bounds
        Of tensors whose numbers have some, by name.
    renewal
        Steps between two calls of :meth:`renew`; 0 for never.
    obstacles
        Why :meth:`draw` and :meth:`losses` cannot be recorded in a CUDA graph (functions on the host, shapes that
        depend on data); empty if they can.

    Examples
    --------
    A number that is to equal another:

    >>> class Distance(Loss[torch.Tensor]):
    ...     names = ("distance",)
    ...     def tensors(self):
    ...         return {"x": torch.zeros(1, dtype=torch.float64)}
    ...     def draw(self, generator):
    ...         return torch.full((1,), 2.0, dtype=torch.float64)
    ...     def losses(self, tensors, batch):
    ...         return {"distance": (tensors["x"] - batch).square().mean()}
    >>> import hermite_pinn as hp
    >>> result = hp.LBFGS(steps=20).train(Distance())
    >>> round(float(result.tensors["x"]), 6)
    2.0
    """

    names: Sequence[str]
    weighted: Sequence[str] = ()
    tables: Mapping[str, Sequence[slice]] = MappingProxyType({})
    networks: Collection[str] = ()
    bounds: Mapping[str, BoundedMap] = MappingProxyType({})
    renewal: int = 0
    obstacles: Sequence[str] = ()

    # -- tensors ---
    @abstractmethod
    def tensors(self) -> dict[str, torch.Tensor]:
        """Copies of the values to start from, by name, on the device of the run."""

    def model(self, tensors: Mapping[str, torch.Tensor]) -> Any:
        """What the tensors stand for; callbacks find it as ``state.field``."""
        return tensors

    # -- random batches ---
    @abstractmethod
    def draw(self, generator: torch.Generator) -> BatchT:
        """The batch of a step: this process's part, where several share the run.

        Nothing may wait for the device, and shapes may not depend on the data, or :attr:`obstacles` must say so.
        """

    @abstractmethod
    def losses(self, tensors: Mapping[str, torch.Tensor], batch: BatchT) -> dict[str, torch.Tensor]:
        """Losses at a batch by name, scalar and differentiable by the tensors."""

    def renew(self, tensors: Mapping[str, torch.Tensor], generator: torch.Generator) -> bool:
        """Adapt what batches are drawn from to the tensors of now, every :attr:`renewal` steps.

        Returns
        -------
        bool
            Whether :meth:`draw` reads other memory from now on; recorded steps are then forgotten.
        """
        return False

    def follow(self, level: int) -> None:
        """A level is now the finest of the tables that is trained; called before the first step, too."""

    def advance(self, done: float) -> None:
        """So much of a run, 0 to 1, is done; called on the host before every step."""

    # -- the same batch in every step ---
    def parts(self, number: int, tensors: Mapping[str, torch.Tensor], generator: torch.Generator) -> Sequence[BatchT]:
        """Batches that stay for a round of a method which needs the same function in every step.

        The function is the sum over the parts, each small enough to be evaluated at once.

        Parameters
        ----------
        number
            Of the round, from 0.
        tensors
            At the start of the round.  When a run is resumed within a round they are those of now: what depends on
            them belongs into :meth:`state`.
        generator
            Random numbers of the round; the same again when it is resumed.
        """
        return [self.draw(generator)]

    def rows(
        self, tensors: Mapping[str, torch.Tensor], part: BatchT, weights: Mapping[str, float]
    ) -> torch.Tensor | None:
        """Numbers, in any shape, whose sum of squares is the weighted loss of a part; None if there are none.

        With them the unknowns are measured in units of the columns of the Jacobian.

        Parameters
        ----------
        weights
            Of losses by name; 1 where there is none.
        """
        return None

    # -- reports ---
    def report(self, values: Mapping[str, float]) -> dict[str, float]:
        """Losses by name as they are shown: as root mean squares, in the user's units."""
        return {name: math.sqrt(value) if value >= 0 else math.nan for name, value in values.items()}

    def held_out(self, tensors: Mapping[str, torch.Tensor]) -> dict[str, float]:
        """The same where nothing is trained; empty where that is not known."""
        return {}

    # -- checkpoints ---
    def state(self) -> dict[str, Any]:
        """What later batches and losses depend on, by name: plain data and tensors.

        Names that methods use themselves are ``step``, ``round``, ``reach``, ``recorded``, ``recent``, ``failed``,
        ``first_gradient``, ``units``, ``weights``, ``tensors``, ``average``, ``updates``, ``moments``, ``solver``,
        ``arrays``, ``generator`` and ``round_generator``.
        """
        return {}

    def restore(self, saved: Mapping[str, Any]) -> None:
        """Take over :meth:`state`; ``saved`` has more names than those."""
        return


def checked_tensors(loss: Loss[Any]) -> dict[str, torch.Tensor]:
    """The tensors that a loss starts from, after a look at what it says about them.

    Raises
    ------
    InvalidArgumentError
        If it has no losses or no tensors, names some that do not exist, or levels that are not the table.
    """
    tensors, kind = loss.tensors(), type(loss).__name__
    names = list(loss.names)
    if not names or len(set(names)) < len(names) or not tensors:
        raise InvalidArgumentError(
            f"{kind} needs at least one tensor and one name of a loss, each once, got the tensors {list(tensors)} and the names {names}"
        )
    said = {"weighted": (loss.weighted, names)}
    said |= {k: (getattr(loss, k), list(tensors)) for k in ("tables", "networks", "bounds")}
    for attribute, (given, known) in said.items():
        unknown = [name for name in given if name not in known]
        if unknown:
            raise InvalidArgumentError(
                f"{kind}.{attribute} names {', '.join(map(repr, unknown))}; known: {', '.join(known)}"
            )
    for name, levels in loss.tables.items():
        starts = [0, *(part.stop for part in levels)]
        if [part.start for part in levels] != starts[:-1] or starts[-1] > tensors[name].numel():
            raise InvalidArgumentError(
                f"{kind}.tables[{name!r}] must divide the {tensors[name].numel()} numbers of the table from 0 on, level after "
                f"level, got {list(levels)}"
            )
    return tensors
