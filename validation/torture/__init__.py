"""Attempts to make the package lose, hang, crash or lie: seeded, and repeatable one by one.

``python -m hermite_pinn.validation.torture`` runs all of them; see docs/reliability.md.
"""
