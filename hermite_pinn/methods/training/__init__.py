"""First-order and quasi-Newton training of any field."""
