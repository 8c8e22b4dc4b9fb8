"""Dagster's declarative automation, for those who prefer it: whatever is made anew, what it feeds follows by itself.

The data set itself is made at the times of `retrain.cron`, where there are any, or by whoever makes it in the UI.
"""

import dagster as dg

from automl_assets.experiment.experiment import Experiment


def automated(experiment: Experiment, assets: list[dg.AssetsDefinition]) -> list[dg.AssetsDefinition]:
    """The assets of an experiment with their conditions, if it asks for them."""
    if experiment.retrain.automation == "none":
        return assets
    return [asset.map_asset_specs(lambda spec: _with_condition(experiment, spec)) for asset in assets]


def _with_condition(experiment: Experiment, spec: dg.AssetSpec) -> dg.AssetSpec:
    if spec.key.path[-1] != "dataset":
        return spec.replace_attributes(automation_condition=dg.AutomationCondition.eager())
    cron, timezone = experiment.retrain.cron, experiment.retrain.timezone
    return spec.replace_attributes(
        automation_condition=dg.AutomationCondition.on_cron(cron, timezone) if cron else None
    )


def automation(experiment: Experiment) -> dg.AutomationConditionSensorDefinition:
    """The sensor that evaluates the conditions."""
    return dg.AutomationConditionSensorDefinition(
        f"{experiment.name}__automation",
        target=dg.AssetSelection.key_prefixes(experiment.name),
        description=f"Makes assets of {experiment.name} when those they are made of have been made anew.",
        default_status=dg.DefaultSensorStatus.RUNNING,
    )
