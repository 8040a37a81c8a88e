"""Levels that store listed vertices only: what their maps find, and that the others are zero."""

import base64
import gc
import json
import math
import zlib

import numpy as np
import pytest
import torch
from grids import all_channels, all_vertices, layout, points, relative, some_vertices

from hermite_pinn.cuda.encoder import ops
from hermite_pinn.cuda.encoder.channels import Channels
from hermite_pinn.cuda.encoder.layout import GridLayout
from hermite_pinn.cuda.encoder.vertices import VertexList
from hermite_pinn.errors import CorruptFileError, InvalidArgumentError
from hermite_pinn.run.store import read_store, write_store
from hermite_pinn.schema import Entry


def dense_and_listed(listed, dim=2, level=2):
    """A dense layout, the same with a list at one level, and the dense place of every element of the listed one."""
    dense = layout("cubic", dim)
    lists = [None] * dense.levels
    lists[level] = listed(dense)
    indexed = dense.with_levels(dense.resolutions, lists)
    place = torch.full((indexed.size,), dense.size)
    for at, (group,) in enumerate(dense.groups):
        (other,) = indexed.groups[at]
        vertices = all_vertices(dense, at) if lists[at] is None else lists[at].vertices
        width = len(group.alphas) * dense.features
        slots = np.ravel_multi_index(tuple(vertices.T), dense.vertices(at))
        own = torch.arange(len(vertices))[:, None] * width + torch.arange(width)
        place[other.offset + own] = group.offset + torch.from_numpy(slots)[:, None] * width + torch.arange(width)
    return dense, indexed, place


LISTS = {
    "all": lambda grid: VertexList.of(all_vertices(grid, 2)),
    "some": lambda grid: some_vertices(grid, 2),
    "one": lambda grid: VertexList.of([(0,) * grid.dim]),
}


@pytest.mark.slow_but("2-one")
@pytest.mark.parametrize("which", LISTS)
@pytest.mark.parametrize("dim", [2, 3])
def test_others_are_as_zeros_of_a_dense_table(dim, which, device):
    """The same records are read, and the same terms added in the same order: on a CPU bit for bit.

    Compilers for GPUs fuse other products and sums in each.
    """
    dense, indexed, place = dense_and_listed(LISTS[which], dim)
    channels = all_channels(dim) if dim < 3 else Channels.jet(dim, 1)  # more of them take long to compile
    x, table = points(dense).to(device), torch.randn(indexed.size, dtype=torch.float64)
    spread = torch.zeros(dense.size + 1, dtype=torch.float64).index_copy_(0, place, table)[:-1]
    found = ops.jets(x, table.to(device), indexed, channels)
    exact = ops.jets(x, spread.to(device), dense, channels)
    assert torch.equal(found, exact) if device.type == "cpu" else relative(found.cpu(), exact.cpu()) < 1e-14
    weights = torch.randn(found.shape, dtype=torch.float64, device=device)
    for operation in (ops.adjoint, ops.diagonal):
        every = torch.cat([operation(x, weights, dense, channels).cpu(), torch.zeros(1, dtype=torch.float64)])
        assert relative(operation(x, weights, indexed, channels).cpu(), every[place]) < 1e-14


GRIDS = [((100,), 30), ((2**20,), 200), ((37, 41), 700), ((4096, 4096), 300), ((10, 11, 12), 500), ((2048, 2048, 2048), 300), ((9, 9, 9, 9), 900), ((64, 64, 64, 64), 300)]  # fmt: skip


@pytest.mark.parametrize("periodic", [False, True])
@pytest.mark.parametrize(("resolution", "count"), GRIDS)
def test_a_map_finds_every_listed_vertex_and_no_other(resolution, count, periodic, device):
    """The value at a vertex is that of its record; neighbours of listed vertices and random ones have none."""
    dim = len(resolution)
    grid = GridLayout((0.0,) * dim, tuple(map(float, resolution)), (resolution,), "linear", 1, (2,), (periodic,) * dim)
    counts, random = np.array(grid.vertices(0)), np.random.default_rng(0)
    listed = VertexList.of(np.concatenate([random.integers(0, counts, (count, dim)), [counts - 1, 0 * counts]]))
    grid = grid.with_levels((resolution,), (listed,))
    near = (listed.vertices[:, None] + random.integers(-1, 2, (len(listed), 4, dim))).reshape(-1, dim) % counts
    asked = np.concatenate([listed.vertices, near, random.integers(0, counts, (500, dim))])
    slots = {tuple(v): 1.0 + k for k, v in enumerate(listed.vertices.tolist())}
    table = torch.zeros(grid.size, dtype=torch.float64)
    table[: len(listed)] = torch.arange(1.0, 1 + len(listed))
    x = torch.from_numpy(asked.T.astype(float)).contiguous()
    found = ops.jets(x.to(device), table.to(device), grid, Channels.value(dim)).cpu().ravel()
    expected = torch.tensor([slots.get(tuple(v), 0.0) for v in asked.tolist()], dtype=torch.float64)
    assert torch.allclose(found, expected, rtol=0, atol=1e-9)


