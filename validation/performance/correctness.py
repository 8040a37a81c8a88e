"""Kernels against the plain PyTorch reference in float64, on the device that is measured."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import torch

import hermite_pinn as hp
from hermite_pinn.cuda.encoder import ops, reference
from hermite_pinn.cuda.encoder.channels import Channels
from hermite_pinn.cuda.encoder.layout import GridLayout
from hermite_pinn.field.field import GridField

from .rows import Row

__all__ = ["kernel_rows", "network_rows", "operator_rows"]

LIMITS = {torch.float64: 1e-11, torch.float32: 2e-4}
CASES = (
    ("cubic", 1, None), ("cubic", 2, None), ("cubic", 2, (64,)), ("cubic", 3, (64,)), ("quintic", 2, (64,)),
    ("linear", 3, None), ("smoothstep", 2, None), ("cosine", 2, None),
)  # fmt: skip


def _difference(a: torch.Tensor, b: torch.Tensor) -> float:
    """Largest difference relative to the largest entry."""
    a, b = a.double().cpu(), b.double().cpu()
    return float((a - b).abs().max() / b.abs().max().clamp(min=1e-300))


def kernel_rows(device: torch.device, points: int = 400) -> list[Row]:
    """Jets, adjoint, diagonal and derivative by the points, for every basis, in both precisions: the largest error."""
    worst = dict.fromkeys(LIMITS, 0.0)
    where = dict.fromkeys(LIMITS, "")
    for basis, dim, sizes in CASES:
        cells = tuple(tuple(n + i % 2 for i in range(dim)) for n in (2, 5, 9)[: 3 if dim < 4 else 2])
        layout = GridLayout((-1.0,) * dim, (1.5,) * dim, cells, basis, 2, sizes, tuple(i == 0 for i in range(dim)))
        channels = Channels.jet(dim, 1) + Channels.laplacian(dim)
        generator = torch.Generator().manual_seed(dim)
        x = -1.0 + 2.5 * torch.rand(dim, points, generator=generator, dtype=torch.float64)
        table = torch.randn(layout.size, generator=generator, dtype=torch.float64)
        weights = torch.randn(layout.levels, 2, len(channels), points, generator=generator, dtype=torch.float64)
        scale = (1 / torch.tensor([float(max(cells[-1])) ** _order(c) for c in channels.channels])).double()
        weights *= scale[:, None]  # channels of equal size, so that an error in any of them shows
        few, some = x[:, :12], weights[..., :12]
        expected = {
            "jets": reference.jets(x, table, layout, channels) * scale[:, None],
            "adjoint": reference.adjoint(x, weights, layout, channels),
            "diagonal": reference.diagonal(few, some, layout, channels),
        }
        for dtype in LIMITS:
            at, t, w = x.to(device, dtype), table.to(device, dtype), weights.to(device, dtype)
            # cells are found in the precision of the points, so the truth is taken at the rounded ones
            exact = at.double().cpu()
            truth = expected
            if dtype is torch.float32:
                rounded_t, rounded_w = t.double().cpu(), w.double().cpu()
                truth = {
                    "jets": reference.jets(exact, rounded_t, layout, channels) * scale[:, None],
                    "adjoint": reference.adjoint(exact, rounded_w, layout, channels),
                    "diagonal": reference.diagonal(exact[:, :12], rounded_w[..., :12], layout, channels),
                }
            computed = {
                "jets": ops.jets(at, t, layout, channels).double().cpu() * scale[:, None],
                "adjoint": ops.adjoint(at, w, layout, channels),
                "diagonal": ops.diagonal(at[:, :12].contiguous(), w[..., :12].contiguous(), layout, channels),
            }
            for name, value in computed.items():
                error = _difference(value, truth[name])
                if error > worst[dtype]:
                    worst[dtype], where[dtype] = error, f"{name}, {basis}, {dim}D"
    return [
        Row(
            f"kernels against the reference, {str(dtype).removeprefix('torch.')}", worst[dtype], "relative", limit,
            note=f"largest error of {len(CASES)} bases and dimensions: {where[dtype]}",
        )
        for dtype, limit in LIMITS.items()
    ]  # fmt: skip


def _order(channel: tuple[tuple[float, tuple[int, ...]], ...]) -> int:
    return max(sum(o) for _, o in channel)


def network_rows(device: torch.device, points: int = 300) -> Iterator[Row]:
    """Jets of both kinds of networks and their gradients by all tensors, against float64 on a CPU, layer by layer."""
    worst = dict.fromkeys(LIMITS, 0.0)
    where = dict.fromkeys(LIMITS, "")
    heads = [("siren", a, 2) for a in ("sine", "tanh")] + [("siren+linear", "sine", 1)]
    for dim in (2, 3):
        box = hp.Box(**dict.fromkeys(("x", "y", "z")[:dim], (0.0, 1.0)))
        channels = Channels.jet(dim, 1) + Channels.laplacian(dim)
        x = torch.rand(dim, points, generator=torch.Generator().manual_seed(dim), dtype=torch.float64)
        for head, activation, depth in heads if dim == 2 else heads[:1]:
            spec = hp.Field(head=head, features=2, table_size=64, width=128, depth=depth, activation=activation)
            native, layered = (replace(spec, fused=f).build(box, ("u",), (False,) * dim, 3) for f in (None, False))
            # coefficients of the size of values in all orders, and an open gate
            moved = {
                k: v.double() + 0.02 * torch.randn(v.shape, generator=torch.Generator().manual_seed(3))
                for k, v in native.tensors().items()
            }
            size = layered.with_tensors(moved).evaluate(x, channels).abs().amax((0, 2))[None, :, None].clamp(min=1e-300)

            def jets_and_gradients(
                built: GridField, device: torch.device, dtype: torch.dtype
            ) -> dict[str, torch.Tensor]:
                field = built.with_tensors(moved).to(device, dtype)  # noqa: B023 - used at once
                tensors = {k: v.detach().clone().requires_grad_() for k, v in field.tensors().items()}
                jets = field.with_tensors(tensors).jets(x.to(device, dtype), channels)  # noqa: B023
                jets = jets / size.to(device, dtype)  # noqa: B023
                gradients = torch.autograd.grad(jets.square().mean(), list(tensors.values()))
                return {"jets": jets.detach()} | dict(zip(tensors, gradients, strict=True))

            truth = jets_and_gradients(layered, torch.device("cpu"), torch.float64)
            for dtype in LIMITS:
                for name, value in jets_and_gradients(native, device, dtype).items():
                    error = _difference(value, truth[name])
                    if error > worst[dtype]:
                        worst[dtype], where[dtype] = error, f"{name}, {head}, {activation}, {dim}D"
    for dtype, limit in LIMITS.items():
        name = str(dtype).removeprefix("torch.")
        note = f"largest error of {len(heads) + 1} heads and dimensions: {where[dtype]}"
        yield Row(
            f"networks against layer by layer in float64, {name}",
            worst[dtype],
            "relative",
            max(limit, 1e-10),
            note=note,
        )


def operator_rows(device: torch.device) -> Iterator[Row]:
    """Products of Gauss-Newton: ``<J p, r> = <p, J^T r>`` on the device, and on a GPU J p against the same on a CPU."""
    from hermite_pinn import problems
    from hermite_pinn.methods.least_squares.rows import dot
    from hermite_pinn.methods.systems.grid_system import GridSystem

    for name, levels in (("helmholtz2d", ((4, 4), (8, 8), (16, 16))), ("burgers", ((4, 4), (8, 8)))):
        problem = problems.make(name)
        here, there = (GridSystem(problem, "cubic", levels, device=d) for d in (torch.device("cpu"), device))
        generator = torch.Generator().manual_seed(0)
        start, p = (0.1 * torch.randn(here.size, generator=generator, dtype=torch.float64) for _ in range(2))
        here.linearize(start)
        r = [
            torch.randn(row.shape, generator=generator, dtype=torch.float64).to(device)
            for row in there.linearize(start.to(device))
        ]
        image = [row.clone() for row in there.forward(p.to(device, copy=True))]
        left, right = float(dot(image, r)), float(torch.vdot(p.to(device), there.adjoint(r)))
        yield Row(f"{name}: J and its transpose agree", abs(left - right) / abs(left), "relative", 1e-11)
        if device.type == "cpu":
            continue
        both = zip(image, here.forward(p.clone()), strict=True)
        yield Row(f"{name}: J as on a CPU", max(_difference(a, b) for a, b in both), "relative", 1e-11)
