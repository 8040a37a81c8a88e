"""Distances to meshes: errors near the surface, the curvature of what the triangles stand for, and the cost of queries.

What docs/distances.md quotes.  The bunny and the armadillo lie in the folder ``meshes`` of the one that the environment
variable ``HERMITE_PINN_SHARED`` names; rows whose mesh is not there say so.

Examples
--------
OMP_NUM_THREADS=1 python -m hermite_pinn.validation.workloads.distances --only bunny
"""

from __future__ import annotations

import argparse
import math
import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import hermite_pinn as hp
from hermite_pinn.validation.accuracy.suite import machine
from hermite_pinn.workloads import sdf
from hermite_pinn.workloads.sdf.curvature import curvature_of
from hermite_pinn.workloads.sdf.facets import curvature_scale
from hermite_pinn.workloads.sdf.signed_field import signed_field

__all__ = ["CASES", "Row", "scanned", "to_markdown"]

#: Longest edge of scans in the unit cube, and how many coefficients their distances may have.
LENGTH, MOST_COEFFICIENTS = 0.72, 8_400_000
#: Levels with more of them.
FINE = (10, 20, 40, 80, 160, 320)
QUERIES = 1_000_000
FOLDER = "HERMITE_PINN_SHARED"


@dataclass(frozen=True)
class Row:
    """What was measured of a case.

    Attributes
    ----------
    name
        Of the case.
    numbers
        What was measured, by name.
    most
        What of these is asked for at most.
    seconds
        Of CPU time, of all threads; of queries of the clock.
    """

    name: str
    numbers: Mapping[str, float]
    most: Mapping[str, float]
    seconds: float

    @property
    def reached(self) -> bool:
        """Whether nothing is larger than it may be.

        Examples
        --------
        >>> Row("a", {"mae": 0.017}, {"mae": 0.02}, 1.0).reached
        True
        """
        return all(self.numbers[name] <= most for name, most in self.most.items())


# -- scans ---
def scanned(name: str, folder: Path | None = None) -> hp.Mesh | None:
    """A scan whose longest edge is 0.72 in the middle of the unit cube; None where it is not there.

    Parameters
    ----------
    name
        Of the file without its ending.
    folder
        Where it is; by default in ``meshes`` of the folder ``HERMITE_PINN_SHARED``.
    """
    given = os.environ.get(FOLDER)
    where = folder if folder is not None else None if given is None else Path(given) / "meshes"
    if where is None or not (where / f"{name}.obj").is_file():
        return None
    mesh = hp.Mesh(where / f"{name}.obj")
    lower, upper = mesh.bounds
    middle = (lower + upper) / 2
    return mesh.translated(*(-middle)).scaled(LENGTH / float((upper - lower).max())).translated(0.5, 0.5, 0.5)


def _scan(case: str, name: str, levels: Any, most: Mapping[str, float]) -> Callable[[], Row | None]:
    def row() -> Row | None:
        mesh = scanned(name)
        if mesh is None:
            return None
        began = time.process_time()
        solution = sdf.fit(mesh, levels=levels, box=hp.Box(x=(0, 1), y=(0, 1), z=(0, 1)), progress=False)
        seconds = time.process_time() - began
        found = solution.stats["quality"]
        numbers = {key: found[key] for key in ("gradient_mae", "value_rms", "eikonal_rms", "wrong_sign")}
        numbers["coefficients"] = float(solution.stats["parameters"])
        return Row(case, numbers, {**most, "coefficients": MOST_COEFFICIENTS}, seconds)

    return row


