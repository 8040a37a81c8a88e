"""Fields in few bits: learned codes beside clusters, low rank, hash tables, half precision, and no coding at all.

What docs/vqad.md quotes: a part of ``hermite-pinn validate --suite compression``.  The bunny lies in the folder
``meshes`` of the one that the environment variable ``HERMITE_PINN_SHARED`` names; without it its rows are left out.
"""

from __future__ import annotations

import math
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

import hermite_pinn as hp
from hermite_pinn.cuda.encoder.channels import Channels
from hermite_pinn.run.identity import plain as plain_data
from hermite_pinn.validation.kept import read_kept, write_kept
from hermite_pinn.workloads.compression.coded_field import CodedField
from hermite_pinn.workloads.compression.compress import load
from hermite_pinn.workloads.compression.field_skeleton import FieldSkeleton
from hermite_pinn.workloads.compression.learned import (
    Learned,
    begun,
    clustered,
    learned,
    of_low_rank,
    rounded,
    vector_coded,
)
from hermite_pinn.workloads.compression.learning import learn_table
from hermite_pinn.workloads.compression.level_pictures import draw_levels
from hermite_pinn.workloads.compression.octree_field import STD, octree_field
from hermite_pinn.workloads.compression.options import OctreeOptions
from hermite_pinn.workloads.compression.packing import formula_bytes
from hermite_pinn.workloads.compression.radiance_octree import RadianceSkeleton
from hermite_pinn.workloads.compression.rows import row_counts

from .coded_cases import CASES, scene
from .coded_row import CodedRow

__all__ = ["CASES", "WAYS", "CodedRow", "decoding", "kept_row", "measured", "missed", "to_markdown"]

#: Levels of Instant-NGP.
LEVELS = 8
KIND = "coded field 2"
QUERIES = 1_000_000


# -- ways ---
@dataclass(frozen=True)
class Stored:
    """What a way gives: a field that is read, its bytes, and the coded field where there is one."""

    field: Any
    bytes: int
    coded: CodedField | None = None


def _room(known: Learned) -> int:
    """Bytes of codes of six bits."""
    return formula_bytes(row_counts(known.field.layout), 6, known.options.features or 0, 0)


def _hashed(known: Learned) -> Stored:
    """A field with hash tables in half precision, whose bytes come closest to those of six bits."""
    return _hashed_scene(known) if isinstance(known.skeleton, RadianceSkeleton) else _hashed_field(known)


def _hashed_field(known: Learned) -> Stored:
    options, skeleton = known.options, known.skeleton
    assert isinstance(skeleton, FieldSkeleton)
    size = 1 << round(math.log2(_room(known) / (2 * (options.features or 0) * known.tree.levels)))
    generator = torch.Generator().manual_seed(options.seed)
    names, periodic = skeleton.names, skeleton.periodic
    empty = octree_field(skeleton.domain, names, periodic, known.tree, options.decoder, STD, generator, size)
    field = learn_table(known.teacher.started(empty), known.teacher, options.course, generator)
    return Stored(field, 2 * field.parameter_count)


def _hashed_scene(known: Learned) -> Stored:
    """Instant-NGP with small tables and cells as fine as those of the octree, for as many steps."""
    recipe = hp.radiance.InstantNGP()
    size = 1 << round(math.log2(_room(known) / (2 * recipe.features * LEVELS)))
    small = hp.radiance.InstantNGP(
        levels=LEVELS, coarsest=8, finest=known.tree.resolutions[-1][0], table_size=size, samples=known.options.points
    )
    found = hp.radiance.fit(scene(), recipe=small, steps=known.options.steps, device="cpu", progress=False)
    return Stored(_Fitted(found.model), 2 * found.model.parameter_count)


@dataclass(frozen=True)
class _Fitted:
    """A model that needs no numbers."""

    model: Any

    def baked(self) -> Any:
        """The model."""
        return self.model


def _in_file(make: Callable[..., CodedField], *arguments: int) -> Callable[[Learned], Stored]:
    def way(known: Learned) -> Stored:
        coded = make(known, *arguments)
        return Stored(coded.field(), coded.bytes, coded)

    return way


def _uncompressed(known: Learned) -> Stored:
    return Stored(known.field, 4 * known.field.parameter_count)


