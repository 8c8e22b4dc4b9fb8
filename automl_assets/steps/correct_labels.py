"""correct_labels: labels that people corrected take the place of those that the source has, wherever its rows are the same.

A row is known by its columns, as it was shown to whoever looked at it, so that a source may have got rows meanwhile. What was
there before is written down first. Not here: rows that are new (`import_labels`).
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import polars as pl

from automl_assets import registry
from automl_assets.data import files
from automl_assets.data.row_ids import contents
from automl_assets.errors import DataError, SettingError, SourceError, listed, nearest
from automl_assets.experiment.experiment import Experiment, SourceSetting
from automl_assets.steps.find_label_errors import AS_TEXT, GIVEN, SCHEMA
from automl_assets.steps.import_labels import (
    ScoredRows,
    as_text,
    as_the_source,
    as_type,
    check_classes,
    given_labels,
    label_texts,
    read_labels,
    typed_rows,
    written_column,
)
from automl_assets.steps.read_source import learn, settings_of, written

SHOWN = 60  # characters of a row in a message


@dataclass
class Corrections:
    """What became of the labels."""

    n_labels: int = 0
    n_corrected: int = 0  # rows that have another label now
    n_known: int = 0  # whose rows had it already
    n_changed: int = 0  # whose rows have got another one since they were looked at
    n_empty: int = 0  # without a label
    n_unmatched: int = 0  # of no row that is there
    where: list[str] = field(default_factory=list)


def correct_labels(experiment: Experiment, location: str, is_new: bool, log: Path) -> Corrections:
    """Corrects the sources of an experiment, that of its validation and test rows too, by the labels of a file; what was there
    is added to `log`, a file of JSON lines. `is_new` says that classes which the source has never had are meant.

    Raises AutomlError where a label cannot be; a source that was not yet corrected stays as it was.
    """
    found, matched = Corrections(), set[int]()
    changes = [_changes(experiment, setting, location) for setting in settings_of(experiment).values()]
    if not is_new:
        every = pl.concat([some.had for some in changes], how="vertical_relaxed")
        check_classes(changes[0].told, every, experiment)
    for setting, some in zip(settings_of(experiment).values(), changes, strict=True):
        found.n_labels, found.n_empty = some.n_labels, some.n_empty
        matched |= some.matched
        if some.cells:
            found.where.append(_correct(experiment, setting, location, log))
    found.n_corrected = sum(len(some.cells) for some in changes)
    return _counted(found, changes, matched)


def _counted(found: Corrections, changes: "list[_Changes]", matched: set[int]) -> Corrections:
    changed = {label for some in changes for label in some.changed}
    known = {label for some in changes for label in some.known}
    found.n_changed, found.n_known = len(changed), len(known - changed)
    found.n_unmatched = found.n_labels - found.n_empty - len(matched)
    return found


@dataclass
class _Changes:
    """Of one source: what cells are to hold, by the numbers of rows, and what became of labels, by their numbers."""

    rows: pl.DataFrame
    had: pl.DataFrame  # the target of each row
    told: pl.DataFrame  # and of each label
    cells: dict[int, Any] = field(default_factory=dict)
    matched: set[int] = field(default_factory=set)
    known: set[int] = field(default_factory=set)
    changed: set[int] = field(default_factory=set)
    n_labels: int = 0
    n_empty: int = 0


def _correct(experiment: Experiment, setting: SourceSetting, location: str, log: Path) -> str:
    """Looks once more, now that nobody else writes, and corrects."""
    part = setting.part
    if part.correct is None:
        able = [one.name for one in registry.sources().values() if one.correct is not None]
        raise SourceError(f"rows of a source of kind {part.name} cannot be corrected; possible: {listed(able)}")
    with part.alone(setting.options):
        some = _changes(experiment, setting, location)
        _note(log, part.describe(setting.options), some, experiment.target)
        return part.correct(setting.options, some.rows, experiment.target, some.cells)


def _note(log: Path, where: str, some: _Changes, target: str) -> None:
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("a", encoding="utf-8") as file:
        for number, cell in some.cells.items():
            line = {"source": where, "row": some.rows.row(number, named=True), "corrected": {target: cell}}
            file.write(json.dumps(line, ensure_ascii=False, default=str) + "\n")


def _changes(experiment: Experiment, setting: SourceSetting, location: str) -> _Changes:
    """What a source would have to hold."""
    rows, target = written(setting), experiment.target
    schema = learn(setting, rows, experiment)
    known = typed_rows(rows, schema)
    labels = read_labels(location, target, schema, rows)
    if target not in labels.typed.columns or target not in rows.columns:
        raise SettingError(
            f'the labels have no column "{target}"; they have {listed(labels.typed.columns)}.{nearest(target, labels.typed.columns)}'
        )
    given = given_labels(labels, experiment)
    told = as_the_source(_as_shown(given, rows, location), known, experiment)
    found = _Changes(
        rows,
        known.typed.select(target),
        told.typed.select(target),
        n_labels=labels.typed.height,
        n_empty=labels.typed.height - given.typed.height,
    )
    _match(found, told, known, experiment)
    return found


def _as_shown(labels: ScoredRows, rows: pl.DataFrame, location: str) -> ScoredRows:
    """Columns by the names that the source gives them, where a review needed these for itself; texts as they are, where a
    spreadsheet was kept from running them as formulas."""
    own = {f"{name}_": name for name in (*SCHEMA, GIVEN) if f"{name}_" in labels.written.columns}
    own = {new: name for new, name in own.items() if name in rows.columns and new not in rows.columns}

    def shown(table: pl.DataFrame) -> pl.DataFrame:
        named = table.drop(own.values(), strict=False).rename(own)
        is_sheet = files.has_extension(location, (".csv",))
        return named.with_columns(pl.col(pl.String).str.replace(AS_TEXT, "$1")) if is_sheet else named

    return ScoredRows(shown(labels.written), shown(labels.typed))


def _match(found: _Changes, labels: ScoredRows, known: ScoredRows, experiment: Experiment) -> None:
    """Raises DataError for labels that contradict each other, SettingError where nothing tells which rows they are of."""
    names = _shown(labels.typed, known.typed, experiment)
    same = {name: as_type(labels.typed[name], known.typed.schema[name]) for name in names}
    keys, places = contents(pl.DataFrame(same)), dict[int, list[int]]()
    for place, key in enumerate(contents(known.typed.select(names)).tolist()):
        places.setdefault(key, []).append(place)
    wanted, had = (label_texts(some.typed, experiment).to_list() for some in (labels, known))
    learnt = next((one for one in known.schema.columns if one.name == experiment.target), None)
    cells = written_column(labels, known.written[experiment.target], learnt, labels.typed[experiment.target]).to_list()
    before = _before(labels, known, experiment)
    for label, key in enumerate(keys.tolist()):
        of_it = places.get(key, [])
        found.matched |= {label} if of_it else set()
        wrong = [row for row in of_it if had[row] != wanted[label]]
        seen = [row for row in wrong if before[label] in (None, (had[row] or "").casefold())]
        found.known |= {label} if of_it and not wrong else set()
        found.changed |= {label} if wrong and not seen and len(wrong) == len(of_it) else set()
        for row in seen:
            if found.cells.setdefault(row, cells[label]) != cells[label]:
                text = str(known.written.select(names).row(row))[:SHOWN]
                raise DataError(f"the labels contradict each other for {text}; keep one of each, nothing was corrected")


def _shown(labels: pl.DataFrame, known: pl.DataFrame, experiment: Experiment) -> list[str]:
    """Columns of the source that the labels were given by."""
    others = {experiment.target, experiment.weight_column, experiment.group_column, *experiment.validation.fold_columns}
    names = [
        name for name in known.columns if name in labels.columns and name not in {*others, *experiment.drop_columns}
    ]
    if not names:
        raise SettingError(
            f"the labels have no column by which rows are known; they have {listed(labels.columns)}, the source "
            f"{listed(known.columns)}. Take the rows as `write_label_errors` writes them"
        )
    return names


def _before(labels: ScoredRows, known: ScoredRows, experiment: Experiment) -> list[str | None]:
    """The label that each row had when it was looked at, where that is told."""
    if GIVEN not in labels.written.columns or GIVEN in known.written.columns or experiment.task_part.parts:
        return [None] * labels.typed.height
    told = as_text(labels.written[GIVEN]).alias(experiment.target).to_frame()
    return [None if text is None else text.casefold() for text in label_texts(told, experiment).to_list()]


def told(found: Corrections) -> Iterator[tuple[str, int]]:
    """What became of labels, and of how many."""
    yield "known already", found.n_known
    yield "of rows that changed since", found.n_changed
    yield "empty", found.n_empty
    yield "of no row that is there", found.n_unmatched
