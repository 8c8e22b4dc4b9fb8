"""How tokens are tagged: one file per algorithm."""
