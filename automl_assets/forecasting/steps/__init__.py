"""VERBS of forecasting: pure functions from records to a record. They know no Dagster."""
