"""Benchmarks against analytic solutions and between implementations."""

from .bench import KernelTiming, OrderTiming, ProductTiming, time_kernels, time_orders, time_products
from .cases import SUITES, Case
from .other_methods import Training, train_case, train_suite, training_json, training_markdown
from .picture import draw_results
from .suite import Result, cost_markdown, machine, run_case, run_suite, to_json, to_markdown

__all__ = [
    "SUITES",
    "Case",
    "KernelTiming",
    "OrderTiming",
    "ProductTiming",
    "Result",
    "Training",
    "cost_markdown",
    "draw_results",
    "machine",
    "run_case",
    "run_suite",
    "time_kernels",
    "time_orders",
    "time_products",
    "to_json",
    "to_markdown",
    "train_case",
    "train_suite",
    "training_json",
    "training_markdown",
]
