"""VERBS of tables: functions from records to a record that look at columns. They know no Dagster."""
