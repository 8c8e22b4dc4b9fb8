"""How objects are found: one file per algorithm."""
