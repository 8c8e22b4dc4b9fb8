"""VERBS of forecasting: pure functions from records of `series` to a record. They know no Dagster."""
