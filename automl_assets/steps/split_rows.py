"""split_rows: who learns, who validates, who tests; groups and time are kept apart where the experiment says so."""

import math
from collections.abc import Iterable, Sequence
from functools import cached_property

import fsspec
import numpy as np
import polars as pl
from pydantic import TypeAdapter, ValidationError

from automl_assets.answer_kinds import answers_of
from automl_assets.data import files
from automl_assets.data.row_ids import identities, shuffled
from automl_assets.errors import DataError, SettingError, listed
from automl_assets.experiment.experiment import Experiment, FoldRows
from automl_assets.masking import without_secrets
from automl_assets.records import (
    SOURCE,
    TEST_FILE,
    TRAIN,
    VALID,
    VALIDATION_FILE,
    Dataset,
    Problem,
    Profile,
    Roles,
    Split,
)
from automl_assets.steps.iterative_stratification import chosen_share, dealt_parts

# Rows up to which so many folds are used; above the last, a hold-out. `auto` is AutoGluon's published choice of eight
# folds, fewer for very few and very many rows; `azure` is Microsoft's rule. benchmarks/validation.py compares them.
RULES: dict[str, tuple[tuple[int, int], ...]] = {
    "auto": ((300, 5), (30_000, 8), (100_000, 5), (500_000, 3)),
    "azure": ((999, 10), (20_000, 3)),
}
WEIGH = "give some a weight above 0, or leave those rows out of the source"
HOLD_OUT = {"auto": 0.2, "azure": 0.1}
MOST_ORIGINS = 5  # folds in time order, unless more are asked for: older ones say little about what comes next
VALIDATED_SHARE = 0.5  # of the rows in time order: the latest, which the folds share


def split_rows(dataset: Dataset, profile: Profile, experiment: Experiment) -> Split:
    """Test rows first, then folds among the rest. Rows without a target, or left out by the profile, take no part."""
    y = experiment.task_part.encode_rows(dataset.table[dataset.roles.target], profile.problem)
    answers = answers_of(profile.problem)
    has_target = answers.has_truth(y)
    has_target[list(profile.left_out)] = False
    chooser = _Chooser(dataset, y, experiment, profile.problem)
    is_test = chooser.test_rows(has_target)
    learning = has_target & ~is_test & (dataset.part != TEST_FILE)
    weighs = _weighs(dataset)
    _check_classes(y[learning], weighs[learning], profile, dataset.roles)
    pairs, strategy = chooser.folds(learning)
    is_ordered = dataset.roles.time is not None and chooser.chooses_folds
    assignment = np.zeros((dataset.n_rows, len(pairs)), np.int8)
    for fold, (train, valid) in enumerate(pairs):
        assignment[train, fold] = TRAIN
        assignment[valid, fold] = VALID
    _check_folds(assignment, y, weighs, profile)
    return Split(is_test, assignment, strategy, is_ordered)


