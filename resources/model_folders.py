"""Models in MLflow's own format: ONNX files, the code that answers with them, signature, example and requirements.

Here belongs what is written into a model's folder. Not here: runs, versions, aliases.
"""

import importlib
import importlib.metadata
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from automl_assets.boxes import told_objects
from automl_assets.data.column_schema import ColumnSchema
from automl_assets.model_records import OnnxModel
from automl_assets.onnx.images import run_held
from automl_assets.onnx.session import EXTENSIONS, feed, run_in_parts
from automl_assets.serving.respond import for_mlflow
from automl_assets.steps.outputs_onnx import LABEL_NAMES
from automl_assets.steps.read_rows import UNREADABLE, Notes, read_rows
from automl_assets.tagging import parted, told_entities, without_lists
from automl_assets.training_code.source_bundle import FUTURE, Bundle

SERVED = Path(__file__).with_name("serving.py")
NEEDED = ("mlflow", "numpy", "onnxruntime", "pandas", "polars")
IMAGES = b"exif_transpose"  # what code names that reads images
PARTS = (told_entities, parted, without_lists, told_objects)  # what answers for tokens and for boxes become
SERVED_TYPES = {  # what each input of the ONNX model is called for people who ask over HTTP
    "float": "number or null",
    "double": "number, or date or date-time as ISO 8601 text or seconds since 1970 (UTC), or null",
    "string": "text or null",
    "image": "an image as a data URI: data:image/jpeg;base64,…",
}
MOST_TOLD = 500  # inputs
READER = (read_rows, feed, Notes, for_mlflow)  # what the code that answers calls, copied beside it with all it needs


@contextmanager
def table_model(onnx: OnnxModel, is_strict: bool = True) -> Iterator[Path]:
    """The folder of a model of table rows: one input per raw column, one row as example. Where it is not strict, what
    cannot be read counts as missing, and answers name it."""
    learnt = {column.name: column for column in onnx.schema.columns}
    inputs = [_told(name, kind, learnt.get(name)) for name, kind in onnx.inputs.items()]
    signature = _table_signature(onnx, is_strict)
    example = {name: [value] for name, value in onnx.example.items()}
    with tempfile.TemporaryDirectory(prefix="automl_") as folder:
        file, reader = Path(folder) / "model.onnx", Path(folder) / "reader.py"
        file.write_bytes(onnx.matrix_onnx or onnx.onnx)  # ONNX Runtime takes long to look at thousands of inputs
        reader.write_text(reader_code(onnx, is_strict), "utf-8")
        yield save_model(Path(folder) / "model", SERVED, {"onnx": file, "reader": reader}, signature, inputs, example)


def reader_code(onnx: OnnxModel, is_strict: bool) -> str:
    """A module that stands alone and reads rows by the schema of a model, as this package does."""
    bundle = Bundle()
    functions = ", ".join(bundle.reference(function) for function in READER)
    parts = ", ".join(bundle.reference(function) for function in PARTS)
    run = bundle.reference(run_held if "image" in onnx.inputs.values() else run_in_parts)
    own = f"SCHEMA = {bundle.value(onnx.schema)}\nIS_STRICT = {is_strict}\nREADER = {functions}\nPARTS = {parts}\nRUN = {run}"
    sections = [text for _, text in bundle.sections()]
    texts = [f"{FUTURE}\n\n{bundle.imports()}", *sections, bundle.resolved(own)]
    return (
        '"""How the rows are read that the model answers; copied from automl_assets."""\n\n'
        + "\n\n\n".join(texts)
        + "\n"
    )


def save_model(
    path: Path, code: Path, artifacts: dict[str, Path], signature: Any, inputs: Any, example: dict[str, Any]
) -> Path:
    """A folder in MLflow's format; `code` is the file that answers, `inputs` tells them in words. Of very many the
    signature alone tells, and there is no example: MLflow would write YAML for longer than models learnt."""
    import mlflow.pyfunc
    import pandas as pd

    is_wide = len(inputs) > MOST_TOLD
    with _requirements_believed():
        mlflow.pyfunc.save_model(
            str(path),
            python_model=str(code),
            artifacts={name: str(file) for name, file in artifacts.items()},
            signature=signature,
            input_example=None if is_wide else pd.DataFrame(example),
            metadata={} if is_wide else {"inputs": inputs},
            pip_requirements=[f"{name}=={importlib.metadata.version(name)}" for name in _needed(artifacts)],
        )
    return path


