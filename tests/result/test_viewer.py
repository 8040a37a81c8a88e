"""The page that shows a solution: what it holds, and that it needs nothing else."""

import base64
import json
import os
import re
import shutil
import subprocess

import numpy as np
import pytest
from typer.testing import CliRunner

import hermite_pinn as hp
from hermite_pinn.cli import app
from hermite_pinn.errors import InvalidArgumentError
from hermite_pinn.result.viewer import members_page, viewer_page
from hermite_pinn.result.viewer_samples import LEVELS, coded

CHROMIUM = shutil.which("chromium")
MOST = 6_000_000  # bytes


def data_of(page):
    return json.loads(re.search(r'<script type="application/json" id="data">(.*?)</script>', page, re.DOTALL).group(1))


def decoded(entry, shape):
    numbers = np.frombuffer(base64.b64decode(entry["data"]), "<u2").astype(float)
    return np.where(numbers > LEVELS, np.nan, entry["first"] + entry["step"] * numbers).reshape(shape)


@pytest.fixture(scope="module")
def heat():
    problem = hp.Problem(
        hp.Box(x=(0, 1), y=(0, 1), t=(0, 0.1)),
        "u",
        lambda u: u.t - u.laplacian,
        [hp.Dirichlet(u=0.0), hp.Initial(u=lambda x, y: hp.sin(hp.pi * x) * hp.sin(hp.pi * y))],
        exact={"u": lambda x, y, t: hp.sin(hp.pi * x) * hp.sin(hp.pi * y) * hp.exp(-2 * hp.pi**2 * t)},
        name="heat </script><b>",
    )
    return hp.solve(problem, levels=2, progress=False)


@pytest.fixture(scope="module")
def plate():
    domain = hp.Box(x=(0, 1), y=(0, 1)) - hp.Disk((0.5, 0.5), 0.2)
    problem = hp.Problem(domain, "u", lambda u: u.laplacian + 1, [hp.Dirichlet(u=0.0)], name="plate")
    return hp.solve(problem, levels=3, progress=False)


@pytest.fixture(scope="module")
def wave():
    problem = hp.Problem(hp.Box(x=(0, 1)), {"u": complex}, lambda u: u.x - 2j * u, [hp.Dirichlet(u=1.0, on="x-")])
    return hp.solve(problem, levels=2, progress=False)


@pytest.fixture(scope="module")
def branch():
    def loaded(load):
        return hp.Problem(hp.Box(x=(0, 1)), "u", lambda u: u.xx + load, [hp.Dirichlet(u=0.0)])

    return hp.continuation(loaded, [1.0, 2.0, 3.0], tol=1e-4)


def test_the_page_holds_the_values_of_fields_and_derivatives_to_16_bits(heat):
    data = data_of(viewer_page(heat, ["u", "u.x"], 12))
    axes = [np.array(a["at"]) for a in data["axes"]]
    entries = {f["name"]: f for f in data["fields"]}
    for name, function in (("u", heat.u), ("u.x", heat.u.x)):
        entry = entries[name]
        found = decoded(entry, [len(a) for a in axes])
        wanted = function(*np.meshgrid(*axes, indexing="ij"))
        assert np.abs(found - wanted).max() <= 0.51 * (entry["high"] - entry["low"]) / LEVELS + 1e-8
        assert entry["low"] == pytest.approx(wanted.min(), abs=1e-9)


def test_the_page_holds_errors_and_residuals_where_they_are_known(heat, plate):
    data = data_of(viewer_page(heat, ["u"], 8))
    assert [f["name"] for f in data["fields"]] == ["u", "error of u", "residual pde"]
    error = next(f for f in data["fields"] if f["name"] == "error of u")
    x = np.stack([g.ravel() for g in np.meshgrid(*[a["at"] for a in data["axes"]], indexing="ij")], 1)
    assert max(-error["low"], error["high"]) == pytest.approx(heat.error(x)["u"]["max"], rel=1e-6)
    assert "error of u" not in {f["name"] for f in data_of(viewer_page(plate))["fields"]}


def test_samples_go_on_across_a_boundary_which_the_level_draws(plate):
    data = data_of(viewer_page(plate, ["u"], 40))
    shape = [len(a["at"]) for a in data["axes"]]
    level, values = decoded(data["level"], shape), decoded(data["fields"][0], shape)
    x, y = np.meshgrid(*[a["at"] for a in data["axes"]], indexing="ij")
    inside = np.hypot(x - 0.5, y - 0.5) >= 0.2
    sure = np.abs(np.hypot(x - 0.5, y - 0.5) - 0.2) > 1e-4
    assert ((level <= 0) == inside)[sure].all()
    assert np.isfinite(values[inside]).all()
    assert np.isnan(values[20, 20])
    beyond = np.isfinite(values) & ~inside
    assert beyond.any()
    assert np.abs(values[beyond]).max() < np.nanmax(values[inside])


def test_complex_fields_have_a_modulus_and_a_phase(wave):
    data = data_of(viewer_page(wave))
    entries = {f["name"]: f for f in data["fields"]}
    assert entries["|u|"]["low"] == pytest.approx(1.0, abs=1e-3)
    parts = [data["fields"][k]["name"] for k in entries["arg u"]["parts"]]
    assert (parts, entries["arg u"]["high"]) == (["u_real", "u_imag"], np.pi)


def test_a_branch_has_a_slider_from_one_solution_to_the_next(branch, tmp_path):
    data = data_of(branch.view(tmp_path / "page.html", show=False).read_text())
    assert data["labels"] == ["1", "2", "3"]
    assert branch.message in data["about"]
    for member, solution in zip(data["members"], branch, strict=True):
        places = np.array(member["axes"][0]["at"])
        (entry,) = (f for f in member["fields"] if f["name"] == "u")
        assert np.abs(decoded(entry, places.shape) - solution.u(places)).max() < 1e-4


