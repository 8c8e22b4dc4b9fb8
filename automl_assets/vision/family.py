"""Images: rows that are each an image, answered by a class or by a set of labels."""

from automl_assets.families import Family, RowSteps
from automl_assets.learning.fit_fold import fit_fold
from automl_assets.row_family import drift_sensors, graph_of_rows, result_of_rows
from automl_assets.steps.load_table import load_table
from automl_assets.vision.features.image_featurizer import input_types
from automl_assets.vision.settings import check_settings, text_columns
from automl_assets.vision.steps.analyse_errors import analyse_errors
from automl_assets.vision.steps.describe import GUARDRAILS, describe
from automl_assets.vision.steps.draft import draft
from automl_assets.vision.steps.explain import explain, explain_rows
from automl_assets.vision.steps.featurize import featurize
from automl_assets.vision.steps.fit import cells_a_row, choices_for, fit_context, lay_out, read_inputs
from automl_assets.vision.steps.pipeline_onnx import onnx_bytes
from automl_assets.vision.steps.predict import answer, answer_inputs, unanswerable
from automl_assets.vision.steps.review_label_errors import review_label_errors

FAMILY = Family(
    name="vision",
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
        unanswerable=unanswerable,
        most_milliseconds=50.0,  # a photograph of some megapixels is decoded and made small
        explain=explain,
        explain_rows=explain_rows,
        analyse_errors=analyse_errors,
        review_label_errors=review_label_errors,
        onnx_bytes=onnx_bytes,
        input_types=input_types,
    ),
)
