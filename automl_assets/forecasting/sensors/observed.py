"""Figures of drift where people look for them: with the page of all groups."""

from dataclasses import asdict

import dagster as dg

from automl_assets.assets.spec import table
from automl_assets.experiment.experiment import Experiment
from automl_assets.model_records import ColumnDrift


def observed(experiment: Experiment, name: str, lines: tuple[ColumnDrift, ...], text: str) -> dg.AssetObservation:
    """Figures that stand, under a name, with the page of all groups."""
    shown = table([{**asdict(line), "is_drifted": line.is_drifted} for line in lines])
    return dg.AssetObservation([experiment.name, "summary"], description=text, metadata={name: shown})
