"""Free boundaries: where fields choose between the pieces of an equation, as in ``minimum(-u.laplacian, u - psi)``.

A derivative that the pieces prescribe jumps across the free boundary, which lies anywhere in its cells.  So the error
falls as that of functions whose derivatives of this order are bounded, whatever the basis, and by luck on single levels
(F. Brezzi, W. Hager, P. Raviart, *Error estimates for the finite element solution of variational inequalities*, Numer.
Math. 28 (1977)).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch

from hermite_pinn.expressions.program import Leaf, Program, Value, chooses, continuous_choices, leaves
from hermite_pinn.problem.problem import Problem

__all__ = ["Contact", "contacts"]


@dataclass(frozen=True)
class Contact:
    """The choices of an equation.

    Attributes
    ----------
    term
        Its number in the problem.
    conditions
        Computes which piece is taken.
    order
        Of the derivatives that jump.
    highest
        Whether these are the highest ones of the equation, so that its residual jumps, too.
    """

    term: int
    conditions: Program
    order: int
    highest: bool

    @property
    def rate(self) -> float:
        """By how much a doubling of the cells lowers the error at most."""
        return 2.0**self.order

    def takes_both(self, env: Mapping[Leaf, Value]) -> bool:
        """Whether fields take different pieces at different points."""
        for value in self.conditions.run(env):
            chosen = torch.as_tensor(value)
            if chosen.numel() > 1 and bool(chosen.any()) and not bool(chosen.all()):
                return True
        return False


def contacts(problem: Problem) -> tuple[Contact, ...]:
    """The equations with ``minimum`` or ``maximum`` of what contains fields.

    Examples
    --------
    >>> import hermite_pinn as hp
    >>> rope = hp.Problem(hp.Box(x=(0, 1)), "u", lambda u: hp.minimum(1 - u.xx, u + 0.05), [hp.Dirichlet(u=0.0)])
    >>> [(c.rate, c.highest) for c in contacts(rope)]
    [(4.0, True)]
    """
    found = []
    for number, term in enumerate(problem.terms):
        if not term.region.is_interior:
            continue
        choices = continuous_choices(term.residual)
        if not choices:
            continue
        order = max(sum(data[1]) for kind, data in leaves(term.residual) if kind == "jet")
        highest = chooses(term.residual)
        found.append(Contact(number, Program([c for c, _, _ in choices]), order if highest else order + 1, highest))
    return tuple(found)
