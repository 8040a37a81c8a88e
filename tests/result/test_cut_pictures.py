"""Pictures of cut domains: they end at the outline, as sharply as the picture allows, and colours are those inside."""

import io
import sys

import numpy as np
import pytest
from outlined import Round, Tilted, on_part

import hermite_pinn as hp
from hermite_pinn import exp, pi, sin
from hermite_pinn.errors import BackendUnavailableError, InvalidArgumentError, OutputError
from hermite_pinn.result.outline import extent, outline
from hermite_pinn.result.panels import colours, shown_span, span_of

BOX = hp.Box(x=(0, 1), y=(0, 1))


@pytest.fixture(scope="module")
def whole():
    known = lambda x, y: 1 + x * (1 - x) * sin(3 * y)
    residual = lambda u, x, y: u.laplacian - (-2 * sin(3 * y) - 9 * x * (1 - x) * sin(3 * y))
    return hp.solve(hp.Problem(BOX, "u", residual, [hp.Dirichlet(u=known)], exact={"u": known}), levels=3)


@pytest.fixture(scope="module")
def cube():
    return hp.solve(hp.problems.helmholtz3d(a=1), levels=2)


def pixels(figure):
    image = io.BytesIO()
    figure.savefig(image, dpi=100, format="rgba")
    width, height = figure.canvas.get_width_height()
    return np.frombuffer(image.getvalue(), dtype=np.uint8).reshape(height, width, 4)[..., :3].astype(int)


def panel(figure, number=0):
    """The pixels of the data of an image, from its lower edge up."""
    shown = pixels(figure)
    box = figure.axes[number].get_window_extent().extents.round().astype(int)
    return shown[::-1][box[1] + 2 : box[3] - 1, box[0] + 2 : box[2] - 1]


def axes_range(panel_axes):
    return panel_axes.images[0].get_clim()


# -- outlines ---
@pytest.mark.parametrize(
    ("domain", "area", "loops"),
    [
        (BOX - Round((0.5, 0.5), 0.2), 1 - 0.04 * pi, 2),
        (BOX - Round((0.5, 0.5), 0.2) - Round((0.1, 0.1), 0.05, "other"), 1 - 0.0425 * pi, 3),
        (BOX & Round((0.5, 0.5), 0.2), 0.04 * pi, 1),
        (BOX - Tilted((0.5, 0.5), 0.2, 0.3), 0.84, 2),
        (BOX - Round((1.0, 0.5), 0.2), 1 - 0.02 * pi, 1),
        (BOX, 1.0, 1),
    ],
)
def test_outlines_enclose_the_domain(domain, area, loops):
    axes = {i: np.linspace(0, 1, 97) for i in (0, 1)}
    found = outline(domain, axes, {})
    assert found.area == pytest.approx(area, abs=1e-3)
    assert len(found.loops) == loops
    assert len(found.path.codes) == sum(len(loop) + 1 for loop in found.loops)


def test_outlines_of_slices_through_a_solid(cube):
    domain = cube.domain - hp.Cuboid((0.2, 0.3, 0.4), (0.6, 0.9, 0.7))
    found = outline(domain, {0: np.linspace(0, 1, 61), 2: np.linspace(0, 1, 61)}, {1: 0.5})
    assert found.area == pytest.approx(1 - 0.4 * 0.3, abs=1e-3)
    assert outline(domain, {0: np.linspace(0, 1, 61), 2: np.linspace(0, 1, 61)}, {1: 0.1}).area == pytest.approx(1.0)


def test_the_window_is_around_the_domain():
    lower, upper = extent(BOX & Round((0.3, 0.4), 0.1))
    assert (lower > [0.15, 0.25]).all()
    assert (lower < [0.2, 0.3]).all()
    assert (upper < [0.45, 0.55]).all()
    assert extent(BOX)[1].tolist() == [1.0, 1.0]


# -- pictures ---
def test_holes_are_white_and_all_else_is_not(whole):
    shown = panel(on_part(whole, BOX - Round((0.5, 0.5), 0.3)).plot())
    height, width, _ = shown.shape
    y, x = np.mgrid[0:height, 0:width]
    away = np.hypot((x + 0.5) / width - 0.5, (y + 0.5) / height - 0.5)
    white = (shown > 250).all(-1)
    assert white[away < 0.3 - 2.5 / width].all()
    assert not white[away > 0.3 + 2.5 / width].any()
    for turn in np.linspace(0, 2 * pi, 65):
        ray = [0.5 + np.outer((np.cos(turn), np.sin(turn)), 0.3 + np.arange(-3, 4) / width)]
        columns, rows = np.floor(np.array(ray[0]) * [[width], [height]]).astype(int)
        assert shown[rows, columns].max(-1).min() < 170, "the outline is drawn"


