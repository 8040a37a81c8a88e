"""Heat and waves in random media, by finite elements and finite differences on grids that follow the media.

Heat (:func:`hermite_pinn.problems.heat_random`): bilinear elements on the pixels in which the diffusivity is constant.
The source is harmonic in time, so that the solution is a harmonic part, from one complex system, and one that decays,
by an L-stable method of third order.

Waves (:func:`hermite_pinn.problems.wave_random`): differences of second order on the lattice of the speed, each of its
intervals cut in parts, and the leapfrog scheme in single precision, whose rounding is far below its error.

The values lie beside this file, at random points of the lattice and some times, made in some minutes by
``python -m hermite_pinn.validation.references.random_media NAME``, on a grid and on one twice as fine; they are those
of Richardson's extrapolation, and the accuracy kept is a third of the difference, the error of the finer one.  That of
the waves falls by 2.6 with a doubling of both grids, not by 4 (kinks travel from the boundary), so that their accuracy
is that of the extrapolated values, too.
"""

from __future__ import annotations

import itertools
import logging
import math
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from scipy import sparse
from scipy.sparse import linalg

__all__ = ["file_of", "heat", "random_field", "reference", "wave"]

logger = logging.getLogger(__name__)

Array = np.ndarray
FOLDER = Path(__file__).parent
SIZE = 256
POINTS = 1500
TIMES = np.linspace(0.0, 5.0, 21)[1:]


def random_field(size: int = SIZE, seed: int = 20220722) -> Array:
    """The Gaussian field (size, size) of spectral density ``|k|**-4``, of mean 0 and variance 1."""
    random = np.random.RandomState(seed)
    k = np.fft.fftfreq(size, 1 / size)
    squared = k[:, None] ** 2 + k[None] ** 2
    noise = random.normal(size=(size, size)) + 1j * random.normal(size=(size, size))
    with np.errstate(divide="ignore"):
        amplitude = np.where(squared > 0, 1 / squared, 0.0)
    g = np.fft.ifft2(noise * amplitude).real
    scaled: Array = (g - g.mean()) / g.std()
    return scaled


def heat(parts: int) -> tuple[Array, Array]:
    """Solution of the heat problem on pixels cut into ``parts`` x ``parts`` cells.

    Returns
    -------
    The lines of the grid (n,), and values (times, n, n), the first index along x.
    """
    last = SIZE - 1
    edges = np.concatenate([[0.0], (np.arange(last) + 0.5) / last, [1.0]])
    lines = np.unique(
        np.concatenate([a + (b - a) * np.arange(parts + 1) / parts for a, b in itertools.pairwise(edges)]).round(14)
    )
    n, h = len(lines), np.diff(lines)
    slowness = np.repeat(np.repeat(np.exp(-random_field()).T, parts, 0), parts, 1)  # first index along x
    stiff, mass = _line(1 / h, -1 / h), _line(h / 3, h / 6)
    stiffness = sparse.kron(stiff, mass) + sparse.kron(mass, stiff)
    weighted = _weighted_mass(slowness, h)
    free = np.arange(n * n).reshape(n, n)[1:-1, 1:-1].ravel()
    k, m = stiffness.tocsr()[free][:, free].tocsc(), weighted[free][:, free].tocsc()
    source = 200 * np.outer(np.sin(np.pi * lines), np.sin(5 * np.pi * lines)).ravel()
    load = (weighted @ source)[free]
    factors = {"permc_spec": "MMD_AT_PLUS_A", "options": {"SymmetricMode": True}, "diag_pivot_thresh": 0.0}
    harmonic = linalg.splu((1j * math.pi * m + k).tocsc(), **factors).solve(load.astype(complex))
    rest, now, states = -harmonic.imag, 0.0, []
    g, dt = 0.4358665215084590, 1 / 80
    stages = ((g,), ((1 - g) / 2, g), (-1.5 * g * g + 4 * g - 0.25, 1.5 * g * g - 5 * g + 1.25, g))
    factor = linalg.splu((m + g * dt * k).tocsc(), **factors)
    for end in TIMES:
        while now < end - 1e-9 and np.abs(rest).max() > 1e-9 * np.abs(harmonic).max():
            slopes: list[Array] = []
            for weights in stages:
                first = rest + dt * sum((w * s for w, s in zip(weights[:-1], slopes, strict=True)), np.zeros_like(rest))
                slopes.append(factor.solve(-(k @ first)))
            rest = rest + dt * sum((w * s for w, s in zip(stages[2], slopes, strict=True)), np.zeros_like(rest))
            now += dt
        u = np.zeros(n * n)
        u[free] = (harmonic * np.exp(1j * math.pi * end)).imag + (rest if now > end - 1e-9 else 0.0)
        states.append(u.reshape(n, n))
    return lines, np.stack(states)


