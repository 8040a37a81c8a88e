"""Coded fields in memory and in files."""

import sys
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

import hermite_pinn as hp
from hermite_pinn import cli
from hermite_pinn.cuda.encoder.channels import Channels
from hermite_pinn.errors import CorruptFileError, InvalidArgumentError
from hermite_pinn.field.grid_field import GridField
from hermite_pinn.field.octree import Distance, Octree
from hermite_pinn.workloads.compression.coded_field import CodedField
from hermite_pinn.workloads.compression.codes import HalfCode, RankCode, VectorCode
from hermite_pinn.workloads.compression.compress import compress, load
from hermite_pinn.workloads.compression.container import Block, look, read_blocks, write_container
from hermite_pinn.workloads.compression.field_skeleton import FieldSkeleton
from hermite_pinn.workloads.compression.integers import pack_bytes
from hermite_pinn.workloads.compression.learned import clustered, learned, of_low_rank, rounded, vector_coded
from hermite_pinn.workloads.compression.learning import Course, learn_codes
from hermite_pinn.workloads.compression.octree_field import Decoder, octree_field
from hermite_pinn.workloads.compression.options import OctreeOptions
from hermite_pinn.workloads.compression.packing import formula_bytes
from hermite_pinn.workloads.compression.quantized_table import QuantizedTable
from hermite_pinn.workloads.compression.rows import row_counts, row_width
from hermite_pinn.workloads.compression.teachers import teacher_of
from hermite_pinn.workloads.compression.vqad import vqad
from hermite_pinn.workloads.sdf.metrics import iou

SHORT = {"levels": 3, "steps": 15, "points": 512, "width": 16}
BOX = hp.Box(x=(-1, 1), y=(-1, 1), z=(-1, 1))
KIND = FieldSkeleton.kind
QUIET = {"progress": False}


def _circle(x: np.ndarray) -> np.ndarray:
    distance: np.ndarray = np.linalg.norm(x, axis=1) - 0.6
    return distance


@cache
def _ball() -> hp.Solution:
    return hp.sdf.fit(hp.Ball((0, 0, 0), 0.6), levels=2, box=BOX, progress=False)


@cache
def _known() -> object:
    return learned(teacher_of(_ball()), OctreeOptions(coarsest=(4, 4, 4), **SHORT), 1000)


def _coded(bits: int = 4) -> CodedField:
    return vector_coded(_known(), bits)  # type: ignore[arg-type]


def _random(bits: int, basis: str = "linear", levels: int = 3) -> tuple[CodedField, GridField]:
    """Random codes of an octree around a sphere, and the field of their hard choices."""
    tree = Octree.of(Distance(_circle), (-1,) * 3, (1,) * 3, (4, 4, 4), levels)
    generator, decoder = torch.Generator().manual_seed(bits), Decoder(features=3, width=8, basis=basis)
    field = octree_field(BOX, ["d"], [False] * 3, tree, decoder, 0.1, generator)
    codes = QuantizedTable.random(field.table, field.layout, bits, 0.5, generator)
    hard = learn_codes(field, codes, _Still(), Course(steps=2, points=16), generator)
    skeleton = FieldSkeleton(BOX, ("d",), (False,) * 3, decoder)
    coded = CodedField.of(hard, skeleton, "distance", tree, [level.code() for level in codes.levels])
    return coded, hard


class _Still:
    """A teacher with a loss, and nothing else."""

    def loss(self, field: GridField, count: int, generator: torch.Generator) -> torch.Tensor:
        x = 2 * torch.rand(3, count, generator=generator) - 1
        return field.jets(x, Channels.value(3)).square().mean()


@pytest.mark.slow_but("1-linear")
@pytest.mark.parametrize(("bits", "basis"), [(1, "linear"), (6, "linear"), (12, "linear"), (6, "cubic")])
def test_the_baked_field_equals_the_field_of_hard_choices_bit_for_bit(bits: int, basis: str, tmp_path: Path) -> None:
    coded, hard = _random(bits, basis)
    coded.save(tmp_path / "a.vq")
    loaded = load(tmp_path / "a.vq").field
    x = 2 * torch.rand(3, 500, generator=torch.Generator().manual_seed(9)) - 1
    jet = Channels.jet(3, 1)
    expected = hard.evaluate(x, jet)
    assert torch.equal(coded.field().evaluate(x, jet), expected)
    assert torch.equal(loaded.evaluate(x, jet), expected)
    for path, leaf in hard.tensors().items():
        assert torch.equal(loaded.tensors()[path], leaf)


