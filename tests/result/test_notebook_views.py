"""What notebooks show of domains, problems and results."""

import copy
import html.parser
import math
import re

import numpy as np
import pytest

import hermite_pinn as hp
from hermite_pinn.colours import SEQUENTIAL, coloured
from hermite_pinn.expressions.graph import coordinate, parameter
from hermite_pinn.expressions.jets import FieldJet
from hermite_pinn.expressions.marked import marked
from hermite_pinn.geometry.domain import Domain
from hermite_pinn.result.solution_html import solution_html, status_colour
from hermite_pinn.run.status import Status

MOST = 100_000  # bytes
SOLVED = {"levels": 2, "progress": False}
EMPTY = {"img", "br", "image", "path", "rect", "circle"}


class Tags(html.parser.HTMLParser):
    """Whether every tag is closed, in order, and nothing comes from elsewhere."""

    def __init__(self, text):
        super().__init__()
        self.open = []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        for name, value in attrs:
            assert name not in ("href", "src") or value.startswith("data:image/png"), (name, value)
        assert tag not in ("script", "link", "style")
        if tag not in EMPTY:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)
        if tag not in EMPTY:
            self.open.pop()

    def handle_endtag(self, tag):
        if tag not in EMPTY:
            assert self.open.pop() == tag


def check(thing):
    text = thing._repr_html_()
    assert not text.startswith("<pre>"), text
    assert "no picture" not in text, text
    assert len(text.encode()) < MOST
    Tags(text)
    return text


TETRAHEDRON = ([(0, 0, 0), (1, 0, 0), (0, 1, 0), (0, 0, 1)], [(0, 2, 1), (0, 1, 3), (0, 3, 2), (1, 2, 3)])
DOMAINS = {
    "interval": lambda: hp.Box(x=(0, 2)),
    "interval in time": lambda: hp.Box(x=(0, 2), t=(0, 1)),
    "rectangle": lambda: hp.Box(x=(0, 1), y=(0, 20)),
    "channel": lambda: hp.Box(x=(0, 4), y=(0, 1), t=(0, 1)) - hp.Disk((1, 0.5), 0.2, name="cylinder"),
    "box": lambda: hp.Box(x=(0, 1), y=(0, 1), z=(0, 1)),
    "box in time": lambda: hp.Box(x=(0, 1), y=(0, 1), z=(0, 1), t=(0, 1)),
    "ball": lambda: hp.Box(x=(-1, 1), y=(-1, 1), z=(-1, 1)) & hp.Ball((0, 0, 0), 0.9),
    "hollow box": lambda: hp.Box(x=(-1, 1), y=(-1, 1), z=(-1, 1)) - hp.Ball((0, 0, 0), 0.5),
    "mesh": lambda: hp.MeshDomain(TETRAHEDRON),
}


@pytest.mark.parametrize("name", DOMAINS)
def test_a_domain_shows_its_axes_and_faces_and_a_picture(name):
    domain = DOMAINS[name]()
    text = check(domain)
    assert "<svg" in text
    for face in domain.faces:
        assert f"<code>{face.name}</code>" in text


def test_a_picture_that_fails_is_a_sentence(monkeypatch):
    def broken(self, x):
        raise RuntimeError("no <distance>")

    domain = DOMAINS["channel"]()
    monkeypatch.setattr(type(domain), "cut_distance", broken)
    text = domain._repr_html_()
    assert "no picture: RuntimeError: no &lt;distance&gt;" in text
    Tags(text)


def test_what_cannot_be_written_at_all_is_its_repr(monkeypatch):
    monkeypatch.setattr(Domain, "bounds", None)
    box = hp.Box(x=(0, 1))
    monkeypatch.setattr("hermite_pinn.geometry.domain.domain_html", lambda domain: 1 / 0)
    assert box._repr_html_().startswith("<pre>")


