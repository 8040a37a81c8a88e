"""The fused update is PyTorch's Adam followed by a clamp and a moving average, on the numbers it is asked to touch."""

import pytest
import torch
from on_device import OnDevice

from hermite_pinn.cuda.optimizer import adam
from hermite_pinn.cuda.optimizer.adam import AdamRule, adam_step
from hermite_pinn.cuda.runtime import host, nvrtc
from hermite_pinn.errors import BackendUnavailableError


def trained(dtype, device, rule, steps, live=None, reach=None, size=70_001):
    """Ten steps by the kernel and by PyTorch: (parameter, average) of both."""
    generator = torch.Generator().manual_seed(1)
    start = torch.randn(size, generator=generator, dtype=dtype)
    ours, average = start.clone().to(device), start.clone().to(device)
    moments = torch.zeros_like(ours), torch.zeros_like(ours)
    theirs, follows = torch.nn.Parameter(start.clone()), start.clone()
    optimiser = torch.optim.Adam([theirs], lr=0.1, betas=(rule.beta1, rule.beta2), eps=rule.epsilon)
    for t in range(1, steps + 1):
        rate = 0.1 / t
        gradient = torch.randn(size, generator=generator, dtype=dtype) * 10.0 ** float(3 * t - 9)
        scalars = torch.tensor(rule.scalars(t, rate), dtype=torch.float64, device=device)
        adam_step(ours, gradient.to(device), moments, average, scalars, rule, live, reach)
        theirs.grad = gradient.clone()
        if live is not None:
            theirs.grad[live:] = 0
        optimiser.param_groups[0]["lr"] = rate
        optimiser.step()
        with torch.no_grad():
            theirs.clamp_(rule.lower, rule.upper)
            follows.lerp_(theirs, rule.share)
    return (ours.cpu(), average.cpu()), (theirs.detach(), follows)


@pytest.mark.parametrize(("dtype", "tol"), [(torch.float32, 3e-6), (torch.float64, 1e-14)])
@pytest.mark.parametrize("live", [None, 40_000, 0])
def test_equal_to_pytorch_to_rounding(device, dtype, tol, live):
    rule = AdamRule(share=0.1, lower=-1.5, upper=1.6)
    for found, expected in zip(*trained(dtype, device, rule, 6, live), strict=True):
        assert torch.allclose(found, expected, rtol=tol, atol=tol)


def test_equal_without_a_compiler(monkeypatch):
    monkeypatch.setattr(host, "available", lambda: False)
    rule = AdamRule(share=0.1, upper=1.0)
    for found, expected in zip(*trained(torch.float64, "cpu", rule, 4, 30, 40, 50), strict=True):
        assert torch.allclose(found[:40], expected[:40], rtol=1e-13, atol=1e-13)


def test_what_is_out_of_reach_is_left_alone(device):
    """Not even bounds: the numbers of levels that never had a gradient."""
    rule = AdamRule(share=0.5, upper=0.5)
    (found, average), _ = trained(torch.float32, device, rule, 2, live=10, reach=20)
    start = torch.randn(70_001, generator=torch.Generator().manual_seed(1))
    assert torch.equal(found[20:], start[20:])
    assert torch.equal(average[20:], start[20:])
    assert float(found[:20].max()) <= 0.5


def test_a_gradient_that_is_not_a_number_shows(device):
    p, m, v = (torch.zeros(3, device=device) for _ in range(3))
    scalars = torch.tensor(AdamRule().scalars(1, 0.1), dtype=torch.float64, device=device)
    adam_step(p, torch.tensor([1.0, float("nan"), 0.0], device=device), (m, v), None, scalars, AdamRule(upper=1.0))
    assert torch.isnan(p[1])
    assert torch.isfinite(p[[0, 2]]).all()


def test_the_change_is_seen_by_automatic_differentiation():
    """A graph that saved the parameter before the update must refuse to go backward through it."""
    p = torch.ones(2, requires_grad=True)
    loss = (p * p).sum()
    scalars = torch.tensor(AdamRule().scalars(1, 0.1), dtype=torch.float64)
    adam_step(p, torch.ones(2), (torch.zeros(2), torch.zeros(2)), None, scalars, AdamRule())
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        loss.backward()


@pytest.mark.parametrize("architecture", nvrtc.ARCHITECTURES)
def test_cuda_compiles_without_spilling(architecture):
    try:
        nvrtc.version()
    except BackendUnavailableError as error:
        pytest.skip(str(error))
    for dtype in (torch.float32, torch.float64):
        assert nvrtc.compile_for(adam._source(dtype, "cu"), architecture).spilled == 0


def test_launch_geometry_and_arguments(monkeypatch):
    calls = []
    monkeypatch.setattr(adam.device, "start", lambda *given: calls.append(given))
    p, g, m, v, average = (torch.zeros(1000).as_subclass(OnDevice) for _ in range(5))
    scalars = torch.zeros(2, dtype=torch.float64).as_subclass(OnDevice)
    adam_step(p, g, (m, v), average, scalars, AdamRule(share=0.25, lower=-1.0, upper=2.0), 300, 500)
    _, name, index, grid, arguments = calls[0]
    assert (name, index, grid) == ("hp_adam", 3, (4, 1))
    assert arguments[:2] == (500, 300)
    assert all(a is b for a, b in zip(arguments[2:8], (p, g, m, v, average, scalars), strict=True))
    assert arguments[8:] == pytest.approx((0.1, 0.001, 1e-8, -1.0, 2.0, 0.25))
