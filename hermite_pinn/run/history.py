"""What happened during a run, one row per recorded step."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any, overload

import numpy as np

from hermite_pinn.libraries import optional
from hermite_pinn.markup import failing_softly, table
from hermite_pinn.schema import Entry

__all__ = ["History"]

SHOWN = 12  # rows that a notebook shows


class History:
    """Rows of named numbers; ``history["loss"]`` is a column, ``history[3]`` a row.

    Columns of every method: ``step``, ``time`` (seconds since the start), ``loss``; others depend on the method:
    ``level``, ``inner`` (steps of the linear solver), ``error`` (estimate), and ``rms NAME`` for every term.

    Examples
    --------
    >>> h = History()
    >>> h.append({"step": 1, "loss": 2.0}); h.append({"step": 2, "loss": 1.0, "error": 0.5})
    >>> h["error"]
    array([nan, 0.5])
    """

    def __init__(self, rows: list[dict[str, Any]] | None = None) -> None:
        self._rows: list[dict[str, Any]] = list(rows or [])

    @classmethod
    def from_entry(cls, entry: Entry) -> History:
        """The rows that a file holds.

        Raises
        ------
        CorruptFileError
            If they are not rows of named numbers with a step.
        """
        for row in entry.items():
            row.at("step").integer(0)
            for name, value in row.entries().items():
                if name != "method" and value.value is not None:
                    value.number(finite=False)
        return cls(entry.value)

    def append(self, row: Mapping[str, Any]) -> None:
        """Add a row."""
        self._rows.append(dict(row))

    @property
    def columns(self) -> list[str]:
        """Names that occur in any row, in the order of their first appearance."""
        return list(dict.fromkeys(k for row in self._rows for k in row))

    def __len__(self) -> int:
        return len(self._rows)

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return iter(self._rows)

    @overload
    def __getitem__(self, key: str) -> np.ndarray: ...
    @overload
    def __getitem__(self, key: int) -> dict[str, Any]: ...
    def __getitem__(self, key: str | int) -> np.ndarray | dict[str, Any]:
        if isinstance(key, str):
            if key not in self.columns:
                raise KeyError(f"the history has no column {key!r}; it has {', '.join(self.columns)}")
            return np.array([math.nan if row.get(key) is None else row[key] for row in self._rows], dtype=float)
        return self._rows[key]

    def __repr__(self) -> str:
        return f"History({len(self)} rows: {', '.join(self.columns)})"

    @failing_softly
    def _repr_html_(self) -> str:
        """The last rows as a table, for notebooks."""
        columns = self.columns
        rows = [[_shown(row.get(k)) for k in columns] for row in self._rows[-SHOWN:]]
        return table(
            rows, columns, caption=f"History of {len(self)} rows" + (f", the last {SHOWN}" if len(self) > SHOWN else "")
        )

    def _ipython_key_completions_(self) -> list[str]:
        """Names of the columns, for the tab key of IPython and notebooks."""
        return self.columns

    def to_pandas(self) -> Any:
        """The rows as a ``pandas.DataFrame``, one column per name; the extra ``pandas``.

        Numbers that a row lacks are NaN.

        Raises
        ------
        BackendUnavailableError
            Without pandas; the message tells how to install it.

        Examples
        --------
        >>> h = History([{"step": 1, "loss": 2.0}, {"step": 2, "loss": 1.0}])
        >>> h.to_pandas().loss.tolist()
        [2.0, 1.0]
        """
        pandas = optional("pandas", "pandas", "to_pandas")
        return pandas.DataFrame(self._rows, columns=self.columns)


def _shown(value: Any) -> str:
    """A number of a row as text."""
    return "" if value is None else f"{value:.4g}" if isinstance(value, float) else str(value)
