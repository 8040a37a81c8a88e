"""Benchmarks against analytic solutions and between implementations."""

from .accuracy.cases import SUITES, Case
from .accuracy.other_methods import Training, train_case, train_suite, training_json, training_markdown
from .accuracy.picture import draw_results
from .accuracy.suite import Result, cost_markdown, machine, run_case, run_suite, to_json, to_markdown
from .performance.bench import KernelTiming, OrderTiming, ProductTiming, time_kernels, time_orders, time_products

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
