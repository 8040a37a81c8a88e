"""The command ``hermite-pinn view``: saved solutions as one HTML page with sliders."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

import hermite_pinn as hp

from .command_arguments import file_word
from .errors import InvalidArgumentError
from .output import check_writable
from .streams import reported

__all__ = ["view"]

INSTEAD = {
    "radiance": "hermite-pinn radiance render draws it",
    "checkpoint": "hermite-pinn solve --resume goes on with it, and its result can be viewed",
}


def view(
    source: Annotated[
        Path,
        typer.Argument(
            parser=file_word,
            metavar="FILE",
            help="HDF5 file of a solution, a compressed one (.hpc), or the folder of a branch.",
        ),
    ],
    out: Annotated[
        Path | None,
        typer.Option("--out", parser=file_word, metavar="FILE", help="Page to write; default: NAME.html beside FILE."),
    ] = None,
    fields: Annotated[
        str | None, typer.Option(help="Fields and derivatives, such as u,u.x,u.laplacian; default: all of low order.")
    ] = None,
    resolution: Annotated[
        float | None, typer.Option(help="Intervals per axis; default: as many as keep the page small.")
    ] = None,
    show: Annotated[bool, typer.Option("--open/--no-open", help="Open the page in the browser.")] = True,
) -> None:
    """Write saved solutions as one HTML page with sliders for slices, time and members of a branch, and open it.

    The page needs no network and no other file. A file holds no equations: errors and residuals are on the page that
    solution.view() writes in Python, where the problem is known.
    """
    with reported():
        target = source.with_suffix(".html") if out is None else out
        if target.resolve() == source.resolve():
            raise InvalidArgumentError(f"the page would replace {source}, which it shows; give another name by --out")
        check_writable(target)
        names = None if fields is None else [name.strip() for name in fields.split(",")]
        solution = _loaded(source)
        page = solution.view(target, fields=names, resolution=resolution, show=show)
        typer.echo(f"wrote {page}")


def _loaded(source: Path) -> Any:
    """What a file holds, if it can be viewed."""
    from .run.store_reading import stored_kind

    if source.is_dir():
        if (source / "branch.json").is_file():
            return hp.Branch.load(source)
        held = sorted(source.glob("*.h5"))
        hint = f"; view one of its solutions, for example {held[0]}" if held else ""
        raise InvalidArgumentError(f"{source} is a folder{hint}")
    if source.suffix == ".hpc":
        found = hp.compression.load(source)
        solution = getattr(found, "solution", found)
        if not hasattr(solution, "view"):
            raise InvalidArgumentError(
                f"{source} holds a {type(found).__name__}; view shows solutions, which hermite-pinn compress writes without --bits"
            )
        return solution
    kind = stored_kind(source)
    if kind != "solution":
        hint = f": {INSTEAD[kind]}" if kind in INSTEAD else ""
        raise InvalidArgumentError(f"{source} holds a {kind}, and view shows solutions{hint}")
    return hp.Solution.load(source)
