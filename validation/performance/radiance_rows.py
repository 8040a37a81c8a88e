"""Radiance fields in the report of a machine: right numbers, and what the parts of a training step take."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import torch
from torch import Tensor

import hermite_pinn as hp
from hermite_pinn.workloads.radiance.grid_model import GridModel
from hermite_pinn.workloads.radiance.rays import Rays

from .radiance import Step, measured
from .rows import Budget, Row

__all__ = ["radiance_rows"]

AGREEMENT = 1e-3  # of float32 sums in another order


def radiance_rows(device: torch.device, pixels: int, steps: int, budget: Budget) -> Iterator[Row]:
    """A short fit of the synthetic scene: the loss and its gradients against those of a CPU, then times.

    Parameters
    ----------
    device
        Where it is fitted.
    pixels
        Along an edge of its pictures.
    steps
        Of training before anything is timed.
    budget
        The times are left out where little is left.
    """
    scene = hp.radiance.Scene.render_synthetic(pixels, train=12, test=1)
    fitted = hp.radiance.fit(scene, steps=steps, progress=False, device=device)
    model = fitted.model
    assert isinstance(model, GridModel)
    batch = Step(model, scene).drawn(model.rays)
    found, expected = (_gradients(one, *batch) for one in (model, _on_cpu(fitted)))
    for name, value in found.items():
        error = float((value - expected[name]).norm() / expected[name].norm().clamp_min(1e-30))
        yield Row(f"radiance, {name}: against the CPU", error, "relative L2", AGREEMENT)
    missing = budget.lacks(20)
    if missing:
        yield Row("radiance, training step", None, "ms", note=missing)
        return
    note = f"{model.count:,} samples of {model.rays:,} rays, after {steps} steps"
    for row in measured(model, scene, torch.get_num_threads()):
        details = {"cores_ms": 1e3 * row.cores, "threads": row.threads}
        yield Row(f"radiance, {row.part}", 1e3 * row.clock, "ms", note=note, details=details)


def _on_cpu(fitted: hp.radiance.Radiance) -> GridModel:
    """The same model on the CPU."""
    with tempfile.TemporaryDirectory() as folder:
        fitted.save(Path(folder) / "field.h5")
        model = hp.radiance.Radiance.load(Path(folder) / "field.h5", device="cpu").model
    assert isinstance(model, GridModel)
    return model


def _gradients(model: GridModel, rays: Rays, target: Tensor) -> dict[str, Tensor]:
    """The loss of a batch and its gradients by groups of parameters, on the CPU."""
    generator = torch.Generator().manual_seed(0)
    losses = model.terms(rays.to(model.device), target.to(model.device), 0.5, generator)
    loss = sum(losses.values(), target.new_zeros((), device=model.device))
    groups = model.groups()
    leaves = [p for group in groups for p in group.parameters]
    found = dict(zip(leaves, torch.autograd.grad(loss, leaves), strict=True))
    told = {
        f"gradient of the {group.name}": torch.cat([found[p].flatten() for p in group.parameters]) for group in groups
    }
    return {"loss": loss.detach().reshape(1).cpu()} | {name: value.cpu() for name, value in told.items()}
