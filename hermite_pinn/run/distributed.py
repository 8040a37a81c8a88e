"""One run on several processes: points are divided over the ranks, sums go through ``torch.distributed``.

Every rank holds all unknowns and takes the same decisions, because it takes them on sums over all ranks.  Without a
process group there is one rank and nothing is sent.
"""

from __future__ import annotations

import atexit
import datetime
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TypeVar

import torch
import torch.distributed as dist

from hermite_pinn.errors import DistributedError, InvalidArgumentError

__all__ = ["ALONE", "Ranks", "join", "launched"]

T = TypeVar("T")

#: Seconds after which a rank that waits for another gives up, unless ``HERMITE_PINN_TIMEOUT`` says otherwise.
TIMEOUT = 600.0


@dataclass(frozen=True)
class Ranks:
    """The processes of a run, seen from one of them.

    Attributes
    ----------
    rank, size
        Number of this process, and of all.
    device
        Where its tensors are.

    Examples
    --------
    >>> Ranks(rank=1, size=3).part(10)
    slice(3, 6, None)
    >>> Ranks().add(torch.ones(1))
    tensor([1.])
    """

    rank: int = 0
    size: int = 1
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))

    @property
    def leader(self) -> bool:
        """Whether this is rank 0, which alone prints and writes."""
        return self.rank == 0

    def divides(self, count: int) -> bool:
        """Whether every rank gets a piece; what cannot be divided is weighted by ``1 / size`` instead."""
        return 1 < self.size <= count

    def part(self, count: int) -> slice:
        """The rank's contiguous share of ``count`` pieces."""
        return slice(count * self.rank // self.size, count * (self.rank + 1) // self.size)

    def add(self, tensor: torch.Tensor) -> torch.Tensor:
        """The sum over all ranks, in place; the same bits on every rank.

        Raises
        ------
        DistributedError
            If another rank failed or does not answer.
        """
        if self.size > 1:
            with self._guarded("a sum"):
                dist.all_reduce(tensor)
        return tensor

    def add_all(self, *values: float) -> tuple[float, ...]:
        """Sums of numbers over all ranks."""
        if self.size == 1:
            return values
        return tuple(self.add(torch.tensor(values, dtype=torch.float64, device=self.device)).tolist())

    def largest(self, value: float) -> float:
        """The largest of a number over all ranks."""
        if self.size == 1:
            return value
        largest = torch.tensor(value, dtype=torch.float64, device=self.device)
        with self._guarded("a maximum"):
            dist.all_reduce(largest, op=dist.ReduceOp.MAX)
        return float(largest)

    def least(self, value: float) -> float:
        """The smallest of a number over all ranks."""
        return -self.largest(-value)

    def gathered(self, tensor: torch.Tensor) -> list[torch.Tensor]:
        """A tensor of equal shape from every rank, in their order."""
        if self.size == 1:
            return [tensor]
        gathered = [torch.empty_like(tensor) for _ in range(self.size)]
        with self._guarded("a gathering"):
            dist.all_gather(gathered, tensor.contiguous())
        return gathered

    def from_leader(self, value: T) -> T:
        """Rank 0's value of a picklable object."""
        if self.size == 1:
            return value
        box = [value]
        with self._guarded("a message of rank 0"):
            dist.broadcast_object_list(box, src=0, device=self.device)
        return box[0]

    def spread(self, tensor: torch.Tensor) -> torch.Tensor:
        """Rank 0's values of a tensor, in place."""
        if self.size > 1:
            with self._guarded("a message of rank 0"):
                dist.broadcast(tensor, src=0)
        return tensor

    def check_same(self, described: Mapping[str, str]) -> None:
        """Compare what the ranks were asked to do.

        Raises
        ------
        DistributedError
            On every rank, if they differ; the message names what.
        """
        if self.size == 1:
            return
        by_rank: list[Mapping[str, str]] = [{} for _ in range(self.size)]
        with self._guarded("the comparison of the ranks"):
            dist.all_gather_object(by_rank, dict(described))
        for rank, other in enumerate(by_rank):
            for key in sorted({*by_rank[0], *other}):
                if by_rank[0].get(key) != other.get(key):
                    raise DistributedError(
                        f"the ranks of a run must solve the same problem in the same way, but {key} differs:\n"
                        f"  rank 0: {by_rank[0].get(key)}\n  rank {rank}: {other.get(key)}\n"
                        "start the same script with the same settings on every rank"
                    )

    def abandon(self) -> None:
        """Leave the process group after an error, so that no other rank waits for this one."""
        if self.size > 1 and dist.is_initialized():
            dist.destroy_process_group()

    @contextmanager
    def _guarded(self, what: str) -> Iterator[None]:
        try:
            yield
        except RuntimeError as error:
            lines = str(error).strip().splitlines()
            raise DistributedError(
                f"rank {self.rank} of {self.size} waited for {what} in vain: another rank failed or did not answer in time "
                f"({lines[-1] if lines else type(error).__name__}); look for the first error among the ranks, or raise "
                "HERMITE_PINN_TIMEOUT (seconds) where ranks start at very different times"
            ) from error


#: A run on one process.
ALONE = Ranks()


def launched() -> bool:
    """Whether torchrun (or something that sets its variables) started several processes."""
    needed = ("RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")
    return all(os.environ.get(name) for name in needed) and int(os.environ["WORLD_SIZE"]) > 1


def join(device: torch.device) -> Ranks:
    """The ranks of the default process group, which is started where torchrun launched several processes.

    Raises
    ------
    InvalidArgumentError
        If the group cannot send tensors of this device.
    DistributedError
        If the group cannot be started.
    """
    if not dist.is_available():
        return ALONE
    if not dist.is_initialized():
        if not launched():
            return ALONE
        timeout = datetime.timedelta(seconds=float(os.environ.get("HERMITE_PINN_TIMEOUT", TIMEOUT)))
        try:
            dist.init_process_group("nccl" if device.type == "cuda" else "gloo", timeout=timeout)
            if device.type == "cpu":
                dist.barrier()  # one that leaves at once, with a mistake to tell, would end others that still connect
        except (RuntimeError, ValueError) as error:
            raise DistributedError(f"the process group of torchrun cannot be started: {error}") from error
        atexit.register(_leave)
    size = dist.get_world_size()
    if size == 1:
        return ALONE
    if device.type == "cpu" and dist.get_backend() == "nccl":
        raise InvalidArgumentError(
            "the process group uses NCCL, which sends GPU tensors only; use device='cuda' or a gloo group"
        )
    if device.type == "cuda":
        torch.cuda.set_device(device)  # where NCCL sends objects from
    return Ranks(dist.get_rank(), size, device)


def _leave() -> None:
    if dist.is_initialized():
        dist.destroy_process_group()
