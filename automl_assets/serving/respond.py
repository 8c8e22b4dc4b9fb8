"""respond: what a model answers to the body of a request, as text of an HTTP response; no exception leaves it.

Copied beside every model, where MLflow's own server calls it as well.
"""

import json
import logging
import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import pandas as pd

from automl_assets.errors import listed, nearest
from automl_assets.serving.limits import Limits, limits_here
from automl_assets.serving.refusal import Refusal, quoted
from automl_assets.serving.request_rows import JSON, read_request

NOTES = "notes"  # of the answer, and of the frame that a model gives
LOG = logging.getLogger("automl_assets.serving")


@dataclass(frozen=True)
class Response:
    """What goes back to the client, JSON."""

    status: int
    text: str


def respond(body: bytes, content_type: str | None, model: Any, limits: Limits) -> Response:
    """The answers of a model that MLflow loaded: `predictions`, a record for each row, and `notes`, sentences, where there
    is something a person should know of these rows. A refusal has the shape of `refusal`."""
    try:
        asked = _asked(model)
        sent, read_notes = read_request(body, content_type, [name for name, _ in asked.columns], limits)
        rows, notes = asked.known(sent)
        answers = _predict(model, rows, asked)
        return Response(200, _as_json(answers, [*read_notes, *notes, *answers.attrs.get(NOTES, ())]))
    except Refusal as refusal:
        return Response(refusal.status, refusal.text)
    except Exception:
        LOG.exception("A request could not be answered")
        return Response(500, Refusal(500, "the model could not answer", "the log of the server says why").text)


def for_mlflow(response: Callable[..., Any]) -> Callable[..., Any]:
    """What takes the place of `invocations` in MLflow's scoring server, whose kind of response is given."""

    def invocations(data: bytes | str, content_type: str | None, model: Any, input_schema: Any = None) -> Any:
        body = data.encode() if isinstance(data, str) else data
        found = respond(body, content_type, model, limits_here())
        return response(found.text, found.status, JSON)

    return invocations


@dataclass(frozen=True)
class _Asked:
    """The columns of a model: name, and whether rows must have it; and of each, what it takes."""

    columns: tuple[tuple[str, bool], ...]
    takes: dict[str, str]

    def known(self, sent: pd.DataFrame) -> tuple[pd.DataFrame, list[str]]:
        """The columns that the model knows, and a note of each other one. Raises Refusal where some are missing, or all rows."""
        if sent.empty and not len(sent.columns):
            raise Refusal(400, "there are no rows", f"send at least one row; {self.possible()}")
        names = [name for name, _ in self.columns]
        further = [str(name) for name in sent.columns if name not in names]
        missing = [name for name, is_needed in self.columns if is_needed and name not in sent.columns]
        if missing:
            alike = nearest(further[0], missing) if further else ""
            of = "column" if len(missing) == 1 else "columns"
            there = listed((quoted(name) for name in map(str, sent.columns)), 10)
            told = f"the {of} {listed((quoted(name) for name in missing), 20)} {'is' if len(missing) == 1 else 'are'} missing"
            raise Refusal(400, f"{told}; the rows have {there}.{alike}", self.possible(missing))
        notes = [f"{quoted(name)} was ignored; the model does not know it." for name in further[:10]]
        return sent[[name for name in names if name in sent.columns]], notes

    def possible(self, first: Iterable[str] = ()) -> str:
        """The columns in words, those asked for first."""
        names = list(dict.fromkeys([*first, *(name for name, _ in self.columns)]))
        told = [f"{quoted(name)} ({self.takes[name]})" if name in self.takes else quoted(name) for name in names]
        return f"the model takes {listed(told, 20)}"


def _asked(model: Any) -> _Asked:
    schema, inputs = model.metadata.get_input_schema(), (model.metadata.metadata or {}).get("inputs", {})
    takes = inputs if isinstance(inputs, dict) else {one["name"]: one["takes"] for one in inputs}
    needed = set(schema.required_input_names())
    return _Asked(tuple((name, name in needed) for name in schema.input_names()), dict(takes))


def _predict(model: Any, rows: pd.DataFrame, asked: _Asked) -> pd.DataFrame:
    """Raises Refusal for what the model itself refuses."""
    from mlflow.exceptions import MlflowException

    try:
        return model.predict(rows)
    except MlflowException as error:
        if error.error_code != "INVALID_PARAMETER_VALUE":
            raise
        raise Refusal(400, error.message, asked.possible()) from None


def _as_json(answers: pd.DataFrame, notes: Iterable[str]) -> str:
    told = {"predictions": [{name: _plain(value) for name, value in row.items()} for row in answers.to_dict("records")]}
    found = list(dict.fromkeys(notes))
    return json.dumps(told | ({NOTES: found} if found else {}), allow_nan=False)


def _plain(value: Any) -> Any:
    """A value as JSON knows it; gaps, and numbers that are none, are null."""
    if hasattr(value, "tolist"):  # arrays of numpy, and its numbers
        value = value.tolist()
    if isinstance(value, list):
        return [_plain(one) for one in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if value is None or isinstance(value, str | int):
        return value
    return None if pd.isna(value) else str(value)
