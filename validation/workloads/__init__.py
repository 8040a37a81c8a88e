"""Measurements of what the encoders serve beside differential equations."""
