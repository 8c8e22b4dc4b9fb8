"""The steps that look at texts and their entities."""