@pytest.mark.parametrize(("resolution", "count"), GRIDS)
def test_the_memory_of_a_map_is_that_of_a_few_words_per_vertex(resolution, count):
    vertices = np.random.default_rng(0).integers(0, resolution, (count, len(resolution)))
    listed = VertexList.of(vertices)
    nodes = len(listed.map([n + 1 for n in resolution]))
    assert nodes <= max(4096, len(listed)) + len(listed) * (listed.depth([n + 1 for n in resolution]) - 1)


def test_bricks_that_are_full_need_two_bits_per_vertex():
    every = VertexList.of(np.stack(np.unravel_index(np.arange(64**3), (64, 64, 64)), 1))
    assert every.map((64, 64, 64)).nbytes == 64**3 // 4


def test_the_order_of_a_list_does_not_matter():
    grid = layout("cubic", 2)
    vertices = some_vertices(grid, 2).vertices
    shuffled = np.random.default_rng(1).permutation(np.concatenate([vertices, vertices[:5]]))
    a, b = (grid.with_levels(grid.resolutions, (None, None, VertexList.of(v))) for v in (vertices, shuffled))
    assert a == b
    assert hash(a) == hash(b)
    assert a.key == b.key
    assert (a.words == b.words).all()
    assert a != grid
    assert a != grid.with_levels(grid.resolutions, (None, None, VertexList.of(vertices[1:])))


@pytest.mark.parametrize("dim", [1, 2, 3, 4])
def test_layouts_are_saved_with_their_lists(dim, tmp_path):
    grid = layout("linear", dim, "indexed")
    write_store(tmp_path / "grid.h5", "solution", {"layout": grid.key}, {})
    loaded = GridLayout.from_key(read_store(tmp_path / "grid.h5", "solution")[0]["layout"])
    assert loaded == grid
    assert (loaded.words == grid.words).all()
    assert (loaded.listed[2].vertices == grid.listed[2].vertices).all()


def test_keys_without_lists_are_what_they_were():
    key = '[[0.0, 0.0], [1.0, 2.0], [[4, 4], [8, 8]], "cubic", 2, [16], [false, true]]'
    assert GridLayout.from_key(key).key == key
    assert GridLayout.from_key(key).handle == key
    assert not GridLayout.from_key(key).indexed


@pytest.mark.parametrize("text", ["", "2:", "3:AAAA", "x:eJwDAAAAAAE=", "nothing"])
def test_a_damaged_list_is_refused(text):
    fields = json.loads(layout("cubic", 2, "indexed").key)
    fields[-1][-1] = text
    with pytest.raises(InvalidArgumentError, match="list of vertices"):
        GridLayout.from_key(json.dumps(fields))


def as_text(steps, parts):
    """A list as :attr:`VertexList.text` writes it, of steps from brick to brick."""
    steps, parts = np.array(steps, "<i4"), np.array(parts, "<u8")
    return f"{steps.shape[1]}:{base64.b64encode(zlib.compress(steps.T.tobytes() + parts.tobytes())).decode()}"


@pytest.mark.parametrize(
    ("steps", "parts"),
    [
        ([[0, 0], [1, 0]], [1, 0]),
        ([[1, 0], [-1, 0]], [1, 1]),
        ([[0, 0], [0, 0]], [1, 2]),
        ([[-1, 0]], [1]),
        ([[2**28, 0]], [1]),
        ([[2**31 - 1, 0], [2**31 - 1, 0]], [1, 1]),
    ],
    ids=["empty brick", "order", "twice", "negative", "large", "overflow"],
)
def test_a_list_that_is_in_no_order_is_refused(steps, parts):
    """Kernels find records by the order of the bricks."""
    with pytest.raises(InvalidArgumentError, match="in their order"):
        VertexList.from_text(as_text(steps, parts))


def test_a_list_is_unpacked_to_a_limit():
    text = as_text(np.ones((1 << 16, 1)), np.ones(1 << 16))
    whole = VertexList.from_text(text)
    assert len(VertexList.from_text(text, whole.nbytes)) == 1 << 16
    with pytest.raises(InvalidArgumentError, match="list of vertices"):
        VertexList.from_text(text, whole.nbytes - 1)


