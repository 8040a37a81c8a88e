"""Residual terms: compiled, evaluated, and scaled against each other."""
