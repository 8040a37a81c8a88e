"""The command line ``hermite-pinn``."""

from __future__ import annotations

import logging
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Annotated

import typer

import hermite_pinn as hp

from .command_arguments import (
    JsonOption,
    OutOption,
    file_word,
    output_folder,
)
from .compress_commands import compress
from .errors import InvalidArgumentError
from .output import check_writable
from .radiance_commands import app as radiance_app
from .reports import (
    findings_text,
    problem_settings,
    problem_table,
    show,
    timing_json,
    timing_tables,
)
from .run.arguments import limit
from .run.device import choose_device
from .sdf_commands import app as sdf_app
from .solve_command import solve
from .streams import (
    FAILURE,
    USAGE,
    close_quietly,
    open_streams,
    print_json,
    reported,
    tell_failure,
)
from .view_command import view

__all__ = ["app", "main"]

logger = logging.getLogger(__name__)

app = typer.Typer(
    help="Solve partial differential equations on multilevel Hermite grids.",
    epilog="Exit codes: 0 done, 1 something failed on the way, 2 what was asked for cannot work, 3 the run diverged, 130 and 143 "
    "ended by Ctrl-C and SIGTERM. Failures are told in one message on standard error.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
app.add_typer(sdf_app, name="sdf")
app.add_typer(radiance_app, name="radiance")
app.command()(compress)


@app.command("list")
def list_problems(as_json: JsonOption = False) -> None:
    """List the problems and their settings."""
    from .problems import PROBLEMS

    if as_json:
        print_json({name: problem_settings(function) for name, function in PROBLEMS.items()})
    else:
        show(problem_table(PROBLEMS))


app.command()(solve)
app.command()(view)


@app.command()
def export(
    source: Annotated[Path, typer.Argument(parser=file_word, metavar="FILE", help="HDF5 file of a solution.")],
    target: Annotated[
        Path, typer.Argument(parser=file_word, metavar="FILE", help="File to write: .vti, .vtu, .vtp or .pvd.")
    ],
    resolution: Annotated[float | None, typer.Option(help="Intervals per axis.")] = None,
    times: Annotated[int | None, typer.Option(help="Frames of a .pvd.")] = None,
    boundary: Annotated[bool, typer.Option("--boundary", help="Of a .pvd: the boundary at every time.")] = False,
) -> None:
    """Convert a saved solution for ParaView."""
    with reported():
        solution = hp.Solution.load(source)
        for file in solution.to_vtk(target, resolution=resolution, times=times, boundary=boundary):
            typer.echo(f"wrote {file}")


@app.command()
def plot(
    source: Annotated[Path, typer.Argument(parser=file_word, metavar="FILE", help="HDF5 file of a solution.")],
    target: Annotated[
        Path, typer.Argument(parser=file_word, metavar="FILE", help="Picture to write: .png, .pdf, .svg.")
    ],
    history: Annotated[
        bool, typer.Option("--history", help="Draw the course of the run instead of the fields.")
    ] = False,
    time: Annotated[float | None, typer.Option(help="Instant to show.")] = None,
    resolution: Annotated[float | None, typer.Option(help="Intervals per axis.")] = None,
    backend: Annotated[
        str, typer.Option(help="matplotlib, or pyvista for domains with three space axes (the extra viz).")
    ] = "matplotlib",
) -> None:
    """Draw a saved solution."""
    with reported():
        check_writable(target)
        picture = target if target.suffix.strip(".") else target.with_name(f"{target.name}.png")
        solution = hp.Solution.load(source)
        if history:
            solution.plot_history(picture)
        else:
            solution.plot(picture, time=time, resolution=resolution, backend=backend)
        typer.echo(f"wrote {picture}")


@app.command()
def validate(
    suite: Annotated[
        str,
        typer.Option(
            help="quick, basic, paper, standard, noisy, full, ablations, antialiasing, compact, compression, distances, examples, geometry, images, networks, pinnacle, radiance, or rivals."
        ),
    ] = "quick",
    seed: Annotated[int, typer.Option(help="Of everything random.")] = 0,
    method: Annotated[str, typer.Option(help="As in `solve`; all but gauss_newton run for --time.")] = "gauss_newton",
    time: Annotated[float, typer.Option(help="Seconds of every run of another method.")] = 60.0,
    seeds: Annotated[int, typer.Option(help="Number of runs of another method, from --seed on.")] = 1,
    device: Annotated[str, typer.Option(help="cpu, cuda or auto.")] = "auto",
    only: Annotated[
        str,
        typer.Option(
            help="Of the suites ablations, antialiasing, compact, compression, distances, examples, geometry, images, networks, pinnacle, radiance and rivals: what has names that contain this text."
        ),
    ] = "",
    environments: Annotated[
        Path | None,
        typer.Option(
            parser=file_word, metavar="FOLDER", help="Of the suite networks: where the rivals' environments are."
        ),
    ] = None,
    quick: Annotated[
        bool, typer.Option("--quick", help="Of the suite networks: a few iterations of everything.")
    ] = False,
    out: OutOption = None,
    as_json: JsonOption = False,
) -> None:
    """Solve a suite of problems with known solutions and compare error and time with what is to be reached.

    With --method, train them by another method for a given time and tell error and steps a second.
    The suite ablations compares variants of the method that differ in one thing, under Adam and under Gauss-Newton; it
    has nothing to reach, and with --out it draws every comparison and goes on where it was.
    The suite antialiasing trains radiance fields on large pictures and compares them with smaller ones; it has nothing
    to reach, and with --out it keeps every row and does not run again what it finds there.
    The suite compact compares networks and tables of 4096 slots and has nothing to reach.
    The suite compression compares small files of solutions with zfp, and fields in few bits with other ways to store
    them; with --out it draws bytes by error, keeps every row, and does not run again what it finds there.
    The suite distances fits surfaces by all encoders and heads, with equal parameters and CPU seconds; it has nothing
    to reach, and with --out it draws them and does not run again what it finds there.
    The suite examples solves DeepXDE's examples, stated anew, by the default call; with --out it keeps every row, and
    does not run again what it finds there.
    The suite geometry solves on domains with holes, inside and outside of meshes; with --out it draws every solution.
    The suite images fits pictures to their derivatives, directly and by trained fields in equal time; with --out it
    draws them side by side, keeps every row, and does not run again what it finds there.
    The suite networks trains DeepXDE and PINA beside this package, each in its own environment, which
    python -m hermite_pinn.validation.rivals.networks environment NAME FOLDER makes; with --out it goes on where it was.
    The suite pinnacle solves the cases of that benchmark by the default call; with --out it draws every solution, keeps
    every row, and does not run again what it finds there.
    The suite radiance fits scenes of pictures; with --out it draws the views that are held out, keeps every row, and
    does not run again what it finds there.
    The suite rivals measures this package, finite elements (scikit-fem) and spectral methods in CPU seconds at equal
    error; it has nothing to reach, and with --out it goes on where it was, too.
    """
    from . import suites

    others = {
        "ablations": lambda: suites.compare_variants(only, device, out, as_json),
        "antialiasing": lambda: suites.compare_scales(only, out, as_json),
        "compact": lambda: suites.compare_compact(only, seed, out, as_json),
        "compression": lambda: suites.compare_compression(only, out, as_json),
        "distances": lambda: suites.compare_distances(only, device, out, as_json),
        "examples": lambda: suites.solve_examples(only, device, out, as_json),
        "geometry": lambda: suites.solve_geometry(only, seed, device, out, as_json),
        "images": lambda: suites.fit_images(only, seed, out, as_json),
        "networks": lambda: suites.race_networks(only, environments, quick, seed, device, out, as_json),
        "pinnacle": lambda: suites.solve_pinnacle(only, seed, device, out, as_json),
        "radiance": lambda: suites.fit_scenes(only, out, as_json),
        "rivals": lambda: suites.race_rivals(only, device, out, as_json),
    }
    if suite in others:
        others[suite]()
    elif method != "gauss_newton":
        suites.train(suite, method, time, range(seed, seed + seeds), device, out, as_json)
    else:
        suites.solve_suite(suite, seed, device, out, as_json)


@app.command()
def bench(
    device: Annotated[str, typer.Option(help="cpu or cuda.")] = "cpu",
    suite: Annotated[
        str, typer.Option(help="Suite of solves to time: quick, basic, paper, standard, noisy, full or none.")
    ] = "basic",
    as_json: JsonOption = False,
) -> None:
    """Time the kernels, in three tables, and the solver on its benchmark cases."""
    from . import validation

    with reported(as_json):
        if suite not in (*validation.SUITES, "none"):
            raise InvalidArgumentError(f"unknown suite {suite!r}; known: {', '.join(validation.SUITES)}, none")
        device = str(choose_device(device))
        kernels = validation.time_kernels(device)
        products, orders = validation.time_products(device), validation.time_orders(device)
        results = [] if suite == "none" else validation.run_suite(validation.SUITES[suite], device=device)
    if as_json:
        timings = timing_json(kernels, products, orders)
        print_json({"machine": validation.machine()} | timings | {"solves": validation.to_json(results)})
        return
    machine = ", ".join(f"{k} {v}" for k, v in validation.machine().items())
    show(machine, *timing_tables(kernels, products, orders, results), highlight=False)


@app.command("gpu-check")
def gpu_check(
    device: Annotated[str, typer.Option(help="cuda, cpu or auto.")] = "auto",
    out: Annotated[Path, typer.Option(help="Folder of the JSON and Markdown files.")] = Path("out/performance"),
    minutes: Annotated[float, typer.Option("--time", help="What would end later is skipped.")] = 8.0,
    tests: Annotated[bool, typer.Option(help="Run the tests that need a GPU.")] = True,
) -> None:
    """Check the kernels on this machine and measure them, training steps and solves against targets."""
    from hermite_pinn.validation.performance import gpu_check as script

    with reported():
        limit("--time", minutes)
    options = ["--device", device, "--out", str(out), "--time", str(minutes), *([] if tests else ["--no-tests"])]
    with reported():
        failed = script.main(options)
    if failed:
        raise typer.Exit(failed)


@app.command()
def doctor(as_json: JsonOption = False) -> None:
    """Tell what is installed, which kernels compile, and how to mend what is missing."""
    from .doctor import examine

    findings = examine()
    if as_json:
        print_json([vars(f) for f in findings])
    else:
        typer.echo(findings_text(findings))
    if any(f.state == "broken" for f in findings):
        raise typer.Exit(1)


@app.command()
def demo(
    out: Annotated[
        Path, typer.Option("--out", parser=file_word, metavar="FOLDER", help="Folder for the page and its files.")
    ] = Path("out/demo"),
    only: Annotated[
        list[str] | None, typer.Option(help="helmholtz, channel, cooling or knot; may be repeated.")
    ] = None,
    quick: Annotated[bool, typer.Option("--quick", help="Solve coarsely, to see that it works.")] = False,
) -> None:
    """Show what the package does, in about a minute: an equation, a flow, an inverse problem and a surface.

    Every example says what it does, and writes a picture, HDF5 and VTK; index.html shows them side by side.
    """
    with reported() as signals:
        from .demo import chosen_examples, tour

        chosen_examples(only or ())
        folder = output_folder(out) or Path()
        stops = tour(folder, only or (), quick=quick, tell=typer.echo)
    if stops[-1].shown.solution.status is hp.Status.INTERRUPTED:
        raise typer.Exit(signals.exit_code)
    if not quick and not all(stop.success for stop in stops):
        raise typer.Exit(1)


def main() -> None:
    """Entry point of the console script."""
    open_streams()
    logging.basicConfig(level=logging.WARNING, format="hermite-pinn: %(message)s", stream=sys.stderr)
    sys.exit(_run(sys.argv[1:]))


def _run(arguments: Sequence[str]) -> int:
    """Run a command; whatever happens ends in an exit code, and a failure in one message."""
    as_json = "--json" in arguments
    try:
        code = typer.main.get_command(app).main(list(arguments), "hermite-pinn", standalone_mode=False)
        sys.stdout.flush()
        return code if isinstance(code, int) else 0
    except BrokenPipeError:  # who read the output has seen enough
        close_quietly()
        return 1
    except OSError as error:
        what = error.filename or "standard output"
        _last_words(error, f"{what} cannot be read or written: {error.strerror or error}", as_json)
        close_quietly()
        return 1
    except Exception as error:
        told, code = _told(error)
        _last_words(error, told, as_json)
        return code


def _told(error: Exception) -> tuple[str, int]:
    """Message and exit code of what no command handles: a line that it does not understand, or a mistake of ours."""
    if isinstance(error, typer.Abort):
        return "interrupted from the keyboard", 130
    worded = getattr(error, "format_message", None)  # what typer says of a command line
    if worded is not None:
        context = getattr(error, "ctx", None)
        command = "hermite-pinn" if context is None else context.command_path
        return f"{worded()} ({command} --help tells what there is)", USAGE
    logger.debug("unexpected", exc_info=True)
    return (
        f"{type(error).__name__}: {error}; this is a mistake of hermite_pinn, please report it with the command",
        FAILURE,
    )


def _last_words(error: BaseException, message: str, as_json: bool) -> None:
    """The one message of a failure outside a command."""
    with suppress(OSError):
        tell_failure(error, message, as_json)


if __name__ == "__main__":
    main()
