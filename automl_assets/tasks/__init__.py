"""One file per family of tasks. A module declares PARTS, a tuple of `parts.Task`."""
