"""What nobody may read: passwords, tokens and signatures, in whichever way a text happens to write them.

One gate, `masked`, through which every text goes that is shown or stored. It knows secrets by their place (the user part
and the query of a URL, `password=…`) and by their value (`remember`, and the environment). Not here: who shows what.
"""

import base64
import html
import json
import logging
import os
import re
import traceback
from collections.abc import Iterator
from contextlib import suppress
from functools import lru_cache
from typing import Any
from urllib.parse import unquote

HIDDEN = "***"
LEAST_LETTERS = 4  # a shorter secret is hidden by its place alone: by its value it would blank out ordinary words
FREE_LETTERS = 8  # a shorter one, down to the least, is hidden as a word of its own alone
MOST_REMEMBERED = 1000
MOST_DECODINGS = 5
EXAMPLES = ("user:password",)  # of our own advice
ON_THIS_MACHINE = ("file", "local", "memory", "sqlite", "duckdb")  # where nobody logs in, and an @ is part of a name

_SCHEME = r"[A-Za-z][A-Za-z0-9+.\-]*://"
_URL = re.compile(rf"(?P<scheme>{_SCHEME})(?P<rest>[^\s\"'<>`]*)")
_CHAIN = re.compile(rf"::(?={_SCHEME})")
_GLOB = re.compile(r"[\w*?\[\].\-/]{0,24}\.[A-Za-z]{2,8}(\.gz)?")  # after the ? of s3://bucket/part-?.csv
_SECRET_NAME = (
    r"(?:x-amz-)?(?:sig(?:nature)?|sas|pwd|pass(?:word|wd|phrase|code)|(?:client|consumer|shared|app)?[_-]?secret"
    r"(?:[_-]?access)?(?:[_-]?key)?|(?:[a-z]{2,12}[_-]?)?token|credentials?|(?:api|access|account|private|subscription|"
    r"shared[_-]?access)[_-]?key|shared[_-]?access[_-]?signature)"
)
_VALUE = r"\{[^}]*\}|'[^']*'|\"[^\"]*\"|(?!\*\*\*)[^\s&;,)}\]'\"]+"
_PAIR = re.compile(rf"(?i)(?<![A-Za-z0-9])(?P<key>{_SECRET_NAME}\s*=\s*)(?P<value>{_VALUE})")
_ITEM = re.compile(
    rf"(?i)(?P<key>['\"]{_SECRET_NAME}['\"]\s*:\s*)(?P<value>'[^']*'|\"[^\"]*\")"
)  # of a dict or of JSON
_HEADER = re.compile(r"(?i)(?P<key>authorization['\"]?\s*[:=]\s*['\"]?(?:\w+\s+)?)(?P<value>[A-Za-z0-9+/=._~\-]{4,})")
_SECRET_VARIABLE = re.compile(
    r"(?i)(?:^|_)(?:PASS(?:WORD|WD|PHRASE)?|SECRET|TOKEN|API_?KEY|KEY|SAS|SIG|SIGNATURE|CREDENTIALS?)(?:_|$|\d)|_PWD$"
)
_SECRET_KEY = re.compile(rf"(?i){_SECRET_NAME}")

_remembered: dict[str, None] = {}  # fully decoded, the oldest first


# --- texts -------------------------------------------------------------------------------------------------------


def masked(text: str) -> str:
    """The text with `***` for every secret in it.

    >>> masked("403 for https://ann:s3cret@host/rows.csv?sig=a%2Fb: forbidden"), masked("password=s3cret; 2 rows")
    ('403 for https://***@host/rows.csv?***: forbidden', 'password=***; 2 rows')
    >>> masked("3 of 12 rows: an e-mail to ann@host?")
    '3 of 12 rows: an e-mail to ann@host?'
    """
    for secret in _known():
        text = _pattern(secret).sub(HIDDEN, text)
    text = _URL.sub(_masked_url, text)
    for place in (_PAIR, _ITEM, _HEADER):
        text = place.sub(rf"\g<key>{HIDDEN}", text)
    return text


def masked_value(value: Any) -> Any:
    """The same of all texts in lists and mappings.

    >>> masked_value({"reason": ["token=abcdefgh", 3]})
    {'reason': ['token=***', 3]}
    """
    match value:
        case str():
            return masked(value)
        case dict():
            return {key: masked_value(inner) for key, inner in value.items()}
        case list() | tuple():
            return [masked_value(inner) for inner in value]
    return value


