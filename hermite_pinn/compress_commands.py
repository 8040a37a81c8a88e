"""The command ``hermite-pinn compress``: a saved field as a smaller file, and what it tells of it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

import hermite_pinn as hp

from .checks import choice
from .command_arguments import JsonOption, file_word
from .errors import InvalidArgumentError
from .memory import spelled_size
from .output import check_writable
from .run.arguments import limit
from .streams import print_json, reported

if TYPE_CHECKING:  # help does not wait for them
    from .workloads.compression.coded_field import CodedField
    from .workloads.compression.levels import CompressedSolution

__all__ = ["compress"]

#: Of indices, where nothing else is said.
BITS = 6


def compress(
    source: Annotated[
        Path, typer.Argument(parser=file_word, metavar="FILE", help="HDF5 file of a solution or a radiance field.")
    ],
    out: Annotated[
        Path | None,
        typer.Option("--out", parser=file_word, metavar="FILE", help="File to write; default: NAME.hpc beside FILE."),
    ] = None,
    tol: Annotated[float, typer.Option(help="Largest relative L2 error of every field.")] = 1e-6,
    gradient_tol: Annotated[
        float | None, typer.Option(help="Largest relative L2 error of every gradient over space; default: any.")
    ] = None,
    bits: Annotated[
        int | None,
        typer.Option(
            help="Learn indices of so many bits, 1 to 12, instead, as is always done for radiance fields; no bound of the error."
        ),
    ] = None,
    scene: Annotated[
        Path | None,
        typer.Option(
            parser=file_word,
            metavar="SCENE",
            help="Of a radiance field: the scene that it was fitted to, whose pictures are learned from; default: what the field shows its cameras.",
        ),
    ] = None,
    downscale: Annotated[float, typer.Option(help="How many times smaller the pictures of the scene are made.")] = 1.0,
    time: Annotated[float | None, typer.Option(help="Seconds of training, with --bits.")] = None,
    steps: Annotated[int | None, typer.Option(help="Steps of training before there are codes, with --bits.")] = None,
    checkpoint: Annotated[
        Path | None, typer.Option(parser=file_word, metavar="FILE", help="File to which the state is saved as it goes.")
    ] = None,
    resume: Annotated[
        Path | None, typer.Option(parser=file_word, metavar="FILE", help="Checkpoint to continue.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Compress a saved solution within an error that is measured, and tell the size up to every level.

    With --bits, and for a radiance field, a field on an octree with learned codes takes its place, see docs/vqad.md; of
    a radiance field NAME_levels.png shows what every level shows. Ctrl-C and SIGTERM end the training with what it has;
    the exit code is then 130 or 143.

    hermite_pinn.compression.load("NAME.hpc", levels=...) reads as many levels as it is asked for.
    """
    from .run.store_reading import stored_kind
    from .workloads.compression.levels import compress_solution
    from .workloads.compression.vqad import vqad

    with reported(as_json) as signals:
        target = source.with_suffix(".hpc") if out is None else out
        check_writable(target)
        kind = choice(f"what {source} holds", stored_kind(source), ("solution", "radiance"))
        training = {"max_time": limit("--time", time), "steps": steps, "checkpoint": checkpoint, "resume": resume}
        given: dict[str, Any] = {name: value for name, value in training.items() if value is not None}
        if kind == "radiance" or bits is not None:
            if kind != "radiance" and scene is not None:
                raise InvalidArgumentError(f"--scene is for radiance fields, and {source} is a solution; leave it out")
            views = None if scene is None else hp.radiance.Scene.load(scene, downscale)
            model = hp.radiance.Radiance.load(source, "cpu") if kind == "radiance" else hp.Solution.load(source)
            shown = False if as_json else "auto"
            small = vqad(model, bits=BITS if bits is None else bits, scene=views, progress=shown, **given)
            report = _coded(small, source, target)
            told, status = coded_text(report), small.status
        else:
            if given:
                raise InvalidArgumentError(
                    f"{', '.join(given)} are for --bits, which a bound of the error does not need"
                )
            bounds: dict[str, Any] = {"tol": limit("--tol", tol)}
            if gradient_tol is not None:
                bounds["gradient_tol"] = limit("--gradient-tol", gradient_tol)
            report = _bounded(compress_solution(hp.Solution.load(source), **bounds), source, target)
            told, status = report_text(report), hp.Status.COMPLETED
        if as_json:
            print_json(report)
        else:
            typer.echo(told)
    if status is hp.Status.INTERRUPTED:
        raise typer.Exit(signals.exit_code)


