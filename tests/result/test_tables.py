"""Solutions as tables of other libraries."""

import sys

import numpy as np
import pytest

import hermite_pinn as hp
from hermite_pinn.errors import BackendUnavailableError, InvalidArgumentError
from hermite_pinn.run.history import History

pytest.importorskip("xarray")
pytest.importorskip("pandas")


@pytest.fixture(scope="module")
def heat():
    problem = hp.Problem(
        hp.Box(x=(0, 1), t=(0, 0.1)),
        "u",
        lambda u: u.t - u.xx,
        [hp.Dirichlet(u=0.0), hp.Initial(u=lambda x: hp.sin(hp.pi * x))],
        name="heat",
    )
    return hp.solve(problem, levels=2, progress=False)


@pytest.fixture(scope="module")
def plate():
    domain = hp.Box(x=(0, 1), y=(0, 1)) - hp.Disk((0.5, 0.5), 0.2)
    return hp.solve(hp.Problem(domain, "u", lambda u: u.laplacian + 1, [hp.Dirichlet(u=0.0)]), levels=2, progress=False)


@pytest.fixture(scope="module")
def wave():
    problem = hp.Problem(hp.Box(x=(0, 1)), {"u": complex}, lambda u: u.x - 2j * u, [hp.Dirichlet(u=1.0, on="x-")])
    return hp.solve(problem, levels=2, progress=False)


def test_a_dataset_has_the_values_that_the_field_has(heat):
    x, t = np.array([0.2, 0.5]), np.array([0.0, 0.03, 0.1])
    data = heat.to_xarray(["u", "u.x", "u.laplacian"], axes={"x": x, "t": t})
    assert data.u.dims == ("x", "t")
    for name, function in (("u", heat.u), ("u.x", heat.u.x), ("u.laplacian", heat.u.laplacian)):
        np.testing.assert_allclose(data[name].values, function(x[:, None], t), rtol=1e-12, atol=1e-12)


def test_a_number_cuts_a_slice(heat):
    data = heat.to_xarray(axes={"t": 0.05}, resolution=8)
    assert data.u.dims == ("x",)
    assert float(data.t) == 0.05
    np.testing.assert_allclose(data.u.values, heat.u(data.x.values, 0.05), rtol=1e-12)


def test_a_dataset_is_nan_where_the_domain_is_not_and_a_frame_has_no_row_there(plate):
    data, frame = plate.to_xarray(resolution=20), plate.to_pandas(resolution=20)
    inside = plate.inside(*np.meshgrid(data.x.values, data.y.values, indexing="ij"))
    assert (np.isfinite(data.u.values) == inside).all()
    assert len(frame) == inside.sum()
    np.testing.assert_array_equal(frame.u.to_numpy(), data.u.values[inside])


def test_complex_fields_are_complex_variables(wave):
    data = wave.to_xarray(["u", "u.x", "u.imag"], resolution=5)
    np.testing.assert_allclose(data["u.x"].values, wave.u.x(data.x.values), rtol=1e-12)
    np.testing.assert_allclose(data["u.imag"].values, data.u.values.imag)
    assert list(wave.to_xarray().data_vars) == ["u"]
    assert wave.to_pandas(points=[[0.5]]).u.dtype.kind == "c"


def test_what_is_known_of_the_run_goes_with_it_and_fits_into_a_file(heat, tmp_path):
    data = heat.to_xarray(resolution=4)
    assert data.attrs["status"] == heat.status.name
    assert data.attrs["title"] == "heat"
    assert data.attrs["version_hermite_pinn"]
    assert all(isinstance(v, int | float | str) for v in data.attrs.values())
    assert heat.to_pandas(resolution=4).attrs == data.attrs


def test_rows_of_the_history_are_rows_of_a_frame(heat):
    frame = heat.history.to_pandas()
    assert list(frame.columns) == heat.history.columns
    assert len(frame) == len(heat.history)
    assert History().to_pandas().empty


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ({"fields": ["v"]}, "no field 'v'"),
        ({"fields": "u.z"}, "no derivative"),
        ({"fields": ["u.grad"]}, "'u.x'"),
        ({"fields": ["u.xxxxxxxxx"]}, "order"),
        ({"axes": {"z": 0.5}}, "no axis"),
        ({"axes": {"x": [[0.1]]}}, r"\(n,\)"),
        ({"axes": {"x": 2.0}}, "outside"),
        ({"resolution": 0}, "resolution"),
    ],
)
def test_what_does_not_exist_is_refused(heat, arguments, told):
    with pytest.raises(InvalidArgumentError, match=told):
        heat.to_xarray(**arguments)


def test_points_and_a_grid_exclude_each_other(heat):
    with pytest.raises(InvalidArgumentError, match="leave one of them out"):
        heat.to_pandas(points=[[0.1, 0.1]], resolution=3)


@pytest.mark.parametrize(("library", "call"), [("xarray", "to_xarray"), ("pandas", "to_pandas")])
def test_a_library_that_is_missing_is_named_with_its_extra(heat, monkeypatch, library, call):
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(BackendUnavailableError, match=rf"hermite_pinn\[{library}\]"):
        getattr(heat, call)()


def test_a_grid_that_does_not_fit_is_refused_before_it_is_made(heat):
    for call in (heat.to_xarray, heat.to_pandas):
        with pytest.raises(hp.OutOfMemoryError, match="resolution"):
            call(resolution=2**31)
