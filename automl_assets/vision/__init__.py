"""Images: rows that are pictures, with a class, a set of labels, or the objects in them."""
