"""A march through ordinary differential equations by collocation on cells whose lengths follow the solution."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.polynomial import legendre

from hermite_pinn.run.monitor import StopRun
from hermite_pinn.run.status import Status

from .radau_points import RadauPoints
from .state_equations import StateEquations

__all__ = ["LARGEST", "RadauCourse", "RadauMarch"]

FIRST = 2.0**-7  # of the length of the axis: the first cell that is tried
BEGIN = 0.2  # of a component, that it may change on the first cell that is tried
LARGEST = 0.125  # cell, of the length of the axis
SAFE, SHRINK, GROW = 0.8, 0.1, 6.0  # of the next cell: margin, and change of its length at most
MEMORY = 4.0  # power of the time with which values count in the size of a component
NEWTON = 1e-2  # of the tolerance, that Newton's method may leave
MOST = 10  # its steps
SLOW = 0.7  # rate of convergence above which it is given up
NOISE = 8.0 * float(np.finfo(float).eps)  # rounding of a term, relative to it
SMALLEST = 16.0 * float(np.finfo(float).eps)  # cell, relative to its place
NOTHING = 1e-60  # of the length of the axis: a cell that is none
OVERFLOW = 1e100  # rates beyond which what is not finite is no matter of definition
REFUSED = 400  # cells in a row
CHECKED = 16  # cells between two looks at the clock
CHATTER, STUCK = 2000, 1e-3  # cells, and the part of the axis on which so many have no end where equations jump


@dataclass
class RadauCourse:
    """What a march has come to.

    Attributes
    ----------
    points
        Of a cell.
    knots
        Ends of the cells, (cells + 1,).
    starts
        States at the starts of the cells, each (n,).
    changes
        By cell, changes from its start at the points, each (n, count).
    filters
        By cell, from a defect to the change of the state that it asks for, each (n, n).
    sizes, noises
        By cell, sizes of the components in the mean square until its end, and their rounding there, each (n,).
    squares
        By component, the mean of its square so far, in which later values count more.
    refused, newton
        Numbers of cells that were tried in vain, and of steps of Newton's method in all.
    """

    points: RadauPoints
    knots: list[float]
    starts: list[np.ndarray]
    squares: np.ndarray
    changes: list[np.ndarray] = field(default_factory=list)
    filters: list[np.ndarray] = field(default_factory=list)
    sizes: list[np.ndarray] = field(default_factory=list)
    noises: list[np.ndarray] = field(default_factory=list)
    refused: int = 0
    newton: int = 0

    @property
    def cells(self) -> int:
        """How many cells there are."""
        return len(self.changes)

    @property
    def means(self) -> np.ndarray:
        """Mean squares of the components by cell, (cells, n)."""
        values = np.stack(self.starts[:-1])[:, :, None] + np.stack(self.changes)
        return np.asarray(np.square(values) @ self.points.rule)

    @property
    def state(self) -> np.ndarray:
        """The last state."""
        return self.starts[-1]

    def part(self, first: int) -> RadauCourse:
        """The cells from a number on, as they are now."""
        starts, changes = self.starts[first:], self.changes[first:]
        return RadauCourse(self.points, self.knots[first:], starts, self.squares, changes)

    def values(self, times: np.ndarray, order: int = 0) -> np.ndarray:
        """States, or their derivatives, at times of the cells, (n, p)."""
        knots = np.array(self.knots)
        cell = np.clip(np.searchsorted(knots, times, side="right") - 1, 0, self.cells - 1)
        lengths = np.diff(knots)[cell]
        z = 2.0 * (times - knots[cell]) / lengths - 1.0
        rows = legendre.legder(self.points.coefficients, order, scl=2.0) if order else self.points.coefficients
        basis = legendre.legvander(z, len(rows) - 1) @ rows
        found = np.einsum("pc,pnc->np", basis, np.stack(self.changes)[cell])
        return found / lengths**order if order else found + np.stack(self.starts)[cell].T


@dataclass(frozen=True)
class _Cell:
    """A cell that was solved, as :class:`RadauCourse` keeps it, and its error over the tolerance."""

    changes: np.ndarray
    filter: np.ndarray
    sizes: np.ndarray
    noise: np.ndarray
    squares: np.ndarray
    error: float


class RadauMarch:
    """Marches from the start of an axis to its end.

    On every cell the state is a polynomial that satisfies the equations at the Radau points, found by Newton's method.
    Its defect between the points, divided by the linearised equations, tells what it misses there; cells are so long
    that this is about the tolerance, relative to the size that each component had so far in the mean square.

    Parameters
    ----------
    equations
        What is solved.
    points
        Of a cell.
    ends
        Start of the axis, places where a cell has to end, and its end, ascending.
    start
        The state, (n,).
    tol
        Of a cell.
    told
        Called now and then with the place that was reached; may raise :class:`.StopRun`.
    watched
        Parts of the axis and the longest cells there, ``(start, end, length)``.
    floors
        Sizes of the components at least, (n,); zero where that is left out.
    largest
        Cell, of the length of the axis.

    Attributes
    ----------
    course
        What the march has come to.
    undefined
        Whether the equations had no finite values on the last cell that was tried in vain.
    """

    def __init__(
        self,
        equations: StateEquations,
        points: RadauPoints,
        ends: Sequence[float],
        start: np.ndarray,
        tol: float,
        told: Callable[[float], None] = lambda place: None,
        watched: Sequence[tuple[float, float, float]] = (),
        floors: np.ndarray | None = None,
        largest: float = LARGEST,
    ) -> None:
        self.equations, self.points, self.ends, self.tol, self.told = equations, points, ends, tol, told
        self.watched, self.largest, self.undefined = list(watched), largest, False
        self.floors = np.zeros(equations.count) if floors is None else floors
        self.length = ends[-1] - ends[0]
        self.course = RadauCourse(points, [ends[0]], [start], np.zeros(equations.count))
        self._inverse = np.linalg.inv(points.derivatives(points.points, 1))
        self._guess: Callable[[float], np.ndarray] | None = None

    def run(self) -> RadauCourse:
        """March to the end.

        Raises
        ------
        StopRun
            Where cells become too short, or what ``told`` raises; the course holds the cells until there.
        """
        step = self._first()
        for end in self.ends[1:]:
            self._guess = None  # beyond a jump nothing is known of the slopes
            step = self._run_to(end, step)
        return self.course

    def _first(self) -> float:
        """The first cell: such that the components that are not zero change by a part of themselves at most."""
        state = self.course.state
        still = np.zeros((len(state), 1))
        rest, _, by_slope = self.equations.evaluate(np.array([self.ends[0]]), state[:, None], still)
        try:
            rates = np.abs(np.linalg.solve(by_slope[0], rest[:, 0]))
        except np.linalg.LinAlgError:
            return FIRST * self.length
        moving = (state != 0) & (rates > 0) & np.isfinite(rates)
        fast = float((np.abs(state) / np.where(moving, rates, 1.0))[moving].min()) if moving.any() else math.inf
        return min(FIRST * self.length, max(BEGIN * fast, NOTHING * self.length))

    def _run_to(self, end: float, step: float) -> float:
        """March to a place where a cell has to end; returns the length of cell that is wished for then."""
        course, place, refused = self.course, self.course.knots[-1], 0
        wished = min(step, FIRST * self.length)
        while place < end:
            if (course.cells + course.refused) % CHECKED == 0:
                self.told(place)
                self._look_for_chatter()
            wished = min(wished, self.largest * self.length, self._watched(place))
            left = end - place
            last = wished >= left * (1.0 - 1e-3)
            step = left if last else min(wished, 0.5 * left) if wished > 0.6 * left else wished
            if (step <= SMALLEST * abs(place) and not last) or step <= NOTHING * self.length or refused > REFUSED:
                raise StopRun(
                    Status.STALLED,
                    f"cells become too short at {self.equations.time}={self.equations.coordinate(place):.8g}",
                )
            cell = self._solve(place, step, end if last else None)
            if cell is None or cell.error > 1.0:
                course.refused, refused = course.refused + 1, refused + 1
                wished = step * (0.25 if cell is None else self._factor(cell.error))
                continue
            place, refused = end if last else place + step, 0
            self._accept(place, step, cell)
            wished = step * self._factor(cell.error) if not last or step >= wished else max(step, wished)
        self.told(place)
        return wished

    def _look_for_chatter(self) -> None:
        """End the march where equations that jump are switched again and again."""
        knots = self.course.knots
        if self.equations.smooth or len(knots) <= CHATTER or knots[-1] - knots[-CHATTER] > STUCK * self.length:
            return
        raise StopRun(
            Status.STALLED,
            f"the equations jump again and again near {self.equations.time}={self.equations.coordinate(knots[-1]):.8g}: "
            "the solution may slide along the jump, where no state satisfies them; replace the jump by a steep function",
        )

    def _factor(self, error: float) -> float:
        wanted = SAFE * max(error, 1e-30) ** (-1.0 / (self.points.count + 1))
        return max(SHRINK, min(wanted, GROW if error <= 1.0 else 0.9))

    def _watched(self, place: float) -> float:
        """The longest cell that may begin at a place."""
        longest = math.inf
        for a, b, length in self.watched:
            if a <= place < b:
                longest = min(longest, length)
            elif place < a:
                longest = min(longest, max(a - place, length))
        return longest

    def _accept(self, place: float, step: float, cell: _Cell) -> None:
        course, changes, self.undefined = self.course, cell.changes, False
        course.changes.append(changes)
        course.filters.append(cell.filter)
        course.sizes.append(cell.sizes)
        course.noises.append(cell.noise)
        course.starts.append(course.state + changes[:, -1])
        course.knots.append(place)
        course.squares = cell.squares

        def guess(following: float) -> np.ndarray:
            """Changes on the next cell, by the polynomial of this one or, far beyond it, its slope and curvature."""
            ratio = following / step
            if ratio <= 1.5:
                return np.asarray(
                    changes @ self.points.derivatives(1.0 + ratio * self.points.points, 0).T - changes[:, -1:]
                )
            slope, bend = (changes @ self.points.derivatives(np.ones(1), k).T for k in (1, 2))
            along = ratio * self.points.points
            return np.asarray(slope * along + 0.5 * bend * along**2) if ratio <= 3.0 else np.zeros_like(changes)

        self._guess = guess

    # -- one cell ---
    def _solve(self, place: float, step: float, end: float | None) -> _Cell | None:
        """A cell, or None where Newton's method does not converge."""
        times = place + step * self.points.points
        times[-1] = np.nextafter(
            place + step if end is None else end, place
        )  # of jumps at the end, the side that is left
        state = self.course.state
        guess = self._guess(step) if self._guess is not None else None
        if guess is not None and bool(np.isfinite(guess).all()):
            found = self._newton(times, step, state, guess)
            if found is not None:
                return found
        return self._newton(times, step, state, np.zeros((len(state), self.points.count)))

    def _scale(self, step: float, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Sizes of the components in the mean square until the end of a cell, and the squares of these.

        Later values count more: after a long decay a component is as large as it has been since a part of the time.
        """
        before = self.course.knots[-1] - self.ends[0]
        kept = (before / (before + step)) ** MEMORY
        squares = kept * self.course.squares + (1.0 - kept) * (np.square(values) @ self.points.rule)
        return np.maximum(np.sqrt(squares), self.floors), squares

    def _newton(self, times: np.ndarray, step: float, state: np.ndarray, changes: np.ndarray) -> _Cell | None:
        points, equations, n = self.points, self.equations, len(state)
        count, last = points.count, math.inf
        diagonal = np.arange(count)
        for _ in range(MOST):
            self.course.newton += 1
            rates = changes @ points.slopes.T / step
            rest, by_value, by_slope = equations.evaluate(times, state[:, None] + changes, rates)
            matrix = points.slopes[:, None, :, None] * by_slope[:, :, None, :]
            matrix[diagonal, :, diagonal, :] += step * by_value
            scale, _ = self._scale(step, state[:, None] + changes)
            units = np.where(scale > 0, scale, 1.0)
            square = matrix.reshape(count * n, count * n) * np.tile(units, count)
            rows = np.abs(square).max(1)
            if not np.isfinite(rest).all() and bool((np.abs(rates) < OVERFLOW).all()):
                self.undefined = True
            if not np.isfinite(rows).all() and not (rest.any() or changes.any()):
                return self._at_rest(changes, state)
            if not np.isfinite(rows).all() or not (rows > 0).all():
                return None
            try:
                move = np.linalg.solve(square / rows[:, None], -step * rest.T.reshape(-1) / rows)
            except np.linalg.LinAlgError:
                return None
            move = move.reshape(count, n).T * units[:, None]
            changes = changes + move
            scale, squares = self._scale(step, state[:, None] + changes)
            noise = NOISE * (np.abs(state) + np.abs(changes).max(1)) + np.finfo(float).tiny
            size = float((np.abs(move).max(1) / (self.tol * scale + noise)).max())
            if not math.isfinite(size):
                return None
            rate = size / last if last < math.inf and last > 0 else 0.0
            if equations.affine or size <= NEWTON or (last < math.inf and rate < SLOW and size * rate <= NEWTON):
                return self._looked_at(times, step, state, changes, scale, squares)
            if last < math.inf and rate > 2.0 and size > 1.0:
                return None
            last = size
        return None

    def _at_rest(self, changes: np.ndarray, state: np.ndarray) -> _Cell:
        """A cell on which the state stays as it is, which satisfies the equations though they have no derivatives."""
        n, sizes = len(state), np.maximum(np.abs(state), self.floors)
        return _Cell(changes, np.zeros((n, n)), sizes, NOISE * np.abs(state), np.square(state), 0.0)

    def _looked_at(
        self,
        times: np.ndarray,
        step: float,
        state: np.ndarray,
        changes: np.ndarray,
        scale: np.ndarray,
        squares: np.ndarray,
    ) -> _Cell | None:
        """The cell, with what its defect between the points tells of its error."""
        points = self.points
        values = state[:, None] + changes @ points.looked_values.T
        rates = changes @ points.looked_slopes.T / step
        place = times[-1] - step
        rest, by_value, by_slope = self.equations.evaluate(place + step * points.looked, values, rates)
        along = step * points.looked_parts
        matrices = by_slope + along[:, None, None] * by_value
        if not (np.isfinite(matrices).all() and np.isfinite(rest).all()):
            return None
        units = np.where(scale > 0, scale, 1.0)
        try:
            inverse = np.linalg.inv(matrices * units[None, None, :]) * units[None, :, None]
        except np.linalg.LinAlgError:
            return None
        wrong = np.abs(along[:, None] * np.einsum("pij,jp->pi", inverse, rest))
        sizes = np.abs(by_slope) @ np.abs(rates.T)[..., None] + np.abs(by_value) @ np.abs(values.T)[..., None]
        noise = NOISE * (along[:, None] * (np.abs(inverse) @ sizes)[..., 0] + np.abs(values.T))
        error = float((wrong / (self.tol * scale + noise + np.finfo(float).tiny)).max())
        return (
            _Cell(changes, inverse[-1] * along[-1], scale, noise[-1], squares, error) if math.isfinite(error) else None
        )
