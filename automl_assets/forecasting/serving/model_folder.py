"""Forecasts in MLflow's own format: the ONNX files of all groups, and an index of them."""

import json
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from automl_assets.data.schema import NO_SCHEMA, Schema
from automl_assets.data.series_names import series_name
from automl_assets.errors import ArtifactError, DataError
from automl_assets.model_records import OnnxModel
from automl_assets.resources.model_folders import SERVED_TYPES, save_model, signature_of
from automl_assets.training_code.source_bundle import FUTURE, Bundle

if TYPE_CHECKING:
    import pandas as pd

SERVED = "served.py"


@contextmanager
def forecast_model(
    models: Iterable[OnnxModel],
    partition_by: tuple[str, ...] = (),
    schema: Schema = NO_SCHEMA,
    is_strict: bool = True,
) -> Iterator[Path]:
    """The folder of the models of all groups in one, each in its own file and found by the names of its series.

    `partition_by` are the columns by whose values a series that nobody knows finds its group; by `schema` rows are read.
    Raises ArtifactError where there is no model.
    """
    with tempfile.TemporaryDirectory(prefix="automl_") as folder:
        files = Path(folder) / "models"
        files.mkdir()
        first, about = _write_groups(models, partition_by, files)
        inputs = _forecast_inputs(first, about)
        signature = _forecast_signature(inputs, _forecast_answers(first, about))
        artifacts = {"models": files}
        code = Path(folder) / SERVED
        code.write_text(_code(schema, is_strict), "utf-8")
        yield save_model(Path(folder) / "model", code, artifacts, signature, inputs, first.example)


def _code(schema: Schema, is_strict: bool) -> str:
    """What answers, with all that it needs of this package, in a file that stands alone."""
    from automl_assets.forecasting.serving.served import Forecasts

    bundle = Bundle()
    bundle.needs("import mlflow")
    last = f"mlflow.models.set_model({bundle.reference(Forecasts)}({bundle.value(schema)}, is_strict={is_strict}))\n"
    sections = [f"# {title}\n\n{text}" for title, text in bundle.sections()]
    return "\n\n\n".join([f"{FUTURE}\n\n{bundle.imports()}", *sections, bundle.resolved(last)])


def forecast_rows(models: Iterable[OnnxModel], partition_by: tuple[str, ...], rows: "pd.DataFrame") -> "pd.DataFrame":
    """Answers rows as the served model of all groups does, without a server.

    Raises DataError for rows that it refuses, and ArtifactError where there is no model.
    """
    from mlflow.exceptions import MlflowException

    from automl_assets.forecasting.serving.served import Forecasts

    with tempfile.TemporaryDirectory(prefix="automl_") as folder:
        _write_groups(models, partition_by, Path(folder))
        forecasts = Forecasts()
        forecasts.load_context(SimpleNamespace(artifacts={"models": folder}))
        try:
            return forecasts.predict(None, rows)
        except MlflowException as error:
            raise DataError(error.message) from None


def _write_groups(
    models: Iterable[OnnxModel], partition_by: tuple[str, ...], folder: Path
) -> tuple[OnnxModel, dict[str, Any]]:
    """A file for each model, and an index of them. Returns the first one, and what it says of itself."""
    files: dict[str, str] = {}
    group_files: dict[str, str] = {}
    found: list[tuple[OnnxModel, dict[str, Any]]] = []
    for number, onnx in enumerate(models):
        file, about = f"{number}.onnx", _about(onnx)
        (folder / file).write_bytes(onnx.onnx)
        files |= dict.fromkeys(about["names"], file)
        group_files[series_name(about["values"])] = file
        found = found or [(onnx, about)]
    if not found:
        raise ArtifactError("no group has an ONNX model; make them first, with `onnx: true` in the YAML")
    about = found[0][1]
    index = {"files": files, "group_files": group_files, "partition_by": partition_by}
    index |= {key: about[key] for key in ("series", "target", "time", "timezone")}
    (folder / "index.json").write_text(json.dumps(index), "utf-8")
    return found[0]


def _forecast_signature(inputs: Iterable[str], outputs: dict[str, Any]) -> Any:
    """Names of the inputs and types of the answers. Inputs may be of any type: the code that answers reads them all,
    while MLflow would refuse whole numbers where it was told of numbers, and gaps among texts."""
    from mlflow.types import ColSpec
    from mlflow.types.schema import AnyType

    return signature_of([ColSpec(AnyType(), name) for name in inputs], outputs)


def _about(onnx: OnnxModel) -> dict[str, Any]:
    """What a forecast model says of itself."""
    from onnx import load_from_string

    return json.loads(next(one.value for one in load_from_string(onnx.onnx).metadata_props if one.key == "about"))


def _forecast_inputs(onnx: OnnxModel, about: dict[str, Any]) -> dict[str, str]:
    """Columns of the rows to send, with what they may hold."""
    ids = dict.fromkeys(about["series"], "text or number, which series the row belongs to")
    stamp = {about["time"]: f"date or date-time as ISO 8601 text, on the grid {about['frequency']}"}
    target = {about["target"]: "number, or null where it is to be forecast"}
    others = {name: SERVED_TYPES[onnx.inputs[name]] for name in (*about["covariates"], *about["statics"])}
    return stamp | ids | target | others


def _forecast_answers(onnx: OnnxModel, about: dict[str, Any]) -> dict[str, Any]:
    from mlflow.types.schema import AnyType, DataType
    from onnx import load_from_string

    ids = {name: AnyType() for name in (about["time"], *about["series"])}
    point = load_from_string(onnx.onnx).graph.output[0].name
    return ids | dict.fromkeys([point, *(f"quantile_{level:g}" for level in about["levels"])], DataType.double)
