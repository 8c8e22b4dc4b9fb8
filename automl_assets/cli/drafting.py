"""Drafts an experiment: looks at data and has the family that it is of write the YAML a person would have begun with."""

from pathlib import Path

from automl_assets import registry
from automl_assets.errors import SettingError, listed, nearest
from automl_assets.experiment.experiment import source_of
from automl_assets.experiment.name import proposal
from automl_assets.families import families
from automl_assets.masking import without_query
from automl_assets.steps.draft import DraftRequest
from automl_assets.steps.read_source import read


def draft(data: str, target: str, time: str | None = None, task: str | None = None) -> tuple[str, str]:
    """A name and the YAML text for predicting `target` from `data`, or for forecasting it along a column `time`; of the
    `task` that is named, or the one that the rows suit.

    Raises SettingError when a column or the task is not there.
    """
    if task is not None and task not in registry.tasks():
        hint = nearest(task, [*registry.tasks()])
        raise SettingError(f"--task: got {task!r}; possible: {listed(registry.tasks())}.{hint}")
    source = source_of(data)
    table = read(source)
    for option, name in (("target", target), ("time", time)):
        if name is not None and name not in table.columns:
            hint = nearest(name, table.columns)
            raise SettingError(f'--{option}: {data} has no column "{name}"; it has {listed(table.columns)}.{hint}')
    if table[target].null_count() == table.height:
        raise SettingError(f'--target: "{target}" has no value in any row of {data}')
    asked = DraftRequest(data, target, time, table, task, source.kind)
    able = families() if task is None else [registry.family_of(task)]
    drafts = (family.draft(asked) for family in able if family.draft)
    text = next((text for text in drafts if text), None)
    if text is None:
        raise SettingError(f"{data}: no family of experiments takes such rows; write a YAML by hand")
    return name_of(data), text


def name_of(data: str) -> str:
    """An experiment's name from a path or URL.

    >>> name_of("s3://lake/Bank Marketing.csv.gz"), name_of("2024.csv"), name_of("input.csv")
    ('bank_marketing', 'experiment_2024', 'input_data')
    """
    return proposal(Path(without_query(data).rstrip("/*")).name.split(".")[0])
