"""The steps that look at images with objects."""
