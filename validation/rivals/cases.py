"""All contests by name."""

from __future__ import annotations

from collections.abc import Callable

from .contest import Contest
from .evolution import EVOLUTION
from .inverse import INVERSE
from .ordinary import ORDINARY
from .stationary import STATIONARY

__all__ = ["CONTESTS"]

#: What makes each contest, in the order of the table: problems and data are made when they are needed.
CONTESTS: dict[str, Callable[[], Contest]] = STATIONARY | EVOLUTION | INVERSE | ORDINARY
