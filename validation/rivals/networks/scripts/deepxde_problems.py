"""The problems of the suite in DeepXDE."""

# mypy: disable-error-code="misc"

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import deepxde as dde
import numpy as np
import torch
from frame import Settings, Watch, run


class Marks(dde.callbacks.Callback):
    """Keeps predictions, or the value of an unknown coefficient."""

    def __init__(self, watch: Watch, coefficient: Any = None) -> None:
        super().__init__()
        self.watch, self.coefficient = watch, coefficient

    def on_epoch_end(self) -> None:
        """After an iteration of Adam, or a thousand of L-BFGS."""
        self.watch.keep(self.model.train_state.iteration, self.predict)

    def on_train_end(self) -> None:
        """After each optimiser."""
        self.watch.keep(self.model.train_state.iteration, self.predict, last=True)

    def predict(self, points: np.ndarray) -> Any:
        """What is compared."""
        return self.model.predict(points.T) if self.coefficient is None else self.coefficient.detach().numpy()


def diffusion(s: Settings, watch: Watch) -> None:
    """Diffusion with a source, on an interval and in time."""

    def residual(x: Any, u: Any) -> Any:
        source = (1 - np.pi**2) * torch.exp(-x[:, 1:]) * torch.sin(np.pi * x[:, :1])
        return dde.grad.jacobian(u, x, j=1) - dde.grad.hessian(u, x, j=0) + source

    def exact(x: Any) -> Any:
        return np.sin(np.pi * x[:, :1]) * np.exp(-x[:, 1:])

    domain = dde.geometry.GeometryXTime(dde.geometry.Interval(-1, 1), dde.geometry.TimeDomain(0, 1))
    sides = dde.icbc.DirichletBC(domain, exact, lambda _, on_boundary: on_boundary)
    start = dde.icbc.IC(domain, exact, lambda _, on_initial: on_initial)
    data = dde.data.TimePDE(
        domain, residual, [sides, start], num_domain=s.inside, num_boundary=s.sides, num_initial=s.start
    )
    model = dde.Model(data, dde.nn.FNN([2, *s.hidden, 1], s.activation, "Glorot uniform"))
    model.compile("adam", lr=s.rate)
    model.train(iterations=s.iterations, callbacks=[Marks(watch)])


def heat(s: Settings, watch: Watch) -> None:
    """The heat equation without a source."""

    def residual(x: Any, u: Any) -> Any:
        return dde.grad.jacobian(u, x, j=1) - 0.4 * dde.grad.hessian(u, x, j=0)

    domain = dde.geometry.GeometryXTime(dde.geometry.Interval(0, 1), dde.geometry.TimeDomain(0, 1))
    sides = dde.icbc.DirichletBC(domain, lambda x: 0, lambda _, on_boundary: on_boundary)
    start = dde.icbc.IC(domain, lambda x: np.sin(np.pi * x[:, :1]), lambda _, on_initial: on_initial)
    data = dde.data.TimePDE(
        domain, residual, [sides, start], num_domain=s.inside, num_boundary=s.sides, num_initial=s.start
    )
    model = dde.Model(data, dde.nn.FNN([2, *s.hidden, 1], s.activation, "Glorot normal"))
    model.compile("adam", lr=s.rate)
    model.train(iterations=s.iterations, callbacks=[Marks(watch)])
    dde.optimizers.set_LBFGS_options(maxiter=s.refinement)
    model.compile("L-BFGS")
    model.train(callbacks=[Marks(watch)])


def burgers(s: Settings, watch: Watch) -> None:
    """Burgers' equation with an inner layer."""

    def residual(x: Any, u: Any) -> Any:
        slope = dde.grad.jacobian(u, x, j=0)
        return dde.grad.jacobian(u, x, j=1) + u * slope - 0.01 / np.pi * dde.grad.hessian(u, x, i=0, j=0)

    domain = dde.geometry.GeometryXTime(dde.geometry.Interval(-1, 1), dde.geometry.TimeDomain(0, s.end))
    sides = dde.icbc.DirichletBC(domain, lambda x: 0, lambda _, on_boundary: on_boundary)
    start = dde.icbc.IC(domain, lambda x: -np.sin(np.pi * x[:, :1]), lambda _, on_initial: on_initial)
    data = dde.data.TimePDE(
        domain, residual, [sides, start], num_domain=s.inside, num_boundary=s.sides, num_initial=s.start
    )
    model = dde.Model(data, dde.nn.FNN([2, *s.hidden, 1], s.activation, "Glorot normal"))
    model.compile("adam", lr=s.rate)
    model.train(iterations=s.iterations, callbacks=[Marks(watch)])
    dde.optimizers.set_LBFGS_options(maxiter=s.refinement)
    model.compile("L-BFGS")
    model.train(callbacks=[Marks(watch)])


