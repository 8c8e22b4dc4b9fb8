"""Which kind of source a bare text belongs to: as its name ends, or as the files end that it stands for.

Not here: options of a kind (`experiment`), and reading (`data.sources`).
"""

from collections.abc import Iterable

from automl_assets import registry
from automl_assets.data import files
from automl_assets.errors import SourceError, listed
from automl_assets.masking import without_secrets


def kind_of(text: str) -> str:
    """The kind of a file by its name, of a folder or a glob by the files there are.

    Raises ValueError with what to write instead: for a text that is none of these, and where files are of several kinds.

    >>> kind_of("https://host/rows.csv.gz")
    'csv'
    """
    if kind := _claimed(text):
        return kind
    shown = without_secrets(text)
    if "/" not in text and not any(sign in text for sign in "*?["):  # a word; its folder could be anywhere
        raise ValueError(f"{shown!r} is of no known kind; {_say_kind()}{_slash(shown)}")
    try:
        found = files.listing(text)
    except SourceError as error:
        raise ValueError(str(error)) from None
    if found is None:
        absent = "" if "." in shown.rsplit("/", 1)[-1] else ", and no folder lies there"
        raise ValueError(f"{shown!r} is of no known kind{absent}; {_say_kind()}")
    if found.is_folder and not any(map(_claimed, found.names)) and (kind := _claimed_whole(text)):
        return kind
    return _kind_inside(shown, found)


def _claimed(name: str) -> str | None:
    return next((part.name for part in registry.sources().values() if part.claims(name)), None)


def _claimed_whole(folder: str) -> str | None:
    return next((part.name for part in registry.sources().values() if part.claims_folder(folder)), None)


def _slash(word: str) -> str:
    return "" if "." in word else f". A folder is written with a slash: {word}/"


def _say_kind() -> str:
    return f"say `kind:` with one of {listed(registry.sources())}"


def _kind_inside(shown: str, found: files.Listing) -> str:
    """Of a folder what is of no known kind, a note say, counts for nothing, as when it is read; a glob means every file."""
    kinds = {name: kind for name in found.names if (kind := _claimed(name))}
    what = "the folder" if found.is_folder else "the pattern"
    if not found.names:
        raise ValueError(f"{shown!r}: {what} {_has_nothing(found)}; bring files, or name another place")
    others = [name for name in found.names if name not in kinds]
    if not kinds or (others and not found.is_folder):
        verb = "holds" if found.is_folder else "matches"
        raise ValueError(
            f"{shown!r}: {what} {verb} {listed(others, 5)}, of no known kind; name other files with a glob, such as "
            f"{_folder(shown, found)}/*.csv, or {_say_kind()}"
        )
    if len(set(kinds.values())) > 1:
        raise ValueError(
            f"{shown!r}: {what} has files of several kinds: {_examples(kinds.items())}; name those of one with a glob, such "
            f"as {_folder(shown, found)}/*{_ending(next(iter(kinds)))}, or put them into folders of their own"
        )
    return next(iter(kinds.values()))


def _has_nothing(found: files.Listing) -> str:
    return "is empty" if found.is_folder else "matches no file; * stands for any text, ** for any folders"


def _examples(kinds: Iterable[tuple[str, str]]) -> str:
    """Each kind with a file that is of it."""
    first: dict[str, str] = {}
    for name, kind in kinds:
        first.setdefault(kind, name)
    return " and ".join(f"{kind} ({name})" for kind, name in sorted(first.items()))


def _folder(shown: str, found: files.Listing) -> str:
    return (shown if found.is_folder else shown.rpartition("/")[0] or ".").rstrip("/")


def _ending(name: str) -> str:
    """From the first dot that makes a kind of it.

    >>> _ending("sales.2024.csv.gz")
    '.csv.gz'
    """
    parts = name.split(".")
    return min(
        (f".{'.'.join(parts[at:])}" for at in range(1, len(parts)) if _claimed(f"x.{'.'.join(parts[at:])}")), key=len
    )
