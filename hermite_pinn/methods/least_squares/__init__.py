"""Nonlinear and linear least squares that know nothing of PDEs."""
