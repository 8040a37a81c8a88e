"""Residual terms with their exact sensitivities to the jets they use."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property

from hermite_pinn.cuda.encoder.channels import Channel, Channels
from hermite_pinn.expressions.elementary import registered
from hermite_pinn.expressions.graph import Expr, constant, postorder
from hermite_pinn.expressions.program import Leaf, Program, Value, depends_on, leaves, same
from hermite_pinn.problem.problem import Problem
from hermite_pinn.problem.terms import Term

__all__ = ["CompiledTerm", "Jet", "channels_of", "compile_term", "merged_channels"]

Jet = tuple[str, tuple[int, ...]]


class Sensitivities:
    """A residual with its exact derivatives by jets and parameters; see :class:`CompiledTerm`."""

    def __init__(self, residual: Expr, by_leaf: Mapping[Leaf, Expr]) -> None:
        by_jet = {data: e for (kind, data), e in by_leaf.items() if kind == "jet"}
        self.residual = residual
        self.parameters: dict[str, Expr] = {data: e for (kind, data), e in by_leaf.items() if kind == "parameter"}
        stepped = _stepped(residual)
        steps = {data: by_jet.get(data, constant(0.0)) for kind, data in stepped if kind == "jet"}
        self.constant: dict[Jet, float] = {
            j: e.data for j, e in by_jet.items() if e.is_constant and e.data != 0 and j not in steps
        }
        self.variable: dict[Jet, Expr] = {j: e for j, e in by_jet.items() if not e.is_constant} | steps
        slopes = [*self.variable.values(), *self.parameters.values()]
        self.affine = not stepped and not any(depends_on(e, ["jet", "parameter"]) for e in slopes)

    @cached_property
    def program(self) -> Program:
        """Computes the residual and its variable sensitivities."""
        return Program([self.residual, *self.variable.values(), *self.parameters.values()])


def _stepped(residual: Expr) -> set[Leaf]:
    """Jets and parameters at some values of which a residual jumps: where it compares them or rounds them."""
    table = registered()
    found: set[Leaf] = set()
    for e in postorder(residual):
        function = table.get(e.op)
        if function is not None and not function.smooth and function.pieces is None and not any(function.slopes):
            found.update((kind, data) for kind, data in leaves(e) if kind in ("jet", "parameter"))
    return found


class CompiledTerm:
    """A term of a problem, ready for evaluation; made by :func:`compile_term`.

    Attributes
    ----------
    term
        The traced term.
    constant
        Sensitivities that are numbers: ``residual = sum constant[jet] * jet + (residual with those jets set to zero)``.
    variable
        Sensitivities that depend on coordinates, parameters or jets, by jet; also those to jets at some values of
        which the residual jumps.
    parameters
        Sensitivities to parameters, by name.
    affine
        Whether no sensitivity to a jet depends on a jet (or on a parameter), so that one linear solve suffices.
    """

    def __init__(self, term: Term, sensitivities: Sensitivities) -> None:
        self.term = term
        self.constant, self.variable = sensitivities.constant, sensitivities.variable
        self.parameters, self.affine = sensitivities.parameters, sensitivities.affine
        self._sensitivities = sensitivities

    @property
    def name(self) -> str:
        """Name of the term."""
        return self.term.name

    @property
    def jets(self) -> list[Jet]:
        """All jets with a sensitivity that is not zero."""
        return [*self.constant, *self.variable]

    def held(self, shapes: Mapping[Leaf, tuple[int, ...]]) -> int:
        """Largest number of elements that :meth:`evaluate` holds at once, by the shapes of points and jets."""
        return self._sensitivities.program.held(shapes)

    def kept(self, shapes: Mapping[Leaf, tuple[int, ...]]) -> int:
        """Number of elements of the sensitivities that :meth:`evaluate` returns."""
        return self._sensitivities.program.returned(shapes, first=1)

    def evaluate(
        self, points: Mapping[Leaf, Value], jets: Mapping[Jet, Value]
    ) -> tuple[Value, dict[Jet, Value], dict[str, Value]]:
        """Residual and variable sensitivities.

        Parameters
        ----------
        points
            Values of coordinates, parameters and data.
        jets
            Values of the jets; those missing count as zero.

        Returns
        -------
        residual, sensitivities, parameter_sensitivities
            Tensors that broadcast to the shape of the points, or numbers.
        """
        env: dict[Leaf, Value] = dict(points)
        program = self._sensitivities.program
        for kind, data in program.leaves:
            if kind == "jet":
                env[("jet", data)] = jets.get(data, 0.0)
        values = program.run(env)
        count = len(self.variable)
        return (
            values[0],
            dict(zip(self.variable, values[1 : 1 + count], strict=True)),
            dict(zip(self.parameters, values[1 + count :], strict=True)),
        )


def compile_term(problem: Problem, term: Term) -> CompiledTerm:
    """A term with its sensitivities, which the problem's plan keeps: each residual is differentiated once."""
    residual = problem.plan.known(term.residual)
    plan = problem.plan
    return CompiledTerm(
        term, plan.shared.once(("sensitivities", id(residual)), lambda: Sensitivities(residual, plan.slopes(residual)))
    )


