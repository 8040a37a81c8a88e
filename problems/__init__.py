"""Problems with known solutions: ``helmholtz2d(a=10)`` returns a :class:`hermite_pinn.Problem`.

One file holds one equation: its definition, exact solution, source, and the numbers to beat.  One test proves for all
of them that the exact solution satisfies equation and conditions.
"""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Callable

from hermite_pinn import Problem
from hermite_pinn.errors import InvalidArgumentError

from .allen_cahn import allen_cahn
from .burgers import burgers
from .burgers2d import burgers2d
from .cavity import cavity
from .convection import convection
from .cylinder import cylinder
from .flow_mixing import flow_mixing
from .four_discs import four_discs
from .gray_scott import gray_scott
from .heat import heat
from .heat2d_cg import heat2d_cg
from .heat_ball import heat_ball
from .heat_multiscale import heat_multiscale
from .heat_on_part import heat_on_part
from .heat_pulsed import heat_pulsed
from .heat_random import heat_random
from .helmholtz import helmholtz2d, helmholtz3d
from .inverse_heat import inverse_heat
from .inverse_poisson import inverse_poisson
from .kdv import kdv
from .klein_gordon import klein_gordon
from .kovasznay import kovasznay
from .kuramoto_sivashinsky import kuramoto_sivashinsky
from .l_shape import l_shape
from .plate import plate
from .plate_with_hole import plate_with_hole
from .poisson import poisson2d, poisson3d
from .poisson2d_cg import poisson2d_cg
from .poisson3d_cg import poisson3d_cg
from .poisson_blocks import poisson_blocks
from .poisson_mesh import poisson_mesh
from .poisson_sines import poisson_sines
from .pulsed_channel import pulsed_channel
from .step import step
from .stokes import stokes
from .taylor_green import taylor_green
from .wave import wave
from .wave_anisotropic import wave_anisotropic
from .wave_random import wave_random

__all__ = [
    "PROBLEMS",
    "make",
    "allen_cahn",
    "burgers",
    "cavity",
    "convection",
    "flow_mixing",
    "heat",
    "helmholtz2d",
    "helmholtz3d",
    "inverse_poisson",
    "kdv",
    "klein_gordon",
    "kovasznay",
    "kuramoto_sivashinsky",
    "plate",
    "poisson2d",
    "poisson3d",
    "stokes",
    "taylor_green",
    "wave",
    "four_discs",
    "poisson2d_cg",
    "poisson3d_cg",
    "heat2d_cg",
    "step",
    "cylinder",
    "plate_with_hole",
    "l_shape",
    "poisson_mesh",
    "heat_on_part",
    "burgers2d",
    "gray_scott",
    "heat_multiscale",
    "heat_pulsed",
    "heat_random",
    "heat_ball",
    "poisson_blocks",
    "poisson_sines",
    "pulsed_channel",
    "wave_anisotropic",
    "wave_random",
    "inverse_heat",
]

#: Every problem by its name in Python and on the command line.
PROBLEMS: dict[str, Callable[..., Problem]] = {
    "helmholtz2d": helmholtz2d,
    "helmholtz3d": helmholtz3d,
    "poisson2d": poisson2d,
    "poisson3d": poisson3d,
    "convection": convection,
    "taylor_green": taylor_green,
    "flow_mixing": flow_mixing,
    "heat": heat,
    "wave": wave,
    "burgers": burgers,
    "allen_cahn": allen_cahn,
    "klein_gordon": klein_gordon,
    "kovasznay": kovasznay,
    "stokes": stokes,
    "kdv": kdv,
    "cavity": cavity,
    "plate": plate,
    "kuramoto_sivashinsky": kuramoto_sivashinsky,
    "inverse_poisson": inverse_poisson,
    "four_discs": four_discs,
    "poisson2d_cg": poisson2d_cg,
    "poisson3d_cg": poisson3d_cg,
    "heat2d_cg": heat2d_cg,
    "step": step,
    "cylinder": cylinder,
    "plate_with_hole": plate_with_hole,
    "l_shape": l_shape,
    "poisson_mesh": poisson_mesh,
    "heat_on_part": heat_on_part,
    "burgers2d": burgers2d,
    "gray_scott": gray_scott,
    "heat_multiscale": heat_multiscale,
    "heat_pulsed": heat_pulsed,
    "heat_random": heat_random,
    "heat_ball": heat_ball,
    "poisson_blocks": poisson_blocks,
    "poisson_sines": poisson_sines,
    "pulsed_channel": pulsed_channel,
    "wave_anisotropic": wave_anisotropic,
    "wave_random": wave_random,
    "inverse_heat": inverse_heat,
}


def make(name: str, **settings: object) -> Problem:
    """A problem by name.

    Raises
    ------
    InvalidArgumentError
        If there is no such problem or it has no such setting; the message lists those there are.

    Examples
    --------
    >>> make("helmholtz2d", a=(7, 13)).name
    'helmholtz2d a=7x13, k=1'
    """
    if name not in PROBLEMS:
        near = difflib.get_close_matches(str(name), PROBLEMS, 1)
        meant = f"did you mean {near[0]!r}? There are" if near else "there are"
        raise InvalidArgumentError(f"there is no problem {name!r}; {meant} {', '.join(PROBLEMS)}")
    function = PROBLEMS[name]
    known = inspect.signature(function).parameters
    for setting in settings:
        if setting not in known:
            raise InvalidArgumentError(f"{name} has no setting {setting!r}; it has {', '.join(known)}")
    try:
        return function(**settings)
    except TypeError as error:
        raise InvalidArgumentError(f"{name} cannot be made with {settings}: {error}") from error
