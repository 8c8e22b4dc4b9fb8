"""One file per format in which labels come back. A module declares PART, a `parts.LabelFormat`; add a file and it is found."""
