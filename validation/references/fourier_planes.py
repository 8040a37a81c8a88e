"""Solutions of periodic evolution problems in the plane by Fourier series: Gray-Scott and Burgers' equations.

    u_t = diffusivity * Laplace u + N(u, u_x, u_y)

for several fields on a square.  Products are formed on a lattice of 3/2 points per mode; the diffusion is integrated
exactly and the rest by the classical Runge-Kutta method of fourth order (J. D. Lawson, SIAM J. Numer. Anal. 4, 372,
1967).  The values lie beside this file, at random points and some times, made in some minutes by
``python -m hermite_pinn.validation.references.fourier_planes NAME``, which solves with a smaller number of modes and
larger steps, too, and keeps the difference as the accuracy.
"""

from __future__ import annotations

import logging
import math
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy import fft

__all__ = ["PROBLEMS", "FourierPlane", "PlaneProblem", "file_of", "reference", "solve"]

logger = logging.getLogger(__name__)

Array = np.ndarray
Rates = Callable[[Array, Array, Array], Array]
FOLDER = Path(__file__).parent
POINTS = 600


@dataclass(frozen=True, eq=False)
class FourierPlane:
    """Real periodic functions on a square.

    Attributes
    ----------
    lower, length
        Of the square.
    coefficients
        Of ``exp(i (k x + l y))``, (fields, n, n / 2 + 1), those of negative l left out.
    """

    lower: float
    length: float
    coefficients: Array

    def __call__(self, x: Array, y: Array) -> Array:
        """Values (fields, m) at points (m,)."""
        n = self.coefficients.shape[1]
        wave = 2j * math.pi / self.length
        along_x = np.exp(wave * np.outer(np.asarray(x) - self.lower, fft.fftfreq(n, 1 / n)))
        along_y = np.exp(wave * np.outer(np.asarray(y) - self.lower, np.arange(n // 2 + 1)))
        along_y[:, 1:] *= 2
        return np.stack([((along_x @ c) * along_y).sum(1).real for c in self.coefficients])


@dataclass(frozen=True, eq=False)
class PlaneProblem:
    """What is solved.

    Attributes
    ----------
    lower, length
        Of the square over which the solution is periodic.
    diffusivity
        By field.
    rates
        N from values and their derivatives along x and y, (fields, n, n) each.
    start
        Values at t = 0 from points (n, n).
    times
        At which the solution is wanted, in ascending order from above 0.
    slopes
        Whether N depends on derivatives.
    """

    lower: float
    length: float
    diffusivity: tuple[float, ...]
    rates: Rates
    start: Callable[[Array, Array], Array]
    times: tuple[float, ...]
    slopes: bool = False


def solve(problem: PlaneProblem, modes: int, step: float, dtype: type = np.float64) -> list[FourierPlane]:
    """The solution at the times of a problem.

    Parameters
    ----------
    problem
        What is solved.
    modes
        Per axis, even.
    step
        The longest.  Where derivatives enter it is cut so that the fastest wave stays within the region of stability,
        for fields that do not grow.
    dtype
        Of real numbers.
    """
    points = 3 * modes // 2
    s = problem.lower + problem.length * np.arange(points) / points
    x, y = np.meshgrid(s, s, indexing="ij")
    k = 2 * math.pi / problem.length * fft.fftfreq(modes, 1 / modes)[:, None].astype(dtype)
    l = 2 * math.pi / problem.length * np.arange(modes // 2 + 1, dtype=dtype)[None, :]  # noqa: E741
    half = modes // 2

    def to_modes(values: Array) -> Array:
        c = fft.rfft2(values, norm="forward")
        return np.concatenate([c[:, :half, : half + 1], c[:, points - half :, : half + 1]], 1)

    def to_grid(c: Array) -> Array:
        padded = np.zeros((len(c), points, points // 2 + 1), c.dtype)
        padded[:, :half, : half + 1] = c[:, :half]
        padded[:, points - half :, : half + 1] = c[:, half:]
        return fft.irfft2(padded, (points, points), norm="forward")

    def rate(c: Array) -> Array:
        values = to_grid(c)
        if not problem.slopes:
            return to_modes(problem.rates(values, values, values))
        return to_modes(problem.rates(values, to_grid(1j * k * c), to_grid(1j * l * c)))

    decay = -np.multiply.outer(np.asarray(problem.diffusivity, dtype=dtype), k**2 + l**2)
    c, now, found = to_modes(problem.start(x, y).astype(dtype)), 0.0, []
    for end in problem.times:
        longest = step
        if problem.slopes:
            speed = np.abs(to_grid(c)).sum(0).max()
            longest = min(step, 2.4 / (speed * float(np.abs(k).max())))
        count = math.ceil((end - now) / longest - 1e-9)
        h = (end - now) / count
        e = np.exp(h / 2 * decay)
        for _ in range(count):
            r1 = rate(c)
            ec = e * c
            r2 = rate(ec + h / 2 * e * r1)
            r3 = rate(ec + h / 2 * r2)
            r4 = rate(e * (ec + h * r3))
            c = e * (ec + h / 6 * e * r1 + h / 3 * (r2 + r3)) + h / 6 * r4
        now = end
        found.append(FourierPlane(problem.lower, problem.length, c.copy()))
        logger.info("t = %g, %d steps, largest %.3g", end, count, np.abs(to_grid(c)).max())
    return found


def _gray_scott() -> PlaneProblem:
    def rates(w: Array, w_x: Array, w_y: Array) -> Array:
        u, v = w
        reaction = u * v * v
        return np.stack([0.04 * (1 - u) - reaction, reaction - 0.1 * v])

    def start(x: Array, y: Array) -> Array:
        return np.stack(
            [
                1 - np.exp(-80 * ((x + 0.05) ** 2 + (y + 0.02) ** 2)),
                np.exp(-80 * ((x - 0.05) ** 2 + (y - 0.02) ** 2)),
            ]
        )

    return PlaneProblem(-1.0, 2.0, (1e-5, 5e-6), rates, start, tuple(10.0 * k for k in range(1, 21)))


def _burgers2d() -> PlaneProblem:
    """On one period of [0, 4]^2: it is 1 along both axes."""

    def rates(w: Array, w_x: Array, w_y: Array) -> Array:
        return -(w[0] * w_x + w[1] * w_y)

    def waves(random: np.random.RandomState) -> Callable[[Array, Array], Array]:
        a, b = random.randn(4, 4), random.randn(4, 4)

        def value(x: Array, y: Array) -> Array:
            angles = [(i, j, 2 * np.pi * (i * x + j * y)) for i in range(4) for j in range(4)]
            found: Array = sum((a[i, j] * np.sin(q) + b[i, j] * np.cos(q) for i, j, q in angles), np.zeros_like(x))
            return found

        return value

    def start(x: Array, y: Array) -> Array:
        random = np.random.RandomState(20220722)
        both = [waves(random) for _ in range(2)]
        mean = random.randn(2)
        s = np.meshgrid(np.linspace(0, 4, 512), np.linspace(0, 4, 512), indexing="ij")
        highest = max(float(w(*s).max()) for w in both)
        return np.stack([2 * w(x, y) / highest + c for w, c in zip(both, mean, strict=True)])

    return PlaneProblem(0.0, 1.0, (1e-3, 1e-3), rates, start, tuple(k / 10 for k in range(1, 11)), slopes=True)


@dataclass(frozen=True)
class _Run:
    """A problem, the size of its square in the library, and what it is solved with: modes and steps, twice."""

    problem: Callable[[], PlaneProblem]
    lower: float
    upper: float
    coarse: tuple[int, float]
    fine: tuple[int, float]
    dtype: type = np.float64


#: What there are references for.
PROBLEMS: dict[str, _Run] = {
    "gray_scott": _Run(_gray_scott, -1.0, 1.0, (256, 1.0), (384, 0.5)),
    "burgers2d": _Run(_burgers2d, 0.0, 4.0, (192, 2e-3), (288, 1e-3), np.float32),
}


def file_of(name: str) -> Path:
    """The file of a reference.

    Examples
    --------
    >>> file_of("gray_scott").name
    'gray_scott.npz'
    """
    return FOLDER / f"{name}.npz"


def reference(name: str) -> tuple[Array, Array, float]:
    """Points (3, n) and values of u and v (2, n), float64, and their relative L2 error.

    Examples
    --------
    >>> points, values, accuracy = reference("gray_scott")
    >>> points.shape, values.shape
    ((3, 12000), (2, 12000))
    """
    with np.load(file_of(name)) as data:
        space, times, values = (data[key].astype(np.float64) for key in ("points", "times", "values"))
        accuracy = float(data["accuracy"])
    points = np.concatenate([np.repeat(space, len(times), 1), np.tile(times, space.shape[1])[None]])
    return points, values.reshape(2, -1), accuracy


def main(names: Sequence[str]) -> None:
    """Solve with two numbers of modes, tell the difference, write the values of the finer one."""
    for name in names:
        run = PROBLEMS[name]
        problem = run.problem()
        points = np.random.default_rng(0).uniform(run.lower, run.upper, (2, POINTS)).astype(np.float32)
        coarse, fine = (
            np.stack([plane(*points.astype(float)) for plane in solve(problem, *resolution, run.dtype)], 2)
            for resolution in (run.coarse, run.fine)
        )
        accuracy = np.linalg.norm(coarse - fine) / np.linalg.norm(fine)
        logger.info("%s: relative difference %.2e", name, accuracy)
        np.savez_compressed(
            file_of(name),
            points=points,
            times=np.array(problem.times),
            values=fine.astype(np.float32),
            accuracy=np.float64(accuracy),
        )


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    main(sys.argv[1:] or list(PROBLEMS))
