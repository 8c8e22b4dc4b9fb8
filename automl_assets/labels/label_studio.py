"""Label Studio's JSON export: tasks with what was shown, and what people chose, rated or numbered.

Of several annotations of a task the ground truth counts, else they must agree. Knowledge of the format alone belongs here.
"""

import json
from collections.abc import Iterator
from typing import Any

import polars as pl

from automl_assets.errors import SourceError, listed
from automl_assets.parts import LabelFormat

ANSWERS = {"choices": "choices", "rating": "rating", "number": "number", "taxonomy": "taxonomy"}  # type -> key of value


def read(content: bytes, name: str, target: str) -> pl.DataFrame:
    """A row for each task that has a label: its data, its number as `id` where the data have none, and the label.

    Raises SourceError for what is no export, and for tasks whose annotations differ.
    """
    tasks = _tasks(content, name)
    answers = {number: _answers(task) for number, task in enumerate(tasks)}
    torn = [_id(tasks[number], number) for number, found in answers.items() if len(found) > 1]
    if torn:
        raise SourceError(
            f"{name}: people gave different labels to tasks {listed(torn, 5)}; mark one annotation of each as ground truth"
        )
    rows = [{"id": _id(tasks[n], n), **tasks[n]["data"], target: found[0]} for n, found in answers.items() if found]
    if not rows:
        raise SourceError(f"{name}: no task has a label; possible are {listed(ANSWERS)}")
    return pl.DataFrame(rows, infer_schema_length=None)


def _tasks(content: bytes, name: str) -> list[dict[str, Any]]:
    try:
        tasks = json.loads(content)
    except ValueError as error:
        raise SourceError(f"{name} is no JSON: {error}") from None
    if not isinstance(tasks, list) or not all(isinstance(task, dict) and "data" in task for task in tasks):
        raise SourceError(f"{name}: a Label Studio export is a list of tasks with `data`; export as JSON, not JSON-MIN")
    return tasks


def _id(task: dict[str, Any], number: int) -> Any:
    return task.get("id", number)


def _answers(task: dict[str, Any]) -> list[Any]:
    """The different labels that a task was given."""
    given = [one for one in task.get("annotations", task.get("completions", [])) if not one.get("was_cancelled")]
    true = [one for one in given if one.get("ground_truth")]
    return list(dict.fromkeys(label for one in true or given for label in _labels(one)))


def _labels(annotation: dict[str, Any]) -> Iterator[Any]:
    """The label of one annotation: several choices are one text."""
    for result in annotation.get("result", []):
        value = result.get("value", {}).get(ANSWERS.get(result.get("type"), ""))
        if value is not None:
            yield ", ".join(map(str, _flat(value))) if isinstance(value, list) else value


def _flat(values: list[Any]) -> list[Any]:
    return [inner for value in values for inner in (_flat(value)[-1:] if isinstance(value, list) else [value])]


PART = LabelFormat(
    name="label_studio",
    title="Label Studio (JSON)",
    extensions=(".json",),
    is_of=lambda content: content.lstrip()[:1] == b"[",
    read=read,
)
