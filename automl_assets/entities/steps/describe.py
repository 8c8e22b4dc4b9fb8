"""describe: which labels there are, how often, and what a person should know before learning from these texts."""

from collections import Counter

import numpy as np
import polars as pl

from automl_assets.entities.features.tokens import token_places
from automl_assets.experiment.experiment import Experiment
from automl_assets.records import SOURCE, ColumnProfile, Dataset, Guardrail, Problem, Profile
from automl_assets.tagging import BEGIN, labels_of

LEAST_TEXTS = 50  # as in Azure
RARE = 20  # entities of a label
LONG = 200  # tokens

GUARDRAILS = {
    "number_of_texts": "Whether there are texts enough to learn from.",
    "missing_tags": "Texts without tags, or without words, take no part.",
    "rare_labels": "Labels of few entities.",
    "unseen_labels": "Whether a validation or test file has labels that the source lacks.",
    "duplicate_texts": "Whether texts repeat each other.",
    "long_texts": "Texts so long that they should be parted into sentences.",
}


def describe(dataset: Dataset, experiment: Experiment) -> Profile:
    """Profiles the texts of the source itself; those of validation and test files are looked at for their labels alone."""
    rows, roles = dataset.table.filter(dataset.part == SOURCE), dataset.roles
    tags, texts = rows[roles.target], rows[roles.features[0]]
    problem = experiment.task_part.problem(tags, experiment.metric, None)
    lengths = np.array([len(token_places(text or "", True)) for text in texts.to_list()])
    found = (
        _number(tags),
        _missing(tags),
        _rare(tags, problem),
        _unseen(dataset, problem),
        _duplicates(texts),
        _long(lengths),
    )
    column = ColumnProfile(
        name=roles.features[0],
        dtype="String",
        kind="text",
        n_missing=texts.null_count(),
        n_unique=texts.n_unique(),
        mean=float(lengths.mean()),
        std=float(lengths.std()),
        minimum=float(lengths.min()),
        maximum=float(lengths.max()),
    )
    return Profile(rows.height, (column,), found, problem, dataset.schema)


def entity_counts(tags: pl.Series) -> Counter[str]:
    """How many entities of each label there are."""
    every = (tag for text in tags.drop_nulls().to_list() for tag in text.split(" "))
    return Counter(tag.removeprefix(BEGIN) for tag in every if tag.startswith(BEGIN))


def _number(tags: pl.Series) -> Guardrail:
    n_texts = len(tags) - tags.null_count()
    if n_texts >= LEAST_TEXTS:
        return Guardrail("number_of_texts", "passed", f"{n_texts:,} texts have tags.", {"texts": n_texts})
    text = f"{n_texts} texts have tags; at least {LEAST_TEXTS} are needed for an answer to be trusted. Bring more."
    return Guardrail("number_of_texts", "alerted", text, {"texts": n_texts})


def _missing(tags: pl.Series) -> Guardrail:
    n_missing = tags.null_count()
    if not n_missing:
        return Guardrail("missing_tags", "passed", "Every text has tags.")
    return Guardrail(
        "missing_tags", "done", f"{n_missing} texts have no tags, or no words, and take no part.", {"texts": n_missing}
    )


def _rare(tags: pl.Series, problem: Problem) -> Guardrail:
    counts = entity_counts(tags)
    rare = [f"{label} ({counts[label]})" for label in labels_of(problem.classes) if counts[label] < RARE]
    figures = {label: counts[label] for label in labels_of(problem.classes)}
    if not rare:
        return Guardrail("rare_labels", "passed", f"Every label has {RARE} entities or more.", figures)
    text = f"Fewer than {RARE} entities: {', '.join(rare)}. They will hardly be found; mark more, or join labels."
    return Guardrail("rare_labels", "alerted", text, figures)


def _unseen(dataset: Dataset, problem: Problem) -> Guardrail:
    known = set(labels_of(problem.classes))
    counts = entity_counts(dataset.table[dataset.roles.target].filter(dataset.part != SOURCE))
    unseen = {label: count for label, count in counts.items() if label not in known}
    if not unseen:
        return Guardrail("unseen_labels", "passed", "No validation or test file has a label that the source lacks.")
    names = ", ".join(f"{label} ({count})" for label, count in sorted(unseen.items()))
    text = f"Labels of validation and test files that the source lacks: {names}. Their words count as no entity."
    return Guardrail("unseen_labels", "alerted", text, unseen)


def _duplicates(texts: pl.Series) -> Guardrail:
    n_twice = len(texts) - texts.n_unique()
    if not n_twice:
        return Guardrail("duplicate_texts", "passed", "No text occurs twice.")
    text = f"{n_twice} texts ({n_twice / len(texts):.1%}) repeat an earlier one; copies may fall on both sides of the split."
    return Guardrail("duplicate_texts", "alerted" if n_twice > 0.01 * len(texts) else "done", text, {"texts": n_twice})


def _long(lengths: np.ndarray) -> Guardrail:
    n_long = int((lengths > LONG).sum())
    if not n_long:
        return Guardrail("long_texts", "passed", f"No text has more than {LONG} words.")
    text = f"{n_long} texts have more than {LONG} words; sentences learn faster, and say more of how sure scores are."
    return Guardrail("long_texts", "done", text, {"texts": n_long, "longest": int(lengths.max())})