@contextmanager
def _requirements_believed() -> Iterator[None]:
    """MLflow asks whether requirements fit what is installed, which is where ours were read, and for that takes the list
    of files of every distribution apart: two seconds of a run. It finds the answer looked up already."""
    known: Any = importlib.import_module("mlflow.utils.requirements_utils")
    if getattr(known, "_MODULES_TO_PACKAGES", {}) is not None:  # known by now, or MLflow keeps it elsewhere
        yield
        return
    known._MODULES_TO_PACKAGES = {}
    try:
        yield
    finally:
        known._MODULES_TO_PACKAGES = None


def _needed(artifacts: dict[str, Path]) -> tuple[str, ...]:
    """The packages that the model needs to answer."""
    cuts_texts = any(EXTENSIONS in file.read_bytes() for file in artifacts.values() if file.suffix == ".onnx")
    reads_images = any(IMAGES in file.read_bytes() for file in artifacts.values() if file.suffix == ".py")
    return (*NEEDED, *["onnxruntime-extensions"] * cuts_texts, *["pillow"] * reads_images)


def _told(name: str, kind: str, learnt: ColumnSchema | None) -> dict[str, str]:
    """An input in words. They stand in the order of the signature, and are found by name."""
    gap = ", or null, or left out" if learnt and learnt.has_gaps else ""
    words = learnt.in_words if learnt and kind != "image" else SERVED_TYPES[kind]
    return {"name": name, "takes": words + gap}


def _table_signature(onnx: OnnxModel, is_strict: bool) -> Any:
    """Names of inputs, names and types of answers. A column that had gaps may be left out.

    Any type may come: MLflow would make some fit without a word (1.7 as a whole number, null and "false" as booleans,
    03.02.2024 as a date), while the code that answers reads all by the schema.
    """
    from mlflow.types import ColSpec, DataType
    from mlflow.types.schema import AnyType

    has_gaps = {column.name: column.has_gaps for column in onnx.schema.columns}
    asked = [ColSpec(AnyType(), name, required=not has_gaps.get(name, False)) for name in onnx.inputs]
    return signature_of(asked, _table_answers(onnx) | ({} if is_strict else {UNREADABLE: DataType.string}))


def signature_of(asked: list[Any], outputs: dict[str, Any]) -> Any:
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, Schema

    answered: list[Any] = [ColSpec(kind, name) for name, kind in outputs.items()]
    return ModelSignature(Schema(asked), Schema(answered))


def _table_answers(onnx: OnnxModel) -> dict[str, Any]:
    from mlflow.types.schema import Array, DataType
    from onnx import load_from_string

    model = load_from_string(onnx.onnx)
    found = {output.name: _answer_type(output) for output in model.graph.output}
    if any(one.key == LABEL_NAMES for one in model.metadata_props):  # sets are answered by the names of their labels
        found[model.graph.output[0].name] = Array(DataType.string)
    if "boxes" in found:
        return {"prediction": DataType.string, "boxes": DataType.string}
    if "row" not in found:
        return found
    return {"prediction": DataType.string, "probabilities": Array(Array(DataType.float))}


def _answer_type(output: Any) -> Any:
    """What `serving` makes of an output of the graph: a value for each row, or a list of one per class."""
    from mlflow.types.schema import Array, DataType
    from onnx import TensorProto

    tensor = output.type.tensor_type
    types = {TensorProto.FLOAT: DataType.float, TensorProto.BOOL: DataType.boolean, TensorProto.INT64: DataType.long}
    value = types.get(tensor.elem_type, DataType.string)
    return Array(value) if len(tensor.shape.dim) == 2 and tensor.shape.dim[1].dim_value > 1 else value
