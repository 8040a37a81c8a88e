"""Which teacher a model is."""

from __future__ import annotations

from typing import Any

from hermite_pinn.checks import spelled
from hermite_pinn.errors import InvalidArgumentError

from .distance_teacher import DistanceTeacher
from .field_teacher import FieldTeacher, PictureTeacher
from .teacher import Teacher

__all__ = ["TEACHERS", "teacher_of"]

#: Every kind of teacher; the first that a model fits is taken.
TEACHERS: tuple[type[Teacher], ...] = (DistanceTeacher, FieldTeacher, PictureTeacher)


def teacher_of(model: Any) -> Teacher:
    """What a model teaches: the distance to a surface, other fields of a solution, or the pixels of a picture.

    Solutions teach by their fields alone: neither the surface nor the problem is needed.

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
            return kind(model)
    raise InvalidArgumentError(
        f"a Solution, such as hp.sdf.fit returns, or a picture (H, W) or (H, W, C) is coded, got {spelled(model)}"
    )
