"""Networks that carry jets: activations, fused layers, and their adjoints."""
