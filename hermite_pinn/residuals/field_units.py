"""What the parameters of a field are measured in while it is trained: steps of optimisers know no units."""

from __future__ import annotations

import torch

from hermite_pinn.field.field import GridField
from hermite_pinn.problem.problem import Problem

from .scales import in_units_of_one
from .sizes import field_sizes

__all__ = ["field_units"]


def field_units(problem: Problem, field: GridField) -> dict[str, torch.Tensor]:
    """By path of a tensor of a field what it is multiplied with, so that numbers near one make fields of their sizes.

    Those are the last layer of a network, or the tables of a field that is the sum of its levels, which serve all
    fields together.  None in units in which fields and lengths are near one.

    Parameters
    ----------
    field
        With as many outputs as the problem has fields.

    Examples
    --------
    >>> import hermite_pinn as hp
    >>> from hermite_pinn.field.field import Field
    >>> small = hp.Problem(hp.Box(x=(0, 1e-6)), "u", lambda u: u.x, [hp.Dirichlet(u=1e-9, on="x-")])
    >>> grid = Field().build(small.domain, small.fields, (False,), 2, 0, torch.float64, torch.device("cpu"))
    >>> {path: unit.tolist() for path, unit in field_units(small, grid).items()}
    {'encoder/table': 1e-09}
    """
    if in_units_of_one(problem):
        return {}
    sizes, tensors = list(field_sizes(problem).values()), field.tensors()
    if field.linear:
        return {path: tensors[path].new_tensor(max(sizes)) for path in field.level_slices}
    return {
        path: tensors[path].new_tensor(sizes).reshape(-1, *[1] * (tensors[path].ndim - 1))
        for path in field.readout
        if len(tensors[path]) == len(sizes)
    }
