"""The multilevel grid encoder: layouts, bases, channels, and the kernels that evaluate and adjoin them."""
