"""NOUNS of forecasting: assets with one partition per group of series; each calls one step."""
