"""Fitted models as bytes and back: pickles that name classes of ours by their stored names instead of import paths.

Whoever reads bytes has made sure before that this installation wrote them; see `record_codec`.
"""

import io
import pickle
from types import FunctionType
from typing import Any

from automl_assets.errors import ArtifactError, told
from automl_assets.resources.stored_kinds import former_model_kind, is_ours, model_kind
from automl_assets.stored import OTHER_VERSION, stored_name

Models = tuple[Any, ...]


def write_models(models: Models) -> bytes:
    """Raises ArtifactError for an instance of a class of ours that has been given no name."""
    buffer = io.BytesIO()
    _Pickler(buffer, protocol=5).dump(models)
    return buffer.getvalue()


def read_models(content: bytes) -> Models:
    """Raises ArtifactError, in one sentence, for what this version or its libraries cannot make models of any more."""
    try:
        return _Unpickler(io.BytesIO(content)).load()
    except (ArtifactError, MemoryError):
        raise
    except Exception as error:  # whatever a library raises for what another version of it wrote
        raise ArtifactError(f"stored models cannot be read ({told(error)}); {OTHER_VERSION}") from error


class _Pickler(pickle.Pickler):
    def persistent_id(self, value: Any) -> str | None:
        """The stored name of a class or function; what belongs to libraries is written as always."""
        if not isinstance(value, type | FunctionType):
            return None
        name = stored_name(value)
        if name is None and is_ours(value.__module__):
            raise ArtifactError(
                f"{value.__module__}.{value.__qualname__} is part of a model and has no name to be stored under; put "
                '@stored_as("<family>.<algorithm>.<what it is>") above it'
            )
        return name


class _Unpickler(pickle.Unpickler):
    def persistent_load(self, name: str) -> Any:
        return model_kind(name)

    def find_class(self, module: str, name: str) -> Any:
        """What belongs to libraries, and classes of ours in models of versions that stored import paths."""
        if is_ours(module):
            return former_model_kind(f"{module}.{name}")
        try:
            return super().find_class(module, name)
        except (ImportError, AttributeError) as error:
            raise ArtifactError(
                f"a stored model needs {module}.{name}, which no installed package has; {OTHER_VERSION}"
            ) from error
