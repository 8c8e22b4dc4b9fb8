"""All that a YAML file may say, and how what it says wrongly is told."""
