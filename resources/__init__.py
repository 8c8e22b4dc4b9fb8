"""Shared things of a run: where records are stored, what is tracked, how much time is left."""
