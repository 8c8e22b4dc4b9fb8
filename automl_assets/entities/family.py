"""Entities: what texts name, found by tagging their tokens. A row of the data is a text, a row of the truth a token."""

from automl_assets.entities.settings import check_settings
from automl_assets.entities.steps.analyse_errors import analyse_errors
from automl_assets.entities.steps.describe import GUARDRAILS, describe
from automl_assets.entities.steps.draft import draft
from automl_assets.entities.steps.explain import explain, explain_rows
from automl_assets.entities.steps.featurize import featurize
from automl_assets.entities.steps.find_label_errors import find_label_errors, review_label_errors
from automl_assets.entities.steps.fit import fit_context, lay_out, read_inputs
from automl_assets.entities.steps.load_texts import load_texts
from automl_assets.entities.steps.pipeline_onnx import onnx_bytes
from automl_assets.entities.steps.predict import answer, answer_columns, answer_inputs
from automl_assets.entities.steps.write_training_code import write_training_code
from automl_assets.families import Family, RowSteps
from automl_assets.learning.fit_fold import fit_fold
from automl_assets.row_family import drift_sensors, graph_of_rows, result_of_rows

FAMILY = Family(
    name="entities",
    check=check_settings,
    load=load_texts,
    graph=graph_of_rows,
    triggers=drift_sensors,
    result=result_of_rows,
    least_rows=20,
    draft=draft,
    text_columns=lambda experiment: frozenset({experiment.target}),
    row_steps=RowSteps(
        guardrails=GUARDRAILS,
        describe=describe,
        featurize=featurize,
        lay_out=lay_out,
        read_inputs=read_inputs,
        fit_context=fit_context,
        fit_fold=fit_fold,
        answer=answer,
        answer_inputs=answer_inputs,
        answer_columns=answer_columns,
        explain=explain,
        explain_rows=explain_rows,
        analyse_errors=analyse_errors,
        label_errors=find_label_errors,
        review_label_errors=review_label_errors,
        write_training_code=write_training_code,
        onnx_bytes=onnx_bytes,
        input_types=lambda recipe: {recipe.column: "string"},
    ),
)
