"""Errors against known solutions and references."""
