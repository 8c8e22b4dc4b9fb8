"""Why a model answers as it does: Shapley values, partial dependence, cohorts of errors, groups of rows."""