@pytest.mark.parametrize(
    "text",
    [
        "[", "3", "{}", "[" * 10_000, '[[0],[1],[[4]],"cubic",1,null]', '[[0],[1],[[4]],"cubic",1,null,[0]]', '[[0],[1],[[4]],"cubic",true,null,[false]]',
        '[[0],[1],[[4]],"cubic",20000,null,[false]]', '[[0],[1],[[4.0]],"cubic",1,null,[false]]', '[[0],[NaN],[[4]],"cubic",1,null,[false]]',
        '[[0],[1],[[4,4]],"cubic",1,null,[false]]', '[[0],[1],[[4]],"other",1,null,[false]]', '[[0],[1],[[4]],"cubic",1,[3],[false]]',
        '[[0],[1],[[4]],"cubic",1,null,[false],[3]]', '[[0],[1],[[4]],"cubic",1,null,[false],["1:AAAA"]]', '[[1],[0],[[4]],"cubic",1,null,[false]]',
    ],
)  # fmt: skip
def test_a_file_that_describes_no_grid_is_damaged(text):
    with pytest.raises(CorruptFileError, match=r"^u\.h5 is damaged: layout"):
        GridLayout.from_entry(Entry(text, "u.h5", "layout"))


def test_gradients_outlive_the_layout(device):
    """Operations know a layout by a short name, which the graph of their results keeps alive."""
    grid = layout("cubic", 2, "indexed")
    assert len(grid.handle) < 100
    x, table = points(grid).to(device), torch.randn(grid.size, dtype=torch.float64, device=device, requires_grad=True)
    expected = ops.adjoint(
        x, torch.ones(3, 2, 1, x.shape[1], dtype=torch.float64, device=device), grid, Channels.value(2)
    )
    out, handle = ops.jets(x, table, grid, Channels.value(2)), grid.handle
    del grid
    gc.collect()
    assert GridLayout.from_handle(handle).indexed
    out.sum().backward()
    assert relative(table.grad, expected) < 1e-14


def test_what_a_layout_says_of_its_levels():
    grid = layout("cubic", 2, "indexed")
    listed = grid.listed[2]
    assert [g[0].slots for g in grid.groups] == [math.prod(grid.vertices(0)), math.prod(grid.vertices(1)), len(listed)]
    assert [g[0].row_major for g in grid.groups] == [True, True, False]
    assert (grid.indexed, grid.dense, grid.nested) == (True, False, False)
    assert grid.level_slices[2].stop == grid.size
    assert grid.size - grid.level_slices[2].start - len(listed) * 8 < 16
    assert grid.reachable == 8 * sum(g[0].slots for g in grid.groups)
    assert not grid.with_levels(grid.resolutions).indexed


@pytest.mark.parametrize(
    ("vertices", "message"),
    [
        ([(0, 0, 0, 0, 0)], "1 to 4 axes"),
        ([0, 1], "shape"),
        ([(0.0, 1.0)], "float64"),
        ([(0, -1)], "numbered from 0"),
        ([(0, 2**31)], "numbered from 0"),
    ],
)
def test_lists_that_are_none_are_refused(vertices, message):
    with pytest.raises(InvalidArgumentError, match=message):
        VertexList.of(vertices)


@pytest.mark.parametrize(
    ("listed", "message"),
    [
        ([None, [(0, 5)]], r"4 x 5 vertices"),
        ([None, [(4, 0)]], r"periodic axis without its end"),
        ([None, [(0, 0, 0)]], "3 axes"),
        ([[(0, 0)]], "one entry per level"),
    ],
)
def test_lists_that_do_not_fit_the_level_are_refused(listed, message):
    lists = tuple(v if v is None else VertexList.of(v) for v in listed)
    with pytest.raises(InvalidArgumentError, match=message):
        GridLayout((0.0, 0.0), (1.0, 1.0), ((2, 2), (4, 4)), periodic=(True, False), listed=lists)


def test_a_list_of_no_vertices_is_refused():
    with pytest.raises(InvalidArgumentError, match="at least one"):
        VertexList.of(np.zeros((0, 2), int))


def test_levels_too_fine_to_store_need_a_list():
    fine = ((2**16, 2**16),)
    with pytest.raises(InvalidArgumentError, match="list those"):
        GridLayout((0.0, 0.0), (1.0, 1.0), fine)
    grid = GridLayout((0.0, 0.0), (1.0, 1.0), fine, listed=(VertexList.of([(5, 7)]),))
    assert grid.reachable == 4
