"""What the sections of a performance report measure, in a sentence each."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

__all__ = ["INTRODUCTIONS"]

#: The paragraph below the heading of a section, by its title.
INTRODUCTIONS: Mapping[str, str] = MappingProxyType(
    {
        "Correctness": "Kernels and networks are compared with plain PyTorch in float64 on the CPU. Products with the "
        "Jacobian J are compared with those of its transpose and, on a GPU, with the same products on the CPU.",
        "Memory": "The bandwidth of a copy within the memory of the device is the reference of the next section.",
        "Encoder": "The kernels return value, gradient and Laplacian (jets). The share of the copy bandwidth counts "
        "points, table and result once each. A ratio is the time of the first divided by that of the second.",
        "Derivatives": "Analytic derivatives of the paper's model are compared with automatic differentiation and with "
        "finite differences. A ratio is the time of the first divided by that of the second.",
        "Training steps": "The paper's models and batches are trained through `hp.solve`, so that a step contains all "
        "its parts: points, derivatives, gradients, Adam and the moving average.",
        "Gauss-Newton": "The first rows are products with the Jacobian J and its transpose. The others are full solves "
        "after the compilation of kernels.",
        "Radiance": "A radiance field is fitted to a synthetic scene. Its loss and gradients are compared with those on "
        "the CPU. The times are those of the parts of a training step.",
        "Registers": "Registers per thread limit how many warps run at the same time on a multiprocessor.",
        "Kernels": "These kernels take most of the time of a step. The share is the time of all kernels and copies "
        "divided by that of the step.",
        "Tests": "These are the tests of the checkout that need a GPU.",
    }
)
