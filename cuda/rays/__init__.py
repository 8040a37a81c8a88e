"""Rays through a density: which cells are occupied, samples along rays, and what they add up to."""
