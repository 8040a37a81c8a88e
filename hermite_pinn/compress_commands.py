"""The command ``hermite-pinn compress``: a saved field as a smaller file, and what it tells of it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

import hermite_pinn as hp
from hermite_pinn.workloads.compression.levels import compress_solution
from hermite_pinn.workloads.compression.vqad import vqad

from .command_arguments import JsonOption, file_word
from .memory import spelled_size
from .output import check_writable
from .run.arguments import limit
from .streams import print_json, reported

__all__ = ["compress"]


def compress(
    source: Annotated[Path, typer.Argument(parser=file_word, metavar="FILE", help="HDF5 file of a solution.")],
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
            help="Learn indices of so many bits, 1 to 12, instead; minutes of training, no bound of the error."
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Compress a saved solution within an error that is measured, and tell the size up to every level.

    With --bits a field on an octree with learned codes takes its place, see docs/vqad.md.

    hermite_pinn.compression.load("NAME.hpc", levels=...) reads as many levels as it is asked for.
    """
    with reported(as_json):
        target = source.with_suffix(".hpc") if out is None else out
        if bits is not None:
            _code(source, target, bits, as_json)
            return
        options: dict[str, Any] = {"tol": limit("--tol", tol)}
        if gradient_tol is not None:
            options["gradient_tol"] = limit("--gradient-tol", gradient_tol)
        check_writable(target)
        small = compress_solution(hp.Solution.load(source), **options)
        small.save(target)
        report = {
            "source": str(source),
            "file": str(target),
            "bytes": small.bytes,
            "ratio": small.ratio,
            "errors": dict(small.error),
            "sizes": list(small.sizes),
            "level_errors": list(small.level_errors),
        }
        if as_json:
            print_json(report)
        else:
            typer.echo(report_text(report))


def _code(source: Path, target: Path, bits: int, as_json: bool) -> None:
    """Learn a coded field, write it, and tell how good its levels are."""
    check_writable(target)
    small = vqad(hp.Solution.load(source), bits=bits)
    small.save(target)
    report = {
        "source": str(source),
        "file": str(target),
        "bytes": small.bytes,
        "ratio": small.ratio,
        "sizes": list(small.sizes),
        "scores": [dict(level) for level in small.scores],
    }
    if as_json:
        print_json(report)
    else:
        typer.echo(coded_text(report))


def coded_text(report: dict[str, Any]) -> str:
    """What the command tells of a coded field: the file, and by level the size up to it and the scores.

    Examples
    --------
    >>> print(coded_text({"file": "d.hpc", "bytes": 2048, "ratio": 20.0, "sizes": [512, 2048],
    ...                   "scores": [{"iou": 0.9}, {"iou": 0.995}]}))
    wrote d.hpc: 2,048 bytes, 20 times fewer
      levels      bytes  scores
           1        512  iou 0.9
           2      2,048  iou 0.995
    """
    lines = [f"wrote {report['file']}: {report['bytes']:,} bytes, {report['ratio']:.3g} times fewer"]
    lines.append(f"{'levels':>8} {'bytes':>10}  scores")
    for k, (size, scores) in enumerate(zip(report["sizes"], report["scores"], strict=True)):
        told = ", ".join(f"{name} {value:.4g}" for name, value in scores.items())
        lines.append(f"{k + 1:>8} {size:>10,}  {told}")
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
