"""Kernels of the multilevel grid encoders: one set of headers for GPUs and CPUs."""
