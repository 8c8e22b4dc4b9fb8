"""What every setting has in common: a value that cannot change, refuses unknown keys, and may be written shorter."""

from typing import Any

from pydantic import BaseModel, BeforeValidator, ConfigDict


class Frozen(BaseModel):
    """A part of what a YAML may say."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, protected_namespaces=())


def shorthand(key: str, types: type | tuple[type, ...]) -> BeforeValidator:
    """Lets `key: {inner: value}` be written as the bare value."""

    def spelled_out(value: Any) -> Any:
        return {key: value} if isinstance(value, types) else value

    return BeforeValidator(spelled_out)


def one_or_many(value: Any) -> Any:
    """Lets a list of one be written as its item, and an empty one as `none`."""
    if value in (None, "none"):
        return ()
    return (value,) if isinstance(value, str | int) else value