def test_symmetric_domains_give_symmetric_pictures():
    known = lambda x, y: (x - 0.5) ** 2 - (y - 0.5) ** 2
    box = hp.solve(hp.Problem(BOX, "u", lambda u: u.laplacian, [hp.Dirichlet(u=known)]), levels=2)
    part = on_part(box, BOX - Round((0.5, 0.3), 0.15) - Round((0.5, 0.8), 0.1, "other"))
    part.problem = None
    figure = part.plot()
    figure.set_layout_engine("none")
    figure.axes[0].set_position([0.1, 0.1, 0.6, 0.8])
    shown = panel(figure)
    difference = np.abs(shown - shown[:, ::-1]).max(-1)
    assert np.mean(difference > 60) < 0.012  # the outline by half a pixel


def test_colours_are_those_of_the_domain(whole):
    part = on_part(whole, BOX & Round((0.5, 0.5), 0.1))
    low, high = axes_range(part.plot().axes[0])
    values = part.at_points(part.domain.interior.quasi_random(4000, 0).x.numpy().T)[0, 0]
    assert low == pytest.approx(values.min(), abs=0.02 * np.ptp(values))
    assert high == pytest.approx(values.max(), abs=0.02 * np.ptp(values))


def test_colour_maps_are_symmetric_where_both_signs_matter():
    assert colours("u", (-1.0, 2.0))["vmin"] == -2.0
    assert colours("u", (-3.0, -1.0)) == {"cmap": "viridis", "vmin": -3.0, "vmax": -1.0}
    assert colours("error of u", (1.0, 2.0))["vmin"] == -2.0
    assert span_of(np.full(3, np.nan)) == (np.inf, -np.inf)
    assert colours("u", span_of(np.full(3, np.nan)))["vmax"] == 1.0


def test_rare_peaks_of_a_residual_set_no_colours():
    flat = np.sin(np.linspace(0, 20, 10_000))
    peaked = np.where(np.arange(10_000) % 1000 == 0, 1e6, flat)
    assert shown_span("residual pde", [flat]) == span_of(flat)
    low, high = shown_span("residual pde", [peaked])
    assert 0.9 < -low == high <= 1.0
    assert shown_span("u", [peaked])[1] == 1e6


def test_a_picture_says_what_its_colours_leave_out(tmp_path):
    problem = hp.Problem(BOX, "u", lambda u: u.laplacian + 1, [hp.Dirichlet(u=0.0)])
    figure = hp.solve(problem, levels=3).plot()
    drawn = {ax.get_title().split(", ")[0]: ax for ax in figure.axes if ax.images}
    residual = drawn["residual pde"]
    values = residual.images[0].get_array()
    assert np.abs(values).max() > 3 * axes_range(residual)[1]
    assert f"up to {np.abs(values).max():.1e}" in residual.get_title()
    assert residual.images[0].colorbar.extend == ("both" if values.min() < -axes_range(residual)[1] else "max")
    assert drawn["u"].images[0].colorbar.extend == "neither"


def test_errors_and_residuals_are_drawn_inside(whole):
    figure = on_part(whole, BOX - Round((0.5, 0.5), 0.2)).plot()
    titles = [ax.get_title() for ax in figure.axes if ax.get_title()]
    assert titles == ["u", "error of u", "residual pde"]
    assert axes_range(figure.axes[1])[1] < 1e-3


def test_time_is_drawn_at_instants():
    exact = lambda x, y, t: sin(pi * x) * sin(pi * y) * exp(-0.2 * pi**2 * t)
    problem = hp.Problem(
        hp.Box(t=(0, 1), x=(0, 1), y=(0, 1)),
        "u",
        lambda u: u.t - 0.1 * u.laplacian,
        [hp.Dirichlet(u=0.0), hp.Initial(u=lambda x, y: sin(pi * x) * sin(pi * y))],
        exact={"u": exact},
    )
    solution = hp.solve(problem, levels=2)
    part = on_part(solution, solution.domain - Round((0.3, 0.6), 0.2))
    figure = part.plot(resolution=40)
    titles = [ax.get_title() for ax in figure.axes if ax.get_title()]
    assert [t for t in titles if t.startswith("u")] == ["u, t = 0", "u, t = 0.5", "u, t = 1"]
    shown = panel(figure)
    height, width, _ = shown.shape
    assert (shown[int(0.6 * height), int(0.3 * width)] > 250).all()
    assert not (shown[int(0.3 * height), int(0.6 * width)] > 250).all()