def test_a_problem_shows_its_equations_conditions_and_parameters():
    problem = hp.Problem(
        domain=DOMAINS["channel"](),
        fields=["v", "c"],
        residual=lambda v, c, x, k: {"heat": v.t - k * (v.xx + v.yy) - hp.exp(-c), "mass": c.t - c.laplacian / 3},
        conditions=[
            hp.Dirichlet(v=lambda x: x, on=["x-", "cylinder"]),
            hp.Neumann(c=0.0, on="x-"),
            hp.Robin(c=(1.0, 2.0, 3.0), on="cylinder"),
            hp.Condition(lambda c, n: n.x * c.x - c**2, on="x+", name="flux"),
            hp.Initial(v=0.0, c=1.0),
            hp.Periodic("y"),
            hp.Data([[0.1, 0.1, 0.1]], v=[1.0]),
        ],
        parameters=[hp.Parameter("k", init=0.1, bounds=(0, 1))],
        name="a <b>bold</b> name",
    )
    text = check(problem)
    assert "a &lt;b&gt;bold&lt;/b&gt; name" in text
    assert (
        "<i>v</i><sub>t</sub> &minus; <i>k</i>&thinsp;&middot;&thinsp;(<i>v</i><sub>xx</sub> + <i>v</i><sub>yy</sub>)"
        in text
    )
    assert "along <i>y</i>" in text
    assert "<i>c</i><sup>2</sup>" in text
    assert "[0, 1]" in text
    check(problem.parameters[0])


def test_every_problem_of_the_library_shows_itself():
    for name in ("helmholtz2d", "burgers", "gray_scott", "cavity", "inverse_poisson", "taylor_green"):
        check(hp.problems.make(name))


def test_expressions_are_written_as_people_write_them():
    x, k, u = coordinate("x"), parameter("kappa"), FieldJet("u", (0, 0), ("x", "t"), 2)
    assert marked(u.t - k * u.xx - -2.0 * x, ("x", "t")) == (
        "<i>u</i><sub>t</sub> &minus; <i>&kappa;</i>&thinsp;&middot;&thinsp;<i>u</i><sub>xx</sub> + 2&thinsp;&middot;&thinsp;<i>x</i>"
    )
    assert marked(4 * math.pi * x) == "4&pi;&thinsp;&middot;&thinsp;<i>x</i>"
    assert marked(1e-7 * x).startswith("1&middot;10<sup>-7</sup>")
    assert marked((x + 1) * (x - 1)) == "(<i>x</i> + 1)&thinsp;&middot;&thinsp;(<i>x</i> &minus; 1)"


def test_long_expressions_are_cut_to_whole_tags():
    x = coordinate("x")
    total = x
    for k in range(2000):
        total = total + (x - k) ** 2
    text = marked(total)
    assert len(text) < 20_000
    assert "&hellip;" in text
    Tags(text)


@pytest.fixture(scope="module")
def solutions():
    box, square = hp.Box(x=(0, 1)), hp.Box(x=(0, 1), y=(0, 1))
    zero = [hp.Dirichlet(u=0.0)]
    line = hp.Problem(box, "u", lambda u: u.xx + 1, zero, exact={"u": lambda x: x * (1 - x) / 2})
    hole = hp.Problem(square - hp.Disk((0.5, 0.5), 0.2), "u", lambda u: u.laplacian + 1, zero)
    solid = hp.Problem(hp.Box(x=(0, 1), y=(0, 1), z=(0, 1)), "u", lambda u: u.laplacian + 1, zero)
    heat = hp.Problem(
        hp.Box(x=(0, 1), y=(0, 1), t=(0, 1)), "u", lambda u: u.t - u.laplacian - 1, [*zero, hp.Initial(u=0.0)]
    )
    wave = hp.Problem(box, {"u": complex}, lambda u: u.x - 2j * u, [hp.Dirichlet(u=1.0, on="x-")])
    return {
        name: hp.solve(p, **SOLVED)
        for name, p in {"line": line, "hole": hole, "solid": solid, "heat": heat, "wave": wave}.items()
    }


@pytest.mark.parametrize("name", ["line", "hole", "solid", "heat", "wave"])
def test_a_solution_shows_its_status_numbers_and_fields(solutions, name):
    solution = solutions[name]
    text = check(solution)
    assert solution.status.label in text
    assert f"{solution.estimated_error:.1e}" in text
    assert "<img" in text or "<path" in text
    check(solution.history)


