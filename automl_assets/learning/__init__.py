"""Fitting on a matrix: what algorithms share once input has become numbers."""
