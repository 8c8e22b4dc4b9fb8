"""The asset `report`: one HTML page about the experiment, to be mailed, printed and kept."""

from collections.abc import Sequence
from typing import Any

import dagster as dg

from automl_assets.assets.spec import described, input_of, step
from automl_assets.experiment.experiment import Experiment
from automl_assets.model_records import Report
from automl_assets.resources.clock import Clock
from automl_assets.steps.page import Material
from automl_assets.steps.report import headline
from automl_assets.steps.report import report as write_report


def report(experiment: Experiment, about: Sequence[str]) -> dg.AssetsDefinition:
    """`about` names the experiment's assets that the page may tell of."""

    @dg.asset(
        **described(experiment, "report", Report, {"html"}, "Everything about the experiment on one page."),
        ins={name: input_of(experiment, name) for name in about},
    )
    def asset(context: dg.AssetExecutionContext, clock: Clock, **records: Any) -> dg.MaterializeResult:
        with step(context) as journal:
            material = Material(experiment, records, journal.seconds_per_asset(), clock.timeout_minutes)
            made = write_report(material)
        return dg.MaterializeResult(value=made, metadata=page_told(made, headline(material)))

    return asset


def page_told(made: Report, headline: str) -> dict[str, Any]:
    """The page as the UI shows it."""
    return {"kilobytes": len(made.page) / 1000, "headline": dg.MetadataValue.md(_plain(headline))}


def _plain(text: str) -> str:
    """A text from data that markdown leaves as it is."""
    return "".join(f"\\{letter}" if letter in r"\`*_{}[]()<>#+-.!|&$~" else letter for letter in text)
