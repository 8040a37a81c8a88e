"""The command ``hermite-pinn solve``."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer

import hermite_pinn as hp

from .command_arguments import (
    JsonOption,
    OutOption,
    SetOption,
    chosen_method,
    file_word,
    given_settings,
    made_problem,
    output_folder,
)
from .errors import HermitePinnError, InvalidArgumentError, OutputError
from .reports import solution_json, solution_text
from .run.arguments import limit
from .run.interrupt import uninterrupted
from .streams import exit_code, failure, print_json, reported, tell

__all__ = ["solve"]


def solve(
    name: Annotated[str, typer.Argument(help="A problem of `hermite-pinn list`.")],
    settings: SetOption = None,
    method: Annotated[str, typer.Option(help="gauss_newton, adam, adam-paper, lbfgs or soap.")] = "gauss_newton",
    levels: Annotated[
        int | None,
        typer.Option(
            help="Number of levels; default: refine until --tol (gauss_newton), 8 (adam, soap), 3 to 5 (lbfgs)."
        ),
    ] = None,
    tol: Annotated[float | None, typer.Option(help="Relative error at which gauss_newton stops; default 1e-6.")] = None,
    basis: Annotated[
        str | None,
        typer.Option(
            help="linear, smoothstep, cosine, cubic, quintic or septic; default: as smooth as the problem asks, cubic for most."
        ),
    ] = None,
    steps: Annotated[int | None, typer.Option(help="Steps of adam, lbfgs or soap.")] = None,
    time: Annotated[float | None, typer.Option(help="Seconds after which the best state so far is returned.")] = None,
    seed: Annotated[int, typer.Option(help="Of everything random.")] = 0,
    device: Annotated[str, typer.Option(help="cpu, cuda, cuda:1 or auto.")] = "auto",
    dtype: Annotated[str | None, typer.Option(help="float64 or float32.")] = None,
    checkpoint: Annotated[
        Path | None,
        typer.Option(parser=file_word, metavar="FILE", help="File to which the state is saved as the run goes."),
    ] = None,
    resume: Annotated[
        Path | None, typer.Option(parser=file_word, metavar="FILE", help="Checkpoint to continue.")
    ] = None,
    series: Annotated[
        Path | None,
        typer.Option(
            parser=file_word,
            metavar="FILE",
            help="Series over time (.pvd) that is written as the run goes, for ParaView.",
        ),
    ] = None,
    every: Annotated[
        float | None, typer.Option(help="Time between two of its frames; default: a twentieth of all times.")
    ] = None,
    out: OutOption = None,
    as_json: JsonOption = False,
) -> None:
    """Solve a problem of the library; report error, residuals and time; with --out write HDF5, VTK and pictures.

    Ctrl-C and SIGTERM end the run with the best state so far, which is written and reported; the exit code is then
    130 or 143.
    """
    with reported(as_json) as signals:
        chosen = given_settings(settings)
        problem = made_problem(name, chosen)
        how = chosen_method(method, steps)
        error, seconds = limit("--tol", tol), limit("--time", time, infinite=True)
        folder = output_folder(out)
        solution = hp.solve(
            problem,
            method=how,
            field=None if basis is None else replace(how.default_field(problem), basis=basis),
            levels=levels,
            seed=seed,
            device=device,
            dtype=dtype,
            tol=error,
            max_time=seconds,
            callbacks=_series(series, every),
            checkpoint=checkpoint,
            resume=resume,
            progress=not as_json,
            throw=False,
        )
        files, failures = ([], []) if folder is None else _write(solution, folder, name)
        lost = OutputError("; ".join(failures)) if failures else None  # nothing of the result is lost with them
        if as_json:
            asked = {"problem": name, "settings": chosen, "method": method}
            report = asked | solution_json(solution, _errors(solution), files)
            print_json(report if lost is None else report | failure(lost))
        else:
            typer.echo(solution_text(solution, files))
        if lost is not None:
            tell(str(lost))
            raise typer.Exit(exit_code(lost))
    if solution.status is hp.Status.DIVERGED:
        raise typer.Exit(3)
    if solution.status is hp.Status.INTERRUPTED:
        raise typer.Exit(signals.exit_code)


def _series(path: Path | None, every: float | None) -> list[hp.Callback]:
    """What writes a series as a run goes, if one is asked for."""
    if path is not None:
        return [hp.Series(path, every=limit("--every", every))]
    if every is not None:
        raise InvalidArgumentError(
            "--every is the time between two frames of a series; give its file, too: --series run.pvd"
        )
    return []


def _errors(solution: hp.Solution) -> dict[str, Any]:
    """Errors against the known solution, where there is one and it can be computed."""
    if solution.problem is None or not solution.problem.exact:
        return {}
    try:
        return solution.error()
    except HermitePinnError as error:
        tell(f"the error is not known: {error}")
        return {}


def _write(solution: hp.Solution, folder: Path, name: str) -> tuple[list[Path], list[str]]:
    """Write all files that can be written; returns these, and what was wrong with the others."""
    space = len(solution.domain.space_axes)
    series = solution.domain.time_axis is not None and space >= 2
    mesh = solution.domain.is_cut or any(solution.field.encoder.knots)
    writers: dict[str, Callable[[Path], object]] = {
        f"{name}.h5": solution.save,
        f"{name}{'.pvd' if series else '.vtu' if mesh else '.vti'}": solution.to_vtk,
        f"{name}.png": solution.plot,
        f"{name}_history.png": solution.plot_history,
    }
    files: list[Path] = []
    failures: list[str] = []
    with uninterrupted():
        for file, write in writers.items():
            try:
                write(folder / file)
                files.append(folder / file)
            except OutputError as error:
                failures.append(str(error))
    return files, failures
