"""Programs that train a model again without this system."""
