"""Records as files and back: JSON for plain values, Parquet for tables and arrays of texts (Arrow for very wide tables), npy
for arrays, npz for sparse matrices, pictures and ONNX as they are.

Fitted models are pickled (`model_codec`) and signed with the installation's key; what is not signed so is never unpickled.
"""

import dataclasses
import hashlib
import hmac
import io
import itertools
import json
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import polars as pl

from automl_assets import records
from automl_assets.errors import ArtifactError
from automl_assets.resources.model_codec import read_models, write_models
from automl_assets.resources.stored_kinds import record_kind, record_name
from automl_assets.stored import OTHER_VERSION, check_fields, current_fields

RECORD = "record.json"
BEGINNINGS = {
    b"\x89PNG": "png",
    b"<svg": "svg",
    b"<!DOCTYPE html>": "html",
    b"#!/usr/bin/env python": "py",
    b'{\n "cells"': "ipynb",
    b"{": "json",
}
MOST_PARQUET_COLUMNS = 500  # of tables with more, Parquet takes four times as long as Arrow's own format
PLAIN = {type(None), bool, int, float, str}  # as JSON has them
Write = Callable[[str, bytes], Any]
Read = Callable[[str], bytes]


def write_record(record: Any, write: Write, key: bytes) -> None:
    """Writes a record as files; `record.json` comes last, so that a folder without it is known to be incomplete."""
    encoder = _Encoder(write, key)
    write(RECORD, json.dumps(encoder.encode(record, "")).encode())


def read_record(read: Read, key: bytes) -> Any:
    """A record from its files. Raises ArtifactError for what is missing, unknown or not signed by this installation."""
    try:
        return _Decoder(read, key).decode(json.loads(read(RECORD)))
    except (KeyError, TypeError, ValueError) as error:  # other fields than today's, or no record at all
        raise ArtifactError(f"a stored record cannot be read ({error}); {OTHER_VERSION}") from None


class _Encoder:
    """Turns values into JSON, putting what is large into files beside it."""

    def __init__(self, write: Write, key: bytes):
        self.write, self.key = write, key
        self.files: set[str] = set()
        self.fields = cache(lambda kind: (record_name(kind), [field.name for field in dataclasses.fields(kind)]))

    def encode(self, value: Any, path: str) -> Any:
        if type(value) in PLAIN:
            return value
        match value:
            case int() | float() | str() | np.generic():
                return value.item() if isinstance(value, np.generic) else value
            case _ if _has_file(value):
                return self._file(value, path or "value")
            case tuple() | list():
                return self._list(value, path)
            case dict():
                if not all(isinstance(name, str) for name in value):
                    raise ArtifactError(f"a record's dict has texts as keys; got {list(value)} (at {path})")
                return {"$dict": {name: self.encode(inner, f"{path}_{name}") for name, inner in value.items()}}
        if not dataclasses.is_dataclass(value):
            raise ArtifactError(f"a record cannot hold a {type(value).__name__} (at {path})")
        return self._record(value, path)

    def _record(self, value: Any, path: str) -> dict[str, Any]:
        """Of a table with thousands of columns there are thousands: what is plain goes no further than here."""
        stored_name, names = self.fields(type(value))  # type: ignore[arg-type]
        encoded = {"$record": stored_name}
        for name in names:
            inner = getattr(value, name)
            is_plain = type(inner) in PLAIN
            encoded[name] = inner if is_plain else self.encode(inner, f"{path}_{name}".lstrip("_"))
        return encoded

    def _list(self, values: tuple | list, path: str) -> list[Any]:
        if PLAIN.issuperset(map(type, values)):
            return list(values)
        return [self.encode(inner, f"{path}_{i}") for i, inner in enumerate(values)]

    def _file(self, value: Any, path: str) -> dict[str, str]:
        kind, content = _content(value)
        file = self._unused(f"{_safe(path)}.{kind}")
        self.write(file, content)
        if kind == "models":
            return {"$file": file, "$signature": _signature(content, self.key)}
        return {"$file": file, **({"$digest": _digest(content)} if self.key else {})}  # no key: nothing is kept

    def _unused(self, file: str) -> str:
        """`file`, or with a number in front where two paths come to the same name."""
        names = (f"{i}_{file}" if i else file for i in itertools.count())
        name = next(name for name in names if name.lower() not in self.files)
        self.files.add(name.lower())
        return name


