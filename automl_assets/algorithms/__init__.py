"""All knowledge of each algorithm, one file each, by family."""
