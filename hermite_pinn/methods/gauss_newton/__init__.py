"""Gauss-Newton from coarse to fine on the multilevel Hermite frame."""
