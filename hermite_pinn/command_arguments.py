"""What the words of a command line mean: settings of problems, methods, folders."""

from __future__ import annotations

import ast
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

import hermite_pinn as hp

from .checks import path
from .errors import HermitePinnError, InvalidArgumentError, OutputError
from .output import check_writable, make_folder

__all__ = [
    "JsonOption",
    "OutOption",
    "SetOption",
    "chosen_method",
    "file_word",
    "given_settings",
    "made_problem",
    "output_folder",
]


def file_word(text: str) -> Path:
    """A word of the command line as the name of a file or folder, which must not be empty."""
    try:
        return path("the path", text)
    except InvalidArgumentError as error:
        raise typer.BadParameter(str(error)) from error


SetOption = Annotated[
    list[str] | None, typer.Option("--set", help="A setting of the problem, such as a=20 or a=7,13; may be repeated.")
]
JsonOption = Annotated[
    bool,
    typer.Option(
        "--json", help="Print one JSON object and nothing else on standard output; its key error tells a failure."
    ),
]
OutOption = Annotated[
    Path | None,
    typer.Option(
        "--out",
        parser=file_word,
        metavar="FOLDER",
        help="Folder for HDF5, VTK and PNG files; created if it does not exist.",
    ),
]


def _value(text: str) -> Any:
    """A number, a tuple of numbers, True, False, None or text."""
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        return text


def given_settings(pairs: list[str] | None) -> dict[str, Any]:
    """The settings of a problem from ``--set``, by name."""
    settings: dict[str, Any] = {}
    for pair in pairs or []:
        name, equals, text = (part.strip() for part in pair.partition("="))
        if not equals or not name or not text:
            raise InvalidArgumentError(f"--set takes name=value, for example --set a=20; got {pair!r}")
        if name in settings:
            raise InvalidArgumentError(f"--set gives {name} twice, the second time as {pair!r}")
        settings[name] = _value(text)
    return settings


def made_problem(name: str, settings: dict[str, Any]) -> hp.Problem:
    """A problem of the library; values that it cannot work with are mistakes of the caller."""
    from . import problems

    try:
        return problems.make(name, **settings)
    except HermitePinnError:
        raise
    except Exception as error:
        given = ", ".join(f"{k}={v!r}" for k, v in settings.items())
        raise InvalidArgumentError(f"{name} cannot be made with {given}: {type(error).__name__}: {error}") from error


def output_folder(folder: Path | None) -> Path | None:
    """The folder of ``--out``, made if it is not there."""
    if folder is not None:
        try:
            check_writable(make_folder(folder) / "file")
        except OutputError as error:
            raise InvalidArgumentError(f"{error}; --out takes a folder that can be written") from error
    return folder


def chosen_method(name: str, steps: int | None) -> hp.Method:
    """The method of ``--method``, with its ``--steps``."""
    methods: dict[str, Callable[..., hp.Method]] = {
        "gauss_newton": hp.GaussNewton,
        "adam": hp.Adam,
        "adam-paper": hp.Adam.paper,
        "lbfgs": hp.LBFGS,
        "soap": hp.SOAP,
    }
    if name not in methods:
        raise InvalidArgumentError(f"unknown method {name!r}; known: {', '.join(methods)}")
    if steps is None:
        return methods[name]()
    if name == "gauss_newton":
        raise InvalidArgumentError(
            "--steps belongs to adam, adam-paper, lbfgs and soap; gauss_newton takes --levels or --tol"
        )
    return methods[name](steps=steps)