def without_secrets(location: str) -> str:
    """A path or URL as it may be shown: without user and password, and without the query that may hold a signature.

    >>> without_secrets("sftp://ann:s3cret@host/rows.csv"), without_secrets("https://host/rows.csv?sig=abc")
    ('sftp://***@host/rows.csv', 'https://host/rows.csv')
    >>> without_secrets("simplecache::HTTPS://TOKEN@host/rows.csv?sig=abc"), without_secrets("/data/what?.csv")
    ('simplecache::HTTPS://***@host/rows.csv', '/data/what?.csv')
    """
    return "::".join(_without_secrets(part) for part in _CHAIN.split(location))


def without_query(location: str) -> str:
    """A path or URL up to its query or fragment; the ? of a glob begins none.

    >>> without_query("az://container/rows.csv?sig=abc"), without_query("s3://bucket/part-?.csv")
    ('az://container/rows.csv', 's3://bucket/part-?.csv')
    """
    return "::".join(_split(part)[0] for part in _CHAIN.split(location))


def is_written(location: str) -> bool:
    """Whether a URL, its environment variables taken out, holds a password, a token or anything in its query.

    >>> is_written("https://host/rows.csv?sig=abc"), is_written("sftp://ann:@host/rows.csv?sig=")
    (True, False)
    """
    queries = [pair.partition("=") for part in _CHAIN.split(location) for pair in re.split("[&;#]", _split(part)[1])]
    users = [part.partition("://")[2].rpartition("@")[0].partition(":") for part in _CHAIN.split(location)]
    return any(value if sign else key for key, sign, value in (*queries, *users))


def _masked_url(match: re.Match[str]) -> str:
    whole = match[0].rstrip(".,;:)]}")
    shown = []
    for part in _CHAIN.split(whole):
        bare = _without_secrets(part)
        shown.append(f"{bare}?{HIDDEN}" if _split(part)[1] and not bare.endswith(f"://{HIDDEN}") else bare)
    return "::".join(shown) + match[0][len(whole) :]


def _without_secrets(url: str) -> str:
    """Of one URL of a chain. Nobody knows where a password ends that holds what a URL is made of: the last @ counts,
    and where that stands behind a ?, nothing of the URL is shown."""
    scheme, sign, _ = url.partition("://")
    if not sign:
        return url
    head, query = _split(url)
    if "@" in query:
        return f"{scheme}://{HIDDEN}"
    _, at, host = _user_of(head)
    return f"{scheme}://{HIDDEN}@{host}" if at else head


def _user_of(url: str) -> tuple[str, str, str]:
    """User part, the @, and what follows it; empty where there is none."""
    scheme, sign, rest = url.partition("://")
    user, at, host = rest.rpartition("@")
    is_path = re.split(r"[+:]", scheme.lower())[0] in ON_THIS_MACHINE
    return (user, at, host) if sign and at and not is_path and user not in EXAMPLES else ("", "", "")


def _split(url: str) -> tuple[str, str]:
    """A URL up to its query or fragment, and that."""
    scheme, sign, rest = url.partition("://")
    start = re.search(r"[?#]", rest) if sign else None
    if start is None or (not scheme.lower().endswith(("http", "https")) and _is_glob(rest[start.end() :])):
        return url, ""
    return f"{scheme}://{rest[: start.start()]}", rest[start.end() :]


def _is_glob(text: str) -> bool:
    return _GLOB.fullmatch(text) is not None


class _MaskedRecord(logging.LogRecord):
    """What a library logs, without secrets; left as it is where there are none, since some handlers look at its parts."""

    def __init__(self, *given: Any, **options: Any):
        super().__init__(*given, **options)
        with suppress(TypeError, ValueError):  # arguments that do not fit the text are told by `logging` itself
            written = self.getMessage()
            if (shown := masked(written)) != written:
                self.msg, self.args = shown, ()
        if self.exc_info and self.exc_info[1]:
            trace = "".join(traceback.format_exception(self.exc_info[1]))
            if (shown := masked(trace)) != trace:
                self.exc_text, self.exc_info = shown.rstrip(), None


def mask_logs() -> None:
    """From now on everything that this process logs goes through the gate, into Dagster's log of events, too."""
    logging.setLogRecordFactory(_MaskedRecord)


# --- values ------------------------------------------------------------------------------------------------------