@pytest.mark.parametrize("bits", [1, 5, 8])
def test_bytes_are_those_of_the_formula_and_the_file_has_beside_them_its_text_and_the_octree(
    bits: int, tmp_path: Path
) -> None:
    coded, hard = _random(bits)
    layout, decoder = hard.layout, 2 * coded.network.numel()
    formula = formula_bytes(row_counts(layout), bits, row_width(layout), decoder)
    assert coded.coded_bytes == formula
    coded.save(tmp_path / "a.vq")
    size = (tmp_path / "a.vq").stat().st_size
    contents = look(tmp_path / "a.vq", [KIND])
    octree = sum(len(data) for name, data in read_blocks(contents).items() if name.startswith("cells"))
    assert octree == sum(len(pack_bytes(coded.tree.masks(level))) for level in (0, 1))
    assert size == coded.bytes == formula + octree + (contents.sizes[0] - _level_bytes(contents, 0))
    assert contents.sizes == coded.sizes


def _level_bytes(contents: object, level: int) -> int:
    blocks = read_blocks(contents, level + 1)  # type: ignore[arg-type]
    return sum(len(blocks[name]) for name in contents.names[level])  # type: ignore[attr-defined]


@pytest.mark.slow
def test_a_prefix_of_the_file_is_the_field_of_the_coarser_levels(tmp_path: Path) -> None:
    coded = _coded()
    coded.save(tmp_path / "a.vq")
    data = (tmp_path / "a.vq").read_bytes()
    x = 2 * torch.rand(3, 200, generator=torch.Generator().manual_seed(9)) - 1
    for levels, size in enumerate(coded.sizes, 1):
        (tmp_path / "cut.vq").write_bytes(data[:size])
        field = load(tmp_path / "cut.vq", levels).field
        assert field.layout.levels == levels
        whole = coded.field().table
        assert torch.equal(field.table[: field.layout.size], whole[: field.layout.size])
        value = Channels.value(3)
        assert torch.equal(field.evaluate(x, value), coded.field(levels).evaluate(x, value))


@pytest.mark.slow
def test_codes_of_all_kinds_come_back_from_files(tmp_path: Path) -> None:
    for make in (clustered, of_low_rank):
        coded = make(_known(), 2)  # type: ignore[operator]
        coded.save(tmp_path / "a.vq")
        assert torch.equal(load(tmp_path / "a.vq").field.table, coded.field().table)
    coded = rounded(_known())  # type: ignore[arg-type]
    coded.save(tmp_path / "a.vq")
    assert torch.equal(load(tmp_path / "a.vq").field.table, coded.field().table)
    assert coded.coded_bytes == 2 * coded.field().parameter_count


def test_low_rank_with_all_columns_loses_rounding_only_and_fewer_columns_lose_more() -> None:
    rows = torch.randn(300, 6, generator=torch.Generator().manual_seed(0))
    errors = [float((RankCode.closest(rows, r).rows() - rows).norm() / rows.norm()) for r in (1, 3, 5, 6)]
    assert errors == sorted(errors, reverse=True)
    assert errors[-1] < 2e-3
    singular = torch.linalg.svdvals(rows)
    assert errors[1] == pytest.approx(float(singular[3:].norm() / singular.norm()), rel=1e-3)


def test_clusters_are_no_worse_than_random_entries_and_each_row_has_its_nearest() -> None:
    rows = torch.randn(2000, 4, generator=torch.Generator().manual_seed(0))
    code = VectorCode.clustered(rows, 5, torch.Generator().manual_seed(1))
    entries = code.codebook.float()
    np.testing.assert_array_equal(code.index, torch.cdist(rows, entries).argmin(1).numpy())
    drawn = rows[torch.randperm(2000, generator=torch.Generator().manual_seed(2))[:32]]
    assert float((code.rows() - rows).square().mean()) < float(torch.cdist(rows, drawn).amin(1).square().mean() / 4)


def test_a_file_whose_blocks_do_not_fit_its_text_is_refused(tmp_path: Path) -> None:
    coded, _ = _random(3)
    good, blocks = coded._meta(), coded._blocks()

    def refused(meta: dict[str, object], parts: list[Block]) -> None:
        write_container(tmp_path / "bad.vq", KIND, meta, parts)
        with pytest.raises(CorruptFileError):
            load(tmp_path / "bad.vq")

    for name, value in {
        "coarsest": [1 << 19] * 3, "box": {"x": [0, 1]}, "names": [], "periodic": [False], "title": 3, "before": -1,
        "code": {"name": "vectors", "bits": 13}, "scores": [{"d": "small"}], "decoder": {},
    }.items():  # fmt: skip
        refused(good | {name: value}, blocks)
    refused(good | {"code": {"name": "vectors", "bits": 4}}, blocks)
    refused(good | {"decoder": good["decoder"] | {"width": 1 << 16, "depth": 200}}, blocks)
    refused(good | {"decoder": good["decoder"] | {"features": 4}}, blocks)
    for block in blocks:
        others = [b for b in blocks if b is not block]
        refused(good, [*others, Block("unknown", block.level, b"")])
        refused(good, [*others, Block(block.name, block.level, block.payload + b"\0")])
        if block.payload:
            refused(good, [*others, Block(block.name, block.level, block.payload[:-1])])
    wild = torch.tensor([float("nan")], dtype=torch.float16).numpy().tobytes()
    for block in blocks:
        if block.name.startswith(("network", "codebook")):
            others = [b for b in blocks if b is not block]
            refused(good, [*others, Block(block.name, block.level, wild + block.payload[2:])])


