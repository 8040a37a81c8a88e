"""Fourier series in space and exponential Runge-Kutta steps in time for periodic evolution equations.

    u_t = L u + N(u),        L diagonal in Fourier space, N a polynomial of degree p in u and its derivatives.

Products are formed on a grid of (p + 1) points per mode, so that no aliasing occurs.  The steps are those of Cox and
Matthews (J. Comput. Phys. 176, 430, 2002), fourth order, with the coefficients by contour integrals of Kassam and
Trefethen (SIAM J. Sci. Comput. 26, 1214, 2005).  In every segment of time the number of steps is doubled until the
solution no longer changes.
"""

from __future__ import annotations

import itertools
import logging
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from hermite_pinn.errors import InvalidArgumentError

__all__ = ["FourierHistory", "exponential_runge_kutta", "spectral_history"]

logger = logging.getLogger(__name__)

Array = np.ndarray

_KEPT = 32  # stored intervals per segment of time
_STENCIL = 10  # stored states per interpolation in time
_CHUNK = 1 << 22

WORST = 1e-4  # relative error that a reference may have


@dataclass(frozen=True)
class FourierHistory:
    """A real periodic function of x and t: ``u = Re sum_k c_k(t) exp(i q k (x - lower))``.

    Attributes
    ----------
    lower, length
        Of the period in x.
    times
        Per segment of time, the instants stored.
    coefficients
        Per segment, the one-sided coefficients at those instants, (instants, modes).
    accuracy
        Estimate of the error, relative to the largest coefficient: the difference of a run with half as many steps
        throughout, and the size of the highest modes.
    """

    lower: float
    length: float
    times: tuple[Array, ...]
    coefficients: tuple[Array, ...]
    accuracy: float = 0.0

    @property
    def wave_numbers(self) -> Array:
        """``q k`` by mode."""
        return 2 * math.pi / self.length * np.arange(self.coefficients[0].shape[1])

    def at(self, t: Array, segment: int) -> Array:
        """Coefficients (len(t), modes) at instants within a segment, by local polynomial interpolation."""
        times, stored = self.times[segment], self.coefficients[segment]
        count = min(_STENCIL, len(times))
        spacing = times[1] - times[0]
        position = (t - times[0]) / spacing
        first = np.clip(np.floor(position).astype(int) - (count - 2) // 2, 0, len(times) - count)
        nodes = np.arange(count)
        distance = position[:, None] - (first[:, None] + nodes)
        weights = np.ones_like(distance)
        for j in nodes:
            for k in nodes[nodes != j]:
                weights[:, j] *= distance[:, k] / (j - k)
        interpolated: Array = np.zeros((len(t), stored.shape[1]), dtype=complex)
        for j in nodes:
            interpolated += weights[:, j, None] * stored[first + j]
        return interpolated

    def __call__(self, x: Array, t: Array, order: int = 0) -> Array:
        """Values, or derivatives of some order in x, at points of one shape; fast where they form a tensor grid."""
        shape = np.broadcast_shapes(np.shape(x), np.shape(t))
        x, t = _thin(np.broadcast_to(x, shape)), _thin(np.broadcast_to(t, shape))
        if x.ndim and all(a == 1 or b == 1 for a, b in zip(x.shape, t.shape, strict=True)):
            grid = self._grid(x.ravel(), t.ravel(), order)  # (t, x)
            order_of_axes = [i for i, n in enumerate(t.shape) if n > 1] + [i for i, n in enumerate(t.shape) if n == 1]
            spread = grid.reshape([t.shape[i] if t.shape[i] > 1 else x.shape[i] for i in order_of_axes])
            return np.broadcast_to(np.transpose(spread, np.argsort(order_of_axes)), shape).copy()
        flat_x, flat_t = np.broadcast_to(x, shape).ravel(), np.broadcast_to(t, shape).ravel()
        values = np.empty(flat_x.size)
        for chosen, segment in self._by_segment(flat_t):
            rows = max(1, _CHUNK // self.coefficients[0].shape[1])
            for start in range(0, len(chosen), rows):
                part = chosen[start : start + rows]
                c, k = self._significant(self.at(flat_t[part], segment), order)
                values[part] = (c * np.exp(1j * (flat_x[part, None] - self.lower) * k)).real.sum(1)
        return values.reshape(shape)

    def _grid(self, x: Array, t: Array, order: int) -> Array:
        values = np.empty((len(t), len(x)))
        for chosen, segment in self._by_segment(t):
            c, k = self._significant(self.at(t[chosen], segment), order)
            angle = np.outer(k, x - self.lower)
            values[chosen] = c.real @ np.cos(angle) - c.imag @ np.sin(angle)
        return values

    def _significant(self, c: Array, order: int) -> tuple[Array, Array]:
        """Coefficients of a derivative and their wave numbers, without the modes below rounding."""
        k = self.wave_numbers
        c = c * (1j * k) ** order
        size = np.abs(c).max(0, initial=0.0)
        kept = 1 + int(np.max(np.nonzero(size > 1e-17 * size.max(initial=0.0))[0], initial=0))
        return c[:, :kept], k[:kept]

    def _by_segment(self, t: Array) -> list[tuple[Array, int]]:
        ends = np.array([times[-1] for times in self.times])
        if t.size and (t.min() < self.times[0][0] - 1e-12 or t.max() > ends[-1] * (1 + 1e-12)):
            raise InvalidArgumentError(
                f"the reference covers t from {self.times[0][0]:g} to {ends[-1]:g}, got {t.min():g} to {t.max():g}"
            )
        number = np.minimum(np.searchsorted(ends, t), len(ends) - 1)
        return [(np.nonzero(number == s)[0], int(s)) for s in np.unique(number)]


def _thin(a: Array) -> Array:
    """The array with the axes along which it is repeated cut to length 1."""
    return a[tuple(slice(0, 1) if step == 0 else slice(None) for step in a.strides)] if a.ndim else a


def exponential_runge_kutta(
    linear: Array, nonlinear: Callable[[Array], Array], start: Array, span: tuple[float, float], steps: int
) -> Array:
    """States at the ends of 32 equal parts of a span of time, (33, modes), by ``steps`` steps, a multiple of 32.

    Parameters
    ----------
    linear
        Eigenvalues of L by mode.
    nonlinear
        Coefficients to coefficients.
    start
        Coefficients at the start.
    span
        Start and end.

    Examples
    --------
    >>> decay = exponential_runge_kutta(np.array([-1.0]), lambda c: -c, np.array([1.0]), (0.0, 1.0), 32)
    >>> bool(abs(decay[-1, 0] - np.exp(-2)) < 1e-7)
    True
    """
    h = (span[1] - span[0]) / steps
    roots = np.exp(2j * math.pi * (np.arange(64) + 0.5) / 64)
    full, half = np.exp(h * linear), np.exp(h * linear / 2)
    z = h * linear[:, None] + roots
    e = np.exp(z)
    q = h * np.mean((np.exp(z / 2) - 1) / z, 1)
    f1 = h * np.mean((-4 - z + e * (4 - 3 * z + z**2)) / z**3, 1)
    f2 = h * np.mean((2 + z + e * (z - 2)) / z**3, 1)
    f3 = h * np.mean((-4 - 3 * z - z**2 + e * (4 - z)) / z**3, 1)
    state, kept = start, [start]
    for step in range(1, steps + 1):
        n0 = nonlinear(state)
        s1 = half * state + q * n0
        n1 = nonlinear(s1)
        s2 = half * state + q * n1
        n2 = nonlinear(s2)
        s3 = half * s1 + q * (2 * n2 - n0)
        state = full * state + f1 * n0 + 2 * f2 * (n1 + n2) + f3 * nonlinear(s3)
        if step % (steps // _KEPT) == 0:
            kept.append(state)
    return np.array(kept)


def spectral_history(
    *,
    lower: float,
    length: float,
    linear: Callable[[Array], Array],
    nonlinear: Callable[[Callable[[int], Array]], Array],
    degree: int,
    start: Callable[[Array], Array] | Array,
    segments: Sequence[float],
    modes: int,
    outer: int = 0,
    tol: float = 1e-11,
    steps: int = 32,
    most_steps: int = 1 << 14,
) -> FourierHistory:
    """Solve ``u_t = L u + d^outer/dx^outer F(u, u_x, ...)`` to a tolerance.

    Parameters
    ----------
    lower, length
        Period in x.
    linear
        Eigenvalue of L as a function of ``i q k``.
    nonlinear
        F on the grid: its argument gives derivatives of u on the grid by their order.
    degree
        Degree of F as a polynomial.
    start
        Initial value as a function of x, or its one-sided coefficients.
    segments
        Ends of segments of time, the start included.
    modes
        Wave numbers kept, zero included.
    outer
        Derivative taken of F.
    tol
        Change of the coefficients at the end of a segment, relative to the largest, when its steps are halved, that is
        small enough.  Where rounding does not allow it, what is reached is in :attr:`FourierHistory.accuracy`.
    steps, most_steps
        First and largest number of steps per segment, 32 times powers of two.

    Raises
    ------
    InvalidArgumentError
        If the error that remains is larger than 1e-4.
    """
    points = 2 * math.ceil((degree + 1) * modes / 2)
    ik = 2j * math.pi / length * np.arange(modes)
    eigenvalues = np.asarray(linear(ik), dtype=complex)

    def to_grid(c: Array) -> Array:
        padded = np.zeros(points // 2 + 1, dtype=complex)
        padded[:modes] = c / 2
        padded[0] = c[0].real
        return np.fft.irfft(padded, points) * points

    def to_modes(u: Array) -> Array:
        c = np.fft.rfft(u)[:modes] * (2 / u.size)
        c[0] /= 2
        return c

    def rate(c: Array) -> Array:
        return to_modes(nonlinear(lambda order: to_grid(c * ik**order) if order else to_grid(c))) * ik**outer

    if callable(start):
        fine = max(points, 8 * modes)
        first = to_modes(start(lower + length * np.arange(fine) / fine))
    else:
        first = np.asarray(start, dtype=complex)
    all_times, all_states = [], []
    rough, accuracy = first, 0.0
    for span in itertools.pairwise(segments):
        with np.errstate(over="ignore", invalid="ignore"):
            states, count = _settled(eigenvalues, rate, first, span, tol, steps, most_steps)
            rough = exponential_runge_kutta(eigenvalues, rate, rough, span, max(count // 2, _KEPT))[-1]
        all_times.append(np.linspace(*span, len(states)))
        all_states.append(states)
        first = states[-1]
        size, tail = np.abs(first).max(), np.abs(first[-4:]).max()
        with np.errstate(over="ignore", invalid="ignore"):
            accuracy = float(np.max([accuracy, np.abs(rough - first).max() / size, tail / size]))  # NaN stays NaN
    if not accuracy <= WORST:
        raise InvalidArgumentError(
            f"the spectral reference does not settle: its error is {accuracy:.1e} with {modes} modes and at most "
            f"{most_steps} steps in each of {len(all_times)} spans of time; the settings are beyond it"
        )
    logger.info("the spectral reference has a relative accuracy of %.1e", max(accuracy, tol))
    return FourierHistory(lower, length, tuple(all_times), tuple(all_states), max(accuracy, tol))


def _settled(
    linear: Array,
    rate: Callable[[Array], Array],
    first: Array,
    span: tuple[float, float],
    tol: float,
    steps: int,
    most_steps: int,
) -> tuple[Array, int]:
    """States over a span of time with so many steps that they no longer change, and their number.

    They no longer change within ``tol``, or where twice as many steps change them no less: then rounding rules.
    """
    before: Array | None = None
    change, count = math.inf, steps
    while True:
        states = exponential_runge_kutta(linear, rate, first, span, count)
        if before is not None:
            last, change = change, float(np.abs(states[-1] - before).max() / np.abs(states[-1]).max())
            if change <= tol or count >= most_steps or (change < WORST and change > 0.5 * last):
                return states, count
        elif count >= most_steps:
            return states, count
        before, count = states[-1], 2 * count
