"""The family of questions about texts: everything that looks at words, characters and tokens."""
