"""Fields in few bits: learned codes beside clusters, low rank, hash tables, half precision, and no coding at all.

What docs/vqad.md quotes.  The bunny lies in the folder ``meshes`` of the one that the environment variable
``HERMITE_PINN_SHARED`` names; without it its rows are left out.  Rows are kept in a folder, and a suite that was
interrupted goes on where it was.

Examples
--------
OMP_NUM_THREADS=1 python -m hermite_pinn.validation.workloads.coded_fields --only bunny --keep kept --plot rates.png
"""

from __future__ import annotations

import argparse
import math
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch

import hermite_pinn as hp
from hermite_pinn.cuda.encoder.channels import Channels
from hermite_pinn.field.grid_field import GridField
from hermite_pinn.run.identity import plain
from hermite_pinn.validation.accuracy.suite import machine
from hermite_pinn.validation.kept import read_kept, write_kept
from hermite_pinn.workloads import sdf
from hermite_pinn.workloads.compression.coded_field import CodedField
from hermite_pinn.workloads.compression.compress import load
from hermite_pinn.workloads.compression.learning import learn_table
from hermite_pinn.workloads.compression.octree_field import octree_field
from hermite_pinn.workloads.compression.packing import formula_bytes
from hermite_pinn.workloads.compression.rows import row_counts
from hermite_pinn.workloads.compression.teachers import teacher_of
from hermite_pinn.workloads.compression.vqad import (
    STD,
    Learned,
    OctreeOptions,
    clustered,
    in_units,
    learned,
    of_low_rank,
    rounded,
    vector_coded,
)
from hermite_pinn.workloads.sdf.quality import quality
from hermite_pinn.workloads.sdf.sources import target_of
from hermite_pinn.workloads.sdf.target import Target

from .coded_plot import plot
from .coded_row import CodedRow
from .distances import scanned

__all__ = ["CASES", "CodedRow", "measured", "to_markdown"]

KIND = "coded field 1"
QUERIES, INSIDE = 1_000_000, 200_000


@dataclass(frozen=True)
class Case:
    """Something that is coded.

    Attributes
    ----------
    model
        Makes it; None where it is not there.
    options
        Of the octree and the training, the same for all ways.
    scores
        How good a field is.
    """

    model: Callable[[], Any]
    options: Mapping[str, Any]
    scores: Callable[[GridField], Mapping[str, float]]


# -- the bunny ---
UNIT = hp.Box(x=(0, 1), y=(0, 1), z=(0, 1))


@cache
def _target() -> Target | None:
    mesh = scanned("bunny")
    return None if mesh is None else target_of(mesh, "signed")


@cache
def _bunny() -> hp.Solution | None:
    mesh = scanned("bunny")
    return None if mesh is None else sdf.fit(mesh, levels=6, box=UNIT, progress=False)


@cache
def _inside() -> tuple[np.ndarray, np.ndarray]:
    """Points in the box, (3, n), and their distances to the mesh."""
    target, x = _target(), np.random.default_rng(3).random((3, INSIDE))
    assert target is not None
    return x, target.nearest(x).distance


def _distances(field: GridField) -> Mapping[str, float]:
    """Against the mesh: the share of the insides, and the errors of values and gradients within 0.01 of the surface."""
    target, (x, true) = _target(), _inside()
    assert target is not None
    found = quality(target, UNIT, field, 0)
    values = field.evaluate(torch.as_tensor(x, dtype=field.dtype), Channels.value(3))[0, 0].double().numpy()
    return {"iou": sdf.iou(values, true), "gradient_mae": found["gradient_mae"], "value_rms": found["value_rms"]}


# -- a picture ---
def _picture() -> np.ndarray:
    return hp.images.made_picture(256)


def _pixels(field: GridField) -> Mapping[str, float]:
    """In decibels, at all pixels."""
    return teacher_of(_picture()).scores(field)


#: Features as published; the finest level of the picture has a cell for every pixel.
CASES: Mapping[str, Case] = {
    "bunny": Case(_bunny, {"features": 16, "steps": 1500, "points": 6000, "coarsest": (8, 8, 8)}, _distances),
    "fine-bunny": Case(_bunny, {"features": 16, "steps": 800, "points": 6000, "coarsest": (16, 16, 16)}, _distances),
    "picture": Case(_picture, {"features": 16, "steps": 800, "points": 4096, "coarsest": (32, 32)}, _pixels),
}


# -- ways ---
def _hashed(known: Learned) -> tuple[GridField, int]:
    """A field with hash tables in half precision, whose bytes come closest to those of six bits."""
    options, teacher = known.options, known.teacher
    room = formula_bytes(row_counts(known.field.layout), 6, options.features, 0)
    size = 1 << round(math.log2(room / (2 * options.features * known.tree.levels)))
    generator = torch.Generator().manual_seed(options.seed)
    empty = octree_field(
        teacher.domain, teacher.names, teacher.periodic, known.tree, options.decoder, STD, generator, size
    )
    field = learn_table(in_units(empty, teacher), teacher, options.course, generator)
    return field, 2 * field.parameter_count


def _in_file(make: Callable[..., CodedField], *arguments: int) -> Callable[[Learned], tuple[GridField, int]]:
    def way(known: Learned) -> tuple[GridField, int]:
        coded = make(known, *arguments)
        return coded.field(), coded.bytes

    return way


