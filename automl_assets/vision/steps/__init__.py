"""The steps that look at images."""
