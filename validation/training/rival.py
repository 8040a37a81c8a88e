"""DeepXDE on its own examples: its network and its settings, in its own environment, with one thread."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from types import MappingProxyType

import numpy as np

from hermite_pinn.errors import InvalidArgumentError
from hermite_pinn.validation.references.pinnacle import relative_error
from hermite_pinn.validation.rivals.networks.environment import RIVALS
from hermite_pinn.validation.rivals.networks.frame import Settings
from hermite_pinn.validation.rivals.networks.script import ScriptError, run_script

from .cases import CASES
from .table import QUICK, Row

__all__ = ["SETTINGS", "run_rival"]

#: As the examples have them, by the name of the problem in the script: ``Burgers`` and ``heat`` refine by L-BFGS.
SETTINGS: Mapping[str, tuple[str, Settings]] = MappingProxyType(
    {
        "diffusion_1d": ("diffusion", Settings(40, 20, 10, [32, 32, 32], "tanh", 1e-3, 10_000, 0)),
        "heat": ("heat", Settings(2540, 80, 160, [20, 20, 20], "tanh", 1e-3, 20_000, 15_000)),
        "Burgers": ("burgers", Settings(2540, 80, 160, [20, 20, 20], "tanh", 1e-3, 15_000, 15_000, 0.99)),
    }
)


def run_rival(case: str, seed: int, environments: Path, quick: bool = False) -> Row:
    """Train DeepXDE's network for a problem.

    Parameters
    ----------
    case
        Name of the example.
    seed
        Of its points and its network.
    environments
        The folder of environments, made by ``python -m hermite_pinn.validation.rivals.networks environment``.
    quick
        Twenty iterations, to see that everything runs.

    Raises
    ------
    InvalidArgumentError
        If there is no environment, or its script fails.
    """
    rival = RIVALS["deepxde"]
    missing = rival.missing(environments)
    if missing:
        raise InvalidArgumentError(missing)
    problem, published = SETTINGS[case]
    settings = asdict(published)
    if quick:
        settings |= {"iterations": QUICK, "refinement": min(QUICK, published.refinement)}
    x, t = CASES[case].points
    points = np.stack([x, t])
    try:
        told = run_script(rival, environments, problem, settings, points, seed)
    except ScriptError as failure:
        raise InvalidArgumentError(f"DeepXDE on {case}: {failure}") from failure
    last = told.stages[-1]
    error = relative_error(last.values, CASES[case].exact(x, t))
    return Row(case, "DeepXDE", seed, error, last.seconds, last.wall)
