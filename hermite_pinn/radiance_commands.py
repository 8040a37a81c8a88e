"""The commands ``hermite-pinn radiance``: fit scenes, render fields, and tell what scenes hold."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

import hermite_pinn as hp

from .checks import choice, integer
from .command_arguments import JsonOption, OutOption, file_word, output_folder
from .errors import InvalidArgumentError, InvalidProblemError
from .output import check_writable, make_folder
from .run.arguments import limit
from .streams import print_json, reported

if TYPE_CHECKING:  # a command that needs none of this does not wait for it
    from .workloads.radiance import Radiance, Scene, Views
    from .workloads.radiance.camera import Cameras

__all__ = ["app"]

app = typer.Typer(help="Radiance fields of scenes of pictures.", no_args_is_help=True, rich_markup_mode=None)

#: Views of a sheet, pixels along a side of the scene that is rendered here, and files that are listed one by one.
SHEET, SIDE, LISTED = 8, 100, 12

SceneArgument = Annotated[
    str,
    typer.Argument(
        metavar="SCENE",
        help="Folder or transforms.json of NeRF (Blender), instant-ngp or nerfstudio, a model of COLMAP, or the word synthetic: a scene that is rendered here.",
    ),
]
DownscaleOption = Annotated[float, typer.Option(help="How many times smaller pictures are made.")]
ImagesOption = Annotated[
    Path | None, typer.Option(parser=file_word, metavar="FOLDER", help="Pictures, if elsewhere than the scene says.")
]
TestEveryOption = Annotated[
    int, typer.Option(help="Every so-many-th picture is held out where the scene does not say which; 0: none is.")
]
PlacementOption = Annotated[
    str, typer.Option(help="How the world is scaled: auto, none, aabb_scale, cameras or points.")
]
BackgroundOption = Annotated[str, typer.Option(help="Behind pictures with alpha: white, black, or alpha to keep it.")]
FramesOption = Annotated[int, typer.Option(help="Pictures of the orbit; 0: there is none.")]


def given_scene(
    word: str, downscale: float, images: Path | None, test_every: int, placement: str, background: str
) -> tuple[str, Scene]:
    """A scene by the words of the command line, and what its files are called."""
    behind = None if choice("--background", background, ("white", "black", "alpha")) == "alpha" else background
    every = integer("--test-every", test_every, least=0) or None
    if word == "synthetic":
        if not 1 <= downscale <= SIDE / 4:
            raise InvalidArgumentError(f"--downscale must be between 1 and {SIDE // 4} here, got {downscale:g}")
        return word, hp.radiance.Scene.render_synthetic(round(SIDE / downscale), background=behind)
    place = file_word(word)
    scene = hp.radiance.Scene.load(
        place, downscale, images=images, background=behind, placement=placement, test_every=every
    )
    return (place.stem if place.suffix.lower() == ".json" else place.resolve().name) or "scene", scene


@app.command()
def fit(
    scene: SceneArgument,
    out: OutOption = Path("out"),
    recipe: Annotated[str, typer.Option(help="instant_ngp, hermite or zip_nerf.")] = "instant_ngp",
    encoder: Annotated[
        str | None, typer.Option(help="Encoder of the recipe, such as linear, smooth or hermite; default: its own.")
    ] = None,
    poses: Annotated[str, typer.Option(help="fixed, or refine: poses of the cameras are fitted, too.")] = "fixed",
    time: Annotated[float | None, typer.Option(help="Seconds of training.")] = None,
    steps: Annotated[int | None, typer.Option(help="Steps of training; 3000 without --time.")] = None,
    seed: Annotated[int, typer.Option(help="Of everything random.")] = 0,
    device: Annotated[str, typer.Option(help="cpu, cuda, cuda:1 or auto.")] = "auto",
    downscale: DownscaleOption = 1.0,
    images: ImagesOption = None,
    test_every: TestEveryOption = 8,
    placement: PlacementOption = "auto",
    background: BackgroundOption = "white",
    frames: FramesOption = 60,
    resolution: Annotated[int, typer.Option(help="Cells of the volume and the surface; 0: there are none.")] = 128,
    checkpoint: Annotated[
        Path | None, typer.Option(parser=file_word, metavar="FILE", help="File to which the state is saved as it goes.")
    ] = None,
    resume: Annotated[
        Path | None, typer.Option(parser=file_word, metavar="FILE", help="Checkpoint to continue.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Fit a radiance field to a scene, and write the field, pictures, an orbit, a volume and a surface.

    NAME.h5 is the field; NAME_views.png shows test views beside the true ones, with errors, depth and normals, and
    NAME_test has all of them; NAME_orbit.mp4 moves around (pictures instead without the extra video); NAME.vti is the
    density for ParaView, NAME.ply a surface with exact normals; NAME_history.png the course; with --poses refine
    NAME_poses.png shows how far cameras moved.  NAME is that of the scene.

    Ctrl-C and SIGTERM end the run with the state so far, which is written and reported; the exit code is then 130 or
    143.
    """
    with reported(as_json) as signals:
        integer("--frames", frames, least=0, most=10_000)
        integer("--resolution", resolution, least=0, most=2048)
        folder = output_folder(out) or Path()
        name, found = given_scene(scene, downscale, images, test_every, placement, background)
        check_writable(folder / f"{name}.h5")
        field = hp.radiance.fit(
            found,
            recipe=recipe,
            encoder=encoder,
            poses=poses,
            max_time=limit("--time", time),
            steps=steps,
            seed=seed,
            device=device,
            progress=not as_json,
            checkpoint=checkpoint,
            resume=resume,
            throw=False,
        )
        report = written(field, found, folder, name, frames, resolution)
        if as_json:
            print_json({"scene": scene} | report)
        else:
            typer.echo(report_text(report))
    if field.status is hp.Status.DIVERGED:
        raise typer.Exit(3)
    if field.status is hp.Status.INTERRUPTED:
        raise typer.Exit(signals.exit_code)


