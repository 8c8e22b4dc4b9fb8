"""What several algorithms of texts share: kinds of models, and how they are fitted and exported."""
