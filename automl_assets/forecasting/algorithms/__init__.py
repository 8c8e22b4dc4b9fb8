"""Forecasters. A module declares PART, a `parts.Forecaster` (or PARTS); add a file and it is found."""
