"""Run the variants of an ablation, each once."""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import asdict
from pathlib import Path
from typing import Any

from hermite_pinn.schema import Entry
from hermite_pinn.validation.accuracy.suite import machine
from hermite_pinn.validation.kept import read_kept, write_kept
from hermite_pinn.version import installed_version

from .ablation import Row, Variant

__all__ = ["kept_row", "run_variant"]

FORMAT = "ablation row 1"


def run_variant(variant: Variant, folder: Path | None = None) -> Row:
    """Run a variant, or read its numbers from a folder where the same was measured before.

    Parameters
    ----------
    variant
        What is run.
    folder
        Where the numbers are kept as ``row-DIGEST.json``; None keeps nothing.  Variants of several ablations that ask
        for the same are run once.  What failed is run again.

    Raises
    ------
    CorruptFileError
        If the file that should hold the numbers is damaged.
    OutputError
        If they cannot be written.
    KeyboardInterrupt
        If the run was interrupted.
    """
    row = None if folder is None else kept_row(variant, folder)
    if row is not None:
        return row
    try:
        row = Row(variant.name, variant.group, variant.measure.run())
    except Exception as error:  # told in the table, so that others run all the same
        return Row(variant.name, variant.group, reason=f"{type(error).__name__}: {error}")
    if folder is not None:
        write_kept(_file(variant, folder), FORMAT, _asked(variant), asdict(row))
    return row


def kept_row(variant: Variant, folder: Path) -> Row | None:
    """The row of a variant that a folder keeps, or None: see :func:`run_variant`."""
    found = read_kept(_file(variant, folder), FORMAT, _asked(variant))
    return None if found is None else Row(variant.name, variant.group, _numbers(found.at("numbers")))


def _numbers(entry: Entry) -> dict[str, float]:
    return {key: value.number(0.0, math.inf, finite=False) for key, value in entry.entries().items()}


def _asked(variant: Variant) -> dict[str, Any]:
    """All that the numbers depend on."""
    return variant.measure.asked | {"cpu": machine()["cpu"], "version": installed_version()}


def _file(variant: Variant, folder: Path) -> Path:
    asked = json.dumps(_asked(variant), sort_keys=True)
    return folder / f"row-{hashlib.sha256(asked.encode()).hexdigest()[:16]}.json"
