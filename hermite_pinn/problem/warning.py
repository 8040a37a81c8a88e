"""The warnings of the package."""

from __future__ import annotations

__all__ = ["HermitePinnWarning"]


class HermitePinnWarning(UserWarning):
    """Something that is allowed but probably not what was meant.

    Examples
    --------
    >>> import warnings
    >>> with warnings.catch_warnings():
    ...     warnings.simplefilter("ignore", HermitePinnWarning)  # within this block
    """