def written(field: Radiance, scene: Scene, folder: Path, name: str, frames: int, resolution: int) -> dict[str, Any]:
    """Write all of a field; what is told of it."""
    from .workloads.radiance.history_picture import draw_history

    notes = [f"{len(scene.skipped)} pictures are missing and were skipped"] if scene.skipped else []
    field.save(folder / f"{name}.h5")
    files = [folder / f"{name}.h5"]
    if len(field.history):
        files.append(draw_history(folder / f"{name}_history.png", field.history))
    measured: dict[str, Any] = {}
    if len(scene.test):
        measured, pictures = compared(field, scene.test, folder, name)
        files += pictures
    else:
        notes.append("the scene has no test views: nothing tells how good new views are")
    files += list(poses_drawn(field, scene, folder, name, notes))
    files += list(moved(field, folder, name, frames, notes))
    files += list(solid(field, folder, name, resolution, notes))
    fitted = {"status": field.status.label, "message": field.message}
    fitted |= {k: field.stats[k] for k in ("seconds", "steps", "parameters", "device") if k in field.stats}
    return {"fit": fitted, "test": measured, "notes": notes, "files": [str(file) for file in files]}


def compared(field: Radiance, views: Views, folder: Path, name: str) -> tuple[dict[str, Any], list[Path]]:
    """Render views, write each and a sheet of some; PSNR and SSIM of each, and their means."""
    from .workloads.radiance.evaluation import mean_measures, rendered
    from .workloads.radiance.picture_files import write_png
    from .workloads.radiance.sheets import Shown, draw_views

    place = make_folder(folder / f"{name}_test")
    rows, sheet, files = [], [], []
    for number, view in enumerate(views):
        seen = rendered(field, view, normals=number < SHEET)
        rows.append({"name": view.name} | seen.measures)
        files.append(write_png(place / f"{number:03d}.png", seen.image))
        if number < SHEET:
            sheet.append(Shown(view.name, seen.true, seen.image, seen.depth, seen.normals))
    files.insert(0, draw_views(folder / f"{name}_views.png", sheet))
    return mean_measures(rows) | {"views": rows}, files


def poses_drawn(field: Radiance, scene: Scene, folder: Path, name: str, notes: list[str]) -> Iterator[Path]:
    """Draw how far poses moved from those of the scene, if they were refined."""
    trail = field.trail
    if trail is None:
        return
    target = folder / f"{name}_poses.png"
    try:
        hp.radiance.draw_poses(target, trail, scene.train.cameras)
    except InvalidProblemError as error:
        notes.append(f"there is no file {target.name}: {error}")
        return
    notes.append(
        "poses are refined, and test views are rendered where the scene places them, which need not be the same"
    )
    yield target


def moved(field: Radiance, folder: Path, name: str, frames: int, notes: list[str]) -> Iterator[Path]:
    """Write an orbit: a video, or pictures where no video can be written."""
    from .workloads.radiance.video import can_write_videos, orbit, write_frames

    if not frames:
        return
    cameras: Cameras = orbit(field.cameras, frames)
    if can_write_videos():
        yield field.to_video(folder / f"{name}_orbit.mp4", cameras)
        return
    notes.append(
        "imageio and ffmpeg are not installed, so that the orbit is pictures: pip install 'hermite_pinn[video]'"
    )
    yield from write_frames(folder / f"{name}_orbit", field.frames(cameras))


def solid(field: Radiance, folder: Path, name: str, resolution: int, notes: list[str]) -> Iterator[Path]:
    """Write the density as a volume and as a surface."""
    if not resolution:
        return
    yield field.to_vtk(folder / f"{name}.vti", resolution)
    try:
        yield field.to_mesh(folder / f"{name}.ply", resolution)
    except InvalidArgumentError as error:
        notes.append(f"there is no file {name}.ply: {error}")