def remember(text: str) -> None:
    """Notes the secrets that a location or a URL holds, so that they are hidden wherever they turn up on their own.

    >>> remember("https://host/rows.csv?sig=ab%2Fcd%2Bef"), masked("refused: ab/cd%2Bef")
    (None, 'refused: ***')
    """
    for secret in _secrets_in(text):
        _remembered.pop(secret, None)
        _remembered[secret] = None
    while len(_remembered) > MOST_REMEMBERED:
        del _remembered[next(iter(_remembered))]


def _known() -> list[str]:
    """The longest first, so that no part of one is hidden before the whole."""
    given = set(_remembered)
    for name, value in os.environ.items():
        given.update(_secrets_of_variable(name, value))
    return sorted(given, key=len, reverse=True)


@lru_cache(maxsize=1000)
def _secrets_of_variable(name: str, value: str) -> tuple[str, ...]:
    """What of an environment variable is secret, as its name says, or as a URL in it does."""
    if _SECRET_VARIABLE.search(name) and len(value) >= FREE_LETTERS and not os.path.exists(value):
        return (*_spellings(value), *_secrets_in(value))
    return tuple(_secrets_in(value)) if "://" in value and not re.search(r"\s", value) else ()


def _secrets_in(text: str) -> Iterator[str]:
    """The secrets of a URL, of a chain of them, and of the pairs `password=…` in it."""
    for part in _CHAIN.split(text):
        yield from _user_secrets(part)
        yield from _query_secrets(part)
    for written in {text, unquote(text)}:
        for pair in _PAIR.finditer(written):
            yield from _spellings(pair["value"].strip("{}'\""))


def _user_secrets(url: str) -> Iterator[str]:
    """User and password as one, the password, and a user without one, which is a token."""
    user = _user_of(url)[0]
    name, colon, password = user.partition(":")
    yield from _spellings(password if colon else name)
    if password:
        yield from _encodings(_decoded(user))


def _query_secrets(url: str) -> Iterator[str]:
    for pair in re.split(r"[&;#]", _split(url)[1]):
        key, sign, value = pair.partition("=")
        value = value if sign else key
        is_telling = len(value) >= 12 or (len(value) >= FREE_LETTERS and re.search(r"\d", value))
        if is_telling or (sign and _SECRET_KEY.fullmatch(key)):
            yield from _spellings(value)


def _spellings(value: str) -> Iterator[str]:
    """A secret as itself, and as it stands in headers."""
    plain = _decoded(value)
    is_word = plain.isalpha() and plain.islower()
    if len(plain) < LEAST_LETTERS or (len(plain) < 6 and is_word):
        return
    yield plain
    yield from _encodings(plain)


def _encodings(plain: str) -> Iterator[str]:
    content = plain.encode("utf-8", "surrogateescape")
    for written in (base64.b64encode(content), base64.urlsafe_b64encode(content), content.hex().encode()):
        text = written.decode().rstrip("=")
        if len(text) >= FREE_LETTERS:
            yield text


def _decoded(text: str) -> str:
    for _ in range(MOST_DECODINGS):
        before, text = text, unquote(text, errors="surrogateescape")
        if before == text:
            break
    return text


@lru_cache(maxsize=2 * MOST_REMEMBERED)
def _pattern(secret: str) -> re.Pattern[str]:
    """Matches a secret however often it was encoded for URLs, in the whole or in part, escaped for JSON, Python or HTML."""
    body = "".join(map(_letter, secret))
    return re.compile(rf"(?<![A-Za-z0-9]){body}(?![A-Za-z0-9])" if len(secret) < FREE_LETTERS else body)


@lru_cache(maxsize=1000)
def _letter(letter: str) -> str:
    """A pattern of all the ways in which one letter is written."""
    if letter in " +":
        return r"(?:[ +]|%(?:25)*2[0Bb])"
    escaped = "".join(rf"%(?:25)*(?i:{byte:02x})" for byte in letter.encode("utf-8", "surrogateescape"))
    if letter == "%":
        return r"(?:%(?:25)*)"
    ways = {letter, html.escape(letter), json.dumps(letter)[1:-1], repr(letter)[1:-1], ascii(letter)[1:-1]}
    if letter == "'":
        ways |= {"\\'", "&#39;", "&#x27;"}
    written = "|".join(re.escape(way) for way in sorted(ways, key=len, reverse=True))
    return f"(?:{written}|{escaped})"
