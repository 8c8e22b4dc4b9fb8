"""Objects in images: rows that are each an image, answered by boxes around what is in it."""
