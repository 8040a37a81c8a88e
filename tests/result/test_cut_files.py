"""Files of solutions hold what cuts their domain, whole; what no such file says is refused."""

import copy
import json

import h5py
import numpy as np
import pytest
from outlined import on_part

import hermite_pinn as hp
from hermite_pinn.errors import CorruptFileError
from hermite_pinn.geometry import domain_from_state
from hermite_pinn.result.domain_file import domain_arrays, read_domain, stored_domain
from hermite_pinn.run.store import write_store
from hermite_pinn.run.store_reading import read_store
from hermite_pinn.schema import Entry

BOX = hp.Box(x=(0, 1), y=(0, 1))
CUBE = hp.Box(x=(0, 1), y=(0, 1), z=(0, 1))


@pytest.fixture(scope="module")
def plane():
    return hp.solve(hp.Problem(BOX, "u", lambda u: u.laplacian + 1, [hp.Dirichlet(u=0.0)]), levels=2)


@pytest.fixture(scope="module")
def solid():
    return hp.solve(hp.Problem(CUBE, "u", lambda u: u.laplacian + 1, [hp.Dirichlet(u=0.0)]), levels=1)


def mesh():
    corners = 0.25 + 0.5 * np.array([[x, y, z] for x in (0, 1) for y in (0, 1) for z in (0, 1)])
    faces = [[0, 1, 3], [0, 3, 2], [4, 6, 7], [4, 7, 5], [0, 4, 5], [0, 5, 1], [2, 3, 7], [2, 7, 6], [0, 2, 6], [0, 6, 4], [1, 5, 7], [1, 7, 3]]  # fmt: skip
    return hp.Mesh((corners, np.array(faces)), name="part")


def many():
    """More discs than a file has lists in each other."""
    return [hp.Disk((0.05 + 0.9 * k / 40, 0.5), 0.008, name=f"disk_{k}") for k in range(40)]


DOMAINS = {
    "disc": lambda: BOX - hp.Disk((0.4, 0.5), 0.2),
    "kept and cut": lambda: (BOX & hp.Rectangle((0.1, 0.1), (0.9, 0.9))) - hp.Disk((0.4, 0.5), 0.2, name="hole"),
    "combined": lambda: (
        BOX - ((hp.Disk((0.4, 0.5), 0.2) | hp.Disk((0.6, 0.5), 0.2)) - hp.Rectangle((0.4, 0.4), (0.6, 0.6)))
    ),
    "moved": lambda: BOX - hp.Polygon([(0, 0), (0.3, 0), (0, 0.4)]).rotated(30).translated(0.4, 0.4),
    "many": lambda: _less(BOX, many()),
    "many as one": lambda: BOX - _union(many()),
    "ball": lambda: CUBE - hp.Ball((0.4, 0.5, 0.5), 0.2),
    "mesh": lambda: CUBE & mesh(),
}


def _less(domain, shapes):
    for shape in shapes:
        domain = domain - shape
    return domain


def _union(shapes):
    whole = shapes[0]
    for shape in shapes[1:]:
        whole = whole | shape
    return whole


@pytest.mark.parametrize("name", DOMAINS)
def test_the_domain_survives(name, plane, solid, tmp_path):
    domain = DOMAINS[name]()
    saved = on_part(plane if domain.dim == 2 else solid, domain)
    saved.save(tmp_path / "u.h5", samples=8)
    loaded = hp.Solution.load(tmp_path / "u.h5")
    assert loaded.domain == domain
    assert [f.name for f in loaded.domain.faces] == [f.name for f in domain.faces]
    points = np.random.default_rng(0).random((500, domain.dim))
    inside = saved.inside(points)
    assert np.array_equal(loaded.inside(points), inside)
    assert np.array_equal(loaded.at_points(points[inside]), saved.at_points(points[inside]))
    loaded.save(tmp_path / "again.h5", samples=8)
    one, other = (read_store(tmp_path / f, "solution") for f in ("u.h5", "again.h5"))
    assert one[0] == other[0]
    assert all(np.array_equal(a, b, equal_nan=True) for a, b in zip(one[1].values(), other[1].values(), strict=True))


def test_samples_are_nan_outside(plane, tmp_path):
    part = on_part(plane, BOX - hp.Disk((0.5, 0.5), 0.2))
    part.to_hdf5(tmp_path / "u.h5", samples=8)
    with h5py.File(tmp_path / "u.h5") as file:
        values = file["samples/u"][()]
    grid = np.linspace(0, 1, 9)
    assert np.array_equal(np.isfinite(values), part.inside(grid[:, None], grid[None]))


def test_files_without_shapes_load_as_before(plane, tmp_path):
    plane.save(tmp_path / "u.h5")
    meta, _ = read_store(tmp_path / "u.h5", "solution")
    assert "shapes" not in meta
    assert hp.Solution.load(tmp_path / "u.h5").domain == BOX


def test_a_domain_in_time_survives(tmp_path):
    box = hp.Box(x=(0, 1), t=(0, 1), y=(0, 1))
    conditions = [hp.Dirichlet(u=0.0), hp.Initial(u=0.0)]
    whole = hp.solve(hp.Problem(box, "u", lambda u: u.t - u.laplacian - 1, conditions), levels=1)
    saved = on_part(whole, box - hp.Disk((0.5, 0.5), 0.2))
    saved.save(tmp_path / "u.h5")
    loaded = hp.Solution.load(tmp_path / "u.h5")
    assert loaded.inside([[0.5, 0.1, 0.5], [0.1, 0.1, 0.5]]).tolist() == [False, True]


