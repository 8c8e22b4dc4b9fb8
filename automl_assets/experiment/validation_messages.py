"""What pydantic refuses, told in our words."""

import re
from typing import Any, get_origin

from pydantic import BaseModel, ValidationError

from automl_assets.errors import listed, nearest


def told(error: ValidationError, model: type[BaseModel], what: str) -> list[str]:
    """Every problem of a model in our words: key, what was got, what is possible, nearest name; `what` names the model."""
    return [_told(problem, model, what) for problem in error.errors()]


def _told(problem: Any, model: type[BaseModel], what: str) -> str:
    key = ".".join(str(part) for part in problem["loc"]) or what
    got = problem.get("input")
    match problem["type"]:
        case "extra_forbidden":
            possible = _keys_beside(problem["loc"], model)
            hint = nearest(str(problem["loc"][-1]), possible)
            return f"{key}: unknown key; possible: {listed(possible, 40)}.{hint}"
        case "missing":
            return f"{key}: is missing; every {what} needs it"
        case "literal_error":
            possible = re.findall(r"'([^']*)'", problem["ctx"]["expected"])
            return f"{key}: got {got!r}; possible: {listed(possible)}.{nearest(str(got), possible)}"
        case "model_type":
            return f"{key}: got {got!r}; it is a mapping of keys"
        case "value_error":
            text = str(problem["ctx"]["error"])
            return text if key == what else f"{key}: {text}"
        case _:
            return f"{key}: got {got!r}; {problem['msg'][0].lower()}{problem['msg'][1:]}"


def _keys_beside(location: tuple[Any, ...], model: Any) -> list[str]:
    """The keys that are possible where an unknown one was found."""
    is_mapping = False
    for part in location[:-1]:
        if is_mapping:  # a name that a person chose: the model is that of its value
            is_mapping = False
            continue
        field = model.model_fields.get(part) if hasattr(model, "model_fields") else None
        is_mapping = get_origin(field.annotation) is dict if field else False
        model = _model_in(field.annotation) if field else None
    return list(model.model_fields) if model else []


def _model_in(annotation: Any) -> Any:
    options = [getattr(option, "__origin__", option) for option in getattr(annotation, "__args__", (annotation,))]
    return next((o for o in options if isinstance(o, type) and issubclass(o, BaseModel)), None)
