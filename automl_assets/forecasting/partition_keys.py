"""Names that come from data as names that a path, a URL and Dagster's UI can bear. Not here: names people choose."""

import hashlib
import json
import re
from collections import Counter
from collections.abc import Iterable, Sequence

MOST_LETTERS = 100
N_DIGITS = 10  # of the hash that tells changed names apart
UNSAFE = re.compile(r"[^A-Za-z0-9_.=-]+")
RESERVED = re.compile(r"^(con|prn|aux|nul|com\d|lpt\d)(\.|$)", re.IGNORECASE)  # no file of that name on Windows
MARKED = re.compile(rf"(^|\.)[0-9a-f]{{{N_DIGITS}}}$")

Values = tuple[str, ...]


def slug(values: Sequence[str], is_marked: bool = False) -> str:
    """A name of `[A-Za-z0-9_.=-]`, 1 to 100 letters, another one for other values.

    Plain values stand as they are, joined by "="; whatever had to be changed ends in a hash of all of it. Names may
    differ in nothing but their case: `slugs` tells those apart too, by `is_marked`.

    >>> slug(["MT_023", "milk"]), slug(["a/b"]), slug([""])
    ('MT_023=milk', 'a-b.1693b0cfc4', '055539df4a')
    """
    plain = "=".join(values)
    if not is_marked and "" not in values and plain.count("=") == len(values) - 1 and _is_plain(plain):
        return plain
    digits = _hash(values).hex()[:N_DIGITS]
    readable = UNSAFE.sub("-", plain).strip("-.=")[: MOST_LETTERS - N_DIGITS - 1].rstrip("-.=")
    return f"{readable}.{digits}" if readable else digits


def slugs(groups: Iterable[Values]) -> dict[str, Values]:
    """The values of each group by its name, sorted by name; names differ even where a file system sees no case.

    >>> list(slugs([("ca",), ("NY",), ("CA",)]))
    ['CA.eb223bba91', 'NY', 'ca.41b4723b7f']
    """
    names = {values: slug(values) for values in groups}
    counts = Counter(name.lower() for name in names.values())
    unique = {slug(values, counts[name.lower()] > 1): values for values, name in names.items()}
    return dict(sorted(unique.items()))


def shard_of(values: Sequence[str], n_shards: int) -> str:
    """The shard that a group lies in: the same one for ever, whatever other groups there are.

    >>> shard_of(["CA"], 100), len({shard_of([str(store)], 100) for store in range(2000)})
    ('shard_057', 100)
    """
    return f"shard_{int.from_bytes(_hash(values)[:8]) % n_shards:03d}"


def _hash(values: Sequence[str]) -> bytes:
    return hashlib.sha256(json.dumps([*values]).encode()).digest()


def _is_plain(name: str) -> bool:
    is_safe = not UNSAFE.search(name) and not RESERVED.match(name) and name.strip(".") == name
    return is_safe and len(name) <= MOST_LETTERS and not MARKED.search(name)
