"""The steps that look at texts."""
