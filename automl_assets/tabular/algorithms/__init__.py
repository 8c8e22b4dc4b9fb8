"""Algorithms for tables. A module declares PART, a `parts.Algorithm`; add a file and it is found."""
