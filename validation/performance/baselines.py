"""Analytic jets of the paper's model against automatic differentiation and finite differences, in one run."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import torch

import hermite_pinn as hp
from hermite_pinn.cuda.encoder import reference
from hermite_pinn.cuda.encoder.channels import Channels
from hermite_pinn.field.grid_field import GridField
from hermite_pinn.field.tree import TABLE

from .rows import Row
from .stencil import laplacian, neighbours
from .timing import median_seconds

__all__ = ["autodiff", "derivative_rows", "finite_differences", "paper_model"]


Work = Callable[[], object]
Jets = Callable[[GridField, torch.Tensor], tuple[torch.Tensor, torch.Tensor]]


def paper_model(
    dim: int, device: torch.device, table: int = 2**14, basis: str = "cubic", fused: bool | None = None
) -> GridField:
    """Eight levels from 4 to 512 cells, two features, SIREN of two layers with 128 units; float32.

    The tables are random in every coefficient and larger than at the start of a training, so that levels and layers
    all matter for the derivatives that are compared.
    """
    spec = hp.Field(head="siren", basis=basis, features=2, table_size=table, width=128, depth=2, omega=0.5, fused=fused)
    box = hp.Box(**dict.fromkeys(("x", "y", "z")[:dim], (0.0, 1.0)))
    field = spec.build(box, ("u",), (False,) * dim, 8, 0, torch.float32, device)
    values = 0.01 * torch.randn(field.table.shape, generator=torch.Generator().manual_seed(1)).to(device)
    return field.with_tensors(field.tensors() | {TABLE: values})


def _network(field: GridField, features: torch.Tensor) -> torch.Tensor:
    """The head in plain PyTorch: features (inputs, n) to values (n,)."""
    siren = field.siren
    assert siren is not None
    a = features
    for k, (weight, bias) in enumerate(zip(siren.weights, siren.biases, strict=True)):
        a = weight @ a + bias[:, None]
        if k < len(siren.weights) - 1:
            a = torch.sin(siren.omega * a)
    return a[0]


def autodiff(field: GridField, x: torch.Tensor, graph: bool = False) -> tuple[torch.Tensor, torch.Tensor]:
    """Value and Laplacian (n,) each, by the plain PyTorch encoder and ``torch.autograd``."""
    x = x.detach().clone().requires_grad_()
    features = reference.jets(x, field.table, field.layout, Channels.value(len(x)))
    value = _network(field, features.reshape(-1, x.shape[1]))
    (slope,) = torch.autograd.grad(value.sum(), x, create_graph=True)
    total = torch.zeros_like(value)
    for i in range(len(x)):
        (second,) = torch.autograd.grad(slope[i].sum(), x, create_graph=graph, retain_graph=True)
        total = total + second[i]
    return value, total


def finite_differences(field: GridField, x: torch.Tensor, h: float) -> tuple[torch.Tensor, torch.Tensor]:
    """Value and Laplacian by central differences: 2 d + 1 passes of the field."""
    channels = Channels.value(len(x))
    middle, pairs = neighbours(lambda at: field.jets(at, channels)[0, 0], x, h)
    return middle, laplacian(middle, pairs, h)


def _analytic(field: GridField, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    dim = len(x)
    jets = field.jets(x, Channels.value(dim) + Channels.laplacian(dim))[0]
    return jets[0], jets[1]


def _evaluation(jets: Jets, field: GridField, x: torch.Tensor) -> Work:
    return torch.no_grad()(lambda: jets(field, x))


def _step(jets: Jets, field: GridField, x: torch.Tensor) -> Work:
    """The gradient of a loss of value and Laplacian by all parameters."""
    tensors = {k: v.detach().clone().requires_grad_() for k, v in field.tensors().items()}
    model, parameters = field.with_tensors(tensors), list(tensors.values())

    def work() -> object:
        value, second = jets(model, x)
        return torch.autograd.grad(value.square().mean() + second.square().mean(), parameters, allow_unused=True)

    return work


@dataclass(frozen=True)
class _Comparison:
    """What the ratios of some times say: the field and points they are measured at, and the target.

    ``repeats`` is how often the other way is measured.
    """

    device: torch.device
    note: str
    target: float | None
    repeats: int = 7

    def row(self, label: str, ours: Work, theirs: Work) -> Row:
        """Seconds of the other way over those of ours."""
        gpu = self.device.type == "cuda"
        analytic = median_seconds(ours, self.device, inner=5 if gpu else 1)
        inner = 5 if gpu and self.repeats > 3 else 1
        other = median_seconds(theirs, self.device, repeats=self.repeats, inner=inner)
        details = {"analytic_seconds": analytic, "other_seconds": other}
        return Row(label, other / analytic, "times", self.target, True, self.note, details)


def _error_rows(field: GridField, x: torch.Tensor) -> Iterator[Row]:
    """Errors of both Laplacians in float32; the truth for both is that of the same network in float64."""
    exact = _analytic(field.to(x.device, torch.float64), x.double())[1]
    for name, computed in (("analytic", _analytic(field, x)[1]), ("autodiff", autodiff(field, x)[1])):
        error = float((computed.double() - exact).norm() / exact.norm())
        yield Row(f"Laplacian, {name}, float32: error", error, "relative L2", 1e-3)


def derivative_rows(device: torch.device, points: int, reference_points: int) -> Iterator[Row]:
    """Value and Laplacian alone, and with the gradient of a loss of them by all parameters.

    Autodiff and analytic jets see the same model and the same points; finite differences are those of a trilinear
    encoder of the same size, with the native kernels.
    """
    gpu = device.type == "cuda"
    alone, both = "value and Laplacian", "with gradients by all parameters"
    field = paper_model(2, device)
    x = torch.rand(2, points, generator=torch.Generator().manual_seed(2)).to(device)
    few = x[:, :reference_points].contiguous()
    yield from _error_rows(field, few)

    note = f"paper's 2D model, {reference_points:,} points, float32"
    compared = _Comparison(device, note, 20.0 if gpu else 5.0, repeats=3)
    what = "autodiff over analytic"
    yield compared.row(f"{alone}: {what}", _evaluation(_analytic, field, few), lambda: autodiff(field, few))
    theirs = _step(partial(autodiff, graph=True), field, few)
    yield compared.row(f"{both}: {what}", _step(_analytic, field, few), theirs)

    note = f"paper's 2D model, {points:,} points, float32"
    passes = f"{note}; 5 passes of a trilinear encoder with the same levels and tables"
    compared = _Comparison(device, passes, 3.0 if gpu else None)
    what = "finite differences over analytic"
    linear, differences = paper_model(2, device, basis="linear"), partial(finite_differences, h=1.0 / 512)
    theirs = _evaluation(differences, linear, x)
    yield compared.row(f"{alone}: {what}", _evaluation(_analytic, field, x), theirs)
    yield compared.row(f"{both}: {what}", _step(_analytic, field, x), _step(differences, linear, x))

    unfused = paper_model(2, device, fused=False).with_tensors(field.tensors())
    compared = _Comparison(device, note, None)
    what = "layer by layer over one kernel"
    yield compared.row(f"{both}: {what}", _step(_analytic, field, x), _step(_analytic, unfused, x))