def test_the_error_that_is_shown_is_that_of_the_solution(solutions):
    shown = float(re.search(r"<i>u</i> (\S+) <span[^>]*>relative L2, at", check(solutions["line"])).group(1))
    assert shown == pytest.approx(solutions["line"].error()["u"]["relative_l2"], rel=0.5, abs=1e-15)


def test_a_run_that_failed_says_what_to_do(solutions):
    failed = copy.copy(solutions["line"])
    failed.status, failed.title = Status.STALLED, "<script>alert(1)</script>"
    text = check(failed)
    assert "#cf222e" in text
    assert "check that the problem has a unique solution" in text
    assert "<script" not in text


def test_a_solution_without_finite_values_shows_itself(solutions, monkeypatch):
    broken = copy.copy(solutions["hole"])
    monkeypatch.setattr(
        type(broken), "on_grid", lambda self, axes, channels=None: np.full((1, 1, *map(len, axes)), np.nan)
    )
    Tags(solution_html(broken))


def test_branches_and_spectra_show_their_members():
    def heated(strength):
        return hp.Problem(hp.Box(x=(0, 1)), ["u"], lambda u: u.xx + strength * hp.exp(u), [hp.Dirichlet(u=0.0)])

    text = check(hp.continuation(heated, [1.0, 2.0], tol=1e-4))
    assert text.count("converged") >= 3
    string = hp.Problem(
        hp.Box(x=(0, hp.pi)),
        ["u"],
        lambda u, rate: u.xx + rate * u,
        [hp.Dirichlet(u=0.0)],
        parameters=[hp.Parameter("rate")],
    )
    spectrum = hp.eigen(string, count=2)
    text = check(spectrum)
    assert f"{spectrum.values[1]:.10g}" in text


def test_colours_run_from_end_to_end_and_leave_out_what_is_not_finite():
    made = coloured(np.array([-5.0, 0.0, 1.0, 7.0, np.inf, np.nan]), 0.0, 1.0, SEQUENTIAL)
    assert made[:, 3].tolist() == [255, 255, 255, 255, 0, 0]
    assert (made[0] == made[1]).all()
    assert (made[2] == made[3]).all()


def test_a_plot_is_a_picture_on_the_last_line_of_a_cell():
    solution = hp.solve(hp.problems.poisson2d(), levels=2, progress=False)
    for figure in (solution.plot(), solution.plot_history()):
        assert figure._repr_png_().startswith(b"\x89PNG")


def test_a_success_without_an_estimate_says_so_and_is_not_green():
    problem = hp.Problem(hp.Box(x=(0, 1)), "u", lambda u: u.xx - 1, [hp.Dirichlet(u=0.0)])
    solved = hp.solve(problem, levels=3, progress=False)
    trained = hp.solve(problem, method="lbfgs", field=hp.Field(head="linear", table_size=None), **SOLVED)
    assert solved.status.success
    assert trained.status.success
    assert trained.estimated_error is None
    assert "  estimate    none: training does not estimate its error; compare with another run" in str(trained)
    assert "estimate    none" not in str(solved)
    green, grey = (status_colour(Status.COMPLETED, estimated) for estimated in (True, False))
    assert green in check(solved)
    assert grey not in check(solved)
    assert grey in check(trained)
    assert green not in check(trained)
    assert "training does not estimate its error" in check(trained)
    assert status_colour(Status.UNSOLVED, True) == status_colour(Status.UNSOLVED, False)


def test_numbers_that_were_chosen_are_in_the_stats_and_not_in_the_message():
    problem = hp.Problem(hp.Box(x=(0, 1)), "u", lambda u: u.xx - 1, [hp.Dirichlet(u=0.0)])
    trained = hp.solve(problem, method=hp.Adam(steps=5, points=20, face_points=1), progress=False)
    assert trained.stats["defaults"]["lr"] > 0
    assert "lr=" not in trained.message
