"""What an experiment may be called: the one place where a name is checked, made from a file's, or proposed.

Assets, jobs, groups, folders and a registered model bear it, so that it must suit all of them. Not here: whether another
experiment has it already (`component`).
"""

import keyword
import re
from pathlib import Path

from automl_assets.errors import SettingError

NAME = re.compile(r"[a-z][a-z0-9_]{0,62}")
INVALID = "invalid_experiments"  # the group in which those are shown that could not be loaded
MOST_PROPOSED = 50  # characters

# Dagster makes arguments of Python functions of names and has some of its own; it refuses both.
RESERVED = frozenset(
    {
        *keyword.kwlist,
        *("arg_dict", "bool", "conf", "config", "context", "dict", "float", "input", "input_arg_dict", "int", "meta"),
        *("output", "output_arg_dict", "str", "type"),
        INVALID,
    }
)


def check_name(name: str) -> str:
    """The name itself. Raises ValueError with a name that is possible.

    >>> check_name("input")
    Traceback (most recent call last):
    ValueError: got 'input', a word that Python or Dagster keeps for itself; call the file input_data.yaml, or give ...
    """
    what = "a word that Python or Dagster keeps for itself"
    if not NAME.fullmatch(name):
        what = "but a name is lower-case letters, digits and _, begins with a letter and has at most 63 characters"
    elif name not in RESERVED:
        return name
    raise ValueError(
        f"got {name!r}, {what}; call the file {proposal(name)}.yaml, or give another name in it as `name:`"
    )


def check_file(file: Path) -> None:
    """Raises SettingError where an experiment cannot be called after its file."""
    try:
        check_name(name_of_file(file))
    except ValueError as error:
        raise SettingError(f"{file}: {error}") from None


def name_of_file(file: Path) -> str:
    """The name of an experiment that does not give one itself.

    >>> name_of_file(Path("Sales-2024.yaml")), name_of_file(Path("my data.yml"))
    ('sales_2024', 'my_data')
    """
    return re.sub(r"[^a-z0-9_]", "_", file.stem.lower())


def proposal(text: str) -> str:
    """A name that is possible, as near as may be to a text.

    >>> proposal("Bank Marketing"), proposal("2024"), proposal("input"), proposal("?")
    ('bank_marketing', 'experiment_2024', 'input_data', 'experiment')
    """
    name = re.sub(r"[^a-z0-9]+", "_", text.lower()).strip("_")[:MOST_PROPOSED].strip("_")
    if not NAME.fullmatch(name):
        return f"experiment_{name}".rstrip("_")
    return f"{name}_data" if name in RESERVED else name
