"""A Gaussian random field on a square lattice, as benchmarks draw it.

White noise in Fourier space times |k|^(-power / 2), transformed, shifted to mean 0 and scaled to variance 1.
"""

from __future__ import annotations

import functools

import numpy as np

__all__ = ["gaussian_field"]


@functools.lru_cache(maxsize=8)
def gaussian_field(size: int, power: float = 4.0, seed: int = 20220722) -> np.ndarray:
    """Values (size, size) of a periodic Gaussian random field, float64, read-only.

    Parameters
    ----------
    size
        Points per axis.
    power
        The spectral density falls like ``|k|`` to the minus this.
    seed
        Of the noise, drawn by ``numpy.random.RandomState``.

    Examples
    --------
    >>> field = gaussian_field(16)
    >>> field.shape, bool(abs(field.std() - 1) < 1e-12)
    ((16, 16), True)
    """
    random = np.random.RandomState(seed % 2**32)
    numbers = np.fft.ifftshift(np.arange(size) - size // 2)
    squared = np.add.outer(numbers**2, numbers**2).astype(np.float64)
    squared[0, 0] = 1.0
    amplitude = squared ** (-power / 4)
    amplitude[0, 0] = 0.0
    noise = random.normal(size=(size, size)) + 1j * random.normal(size=(size, size))
    field = np.fft.ifft2(noise * amplitude).real
    field = (field - field.mean()) / field.std()
    field.setflags(write=False)
    return field
