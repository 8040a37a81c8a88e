"""Heat in a solid part that some of its faces warm and the air cools.

    u_t = u_xx + u_yy + u_zz        inside the part, for t in [0, T],        u = 0 at t = 0,
    u = 1 - exp(-50 t) on the warm faces,        u.n = b (0 - u) on the others,

the part being scaled to a longest side of 0.8 and put into the middle of the unit cube; with ``steady=True`` the final
state, u = 1 on the warm faces.

Source: the everyday problem of heat sinks and brackets; made for this package, and there is no number to compare with.
"""

from __future__ import annotations

from typing import Any

import hermite_pinn as hp
from hermite_pinn.checks import either, spelled, text
from hermite_pinn.errors import InvalidArgumentError

from .base import flag, not_negative, positive_number, settings
from .solids import centred, solid

__all__ = ["heat_on_part"]

#: Warm groups of the parts of the project.
WARM = {"gear": "bore", "bracket": "holes"}


@settings(warm=either(text, None), cooling=not_negative, time=positive_number, steady=flag)
def heat_on_part(
    part: Any = "bracket", warm: str | None = None, cooling: float = 1.0, time: float = 0.1, steady: bool = False
) -> hp.Problem:
    """Three space axes and time, or without time.

    Parameters
    ----------
    part
        ``"bracket"``, ``"gear"``, another part of the project, a mesh file with groups, or a shape in three axes.
    warm
        The group of faces that is warm, by default the holes of the bracket and the bore of the gear.
    cooling
        b.
    time
        T.
    steady
        Whether the state for ever is asked for instead.

    Examples
    --------
    >>> heat_on_part(steady=True).domain.names
    ('x', 'y', 'z')
    """
    label, shape = solid("part", part)
    shape = centred(shape, 0.8)
    space: dict[str, Any] = {"x": (0, 1), "y": (0, 1), "z": (0, 1)}
    domain = (hp.Box(**space) if steady else hp.Box(**space, t=(0, time))) & shape
    own = [f.name for f in domain.space_faces]
    groups = {piece.label[1:]: name + piece.label for piece in shape.pieces for name in own if piece.label}
    chosen = WARM.get(label) if warm is None else warm
    if not isinstance(chosen, str) or chosen not in groups:
        raise InvalidArgumentError(
            f"warm must be a group of faces of the part, {' or '.join(groups) or 'of which it has none'}; got {spelled(chosen)}"
        )
    cold = [face for group, face in groups.items() if group != chosen]
    given: Any = 1.0 if steady else lambda t: 1 - hp.exp(-50 * t)
    conditions: list[Any] = [hp.Dirichlet(u=given, on=groups[chosen])]
    if cold:
        conditions.append(hp.Robin(u=(cooling, 1.0, 0.0), on=cold))
    if not steady:
        conditions.append(hp.Initial(u=0.0))
    return hp.Problem(
        domain=domain,
        fields=["u"],
        residual=(lambda u: u.laplacian) if steady else (lambda u: u.t - u.laplacian),
        conditions=conditions,
        name=f"heat_on_part {label}, {'steady' if steady else f'to t={time:g}'}",
    )
