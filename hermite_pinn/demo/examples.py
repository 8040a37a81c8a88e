"""The four examples of the demonstration, in their order."""

from __future__ import annotations

from . import channel, cooling, helmholtz, knot

__all__ = ["EXAMPLES"]

#: They are shown in this order.
EXAMPLES = (helmholtz.EXAMPLE, channel.EXAMPLE, cooling.EXAMPLE, knot.EXAMPLE)
