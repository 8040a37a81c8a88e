"""The comparison of distances as a suite: every entry once, kept in a folder, with a small picture of each."""

from __future__ import annotations

import io
import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np

from hermite_pinn.errors import InvalidArgumentError
from hermite_pinn.output import write_file
from hermite_pinn.schema import Entry as Told
from hermite_pinn.validation.accuracy.suite import machine
from hermite_pinn.validation.kept import read_kept, write_kept
from hermite_pinn.version import installed_version
from hermite_pinn.workloads.sdf import render
from hermite_pinn.workloads.sdf.level_fit import UNIT

from .contest import BATCH, RATES, Entry, best_rate, entry_name, pairs_of, run_entry, value_weight
from .contest_figures import Figures, LenientField
from .contest_surfaces import SUBJECTS, Subject
from .contest_ways import WAYS, Way

__all__ = ["known_entries", "run_pairs", "tile_of"]

FORMAT, RATE = "distances entry 1", "distances rate 1"
#: Surface on which learning rates are looked for, and the parameters of the fields for that.
RATED, PARAMETERS = "torus", 45_136
#: Pixels along a side of a small picture, and radius of the balls in which its curvatures are averaged.
TILE, SMOOTHED = 240, 0.03

Pair = tuple[Subject, Way, int]


def run_pairs(pairs: Sequence[Pair], folder: Path | None = None) -> Iterator[Entry]:
    """Run surfaces in ways with seeds, or read what a folder keeps of them.

    The Hermite grid with a linear head goes first on every surface, whether it was asked for or not: its coefficients
    are the parameters of all.

    Parameters
    ----------
    pairs
        What is run.
    folder
        Where entries are kept as ``SURFACE-WAY.json`` with pictures ``SURFACE-WAY.png``; None keeps nothing.  An entry
        of the same settings, processor and version of the package is not run again.  What was skipped or failed is.

    Raises
    ------
    CorruptFileError
        If a file that should hold an entry is damaged.
    OutputError
        If an entry or a picture cannot be written.
    KeyboardInterrupt
        If a run was interrupted; it is not kept.
    """
    done: dict[str, Entry] = {}
    rates: dict[str, float | None] = {}

    def entry(subject: Subject, way: Way, seed: int, parameters: int) -> Entry:
        name = entry_name(subject.name, way.name, seed)
        if name not in done:
            done[name] = (folder and kept_entry(subject, way, seed, folder)) or run(subject, way, seed, parameters)
        return done[name]

    def run(subject: Subject, way: Way, seed: int, parameters: int) -> Entry:
        if way.random and way.name not in rates:
            rates[way.name] = _rate(way, folder)
        found, field = run_entry(subject, way, seed, parameters, rates.get(way.name))
        if folder is not None and field is not None:
            picture = tile(field, subject) if seed == 0 else None
            if picture is not None:
                write_file(tile_of(subject, way, folder), picture)
            write_kept(_file(subject, way, seed, folder), FORMAT, _asked(subject, way, seed), asdict(found))
        return found

    for subject, way, seed in pairs:
        leader = entry(subject, WAYS["hermite"], 0, 0)
        if leader.figures is None and way.name != "hermite":
            yield replace(leader, way=way.name, seed=seed)
        else:
            yield entry(subject, way, seed, leader.parameters)


def _rate(way: Way, folder: Path | None) -> float:
    """The learning rate of a way on all surfaces, which is looked for once, on a torus."""
    subject = SUBJECTS[RATED]
    path = None if folder is None else folder / f"rate-{way.name}.json"
    asked = _asked(subject, way, 0)
    told = None if path is None else read_kept(path, RATE, asked)
    if told is not None:
        return told.at("rate").number(0.0)
    rate = best_rate(subject, way, PARAMETERS)
    if path is not None:
        write_kept(path, RATE, asked, {"rate": rate})
    return rate


def tile(field: LenientField, subject: Subject) -> memoryview | None:
    """A small picture of a surface, coloured by averaged mean curvature, as PNG; None where there is no surface."""
    from matplotlib.image import imsave

    azimuth, elevation, up = subject.view
    try:
        picture = render(
            field, TILE, TILE, limits=subject.limits, azimuth=azimuth, elevation=elevation, up=up, scale=SMOOTHED
        )
    except InvalidArgumentError:
        return None
    image = io.BytesIO()
    imsave(image, np.clip(picture.colors, 0, 1), format="png")
    return image.getbuffer()


def tile_of(subject: Subject, way: Way, folder: Path) -> Path:
    """Where the small picture of a way lies."""
    return folder / f"{subject.name}-{way.name}.png"


def known_entries(folder: Path, found: Sequence[Entry]) -> list[Entry]:
    """What was run, and all that a folder keeps beside, in the order of surfaces, ways and seeds."""
    by_name = {entry.name: entry for entry in found}
    pairs = pairs_of(list(SUBJECTS.values()))
    known = [by_name.get(entry_name(s.name, w.name, k)) or kept_entry(s, w, k, folder) for s, w, k in pairs]
    return [entry for entry in known if entry is not None]


def kept_entry(subject: Subject, way: Way, seed: int, folder: Path) -> Entry | None:
    """An entry that a folder keeps, or None: see :func:`run_pairs`."""
    told = read_kept(_file(subject, way, seed, folder), FORMAT, _asked(subject, way, seed))
    return None if told is None else _read(told)


def _file(subject: Subject, way: Way, seed: int, folder: Path) -> Path:
    return folder / f"{entry_name(subject.name, way.name, seed)}.json"


def _asked(subject: Subject, way: Way, seed: int) -> dict[str, Any]:
    """All that an entry depends on."""
    return {
        "surface": [subject.name, subject.levels, subject.seconds],
        "way": [way.title, way.method, repr(way.field)],
        "training": [BATCH, *RATES],
        "weights": [value_weight(subject, way), UNIT],
        "seed": seed,
        "cpu": machine()["cpu"],
        "version": installed_version(),
    }


def _read(told: Told) -> Entry:
    """An entry from its row."""

    def optional(entry: Told, name: str) -> float | None:
        part = entry.get(name)
        return None if part is None else part.number()

    figures = told.get("figures")
    known = None
    if figures is not None:
        known = Figures(
            value_rms=figures.at("value_rms").number(finite=False),
            gradient_mae=figures.at("gradient_mae").number(finite=False),
            wrong_signs=figures.at("wrong_signs").number(0.0, 1.0),
            iou=figures.at("iou").number(0.0, 1.0),
            chamfer=optional(figures, "chamfer"),
            curvature=optional(figures, "curvature"),
            averaged=optional(figures, "averaged"),
        )
    return Entry(
        subject=told.at("subject").text(),
        way=told.at("way").text(),
        seed=told.at("seed").integer(0),
        figures=known,
        seconds=told.at("seconds").number(0.0, math.inf),
        parameters=told.at("parameters").integer(0),
        steps=told.at("steps").integer(0),
        per_step=told.at("per_step").number(0.0, math.inf),
        rate=optional(told, "rate"),
        levels=tuple(n.integer(1) for n in told.at("levels").items()),
        status=told.at("status").text(),
        reason=told.at("reason").text(),
        skipped=told.at("skipped").flag(),
    )
