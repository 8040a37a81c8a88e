"""Speed of kernels and solves, and whether a device computes the right numbers."""
