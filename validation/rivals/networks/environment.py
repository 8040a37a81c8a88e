"""An environment for each rival, made by a command: none of them is needed to use this package."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

import torch

from hermite_pinn.errors import InvalidArgumentError, OutputError

__all__ = ["RIVALS", "Rival", "make"]


@dataclass(frozen=True)
class Rival:
    """A code of networks that runs in an environment of its own.

    Attributes
    ----------
    name
        Of its environment, and of its script.
    code
        For tables.
    packages
        What is installed, with versions; PyTorch comes in that of this package.
    surroundings
        Environment variables that it needs.

    Examples
    --------
    >>> RIVALS["deepxde"].packages
    ('deepxde==1.15.0',)
    """

    name: str
    code: str
    packages: tuple[str, ...]
    surroundings: dict[str, str] = field(default_factory=dict)

    def python(self, folder: Path) -> Path:
        """The interpreter of its environment below a folder."""
        here = folder.absolute() / self.name
        return here / "Scripts" / "python.exe" if sys.platform == "win32" else here / "bin" / "python"

    def command(self, folder: Path) -> str:
        """What a user types to make its environment."""
        return f"python -m hermite_pinn.validation.rivals.networks environment {self.name} {folder}"

    def missing(self, folder: Path | None) -> str:
        """What is said where there is no environment, or ""."""
        if folder is None:
            return f"{self.code} needs --environments FOLDER, after `{self.command(Path('FOLDER'))}`"
        return (
            "" if self.python(folder).exists() else f"{self.code} has no environment: `{self.command(folder)}` makes it"
        )


RIVALS = {
    r.name: r
    for r in (
        Rival("deepxde", "DeepXDE", ("deepxde==1.15.0",), {"DDE_BACKEND": "pytorch"}),
        Rival("pina", "PINA", ("pina-mathlab==0.3.2",)),
    )
}


def make(name: str, folder: Path) -> Path:
    """Make the environment of a rival, with the version of PyTorch that runs here.

    Parameters
    ----------
    name
        ``"deepxde"`` or ``"pina"``.
    folder
        Where the environment ``NAME`` is put.  Pip takes its settings from its own files and variables, so that these
        can say where a build of PyTorch without CUDA is found.

    Returns
    -------
    Path
        The interpreter.

    Raises
    ------
    InvalidArgumentError
        If there is no such rival.
    OutputError
        If the environment cannot be made.
    """
    if name not in RIVALS:
        raise InvalidArgumentError(f"there is no rival {name!r}; there are {', '.join(RIVALS)}")
    rival = RIVALS[name]
    python = rival.python(folder)
    with tempfile.TemporaryDirectory() as scratch:
        constraints = Path(scratch) / "constraints.txt"
        constraints.write_text(f"torch=={torch.__version__.partition('+')[0]}\n", encoding="utf-8")
        _run([sys.executable, "-m", "venv", str(folder.absolute() / name)])
        _run([str(python), "-m", "pip", "install", "-q", "-c", str(constraints), "torch", *rival.packages])
    return python


def _run(command: list[str]) -> None:
    try:
        subprocess.run(command, check=True, capture_output=True, text=True)
    except (OSError, subprocess.CalledProcessError) as error:
        told = (getattr(error, "stderr", "") or str(error)).strip().splitlines()
        raise OutputError(f"{' '.join(command)} failed: {told[-1] if told else error}") from error
