"""What a checkpoint keeps of a level under way, between its time slabs or its nonlinear steps."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from hermite_pinn.methods.base import Task
from hermite_pinn.run.history import History
from hermite_pinn.schema import Entry

__all__ = ["Unfinished"]

logger = logging.getLogger(__name__)

Resolution = tuple[int, ...]


class Unfinished:
    """Saves a nested iteration within and after its levels, and continues a level where it was.

    A state is that of the end of the last finished level, with what has been done of the next one.  The numbers are
    those of an uninterrupted run to the last bit, except where weights are chosen during a level or the rows of the
    first level are scaled anew: there a level is begun again, from the vector that was reached.  A sparse factor that
    serves for several steps is made anew after every state that is kept, so that runs with a checkpoint agree to the
    last bit, and with one without to the tolerance of the linear solves.

    Parameters
    ----------
    task
        The run.
    solver
        The state of the solver.

    Examples
    --------
    >>> import torch
    >>> from hermite_pinn.run.monitor import Monitor
    >>> import hermite_pinn as hp
    >>> task = Task(hp.problems.poisson2d(), None, None, None, 0, torch.device("cpu"), None, Monitor())
    >>> saved = []
    >>> task.save = lambda state, force: saved.append(state())
    >>> unfinished = Unfinished(task, lambda: {"damping": 1e-3})
    >>> unfinished.keep([(4, 4)], {"steps": 2, "vector": torch.zeros(3)})
    >>> Unfinished(task, dict).taken([(4, 4)]) is None
    True
    >>> task.saved = saved[0]
    >>> Unfinished(task, dict).taken([(4, 4)]).at("steps").integer()
    2
    """

    def __init__(self, task: Task, solver: Callable[[], dict[str, Any]]) -> None:
        self.task, self.solver = task, solver
        self._finished: dict[str, Any] = {}
        self._state: dict[str, Any] | None = None  # what there is to save
        self._resumed: Entry | None = None
        if task.saved is not None and "unfinished" in task.saved:
            self._resumed = self._read(Entry.of(task.saved, "the checkpoint"))

    def _read(self, saved: Entry) -> Entry:
        """What a checkpoint has of a level; the history is that of this state."""
        under_way, monitor = saved.at("unfinished"), self.task.monitor
        rows = under_way.at("rows").integer(0, len(monitor.history))
        monitor.history = History(list(monitor.history)[:rows])
        vector = saved.at("unfinished_vector").value
        return Entry(under_way.entries() and {**under_way.value, "vector": vector}, saved.source, under_way.path)

    def continued(self, state: Mapping[str, Any]) -> None:
        """Note the state at the end of a level that is in the checkpoint already."""
        self._finished = _copied(state) | {"solver": _copied(self.solver())}

    def finished(self, state: Mapping[str, Any]) -> None:
        """Note the state at the end of a level, with which the next one begins."""
        self.continued(state)
        self._state = self._finished

    @property
    def keeps(self) -> bool:
        """Whether states are saved at all."""
        return self.task.checkpointed

    def keep(
        self, resolutions: Sequence[Resolution], state: Mapping[str, Any], before: Mapping[str, Any] | None = None
    ) -> None:
        """Note a state of the level under way, and save it if it is time.

        Parameters
        ----------
        resolutions
            Cells of the levels that are solved for.
        state
            Numbers, lists of numbers, and one tensor, ``"vector"``.
        before
            The state with which the level began, if not that of :meth:`finished`.
        """
        rest = {key: value for key, value in state.items() if key != "vector"}
        rest |= {"resolutions": [list(r) for r in resolutions], "rows": len(self.task.monitor.history)}
        solver = _copied(self.solver())
        under_way = {"solver": solver, "unfinished": _copied(rest), "unfinished_vector": state["vector"]}
        self._state = {**(self._finished if before is None else before), **under_way}
        self.task.save(self._latest, False)

    def beside(self, state: Callable[[], Mapping[str, Any]]) -> None:
        """Save what is done after the last finished level, beside the state at its end."""
        if self.keeps:
            self._state = {**self._finished, **state()}
            self.save()

    def save(self) -> None:
        """Save the last state now, unless it is already in the file."""
        if self._state is not None:
            self.task.save(self._latest, True)
            self._state = None

    def _latest(self) -> dict[str, Any]:
        assert self._state is not None
        return self._state

    def taken(self, resolutions: Sequence[Resolution]) -> Entry | None:
        """What the checkpoint has of a level, once; None where it has nothing, or of another one."""
        resumed, self._resumed = self._resumed, None
        if resumed is not None and resumed.at("resolutions").value != [list(r) for r in resolutions]:
            logger.info("the level that the checkpoint had begun is begun anew: it has other resolutions")
            return None
        return resumed


def _copied(value: Any) -> Any:
    """A copy whose dictionaries and lists nobody else changes; tensors are shared."""
    if isinstance(value, Mapping):
        return {k: _copied(v) for k, v in value.items()}
    return [_copied(v) for v in value] if isinstance(value, list | tuple) else value
