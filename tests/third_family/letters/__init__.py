"""A family of its own distribution: which class is a text of, by the letters in it? Shows what a family takes."""