def _line(inner: Array, across: Array) -> sparse.csr_matrix:
    """The matrix of linear elements of a line, from the entries of every cell."""
    n = len(inner) + 1
    diagonal = np.zeros(n)
    diagonal[:-1] += inner
    diagonal[1:] += inner
    return sparse.diags([across, diagonal, across], [-1, 0, 1], format="csr")


def _weighted_mass(weight: Array, h: Array) -> sparse.csr_matrix:
    """The matrix of products of bilinear elements, weighted cell by cell (cells, cells)."""
    n = len(h) + 1
    i, j = np.meshgrid(np.arange(n - 1), np.arange(n - 1), indexing="ij")
    area = weight * np.outer(h, h)
    rows, columns, entries = [], [], []
    line = np.array([[1 / 3, 1 / 6], [1 / 6, 1 / 3]])
    for a in range(2):
        for b in range(2):
            for c in range(2):
                for d in range(2):
                    rows.append(((i + a) * n + j + b).ravel())
                    columns.append(((i + c) * n + j + d).ravel())
                    entries.append((line[a, c] * line[b, d] * area).ravel())
    joined = (np.concatenate(entries), (np.concatenate(rows), np.concatenate(columns)))
    return sparse.coo_matrix(joined, shape=(n * n, n * n)).tocsr()


def wave(parts: int) -> tuple[Array, Array]:
    """Solution of the wave problem, every interval of the lattice cut into ``parts``, as :func:`heat` returns it."""
    n = (SIZE - 1) * parts + 1
    lines = np.linspace(-1.0, 1.0, n)
    h = lines[1] - lines[0]
    lattice = np.linspace(-1.0, 1.0, SIZE)
    c = np.where(random_field() > 0, 12.0, 1.0)
    c = np.stack([np.interp(lines, lattice, column) for column in c.T], 1)
    c = np.stack([np.interp(lines, lattice, row) for row in c])
    steps = math.ceil((TIMES[1] - TIMES[0]) / (0.9 * h / math.sqrt(2 * 12)))
    dt = (TIMES[1] - TIMES[0]) / steps
    factor = (c * (dt / h) ** 2).astype(np.float32)
    u = np.exp(-((lines[:, None] + 0.5) ** 2 + lines[None] ** 2) / 0.18).astype(np.float32)
    change = np.empty_like(u)

    def forced() -> Array:
        """The step's square times the acceleration; the slope along the normal is zero by reflection."""
        np.multiply(u, np.float32(-4.0), out=change)
        change[1:] += u[:-1]
        change[:-1] += u[1:]
        change[:, 1:] += u[:, :-1]
        change[:, :-1] += u[:, 1:]
        change[0] += u[1]
        change[-1] += u[-2]
        change[:, 0] += u[:, 1]
        change[:, -1] += u[:, -2]
        np.multiply(change, factor, out=change)
        return change

    moved, states = np.float32(0.5) * forced(), []
    for _ in TIMES:
        for _ in range(steps):
            u += moved
            moved += forced()
        states.append(u.astype(np.float64))
    return lines, np.stack(states)


def file_of(name: str) -> Path:
    """The file of a reference.

    Examples
    --------
    >>> file_of("heat").name
    'heat_random.npz'
    """
    return FOLDER / f"{name}_random.npz"


def reference(name: str) -> tuple[Array, Array, float]:
    """Points (3, n) and values (1, n) of the problem ``"heat"`` or ``"wave"``, float64, and their relative L2 error.

    Examples
    --------
    >>> points, values, accuracy = reference("heat")
    >>> points.shape, values.shape
    ((3, 30000), (1, 30000))
    """
    with np.load(file_of(name)) as data:
        space, values = (data[key].astype(np.float64) for key in ("points", "values"))
        accuracy = float(data["accuracy"])
    points = np.concatenate([np.repeat(space, len(TIMES), 1), np.tile(TIMES, space.shape[1])[None]])
    return points, values.reshape(1, -1), accuracy


SOLVERS: dict[str, tuple[Callable[[int], tuple[Array, Array]], int]] = {"heat": (heat, 1), "wave": (wave, 2)}


def main(names: Sequence[str]) -> None:
    """Solve on two grids, tell the difference, write extrapolated values."""
    for name in names:
        solver, parts = SOLVERS[name]
        (lines, rough), (_, fine) = solver(parts), solver(2 * parts)
        i, j = np.random.default_rng(0).integers(0, len(lines), (2, POINTS))
        rough, fine = rough[:, i, j].T, fine[:, 2 * i, 2 * j].T
        accuracy = np.linalg.norm(fine - rough) / np.linalg.norm(fine) / 3
        logger.info("%s: error of the finer grid about %.2e", name, accuracy)
        np.savez_compressed(
            file_of(name),
            points=np.stack([lines[i], lines[j]]),
            values=(fine + (fine - rough) / 3).astype(np.float32),
            accuracy=np.float64(accuracy),
        )


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    main(sys.argv[1:] or list(SOLVERS))
