"""What a client reads who gets no answer: one shape for every error, without anything of the inside.

    {"status": 400, "error_code": "BAD_REQUEST", "message": "what was wrong", "possible": "what is possible instead"}

`error_code` and `message` are those that clients of MLflow look for.
"""

import json

CODES = {
    400: "BAD_REQUEST",
    404: "ENDPOINT_NOT_FOUND",
    405: "METHOD_NOT_ALLOWED",
    408: "REQUEST_TIMEOUT",
    413: "REQUEST_TOO_LARGE",
    415: "UNSUPPORTED_MEDIA_TYPE",
    500: "INTERNAL_ERROR",
    503: "TEMPORARILY_UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}
MOST_CHARACTERS = 2000  # of a message, whatever was sent
MOST_SHOWN = 60  # of a value that a message shows


class Refusal(Exception):
    """Why a request is not answered, and what is possible instead."""

    def __init__(self, status: int, message: str, possible: str):
        super().__init__(message)
        self.status, self.message, self.possible = status, message, possible

    @property
    def text(self) -> str:
        """The body of the answer, JSON."""
        told: dict[str, int | str] = {"status": self.status, "error_code": CODES[self.status]}
        told |= {"message": shortened(self.message), "possible": shortened(self.possible)}
        return json.dumps(told, ensure_ascii=False)


def shortened(text: str, most: int = MOST_CHARACTERS) -> str:
    """A text of which only the beginning is shown where it is long.

    >>> shortened("abcdef", 3)
    'abc… (6 characters)'
    """
    return text if len(text) <= most else f"{text[:most]}… ({len(text)} characters)"


def shown(value: object) -> str:
    """A value that somebody sent, as a message shows it.

    >>> shown("red"), len(shown("x" * 100_000)) < 100
    ("'red'", True)
    """
    try:
        return repr(shortened(value, MOST_SHOWN)) if isinstance(value, str) else shortened(repr(value), MOST_SHOWN)
    except RecursionError:
        return "a nested value"


def quoted(name: object) -> str:
    """A name that somebody sent.

    >>> quoted("size")
    '"size"'
    """
    return f'"{shown(str(name))[1:-1]}"'
