"""Tensor-product grids: one matrix per axis, sum factorisation, and the pyramid of nested levels."""
