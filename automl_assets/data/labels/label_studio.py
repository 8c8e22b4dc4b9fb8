"""Label Studio's JSON export: tasks with what was shown, and what people chose, rated or numbered.

Of several annotations of a task the ground truth counts, else they must agree. Knowledge of the format alone belongs here.
"""

from collections.abc import Iterator
from typing import Any

import polars as pl
from pydantic import BaseModel, RootModel

from automl_assets.data import tables
from automl_assets.data.label_sets import EMPTY
from automl_assets.errors import SourceError, listed
from automl_assets.parts import LabelFormat

ANSWERS = {"choices": "choices", "rating": "rating", "number": "number", "taxonomy": "taxonomy"}  # type -> key of value
SPANS = ("labels", "hypertextlabels")  # types whose values are places in a text, all together one label


class Result(BaseModel):
    """One thing that a person said of a task."""

    type: str = ""
    value: dict[str, Any] | None = None


class Annotation(BaseModel):
    """All that a person said of a task."""

    result: list[Result] | None = None
    was_cancelled: bool | None = None
    ground_truth: bool | None = None


class Task(BaseModel):
    """What was shown, and what people said of it."""

    id: int | str | None = None
    data: dict[str, Any]
    annotations: list[Annotation] | None = None
    completions: list[Annotation] | None = None  # as exports before Label Studio 1.0 call them


class Export(RootModel[list[Task]]):
    """The file."""


def read(content: bytes, name: str, target: str) -> pl.DataFrame:
    """A row for each task that has a label: its data, its number as `id` where the data have none, and the label.

    Raises SourceError for what is no export, and for tasks whose annotations differ.
    """
    advice = "a Label Studio export is a list of tasks with `data`; export as JSON, not JSON-MIN"
    tasks = tables.from_json(content, name, Export, advice).root
    numbers = [place if task.id is None else task.id for place, task in enumerate(tasks)]
    answers = [_answers(task) for task in tasks]
    torn = [number for number, found in zip(numbers, answers, strict=True) if len(found) > 1]
    if torn:
        raise SourceError(
            f"{name}: people gave different labels to tasks {listed(torn, 5)}; mark one annotation of each as ground truth"
        )
    told = zip(numbers, tasks, answers, strict=True)
    rows = [{"id": number, **task.data, target: _plain(found[0])} for number, task, found in told if found]
    if not any(isinstance(row[target], list) and row[target] for row in rows):
        rows = [row | {target: EMPTY if row[target] == [] else row[target]} for row in rows]
    if not rows:
        raise SourceError(f"{name}: no task has a label; possible are {listed([*ANSWERS, *SPANS])}")
    return pl.DataFrame(rows, infer_schema_length=None, strict=False)


def _answers(task: Task) -> list[Any]:
    """The different labels that a task was given."""
    given = [one for one in task.annotations or task.completions or () if not one.was_cancelled]
    true = [one for one in given if one.ground_truth]
    return list(dict.fromkeys(label for one in true or given for label in _labels(one)))


def _labels(annotation: Annotation) -> Iterator[Any]:
    """The label of one annotation: several choices are one text, and all spans one label, in the order of their places. Where a
    person looked and chose nothing, none is the label."""
    if not annotation.result:
        yield ()
    spans = [span for result in annotation.result or () if result.type in SPANS for span in _spans(result.value or {})]
    if spans:
        yield tuple(sorted(spans))
    for result in annotation.result or ():
        value = (result.value or {}).get(ANSWERS.get(result.type, ""))
        if value is not None:
            yield ", ".join(map(str, _flat(value))) if isinstance(value, list) else value


def _spans(value: dict[str, Any]) -> Iterator[tuple[int, int, str]]:
    for label in value.get("labels") or value.get("hypertextlabels") or ():
        yield int(value["start"]), int(value["end"]), str(label)


def _plain(label: Any) -> Any:
    """Spans as every table format that knows lists holds them."""
    if not isinstance(label, tuple):
        return label
    return [{"start": start, "end": end, "label": name} for start, end, name in label]


def _flat(values: list[Any]) -> list[Any]:
    return [inner for value in values for inner in (_flat(value)[-1:] if isinstance(value, list) else [value])]


PART = LabelFormat(
    name="label_studio",
    title="Label Studio (JSON)",
    extensions=(".json",),
    is_of=lambda content: content.lstrip()[:1] == b"[",
    read=read,
)