@pytest.mark.slow
def test_distances_learn_from_a_solution_alone_and_keep_the_inside() -> None:
    coded = vector_coded(
        learned(teacher_of(_ball()), OctreeOptions(coarsest=(8, 8, 8), levels=2, steps=120, points=1024, width=32)), 6
    )
    assert coded.fields == ("d",)
    x = np.random.default_rng(0).uniform(-1, 1, (4000, 3))
    values = coded.solution().d(*x.T)
    true = np.linalg.norm(x, axis=1) - 0.6
    assert iou(values, true) > 0.9
    assert coded.error["iou"] == pytest.approx(iou(values, true), abs=0.03)


def test_intersection_over_union_is_whole_for_itself_knows_no_order_and_takes_no_points() -> None:
    x = np.random.default_rng(0).uniform(-1, 1, (2000, 3))
    mine, true = _ball().d(*x.T), np.linalg.norm(x, axis=1) - 0.6
    assert iou(true, true) == 1.0
    order = np.random.default_rng(1).permutation(len(x))
    assert iou(mine[order], true[order]) == iou(mine, true)
    with pytest.raises(InvalidArgumentError, match="points are no values"):
        iou(x, true)


def test_a_solution_of_an_equation_and_a_picture_are_coded_by_name() -> None:
    solution = hp.solve(hp.problems.poisson2d(), levels=2, progress=False)
    coded = compress(solution, bits=4, coarsest=(4, 4), **SHORT, **QUIET)
    assert coded.fields == ("u",)
    assert [set(level) for level in coded.scores] == [{"u"}] * 3
    picture = hp.images.made_picture(48)
    assert compress(picture, method="kmeans", bits=3, **SHORT, **QUIET).error["psnr"] > 5


def test_bad_arguments_say_what_is_accepted() -> None:
    picture = hp.images.made_picture(16)
    for options in ({"bits": 0}, {"bits": 13}, {"bits": 2.5}, {"bits": 3, "steps": 0}, {"bits": 3, "start": "zeros"},
                    {"bits": 3, "coarsest": (4,)}, {"bits": 3, "temperature": (1.0, 0.0)}):  # fmt: skip
        with pytest.raises(InvalidArgumentError):
            compress(picture, method="vqad", **{"steps": 1, "points": 16, **options})
    with pytest.raises(InvalidArgumentError, match="the option of the octree"):
        compress(picture, bits=3, tol=1e-3)
    with pytest.raises(InvalidArgumentError, match="nothing to compress"):
        compress(picture, method="vqad", bits=12, steps=1, points=16, levels=1, progress=False)
    with pytest.raises(InvalidArgumentError, match="scene is for radiance fields"):
        compress(picture, bits=3, scene=picture)
    with pytest.raises(InvalidArgumentError, match="a picture"):
        compress("bunny.h5", method="vqad")
    with pytest.raises(InvalidArgumentError, match="half precision"):
        HalfCode.rounded(torch.full((2, 2), 1e6))


@pytest.mark.slow
def test_levels_of_detail_that_were_trained_are_better_than_those_that_were_not() -> None:
    picture = hp.images.made_picture(64)
    found = []
    for whole in (True, False):
        options = OctreeOptions(random_levels=whole, **(SHORT | {"steps": 150}))
        coded = vector_coded(learned(teacher_of(picture), options), 4)
        found.append(teacher_of(picture).scores(coded.field(1))["psnr"])
    assert found[0] > found[1]


def test_the_command_writes_codes_of_so_many_bits_and_tells_the_scores_of_every_level(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def short(model: object, bits: int, **options: object) -> CodedField:
        return vqad(model, bits=bits, coarsest=(4, 4), **options, **SHORT)

    monkeypatch.setattr(sys.modules["hermite_pinn.workloads.compression.vqad"], "vqad", short)
    hp.solve(hp.problems.poisson2d(), levels=2, progress=False).save(tmp_path / "u.h5")
    small = tmp_path / "u.hpc"
    run = CliRunner().invoke(cli.app, ["compress", str(tmp_path / "u.h5"), "--bits", "3", "--out", str(small)])
    assert run.exit_code == 0, run.output
    assert f"{small.stat().st_size:,}" in run.output
    assert (tmp_path / "u_levels.png").read_bytes().startswith(b"\x89PNG")
    assert look(small, [KIND]).levels == 3


def test_a_coded_field_says_what_it_is_in_a_line() -> None:
    said = repr(_coded())
    assert said.startswith("CodedField(d, vectors, ")
    assert "3 levels" in said
    assert f"{_coded().bytes:,} bytes" in said
    assert "\n" not in said
