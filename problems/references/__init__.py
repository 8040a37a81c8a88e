"""Classical reference solutions, computed when they are first evaluated."""

from .cavity import regularised_cavity, stream_function
from .cole_hopf import cole_hopf
from .spectral import FourierHistory, exponential_runge_kutta, spectral_history

__all__ = [
    "FourierHistory",
    "cole_hopf",
    "exponential_runge_kutta",
    "regularised_cavity",
    "spectral_history",
    "stream_function",
]
