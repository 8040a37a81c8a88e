"""Fields of the distance to a surface: accuracy, signs, moves and units, files, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import hermite_pinn as hp
from hermite_pinn.workloads.sdf.sources import target_of

Arrays = tuple[np.ndarray, np.ndarray]
LEVELS = (8, 16, 32, 64)


def octahedron(size: float = 1.0, centre: Any = (0.0, 0.0, 0.0)) -> Arrays:
    """A closed surface with eight triangles."""
    ends = np.array([(1, 0, 0), (-1, 0, 0), (0, 1, 0), (0, -1, 0), (0, 0, 1), (0, 0, -1)], dtype=float)
    faces = [(0, 2, 4), (2, 1, 4), (1, 3, 4), (3, 0, 4), (2, 0, 5), (1, 2, 5), (3, 1, 5), (0, 3, 5)]
    return ends * size + np.asarray(centre), np.array(faces)


def points(count: int, reach: float, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).uniform(-reach, reach, (3, count))


@pytest.fixture(scope="module")
def shape() -> hp.Solution:
    return hp.sdf.fit(octahedron(), levels=LEVELS, progress=False)


def test_values_gradients_and_signs(shape: hp.Solution) -> None:
    x = points(4000, 1.15)
    true = target_of(octahedron(), "signed").nearest(x)
    d = shape.d(*x)
    assert shape.status.name == "COMPLETED"
    assert np.sqrt(np.mean((d - true.distance) ** 2)) < 5e-3
    away = np.abs(true.distance) > 0.01
    assert (np.sign(d[away]) == np.sign(true.distance[away])).all()
    assert shape.stats["quality"]["gradient_mae"] < 0.05
    assert shape.stats["quality"]["value_rms"] < 1e-3


def test_a_finer_level_is_better(shape: hp.Solution) -> None:
    coarse = hp.sdf.fit(octahedron(), levels=LEVELS[:1], progress=False)
    for name in ("value_rms", "gradient_mae"):
        assert shape.stats["quality"][name] < 0.6 * coarse.stats["quality"][name]


def test_fine_levels_have_the_vertices_near_the_surface_only(shape: hp.Solution) -> None:
    listed = shape.field.layout.listed
    assert [v is None for v in listed] == [True, True, True, False]
    assert len(listed[-1]) < 0.5 * 65**3
    far = shape.d(1.1, 1.1, 1.1)
    assert abs(far - 2.3 / np.sqrt(3)) < 0.01


def test_the_faces_edges_and_corners_of_the_box_are_no_exception(shape: hp.Solution) -> None:
    lower, upper = np.asarray(shape.domain.lower), np.asarray(shape.domain.upper)
    ends = np.stack(np.meshgrid(*[(0.0, 1e-3, 0.01, 0.5, 0.99, 1 - 1e-3, 1.0)] * 3, indexing="ij")).reshape(3, -1)
    x = lower[:, None] + (upper - lower)[:, None] * ends
    true = target_of(octahedron(), "signed").nearest(x)
    assert np.abs(shape.d(*x) - true.distance).max() < 0.02 * true.distance.max()
    away = np.abs(true.distance) > 0.01
    assert (np.sign(shape.d(*x))[away] == np.sign(true.distance[away])).all()


def test_gradients_are_those_of_the_values(shape: hp.Solution) -> None:
    x, step = points(50, 1.0), 1e-5
    slopes = shape.d.grad(*x)
    for axis in range(3):
        ahead, behind = x.copy(), x.copy()
        ahead[axis] += step
        behind[axis] -= step
        assert np.allclose((shape.d(*ahead) - shape.d(*behind)) / (2 * step), slopes[..., axis], atol=1e-3)


def test_moves_and_units_change_nothing_but_coordinates() -> None:
    here = hp.sdf.fit(octahedron(), levels=(8, 16), progress=False)
    scale, shift = 1000.0, np.array([[30.0], [-5.0], [200.0]])
    there = hp.sdf.fit(octahedron(scale, shift[:, 0]), levels=(8, 16), progress=False)
    x = points(200, 1.1)
    assert np.allclose(there.d(*(scale * x + shift)), scale * here.d(*x), atol=1e-3 * scale * 0.1)


def test_orientation_does_not_matter() -> None:
    vertices, faces = octahedron()
    one = hp.sdf.fit((vertices, faces), levels=(8,), progress=False)
    other = hp.sdf.fit((vertices, faces[:, ::-1]), levels=(8,), progress=False)
    x = points(100, 1.1)
    assert np.allclose(one.d(*x), other.d(*x), atol=1e-6)
    assert other.stats["notes"]


def test_two_components() -> None:
    parts = [octahedron(0.4, (-0.5, 0, 0)), octahedron(0.3, (0.6, 0, 0))]
    both = np.concatenate([p[0] for p in parts]), np.concatenate([parts[0][1], parts[1][1] + 6])
    d = hp.sdf.fit(both, levels=(8, 16), progress=False).d
    assert d(-0.5, 0.0, 0.0) < -0.15
    assert d(0.6, 0.0, 0.0) < -0.1
    assert d(0.1, 0.0, 0.0) > 0.1


def test_open_surfaces_have_no_sign() -> None:
    vertices, faces = octahedron()
    with pytest.raises(hp.InvalidProblemError, match=r"sign of the distance is undefined.*sign='unsigned'"):
        hp.sdf.fit((vertices, faces[:-1]), progress=False)
    shape = hp.sdf.fit((vertices, faces[:-1]), levels=(8, 16), sign="unsigned", progress=False)
    assert shape.d(0.0, 0.0, 0.0) > 0.4
    assert shape.d(1.0, 1.0, 1.0) > 1.0


def test_a_surface_that_leaves_the_box_is_refused() -> None:
    with pytest.raises(hp.InvalidProblemError, match=r"leaves the box.*x from -1 to 1, the box from 0 to 2"):
        hp.sdf.fit(octahedron(), box=hp.Box(x=(0, 2), y=(-2, 2), z=(-2, 2)), progress=False)


def test_boxes_of_any_edges_and_names() -> None:
    box = hp.Box(a=(-1.5, 1.2), b=(-1.2, 1.2), c=(-2, 1.2))
    shape = hp.sdf.fit(octahedron(), levels=(8, 16), box=box, progress=False)
    assert abs(shape.d(0.0, 0.0, -2.0) - 1.0) < 0.05


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"method": "newton"}, "method must be one of 'gauss_newton', 'adam'"),
        ({"method": hp.GaussNewton()}, "'gauss_newton', which has no options here"),
        ({"method": hp.Adam}, "not the class"),
        ({"method": hp.Adam(adaptive=hp.RAD())}, "leave adaptive"),
        ({"method": "lbfgs", "dtype": "float32"}, "lbfgs works in float64"),
        ({"field": "siren"}, "head='linear'"),
        ({"field": hp.Field(half=True)}, "leave out half"),
        ({"field": hp.Field(features=2)}, "leave out half, and with head='linear' features"),
        ({"sign": "both"}, "sign must be"),
        ({"value_weight": 0}, "value_weight must be positive"),
        ({"normal_weight": -1.0}, "normal_weight"),
        ({"box": hp.Box(x=(0, 1))}, "three axes"),
    ],
)
def test_options_that_cannot_work(options: dict[str, Any], said: str) -> None:
    with pytest.raises(hp.InvalidArgumentError, match=said):
        hp.sdf.fit(octahedron(), progress=False, **options)


def test_numbers_that_are_none_are_refused() -> None:
    vertices, faces = octahedron()
    vertices[0] = np.nan
    for sign in ("signed", "unsigned"):
        with pytest.raises(hp.InvalidProblemError, match="not finite"):
            hp.sdf.fit((vertices, faces), sign=sign, progress=False)


def test_shapes_without_a_mesh_are_refused() -> None:
    with pytest.raises(hp.InvalidArgumentError, match="surfaces of triangles"):
        hp.sdf.fit(hp.Ball((0, 0, 0), 1), progress=False)


def test_files_hold_everything(shape: hp.Solution, tmp_path: Path) -> None:
    shape.save(tmp_path / "shape.h5")
    again = hp.Solution.load(tmp_path / "shape.h5")
    x = points(100, 1.1)
    assert np.array_equal(again.d(*x), shape.d(*x))
    assert again.stats["quality"] == shape.stats["quality"]


def test_the_first_level_is_there_whatever_the_limit() -> None:
    shape = hp.sdf.fit(octahedron(), levels=LEVELS, max_time=1e-6, progress=False)
    assert shape.status.name == "MAX_TIME"
    assert shape.field.layout.levels == 1
    assert shape.d(0.0, 0.0, 0.0) < -0.4


def test_a_run_continues_where_it_was_stopped(tmp_path: Path) -> None:
    file = tmp_path / "run.h5"
    stopped = hp.sdf.fit(octahedron(), levels=(8, 16), max_time=1e-6, checkpoint=file, progress=False)
    assert stopped.field.layout.levels == 1
    ended = hp.sdf.fit(octahedron(), levels=(8, 16), resume=file, progress=False)
    whole = hp.sdf.fit(octahedron(), levels=(8, 16), progress=False)
    assert [row["level"] for row in ended.history] == [0, 1]
    x = points(100, 1.1)
    assert np.array_equal(ended.d(*x), whole.d(*x))
    with pytest.raises(hp.InvalidArgumentError, match=r"cannot be resumed: its problem differs in surface"):
        hp.sdf.fit(octahedron(2.0), levels=(8, 16), resume=file, progress=False)
