"""Views that have gone astray while poses are refined: told by their pictures, and looked for from other places."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from .model import RadianceModel
from .photometry import descended, misfits
from .se3 import corrected
from .views import Views

__all__ = ["relocated", "strays"]

#: A view is astray whose error is so many times the median of all; at most such a share of the views are looked for.
FAR, SHARE = 2.0, 0.2
#: Places that are tried for a view, those from which poses descend, and the pixels by which they are told apart.
TRIED, KEPT, PIXELS = 96, 12, 160
#: Steps of a descent, its rate at both ends, and the rays of a view in a step.
STEPS, RATES, RAYS = 60, (1e-2, 1e-3), 96


def strays(errors: Tensor) -> list[int]:
    """Numbers of views whose error (n,) is far above the median, the worst first.

    Examples
    --------
    >>> strays(torch.tensor([1.0, 1.1, 9.0, 0.9, 1.2]))
    [2]
    """
    worst = errors.argsort(descending=True).tolist()
    return [k for k in worst[: int(SHARE * len(worst))] if float(errors[k]) > FAR * float(errors.median())]


def relocated(
    model: RadianceModel, views: Views, twists: Tensor, side: str, fixed: int, generator: torch.Generator
) -> Tensor:
    """Twists in which views that have gone astray are where they fit the field better.

    Their pictures are looked for from places that are spread around where the run began as the other views have moved:
    normal numbers with the means and deviations of the others' twists.  The best of these descend on the colours of the
    picture, the field being held.  A place is taken if the error falls there at least half of the way to the median of
    all views, in decibels.

    Parameters
    ----------
    model
        The field, which is the same afterwards.
    views
        Training views with the poses at which the run began, n of them.
    twists
        By which these are corrected now, (n, 6), float64.
    side
        See :func:`hermite_pinn.workloads.radiance.se3.corrected`.
    fixed
        Number of views, the first ones, that stay.
    generator
        Of random numbers, on the CPU.
    """
    start = views.cameras.poses.detach().to(twists)
    errors = misfits(model, views.moved(corrected(start, twists, side).cpu()), PIXELS)
    astray = [k for k in strays(errors) if k >= fixed]
    settled = twists[[k for k in range(len(views)) if k not in astray]]
    found = twists.clone()
    for k in astray:
        noise = torch.randn(TRIED, 6, generator=generator, dtype=torch.float64).to(twists)
        places = settled.mean(0) + settled.std(0) * noise
        best = _errors(model, views, k, places, side).argsort()[:KEPT]
        rates = [RATES[0] * (RATES[1] / RATES[0]) ** (step / STEPS) for step in range(STEPS)]
        places = descended(model, views.take([k] * KEPT), places[best.to(places.device)], side, rates, RAYS, generator)
        reached = _errors(model, views, k, places, side)
        if float(reached.min()) < math.sqrt(float(errors[k]) * float(errors.median())):
            found[k] = places[int(reached.argmin())]
    return found


def _errors(model: RadianceModel, views: Views, k: int, twists: Tensor, side: str) -> Tensor:
    """Errors (m,) of one view at places (m, 6)."""
    same = views.take([k] * len(twists))
    return misfits(model, same.moved(corrected(same.cameras.poses.to(twists), twists, side).cpu()), PIXELS)
