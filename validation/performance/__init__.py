"""Speed of kernels and solves."""
