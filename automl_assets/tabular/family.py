"""Tables: rows that stand for themselves, each described by the values of its columns."""

from automl_assets.families import Family, RowSteps
from automl_assets.features.featurizer_onnx import input_types
from automl_assets.learning.fit_fold import fit_fold
from automl_assets.row_family import drift_sensors, graph_of_rows, result_of_rows
from automl_assets.steps.analyse_errors import analyse_errors
from automl_assets.steps.load_table import load_table
from automl_assets.tabular.settings import check_settings
from automl_assets.tabular.steps.assess_fairness import assess_fairness
from automl_assets.tabular.steps.describe import GUARDRAILS, describe
from automl_assets.tabular.steps.draft import draft
from automl_assets.tabular.steps.explain import explain, explain_rows
from automl_assets.tabular.steps.featurize import featurize
from automl_assets.tabular.steps.fit import choices_for, fit_context, lay_out
from automl_assets.tabular.steps.pipeline_onnx import matrix_onnx, onnx_bytes
from automl_assets.tabular.steps.predict import answer, answer_inputs
from automl_assets.tabular.steps.prune_ensemble import prune_ensemble
from automl_assets.tabular.steps.write_training_code import write_training_code

FAMILY = Family(
    name="tabular",
    check=check_settings,
    load=load_table,
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
        lay_out=lay_out,
        fit_context=fit_context,
        fit_fold=fit_fold,
        prune=prune_ensemble,
        answer=answer,
        answer_inputs=answer_inputs,
        explain=explain,
        explain_rows=explain_rows,
        analyse_errors=analyse_errors,
        assess_fairness=assess_fairness,
        onnx_bytes=onnx_bytes,
        matrix_onnx=matrix_onnx,
        input_types=input_types,
        write_training_code=write_training_code,
    ),
)
