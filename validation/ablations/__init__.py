"""Comparisons of variants of a method."""
