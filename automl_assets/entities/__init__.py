"""The family of questions about tokens of texts: which entities does a text name, and of what kind."""
