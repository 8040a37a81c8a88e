"""From source text to a running kernel: assembly, compilers, caches, devices, errors."""
