"""The commands ``hermite-pinn sdf``: surfaces of fields, their pictures, and how well they agree with meshes."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

import hermite_pinn as hp

from .checks import choice
from .command_arguments import JsonOption, OutOption, file_word, output_folder
from .output import check_writable, write_text
from .streams import print_json, reported

__all__ = ["app"]

app = typer.Typer(help="Signed distances and the surfaces of fields.", no_args_is_help=True, rich_markup_mode=None)

ResolutionOption = Annotated[int, typer.Option(help="Cells along the longest edge of the box.")]
ScaleOption = Annotated[
    float | None,
    typer.Option(
        help="Radius over which curvatures are averaged; default: three edges of --mesh, or none without a mesh."
    ),
]
UpOption = Annotated[str | None, typer.Option(help="Axis that points up in the picture; default: the last.")]
WidthOption = Annotated[int, typer.Option(help="Pixels across the picture, which is three quarters as high.")]
FieldOption = Annotated[str | None, typer.Option(help="Name of the field; default: d, or the only one.")]


@app.command()
def fit(
    source: Annotated[
        Path,
        typer.Argument(
            parser=file_word, metavar="FILE", help="Mesh (STL, OBJ, PLY, ...), or points with normals (PLY, XYZ, NPZ)."
        ),
    ],
    out: OutOption = Path("out"),
    levels: Annotated[int, typer.Option(help="Levels of the field; every one has cells of half the length.")] = 6,
    sign: Annotated[str, typer.Option(help="signed, or unsigned for open surfaces.")] = "signed",
    method: Annotated[str, typer.Option(help="gauss_newton, or adam, soap, lbfgs, which train.")] = "gauss_newton",
    steps: Annotated[int | None, typer.Option(help="Steps of a method that trains; default: its own.")] = None,
    encoder: Annotated[
        str, typer.Option(help="hermite, or one it is compared with, such as trilinear_fd.")
    ] = "hermite",
    head: Annotated[
        str | None, typer.Option(help="linear, siren or siren+linear; default: linear for gauss_newton, else siren.")
    ] = None,
    max_time: Annotated[float | None, typer.Option(help="Seconds after which the fit ends with what it has.")] = None,
    seed: Annotated[int, typer.Option(help="Of the random points that examine the fit.")] = 0,
    resolution: ResolutionOption = 128,
    scale: ScaleOption = None,
    up: UpOption = None,
    width: WidthOption = 640,
    as_json: JsonOption = False,
) -> None:
    """Fit the distance to the surface of a mesh, or through points: NAME.h5, and of signed ones what `extract` writes.

    NAME is that of the file.
    """
    with reported(as_json):
        folder = output_folder(out) or Path()
        file = folder / f"{source.stem}.h5"
        check_writable(file)
        from .workloads.sdf.sources import source_of

        given = source_of(source)
        part = hp.Mesh(given) if sign == "signed" and given is source else None
        options: dict[str, Any] = {"levels": levels, "sign": sign, "max_time": max_time, "seed": seed}
        options |= {"method": chosen_method(method, steps), "field": chosen_field(method, encoder, head)}
        solution = hp.sdf.fit(given if part is None else part, progress=not as_json, **options)
        solution.save(file)
        fitted = {"status": solution.status.name.lower(), "message": solution.message, "file": str(file)}
        report: dict[str, Any] = {"surface": {}, "notes": [], "files": []}
        if sign == "signed":
            report = write_surface(
                solution, part, folder, source.stem, resolution=resolution, scale=scale, up=up, width=width
            )
        if part is None:
            report["notes"] = [*report["notes"], *solution.stats.get("notes", ())]
        report["files"].insert(0, str(file))
        if as_json:
            print_json({"source": str(source), "fit": fitted} | report)
        else:
            typer.echo(f"{fitted['status']}: {fitted['message']}")
            typer.echo(report_text(report))


def chosen_method(name: str, steps: int | None) -> Any:
    """A method of a name with so many steps, or the name itself."""
    if steps is None:
        return name
    makers = {"adam": hp.Adam, "soap": hp.SOAP, "lbfgs": hp.LBFGS}
    return makers[choice("method", name, makers, hint="gauss_newton ends by itself: leave steps out")](steps=steps)


def chosen_field(method: str, encoder: str, head: str | None) -> hp.Field | None:
    """The kind of field of some words; None for that of the method."""
    if encoder == "hermite" and head is None:
        return None
    from .field.encoders import ENCODERS
    from .workloads.sdf.plan import default_field

    default = default_field(method)
    asked = default.head if head is None else head
    own: dict[str, Any] = {
        "encoder": encoder,
        "head": asked,
        "width": default.width,
        "depth": default.depth,
        "omega": default.omega,
    }
    if encoder in ENCODERS and "table_size" in ENCODERS[encoder].takes:
        own |= {"base": default.base, "table_size": default.table_size}
        own |= {} if asked == "linear" else {"features": 2}
    return hp.Field(**own)


@app.command()
def extract(
    source: Annotated[Path, typer.Argument(parser=file_word, metavar="FILE", help="HDF5 file of a solution.")],
    out: OutOption = Path("out"),
    mesh: Annotated[
        Path | None, typer.Option(parser=file_word, metavar="FILE", help="Mesh to compare with: STL, OBJ, PLY, ...")
    ] = None,
    resolution: ResolutionOption = 128,
    scale: ScaleOption = None,
    field: FieldOption = None,
    up: UpOption = None,
    width: WidthOption = 640,
    as_json: JsonOption = False,
) -> None:
    """Extract the surface of a saved field: NAME.vtp, .ply and .obj, a picture NAME.png, and with --mesh NAME.md.

    The files have normals and curvatures; NAME is that of the file.
    """
    with reported(as_json):
        folder = output_folder(out) or Path()
        solution = hp.Solution.load(source)
        part = None if mesh is None else hp.Mesh(mesh)
        report = write_surface(
            solution, part, folder, source.stem, resolution=resolution, scale=scale, field=field, up=up, width=width
        )
        if as_json:
            print_json({"source": str(source)} | report)
        else:
            typer.echo(report_text(report))


def write_surface(
    solution: hp.Solution,
    mesh: hp.Mesh | None,
    folder: Path,
    name: str,
    *,
    resolution: int = 128,
    scale: float | None = None,
    field: str | None = None,
    up: str | None = None,
    width: int = 640,
) -> dict[str, Any]:
    """Write the surface of a field, its picture, and how well it agrees with a mesh; returns what is told of them."""
    from .workloads import sdf
    from .workloads.sdf.facets import curvature_scale

    files = [folder / f"{name}{ending}" for ending in (".vtp", ".ply", ".obj", ".png", ".md")]
    for file in files:
        check_writable(file)
    radius = scale if scale is not None or mesh is None else curvature_scale(mesh)
    surface = sdf.extract(solution, resolution, field=field, scale=radius)
    picture = sdf.render(solution, width, width * 3 // 4, field=field, scale=radius, up=up)
    numbers: dict[str, Any] = {
        "vertices": len(surface.vertices),
        "faces": len(surface.faces),
        "closed": surface.is_closed,
        "area": surface.area,
        "volume": surface.volume,
        "deviation": surface.deviation,
        "curvature_scale": radius,
    }
    if mesh is not None:
        numbers |= sdf.compare(solution, surface, mesh, field=field).as_dict()
    notes = [*surface.notes, *([] if mesh is None else mesh.notes)]
    for file in files[:3]:
        surface.save(file)
    picture.save(files[3])
    write_text(files[4], _markdown(name, numbers, notes))
    return {"surface": numbers, "notes": notes, "files": [str(file) for file in files]}


def _spelled(value: Any) -> str:
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:,}" if isinstance(value, int) else f"{value:.5g}"


def _markdown(name: str, numbers: Mapping[str, Any], notes: list[str]) -> str:
    """A table of numbers, and what is worth knowing."""
    rows = [f"| {key.replace('_', ' ')} | {_spelled(value)} |" for key, value in numbers.items()]
    told = [f"* {note}" for note in notes]
    return "\n".join([f"# {name}", "", "| quantity | value |", "|---|---|", *rows, "", *told, ""])


def report_text(report: Mapping[str, Any]) -> str:
    """What is told of a surface on a terminal."""
    lines = [f"{key.replace('_', ' '):<20} {_spelled(value)}" for key, value in report["surface"].items()]
    lines += [f"note: {note}" for note in report["notes"]]
    lines += [f"wrote {file}" for file in report["files"]]
    return "\n".join(lines)
