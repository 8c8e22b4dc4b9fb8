"""Where and how long work runs: child processes, batches of small work, shares of time. Knows nothing of the work."""
