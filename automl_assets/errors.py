"""Every error a user can meet, one root. Says what was got, what is possible and what to do.

AutomlError
├── SettingError      a YAML key or a command-line option that cannot be
├── SourceError       data that cannot be found, read or understood
│   └── MovingSourceError  files that are written to while they are read
├── DataError         data that was read but cannot answer the question
├── LearningError     no model could be made
│   └── GuessError    the model that was made is no better than a guess
├── ArtifactError     something stored is missing, foreign or changed
├── ServiceError      a service that the settings name does not answer
└── DiscoveryError    a part (algorithm, task, source) is broken: a bug, not a user's mistake
"""

import difflib
import traceback
from collections.abc import Callable, Iterable, Iterator

from automl_assets.masking import masked


class AutomlError(Exception):
    """Root of all errors raised on purpose: its text is written for the person, not for the log, and holds no secret.

    >>> str(SourceError("https://ann:s3cret@host/rows.csv is not there"))
    'https://***@host/rows.csv is not there'
    """

    shown: Callable[[str], str] = str  # what its text goes through; programs that `Bundle` writes have nothing to hide

    def __init__(self, *said: object):
        super().__init__(*(type(self).shown(one) if isinstance(one, str) else one for one in said))

    exit_code = 1  # of a command that ends with it


class SettingError(AutomlError):
    """A setting is unknown, impossible, or contradicts another."""


class SourceError(AutomlError):
    """The source cannot be found, read or parsed."""


class MovingSourceError(SourceError):
    """Files were written to while they were read, again and again."""


class DataError(AutomlError):
    """The rows are readable, but the question cannot be answered from them."""


class LearningError(AutomlError):
    """No usable model came out of the search."""


class GuessError(LearningError):
    """A model was made, and is no better than an answer that looks at no column."""

    exit_code = 4


class ArtifactError(AutomlError):
    """A stored record is missing, was not written by this installation, or has been changed since."""


class NotWritableError(AutomlError):
    """A model cannot be written down as a program."""


class ServiceError(AutomlError):
    """A service that the settings name, a database say, does not answer."""


class DiscoveryError(AutomlError):
    """A module in a folder of parts does not declare what it must."""


class TimeUpWarning(UserWarning):
    """An answer is there for some of what was asked alone: the time that was given was up."""


def _guard() -> None:
    AutomlError.shown = masked


_guard()


def told(error: BaseException | None) -> str:
    """What a person reads of it: of ours the text alone; without secrets, whoever raised it.

    >>> told(LearningError("too few rows")), told(KeyError("shop"))
    ('too few rows', "KeyError: 'shop'")
    """
    return str(error) if isinstance(error, AutomlError) else masked(f"{type(error).__name__}: {error}")


def trace(error: BaseException) -> str:
    """What Python says of an error nobody foresaw, and of those that it came of, without secrets."""
    return masked("".join(traceback.format_exception(error)))


def holds_secret(error: BaseException) -> bool:
    """Whether the text of an error, or of one that it came of, would show a secret.

    >>> holds_secret(OSError("https://host/rows.csv?sig=a: refused")), holds_secret(OSError("no such file"))
    (True, False)
    """
    return any(masked(text) != text for text in _texts(error))


def _texts(error: BaseException) -> Iterator[str]:
    """What it says, and what those said that it came of: all of a trace that is not code."""
    yield "".join(traceback.format_exception_only(error))
    before = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    others = error.exceptions if isinstance(error, BaseExceptionGroup) else ()
    for one in (*others, *([before] if before else [])):
        yield from _texts(one)


def nearest(name: str, possible: Iterable[str]) -> str:
    """A hint that names the closest possible spelling, or nothing.

    >>> nearest("acuracy", ["accuracy", "log_loss"])
    ' Did you mean "accuracy"?'
    >>> nearest("zzz", ["accuracy"])
    ''
    """
    options = [str(option) for option in possible]
    close = difflib.get_close_matches(str(name), options, n=1, cutoff=0.6)
    if not close:
        lowered = {option.lower(): option for option in options}
        close = [lowered[match] for match in difflib.get_close_matches(str(name).lower(), lowered, n=1, cutoff=0.6)]
    return f' Did you mean "{close[0]}"?' if close else ""


def listed(names: Iterable[object], most: int = 20) -> str:
    """Names as a readable list, cut short when there are many.

    >>> listed(["b", "a"]), listed(range(30), most=3)
    ('b, a', '0, 1, 2 and 27 more')
    """
    every = [str(name) for name in names]
    shown = ", ".join(every[:most])
    return f"{shown} and {len(every) - most} more" if len(every) > most else shown
