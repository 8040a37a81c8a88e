"""Implicit Runge-Kutta steps of high order for ``M y' = F(t, y)`` with banded matrices: Radau IIA.

The stages are decoupled by the eigenvectors of the matrix of the method, as in E. Hairer, G. Wanner, Stiff differential
equations solved by Radau methods, J. Comput. Appl. Math. 111 (1999); so is the estimate of the error.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from dataclasses import dataclass
from functools import cache
from typing import Protocol

import numpy as np
import scipy.linalg.lapack as lapack
from numpy.polynomial import legendre

__all__ = ["BandedRates", "RadauMethod", "RadauStep", "RadauSteps", "radau_method"]

Array = np.ndarray
KEPT = 4  # lengths of steps whose factors are kept
MOST = 8  # iterations of a step
SLOW = 0.3  # rate of convergence beyond which the Jacobian is made anew


class BandedRates(Protocol):
    """What is integrated; see :class:`.LineRates`."""

    band: int
    mass: Array
    steady: bool
    affine: bool

    def rates(self, times: Array, states: Array) -> Array:
        """F of states (times, size)."""

    def jacobian(self, time: float, state: Array) -> Array:
        """Its derivative, in LAPACK's storage."""

    def times_mass(self, states: Array) -> Array:
        """``M`` applied to states (..., size)."""


@dataclass(frozen=True, eq=False)
class RadauMethod:
    """The coefficients of a method.

    Attributes
    ----------
    nodes
        Of the stages (s,), the last one is 1.
    inverse
        Of the matrix of the method, (s, s).
    values, vectors, left
        Eigenvalues of that inverse that are real or have a positive imaginary part, with the eigenvectors (s, k) and
        the rows of their inverse (k, s).
    error
        Weights of the rates of change at the start and at the stages (s + 1,) in the estimate of the error.
    slopes, inner
        By order, 1 and 2, weights of the rates of change for their derivatives, times the length to that power, at
        the start and at the end (2, 2, s + 1); with and without the rate of change at the start.
    """

    nodes: Array
    inverse: Array
    values: Array
    vectors: Array
    left: Array
    error: Array
    slopes: Array
    inner: Array


@cache
def radau_method(stages: int) -> RadauMethod:
    """Radau IIA with an odd number of stages, of order ``2 stages - 1``.

    Examples
    --------
    >>> method = radau_method(3)
    >>> [round(float(c), 6) for c in method.nodes], round(float(method.values[0].real), 6)
    ([0.155051, 0.644949, 1.0], 3.637834)
    """
    series = np.zeros(stages + 1)
    series[stages - 1 :] = -1.0, 1.0
    nodes = 0.5 * (np.sort(legendre.legroots(series).real) + 1.0)
    nodes[-1] = 1.0
    powers = np.arange(stages)
    vandermonde = nodes[:, None] ** powers
    matrix = (nodes[:, None] ** (powers + 1) / (powers + 1)) @ np.linalg.inv(vandermonde)
    inverse = np.linalg.inv(matrix)
    values, vectors = np.linalg.eig(inverse)
    left = np.linalg.inv(vectors)
    own = np.argsort(np.where(np.abs(values.imag) < 1e-9 * np.abs(values), -1.0, values.imag))
    own = own[[abs(values[k].imag) < 1e-9 * abs(values[k]) or values[k].imag > 0 for k in own]]
    values, vectors, left = values[own], vectors[:, own], left[own]
    gamma = 1.0 / values[0].real
    moments = 1.0 / (powers + 1.0)
    weights = np.linalg.solve(vandermonde.T, moments)
    moments[0] -= gamma
    other = np.linalg.solve(vandermonde.T, moments)
    every = np.concatenate([[0.0], nodes])
    slopes = tuple(np.stack([_derivative_weights(n, order) for order in (1, 2)]) for n in (every, nodes))
    return RadauMethod(
        nodes,
        inverse,
        values,
        vectors,
        left,
        np.concatenate([[gamma], other - weights]),
        slopes[0],
        np.pad(slopes[1], ((0, 0), (0, 0), (1, 0))),
    )


def _derivative_weights(nodes: Array, order: int) -> Array:
    """Weights of values at nodes for a derivative at 0 and at 1 of the polynomial through them, (2, nodes)."""
    powers = np.arange(len(nodes))
    factors = np.array([math.prod(range(k - order + 1, k + 1)) for k in powers], dtype=float)
    rows = factors * np.array([[0.0], [1.0]]) ** np.maximum(powers - order, 0)
    weights: Array = rows @ np.linalg.inv(nodes[:, None] ** powers)
    return weights


@dataclass(frozen=True, eq=False)
class RadauStep:
    """A step that was found.

    Attributes
    ----------
    time, length
        Of its start.
    state
        At its end.
    changes
        From the start to the stages (s, size).
    slopes
        Rates of change at the start and at the stages (s + 1, size).
    error
        Of a method of order s, (size,): about what the polynomial through the stages misses.
    """

    time: float
    length: float
    state: Array
    changes: Array
    slopes: Array
    error: Array


