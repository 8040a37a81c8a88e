"""What has an order, such as the axes of a box, keeps it in files, also in those of earlier versions."""

import hashlib
import itertools
import json

import h5py
import numpy as np
import pytest
import torch

import hermite_pinn as hp
from hermite_pinn.errors import CorruptFileError
from hermite_pinn.run.store import read_store, write_store
from hermite_pinn.run.store_format import SEAL_SIZE

BOUNDS = {"x": (-1.0, 2.0), "t": (0.0, 3.0), "b": (4.0, 4.5)}
ORDERS = [axes for dim in (2, 3) for axes in itertools.permutations(list(BOUNDS)[:dim])]


def made(axes, fields=("v", "u")):
    """A solution whose tables are random, so that nothing about it is symmetric."""
    domain = hp.Box(**{name: BOUNDS[name] for name in axes})
    periodic = [name == "b" for name in axes]
    field = hp.Field().build(domain, fields, periodic, [tuple(2 + i for i in range(len(axes)))])
    generator = torch.Generator().manual_seed(3)
    field.table.copy_(torch.randn(field.table.shape, generator=generator, dtype=field.table.dtype))
    rows = [{"step": 1, "loss": 2.0, "rms pde": 1.0, "rms boundary": 0.5}]
    return hp.Solution(
        domain=domain,
        periodic=periodic,
        field=field,
        status=hp.Status.COMPLETED,
        message="made",
        history=hp.History(rows),
        parameters={"nu": 1.0, "alpha": 2.0},
        stats={"residual_scales": {"pde": 1.0, "boundary": 2.0}},
        residuals={"pde": 1e-3, "boundary": 1e-4},
        estimated_error=None,
        title="made",
        settings={"problem": "made", "levels": None},
    )


def rewrite_as_before(path):
    """Turn a file into what earlier versions wrote: the keys of its text sorted, its arrays not listed, and no seal."""
    path.write_bytes(path.read_bytes()[SEAL_SIZE:])
    with h5py.File(path, "a") as file:
        meta = json.loads(bytes(file["meta"][()]).decode())
        del meta["array_order"]
        text = json.dumps(meta, sort_keys=True)
        del file["meta"]
        arrays = {}
        file.visititems(lambda name, item: arrays.update({name: item[()]}) if isinstance(item, h5py.Dataset) else None)
        file.create_dataset("meta", data=np.frombuffer(text.encode(), dtype=np.uint8))
        h = hashlib.sha256(text.encode())
        for name in sorted(arrays):
            h.update(f"{name}:{arrays[name].dtype.str}:{arrays[name].shape}".encode())
            h.update(np.ascontiguousarray(arrays[name]).tobytes())
        file.attrs["digest"] = h.hexdigest()


@pytest.mark.slow_but("[xt-", "[tx-", "xtb-before", "btx-before")
@pytest.mark.parametrize("version", ["now", "before"])
@pytest.mark.parametrize("axes", ORDERS, ids="".join)
def test_a_loaded_solution_has_the_axes_and_derivatives_of_the_saved_one(axes, version, tmp_path):
    saved, path = made(axes), tmp_path / "u.h5"
    saved.save(path, samples=2)
    if version == "before":
        rewrite_as_before(path)
    loaded = hp.Solution.load(path)
    assert loaded.domain == saved.domain
    assert (loaded.domain.names, loaded.periodic, loaded.fields) == (axes, saved.periodic, ("v", "u"))
    random = np.random.default_rng(0)
    points = {name: random.uniform(*BOUNDS[name], 20) for name in axes}
    for field in ("v", "u"):
        before, after = getattr(saved, field), getattr(loaded, field)
        for name in ["", *axes, *(a + b for a in axes for b in axes)]:
            of = (lambda f, name=name: getattr(f, name)) if name else (lambda f: f)
            assert np.array_equal(of(before)(**points), of(after)(**points)), name
        assert np.array_equal(before.grad(**points), after.grad(**points))
        assert np.array_equal(before.laplacian(*points.values()), after.laplacian(*points.values()))


def test_everything_else_keeps_its_order(tmp_path):
    saved = made(("x", "t"))
    saved.save(tmp_path / "u.h5")
    loaded = hp.Solution.load(tmp_path / "u.h5")
    assert loaded.history.columns == saved.history.columns
    for name in ("parameters", "residuals", "settings", "stats"):
        assert list(getattr(loaded, name)) == list(getattr(saved, name))
    assert list(loaded.stats["residual_scales"]) == ["pde", "boundary"]
    assert str(loaded) == str(saved)


def test_arrays_come_back_in_their_order(tmp_path):
    names = [f"weight{k}" for k in range(11, 0, -1)] + ["b/z", "a", "b/a"]
    write_store(tmp_path / "a.h5", "checkpoint", {"z": {"y": 1, "x": 2}, "a": 0}, {n: np.zeros(2) for n in names})
    meta, arrays = read_store(tmp_path / "a.h5", "checkpoint")
    assert list(arrays) == names
    assert (list(meta), list(meta["z"])) == (["z", "a"], ["y", "x"])


def test_the_samples_of_a_file_name_their_axes(tmp_path):
    made(("x", "t")).save(tmp_path / "u.h5", samples=2)
    with h5py.File(tmp_path / "u.h5") as file:
        assert [dimension.label for dimension in file["samples/u"].dims] == ["x", "t"]


def test_a_domain_that_is_not_that_of_the_field_is_damage(tmp_path):
    saved = made(("x", "t"))
    saved.domain = hp.Box(x=(0, 1), y=(0, 1))
    saved.save(tmp_path / "u.h5")
    with pytest.raises(CorruptFileError, match=r"the domain has the axes x, y, the field x, t"):
        hp.Solution.load(tmp_path / "u.h5")
