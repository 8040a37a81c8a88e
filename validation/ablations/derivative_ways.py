"""Three ways to the second derivatives that a training step needs, for the same field and the same loss.

*Analytic*: the chain rule carries values, slopes and the Laplacian through encoder and network.  *Analytic encoding*:
the encoder gives them for its features, automatic differentiation takes them through the network.  *Autograd*:
automatic differentiation twice through encoder and network.  All end with the gradient of the loss.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch

from hermite_pinn.cuda.encoder.channels import Channels
from hermite_pinn.cuda.encoder.layout import GridLayout
from hermite_pinn.cuda.encoder.reference import contributions
from hermite_pinn.cuda.network.activation import JetPlan
from hermite_pinn.field.grid_field import GridField
from hermite_pinn.field.siren import Siren

__all__ = ["WAYS", "loss_gradient"]

#: Values (n,) and Laplacians (n,) of the first field at points (dim, n).
Way = Callable[[GridField, torch.Tensor], tuple[torch.Tensor, torch.Tensor]]


def encoded(x: torch.Tensor, table: torch.Tensor, layout: GridLayout, channels: Channels) -> torch.Tensor:
    """Features (levels * features, channels, n) in operations of PyTorch, which can be differentiated any often."""
    parts, offsets = [], torch.arange(layout.features)[:, None, None]
    for level in range(layout.levels):
        found = contributions(x, layout, channels, level)
        where = torch.stack([place for place, _ in found])
        factors = torch.stack([torch.stack(f) for _, f in found])
        parts.append(torch.einsum("kcn,fkn->fcn", factors, table[where + offsets]))
    return torch.cat(parts)


def _network(siren: Siren, a: torch.Tensor) -> torch.Tensor:
    """Values (outputs, n) of a sine network from features (inputs, n)."""
    layers = list(zip(siren.weights, siren.biases, strict=True))
    for weight, bias in layers[:-1]:
        a = torch.sin(siren.omega * (weight @ a + bias[:, None]))
    weight, bias = layers[-1]
    return weight @ a + bias[:, None]


def _siren(field: GridField) -> Siren:
    assert field.siren is not None
    return field.siren


def _analytic(field: GridField, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    dim = x.shape[0]
    jets = field.jets(x, Channels.value(dim) + Channels.laplacian(dim))
    return jets[0, 0], jets[0, 1]


def _analytic_in_torch(field: GridField, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    dim = x.shape[0]
    plan: JetPlan = field.head.plan(Channels.value(dim) + Channels.laplacian(dim))
    features = encoded(x, field.table, field.layout, plan.carried)
    read = features.view(field.layout.levels, field.layout.features, len(plan.carried), -1)
    jets = field.head.jets(read, plan)
    return jets[0, 0], jets[0, 1]


def _autograd_network(field: GridField, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    dim = x.shape[0]
    pure = Channels.of(dim, [[2 * (i == j) for j in range(dim)] for i in range(dim)])
    jets = field.encoder.jets(x, Channels.jet(dim, 1) + pure).flatten(0, 1)
    features, slopes, bends = jets[:, 0], jets[:, 1 : 1 + dim], jets[:, 1 + dim :]
    u = _network(_siren(field), features)[0]
    (by_feature,) = torch.autograd.grad(u.sum(), features, create_graph=True)
    laplacian = (by_feature[:, None] * bends).sum((0, 1))
    for i in range(dim):
        (curved,) = torch.autograd.grad((by_feature * slopes[:, i]).sum(), features, create_graph=True)
        laplacian = laplacian + (curved * slopes[:, i]).sum(0)
    return u, laplacian


def _autograd(field: GridField, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    x = x.detach().requires_grad_()
    features = encoded(x, field.table, field.layout, Channels.value(x.shape[0]))[:, 0]
    u = _network(_siren(field), features)[0]
    (slopes,) = torch.autograd.grad(u.sum(), x, create_graph=True)
    laplacian = torch.zeros_like(u)
    for i in range(x.shape[0]):
        (bends,) = torch.autograd.grad(slopes[i].sum(), x, create_graph=True)
        laplacian = laplacian + bends[i]
    return u, laplacian


WAYS: Mapping[str, Way] = {
    "analytic": _analytic,
    "analytic encoding, autograd network": _autograd_network,
    "analytic, encoder in PyTorch": _analytic_in_torch,
    "autograd, encoder in PyTorch": _autograd,
}


def loss_gradient(
    way: str, field: GridField, x: torch.Tensor, source: torch.Tensor, k: float = 1.0
) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
    """The mean square of ``Laplacian u + k^2 u - f`` at points and its gradient by all tensors of a field.

    Parameters
    ----------
    way
        Key of :data:`WAYS`.
    field
        A grid read by a sine network.
    x, source
        Points (dim, n) and f there, (n,).
    k
        The wave number.
    """
    tensors = {name: value.detach().requires_grad_() for name, value in field.tensors().items()}
    u, laplacian = WAYS[way](field.with_tensors(tensors), x)
    loss = (laplacian + k**2 * u - source).square().mean()
    gradients = torch.autograd.grad(loss, list(tensors.values()))
    return loss.detach(), dict(zip(tensors, gradients, strict=True))
