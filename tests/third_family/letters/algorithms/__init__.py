"""Algorithms for letters."""