def hole(s: Settings, watch: Watch) -> None:
    """Helmholtz on a square with a round hole, where the normal derivative is given."""
    k, radius = 2 * np.pi, 0.25

    def residual(x: Any, u: Any) -> Any:
        source = k**2 * torch.sin(k * x[:, :1]) * torch.sin(k * x[:, 1:])
        laplacian = dde.grad.hessian(u, x, i=0, j=0) + dde.grad.hessian(u, x, i=1, j=1)
        return -laplacian - k**2 * u - source

    def exact(x: Any) -> Any:
        return np.sin(k * x[:, :1]) * np.sin(k * x[:, 1:])

    def flux(x: Any) -> Any:
        a, b = x[:, :1], x[:, 1:]
        return -k / radius * (a * np.cos(k * a) * np.sin(k * b) + b * np.sin(k * a) * np.cos(k * b))

    square, disk = dde.geometry.Rectangle([-0.5, -0.5], [0.5, 0.5]), dde.geometry.Disk([0, 0], radius)
    domain = square - disk
    around = dde.icbc.NeumannBC(domain, flux, lambda x, on_boundary: on_boundary and disk.on_boundary(x))
    sides = dde.icbc.DirichletBC(domain, exact, lambda x, on_boundary: on_boundary and square.on_boundary(x))
    data = dde.data.PDE(domain, residual, [around, sides], num_domain=s.inside, num_boundary=s.sides)
    model = dde.Model(data, dde.nn.FNN([2, *s.hidden, 1], s.activation, "Glorot uniform"))
    model.compile("adam", lr=s.rate, loss_weights=[1, 10, 100])
    model.train(iterations=s.iterations, callbacks=[Marks(watch)])


def coefficient(s: Settings, watch: Watch) -> None:
    """The diffusion of the first problem with an unknown coefficient, from ten values at the end."""
    c = dde.Variable(2.0)

    def residual(x: Any, u: Any) -> Any:
        source = (1 - np.pi**2) * torch.exp(-x[:, 1:]) * torch.sin(np.pi * x[:, :1])
        return dde.grad.jacobian(u, x, j=1) - c * dde.grad.hessian(u, x, j=0) + source

    def exact(x: Any) -> Any:
        return np.sin(np.pi * x[:, :1]) * np.exp(-x[:, 1:])

    domain = dde.geometry.GeometryXTime(dde.geometry.Interval(-1, 1), dde.geometry.TimeDomain(0, 1))
    sides = dde.icbc.DirichletBC(domain, exact, lambda _, on_boundary: on_boundary)
    start = dde.icbc.IC(domain, exact, lambda _, on_initial: on_initial)
    places = np.stack([np.linspace(-1, 1, 10), np.ones(10)], 1)
    seen = dde.icbc.PointSetBC(places, exact(places))
    data = dde.data.TimePDE(
        domain,
        residual,
        [sides, start, seen],
        num_domain=s.inside,
        num_boundary=s.sides,
        num_initial=s.start,
        anchors=places,
    )
    model = dde.Model(data, dde.nn.FNN([2, *s.hidden, 1], s.activation, "Glorot uniform"))
    model.compile("adam", lr=s.rate, external_trainable_variables=c)
    model.train(iterations=s.iterations, callbacks=[Marks(watch, c)])


PROBLEMS = {"diffusion": diffusion, "heat": heat, "burgers": burgers, "hole": hole, "coefficient": coefficient}

if __name__ == "__main__":
    torch.set_num_threads(1)
    dde.config.set_random_seed(json.loads(Path(sys.argv[2]).read_text(encoding="utf-8"))["seed"])
    run(PROBLEMS, dde.__version__)