class _Chooser:
    """Chooses rows by the experiment's settings; holds what every choice looks at."""

    def __init__(self, dataset: Dataset, y: np.ndarray, experiment: Experiment, problem: Problem):
        self.dataset, self.y, self.experiment = dataset, y, experiment
        self.answers, self.n_classes = answers_of(problem), problem.n_classes
        table, roles = dataset.table, dataset.roles
        self.groups = table[roles.group].cast(str).fill_null("").to_numpy() if roles.group else None
        self.order = table[roles.time].rank("dense").fill_null(0).to_numpy() if roles.time else None

    def test_rows(self, has_target: np.ndarray) -> np.ndarray:
        test, part = self.experiment.test, self.dataset.part
        if test.source is not None:
            return self._of_test_file(has_target & (part == TEST_FILE))
        chosen = np.zeros(len(part), bool)
        if test.fraction is not None:
            rows = np.flatnonzero(has_target & (part == SOURCE))
            chosen[self._part_of(rows, test.fraction, self.experiment.seed)] = True
        return chosen

    def _of_test_file(self, chosen: np.ndarray) -> np.ndarray:
        if not chosen.any():
            target = self.dataset.roles.target
            found = self.dataset.table[target].filter(self.dataset.part == TEST_FILE).unique().to_list()
            raise DataError(
                f'test.source: no row has a known value of the target "{target}"; got {listed(found, 5)}. '
                "Bring rows with the target, written as in the source."
            )
        return chosen

    @property
    def chooses_folds(self) -> bool:
        """Whether the folds are not named by the experiment."""
        validation = self.experiment.validation
        return validation.source is None and not validation.fold_columns and not validation.indices

    def folds(self, learning: np.ndarray) -> tuple[list[tuple[np.ndarray, np.ndarray]], str]:
        validation, part = self.experiment.validation, self.dataset.part
        rows = np.flatnonzero(learning)
        if validation.source is not None:
            in_file = part[rows] == VALIDATION_FILE
            return [(rows[~in_file], rows[in_file])], "validation file"
        if validation.fold_columns:
            return self._fold_columns(rows), f"{len(validation.fold_columns)} fold columns"
        if validation.indices:
            pairs = self._named_rows(rows, _fold_rows(validation.indices))
            return pairs, f"{len(pairs)} {'fold' if len(pairs) == 1 else 'folds'} of named rows"
        if validation.fraction is not None:
            repeats = validation.folds or 1
            pairs = [self._hold_out(rows, validation.fraction, i) for i in range(repeats)]
            times = f", {repeats} times" if repeats > 1 else ""
            return pairs, f"{validation.fraction:.0%} hold-out{times}{self._kept_apart()}"
        n_folds = validation.folds or _folds_for(len(rows), validation.rule)
        if n_folds is None:
            fraction = HOLD_OUT[validation.rule]
            return [self._hold_out(rows, fraction, 0)], f"{fraction:.0%} hold-out{self._kept_apart()}"
        if self.order is None:
            pairs = self._cross_validation(rows, n_folds)
        else:
            pairs = self._late_origins(rows, self.order[rows], n_folds)
        return pairs, f"{len(pairs)}-fold cross-validation{self._kept_apart()}"

    def _kept_apart(self) -> str:
        return ", groups kept whole" if self.groups is not None else ", in time order" if self.order is not None else ""

    def _hold_out(self, rows: np.ndarray, fraction: float, repeat: int) -> tuple[np.ndarray, np.ndarray]:
        valid = self._part_of(rows, fraction, self.experiment.seed + 1 + repeat)
        return np.setdiff1d(rows, valid), valid

    def _part_of(self, rows: np.ndarray, fraction: float, seed: int) -> np.ndarray:
        """About `fraction` of the rows: the latest, whole groups, with the class shares kept, or by chance.

        Chance is a number that follows from a row's features (or its group) and the seed, and the lowest are chosen: as
        rows are added, all but a few of those chosen stay chosen.
        """
        n_part = max(1, math.ceil(fraction * len(rows)))
        if len(rows) - n_part < 2:
            raise DataError(f"a share of {fraction:g} of {len(rows)} rows leaves too few to learn from; ask for less")
        if self.order is not None:
            ordered, (start,) = self._in_order(rows, self.order[rows], [len(rows) - n_part])
            return ordered[start:]
        if self.groups is not None:
            return self._whole_groups(rows, self.groups[rows], fraction, seed)
        return rows[CHOSEN[self.answers.name](self, rows, n_part, shuffled(self.identities[rows], seed))]

    def _chosen_of_classes(self, rows: np.ndarray, n_part: int, chance: np.ndarray) -> np.ndarray:
        can_stratify = self._can_stratify(rows, n_part)
        return _lowest(chance, self.y[rows] if can_stratify else np.zeros(len(rows)), n_part)

    def _chosen_of_label_sets(self, rows: np.ndarray, n_part: int, chance: np.ndarray) -> np.ndarray:
        return chosen_share(self._has(rows), n_part, chance)

    def _has(self, rows: np.ndarray) -> np.ndarray:
        """Which labels, or classes of objects, each of the rows has, bool [n_rows, n_labels]."""
        return self.answers.indicator(self.y[rows], self.n_classes)

    @cached_property
    def identities(self) -> np.ndarray:
        return identities(self.dataset.table.select(self.dataset.roles.features))

    def _whole_groups(self, rows: np.ndarray, group: np.ndarray, fraction: float, seed: int) -> np.ndarray:
        """The rows of about `fraction` of the groups; `group` is that of each row."""
        groups = pl.Series("group", group).unique().sort()
        self._check_groups(len(groups), 2, "two parts")
        n_part = min(math.ceil(fraction * len(groups)), len(groups) - 1)
        order = np.argsort(shuffled(identities(groups.to_frame()), seed), kind="stable")
        return rows[np.isin(group, groups.to_numpy()[order[:n_part]])]

    def _can_stratify(self, rows: np.ndarray, n_part: int) -> bool:
        if not self.experiment.task_part.stratify:
            return False
        _, counts = np.unique(self.y[rows], return_counts=True)
        return counts.min() >= 2 and min(n_part, len(rows) - n_part) >= len(counts)

    def _cross_validation(self, rows: np.ndarray, n_folds: int) -> list[tuple[np.ndarray, np.ndarray]]:
        if n_folds >= len(rows):
            raise SettingError(f"validation.folds: got {n_folds}; {len(rows)} rows can fill at most {len(rows) - 1}")
        if self.groups is not None:
            return self._group_folds(rows, self.groups[rows], n_folds)
        return FOLDS[self.answers.name](self, rows, n_folds)

    def _group_folds(self, rows: np.ndarray, groups: np.ndarray, n_folds: int) -> list[tuple[np.ndarray, np.ndarray]]:
        from sklearn.model_selection import GroupKFold, StratifiedGroupKFold

        self._check_groups(len(np.unique(groups)), n_folds, f"{n_folds} folds")
        grouped = StratifiedGroupKFold(n_folds) if self.experiment.task_part.stratify else GroupKFold(n_folds)
        return _of_rows(rows, grouped.split(rows, self.answers.strata(self.y[rows]), groups))

    def _folds_of_classes(self, rows: np.ndarray, n_folds: int) -> list[tuple[np.ndarray, np.ndarray]]:
        from sklearn.model_selection import KFold, StratifiedKFold

        seed, y, stratify = self.experiment.seed, self.y[rows], self.experiment.task_part.stratify
        if stratify and np.unique(y, return_counts=True)[1].min() >= n_folds:
            return _of_rows(rows, StratifiedKFold(n_folds, shuffle=True, random_state=seed).split(rows, y))
        if stratify:  # classes rarer than the folds: deal them out in turn
            return _dealt(rows[np.argsort(y, kind="stable")], n_folds, seed)
        return _of_rows(rows, KFold(n_folds, shuffle=True, random_state=seed).split(rows))

    def _folds_of_label_sets(self, rows: np.ndarray, n_folds: int) -> list[tuple[np.ndarray, np.ndarray]]:
        part = dealt_parts(self._has(rows), n_folds, np.random.default_rng(self.experiment.seed))
        return [(rows[part != fold], rows[part == fold]) for fold in range(n_folds)]

    def _late_origins(self, rows: np.ndarray, times: np.ndarray, n_folds: int) -> list[tuple[np.ndarray, np.ndarray]]:
        """The latest rows in blocks, one after the other: each validates what all rows before it teach."""
        n_asked = self.experiment.validation.folds
        n_origins = n_asked or min(n_folds, MOST_ORIGINS)
        ideal = len(rows) * (1 - VALIDATED_SHARE * (1 - np.arange(n_origins) / n_origins))
        ordered, starts = self._in_order(rows, times, ideal)
        if n_asked and len(starts) < n_asked:
            raise SettingError(
                f'validation.folds: got {n_asked}; the times in "{self.dataset.roles.time}" part the latest half of the '
                f"rows in {len(starts)} at most. Ask for fewer folds, or bring rows of more times."
            )
        pairs = zip(starts, [*starts[1:], len(rows)], strict=True)
        return [(np.sort(ordered[:start]), np.sort(ordered[start:end])) for start, end in pairs]

    def _in_order(
        self, rows: np.ndarray, times: np.ndarray, ideal: Sequence[float] | np.ndarray
    ) -> tuple[np.ndarray, list[int]]:
        """The rows, earliest first, and the positions close to the ideal ones at which a new time begins."""
        order = np.argsort(times, kind="stable")
        ordered, begins = rows[order], np.flatnonzero(np.diff(times[order])) + 1
        if not len(begins):
            raise DataError(
                f'time_column "{self.dataset.roles.time}": all {len(rows)} rows to learn from have the same time, so '
                "that none is later than the others. Name another column, or leave time_column out."
            )
        return ordered, sorted({int(begins[np.abs(begins - position).argmin()]) for position in ideal})

    def _check_groups(self, n_groups: int, n_needed: int, what: str) -> None:
        if n_groups < n_needed:
            advice = f"Set validation.folds to at most {n_groups}" if n_groups > 1 else "Bring rows of more groups"
            groups = f"{n_groups} group" if n_groups == 1 else f"{n_groups} groups"
            raise SettingError(
                f'group_column "{self.experiment.group_column}": {groups} cannot fill {what}. {advice}, '
                "or ask for fewer test rows."
            )

    def _named_rows(self, rows: np.ndarray, folds: FoldRows) -> list[tuple[np.ndarray, np.ndarray]]:
        """Each fold as it is named, without test rows and rows that lack a target."""
        n_rows = int((self.dataset.part == SOURCE).sum())
        pairs = []
        for number, fold in enumerate(folds, start=1):
            train, valid = (np.unique(np.array(named, np.int64)) for named in fold)
            beyond, twice = [row for row in (*train, *valid) if row >= n_rows], np.intersect1d(train, valid)
            if beyond:
                raise DataError(f"validation.indices: fold {number} names row {beyond[0]}; rows are 0 to {n_rows - 1}")
            if len(twice):
                raise DataError(f"validation.indices: fold {number} both learns from and validates on row {twice[0]}")
            pairs.append((np.intersect1d(train, rows), np.intersect1d(valid, rows)))
        return pairs

    def _fold_columns(self, rows: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
        """Each column is a fold: 1 learns, 0 validates (as in Azure)."""
        pairs = []
        for name in self.experiment.validation.fold_columns:
            marks = self.dataset.table[name].cast(float, strict=False).fill_null(-1).to_numpy()[rows]
            if not np.isin(marks, (0.0, 1.0)).all() or len(np.unique(marks)) < 2:
                raise DataError(
                    f'validation.fold_columns: "{name}" must hold 1 (learn) and 0 (validate), both, in every row'
                )
            pairs.append((rows[marks == 1], rows[marks == 0]))
        return pairs


# By what an answer is: which rows are put aside, and which folds the others make.
CHOSEN = {
    "classes": _Chooser._chosen_of_classes,
    "label_sets": _Chooser._chosen_of_label_sets,
    "boxes": _Chooser._chosen_of_label_sets,
    "values": _Chooser._chosen_of_classes,
}
FOLDS = {
    "classes": _Chooser._folds_of_classes,
    "label_sets": _Chooser._folds_of_label_sets,
    "boxes": _Chooser._folds_of_label_sets,
    "values": _Chooser._folds_of_classes,
}


def _of_rows(rows: np.ndarray, pairs: Iterable[tuple[np.ndarray, np.ndarray]]) -> list[tuple[np.ndarray, np.ndarray]]:
    """Pairs of positions among the rows as pairs of rows, in order."""
    return [(np.sort(rows[train]), np.sort(rows[valid])) for train, valid in pairs]


def _fold_rows(indices: str | FoldRows) -> FoldRows:
    """Row numbers as the experiment has them, or as its file does."""
    if not isinstance(indices, str):
        return indices
    with files.explained(without_secrets(indices)), fsspec.open(indices, "rb") as file:
        content = file.read()
    try:
        return TypeAdapter(FoldRows).validate_json(content)
    except ValidationError as error:
        raise SettingError(
            f"validation.indices: {without_secrets(indices)} must hold JSON like [[[0, 1, 2], [3, 4]], …]: of each "
            f"fold the rows to learn from and those to validate on; {error.errors()[0]['msg']}"
        ) from None


def _lowest(chance: np.ndarray, strata: np.ndarray, n_part: int) -> np.ndarray:
    """Positions of the lowest numbers of each stratum, in all n_part, shared out as the strata are large."""
    _, stratum, sizes = np.unique(strata, return_inverse=True, return_counts=True)
    exact = sizes * n_part / len(strata)
    n_each = np.floor(exact).astype(np.int64)
    n_each[np.argsort(n_each - exact, kind="stable")[: n_part - n_each.sum()]] += 1
    order = np.lexsort((chance, stratum))
    rank = np.arange(len(order)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    return order[rank < np.repeat(n_each, sizes)]


def _folds_for(n_rows: int, rule: str) -> int | None:
    return next((n_folds for most_rows, n_folds in RULES[rule] if n_rows <= most_rows), None)


def _dealt(rows: np.ndarray, n_folds: int, seed: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """Rows sorted by class are dealt to folds in turn, each round in a new order."""
    random = np.random.default_rng(seed)
    rounds = [random.permutation(n_folds) for _ in range(-(-len(rows) // n_folds))]
    fold = np.concatenate(rounds)[: len(rows)]
    return [(np.sort(rows[fold != i]), np.sort(rows[fold == i])) for i in range(n_folds)]


def _weighs(dataset: Dataset) -> np.ndarray:
    """Whether each row has a weight above zero, bool [n_rows]."""
    name = dataset.roles.weight
    return np.ones(dataset.n_rows, bool) if name is None else dataset.table[name].cast(float).to_numpy() > 0


def _check_classes(y: np.ndarray, weighs: np.ndarray, profile: Profile, roles: Roles) -> None:
    """Of the rows to learn from. Raises DataError for a class that has some, none of which counts."""
    if not weighs.any():
        raise DataError(f'weight_column "{roles.weight}": every row to learn from weighs 0; {WEIGH}')
    classes, totals = profile.problem.classes, answers_of(profile.problem).totals
    is_lost = (totals(y, None, len(classes)) > 0) & (totals(y[weighs], None, len(classes)) == 0)
    lost = [str(classes[code]) for code in np.flatnonzero(is_lost)]
    if lost:
        what, them = ("the class", "it") if len(lost) == 1 else ("the classes", "them")
        raise DataError(
            f'weight_column "{roles.weight}": every row of {what} {listed(lost)} to learn from weighs 0, so that nothing '
            f"can be learnt of {them}; {WEIGH}"
        )


def _check_folds(assignment: np.ndarray, y: np.ndarray, weighs: np.ndarray, profile: Profile) -> None:
    for fold in range(assignment.shape[1]):
        train, valid = (weighs & (assignment[:, fold] == mark) for mark in (TRAIN, VALID))
        if not train.any() or not valid.any():
            raise DataError(
                f"fold {fold + 1} has {train.sum()} rows to learn from and {valid.sum()} to validate on; both need some"
                + ("" if weighs.all() else ", of a weight above 0")
            )
        if not answers_of(profile.problem).has_contrast(y[train]):
            raise DataError(
                f"fold {fold + 1} has rows of one class only to learn from. Use fewer folds, or a split that keeps the classes."
            )
