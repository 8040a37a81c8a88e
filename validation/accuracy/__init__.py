"""Errors of the solver against known solutions and references."""
