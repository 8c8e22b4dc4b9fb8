"""Drafts an experiment: looks at data and has the family that it is of write the YAML a person would have begun with."""

from pathlib import Path

from automl_assets.errors import SettingError, listed, nearest
from automl_assets.experiment.experiment import source_of
from automl_assets.experiment.name import proposal
from automl_assets.families import families
from automl_assets.masking import without_query
from automl_assets.steps.draft import DraftRequest
from automl_assets.steps.read_source import read


def draft(data: str, target: str, time: str | None = None) -> tuple[str, str]:
    """A name and the YAML text for predicting `target` from `data`, or for forecasting it along a column `time`.

    Raises SettingError when a column is not there.
    """
    table = read(source_of(data))
    for option, name in (("target", target), ("time", time)):
        if name is not None and name not in table.columns:
            hint = nearest(name, table.columns)
            raise SettingError(f'--{option}: {data} has no column "{name}"; it has {listed(table.columns)}.{hint}')
    if table[target].null_count() == table.height:
        raise SettingError(f'--target: "{target}" has no value in any row of {data}')
    asked = DraftRequest(data, target, time, table)
    drafts = (family.draft(asked) for family in families() if family.draft)
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