@pytest.mark.slow
def test_solids_show_their_surface_and_slices(cube, tmp_path):
    part = on_part(cube, cube.domain & hp.Cuboid((0.2, 0.3, 0.4), (0.6, 0.9, 0.7)))
    figure = part.plot(tmp_path / "u.png", resolution=24)
    titles = [ax.get_title() for ax in figure.axes if ax.get_title().startswith("u")]
    assert titles[0] == "u, on the boundary"
    assert [t.split(" = ")[0] for t in titles[1:]] == ["u, z", "u, y", "u, x"]
    assert [float(t.split(" = ")[1]) for t in titles[1:]] == pytest.approx([0.55, 0.6, 0.4], abs=0.02)
    (view, *_) = solids(figure)
    assert view.get_zlim() == pytest.approx((0.4, 0.7), abs=0.03)
    assert (tmp_path / "u.png").stat().st_size > 10_000
    around = on_part(cube, cube.domain - hp.Cuboid((0.2, 0.3, 0.4), (0.6, 0.9, 0.7))).plot(resolution=24)
    assert solids(around)[0].get_zlim() == pytest.approx((0.0, 1.0), abs=0.05)


def solids(figure):
    return [ax for ax in figure.axes if ax.name == "3d"]


def test_names_of_axes_are_on_the_picture(cube):
    figure = on_part(cube, cube.domain - hp.Cuboid((0.2, 0.3, 0.4), (0.6, 0.9, 0.7))).plot(resolution=24)
    figure.draw_without_rendering()
    for ax in figure.axes:
        if ax.name != "3d" and ax.get_ylabel():
            assert ax.yaxis.label.get_window_extent().x0 >= 0
            assert ax.get_tightbbox().x1 <= figure.bbox.x1
    for view in solids(figure):
        assert view.get_window_extent().width > 100


def test_a_slice_that_misses_the_domain_says_so(cube):
    apart = hp.Cuboid((0.1, 0.1, 0.1), (0.9, 0.9, 0.3)) | hp.Cuboid((0.1, 0.1, 0.71), (0.89, 0.9, 0.93))
    two = cube.domain & apart
    figure = on_part(cube, two).plot(resolution=24, residual=False)
    missed = [ax for ax in figure.axes if ax.get_title().startswith("u, z = ")]
    assert [t.get_text() for t in missed[0].texts] == ["no part of the domain"]


def test_long_domains_have_low_pictures():
    channel = hp.Box(x=(0, 2.2), y=(0, 0.4))
    solution = hp.solve(hp.Problem(channel, "u", lambda u: u.laplacian + 1, [hp.Dirichlet(u=0.0)]), levels=1)
    figure = on_part(solution, channel - Round((0.2, 0.2), 0.05)).plot()
    width, height = figure.get_size_inches()
    assert height < 0.25 * width
    bars = figure.axes[0].child_axes
    assert bars[0].get_window_extent().height == pytest.approx(figure.axes[0].get_window_extent().height, rel=0.05)


# -- pyvista ---
def test_pyvista_renders_solids(cube, tmp_path):
    pytest.importorskip("pyvista", reason="pyvista is not installed (the extra viz)")
    part = on_part(cube, cube.domain - hp.Cuboid((0.2, 0.3, 0.4), (0.6, 0.9, 0.7)))
    image = part.plot(tmp_path / "u.png", backend="pyvista", resolution=16)
    assert image.dtype == np.uint8
    assert image.ndim == 3
    assert image.shape[1] > image.shape[0]
    assert len(np.unique(image.reshape(-1, 3), axis=0)) > 100
    assert (tmp_path / "u.png").stat().st_size > 10_000
    assert list(tmp_path.iterdir()) == [tmp_path / "u.png"]
    with pytest.raises(OutputError, match=r"write \.png"):
        part.plot(tmp_path / "u.doc", backend="pyvista", resolution=8)


def test_pyvista_draws_solids_alone(whole):
    pytest.importorskip("pyvista", reason="pyvista is not installed (the extra viz)")
    with pytest.raises(InvalidArgumentError, match="three space axes"):
        whole.plot(backend="pyvista")


def test_what_to_do_without_pyvista(cube, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyvista", None)
    with pytest.raises(BackendUnavailableError, match=r"hermite_pinn\[viz\]"):
        cube.plot(backend="pyvista")


def test_unknown_backends(whole):
    with pytest.raises(InvalidArgumentError, match="matplotlib"):
        whole.plot(backend="gnuplot")
