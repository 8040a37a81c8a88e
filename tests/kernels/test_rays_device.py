"""The CUDA sources of rays: compiled by NVRTC, and run on a GPU, or on one that is not there."""

import pytest
import torch
from emulated_gpu import emulated, why_not
from rays import F64, packed, patches, rays, unit
from selection import architectures

from hermite_pinn.cuda.rays.compositing import compact, composite
from hermite_pinn.cuda.rays.harmonics import spherical_harmonics
from hermite_pinn.cuda.rays.launch import source
from hermite_pinn.cuda.rays.marching import Marching, march
from hermite_pinn.cuda.rays.occupancy import OccupancyGrid
from hermite_pinn.cuda.rays.samples import Samples
from hermite_pinn.cuda.runtime import nvrtc
from hermite_pinn.errors import BackendUnavailableError

OPTIONS = Marching(step=0.02, cone=1 / 64, most=200)


@pytest.mark.parametrize("file", ["march", "composite", "occupancy", "harmonics"])
@pytest.mark.parametrize("architecture", architectures())
def test_compiles_without_spilling(architecture, file):
    try:
        nvrtc.version()
    except BackendUnavailableError as error:
        pytest.skip(str(error))
    for dtype in (torch.float32, F64):
        assert nvrtc.compile_for(source(file, dtype, "cu"), architecture).spilled == 0


def occupied(place):
    grid, generator = OccupancyGrid(unit(8, 3), place), torch.Generator().manual_seed(3)
    on = torch.randint(3 * 512, (60,), generator=generator)
    grid.update(on.to(place), torch.ones(60, device=place))
    return grid


def marched(place, dtype=F64):
    grid = patches(unit(8, 2))
    there = OccupancyGrid(unit(8, 2), place)
    there.bits = grid.bits.to(place)
    o, d = (a.to(place).requires_grad_() for a in rays(70, dtype))
    found = march(o, d, there, OPTIONS, 5)
    by = torch.autograd.grad(found.positions, (o, d), torch.cos(found.positions.detach()))
    return found.offsets, found.rays, found.t, found.dt, found.positions.detach(), *by


def marched_over_large_blocks(place):
    """One lit cell of 128^3, so that blocks of all widths are empty."""
    there = OccupancyGrid(unit(128), place)
    there.bits = torch.zeros_like(there.bits)
    there.bits[0, 3 * 4096 + 77] = 64
    o, d = (a.to(place) for a in rays(40))
    found = march(o, d, there, Marching(step=0.02))
    return found.offsets, found.rays, found.t, found.dt, found.positions


def harmonic(place):
    directions = torch.nn.functional.normalize(rays(70)[1], dim=0).to(place).requires_grad_()
    found = spherical_harmonics(directions)
    return found.detach(), *torch.autograd.grad(found, directions, torch.cos(found.detach()))


def composited(place, dtype=F64):
    samples, *tensors = packed([3, 0, 150, 40] * 40, dtype)
    arrays = (samples.offsets, samples.rays, samples.t, samples.dt, samples.positions)
    samples = Samples(*(a.to(place) for a in arrays))
    given = [a.to(place).requires_grad_() for a in (*tensors, samples.t, samples.dt)]
    moved = Samples(samples.offsets, samples.rays, given[3], given[4], samples.positions)
    seen = composite(moved, *given[:3])
    results = (seen.colour, seen.opacity, seen.depth, seen.weights)
    by = torch.autograd.grad(results, given, [torch.cos(a.detach()) for a in results])
    kept, index = compact(samples, given[0])
    return *(a.detach() for a in results), *by, kept.offsets, index, kept.positions


def alike(found, expected):
    for a, b in zip(found, expected, strict=True):
        assert a.shape == b.shape
        assert torch.equal(a, b) if b.dtype == torch.int64 else torch.allclose(a, b, rtol=1e-10, atol=1e-11)


@pytest.mark.parametrize("run", [marched, marched_over_large_blocks, harmonic, composited])
def test_equal_on_every_device(device, run):
    alike([a.cpu() for a in run(device)], run("cpu"))


def test_occupied_cells_are_equal_on_every_device(device):
    assert torch.equal(occupied(device).bits.cpu(), occupied("cpu").bits)


@pytest.mark.skipif(why_not() is not None, reason=str(why_not()))
@pytest.mark.usefixtures("one_thread")
class TestEmulated:
    """The kernels themselves, run by fibers; launches are checked against their parameters."""

    @pytest.mark.parametrize("run", [marched, marched_over_large_blocks, harmonic, composited])
    def test_rays(self, run):
        with emulated() as gpu:
            found = [a.cpu() for a in run("cuda")]
            assert gpu.launches
        alike(found, run("cpu"))

    def test_occupied_cells(self):
        with emulated():
            found = occupied("cuda")
            bits, values = found.bits.cpu(), found.values.cpu()
        assert torch.equal(bits, occupied("cpu").bits)
        assert torch.equal(values, occupied("cpu").values)

    def test_the_host_waits_for_the_number_of_samples_alone(self):
        samples, sigma, colours, background = packed([3, 0, 15], F64)
        with emulated() as gpu:
            o, d = (a.to("cuda") for a in rays(10))
            grid = OccupancyGrid(unit(8), "cuda")
            arrays = (samples.offsets, samples.rays, samples.t, samples.dt, samples.positions)
            there = Samples(*(a.to("cuda") for a in arrays))
            given = [a.to("cuda") for a in (sigma, colours, background)]
            march(o, d, grid, OPTIONS)
            gpu.waits.clear()
            march(o, d, grid, OPTIONS)
            assert len(gpu.waits) == 1
            gpu.waits.clear()
            composite(there, *given)
            grid.update(torch.zeros(1, dtype=torch.int64, device="cuda"), torch.ones(1, device="cuda"))
            assert len(gpu.waits) == 0
