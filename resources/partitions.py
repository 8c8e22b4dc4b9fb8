"""The groups of an experiment as partitions of Dagster's: which there are, which the data has, and a run of them all.

An experiment of a family without groups has none: it is made as a whole. Not here: what is made of a group.
"""

import dagster as dg

from automl_assets.experiment.experiment import Experiment
from automl_assets.records import Dataset
from automl_assets.resources.dagster_internals import ASSET_PARTITION_RANGE_END_TAG, ASSET_PARTITION_RANGE_START_TAG
from automl_assets.steps.load import load

CHANGED_TAG = "automl/changed"  # run tag: "true" remakes only the groups whose rows or settings changed
CHOSEN_TAG = "automl/chosen"  # run tag: a JSON list of the only groups among its partitions that are made


def has_groups(experiment: Experiment) -> bool:
    """Whether an experiment is made group by group."""
    return experiment.family.group_keys is not None


def groups_of(experiment: Experiment) -> dg.DynamicPartitionsDefinition:
    """The groups of an experiment as partitions."""
    return dg.DynamicPartitionsDefinition(name=f"{experiment.name}__groups")


def add_groups(instance: dg.DagsterInstance, experiment: Experiment, dataset: Dataset | None = None) -> None:
    """Makes a partition of every group in the data that has none yet; the data are read where they are not given. Those
    of groups that are gone stay, with what was made of them."""
    if keys := _keys_in(experiment, dataset):
        instance.add_dynamic_partitions(str(groups_of(experiment).name), keys)


def keys_of(instance: dg.DagsterInstance, experiment: Experiment) -> list[str]:
    """The partitions there are, in the order in which they were added; none where an experiment has no groups."""
    if not has_groups(experiment):
        return []
    return list(instance.get_dynamic_partitions(str(groups_of(experiment).name)))


def fresh_groups(instance: dg.DagsterInstance, experiment: Experiment) -> list[str]:
    """The groups in the data that have no partition yet."""
    known = set(keys_of(instance, experiment))
    return [key for key in _keys_in(experiment) if key not in known]


def range_tags(keys: list[str], changed: bool) -> dict[str, str]:
    """The tags of one run of all groups, none without groups; where `changed`, it remakes only those whose rows or
    settings did."""
    if not keys:
        return {}
    tags = {ASSET_PARTITION_RANGE_START_TAG: keys[0], ASSET_PARTITION_RANGE_END_TAG: keys[-1]}
    return tags | ({CHANGED_TAG: "true"} if changed else {})


def _keys_in(experiment: Experiment, dataset: Dataset | None = None) -> list[str]:
    keys = experiment.family.group_keys
    return list(keys(dataset or load(experiment), experiment)) if keys else []
