"""How well views fit a radiance field that stays as it is, and poses that descend on it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor

from hermite_pinn.cuda.optimizer.adam import AdamRule, adam_step

from .model import RadianceModel
from .pixels import lattice
from .se3 import corrected
from .views import Views

__all__ = ["descended", "misfits"]

RULE = AdamRule()


def misfits(model: RadianceModel, views: Views, pixels: int) -> Tensor:
    """Mean square errors (n,) of views, at about so many pixels of each.

    Parameters
    ----------
    model
        The field.
    views
        n pictures with their cameras.
    pixels
        Evenly spread over every picture.
    """
    errors = []
    for view in views:
        rows, truth = lattice(view, pixels)
        behind = torch.ones(3, device=model.device) if view.image.shape[-1] == 4 else None
        seen = model.look(view.camera.rays()[rows], behind)
        errors.append((seen.colour.cpu() - truth).square().mean())
    return torch.stack(errors)


def descended(
    model: RadianceModel,
    views: Views,
    twists: Tensor,
    side: str,
    rates: Sequence[float],
    rays: int,
    generator: torch.Generator,
) -> Tensor:
    """Twists of the views' poses after steps of Adam on the views' own colours, the field being held.

    Parameters
    ----------
    model
        The field, which is the same afterwards.
    views
        n pictures, with the poses that are corrected.
    twists
        Where it begins, (n, 6), float64, on the device of the model.
    side
        See :func:`hermite_pinn.workloads.radiance.se3.corrected`.
    rates
        Of every step.
    rays
        Of every view in a step, on average.
    generator
        Of random numbers, on the CPU.
    """
    start = views.cameras.poses.detach().to(twists)
    moved = twists.detach().clone().requires_grad_()
    moments = (torch.zeros_like(twists), torch.zeros_like(twists))
    with _held(model):
        for step, rate in enumerate(rates):
            draw = views.sample(rays * len(views), generator, corrected(start, moved, side))
            sight, target = draw.rays.to(model.device), draw.colors.T.contiguous().to(model.device)
            loss = sum(model.terms(sight, target, 1.0, generator).values())
            (slope,) = torch.autograd.grad(torch.as_tensor(loss), moved)
            now = torch.tensor(RULE.scalars(step + 1, rate), dtype=torch.float64, device=twists.device)
            adam_step(moved.detach(), slope, moments, None, now, RULE)
    return moved.detach()


@contextmanager
def _held(model: RadianceModel) -> Iterator[None]:
    """Parameters without gradients, and buffers that are put back."""
    wanted = {parameter: parameter.requires_grad for parameter in model.parameters()}
    before = {name: buffer.clone() for name, buffer in model.named_buffers()}
    try:
        for parameter in wanted:
            parameter.requires_grad_(False)
        yield
    finally:
        for parameter, own in wanted.items():
            parameter.requires_grad_(own)
        with torch.no_grad():
            for name, buffer in model.named_buffers():
                buffer.copy_(before[name])
