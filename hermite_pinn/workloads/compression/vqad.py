"""Fields on octrees with vector-quantised, low-rank or rounded features, from models that teach them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from typing import Any

from hermite_pinn.checks import choice, integer
from hermite_pinn.run.arguments import limit
from hermite_pinn.run.workload import Frame
from hermite_pinn.torch_state import isolated

from .coded_field import CodedField
from .coding_run import CodingRun, bytes_of
from .learned import Learned, begun, clustered, of_low_rank, rounded
from .options import OctreeOptions
from .packing import MOST_BITS
from .teachers import teacher_of

__all__ = ["half", "kmeans", "low_rank", "vqad"]

#: What surrounds every run.
RUN = ("callbacks", "progress", "checkpoint", "resume", "throw")


@isolated()
def vqad(model: Any, *, bits: int = 6, scene: Any = None, max_time: float | None = None, **options: Any) -> CodedField:
    """Learn indices, codebooks and a network that are like a model (VQ-AD).

    Parameters
    ----------
    model
        A solution, a radiance field, or a picture; see :func:`.teacher_of`.
    bits
        Of an index, 1 to 12: a level has a codebook of ``2**bits`` rows.
    scene
        Of a radiance field, whose pictures are learned from; None: what the field shows its cameras.
    max_time
        Seconds of training, along which rates fall; half of them without codes.
    options
        Of :class:`OctreeOptions`, and ``callbacks``, ``progress``, ``checkpoint``, ``resume`` and ``throw`` as in
        :func:`hermite_pinn.solve`.

    Raises
    ------
    InvalidArgumentError
        For arguments that cannot work, and where codes would need more bytes than numbers.
    InvalidProblemError
        If the model has no details in its box.
    DivergedError
        If the loss becomes infinite or NaN; ``error.solution`` is the last good state.
    OutOfMemoryError
        If the logits do not fit.

    Examples
    --------
    >>> import hermite_pinn as hp
    >>> small = vqad(hp.images.made_picture(64), bits=4, steps=40, points=1024, progress=False)
    >>> small.error["psnr"] > 15, small.bytes < 64 * 64, len(small.history)
    (True, True, 2)
    """
    chosen = integer("bits", bits, least=1, most=MOST_BITS)
    return _compressed(f"vqad {chosen}", None, chosen, model, scene, max_time, options)


@isolated()
def kmeans(
    model: Any, *, bits: int = 6, scene: Any = None, max_time: float | None = None, **options: Any
) -> CodedField:
    """Cluster the features of a field that is like a model (kmVQ); arguments as for :func:`vqad`."""
    chosen = integer("bits", bits, least=1, most=MOST_BITS)
    return _compressed(
        f"kmeans {chosen}", lambda known: clustered(known, chosen), None, model, scene, max_time, options
    )


@isolated()
def low_rank(
    model: Any, *, columns: int = 4, scene: Any = None, max_time: float | None = None, **options: Any
) -> CodedField:
    """Approximate the features of a field that is like a model by few columns (LRA); options as for :func:`vqad`."""
    chosen = integer("columns", columns, least=1, most=256)
    finish = lambda known: of_low_rank(known, chosen)  # noqa: E731
    return _compressed(f"low rank {chosen}", finish, None, model, scene, max_time, options)


@isolated()
def half(model: Any, *, scene: Any = None, max_time: float | None = None, **options: Any) -> CodedField:
    """Keep the features of a field that is like a model in half precision; options as for :func:`vqad`."""
    return _compressed("half", rounded, None, model, scene, max_time, options)


def _compressed(
    how: str,
    finish: Callable[[Learned], CodedField] | None,
    bits: int | None,
    model: Any,
    scene: Any,
    max_time: float | None,
    options: dict[str, Any],
) -> CodedField:
    known = [f.name for f in fields(OctreeOptions)]
    for name in options:
        choice("the option of the octree", name, [*known, *RUN])
    chosen = OctreeOptions(**{name: value for name, value in options.items() if name in known})
    seconds = limit("max_time", max_time, infinite=True)
    frame = Frame(**{name: value for name, value in options.items() if name in RUN})
    teacher = teacher_of(model, scene)
    start, generator = begun(teacher, chosen, bytes_of(model))
    return frame.run(CodingRun(how, start, generator, finish, bits, seconds, model, frame.monitor))