#: Ways to store the same field: what is read, and its bytes.
WAYS: Mapping[str, Callable[[Learned], Stored]] = {
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

#: Those that train a field of their own.
UNTRAINED = frozenset({"hash"})


def _options(case: str, way: str) -> dict[str, Any]:
    """Those of a way: what is learned without codes takes as many steps as plain features and codes together."""
    options = dict(CASES[case].options)
    if not way.startswith("vqad"):
        options["steps"] += options.pop("code_steps")
    return options


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
    known: dict[tuple[int, bool], tuple[Learned, float] | None] = {}
    for way in ways:
        options = _options(case, way)
        kept = None if folder is None else kept_row(case, way, folder)
        if kept is not None:
            yield kept
            continue
        asked = options["steps"], way not in UNTRAINED
        if asked not in known:
            known[asked] = _learned(case, options, folder, asked[1])
        base = known[asked]
        if base is None:
            return
        began = time.process_time()
        stored = WAYS[way](base[0])
        spent = time.process_time() - began + base[1]
        row = CodedRow(case, way, stored.bytes, dict(CASES[case].scores(stored.field)), spent)
        if folder is not None:
            write_kept(_file(case, way, folder), KIND, _asked(case, way), asdict(row))
            if stored.coded is not None and way.startswith("vqad"):
                stored.coded.save(folder / f"{case}-{way}.vq")
                draw_levels(stored.coded, folder / f"{case}-{way}-levels.png")
        yield row


def kept_row(case: str, way: str, folder: Path) -> CodedRow | None:
    """What a folder keeps of a way; None if it has nothing, or something else was asked then."""
    told = read_kept(_file(case, way, folder), KIND, _asked(case, way))
    return None if told is None else CodedRow(**told.value)


def _file(case: str, way: str, folder: Path) -> Path:
    return folder / f"{case}-{way}.json"


def _asked(case: str, way: str) -> dict[str, Any]:
    return {"case": case, "way": way, "options": plain_data(_options(case, way))}


def missed(rows: Sequence[CodedRow]) -> list[str]:
    """What codes of the scene and the bunny should reach and do not, in words, as far as there are rows.

    Examples
    --------
    >>> whole = CodedRow("scene", "uncompressed", 8000, {"psnr": 30.0}, 1.0)
    >>> missed([whole, CodedRow("scene", "vqad-6", 400, {"psnr": 29.0}, 1.0)])
    ['scene vqad-6: 20 times fewer bytes than uncompressed, at least 40 are asked for']
    """
    found = {(row.case, row.way): row for row in rows}
    told = []
    for way, (times, loss) in {"vqad-6": (40, 1.5), "vqad-4": (60, 2.5)}.items():
        mine, whole = found.get(("scene", way)), found.get(("scene", "uncompressed"))
        if mine is None or whole is None:
            continue
        ratio, lost = whole.bytes / mine.bytes, whole.scores["psnr"] - mine.scores["psnr"]
        if ratio < times:
            told.append(f"scene {way}: {ratio:.3g} times fewer bytes than uncompressed, at least {times} are asked for")
        if lost > loss:
            told.append(f"scene {way}: {lost:.2f} dB less than uncompressed, at most {loss} are asked for")
        other = found.get(("scene", way.replace("vqad", "kmeans")))
        if other is not None and mine.scores["psnr"] - other.scores["psnr"] < 2:
            told.append(
                f"scene {way}: {mine.scores['psnr'] - other.scores['psnr']:.2f} dB ahead of kmVQ, 2 are asked for"
            )
    mine, whole = found.get(("bunny", "vqad-6")), found.get(("bunny", "uncompressed"))
    if mine is not None and mine.scores["iou"] < 0.99:
        told.append(f"bunny vqad-6: an IoU of {mine.scores['iou']:.4f}, at least 0.99 is asked for")
    if mine is not None and whole is not None:
        ratio = mine.scores["gradient_mae"] / whole.scores["gradient_mae"]
        if ratio > 1.3:
            told.append(f"bunny vqad-6: {ratio:.2f} times the gradient MAE of uncompressed, at most 1.3 are asked for")
    return told


def _learned(case: str, options: Mapping[str, Any], folder: Path | None, trained: bool) -> tuple[Learned, float] | None:
    """The uncompressed field, and CPU seconds of its training; where it is not trained, what it begins with."""
    teacher = CASES[case].teacher(folder)
    if teacher is None:
        return None
    if not trained:
        return begun(teacher, OctreeOptions(**options))[0], 0.0
    began = time.process_time()
    known = learned(teacher, OctreeOptions(**options))
    return known, time.process_time() - began


def decoding(case: str, folder: Path | None = None, points: int = QUERIES) -> Mapping[str, float] | None:
    """CPU seconds in which a file is read, and in which a million values of it and of the uncompressed field are.

    None where there are no files of the case.

    Parameters
    ----------
    case
        Name in :data:`CASES`.
    folder
        With what was fitted.
    points
        How many values: of a field, or of the density of a radiance field.
    """
    teacher = CASES[case].teacher(folder)
    if teacher is None:
        return None
    known = learned(teacher, OctreeOptions(**dict(CASES[case].options) | {"steps": 2, "points": 64}))
    coded = clustered(known, 6)
    lower, upper = (
        torch.tensor(corner)[:, None] for corner in (known.teacher.domain.lower, known.teacher.domain.upper)
    )
    x = lower + torch.rand(len(lower), points, generator=torch.Generator().manual_seed(0)) * (upper - lower)
    with tempfile.TemporaryDirectory() as place:
        coded.save(Path(place) / "a.vq")
        began = time.process_time()
        loaded = load(Path(place) / "a.vq")
        found = {"reading": time.process_time() - began}
    plain = known.skeleton.finished(known.field, "plain", "")
    for _ in range(2):  # kernels are compiled in the first round
        for name, field in {"compressed": loaded, "uncompressed": plain}.items():
            began = time.process_time()
            field.density(x) if hasattr(field, "density") else field.field.evaluate(x, Channels.value(len(x)))
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
