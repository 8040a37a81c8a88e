"""CPU time and peak memory of a training step, by the way to its derivatives, in a process of its own.

The peak is the growth of the largest resident size of the process over that before its first large step.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

import hermite_pinn as hp
from hermite_pinn.errors import HermitePinnError

from .ablation import Measure
from .derivative_ways import loss_gradient

__all__ = ["StepCost", "main", "step_cost"]

LEVELS = {2: 8, 3: 6}


@dataclass(frozen=True)
class StepCost(Measure):
    """Time and memory of one step in float32: the paper's field, with 2**12 slots and 2 x 128 units.

    Attributes
    ----------
    way
        Key of :data:`.WAYS`.
    dim
        2 or 3 axes: eight levels of ratio 2, or six of ratio 1.5.
    points
        Of a step.
    fused
        Of :class:`hermite_pinn.Field`.
    steps
        How many are timed.
    """

    way: str
    dim: int = 2
    points: int = 10_000
    fused: bool = False
    steps: int = 4

    @property
    def asked(self) -> dict[str, Any]:
        """See :attr:`.Measure.asked`."""
        return {name: getattr(self, name) for name in ("way", "dim", "points", "fused", "steps")}

    def run(self) -> dict[str, float]:
        """CPU milliseconds and MiB; see :meth:`.Measure.run`.

        Raises
        ------
        HermitePinnError
            If the process that measures fails.
        """
        command = [sys.executable, "-m", __name__, json.dumps(self.asked)]
        environment = os.environ | {"OMP_NUM_THREADS": "1"}
        done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
        if done.returncode:
            raise HermitePinnError(f"the step {self.way!r} failed:\n{done.stderr[-2000:]}")
        numbers = json.loads(done.stdout.splitlines()[-1])
        return {"milliseconds": float(numbers["milliseconds"]), "memory": float(numbers["memory"])}


def _most_resident() -> int:
    """The peak of this process since it began its program; ``getrusage`` may tell that of the process it came from."""
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith("VmHWM:"):
            return 1024 * int(line.split()[1])
    raise HermitePinnError("/proc/self/status has no VmHWM: peak memory is measured on Linux")


def step_cost(cost: StepCost) -> dict[str, float]:
    """The numbers of a step, measured in this process."""
    torch.set_num_threads(1)
    box = hp.Box(**dict.fromkeys("xyz"[: cost.dim], (0, 1)))
    spec = hp.Field(head="siren", features=2, table_size=2**12, ratio=2.0 if cost.dim == 2 else 1.5, fused=cost.fused)
    field = spec.build(box, ["u"], [False] * cost.dim, LEVELS[cost.dim], dtype=torch.float32)
    generator = torch.Generator().manual_seed(0)
    x = torch.rand(cost.dim, cost.points, generator=generator)
    source = torch.sin(4 * torch.pi * x).prod(0)
    loss_gradient(cost.way, field, x[:, :64].contiguous(), source[:64])  # kernels are there now
    gc.collect()
    before = _most_resident()
    loss_gradient(cost.way, field, x, source)
    began = time.process_time()
    for _ in range(cost.steps):
        loss_gradient(cost.way, field, x, source)
    seconds = (time.process_time() - began) / cost.steps
    return {"milliseconds": 1e3 * seconds, "memory": (_most_resident() - before) / 2**20}


def main(arguments: Sequence[str]) -> None:
    """Print the numbers of the step that the one argument describes in JSON."""
    parser = argparse.ArgumentParser(description="Cost of a training step.")
    parser.add_argument("asked", type=json.loads)
    sys.stdout.write(json.dumps(step_cost(StepCost(**parser.parse_args(arguments).asked))) + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])
