"""One file per kind of source. A module declares PART, a `parts.Source`; add a file and it is found."""
