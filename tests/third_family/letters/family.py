"""Letters: everything that looks at a text, from the table to the ONNX graph."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import polars as pl

from automl_assets.data.schema import Schema
from automl_assets.experiment.experiment import Experiment
from automl_assets.families import Family, RowSteps
from automl_assets.learning import fit_fold
from automl_assets.learning.preparation import add_raw, mean_raw
from automl_assets.onnx.graph import FLOAT, Graph
from automl_assets.parts import Algorithm, FitContext, link_of, link_scores
from automl_assets.records import (
    SOURCE,
    Dataset,
    Ensemble,
    FeatureColumn,
    Features,
    Guardrail,
    Profile,
    Roles,
    Split,
)
from automl_assets.row_family import graph_of_rows, result_of_rows
from automl_assets.steps.calibrate import calibrated
from automl_assets.steps.column_profile import column_profile
from automl_assets.steps.combine import algorithm_of, combine
from automl_assets.steps.ensemble_onnx import add_combination
from automl_assets.steps.outputs_onnx import add_answers
from automl_assets.steps.truth import truth_of
from letters.records import LetterInputs, Letters

ALPHABET = "abcdefghijklmnopqrstuvwxyz"


def _load(
    experiment: Experiment, tables: Mapping[int, pl.DataFrame], places: Mapping[int, str], schema: Schema
) -> tuple[pl.DataFrame, Roles]:
    rows = tables[SOURCE]
    return rows, Roles(experiment.target, tuple(name for name in rows.columns if name != experiment.target))


def _describe(dataset: Dataset, experiment: Experiment) -> Profile:
    table, target = dataset.table, dataset.roles.target
    problem = experiment.task_part.problem(table[target], experiment.metric, experiment.positive_label)
    columns = tuple(column_profile(column, experiment) for column in table.drop(target).iter_columns())
    return Profile(table.height, columns, (Guardrail("texts", "passed", "Every row has a text."),), problem)


def _featurize(dataset: Dataset, profile: Profile, split: Split, experiment: Experiment) -> Features:
    recipe = Letters(dataset.roles.features[0], ALPHABET)
    columns = tuple(FeatureColumn(letter, recipe.column, "occurs") for letter in ALPHABET)
    truth = truth_of(dataset, profile.problem, split, experiment)
    return Features(truth, _encode(recipe, dataset.table), recipe, columns, dataset.schema)


def _encode(recipe: Letters, table: pl.DataFrame) -> LetterInputs:
    texts = table[recipe.column].fill_null("")
    occurs = [texts.str.contains(letter, literal=True).to_numpy() for letter in recipe.alphabet]
    return LetterInputs(np.column_stack(occurs).astype(np.float32))


def _lay_out(folder: Path, features: Features, algorithm: Algorithm) -> None:
    fit_fold.lay_out(folder, features.inputs.occurs, features.truth)


def _fit_context(features: Features, seed: int) -> FitContext:
    return FitContext(features.truth.problem, seed=seed)


def _answer(ensemble: Ensemble, table: pl.DataFrame) -> np.ndarray:
    return _answer_inputs(ensemble, _encode(ensemble.featurizer, table))


def _answer_inputs(ensemble: Ensemble, inputs: LetterInputs) -> np.ndarray:
    algorithms = [algorithm_of(member, ensemble.problem) for member in ensemble.members]
    parts = [
        link_scores(mean_raw(algorithm, member.fitted.models, inputs.occurs), link_of(algorithm.link, ensemble.problem))
        for algorithm, member in zip(algorithms, ensemble.members, strict=True)
    ]
    weights = [member.weight for member in ensemble.members]
    return calibrated(combine(parts, weights, ensemble.stack, ensemble.problem), ensemble.calibration)


def _onnx_bytes(ensemble: Ensemble) -> bytes:
    graph, recipe = Graph(), ensemble.featurizer
    text = graph.input(recipe.column, str, [None, 1])
    found = [graph.node("RegexFullMatch", text, pattern=f".*{letter}.*") for letter in recipe.alphabet]
    occurs = graph.node("Concat", *(graph.node("Cast", one, to=FLOAT) for one in found), axis=1)
    raws = [
        add_raw(algorithm_of(member, ensemble.problem), member.fitted.models, graph, occurs)
        for member in ensemble.members
    ]
    add_answers(graph, add_combination(graph, raws, ensemble), ensemble)
    return graph.build().SerializeToString()


FAMILY = Family(
    name="letters",
    check=lambda experiment: None,
    load=_load,
    graph=graph_of_rows,
    triggers=lambda experiment: [],
    result=result_of_rows,
    least_rows=20,
    row_steps=RowSteps(
        guardrails={"texts": "Whether every row has a text."},
        describe=_describe,
        featurize=_featurize,
        lay_out=_lay_out,
        fit_context=_fit_context,
        fit_fold=fit_fold.fit_fold,
        answer=_answer,
        answer_inputs=_answer_inputs,
        onnx_bytes=_onnx_bytes,
        input_types=lambda recipe: {recipe.column: "string"},
    ),
)