class _Decoder:
    """The way back. Lists come back as tuples, since records hold no lists."""

    def __init__(self, read: Read, key: bytes):
        self.read, self.key = read, key
        self.kind = cache(record_kind)

    def decode(self, value: Any) -> Any:
        if isinstance(value, list):
            return tuple(value if PLAIN.issuperset(map(type, value)) else map(self.decode, value))
        if not isinstance(value, dict):
            return value
        if "$file" in value:
            return self._file(value)
        if "$dict" in value:
            return {name: self.decode(inner) for name, inner in value["$dict"].items()}
        return self._record(value)

    def _record(self, value: dict[str, Any]) -> Any:
        kind = self.kind(value["$record"])
        name = record_name(kind)
        stored = current_fields(name, {field: inner for field, inner in value.items() if field != "$record"})
        fields = {field: inner if type(inner) in PLAIN else self.decode(inner) for field, inner in stored.items()}
        check_fields(kind, name, fields)
        return kind(**fields)

    def _file(self, value: dict[str, str]) -> Any:
        file, kind = value["$file"], value["$file"].rpartition(".")[2]
        if kind == "models":
            return records.Fitted(load=lambda: self._models(file, str(value.get("$signature"))))
        content = self.read(file)
        if "$digest" in value and value["$digest"] != _digest(content):
            raise ArtifactError(f"{file} is damaged, or has been changed since it was written. Make it again.")
        if kind in READERS:
            return READERS[kind](io.BytesIO(content))
        return np.load(io.BytesIO(content), allow_pickle=False) if kind == "npy" else content

    def _models(self, file: str, signature: str) -> tuple[Any, ...]:
        content = self.read(file)
        if not hmac.compare_digest(signature.encode(), _signature(content, self.key).encode()):
            raise ArtifactError(
                f"{file} was not written by this installation, or has been changed since. Make it again."
            )
        return read_models(content)


def _read_sparse(content: io.BytesIO) -> Any:
    from scipy.sparse import load_npz

    return load_npz(content)


READERS: dict[str, Callable[[io.BytesIO], Any]] = {
    "parquet": pl.read_parquet,
    "arrow": pl.read_ipc,
    "texts": lambda content: pl.read_parquet(content).to_series().to_numpy().astype(object),
    "npz": _read_sparse,
}


def _has_file(value: Any) -> bool:
    return isinstance(value, pl.DataFrame | np.ndarray | bytes | records.Fitted) or _is_sparse(value)


def _is_sparse(value: Any) -> bool:
    """Whether it is a matrix of scipy, which is not imported for this."""
    return hasattr(value, "indptr")


def _content(value: Any) -> tuple[str, bytes]:
    """Kind of file and its bytes."""
    buffer = io.BytesIO()
    if _is_sparse(value):
        from scipy.sparse import save_npz

        save_npz(buffer, value, compressed=False)
        return "npz", buffer.getvalue()
    match value:
        case np.ndarray() if value.dtype == object:
            pl.DataFrame({"texts": pl.Series(value.tolist(), dtype=pl.String)}).write_parquet(buffer)
            return "texts", buffer.getvalue()
        case pl.DataFrame():
            return _table(value, buffer)
        case np.ndarray():
            np.save(buffer, value, allow_pickle=False)
            return "npy", buffer.getvalue()
        case records.Fitted():
            return "models", write_models(value.models)
    return next((kind for start, kind in BEGINNINGS.items() if value.startswith(start)), "onnx"), value


def _table(value: pl.DataFrame, buffer: io.BytesIO) -> tuple[str, bytes]:
    if value.width > MOST_PARQUET_COLUMNS:
        value.write_ipc(buffer, compression="lz4")
        return "arrow", buffer.getvalue()
    value.write_parquet(buffer)
    return "parquet", buffer.getvalue()


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _signature(content: bytes, key: bytes) -> str:
    return hmac.new(key, content, hashlib.sha256).hexdigest()


def _safe(path: str) -> str:
    """A file name from field names and keys; anything unusual is replaced by a hash."""
    if path.replace("_", "").isalnum() and path.isascii() and len(path) <= 80:
        return path
    return hashlib.sha256(path.encode()).hexdigest()[:16]