def _uncompressed(known: Learned) -> tuple[GridField, int]:
    return known.field, 4 * known.field.parameter_count


#: Ways to store the same field: what is read, and its bytes.
WAYS: Mapping[str, Callable[[Learned], tuple[GridField, int]]] = {
    "vqad-6": _in_file(vector_coded, 6),
    "vqad-4": _in_file(vector_coded, 4),
    "uncompressed": _uncompressed,
    "half": _in_file(rounded),
    "kmeans-4": _in_file(clustered, 4),
    "kmeans-6": _in_file(clustered, 6),
    "kmeans-8": _in_file(clustered, 8),
    "low-rank-1": _in_file(of_low_rank, 1),
    "low-rank-4": _in_file(of_low_rank, 4),
    "low-rank-8": _in_file(of_low_rank, 8),
    "hash": _hashed,
}


def _options(case: str, way: str) -> dict[str, Any]:
    """Those of a way: what is learned without codes takes as many steps as plain features and codes together."""
    options = dict(CASES[case].options)
    return options if way.startswith("vqad") else options | {"steps": 2 * options["steps"]}


def measured(case: str, ways: Sequence[str], folder: Path | None = None) -> Iterator[CodedRow]:
    """The rows of a case, measured or read from a folder; none where the model is not there.

    Parameters
    ----------
    case
        Name in :data:`CASES`.
    ways
        Names in :data:`WAYS`.
    folder
        Where rows are kept, one file for each.
    """
    known: dict[int, tuple[Learned, float] | None] = {}
    for way in ways:
        options = _options(case, way)
        path = None if folder is None else folder / f"{case}-{way}.json"
        asked = {"case": case, "way": way, "options": plain(options)}
        told = None if path is None else read_kept(path, KIND, asked)
        if told is not None:
            yield CodedRow(**told.value)
            continue
        if options["steps"] not in known:
            known[options["steps"]] = _learned(case, options)
        base = known[options["steps"]]
        if base is None:
            return
        began = time.process_time()
        field, size = WAYS[way](base[0])
        spent = time.process_time() - began + (base[1] if way != "hash" else 0.0)
        row = CodedRow(case, way, size, dict(CASES[case].scores(field)), spent)
        if path is not None:
            write_kept(path, KIND, asked, asdict(row))
        yield row


def _learned(case: str, options: Mapping[str, Any]) -> tuple[Learned, float] | None:
    """The uncompressed field, and CPU seconds of its training."""
    model = CASES[case].model()
    if model is None:
        return None
    began = time.process_time()
    known = learned(teacher_of(model), OctreeOptions(**options))
    return known, time.process_time() - began


def decoding(points: int = QUERIES) -> Mapping[str, float]:
    """CPU seconds in which a file is read, and in which a million values of it and of the uncompressed field are."""
    known = learned(teacher_of(_picture()), OctreeOptions(steps=2, points=64))
    coded = clustered(known, 6)
    x = torch.rand(2, points, generator=torch.Generator().manual_seed(0))
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        coded.save(Path(folder) / "a.vq")
        began = time.process_time()
        decoded = load(Path(folder) / "a.vq").field
        found["reading"] = time.process_time() - began
    for _ in range(2):  # kernels are compiled in the first round
        for name, field in {"compressed": decoded, "uncompressed": known.field}.items():
            began = time.process_time()
            field.evaluate(x, Channels.value(2))
            found[name] = time.process_time() - began
    return found


def to_markdown(rows: Sequence[CodedRow]) -> str:
    """A table with a line for every row.

    Examples
    --------
    >>> print(to_markdown([CodedRow("a", "half", 2048, {"psnr": 31.25}, 2.0)]))
    | case | way | kB | scores | CPU seconds |
    |---|---|---|---|---|
    | a | half | 2.0 | psnr 31.25 | 2.0 |
    """
    lines = ["| case | way | kB | scores | CPU seconds |", "|---|---|---|---|---|"]
    for row in rows:
        scores = ", ".join(f"{name} {value:.4g}" for name, value in row.scores.items())
        lines.append(f"| {row.case} | {row.way} | {row.bytes / 1000:.1f} | {scores} | {row.seconds:.1f} |")
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="", help="cases whose names begin with this")
    parser.add_argument("--ways", nargs="*", default=list(WAYS), choices=list(WAYS), help="which ways, all by default")
    parser.add_argument("--keep", type=Path, help="folder that keeps the rows")
    parser.add_argument("--plot", type=Path, help="picture of scores by bytes, PNG")
    parser.add_argument("--decoding", action="store_true", help="measure the time of decoding, too")
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    rows: list[CodedRow] = []
    for case in CASES:
        if case.startswith(options.only):
            for row in measured(case, options.ways, options.keep):
                rows.append(row)
                sys.stderr.write(f"{row}\n")
    sys.stdout.write(f"{machine()}\n\n{to_markdown(rows)}\n")
    if options.decoding:
        told = ", ".join(f"{name} {seconds:.3f} s" for name, seconds in decoding().items())
        sys.stdout.write(f"\nCPU seconds of a million values: {told}\n")
    if options.plot:
        plot(rows, options.plot)


if __name__ == "__main__":
    main()
