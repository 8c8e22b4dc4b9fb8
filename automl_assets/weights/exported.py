"""Networks as ONNX files, traced by torch and kept beside the weights, since reading them by torch anew takes long."""

import io
import os
import tempfile
import warnings
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from automl_assets.weights.places import cache_folder

OPSET = 20  # the newest that torch's exporter by tracing writes; what it uses of it is the same in `graph.OPSET`


def kept(name: str, export: Callable[[], bytes]) -> bytes:
    """What was exported under a name, written down where weights are kept, if that can be."""
    file = cache_folder() / "exported" / f"{name}.onnx"
    if file.is_file():
        return file.read_bytes()
    content = export()
    with suppress(OSError):
        _write_whole(file, content)
    return content


def traced(
    module: Any, inputs: Sequence[Any], names: Sequence[str], outputs: Sequence[str], axes: Mapping[str, dict[int, str]]
) -> Any:
    """A torch module as an onnx.ModelProto, by torch's exporter that traces: its successor needs packages that nothing else
    here does. `axes` says which axes of inputs and outputs are free."""
    import onnx
    import torch

    file: Any = io.BytesIO()  # PyTorch takes it, and its types know of paths alone
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            module.eval(),
            tuple(inputs),
            file,
            dynamo=False,
            opset_version=OPSET,
            input_names=[*names],
            output_names=[*outputs],
            dynamic_axes=dict(axes),
        )
    return onnx.load_from_string(file.getvalue())


def _write_whole(file: Path, content: bytes) -> None:
    """Writes a file that is there whole or not at all, and leaves nothing else behind."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=file.parent, delete=False) as scratch:
        try:
            scratch.write(content)
            os.replace(scratch.name, file)
        except OSError:
            os.unlink(scratch.name)
            raise
