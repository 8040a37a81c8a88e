"""The problems of the suite in PINA."""

# mypy: disable-error-code="misc"
# ruff: noqa: RUF012 - its problems are classes with such attributes

from __future__ import annotations

import json
import logging
import sys
import warnings
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from frame import Settings, Watch, run
from lightning.pytorch import Callback, seed_everything
from pina import Condition, LabelTensor, Trainer
from pina.domain import CartesianDomain, Difference, EllipsoidDomain
from pina.equation import Equation, FixedValue
from pina.model import FeedForward
from pina.operator import grad, laplacian
from pina.optim import TorchOptimizer
from pina.problem import InverseProblem, SpatialProblem, TimeDependentProblem
from pina.solver import PINN
from pina.weighting import ScalarWeighting

#: Nothing is drawn, logged or saved.
QUIET = {
    "accelerator": "cpu",
    "enable_progress_bar": False,
    "enable_model_summary": False,
    "enable_checkpointing": False,
    "logger": False,
}


class Sine(torch.nn.Module):
    """An activation that PyTorch lacks."""

    # mypy: disable-error-code="misc"
    def forward(self, x: Any) -> Any:
        """Element by element."""
        return torch.sin(x)


ACTIVATIONS = {"tanh": torch.nn.Tanh, "softplus": torch.nn.Softplus, "sin": Sine}


class Marks(Callback):
    """Keeps predictions, or the value of an unknown coefficient."""

    # mypy: disable-error-code="misc"
    def __init__(self, watch: Watch, axes: tuple[str, ...], coefficient: Any = None) -> None:
        super().__init__()
        self.watch, self.axes, self.coefficient = watch, list(axes), coefficient

    def on_train_epoch_end(self, trainer: Any, solver: Any) -> None:
        """After an iteration."""
        self.watch.keep(trainer.current_epoch + 1, lambda points: self.predict(solver, points))

    def on_train_end(self, trainer: Any, solver: Any) -> None:
        """After all of them."""
        self.watch.keep(trainer.current_epoch, lambda points: self.predict(solver, points), last=True)

    def predict(self, solver: Any, points: np.ndarray) -> Any:
        """What is compared."""
        if self.coefficient is not None:
            return self.coefficient.detach().numpy()
        with torch.no_grad():
            places = LabelTensor(torch.tensor(points.T, dtype=torch.float32), self.axes)
            return solver.forward(places).as_subclass(torch.Tensor).numpy()


