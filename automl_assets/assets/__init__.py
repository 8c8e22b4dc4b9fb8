"""NOUNS: thin Dagster assets and their checks; each calls one step."""
