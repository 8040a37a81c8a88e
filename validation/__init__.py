"""Benchmarks against analytic solutions and between implementations."""

from .bench import KernelTiming, time_kernels
from .cases import SUITES, Case
from .picture import draw_results
from .suite import Result, cost_markdown, machine, run_case, run_suite, to_json, to_markdown
from .trained import Training, train_case, train_suite, training_json, training_markdown

__all__ = [
    "SUITES",
    "Case",
    "KernelTiming",
    "Result",
    "Training",
    "cost_markdown",
    "draw_results",
    "machine",
    "run_case",
    "run_suite",
    "time_kernels",
    "to_json",
    "to_markdown",
    "train_case",
    "train_suite",
    "training_json",
    "training_markdown",
]