# -- what no file says ---
def text_of(domain):
    text, arrays = stored_domain(domain)
    return json.loads(json.dumps(text)), arrays


def read(text, arrays, box=BOX):
    return read_domain(box, Entry.of(text, "u.h5", "shapes"), arrays)


def test_what_is_written_is_read():
    text, arrays = text_of(DOMAINS["combined"]())
    assert read(text, arrays) == DOMAINS["combined"]()
    assert read_domain(BOX, None, {}) == BOX
    assert stored_domain(BOX) == ({}, {})
    text, arrays = text_of(DOMAINS["mesh"]())
    assert domain_arrays(Entry.of(text, "u.h5", "shapes")) == list(arrays) or set(arrays) == set(
        domain_arrays(Entry.of(text, "u.h5", "shapes"))
    )


def _changed(text, change):
    altered = copy.deepcopy(text)
    change(altered)
    return altered


CHANGES = {
    "no nodes": lambda t: t.pop("nodes"),
    "more entries": lambda t: t.update(code="import os"),
    "an unknown kind": lambda t: t["nodes"][0].update(kind="module"),
    "a kind that is no text": lambda t: t["nodes"][0].update(kind=3),
    "a node that is its own part": lambda t: t["nodes"][0].update(radius={"node": 0}),
    "a node of later": lambda t: t["nodes"][0].update(radius={"node": 1}),
    "a negative node": lambda t: t["nodes"][0].update(radius={"node": -1}),
    "a node twice": lambda t: t["nodes"].append({"kind": "union", "a": {"node": 0}, "b": {"node": 0}}),
    "a node left over": lambda t: t["nodes"].append({"kind": "disk"}),
    "an unknown coding": lambda t: t["nodes"][0].update(radius={"pickle": "gASV"}),
    "an array that is missing": lambda t: t["nodes"][0].update(radius={"array": "shapes/9"}),
    "an array of elsewhere": lambda t: t["nodes"][0].update(radius={"array": "field/encoder/table"}),
    "a radius of NaN": lambda t: t["nodes"][0].update(radius=float("nan")),
    "a negative radius": lambda t: t["nodes"][0].update(radius=-1.0),
    "a huge radius": lambda t: t["nodes"][0].update(radius=10**400),
    "a radius that is a text": lambda t: t["nodes"][0].update(radius="0.2"),
    "no radius": lambda t: t["nodes"][0].pop("radius"),
    "a shape of other axes": lambda t: t["nodes"][0].update(kind="ball", center=[0.0, 0.0, 0.0]),
    "a disc that is all": lambda t: t["nodes"][0].update(radius=100.0),
    "cuts that are no list": lambda t: t.update(root={"entries": {"cuts": 3}}),
    "a root that is a number": lambda t: t.update(root=3),
    "no cuts": lambda t: t.update(root={"entries": {"cuts": []}}, nodes=[]),
    "keep that is no truth value": lambda t: t["root"]["entries"]["cuts"][0]["entries"].update(keep=1),
}


@pytest.mark.parametrize("name", CHANGES)
def test_what_does_not_fit_together_is_refused(name):
    text, arrays = text_of(BOX - hp.Disk((0.4, 0.5), 0.2))
    with pytest.raises(CorruptFileError, match=r"u\.h5"):
        read(_changed(text, CHANGES[name]), arrays)


def test_depth_without_end_is_refused_without_recursion():
    nodes = [{"kind": "disk", "center": [0.5, 0.5], "radius": 0.2}]
    nodes += [{"kind": "complement", "shape": {"node": k}} for k in range(20_000)]
    root = {"entries": {"cuts": [{"entries": {"keep": False, "shape": {"node": len(nodes) - 1}}}]}}
    with pytest.raises(CorruptFileError, match=r"u\.h5"):
        read({"root": root, "nodes": nodes}, {})


def test_damaged_meshes_are_refused():
    text, arrays = text_of(CUBE & mesh())
    name = next(n for n, a in arrays.items() if a.dtype.kind == "i" and a.ndim == 2)
    for change in (lambda a: a + 100, lambda a: a[:, :2], lambda a: a.astype(float) * np.nan, lambda a: a - 100):
        with pytest.raises(CorruptFileError, match=r"u\.h5"):
            read(text, arrays | {name: change(arrays[name])}, CUBE)


def test_arrays_that_no_shape_has_are_refused(plane, tmp_path):
    on_part(plane, BOX - hp.Disk((0.4, 0.5), 0.2)).save(tmp_path / "u.h5")
    meta, arrays = read_store(tmp_path / "u.h5", "solution")
    write_store(tmp_path / "u.h5", "solution", meta, arrays | {"shapes/77": np.zeros(3)})
    with pytest.raises(CorruptFileError, match="shapes/77"):
        hp.Solution.load(tmp_path / "u.h5")


def test_shapes_of_another_box_are_refused(plane, tmp_path):
    on_part(plane, BOX - hp.Disk((0.4, 0.5), 0.2)).save(tmp_path / "u.h5")
    meta, arrays = read_store(tmp_path / "u.h5", "solution")
    meta["shapes"]["nodes"][0]["center"] = [7.0, 7.0]
    write_store(tmp_path / "u.h5", "solution", meta, arrays)
    with pytest.raises(CorruptFileError, match=r"u\.h5 is damaged: its shapes make no domain"):
        hp.Solution.load(tmp_path / "u.h5")


def test_states_make_equal_domains():
    for make in DOMAINS.values():
        domain = make()
        assert domain_from_state(domain.box, domain.state()) == domain
