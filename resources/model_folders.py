"""Models in MLflow's own format: ONNX files, the code that answers with them, signature, example and requirements.

Here belongs what is written into a model's folder. Not here: runs, versions, aliases.
"""

import importlib.metadata
import json
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from automl_assets.errors import ArtifactError, DataError
from automl_assets.forecasting.records import series_name
from automl_assets.records import OnnxModel, RawInput

if TYPE_CHECKING:
    import pandas as pd

NEEDED = ("mlflow", "numpy", "onnxruntime", "pandas")
SERVED_TYPES = {  # what each input of the ONNX model is called for people who ask over HTTP
    "float": "number or null",
    "double": "date or date-time as ISO 8601 text, seconds since 1970 (UTC), or null",
    "string": "text or null",
}
RAW_TYPES = {  # the same of raw columns of a table
    "boolean": "true or false",
    "long": "whole number",
    "double": "number",
    "string": "text",
    "datetime": "date or date-time as ISO 8601 text, without a time zone (UTC)",
}

ANY = "boolean", "long", "datetime"  # raw types that MLflow would force


@contextmanager
def table_model(onnx: OnnxModel) -> Iterator[Path]:
    """The folder of a model of table rows: one input per raw column, one row as example."""
    inputs = [_told(name, column) for name, column in onnx.raw.items()]
    signature = _table_signature(onnx)
    example = {name: [_as_asked(value, onnx.raw[name].type)] for name, value in onnx.example.items()}
    with tempfile.TemporaryDirectory(prefix="automl_") as folder:
        file = Path(folder) / "model.onnx"
        file.write_bytes(onnx.onnx)
        yield _saved(Path(folder) / "model", "serving.py", {"onnx": file}, signature, inputs, example)


@contextmanager
def forecast_model(models: Iterable[OnnxModel], partition_by: tuple[str, ...] = ()) -> Iterator[Path]:
    """The folder of the models of all groups in one, each in its own file and found by the names of its series.

    `partition_by` are the columns by whose values a series that nobody knows finds its group. Raises ArtifactError
    where there is no model.
    """
    with tempfile.TemporaryDirectory(prefix="automl_") as folder:
        files = Path(folder) / "models"
        files.mkdir()
        first, about = _write_groups(models, partition_by, files)
        inputs = _forecast_inputs(first, about)
        signature = _forecast_signature(inputs, _forecast_answers(first, about))
        artifacts = {"models": files}
        yield _saved(Path(folder) / "model", "forecast_serving.py", artifacts, signature, inputs, first.example)


def forecast_rows(models: Iterable[OnnxModel], partition_by: tuple[str, ...], rows: "pd.DataFrame") -> "pd.DataFrame":
    """Answers rows as the served model of all groups does, without a server.

    Raises DataError for rows that it refuses, and ArtifactError where there is no model.
    """
    from mlflow.exceptions import MlflowException

    from automl_assets.resources.forecast_serving import Forecasts

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
    index |= {key: about[key] for key in ("series", "target")}
    (folder / "index.json").write_text(json.dumps(index), "utf-8")
    return found[0]


def _saved(
    path: Path, code: str, artifacts: dict[str, Path], signature: Any, inputs: Any, example: dict[str, Any]
) -> Path:
    """A folder in MLflow's format; `code` is the file beside this one that answers, `inputs` tells them in words."""
    import mlflow.pyfunc
    import pandas as pd

    mlflow.pyfunc.save_model(
        str(path),
        python_model=str(Path(__file__).with_name(code)),
        artifacts={name: str(file) for name, file in artifacts.items()},
        signature=signature,
        input_example=pd.DataFrame(example),
        metadata={"inputs": inputs},
        pip_requirements=[f"{name}=={importlib.metadata.version(name)}" for name in NEEDED],
    )
    return path


def _told(name: str, column: RawInput) -> dict[str, str]:
    """An input in words. They stand in the order of the signature, and are found by name."""
    gap = ", null, or left out" if column.has_gaps else ""
    return {"name": name, "takes": RAW_TYPES[column.type] + gap}


def _as_asked(value: Any, kind: str) -> Any:
    """MLflow refuses a whole number where fractions are asked, as of a column of whole numbers that had gaps."""
    return float(value) if kind == "double" and value is not None else value


def _table_signature(onnx: OnnxModel) -> Any:
    """Names and types of inputs and answers. A column that had gaps may be left out.

    MLflow refuses other types than it is told of. Where it would make them fit without a word (1.7 as a whole number,
    null and "false" as booleans, 03.02.2024 as a date) any type may come, and the code that answers looks at it.
    """
    from mlflow.types import ColSpec, DataType
    from mlflow.types.schema import AnyType

    types = {name: AnyType() if column.type in ANY else DataType[column.type] for name, column in onnx.raw.items()}
    asked = [ColSpec(types[name], name, required=not column.has_gaps) for name, column in onnx.raw.items()]
    return _signature(asked, _table_answers(onnx))


def _forecast_signature(inputs: Iterable[str], outputs: dict[str, Any]) -> Any:
    """Names of the inputs and types of the answers. Inputs may be of any type: the code that answers reads them all,
    while MLflow would refuse whole numbers where it was told of numbers, and gaps among texts."""
    from mlflow.types import ColSpec
    from mlflow.types.schema import AnyType

    return _signature([ColSpec(AnyType(), name) for name in inputs], outputs)


def _signature(asked: list[Any], outputs: dict[str, Any]) -> Any:
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, Schema

    answered: list[Any] = [ColSpec(kind, name) for name, kind in outputs.items()]
    return ModelSignature(Schema(asked), Schema(answered))


def _table_answers(onnx: OnnxModel) -> dict[str, Any]:
    from onnx import load_from_string

    return {output.name: _answer_type(output) for output in load_from_string(onnx.onnx).graph.output}


def _answer_type(output: Any) -> Any:
    """What `serving` makes of an output of the graph: a value for each row, or a list of one per class."""
    from mlflow.types.schema import Array, DataType
    from onnx import TensorProto

    tensor = output.type.tensor_type
    types = {TensorProto.FLOAT: DataType.float, TensorProto.BOOL: DataType.boolean, TensorProto.INT64: DataType.long}
    value = types.get(tensor.elem_type, DataType.string)
    return Array(value) if len(tensor.shape.dim) == 2 and tensor.shape.dim[1].dim_value > 1 else value


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