def test_many_solutions_share_the_size_of_a_page(heat):
    pair = members_page([heat] * 8, "abcdefgh", title="", about="", what="", load="")
    assert len(pair.encode()) < MOST


def test_nothing_to_show_is_refused():
    with pytest.raises(InvalidArgumentError, match="Branch of 0 solutions holds no solution"):
        hp.Branch([], [], hp.Status.STOPPED, "").view("page.html", show=False)


def test_the_command_shows_the_folder_of_a_branch(branch, tmp_path):
    branch.save(tmp_path / "kept")
    found = CliRunner().invoke(app, ["view", str(tmp_path / "kept"), "--no-open"])
    assert found.exit_code == 0, found.output
    assert len(data_of((tmp_path / "kept.html").read_text())["members"]) == 3


def test_the_page_is_of_a_sensible_size_and_asks_for_nothing(heat, plate, wave):
    for solution in (heat, plate, wave):
        page = viewer_page(solution)
        assert len(page.encode()) < MOST
        assert "http://" not in page
        assert "https://" not in page
        assert page.count("</script>") == 2


def test_texts_of_a_problem_cannot_end_the_data(heat):
    assert data_of(viewer_page(heat, ["u"], 4))["title"] == "heat </script><b>"


def test_numbers_that_are_equal_or_missing_are_coded():
    assert decoded(coded(np.full(3, 7.5)), 3).tolist() == [7.5] * 3
    assert np.isnan(decoded(coded(np.full(3, np.nan)), 3)).all()
    assert np.isnan(decoded(coded(np.array([np.inf, 1.0, 2.0])), 3))[0]


def test_a_field_that_is_not_there_is_refused(heat):
    with pytest.raises(InvalidArgumentError, match="no field 'v'"):
        viewer_page(heat, ["v"])


def test_the_command_writes_the_page_beside_the_file(plate, tmp_path):
    plate.save(tmp_path / "u.h5")
    found = CliRunner().invoke(
        app, ["view", str(tmp_path / "u.h5"), "--no-open", "--fields", "u, u.x", "--resolution", "20"]
    )
    assert found.exit_code == 0, found.output
    data = data_of((tmp_path / "u.html").read_text())
    assert [f["name"] for f in data["fields"]] == ["u", "u.x"]
    assert data["title"] == "plate"


def test_the_command_opens_the_page_unless_that_is_refused(plate, tmp_path, monkeypatch):
    opened = []
    monkeypatch.setattr("webbrowser.open", opened.append)
    plate.save(tmp_path / "u.h5")
    CliRunner().invoke(app, ["view", str(tmp_path / "u.h5"), "--resolution", "4"])
    assert opened == [(tmp_path / "u.html").resolve().as_uri()]


def test_the_command_shows_compressed_solutions_and_says_what_it_cannot_show(plate, tmp_path):
    hp.compression.compress(plate, tol=1e-3).save(tmp_path / "u.hpc")
    found = CliRunner().invoke(app, ["view", str(tmp_path / "u.hpc"), "--no-open", "--resolution", "4"])
    assert found.exit_code == 0, found.output
    plate.save(tmp_path / "0000.h5")
    found = CliRunner().invoke(app, ["view", str(tmp_path), "--no-open"])
    assert found.exit_code == 2
    assert "0000.h5" in found.output


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed")
@pytest.mark.parametrize("name", ["heat", "plate", "wave", "branch"])
def test_a_browser_draws_every_field_and_view_without_an_error(name, request, tmp_path):
    script = """<script>
let failed = "";
window.onerror = m => { failed += m; };
const member = document.getElementById("member");
if (member) { member.value = 1; member.dispatchEvent(new Event("input")); }
for (const [id, most] of [["field", 99], ["plane", 99], ["range", 3]]) {
  const box = document.getElementById(id);
  for (const option of [...box.querySelectorAll("option")].slice(0, most)) { box.value = option.value; box.dispatchEvent(new Event("change")); }
}
const r = document.getElementById("map").getBoundingClientRect();
document.getElementById("stage").dispatchEvent(new PointerEvent("pointermove",
  { clientX: r.left + 0.3 * r.width, clientY: r.top + 0.4 * r.height, bubbles: true }));
document.body.setAttribute("data-result", failed || document.getElementById("value").textContent);
</script></body>"""
    shown = request.getfixturevalue(name).view(tmp_path / "page.html", resolution=12, show=False)
    file = tmp_path / "page.html"
    file.write_text(shown.read_text().replace("</body>", script))
    command = [CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--dump-dom", "--disable-background-networking",
               f"--user-data-dir={tmp_path / 'profile'}", file.as_uri()]  # fmt: skip
    run = subprocess.run(command, capture_output=True, text=True, timeout=120, env=os.environ | {"HOME": str(tmp_path)})
    told = re.search(r'data-result="([^"]*)"', run.stdout)
    assert told is not None, run.stderr[-2000:]
    assert re.match(r"[xyt] = .*: .* = [-\d.e+]+$", told.group(1)), told.group(1)


def test_slices_begin_where_there_is_something_to_see():
    problem = hp.Problem(
        hp.Box(x=(0, 1), y=(0, 2), t=(0, 0.1)),
        "u",
        lambda u, y: u.t - u.laplacian - hp.sin(hp.pi * y),
        [hp.Dirichlet(u=0.0), hp.Initial(u=0.0)],
    )
    held = data_of(viewer_page(hp.solve(problem, levels=2, progress=False), ["u"], 20))["held"]
    assert held[2] > 0.05
    assert abs(held[1] - 1.0) > 0.2
