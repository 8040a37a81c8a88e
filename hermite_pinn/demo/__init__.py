"""What the package does, in four examples of about a minute: ``hermite-pinn demo``.

Examples
--------
>>> from hermite_pinn.demo import EXAMPLES
>>> [example.name for example in EXAMPLES]
['helmholtz', 'channel', 'cooling', 'knot']
"""

from .examples import EXAMPLES
from .tour import chosen_examples, tour

__all__ = ["EXAMPLES", "chosen_examples", "tour"]
