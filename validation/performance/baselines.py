"""Analytic jets of the paper's model against automatic differentiation and finite differences, in one run."""

from __future__ import annotations

from collections.abc import Callable, Iterator
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
    found = field.jets(x, Channels.value(dim) + Channels.laplacian(dim))[0]
    return found[0], found[1]


def derivative_rows(device: torch.device, points: int, reference_points: int) -> Iterator[Row]:
    """Value and Laplacian alone, and with the gradient of a loss of them by all parameters.

    Autodiff and analytic jets see the same model and the same points; finite differences are those of a trilinear
    encoder of the same size, with the native kernels.
    """
    gpu = device.type == "cuda"
    field = paper_model(2, device)
    linear = paper_model(2, device, basis="linear")
    generator = torch.Generator().manual_seed(2)
    x = torch.rand(2, points, generator=generator).to(device)
    few = x[:, :reference_points].contiguous()
    # The Laplacian of a float32 network in float64 is the truth for both.
    exact = _analytic(field.to(device, torch.float64), few.double())[1]
    for name, found in (("analytic", _analytic(field, few)[1]), ("autodiff", autodiff(field, few)[1])):
        error = float((found.double() - exact).norm() / exact.norm())
        yield Row(f"Laplacian, {name}, float32: error", error, "relative L2", 1e-3)

    def trained(source: GridField) -> tuple[GridField, list[torch.Tensor]]:
        tensors = {k: v.detach().clone().requires_grad_() for k, v in source.tensors().items()}
        return source.with_tensors(tensors), list(tensors.values())

    model, tensors = trained(field)
    other, others = trained(linear)

    def evaluate(jets: Callable[..., object], source: GridField, at: torch.Tensor) -> Work:
        return torch.no_grad()(lambda: jets(source, at))

    def step(values: tuple[torch.Tensor, torch.Tensor], of: list[torch.Tensor]) -> object:
        return torch.autograd.grad(sum(v.square().mean() for v in values), of, allow_unused=True)  # type: ignore[arg-type]

    def compared(what: str, ours: Work, theirs: Work, limit: float | None, note: str, repeats: int) -> Row:
        analytic = median_seconds(ours, device, inner=5 if gpu else 1)
        other = median_seconds(theirs, device, repeats=repeats, inner=5 if gpu and repeats > 3 else 1)
        details = {"analytic_seconds": analytic, "other_seconds": other}
        return Row(what, other / analytic, "times", limit, True, note, details)

    note, limit = f"paper's 2D model, {reference_points:,} points, float32", 20.0 if gpu else 5.0
    alone, both = "value and Laplacian", "with gradients by all parameters"
    yield compared(
        f"{alone}: autodiff over analytic",
        evaluate(_analytic, field, few),
        lambda: autodiff(field, few),
        limit,
        note,
        3,
    )
    theirs = lambda: step(autodiff(model, few, graph=True), tensors)  # noqa: E731
    yield compared(
        f"{both}: autodiff over analytic", lambda: step(_analytic(model, few), tensors), theirs, limit, note, 3
    )

    h, least = 1.0 / 512, 3.0 if gpu else None
    note = f"paper's 2D model, {points:,} points, float32; trilinear encoder of the same levels and tables, 5 passes"
    differences = partial(finite_differences, h=h)
    yield compared(
        f"{alone}: finite differences over analytic",
        evaluate(_analytic, field, x),
        evaluate(differences, linear, x),
        least,
        note,
        7,
    )
    theirs = lambda: step(differences(other, x), others)  # noqa: E731
    yield compared(
        f"{both}: finite differences over analytic", lambda: step(_analytic(model, x), tensors), theirs, least, note, 7
    )
    unfused = paper_model(2, device, fused=False).with_tensors(model.tensors())
    theirs = lambda: step(_analytic(unfused, x), tensors)  # noqa: E731
    note = f"paper's 2D model, {points:,} points, float32"
    yield compared(
        f"{both}: layer by layer over one kernel", lambda: step(_analytic(model, x), tensors), theirs, None, note, 7
    )