def _bounded(small: CompressedSolution, source: Path, target: Path) -> dict[str, Any]:
    """Write a compressed solution; what is told of it."""
    small.save(target)
    return {
        "source": str(source),
        "file": str(target),
        "bytes": small.bytes,
        "ratio": small.ratio,
        "errors": dict(small.error),
        "sizes": list(small.sizes),
        "level_errors": list(small.level_errors),
    }


def _coded(small: CodedField, source: Path, target: Path) -> dict[str, Any]:
    """Write a coded field, and what its levels show; what is told of it."""
    from .workloads.compression.level_pictures import draw_levels

    small.save(target)
    pictures = draw_levels(small, target.with_name(f"{target.stem}_levels.png"))
    return {
        "source": str(source),
        "file": str(target),
        "bytes": small.bytes,
        "ratio": small.ratio,
        "sizes": list(small.sizes),
        "scores": [dict(level) for level in small.scores],
        "status": small.status.name,
        "message": small.message,
        "pictures": [str(path) for path in pictures],
    }


def coded_text(report: dict[str, Any]) -> str:
    """What the command tells of a coded field: the file, and by level the size up to it and the scores.

    Examples
    --------
    >>> print(coded_text({"file": "d.hpc", "bytes": 2048, "ratio": 20.0, "sizes": [512, 2048], "message": "90 steps",
    ...                   "scores": [{"iou": 0.9}, {"iou": 0.995}], "pictures": ["d_levels.png"]}))
    wrote d.hpc: 2,048 bytes, 20 times fewer; 90 steps
      levels      bytes  scores
           1        512  iou 0.9
           2      2,048  iou 0.995
    wrote d_levels.png
    """
    lines = [
        f"wrote {report['file']}: {report['bytes']:,} bytes, {report['ratio']:.3g} times fewer; {report['message']}"
    ]
    lines.append(f"{'levels':>8} {'bytes':>10}  scores")
    for k, (size, scores) in enumerate(zip(report["sizes"], report["scores"], strict=True)):
        told = ", ".join(f"{name} {value:.4g}" for name, value in scores.items())
        lines.append(f"{k + 1:>8} {size:>10,}  {told}")
    lines += [f"wrote {path}" for path in report["pictures"]]
    return "\n".join(lines)


def report_text(report: dict[str, Any]) -> str:
    """What the command tells: the file, errors by field, and by level the size up to it and the error.

    Examples
    --------
    >>> print(report_text({"file": "u.hpc", "bytes": 2048, "ratio": 20.0, "errors": {"u": 9e-7}, "sizes": [512, 2048],
    ...                    "level_errors": [0.1, 9e-7]}))
    wrote u.hpc: 2,048 bytes, 20 times fewer; relative errors u 9.0e-07
      levels      bytes       size  relative error
           1        512      512 B         1.0e-01
           2      2,048    2.0 KiB         9.0e-07
    """
    errors = ", ".join(f"{name} {e:.1e}" for name, e in report["errors"].items())
    lines = [
        f"wrote {report['file']}: {report['bytes']:,} bytes, {report['ratio']:.3g} times fewer; relative errors {errors}"
    ]
    lines.append(f"{'levels':>8} {'bytes':>10} {'size':>10} {'relative error':>15}")
    for k, (size, error) in enumerate(zip(report["sizes"], report["level_errors"], strict=True)):
        lines.append(f"{k + 1:>8} {size:>10,} {spelled_size(size):>10} {error:>15.1e}")
    return "\n".join(lines)
