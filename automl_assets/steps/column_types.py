"""column_types: what a person should know about how cells were read, whatever the family."""

from automl_assets.records import Dataset, Guardrail

SHOWN = 10


def column_types(dataset: Dataset) -> Guardrail:
    """Alerts of columns that may be meant otherwise, and of cells of further files that do not fit."""
    told = (*dataset.unreadable, *dataset.schema.doubts)
    if not told:
        return Guardrail("column_types", "passed", "Every column is read in one way only.")
    more = f"; and {len(told) - SHOWN} more" if len(told) > SHOWN else ""
    return Guardrail("column_types", "alerted", "; ".join(told[:SHOWN]) + more + ".", {"columns": len(told)})
