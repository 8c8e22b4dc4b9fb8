"""What Python callers get: `run`, and the results it gives."""
