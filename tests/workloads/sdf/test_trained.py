"""Distances that are trained, or fitted at samples: every encoder, signs, resuming, limits, and what is refused."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import trimesh

import hermite_pinn as hp
from hermite_pinn.geometry import Box
from hermite_pinn.workloads.sdf.affine_fit import AffineFit
from hermite_pinn.workloads.sdf.cell_system import Weights
from hermite_pinn.workloads.sdf.distance_loss import DistanceLoss
from hermite_pinn.workloads.sdf.misfits import Misfits
from hermite_pinn.workloads.sdf.samples import SampleSource, shares
from hermite_pinn.workloads.sdf.sources import target_of

Arrays = tuple[np.ndarray, np.ndarray]
CUBE = Box(x=(-1, 1), y=(-1, 1), z=(-1, 1))
GRIDS: dict[str, dict[str, Any]] = {
    "hermite": {},
    "trilinear_fd": {},
    "tetrahedral": {"encoder": "trilinear_fd", "differences": "tetrahedral"},
    "smooth": {"weights": "smoothstep"},
    "straight_through": {},
    "cubic": {},
}


def block(size: float = 0.6, centre: Any = (0.0, 0.0, 0.0)) -> Arrays:
    """A closed box of twelve triangles."""
    corners = np.array([(x, y, z) for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)]) * size + np.asarray(centre)
    quads = [(0, 1, 3, 2), (4, 6, 7, 5), (0, 4, 5, 1), (2, 3, 7, 6), (0, 2, 6, 4), (1, 5, 7, 3)]
    faces = [(a, b, c) for a, b, c, d in quads] + [(a, c, d) for a, b, c, d in quads]
    return corners, np.array(faces)


def ball() -> Arrays:
    """A sphere of triangles."""
    made = trimesh.creation.icosphere(subdivisions=3, radius=0.6)
    return np.asarray(made.vertices), np.asarray(made.faces)


def kind(name: str, head: str) -> hp.Field:
    return hp.Field(**({"encoder": name, "head": head, "base": 4, "width": 16, "omega": 5.0} | GRIDS[name]))


def source(dtype: torch.dtype = torch.float64) -> SampleSource:
    return SampleSource(target_of(block(), "signed"), CUBE, dtype, torch.device("cpu"))


def test_samples_have_exact_distances_and_directions() -> None:
    samples = source().samples(2000, 3)
    assert samples.parts == shares(2000)
    x = samples.x.numpy()
    assert (np.abs(x) <= 1).all()
    true = target_of(block(), "signed").nearest(x)
    assert np.allclose(samples.distance, true.distance, atol=1e-9)
    on = slice(0, samples.parts[0])
    assert (np.abs(np.abs(x[:, on]).max(0) - 0.6) < 1e-9).all()
    beyond = samples.distance > 1e-6
    moved = target_of(block(), "signed").nearest(x - (samples.gradient * samples.distance).numpy())
    assert np.abs(moved.distance[beyond]).max() < 1e-9


def test_a_pool_is_what_its_seed_says() -> None:
    one, again, other = (source().samples(300, seed).x for seed in (1, 1, 2))
    assert torch.equal(one, again)
    assert not torch.equal(one, other)


@pytest.mark.slow_but("hermite", "trilinear", "tetrahedral")
@pytest.mark.parametrize("name", GRIDS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_every_encoder_is_trained(name: str, dtype: str) -> None:
    short = hp.Adam(steps=30, points=300, lr=1e-2, ema=0, check_every=10)
    shape = hp.sdf.fit(block(), field=kind(name, "siren"), levels=2, method=short, dtype=dtype, progress=False)
    assert shape.stats["dtype"] == dtype
    assert shape.history["loss"][-1] < 0.8 * shape.history["loss"][0]


@pytest.mark.slow_but("smooth")
@pytest.mark.parametrize("name", [n for n in GRIDS if n != "hermite"])
def test_linear_heads_are_fitted_by_least_squares(name: str) -> None:
    shape = hp.sdf.fit(block(), field=kind(name, "linear"), levels=2, progress=False)
    quality = shape.stats["quality"]
    assert quality["band"] == pytest.approx(1.2 / 72)
    # cells are 0.18 wide: at their edges smoothstep alone has all signs right 0.017 away from the block
    assert (shape.status.name == "COMPLETED") == (quality["wrong_sign"] <= quality["band"]) == (name == "smooth")
    assert ("; the sign is wrong" in shape.message) == (name != "smooth")
    assert quality["box_value_rms"] < 0.1
    consistent = name != "straight_through"  # whose gradients are those of other values
    assert shape.d(0.0, 0.0, 0.0) < (-0.3 if consistent else 0.0)


def test_least_squares_reach_the_least_of_the_trained_loss() -> None:
    spec, misfits = hp.Field(encoder="fourier", frequencies=8), Misfits(Weights(1.0, 1.0, 0.0), 1.2)
    start = spec.build(CUBE, ("d",), (False,) * 3, 1)
    fit = AffineFit(start, source(), misfits, hp.run.monitor.Monitor(), 0)
    fit.run(lambda state, force: None, None)
    loss = DistanceLoss(fit.field, source(), misfits, 100, 0)
    samples = source().samples(fit.stats["samples"], 0)
    leaves = {k: v.detach().clone().requires_grad_() for k, v in loss.field.tensors().items()}
    total = sum(misfits.losses(fit.field.with_tensors(leaves).jets(samples.x, misfits.channels)[0], samples).values())
    (slope,) = torch.autograd.grad(total, list(leaves.values()))
    assert float(slope.norm()) < 1e-4


def test_the_unit_of_length_changes_nothing() -> None:
    short = hp.Adam(steps=10, points=200, ema=0, check_every=5)
    options: dict[str, Any] = {"field": kind("cubic", "siren"), "levels": 2, "method": short, "dtype": "float64"}
    here = hp.sdf.fit(block(), progress=False, **options)
    there = hp.sdf.fit(block(0.6 * 1024), progress=False, **options)
    x = np.random.default_rng(0).uniform(-0.7, 0.7, (3, 50))
    assert np.allclose(there.d(*(1024 * x)), 1024 * here.d(*x), rtol=1e-6, atol=1e-3)


@pytest.mark.slow_but("adam", "soap")
@pytest.mark.parametrize("method", ["adam", "soap", "lbfgs", "gauss_newton"])
def test_a_run_is_resumed_bit_for_bit(method: str, tmp_path: Path) -> None:
    if method == "soap" and importlib.util.find_spec("pytorch_optimizer") is None:
        pytest.skip("pytorch_optimizer is not installed")
    methods: dict[str, Any] = {
        "adam": hp.Adam(steps=120, points=100, check_every=20),
        "soap": hp.SOAP(steps=60, points=100, check_every=20),
        "lbfgs": hp.LBFGS(steps=24, points=200, check_every=8, ftol=0.0),
        "gauss_newton": "gauss_newton",
    }
    field = kind("cubic", "linear" if method == "gauss_newton" else "siren")
    options: dict[str, Any] = {"field": field, "levels": 2, "method": methods[method], "progress": False}

    class Stop(hp.Callback):
        def on_step(self, state: Any) -> bool:
            return True

    file = tmp_path / "run.h5"
    stopped = hp.sdf.fit(block(), callbacks=[Stop()], checkpoint=file, **options)
    assert stopped.status.name == "STOPPED"
    ended, whole = hp.sdf.fit(block(), resume=file, **options), hp.sdf.fit(block(), **options)
    assert all(torch.equal(v, whole.field.tensors()[k]) for k, v in ended.field.tensors().items())


def test_a_limit_keeps_what_there_is() -> None:
    shape = hp.sdf.fit(block(), method="adam", field=kind("cubic", "siren"), levels=2, max_time=0.5, progress=False)
    assert shape.status.name == "MAX_TIME"
    assert np.isfinite(shape.d(0.0, 0.0, 0.0))


def test_trained_fields_are_files_and_surfaces(tmp_path: Path) -> None:
    field = hp.Field(encoder="coordinates", head="siren", width=16, omega=5.0)
    shape = hp.sdf.fit(block(), field=field, method=hp.Adam(steps=60, points=200, lr=1e-2, ema=0), progress=False)
    shape.save(tmp_path / "shape.h5")
    again = hp.Solution.load(tmp_path / "shape.h5")
    assert np.array_equal(again.d(0.1, 0.2, 0.3), shape.d(0.1, 0.2, 0.3))
    assert len(hp.sdf.extract(again, 12).faces) > 20


@pytest.mark.parametrize("name", GRIDS)
def test_surfaces_of_every_encoder_are_extracted(name: str) -> None:
    method = hp.Adam(steps=40, points=200, lr=1e-2, ema=0)
    shape = hp.sdf.fit(block(), field=kind(name, "siren"), levels=2, method=method, progress=False)
    if name in ("straight_through", "tetrahedral"):  # which lack second derivatives
        with pytest.raises(hp.InvalidArgumentError, match="no second derivatives"):
            hp.sdf.extract(shape, 8)
    assert hp.sdf.extract(shape, 8, scale=0.2).vertices.shape[1] == 3


def test_networks_are_not_fitted_by_least_squares() -> None:
    with pytest.raises(hp.InvalidArgumentError, match=r"not affine in its parameters; train it with method='adam'"):
        hp.sdf.fit(block(), field="siren", progress=False)


@pytest.mark.slow
def test_signs_hold_outside_the_sampled_band() -> None:
    parts = [block(0.3, (-0.6, 0, 0)), block(0.2, (0.6, 0, 0))]
    both = np.concatenate([p[0] for p in parts]), np.concatenate([parts[0][1], parts[1][1] + 8])
    method = hp.Adam(steps=600, points=1500, lr=2e-3, ema=0.98)
    field = hp.Field(encoder="coordinates", head="siren", width=64, omega=15.0)
    for surface in (ball(), both):
        shape = hp.sdf.fit(surface, field=field, method=method, progress=False)
        ends = np.asarray(shape.domain.lower)[:, None], np.asarray(shape.domain.upper)[:, None]
        x = np.random.default_rng(5).uniform(*ends, (3, 4000))
        true = target_of(surface, "signed").nearest(x).distance
        away = np.abs(true) > shape.stats["quality"]["band"]
        assert (np.sign(shape.d(*x))[away] == np.sign(true)[away]).all()
