"""One file per algorithm that learns from images."""
