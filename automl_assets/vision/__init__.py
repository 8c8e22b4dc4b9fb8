"""Images: rows that are each an image, answered by a class or by a set of labels."""
