"""Domains cut out of boxes, solutions that are known on them, and problems made of both."""

import math

import numpy as np
import torch

import hermite_pinn as hp
from hermite_pinn import cos, exp, sin
from hermite_pinn.methods.systems.cut_system import CutSystem


def square(**axes):
    """A box with its unit square moved off any grid."""
    return hp.Box(**(axes or {"x": (-0.1, 0.9), "y": (0.2, 1.2)}))


def wave(x, y):
    """Analytic in the plane, no symmetry."""
    return sin(4 * x + 0.3) * cos(3 * y - 0.2) + 0.3 * exp(x - 0.5 * y)


def wave_laplacian(x, y):
    """Of :func:`wave`."""
    return -25 * sin(4 * x + 0.3) * cos(3 * y - 0.2) + 0.375 * exp(x - 0.5 * y)


def wave_gradient(x, y):
    """Of :func:`wave`."""
    return (
        4 * cos(4 * x + 0.3) * cos(3 * y - 0.2) + 0.3 * exp(x - 0.5 * y),
        -3 * sin(4 * x + 0.3) * sin(3 * y - 0.2) - 0.15 * exp(x - 0.5 * y),
    )


def wave_slope(x, y, n):
    """Derivative of :func:`wave` along a normal."""
    a, b = wave_gradient(x, y)
    return a * n.x + b * n.y


def poisson(domain, conditions=None):
    """Poisson's equation with the solution :func:`wave`."""
    return hp.Problem(
        domain,
        "u",
        lambda u, x, y: u.laplacian - wave_laplacian(x, y),
        conditions or [hp.Dirichlet(u=wave)],
        exact={"u": wave},
    )


def error(solution, field="u"):
    """Relative L2 error against the exact solution of the problem."""
    return solution.error()[field]["relative_l2"]


def order(errors):
    """Of convergence, from the errors of the last two of successive doublings."""
    return math.log2(errors[-2] / errors[-1])


def random_vector(system, size=0.3, seed=0):
    """Unknowns of a system; parameters are 0.7."""
    generator = torch.Generator().manual_seed(seed)
    vector = size * torch.randn(system.size, dtype=torch.float64, generator=generator)
    system.split(vector)[1].fill_(0.7)
    return vector


def dense_jacobian(system):
    """Of a linearised system."""
    columns = []
    for j in range(system.size):
        unit = torch.zeros(system.size, dtype=torch.float64)
        unit[j] = 1.0
        columns.append(torch.cat([r.reshape(-1) for r in system.forward(unit)]))
    return torch.stack(columns, 1)


def linearized(problem, resolutions, basis="cubic", seed=0):
    """The system of a problem, linearised at a random vector."""
    system = CutSystem(problem, basis, resolutions)
    system.linearize(random_vector(system, seed=seed))
    return system


def points_inside(domain, count, seed=0):
    """Random points (dim, n) in a domain."""
    generator = np.random.default_rng(seed)
    lower, upper = np.array(domain.lower)[:, None], np.array(domain.upper)[:, None]
    x = torch.as_tensor(lower + (upper - lower) * generator.random((domain.dim, 20 * count)))
    return x[:, domain.contains(x)][:, :count]
