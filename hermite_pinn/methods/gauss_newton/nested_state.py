"""Where a nested iteration stands between two stages: what a checkpoint keeps of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import torch

from hermite_pinn.field.field import GridField
from hermite_pinn.field.outline import Outline

from .convergence import Convergence
from .fit_shift import FitShift
from .marching import Marching
from .noise_errors import NoiseLeft
from .penalty_weights import Choice
from .requirements import check_start
from .stage import Discretization, Stage
from .verdict import with_noise

__all__ = ["NestedState"]

Resolution = tuple[int, ...]


@dataclass
class NestedState:
    """The state of a nested iteration.

    Attributes
    ----------
    convergence
        What the stages changed, and the errors estimated from that.
    norms
        Sizes of the equations, by which their rows are divided.
    path
        Finest resolution of every stage so far, that under way included.
    best
        The best state; None before there is one.
    marching
        What is known of marching in time.
    """

    convergence: Convergence
    norms: list[float]
    path: list[Resolution] = field(default_factory=list)
    best: Stage | None = None
    marching: Marching = field(default_factory=Marching)

    def saved(self) -> dict[str, Any]:
        """What a checkpoint keeps."""
        best = self.best
        assert best is not None
        return self.convergence.state() | {
            "basis": self.convergence.basis,
            "path": [list(r) for r in self.path],
            "resolutions": [list(r) for r in best.resolutions],
            "vector": best.vector,
            "settled": best.settled,
            "points": best.points,
            "slabs": best.slabs,
            "sizes": list(best.sizes),
            "inner": best.inner,
            "reduction": best.reduction,
            "speeds": list(best.speeds),
            "noise": best.noise,
            "risk": best.risk,
            "loosely": best.loosely,
            "open": None if best.open is None else asdict(best.open),
            "shift": None if best.shift is None else asdict(best.shift),
            "choice": None if best.choice is None else asdict(best.choice),
            "marching": self.marching.state(),
            "norms": self.norms,
            "parameters": best.parameters,
        }

    def restore(self, saved: Mapping[str, Any], grid: Discretization) -> None:
        """Take over what a checkpoint kept."""
        resolutions = [tuple(r) for r in saved["resolutions"]]
        vector = torch.as_tensor(saved["vector"]).to(grid.device, grid.dtype)
        self.path = [tuple(r) for r in saved["path"]]
        self.convergence.restore(dict(saved))
        self.norms = list(saved["norms"])
        self.marching = Marching.restored(saved["marching"])
        self.best = Stage(
            resolutions,
            vector,
            _finest(grid, resolutions, vector),
            dict(saved["parameters"]),
            settled=bool(saved["settled"]),
            solved=self.convergence.solved,
            points=int(saved["points"]),
            slabs=int(saved["slabs"]),
            sizes=list(saved["sizes"]),
            inner=int(saved["inner"]),
            reduction=float(saved["reduction"]),
            indicators=self.convergence.last,
            speeds=tuple(saved["speeds"]),
            choice=Choice(**saved["choice"]) if saved.get("choice") else None,
            error=with_noise(self.convergence.estimates[-1] if self.convergence.estimates else None, saved["noise"]),
            noise=saved["noise"],
            risk=saved.get("risk"),
            loosely=bool(saved.get("loosely", False)),
            open=NoiseLeft(**saved["open"]) if saved.get("open") else None,
            shift=FitShift(**saved["shift"]) if saved.get("shift") else None,
        )

    def take_over(self, field: GridField, parameters: dict[str, float], grid: Discretization) -> None:
        """Start from the field of another method, whose error is not known.

        Raises
        ------
        InvalidArgumentError
            If its levels are not those of a nested iteration.
        """
        layout = field.layout
        check_start(Outline.of(field), grid.basis)
        self.path = list(layout.resolutions)
        pyramid = grid.pyramid(self.path)
        levels = [field.level_coefficients(k).to(grid.device, grid.dtype) for k in range(layout.levels)]
        vector = torch.cat([pyramid.compact(k, level).reshape(-1) for k, level in enumerate(levels)])
        self.best = Stage(list(self.path), vector, _finest(grid, self.path, vector), parameters)


def _finest(grid: Discretization, resolutions: Sequence[Resolution], vector: torch.Tensor) -> torch.Tensor:
    pyramid = grid.pyramid(resolutions)
    return pyramid.total(vector[: pyramid.size])
