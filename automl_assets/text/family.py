"""Texts: rows that stand for themselves, each described by one or more texts and perhaps other columns."""

from automl_assets.families import Family, RowSteps
from automl_assets.learning.fit_fold import fit_fold
from automl_assets.row_family import drift_sensors, graph_of_rows, result_of_rows
from automl_assets.steps.load_table import load_table
from automl_assets.text.features.text_featurizer_onnx import input_types
from automl_assets.text.settings import check_settings, text_columns
from automl_assets.text.steps.analyse_errors import analyse_errors
from automl_assets.text.steps.describe import GUARDRAILS, describe
from automl_assets.text.steps.draft import draft
from automl_assets.text.steps.explain import explain, explain_rows
from automl_assets.text.steps.featurize import featurize
from automl_assets.text.steps.fit import cells_a_row, choices_for, fit_context, lay_out, read_inputs
from automl_assets.text.steps.pipeline_onnx import onnx_bytes
from automl_assets.text.steps.predict import answer, answer_inputs
from automl_assets.text.steps.write_training_code import write_training_code

FAMILY = Family(
    name="text",
    check=check_settings,
    load=load_table,
    text_columns=text_columns,
    graph=graph_of_rows,
    triggers=drift_sensors,
    result=result_of_rows,
    least_rows=20,
    draft=draft,
    row_steps=RowSteps(
        guardrails=GUARDRAILS,
        describe=describe,
        featurize=featurize,
        choices=choices_for,
        cells_a_row=cells_a_row,
        lay_out=lay_out,
        read_inputs=read_inputs,
        fit_context=fit_context,
        fit_fold=fit_fold,
        answer=answer,
        answer_inputs=answer_inputs,
        most_milliseconds=20.0,  # a text of some thousand characters is cut into so many strings
        explain=explain,
        explain_rows=explain_rows,
        analyse_errors=analyse_errors,
        write_training_code=write_training_code,
        onnx_bytes=onnx_bytes,
        input_types=input_types,
    ),
)
