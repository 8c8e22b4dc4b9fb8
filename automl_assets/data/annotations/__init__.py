"""Formats of annotated images, a file each: knowledge of one format alone belongs there."""
