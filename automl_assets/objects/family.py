"""Objects in images: rows that are each an image, answered by boxes around what is in it."""

from automl_assets.families import Family, RowSteps
from automl_assets.learning.fit_fold import fit_fold
from automl_assets.objects.features.squares import input_types
from automl_assets.objects.settings import check_settings, text_columns
from automl_assets.objects.steps.describe import GUARDRAILS, describe
from automl_assets.objects.steps.featurize import featurize
from automl_assets.objects.steps.fit import cells_a_row, fit_context, lay_out
from automl_assets.objects.steps.pipeline_onnx import onnx_bytes
from automl_assets.objects.steps.predict import answer, answer_columns, answer_inputs
from automl_assets.row_family import drift_sensors, graph_of_rows, result_of_rows
from automl_assets.steps.load_table import load_table

FAMILY = Family(
    name="objects",
    check=check_settings,
    load=load_table,
    text_columns=text_columns,
    graph=graph_of_rows,
    triggers=drift_sensors,
    result=result_of_rows,
    least_rows=20,
    draft=None,
    row_steps=RowSteps(
        guardrails=GUARDRAILS,
        describe=describe,
        featurize=featurize,
        cells_a_row=cells_a_row,
        lay_out=lay_out,
        fit_context=fit_context,
        fit_fold=fit_fold,
        answer=answer,
        answer_inputs=answer_inputs,
        answer_columns=answer_columns,
        most_milliseconds=200.0,  # a photograph is decoded, made small, and looked at by a network
        onnx_bytes=onnx_bytes,
        input_types=input_types,
    ),
)
