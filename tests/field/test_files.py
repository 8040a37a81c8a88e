"""Files: what is written comes back, and what version 1 wrote is still understood."""

from dataclasses import replace

import numpy as np
import pytest
import torch

import hermite_pinn as hp
from hermite_pinn.cuda.encoder.channels import Channels
from hermite_pinn.field.boundary_factor import BoundaryFactor
from hermite_pinn.field.grid_field import GridField
from hermite_pinn.field.heads import HEADS
from hermite_pinn.run.store import read_store, write_store

BOX = hp.Box(x=(0, 1), y=(0, 2))
NAMES_OF_VERSION_1 = {
    "encoder/table": "table",
    "head/layers/0/weight": "weight0",
    "head/layers/0/bias": "bias0",
    "head/layers/1/weight": "weight1",
    "head/layers/1/bias": "bias1",
    "head/gate": "gate",
}


def build(head):
    spec = hp.Field(head=head, features=2, width=6, depth=1, table_size=16)
    field = spec.build(BOX, ["u"], (True, False), 2, seed=1)
    field = field.with_tensors({k: v + 0.1 * torch.randn_like(v) for k, v in field.tensors().items()})
    factor = BoundaryFactor.of_faces(BOX.lower, BOX.upper, ["u"], {("u", 1, 0)})
    return replace(field, boundary_factor=None if head == "siren" else factor)


def of_version_1(described):
    """A description as version 1 wrote it: flat, with the boundary factor as ``envelope``."""
    flat = {k: described[k] for k in ("axes", "names")}
    flat |= {"layout": described["encoder"]["layout"], "head": described["head"]["name"]}
    flat |= {k: v for k, v in described["head"].items() if k != "name"}
    if "boundary_factor" in described:
        flat["envelope"] = described["boundary_factor"]
    return flat


def same(a, b):
    x = BOX.interior.random(9, torch.Generator().manual_seed(0), torch.float64).x
    channels = Channels.value(2) + Channels.laplacian(2)
    return list(a.tensors()) == list(b.tensors()) and torch.equal(a.jets(x, channels), b.jets(x, channels))


@pytest.mark.parametrize("head", HEADS)
def test_a_field_comes_back_from_its_description(head):
    field = build(head)
    assert same(GridField.from_description(field.describe(), field.tensors()), field)


@pytest.mark.parametrize("head", HEADS)
def test_descriptions_of_version_1_are_understood(head):
    field = build(head)
    tensors = {NAMES_OF_VERSION_1[k]: v for k, v in field.tensors().items()}
    assert same(GridField.from_description(of_version_1(field.describe()), tensors), field)


def test_a_solution_of_version_1_loads(tmp_path):
    path = tmp_path / "u.h5"
    problem = hp.problems.helmholtz2d(a=1)
    spec = hp.Field(head="siren+linear", width=8, depth=1, table_size=128, features=2)
    method = hp.JointGaussNewton(stages=(hp.JointStage("readout", 1, 8),), frequencies=(4.0,), held_out=100)
    solution = hp.solve(problem, field=spec, levels=3, method=method)
    solution.save(path)
    meta, arrays = read_store(path, "solution")
    assert {f"field/{name}" for name in NAMES_OF_VERSION_1} <= set(arrays), "paths are groups of the file"
    meta["field"] = of_version_1(meta["field"])
    older = {f"field/{k}": f"field/{v}" for k, v in NAMES_OF_VERSION_1.items()}
    arrays = {older.get(k, k): v for k, v in arrays.items()}
    write_store(path, "solution", meta, arrays)
    again, x = hp.Solution.load(path), np.linspace(0, 1, 7)
    assert np.array_equal(again.u(x, x**2), solution.u(x, x**2))
    assert again.field.boundary_factor == solution.field.boundary_factor is not None


@pytest.mark.slow
def test_a_head_that_nobody_knows_is_a_damaged_file(tmp_path):
    path = tmp_path / "u.h5"
    hp.solve(hp.problems.poisson2d(), levels=1, throw=False).save(path)
    meta, arrays = read_store(path, "solution")
    meta["field"]["head"]["name"] = "mlp"
    write_store(path, "solution", meta, arrays)
    with pytest.raises(hp.CorruptFileError, match=r"head/name is 'mlp'; expected one of linear, siren"):
        hp.Solution.load(path)
