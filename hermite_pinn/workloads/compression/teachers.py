"""Which teacher a model is."""

from __future__ import annotations

from typing import Any

from hermite_pinn.checks import spelled
from hermite_pinn.errors import InvalidArgumentError

from .distance_teacher import DistanceTeacher
from .field_teacher import FieldTeacher, PictureTeacher
from .radiance_teacher import RadianceTeacher
from .teacher import Teacher

__all__ = ["TEACHERS", "teacher_of"]

#: Every kind of teacher; the first that a model fits is taken.
TEACHERS: tuple[type[Teacher], ...] = (RadianceTeacher, DistanceTeacher, FieldTeacher, PictureTeacher)


def teacher_of(model: Any, scene: Any = None) -> Teacher:
    """What a model teaches: a radiance field, the distance to a surface, other fields of a solution, or pixels.

    Solutions teach by their fields alone: neither the surface nor the problem is needed.  A radiance field teaches what
    it shows its cameras, or, with its scene, the pictures of that.

    Raises
    ------
    InvalidArgumentError
        If it is something else.

    Examples
    --------
    >>> import hermite_pinn as hp
    >>> type(teacher_of(hp.images.made_picture(32))).__name__
    'PictureTeacher'
    """
    for kind in TEACHERS:
        if kind.teaches(model):
            if scene is not None and not kind.sees:
                raise InvalidArgumentError(f"scene is for radiance fields, got one with {spelled(model)}; leave it out")
            return kind(model, scene)
    raise InvalidArgumentError(
        f"a Solution, such as hp.sdf.fit returns, a Radiance, or a picture (H, W) or (H, W, C) is coded, got {spelled(model)}"
    )