# -- the curvature of meshes ---
def ball_of_triangles(radius: float = 0.36) -> tuple[np.ndarray, np.ndarray]:
    """A sphere in rings of latitude as vertices and 10,000 triangles."""
    rings, around = 51, 100
    height, turn = np.pi * np.arange(1, rings) / rings, 2 * np.pi * np.arange(around) / around
    ring = np.stack(np.broadcast_arrays(np.sin(height)[:, None] * np.cos(turn), np.sin(height)[:, None] * np.sin(turn),
                                        np.cos(height)[:, None]), -1).reshape(-1, 3)  # fmt: skip
    vertices = radius * np.concatenate([[(0, 0, 1)], ring, [(0, 0, -1)]])
    i, j = np.divmod(np.arange((rings - 2) * around), around)
    a, b = 1 + i * around + j, 1 + i * around + (j + 1) % around
    first, last = 1 + np.arange(around), 1 + (rings - 2) * around + np.arange(around)
    end = np.full(around, len(vertices) - 1)
    faces = [
        np.stack([a, a + around, b], 1),
        np.stack([b, a + around, b + around], 1),
        np.stack([np.zeros_like(first), first, np.roll(first, -1)], 1),
        np.stack([end, np.roll(last, -1), last], 1),
    ]
    return vertices, np.concatenate(faces)


def ring_of_triangles(radius: float = 0.25, tube: float = 0.11) -> tuple[np.ndarray, np.ndarray]:
    """A torus as vertices and 10,000 triangles."""
    around, across = 100, 50
    i, j = np.divmod(np.arange(around * across), across)
    turn, angle = 2 * np.pi * i / around, 2 * np.pi * j / across
    out = radius + tube * np.cos(angle)
    vertices = np.stack([out * np.cos(turn), out * np.sin(turn), tube * np.sin(angle)], 1)
    ahead, beside = (i + 1) % around * across, (j + 1) % across
    quads = [i * across + j, ahead + j, ahead + beside, i * across + beside]
    return vertices, np.concatenate([np.stack([quads[0], quads[k], quads[k + 1]], 1) for k in (1, 2)])


def _ball_curvature(x: np.ndarray) -> np.ndarray:
    return np.full(len(x), 1 / 0.36)


def _ring_curvature(x: np.ndarray) -> np.ndarray:
    """Mean curvature of the torus at the closest points of it."""
    cosine = (np.hypot(x[:, 0], x[:, 1]) - 0.25) / np.hypot(np.hypot(x[:, 0], x[:, 1]) - 0.25, x[:, 2])
    return (0.25 + 2 * 0.11 * cosine) / (2 * 0.11 * (0.25 + 0.11 * cosine))


def _curvature(
    name: str, made: Callable[[], tuple[np.ndarray, np.ndarray]], true: Callable[[np.ndarray], np.ndarray]
) -> Callable[[], Row]:
    def row() -> Row:
        began = time.process_time()
        mesh = hp.Mesh(made())
        solution = sdf.fit(mesh, levels=5, progress=False)
        surface = sdf.extract(solution, 96, scale=curvature_scale(mesh))
        seconds = time.process_time() - began
        wanted = true(surface.vertices)
        exact = curvature_of(_jets(solution, surface.vertices)).mean
        numbers = {
            "faces": float(mesh.triangles.count),
            "mean_curvature": _relative(surface.mean_curvature, wanted),
            "largest": float(np.abs(surface.mean_curvature / wanted - 1).max()),
            "at_points": _relative(exact, wanted),
        }
        return Row(name, numbers, {"mean_curvature": 0.02}, seconds)

    return row


def _jets(solution: hp.Solution, x: np.ndarray) -> np.ndarray:
    return signed_field(solution).in_pieces(x, 2)


def _relative(found: np.ndarray, true: np.ndarray) -> float:
    return float(np.linalg.norm(found - true) / np.linalg.norm(true))