class RadauSteps:
    """Steps for ``M y' = F(t, y)``.

    Parameters
    ----------
    rates
        What is integrated.
    method
        Of the steps.

    Attributes
    ----------
    iterations
        Of all steps so far.
    """

    def __init__(self, rates: BandedRates, method: RadauMethod) -> None:
        self.system, self.method = rates, method
        self.iterations = 0
        self._factors: OrderedDict[float, list[tuple[Array, Array]]] = OrderedDict()
        self._jacobian: Array | None = None
        self._rate = 0.0

    def slope(self, time: float, state: Array) -> Array:
        """The rate of change of a state."""
        return self.solved_mass(self.system.rates(np.array([time]), state[None])[0])

    def solved_mass(self, right: Array) -> Array:
        """``M`` solved for a vector."""
        kl = self.system.band
        _, _, found, info = lapack.dgbsv(kl, kl, self.system.mass, right)
        if info:
            raise np.linalg.LinAlgError("the mass matrix is singular")
        return np.asarray(found)

    def _factor(self, h: float) -> list[tuple[Array, Array]]:
        known = self._factors.get(h)
        if known is not None:
            self._factors.move_to_end(h)
            return known
        assert self._jacobian is not None
        kl, made = self.system.band, []
        for k, value in enumerate(self.method.values):
            own = (value.real if k == 0 else value) / h * self.system.mass - self._jacobian
            lu, pivots, info = (lapack.dgbtrf if k == 0 else lapack.zgbtrf)(own, kl, kl, overwrite_ab=True)
            if info:
                raise np.linalg.LinAlgError("the matrix of a step is singular")
            made.append((lu, pivots))
        self._factors[h] = made
        if len(self._factors) > KEPT:
            self._factors.popitem(last=False)
        return made

    def _solve(self, k: int, factor: tuple[Array, Array], right: Array) -> Array:
        kl = self.system.band
        solve = lapack.dgbtrs if k == 0 else lapack.zgbtrs
        return np.asarray(solve(factor[0], kl, kl, right, factor[1])[0])

    def take(
        self,
        time: float,
        h: float,
        state: Array,
        slope: Array,
        allowed: float,
        norm: NormOfChange,
        before: RadauStep | None = None,
    ) -> RadauStep | None:
        """A step of length ``h`` from a state with a rate of change ``slope``; None where it is not found.

        Parameters
        ----------
        allowed
            What the iteration may leave, in the norm.
        norm
            Of a change of the state.
        before
            The step before, which is continued for a guess.
        """
        fresh = self._jacobian is None or (not self.system.steady and self._rate > SLOW * SLOW)
        if fresh:
            self._renew(time, state)
        changes = self._iterated(time, h, state, allowed, norm, before)
        if changes is None and not fresh and not self.system.steady:
            self._renew(time, state)
            changes = self._iterated(time, h, state, allowed, norm, before)
        if changes is None:
            return None
        slopes = np.concatenate([slope[None], self.method.inverse @ changes / h])
        raw = self.method.error @ slopes
        error = self._solve(0, self._factor(h)[0], self.method.values[0].real * self.system.times_mass(raw[None])[0])
        return RadauStep(time, h, state + changes[-1], changes, slopes, error)

    def _renew(self, time: float, state: Array) -> None:
        self._jacobian = self.system.jacobian(time, state)
        self._factors.clear()

    def _guess(self, h: float, before: RadauStep | None, shape: tuple[int, int]) -> Array:
        """The polynomial of the step before, continued."""
        if before is None or h > 4.0 * before.length:
            return np.zeros(shape)
        every = np.concatenate([[0.0], self.method.nodes])
        at = 1.0 + self.method.nodes * h / before.length
        weights = np.ones((len(at), len(every)))
        for k, c in enumerate(every):
            for other in np.delete(every, k):
                weights[:, k] *= (at - other) / (c - other)
        found: Array = weights[:, 1:] @ before.changes - before.changes[-1]
        return found

    def _iterated(
        self, time: float, h: float, state: Array, allowed: float, norm: NormOfChange, before: RadauStep | None
    ) -> Array | None:
        method, system = self.method, self.system
        times = time + h * method.nodes
        linear = system.steady and system.affine
        changes = np.zeros((len(times), len(state))) if linear else self._guess(h, before, (len(times), len(state)))
        factors = self._factor(h)
        last, rate = math.inf, 0.0
        for count in range(MOST):
            self.iterations += 1
            with np.errstate(all="ignore"):
                right = system.rates(times, state + changes) - system.times_mass(method.inverse @ changes / h)
            if not np.isfinite(right).all():
                return None
            step = np.zeros_like(changes)
            for k, factor in enumerate(factors):
                own = method.left[k] @ right
                solved = self._solve(k, factor, own.real if k == 0 else own)
                part = method.vectors[:, k, None] * solved
                step += part.real if k == 0 else 2.0 * part.real
            changes = changes + step
            size = norm(step, h)
            if not math.isfinite(size) and not np.isfinite(step).all():
                return None
            if linear:
                return changes
            if count:
                rate = size / last if last > 0 else 0.0
                if rate >= 0.95 or (count > 1 and size * rate ** (MOST - 1 - count) > allowed * (1.0 - rate)):
                    self._rate = 1.0
                    return None
            if size == 0.0 or (count and size * rate <= allowed * (1.0 - rate)) or size <= 1e-2 * allowed:
                self._rate = rate
                return changes
            last = size
        self._rate = 1.0
        return None


class NormOfChange(Protocol):
    """How large changes of a state are, relative to the sizes of the fields."""

    def __call__(self, changes: Array, length: float) -> float:
        """Of changes (n, size) within a step of a length."""
