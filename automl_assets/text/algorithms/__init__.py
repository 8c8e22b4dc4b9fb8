"""How texts are answered: one file per algorithm."""