def channels_of(problem: Problem, terms: Sequence[CompiledTerm]) -> tuple[Channels, dict[tuple[int, ...], int]]:
    """Derivative channels that serve all fields of some terms, and their places (see :func:`merged_channels`).

    The problem's plan keeps them.
    """

    def merged() -> tuple[Channels, dict[tuple[int, ...], int]]:
        channels, place = merged_channels(terms)
        return Channels(problem.domain.dim, tuple(channels)), place

    return problem.plan.shared.once(("channels", *(id(t._sensitivities) for t in terms)), merged)


def merged_channels(
    terms: Sequence[CompiledTerm],
) -> tuple[list[Channel], dict[tuple[int, ...], int]]:
    """Derivative channels that serve all fields of some terms.

    Second derivatives whose sensitivities are in every term and field the same, up to one constant ratio, enter only
    through their weighted sum and become one channel (the Laplacian).

    Returns
    -------
    channels, place
        The channels, and for each order tuple that stands for a channel its number; the others of a merged channel
        count as zero.
    """
    used: dict[tuple[int, ...], dict[tuple[int, str], Expr | float]] = {}
    for k, t in enumerate(terms):
        sensitivities: dict[Jet, Expr | float] = {**t.constant, **t.variable}
        for (f, orders), s in sensitivities.items():
            used.setdefault(orders, {})[(k, f)] = s
    first_order = sorted((o for o in used if sum(o) < 2), key=lambda o: (sum(o), tuple(-m for m in o)))
    rest = sorted((o for o in used if sum(o) >= 2), key=lambda o: (sum(o), tuple(-m for m in o)))
    channels: list[Channel] = [((1.0, o),) for o in first_order]
    place = {o: i for i, o in enumerate(first_order)}
    while rest:
        head, *others = rest
        members = [(1.0, head)]
        for o in others:
            ratio = _ratio(used[head], used[o]) if sum(o) == sum(head) else None
            if ratio is not None:
                members.append((ratio, o))
        place[head] = len(channels)
        channels.append(tuple(members))
        rest = [o for o in others if o not in {m for _, m in members}]
    return channels, place


def _ratio(a: Mapping[tuple[int, str], Expr | float], b: Mapping[tuple[int, str], Expr | float]) -> float | None:
    """``c`` with ``b == c * a`` for every term and field, or None."""
    if a.keys() != b.keys():
        return None
    ratios = set()
    for key, s in a.items():
        t = b[key]
        if isinstance(s, float) and isinstance(t, float):
            ratios.add(t / s)
        elif isinstance(s, Expr) and isinstance(t, Expr) and same(s, t):
            ratios.add(1.0)
        else:
            return None
    return ratios.pop() if len(ratios) == 1 else None