# -- clouds ---
def _cloud(count: int) -> Callable[[], Row]:
    """Random points of a sphere, compared with the sphere."""

    def row() -> Row:
        generator = np.random.default_rng(0)
        normals = generator.normal(size=(count, 3))
        normals /= np.linalg.norm(normals, axis=1, keepdims=True)
        began = time.process_time()
        solution = sdf.fit(sdf.PointCloud(0.36 * normals, normals), levels=5, progress=False)
        seconds = time.process_time() - began
        x = generator.normal(size=(20_000, 3))
        x *= (0.36 + generator.uniform(-0.01, 0.01, (len(x), 1))) / np.linalg.norm(x, axis=1, keepdims=True)
        radius = np.linalg.norm(x, axis=1)
        jets = signed_field(solution).in_pieces(x, 1)
        rms = float(np.sqrt(np.mean((jets[0] - (radius - 0.36)) ** 2)))
        mae = float(np.abs(jets[1:].T - x / radius[:, None]).mean())
        return Row(f"cloud-{count}", {"gradient_mae": mae, "value_rms": rms}, {}, seconds)

    return row


# -- queries ---
def _queries() -> Row:
    solution = sdf.fit(ring_of_triangles(), levels=5, progress=False)
    lower, upper = np.asarray(solution.domain.lower), np.asarray(solution.domain.upper)
    x = np.random.default_rng(0).uniform(lower, upper, (QUERIES, 3))
    shape = signed_field(solution)
    shape.in_pieces(x[:1000], 1)
    began = time.perf_counter()
    jets = shape.in_pieces(x, 1)
    seconds = time.perf_counter() - began
    normals = jets[1:] / np.linalg.norm(jets[1:], axis=0)
    return Row("queries", {"queries": float(normals.shape[1]), "clock": seconds}, {"clock": 1.0}, seconds)


#: Levels and what is asked for: issue 14.
CASES: Mapping[str, Callable[[], Row | None]] = {
    "bunny": _scan("bunny", "bunny", 6, {"gradient_mae": 0.020, "value_rms": 2e-4}),
    "armadillo": _scan("armadillo", "armadillo", 6, {"gradient_mae": 0.024}),
    "armadillo-fine": _scan("armadillo-fine", "armadillo", FINE, {"gradient_mae": 0.024}),
    "curvature-ball": _curvature("curvature-ball", ball_of_triangles, _ball_curvature),
    "curvature-ring": _curvature("curvature-ring", ring_of_triangles, _ring_curvature),
    "cloud-5000": _cloud(5000),
    "cloud-20000": _cloud(20_000),
    "queries": _queries,
}


def rows(only: str = "") -> Iterator[tuple[str, Row | None]]:
    """The cases whose names contain a text, measured one after the other."""
    for name, measure in CASES.items():
        if only in name:
            yield name, measure()


def to_markdown(measured: Sequence[tuple[str, Row | None]]) -> str:
    """A table with a line for every case.

    Examples
    --------
    >>> print(to_markdown([("a", Row("a", {"mae": 0.017}, {"mae": 0.02}, 1.0)), ("b", None)]))
    | case | measured | at most | reached | seconds |
    |---|---|---|---|---|
    | a | mae 0.017 | mae 0.02 | yes | 1.0 |
    | b | the mesh is not there | | | |
    """
    lines = ["| case | measured | at most | reached | seconds |", "|---|---|---|---|---|"]
    for name, row in measured:
        if row is None:
            lines.append(f"| {name} | the mesh is not there | | | |")
            continue
        found, most = (", ".join(f"{key} {_spelled(v)}" for key, v in of.items()) for of in (row.numbers, row.most))
        lines.append(f"| {name} | {found} | {most} | {_judged(row)} | {row.seconds:.1f} |")
    return "\n".join(lines)


def _judged(row: Row) -> str:
    return "" if not row.most else "yes" if row.reached else "no"


def _spelled(value: float) -> str:
    return f"{value:,.0f}" if value >= 1000 and math.isclose(value, round(value)) else f"{value:.3g}"


def main(arguments: Sequence[str] | None = None) -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="", help="names that contain this")
    options = parser.parse_args(arguments)
    sys.stdout.write(f"{machine()}\n\n{to_markdown(list(rows(options.only)))}\n")


if __name__ == "__main__":
    main()
