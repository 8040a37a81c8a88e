"""Fields of pictures: recovery, between pixels, measured derivatives, training, files, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import hermite_pinn as hp
from hermite_pinn.errors import CorruptFileError, InvalidArgumentError

PICTURE = hp.images.made_picture(24, 33)
H = 1 / 32
TOLD = [
    {},
    {"from_": "gradients"},
    {"from_": "gradients", "known": "border"},
    {"from_": "sobel"},
    {"from_": "laplacians"},
    {"from_": "laplacians", "known": "border"},
]
SIREN = hp.Field(head="siren", width=16, depth=1, table_size=2**8, omega=2.0)


def fit(*given: Any, **told: Any) -> hp.Solution:
    return hp.images.fit(*given, progress=False, **told)


@pytest.mark.parametrize("told", TOLD, ids=str)
@pytest.mark.parametrize("shape", [(24, 33), (33, 24), (16, 16), (3, 8), (2, 5), (2, 2)])
def test_the_picture_is_found_again(told: dict[str, str], shape: tuple[int, int]) -> None:
    picture = np.random.default_rng(0).random(shape)
    found = fit(picture, **told)
    assert hp.images.psnr(found, picture) > 200
    assert all(value < 1e-9 for value in found.residuals.values())
    assert found.status.name == "COMPLETED"


@pytest.mark.parametrize("told", TOLD, ids=str)
def test_a_turned_picture_gives_the_turned_field(told: dict[str, str]) -> None:
    one, other = fit(PICTURE, **told), fit(PICTURE.T, **told)
    x, y = np.random.default_rng(1).uniform(0, 23 * H, (2, 50))
    np.testing.assert_allclose(one.u(x, y), other.u(y, x), atol=1e-9)


def test_channels_are_fitted_one_by_one() -> None:
    colours = np.stack([PICTURE, PICTURE[::-1], 1 - PICTURE], 2)
    found = fit(colours, from_="gradients")
    assert found.fields == ("u1", "u2", "u3")
    assert hp.images.psnr(found, colours) > 200
    np.testing.assert_allclose(found.u3(0.3, 0.2), fit(1 - PICTURE, from_="gradients").u(0.3, 0.2), atol=1e-9)


def test_integers_are_shares_of_white() -> None:
    grey = np.array([[0, 255, 51], [255, 0, 0]], dtype=np.uint8)
    np.testing.assert_allclose(hp.images.sample(fit(grey), (2, 3)), grey / 255, atol=1e-12)


def test_pixels_lie_at_columns_and_rows() -> None:
    found = fit(PICTURE)
    assert found.domain.bounds == {"x": (0.0, 1.0), "y": (0.0, 23 / 32)}
    assert abs(found.u(20 * H, 5 * H) - PICTURE[5, 20]) < 1e-12


# -- between the pixels ---
def test_curvatures_are_continuous_across_pixels() -> None:
    found, near = fit(PICTURE), 1e-9
    y = np.linspace(0, 0.7, 40)
    left, right = (found.u.xx(np.full(40, 7 * H + s * near), y) for s in (-1, 1))
    assert np.abs(left - right).max() < 1e-5 * np.abs(left).max()


def test_slopes_are_no_larger_than_three_differences() -> None:
    picture = np.random.default_rng(2).random((20, 20))
    found = fit(picture, from_="gradients")
    x, y = np.random.default_rng(3).uniform(0, 1, (2, 20_000))
    steepest = max(np.abs(np.diff(picture, axis=axis)).max() for axis in (0, 1)) * 19
    assert np.abs(found.u.x(x, y)).max() < 3 * steepest


@pytest.mark.parametrize("basis", ["cubic", "quintic", "septic"])
def test_no_other_field_through_the_pixels_bends_less(basis: str) -> None:
    from hermite_pinn.workloads.images.spline import _bending, _values, axis_fit

    values = np.random.default_rng(4).random(9)
    orders = {"cubic": 2, "quintic": 3, "septic": 4}[basis]
    found, bending = axis_fit(basis, 8, 9) @ values, _bending(basis, 8, orders)
    at = _values(basis, 8, np.arange(9.0), 0)
    np.testing.assert_allclose(at @ found, values, atol=1e-10)
    for change in np.random.default_rng(5).standard_normal((20, len(found))):
        change -= np.linalg.pinv(at) @ (at @ change)
        assert abs(change @ bending @ found) < 1e-9 * np.abs(change).max() * np.abs(bending @ found).max()


def test_a_smooth_picture_is_smooth_between_pixels() -> None:
    errors = []
    for count in (17, 33):
        y, x = np.meshgrid(*[np.linspace(0, 1, count)] * 2, indexing="ij")
        found = fit(np.sin(3 * x) * np.cos(2 * y))
        s, t = np.random.default_rng(6).uniform(0.25, 0.75, (2, 500))
        errors.append(np.abs(found.u(s, t) - np.sin(3 * s) * np.cos(2 * t)).max())
    assert errors[1] < errors[0] / 12


# -- levels ---
def test_fine_levels_take_the_pixels_and_coarse_ones_come_near() -> None:
    fine, coarse, coarser = (fit(PICTURE, levels=levels) for levels in (4, 3, 2))
    ratios = [hp.images.psnr(found, PICTURE) for found in (coarser, coarse, fine)]
    assert ratios[0] < ratios[1] < ratios[2]
    assert ratios[2] > 200
    assert coarse.field.parameter_count == 4 * 17 * 17


def test_on_coarse_levels_no_other_field_is_nearer() -> None:
    from hermite_pinn.workloads.images.spline import _values, axis_fit

    values = np.random.default_rng(7).random(33)
    at = _values("cubic", 8, np.linspace(0, 8, 33), 0)
    left = at @ (axis_fit("cubic", 8, 33) @ values) - values
    assert np.abs(at.T @ left).max() < 1e-12


# -- measured derivatives ---
def test_measured_differences_are_those_of_the_picture() -> None:
    gradients = np.diff(PICTURE, axis=1) / H, np.diff(PICTURE, axis=0) / H
    found = fit(gradients=gradients, mean=PICTURE.mean())
    assert hp.images.psnr(found, PICTURE) > 200
    assert hp.images.psnr(fit(gradients=gradients, border=PICTURE), PICTURE) > 200
    assert abs(hp.images.sample(fit(gradients=gradients), PICTURE.shape).mean()) < 1e-12


def test_measured_slopes_are_those_of_the_field() -> None:
    y, x = np.meshgrid(np.arange(24) * H, np.arange(33) * H, indexing="ij")
    true = np.sin(4 * x + 1) * np.exp(y)
    found = fit(gradients=(4 * np.cos(4 * x + 1) * np.exp(y), true), border=true)
    assert found.settings["parts"]["picture"]["text"].count('"field"') == 1
    assert hp.images.psnr(found, true) > 50
    assert found.residuals["x"] < 0.05


def test_a_measured_laplacian_is_that_of_the_picture() -> None:
    whole = np.pad(PICTURE, 1, mode="reflect")
    laplacian = (whole[2:, 1:-1] + whole[:-2, 1:-1] + whole[1:-1, 2:] + whole[1:-1, :-2] - 4 * PICTURE) / H**2
    assert hp.images.psnr(fit(laplacian=laplacian, mean=PICTURE.mean()), PICTURE) > 200
    assert hp.images.psnr(fit(laplacian=laplacian, border=PICTURE), PICTURE) > 200


def test_gradients_that_belong_to_no_picture_are_met_in_least_squares() -> None:
    generator = np.random.default_rng(8)
    gradients = generator.standard_normal((12, 11)), generator.standard_normal((11, 12))
    found = hp.images.sample(fit(gradients=gradients), (12, 12))
    left = gradients[0] - np.diff(found, axis=1) * 11, gradients[1] - np.diff(found, axis=0) * 11
    divergence = -np.diff(np.pad(left[0], ((0, 0), (1, 1))), axis=1) - np.diff(
        np.pad(left[1], ((1, 1), (0, 0))), axis=0
    )
    assert np.abs(divergence).max() < 1e-10


def test_sobel_does_not_see_what_alternates() -> None:
    from hermite_pinn.workloads.images.measurement import Sobel
    from hermite_pinn.workloads.images.pixels import Pixels

    rows, columns = np.random.default_rng(9).random((2, 12))
    unseen = (-1.0) ** np.arange(12) * rows[:, None] + ((-1.0) ** np.arange(12))[:, None] * columns
    assert all(np.abs(part).max() < 1e-12 for part in Sobel(Pixels(12, 12), True).apply(unseen[None]))


def test_what_sobel_does_not_see_of_odd_sizes_is_smooth() -> None:
    picture = hp.images.made_picture(65, 75)
    found = fit(picture, from_="sobel")
    assert max(found.residuals.values()) < 1e-9
    assert hp.images.psnr(found, picture) > 45
    flat = np.full((5, 7), 0.3)
    assert hp.images.psnr(fit(flat, from_="sobel"), flat) > 200


# -- training ---
@pytest.mark.parametrize(
    "told",
    [
        {"from_": "values"},
        {"from_": "gradients"},
        {"from_": "gradients", "known": "border"},
        {"from_": "sobel"},
        {"from_": "sobel", "derivatives": "field"},
        {"from_": "laplacians", "known": "border"},
        {"from_": "laplacians", "known": "border", "derivatives": "field"},
    ],
    ids=str,
)
def test_training_lowers_what_is_left(told: dict[str, str]) -> None:
    found = [
        fit(
            PICTURE,
            method=hp.Adam(steps=n, points=256, face_points=64, lr=1e-2, ema=0.0),
            field=SIREN,
            levels=3,
            **told,
        )
        for n in (1, 120)
    ]
    assert sum(found[1].residuals.values()) < 0.7 * sum(found[0].residuals.values())


@pytest.mark.parametrize("derivatives", ["pixels", "field"])
def test_the_loss_is_the_mean_square_of_the_misfits(derivatives: str) -> None:
    import torch

    from hermite_pinn.workloads.images.evidence import evidence
    from hermite_pinn.workloads.images.training import PictureLoss

    given = evidence(PICTURE, "sobel", derivatives, None, None, None, None, None)
    field = hp.Field().build(given.pixels.box, ("u",), (False, False), [(32, 23)])
    exact = fit(PICTURE).field.with_tensors(fit(PICTURE).field.tensors())
    loss = PictureLoss(given, field, None, None, False)
    tensors = {k: v.detach() for k, v in exact.tensors().items()}
    parts = loss.parts(0, tensors, torch.Generator())
    values = [loss.losses(tensors, part) for part in parts]
    total = {name: float(sum(v[name] for v in values)) for name in loss.names}
    rows = sum(float(loss.rows(tensors, part, {}).square().sum()) for part in parts)
    assert abs(rows - sum(total.values())) < 1e-12 * max(1.0, rows)
    assert total["border"] < 1e-25
    assert (total["x"] < 1e-20) == (
        derivatives == "pixels"
    )  # the exact picture has no misfit where pixels are compared


@pytest.mark.parametrize(
    "field",
    [
        hp.Field(encoder=name, head="siren", width=16, depth=1)
        for name in ("trilinear_fd", "smooth", "straight_through", "cubic", "fourier", "coordinates")
    ],
    ids=lambda f: f.encoder,
)
def test_every_encoder_is_trained_by_its_name(field: hp.Field) -> None:
    method = hp.Adam(steps=3, points=64, face_points=16)
    found = fit(PICTURE, from_="laplacians", known="border", method=method, field=field, levels=2)
    assert np.isfinite(hp.images.psnr(found, PICTURE))


@pytest.mark.slow
def test_lbfgs_takes_all_pixels() -> None:
    found = fit(PICTURE, from_="gradients", known="border", method=hp.LBFGS(steps=30), field=SIREN, levels=3)
    assert hp.images.psnr(found, PICTURE) > 20


# -- files ---
def test_a_solution_is_kept_in_a_file(tmp_path: Path) -> None:
    found = fit(PICTURE, from_="gradients")
    found.save(tmp_path / "picture.h5")
    loaded = hp.Solution.load(tmp_path / "picture.h5")
    assert loaded.u(0.3, 0.4) == found.u(0.3, 0.4)
    assert loaded.residuals == found.residuals


@pytest.mark.parametrize(
    "method", ["gauss_newton", hp.Adam(steps=40, points=64, face_points=16, check_every=10)], ids=str
)
def test_a_checkpoint_is_continued_and_belongs_to_its_picture(tmp_path: Path, method: Any) -> None:
    told: dict[str, Any] = {"from_": "gradients", "known": "border", "method": method}
    told |= {} if method == "gauss_newton" else {"field": SIREN, "levels": 2}
    whole = fit(PICTURE, checkpoint=tmp_path / "state.h5", **told)
    again = fit(PICTURE, resume=tmp_path / "state.h5", **told)
    assert again.u(0.3, 0.4) == whole.u(0.3, 0.4)
    with pytest.raises(InvalidArgumentError, match="picture"):
        fit(PICTURE + 0.1 * np.eye(24, 33), resume=tmp_path / "state.h5", **told)
    (tmp_path / "state.h5").write_bytes(b"nothing")
    with pytest.raises(CorruptFileError):
        fit(PICTURE, resume=tmp_path / "state.h5", **told)


WAYS: list[dict[str, Any]] = [
    {},
    {"method": hp.Adam(steps=40, points=64, face_points=16, check_every=10), "field": SIREN, "levels": 2},
]


@pytest.mark.parametrize("way", WAYS, ids=["gauss_newton", "adam"])
def test_a_callback_sees_the_field_and_ends_the_run(way: dict[str, Any]) -> None:
    class Enough(hp.Callback):
        ended: Any = None

        def on_step(self, state: hp.RunState) -> str:
            return f"{state.field.parameter_count} numbers"

        def on_end(self, solution: hp.Solution) -> None:
            self.ended = solution

    enough = Enough()
    found = fit(PICTURE, callbacks=enough, **way)
    assert found.status is hp.Status.STOPPED
    assert f"{found.stats['parameters']} numbers" in found.message
    assert len(found.history) == 1
    assert enough.ended is found


@pytest.mark.parametrize("way", WAYS, ids=["gauss_newton", "adam"])
def test_what_a_callback_raises_has_the_field(way: dict[str, Any]) -> None:
    class Broken(hp.Callback):
        def on_step(self, state: hp.RunState) -> None:
            raise ValueError("of the callback")

    with pytest.raises(ValueError, match="of the callback") as caught:
        fit(PICTURE, callbacks=Broken(), **way)
    assert np.isfinite(hp.images.psnr(caught.value.solution, PICTURE))  # type: ignore[attr-defined]


def test_a_picture_that_diverges_keeps_its_last_good_state() -> None:
    way: dict[str, Any] = {"method": hp.Adam(steps=40, lr=1e36, points=64, check_every=1), "field": SIREN, "levels": 2}
    with pytest.raises(hp.DivergedError, match="not finite") as caught:
        fit(PICTURE, **way)
    found = fit(PICTURE, throw=False, **way)
    assert found.status is hp.Status.DIVERGED
    for kept in (found, caught.value.solution):
        assert np.isfinite(hp.images.psnr(kept, PICTURE))
        assert kept.settings["method"] == "adam"


def test_pictures_are_drawn_side_by_side(tmp_path: Path) -> None:
    hp.images.draw(tmp_path / "one.png", PICTURE, {"fitted": fit(PICTURE), "wrong": 1 - PICTURE})
    assert (tmp_path / "one.png").stat().st_size > 1000


def test_central_slopes_are_differences_of_neighbours() -> None:
    found = fit(PICTURE, slopes="central")
    rows, columns = PICTURE.shape
    h = 1 / (max(rows, columns) - 1)
    x, y = np.meshgrid(h * np.arange(1, columns - 1), h * np.arange(1, rows - 1))
    slopes = np.asarray(found.u.x(x, y)), np.asarray(found.u.y(x, y))
    assert np.allclose(slopes[0], (PICTURE[1:-1, 2:] - PICTURE[1:-1, :-2]) / (2 * h), atol=1e-9)
    assert np.allclose(slopes[1], (PICTURE[2:, 1:-1] - PICTURE[:-2, 1:-1]) / (2 * h), atol=1e-9)
    assert hp.images.psnr(found, PICTURE) > 200


def test_parabolas_have_their_own_slopes_by_central_differences() -> None:
    y, x = np.meshgrid(np.arange(7) / 8, np.arange(9) / 8, indexing="ij")
    found = fit(0.2 + 0.3 * x * x - 0.1 * x * y + 0.2 * y, slopes="central")
    at = np.random.default_rng(0).random((2, 40)) * [[1.0], [0.75]]
    assert np.allclose(np.asarray(found.u(*at)), 0.2 + 0.3 * at[0] ** 2 - 0.1 * at[0] * at[1] + 0.2 * at[1], atol=1e-10)


# -- what is refused ---
WRONG = [
    ({}, "give one of picture, gradients"),
    ({"picture": PICTURE, "laplacian": PICTURE}, "picture and laplacian"),
    ({"picture": np.where(PICTURE > 0.9, np.nan, PICTURE)}, "NaN or infinite"),
    ({"picture": np.zeros((0, 4))}, "between 2 and"),
    ({"picture": np.zeros((1, 1))}, "between 2 and"),
    ({"picture": np.zeros(5)}, "shape"),
    ({"picture": np.zeros((4, 4, 0))}, "channels"),
    ({"picture": np.zeros((4, 4, 4, 4))}, "shape"),
    ({"picture": "camera"}, "grey values"),
    ({"picture": PICTURE, "from_": "slopes"}, "from_ must be"),
    ({"picture": PICTURE, "from_": "sobel", "known": "mean"}, "alternate"),
    ({"picture": PICTURE, "from_": "gradients", "derivatives": "field"}, "from_='sobel'"),
    ({"picture": PICTURE, "from_": "gradients", "known": "corner"}, "known must be"),
    ({"picture": PICTURE, "from_": "gradients", "mean": 0.5}, "known="),
    ({"gradients": (PICTURE, PICTURE[1:])}, "gradients must both"),
    ({"gradients": PICTURE[:3]}, "two arrays|at most 2"),
    ({"gradients": (PICTURE, PICTURE), "mean": 0.0, "border": PICTURE}, "not both"),
    ({"gradients": (PICTURE, PICTURE), "known": "mean"}, "give mean= or border="),
    ({"gradients": (PICTURE, PICTURE), "from_": "sobel"}, "border="),
    ({"gradients": (PICTURE, PICTURE), "border": PICTURE[1:]}, "border must have the shape"),
    ({"gradients": (PICTURE, PICTURE), "mean": [0.1, 0.2]}, "mean must be"),
    ({"gradients": (PICTURE, PICTURE), "derivatives": "pixels"}, "do not fit"),
    ({"picture": PICTURE, "levels": [4, 6]}, "nested"),
    ({"picture": PICTURE, "levels": 9}, "fewer levels"),
    ({"picture": PICTURE, "field": "siren"}, "head='linear'"),
    ({"picture": PICTURE, "slopes": "steep"}, "'smooth' or 'central'"),
    ({"picture": PICTURE, "slopes": "central", "levels": 2}, "vertex on every pixel"),
    ({"picture": PICTURE, "slopes": "central", "method": "adam"}, "leave it out"),
    ({"picture": PICTURE, "field": hp.Field(table_size=64)}, "leave out table_size"),
    ({"picture": PICTURE, "method": hp.GaussNewton()}, "method must be"),
    ({"picture": PICTURE, "method": "newton"}, "method must be"),
    ({"picture": PICTURE, "from_": "laplacians", "derivatives": "field"}, "method='adam'"),
    ({"picture": PICTURE, "from_": "sobel", "derivatives": "field", "field": hp.Field(basis="linear")}, "no slopes"),
    ({"picture": PICTURE, "from_": "gradients", "method": "lbfgs"}, "border"),
    (
        {
            "picture": PICTURE,
            "from_": "laplacians",
            "derivatives": "field",
            "method": "adam",
            "field": hp.Field(encoder="straight_through", head="siren"),
        },
        "derivatives of order 2",
    ),
]


@pytest.mark.parametrize(("told", "message"), WRONG, ids=[str(k) for k in range(len(WRONG))])
def test_what_cannot_work_is_refused(told: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidArgumentError, match=message):
        fit(**told)


def test_psnr_is_that_of_its_formula_and_refuses_other_shapes() -> None:
    noise = 0.01 * np.random.default_rng(0).standard_normal(PICTURE.shape)
    assert abs(hp.images.psnr(PICTURE + noise, PICTURE) + 10 * np.log10(np.square(noise).mean())) < 1e-9
    assert hp.images.psnr(PICTURE, PICTURE) == np.inf
    assert abs(hp.images.psnr(255 * PICTURE + 1, 255 * PICTURE, peak=255.0) - 20 * np.log10(255)) < 1e-9
    with pytest.raises(InvalidArgumentError, match="shape of the picture"):
        hp.images.psnr(PICTURE, PICTURE[1:])
    with pytest.raises(InvalidArgumentError, match="peak"):
        hp.images.psnr(PICTURE, PICTURE, peak=0)