def diffusion(s: Settings, watch: Watch) -> None:
    """Diffusion with a source, on an interval and in time."""

    # mypy: disable-error-code="misc"
    def exact(p: Any) -> Any:
        return torch.exp(-p["t"]) * torch.sin(torch.pi * p["x"])

    def residual(p: Any, u: Any) -> Any:
        slope = grad(u, p, components=["u"], d=["t"])
        return slope - laplacian(u, p, components=["u"], d=["x"]) + (1 - torch.pi**2) * exact(p)

    class Diffusion(TimeDependentProblem, SpatialProblem):
        output_variables = ["u"]
        spatial_domain = CartesianDomain({"x": [-1, 1]})
        temporal_domain = CartesianDomain({"t": [0, 1]})
        domains = {
            "inside": CartesianDomain({"x": [-1, 1], "t": [0, 1]}),
            "left": CartesianDomain({"x": -1, "t": [0, 1]}),
            "right": CartesianDomain({"x": 1, "t": [0, 1]}),
            "start": CartesianDomain({"x": [-1, 1], "t": 0}),
        }
        conditions = {
            "inside": Condition(domain="inside", equation=Equation(residual)),
            "left": Condition(domain="left", equation=FixedValue(0.0)),
            "right": Condition(domain="right", equation=FixedValue(0.0)),
            "start": Condition(domain="start", equation=Equation(lambda p, u: u - exact(p))),
        }

    problem = Diffusion()
    problem.discretise_domain(s.inside, "random", domains=["inside"])
    problem.discretise_domain(s.sides // 2, "random", domains=["left", "right"])
    problem.discretise_domain(s.start, "random", domains=["start"])
    model = FeedForward(2, 1, layers=s.hidden, func=ACTIVATIONS[s.activation])
    solver = PINN(problem, model, optimizer=TorchOptimizer(torch.optim.Adam, lr=s.rate))
    trainer = Trainer(solver, max_epochs=s.iterations, callbacks=[Marks(watch, ("x", "t"))], **QUIET)
    trainer.train()


def heat(s: Settings, watch: Watch) -> None:
    """The heat equation without a source."""

    # mypy: disable-error-code="misc"
    def residual(p: Any, u: Any) -> Any:
        return grad(u, p, components=["u"], d=["t"]) - 0.4 * laplacian(u, p, components=["u"], d=["x"])

    class Heat(TimeDependentProblem, SpatialProblem):
        output_variables = ["u"]
        spatial_domain = CartesianDomain({"x": [0, 1]})
        temporal_domain = CartesianDomain({"t": [0, 1]})
        domains = {
            "inside": CartesianDomain({"x": [0, 1], "t": [0, 1]}),
            "left": CartesianDomain({"x": 0, "t": [0, 1]}),
            "right": CartesianDomain({"x": 1, "t": [0, 1]}),
            "start": CartesianDomain({"x": [0, 1], "t": 0}),
        }
        conditions = {
            "inside": Condition(domain="inside", equation=Equation(residual)),
            "left": Condition(domain="left", equation=FixedValue(0.0)),
            "right": Condition(domain="right", equation=FixedValue(0.0)),
            "start": Condition(domain="start", equation=Equation(lambda p, u: u - torch.sin(torch.pi * p["x"]))),
        }

    problem = Heat()
    problem.discretise_domain(s.inside, "random", domains=["inside"])
    problem.discretise_domain(s.sides // 2, "random", domains=["left", "right"])
    problem.discretise_domain(s.start, "random", domains=["start"])
    model = FeedForward(2, 1, layers=s.hidden, func=ACTIVATIONS[s.activation])
    solver = PINN(problem, model, optimizer=TorchOptimizer(torch.optim.Adam, lr=s.rate))
    trainer = Trainer(solver, max_epochs=s.iterations, callbacks=[Marks(watch, ("x", "t"))], **QUIET)
    trainer.train()


def burgers(s: Settings, watch: Watch) -> None:
    """Burgers' equation with an inner layer."""

    # mypy: disable-error-code="misc"
    def residual(p: Any, u: Any) -> Any:
        slopes = grad(u, p, components=["u"], d=["x", "t"])
        curvature = laplacian(u, p, components=["u"], d=["x"])
        return slopes["dudt"] + u * slopes["dudx"] - 0.01 / torch.pi * curvature

    class Burgers(TimeDependentProblem, SpatialProblem):
        output_variables = ["u"]
        spatial_domain = CartesianDomain({"x": [-1, 1]})
        temporal_domain = CartesianDomain({"t": [0, 1]})
        domains = {
            "inside": CartesianDomain({"x": [-1, 1], "t": [0, 1]}),
            "left": CartesianDomain({"x": -1, "t": [0, 1]}),
            "right": CartesianDomain({"x": 1, "t": [0, 1]}),
            "start": CartesianDomain({"x": [-1, 1], "t": 0}),
        }
        conditions = {
            "inside": Condition(domain="inside", equation=Equation(residual)),
            "left": Condition(domain="left", equation=FixedValue(0.0)),
            "right": Condition(domain="right", equation=FixedValue(0.0)),
            "start": Condition(domain="start", equation=Equation(lambda p, u: u + torch.sin(torch.pi * p["x"]))),
        }

    problem = Burgers()
    problem.discretise_domain(s.inside, "random", domains=["inside"])
    problem.discretise_domain(s.sides // 2, "random", domains=["left", "right"])
    problem.discretise_domain(s.start, "random", domains=["start"])
    model = FeedForward(2, 1, layers=s.hidden, func=ACTIVATIONS[s.activation])
    solver = PINN(problem, model, optimizer=TorchOptimizer(torch.optim.Adam, lr=s.rate))
    trainer = Trainer(solver, max_epochs=s.iterations, callbacks=[Marks(watch, ("x", "t"))], **QUIET)
    trainer.train()


def hole(s: Settings, watch: Watch) -> None:
    """Helmholtz on a square with a round hole, where the normal derivative is given."""
    k, radius = 2 * torch.pi, 0.25

    def exact(p: Any) -> Any:
        return torch.sin(k * p["x"]) * torch.sin(k * p["y"])

    def residual(p: Any, u: Any) -> Any:
        return -laplacian(u, p, components=["u"], d=["x", "y"]) - k**2 * u - k**2 * exact(p)

    def around(p: Any, u: Any) -> Any:
        slopes = grad(u, p, components=["u"], d=["x", "y"])
        across = slopes["dudx"] - k * torch.cos(k * p["x"]) * torch.sin(k * p["y"])
        along = slopes["dudy"] - k * torch.sin(k * p["x"]) * torch.cos(k * p["y"])
        return -(p["x"] * across + p["y"] * along) / radius

    square = CartesianDomain({"x": [-0.5, 0.5], "y": [-0.5, 0.5]})
    disk = {"x": [-radius, radius], "y": [-radius, radius]}

    class Helmholtz(SpatialProblem):
        output_variables = ["u"]
        spatial_domain = square
        domains = {
            "inside": Difference([square, EllipsoidDomain(disk)]),
            "hole": EllipsoidDomain(disk, sample_surface=True),
            "sides": square.partial(),
        }
        conditions = {
            "inside": Condition(domain="inside", equation=Equation(residual)),
            "hole": Condition(domain="hole", equation=Equation(around)),
            "sides": Condition(domain="sides", equation=Equation(lambda p, u: u - exact(p))),
        }

    problem = Helmholtz()
    problem.discretise_domain(s.inside, "random", domains=["inside"])
    problem.discretise_domain(s.sides // 2, "random", domains=["hole", "sides"])
    model = FeedForward(2, 1, layers=s.hidden, func=ACTIVATIONS[s.activation])
    solver = PINN(
        problem,
        model,
        optimizer=TorchOptimizer(torch.optim.Adam, lr=s.rate),
        weighting=ScalarWeighting({"inside": 1.0, "hole": 10.0, "sides": 100.0}),
    )
    trainer = Trainer(solver, max_epochs=s.iterations, callbacks=[Marks(watch, ("x", "y"))], **QUIET)
    trainer.train()


def coefficient(s: Settings, watch: Watch) -> None:
    """The diffusion of the first problem with an unknown coefficient, from ten values at the end."""

    # mypy: disable-error-code="misc"
    def exact(p: Any) -> Any:
        return torch.exp(-p["t"]) * torch.sin(torch.pi * p["x"])

    def residual(p: Any, u: Any, unknown: Any) -> Any:
        slope = grad(u, p, components=["u"], d=["t"])
        return slope - unknown["c"] * laplacian(u, p, components=["u"], d=["x"]) + (1 - torch.pi**2) * exact(p)

    places = LabelTensor(torch.stack([torch.linspace(-1, 1, 10), torch.ones(10)], 1), ["x", "t"])

    class Coefficient(TimeDependentProblem, SpatialProblem, InverseProblem):
        output_variables = ["u"]
        spatial_domain = CartesianDomain({"x": [-1, 1]})
        temporal_domain = CartesianDomain({"t": [0, 1]})
        unknown_parameter_domain = CartesianDomain({"c": [0.1, 10]})
        domains = {
            "inside": CartesianDomain({"x": [-1, 1], "t": [0, 1]}),
            "left": CartesianDomain({"x": -1, "t": [0, 1]}),
            "right": CartesianDomain({"x": 1, "t": [0, 1]}),
            "start": CartesianDomain({"x": [-1, 1], "t": 0}),
        }
        conditions = {
            "inside": Condition(domain="inside", equation=Equation(residual)),
            "left": Condition(domain="left", equation=FixedValue(0.0)),
            "right": Condition(domain="right", equation=FixedValue(0.0)),
            "start": Condition(domain="start", equation=Equation(lambda p, u: u - exact(p))),
            "seen": Condition(input=places, target=LabelTensor(exact(places).as_subclass(torch.Tensor), ["u"])),
        }

    problem = Coefficient()
    problem.unknown_parameters["c"].data.fill_(2.0)
    problem.discretise_domain(s.inside, "random", domains=["inside"])
    problem.discretise_domain(s.sides // 2, "random", domains=["left", "right"])
    problem.discretise_domain(s.start, "random", domains=["start"])
    model = FeedForward(2, 1, layers=s.hidden, func=ACTIVATIONS[s.activation])
    solver = PINN(problem, model, optimizer=TorchOptimizer(torch.optim.Adam, lr=s.rate))
    marks = Marks(watch, ("x", "t"), problem.unknown_parameters["c"])
    trainer = Trainer(solver, max_epochs=s.iterations, callbacks=[marks], **QUIET)
    trainer.train()


PROBLEMS = {"diffusion": diffusion, "heat": heat, "burgers": burgers, "hole": hole, "coefficient": coefficient}

if __name__ == "__main__":
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    seed_everything(json.loads(Path(sys.argv[2]).read_text(encoding="utf-8"))["seed"], verbose=False)
    run(PROBLEMS, version("pina-mathlab"))
