"""Fresh fields are close to zero; where residuals are not defined there, the reference state is added to them."""

from __future__ import annotations

import torch

from hermite_pinn.cuda.encoder.basis import BASES
from hermite_pinn.cuda.tensor_grid.pyramid import to_records
from hermite_pinn.field.field import GridField
from hermite_pinn.problem.problem import Problem

from .reference_state import reference_state

__all__ = ["defined_start"]


def defined_start(problem: Problem, field: GridField) -> GridField:
    """A field near zero, moved to the reference state of a problem; itself where that is zero.

    The bias of a network takes the values of the state; the coarsest level of a field that is the sum of its levels
    takes its slopes, too.

    Parameters
    ----------
    problem
        Whose reference state is taken; see :func:`hermite_pinn.residuals.reference_state.reference_state`.
    field
        With as many outputs as the problem has fields.
    """
    state = reference_state(problem)
    if state.is_zero:
        return field
    tensors = field.tensors()
    bias = next((path for path in field.readout if path.endswith("bias")), None)
    if bias is not None:
        values = [state.values[name] for name in problem.fields]
        return field.with_tensors(tensors | {bias: tensors[bias] + tensors[bias].new_tensor(values)})
    tables = list(field.level_slices)
    if not field.linear or len(tables) != 1 or field.layout.basis not in BASES:
        return field
    layout, m = field.layout, BASES[field.layout.basis].coefficients
    level = torch.zeros_like(field.level_coefficients(0))
    state.fill(problem, layout.basis, level[: len(problem.fields)])
    records = to_records(level, m)
    table, part = tensors[tables[0]].clone(), field.level_slices[tables[0]][0]
    table[part.start : part.start + records.numel()] += records.to(table)
    return field.with_tensors(tensors | {tables[0]: table})