@app.command()
def render(
    source: Annotated[Path, typer.Argument(parser=file_word, metavar="FILE", help="HDF5 file of a radiance field.")],
    out: OutOption = Path("out"),
    scene: Annotated[
        str | None, typer.Option(metavar="SCENE", help="Render the test views of a scene beside the true ones.")
    ] = None,
    frames: FramesOption = 60,
    width: Annotated[int | None, typer.Option(help="Pixels of the orbit across; default: those of the scene.")] = None,
    height: Annotated[int | None, typer.Option(help="Pixels of the orbit down; default: those of the scene.")] = None,
    downscale: DownscaleOption = 1.0,
    images: ImagesOption = None,
    test_every: TestEveryOption = 8,
    placement: PlacementOption = "auto",
    background: BackgroundOption = "white",
    device: Annotated[str, typer.Option(help="cpu, cuda, cuda:1 or auto.")] = "auto",
    as_json: JsonOption = False,
) -> None:
    """Render a saved radiance field: an orbit as pictures, or with --scene the test views beside the true ones."""
    from .workloads.radiance.video import orbit, write_frames

    with reported(as_json):
        folder = output_folder(out) or Path()
        field = hp.radiance.Radiance.load(source, device=device)
        report: dict[str, Any] = {"file": str(source), "test": {}, "notes": []}
        if scene is None:
            cameras = orbit(field.cameras, integer("--frames", frames, least=1, most=10_000), width, height)
            files = write_frames(folder / f"{source.stem}_orbit", field.frames(cameras))
        else:
            _, found = given_scene(scene, downscale, images, test_every, placement, background)
            if not len(found.test):
                raise InvalidArgumentError(
                    "the scene has no test views; choose another --test-every, or render an orbit"
                )
            report["test"], files = compared(field, found.test, folder, source.stem)
        report["files"] = [str(file) for file in files]
        if as_json:
            print_json(report)
        else:
            typer.echo(report_text(report))


@app.command("scene")
def tell_scene(
    scene: SceneArgument,
    downscale: DownscaleOption = 1.0,
    images: ImagesOption = None,
    test_every: TestEveryOption = 8,
    placement: PlacementOption = "auto",
    background: BackgroundOption = "white",
    as_json: JsonOption = False,
) -> None:
    """Tell what a scene holds: pictures, which are missing, cameras, and the box."""
    with reported(as_json):
        name, found = given_scene(scene, downscale, images, test_every, placement, background)
        report = scene_report(name, found)
        if as_json:
            print_json(report)
        else:
            typer.echo(scene_text(report))


def scene_report(name: str, scene: Scene) -> dict[str, Any]:
    """What is told of a scene."""
    kinds = []
    for number, kind in enumerate(scene.cameras.kinds):
        lens = type(kind.lens).__name__
        kinds.append(
            {"views": int((scene.cameras.kind == number).sum()), "width": kind.width, "height": kind.height}
            | {"fl_x": kind.fl_x, "fl_y": kind.fl_y, "cx": kind.cx, "cy": kind.cy, "lens": lens}
        )
    return {
        "scene": name,
        "source": scene.source,
        "views": {split: scene.splits.count(split) for split in ("train", "val", "test") if split in scene.splits},
        "channels": int(scene.views.images[0].shape[-1]),
        "pixels": scene.views.pixels,
        "cameras": kinds,
        "box": {"lower": scene.lower.tolist(), "upper": scene.upper.tolist()},
        "points": len(scene.points),
        "skipped": [{"name": s.name, "reason": s.reason} for s in scene.skipped],
    }


def scene_text(report: Mapping[str, Any]) -> str:
    """The same for people."""
    views = ", ".join(f"{count} {split}" for split, count in report["views"].items())
    lower, upper = (", ".join(f"{v:.4g}" for v in report["box"][end]) for end in ("lower", "upper"))
    lines = [f"{report['scene']}: {views}; {report['pixels']:,} pixels of {report['channels']} channels"]
    for kind in report["cameras"]:
        lines.append(
            f"  {kind['views']} x {kind['width']} x {kind['height']}, focal lengths {kind['fl_x']:.1f} and {kind['fl_y']:.1f}, "
            f"centre ({kind['cx']:.1f}, {kind['cy']:.1f}), {kind['lens']}"
        )
    lines.append(f"  box from ({lower}) to ({upper}), {report['points']:,} points")
    lines += [f"  skipped {s['name']}: {s['reason']}" for s in report["skipped"]]
    return "\n".join(lines)


def report_text(report: Mapping[str, Any]) -> str:
    """What is told of a field on a terminal."""
    lines = []
    if "fit" in report:
        lines.append(f"{report['fit']['status']}: {report['fit']['message']}")
    for row in report["test"].get("views", ()):
        lines.append(f"  {row['name']:<32} {row['psnr']:6.2f} dB  SSIM {row['ssim']:.4f}")
    if report["test"]:
        lines.append(
            f"  {'mean of the test views':<32} {report['test']['psnr']:6.2f} dB  SSIM {report['test']['ssim']:.4f}"
        )
    lines += [f"note: {note}" for note in report["notes"]]
    files = report["files"]
    told = files if len(files) <= LISTED else [*files[:LISTED], f"{len(files) - LISTED} more files"]
    return "\n".join([*lines, *(f"wrote {file}" for file in told)])
