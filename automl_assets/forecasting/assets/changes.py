"""Whether a run that makes changed groups alone finds anything lacking that is made of the groups of its partitions."""

import dagster as dg

from automl_assets.experiment.experiment import Experiment
from automl_assets.forecasting.assets.partitions import REFUSED, GroupStep
from automl_assets.resources.asset_keys import asset_name
from automl_assets.resources.record_versions import nanoseconds
from automl_assets.resources.store import RecordStore

BEFORE = "dataset", "features"


def is_all_made(step: GroupStep, experiment: Experiment, store: RecordStore) -> bool:
    """Whether all that is made of groups has been made of them as they are now, and the whole after that."""
    able = [key for key in step.context.partition_keys if step.features.origin(key) != REFUSED]
    later = [asset for asset in experiment.family.graph(experiment) if _is_wanted(step, asset.key)]
    of_groups = [asset_name(asset.key) for asset in later if asset.partitions_def]
    if any(step.stale(name, able) for name in of_groups):
        return False
    newest = max((nanoseconds(step.features.folder(key).name) for key in able), default=0)
    folders = [store.folder(experiment.name, asset_name(asset.key)) for asset in later if not asset.partitions_def]
    return all(folder is not None and nanoseconds(folder.name) > newest for folder in folders)


def _is_wanted(step: GroupStep, key: dg.AssetKey) -> bool:
    """Whether the run is to make an asset after the features."""
    selected = step.context.run.asset_selection
    return asset_name(key) not in BEFORE and (selected is None or key in selected)
