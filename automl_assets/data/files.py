"""Where rows lie: environment variables in options, files of any file system, their bytes and hashes.

Here belongs what several sources share before anything is parsed. Not here: rows (`tables`).
"""

import gzip
import hashlib
import io
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

import fsspec
from pydantic import BaseModel, ValidationError

from automl_assets.data import bounds
from automl_assets.errors import SettingError, SourceError, listed, nearest
from automl_assets.masking import is_written, masked, remember, without_query, without_secrets

Options = TypeVar("Options", bound=BaseModel)

FINGERPRINT_CHARACTERS = 16
CHUNK_BYTES = 1 << 20
WRITTEN_KEYS = ("size", "mtime", "ino", "LastModified", "last_modified", "updated")  # that change as a file is written
CONTENT_KEYS = ("md5Hash", "content_md5", "ETag", "etag")  # what object stores tell about content, best first

_VARIABLE = re.compile(r"\$\{(?P<name>[A-Za-z_][A-Za-z0-9_]*)(?P<fallback>:-(?P<default>[^}]*))?\}")


# --- options -----------------------------------------------------------------------------------------------------


def expanded(options: Options) -> Options:
    """The options with `${NAME}`, `${NAME:-default}` and a leading `~/` filled in, checked once more.

    For reading only: the result may hold secrets and is never stored.
    Raises SourceError when a variable without default is unset, or when what it holds is impossible.

    >>> class Place(BaseModel):
    ...     path: str
    >>> expanded(Place(path="${AUTOML_NO_SUCH_VARIABLE:-/data}/rows.csv")).path
    '/data/rows.csv'
    """
    filled = {name: _expanded_value(value, name) for name, value in options}
    try:
        return type(options).model_validate(filled)
    except ValidationError as error:
        problems = "; ".join(_problem(problem) for problem in error.errors())
        raise SourceError(f"once the environment variables are filled in, {problems}") from None


def has_variable(text: str) -> bool:
    """Whether the text waits for an environment variable, so that it cannot be judged yet.

    >>> has_variable("${DELIMITER}"), has_variable(";")
    (True, False)
    """
    return _VARIABLE.search(text) is not None


def text_code(text: str) -> str:
    """Python for a text whose environment variables are to be read when it runs.

    >>> text_code("${FOLDER}/rows.csv"), text_code("${FOLDER:-/data}")
    ("os.environ['FOLDER'] + '/rows.csv'", "(os.environ.get('FOLDER') or '/data')")
    """
    pieces, end = [], 0
    for match in _VARIABLE.finditer(text):
        name, default = match["name"], match["default"]
        pieces += [repr(text[end : match.start()])] if match.start() > end else []
        pieces.append(f"(os.environ.get({name!r}) or {default!r})" if match["fallback"] else f"os.environ[{name!r}]")
        end = match.end()
    pieces += [repr(text[end:])] if end < len(text) else []
    return " + ".join(pieces) or "''"


def without_variables(text: str) -> str:
    """What of a text is written down.

    >>> without_variables("sqlite:///${FOLDER}/shop.db")
    'sqlite:////shop.db'
    """
    return _VARIABLE.sub("", text)


def files_code(location: str, extensions: tuple[str, ...]) -> str:
    """Python for the files of a location as there are now; a place that waits for variables stays as it is written. A URL
    with a secret that is written down is asked for by SOURCE_URL."""
    if is_written(without_variables(location)):
        return f'[os.environ["SOURCE_URL"]]  # of {without_secrets(location)!r}'
    if has_variable(location):
        return f"[{text_code(location)}]"
    found = files(expanded_text(location, "path"), extensions)
    return "[\n" + "".join(f"    {file.name!r},\n" for file in found) + "]"


def _problem(problem: Any) -> str:
    location = ".".join(str(part) for part in problem["loc"])
    return f"{location or 'the options'}: {problem['msg'].removeprefix('Value error, ')}"


def _expanded_value(value: Any, option: str) -> Any:
    if isinstance(value, str):
        return expanded_text(value, option)
    if isinstance(value, tuple):
        return tuple(_expanded_value(item, option) for item in value)
    return value


def expanded_text(text: str, option: str) -> str:
    filled = _VARIABLE.sub(partial(_variable_value, option=option), text)
    remember(filled)
    return os.path.expanduser(filled) if filled.startswith("~/") else filled


def _variable_value(match: re.Match[str], option: str) -> str:
    name = match["name"]
    value = os.environ.get(name)
    if match["fallback"]:
        return value or match["default"]
    if value is None:
        raise SourceError(
            f"{option}: the environment variable {name} is not set; set it, or give a default: ${{{name}:-default}}."
            f"{nearest(name, os.environ)}"
        )
    return value


# --- files -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class File:
    """One file somewhere, and the name by which a person knows it, free of passwords and signatures."""

    filesystem: fsspec.AbstractFileSystem
    path: str
    name: str


def has_extension(text: str, extensions: tuple[str, ...]) -> bool:
    """Whether a path, URL or glob ends in one of the extensions.

    >>> has_extension("https://host/ROWS.CSV?version=2", (".csv",)), has_extension("rows.parquet", (".csv",))
    (True, False)
    """
    return without_query(text).lower().endswith(extensions)


def files(location: str, extensions: tuple[str, ...]) -> tuple[File, ...]:
    """The files of a location in sorted order: one file, those of a folder with such an extension, or a glob's.

    Raises SourceError when there are none, or when the file system cannot be reached.
    """
    name = without_secrets(location)
    with explained(name, location):
        filesystem, path = fsspec.core.url_to_fs(location)
        filesystem.invalidate_cache()  # a sensor lives long, and what it listed before is no longer true
        paths = _paths(filesystem, path, extensions)
    if not paths:
        raise SourceError(_nothing_found(filesystem, path, name, extensions))
    on_disk = is_local(filesystem)
    return tuple(
        File(filesystem, found, found if on_disk else without_secrets(filesystem.unstrip_protocol(found)))
        for found in paths
    )


@dataclass(frozen=True)
class Listing:
    """The names of the files that a folder holds, or that a glob matches, in sorted order."""

    names: tuple[str, ...]
    is_folder: bool


def listing(location: str) -> Listing | None:
    """What lies at a location; None where it is neither a folder nor a glob. Web servers and databases have neither.

    Raises SourceError for a file system that cannot be reached, and for a variable that is not set.
    """
    name, place = without_secrets(location), expanded_text(location, "path")
    protocol = place.partition("://")[0] if "://" in place else "file"
    if protocol in ("http", "https") or protocol not in fsspec.available_protocols():
        return None
    with explained(name, location):
        filesystem, path = fsspec.core.url_to_fs(place)
        filesystem.invalidate_cache()
        is_folder = filesystem.isdir(path)
        if not is_folder and not _is_pattern(path):
            return None
        found = _children(filesystem, path) if is_folder else _paths(filesystem, path, ())
    return Listing(tuple(one.rsplit("/", 1)[-1] for one in found), is_folder)


def _paths(filesystem: fsspec.AbstractFileSystem, path: str, extensions: tuple[str, ...]) -> list[str]:
    if filesystem.isfile(path):
        return [path]
    if filesystem.isdir(path):
        return [found for found in _children(filesystem, path) if has_extension(found, extensions)]
    if not _is_pattern(path):
        return []
    matches = filesystem.glob(path, detail=True)
    return sorted(found for found, info in matches.items() if info["type"] == "file")


def _is_pattern(path: str) -> bool:
    """Whether the path is a glob; the ? of a web address is none."""
    return bool(fsspec.core.has_magic(without_query(path)))


def _children(filesystem: fsspec.AbstractFileSystem, folder: str) -> list[str]:
    """Files right inside a folder; hidden ones and those that Spark marks with `_` are not data."""
    inside = filesystem.find(folder, maxdepth=1)
    return sorted(found for found in inside if not found.rsplit("/", 1)[-1].startswith((".", "_")))


def is_local(filesystem: fsspec.AbstractFileSystem) -> bool:
    """Whether files lie on this machine."""
    return "file" in ((filesystem.protocol,) if isinstance(filesystem.protocol, str) else filesystem.protocol)


def _nothing_found(filesystem: fsspec.AbstractFileSystem, path: str, name: str, extensions: tuple[str, ...]) -> str:
    shown = path if is_local(filesystem) else name
    with explained(name):
        if filesystem.isdir(path):
            present = [found.rsplit("/", 1)[-1] for found in _children(filesystem, path)]
            return (
                f"{shown}: the folder holds no file ending in {listed(extensions)}; it holds: "
                f"{listed(present) or 'nothing'}. Name the files with a glob, such as {shown.rstrip('/')}/*.txt"
            )
        if _is_pattern(path):
            return f"{shown}: no file matches this pattern; * stands for any text, ** for any folders"
    return f"{shown}: no such file or folder.{_neighbour(filesystem, path)}"


def _neighbour(filesystem: fsspec.AbstractFileSystem, path: str) -> str:
    """A hint at a file beside the missing one. No hint where the store cannot list: the file is missing anyway."""
    folder, _, name = path.rpartition("/")
    try:
        beside = [str(found).rstrip("/").rsplit("/", 1)[-1] for found in filesystem.ls(folder or "/", detail=False)]
    except Exception:  # each store has its own errors
        return " Check the spelling; the folder cannot be listed"
    return nearest(name, beside) or f" Its folder holds: {listed(sorted(beside), 10) or 'nothing'}"


@contextmanager
def explained(name: str, secret: str | None = None) -> Iterator[None]:
    """Turns whatever a library raises while reading `name` into a SourceError with the first line of its message.

    File systems, drivers and parsers each have their own root of errors, and none can be listed beforehand. The error itself
    is cut off: its text, and what it came of, may hold the secrets of a URL.
    """
    remember(secret or name)
    try:
        yield
    except (SourceError, SettingError):
        raise
    except Exception as error:
        message = (str(error).strip() or type(error).__name__).splitlines()[0]
        shown = message.replace(secret, name) if secret else message
        raise SourceError(f"{name} cannot be read: {masked(shown)}") from None


# --- bytes -------------------------------------------------------------------------------------------------------


@contextmanager
def opened(file: File) -> Iterator[Any]:
    """A file's content as a stream of bytes, without gzip; what goes wrong while it is read names the file."""
    with explained(file.name, file.path), file.filesystem.open(file.path, "rb", compression=None) as packed:
        magic = packed.read(2)
        packed.seek(0)
        yield gzip.GzipFile(fileobj=packed) if magic == b"\x1f\x8b" else packed


def content_of(file: File) -> bytes:
    """All bytes of a file, as they are. Raises SourceError for more than are allowed, where the file system knows."""
    with explained(file.name, file.path):
        is_asked_anyway = "http" not in file.filesystem.protocol  # a server would be asked once more
        size = file.filesystem.size(file.path) if is_asked_anyway else None
        bounds.check_bytes(size or 0, file.name)
        return file.filesystem.cat_file(file.path)


def unpacked(content: bytes, name: str) -> bytes:
    """Content without gzip, whatever the file is called: some servers unpack on the way, some don't.

    >>> unpacked(gzip.compress(b"x"), "rows.csv.gz"), unpacked(b"x", "rows.csv.gz")
    (b'x', b'x')
    """
    if not content.startswith(b"\x1f\x8b"):
        return content
    with explained(name):
        return bounds.read_all(gzip.GzipFile(fileobj=io.BytesIO(content)), name)


def fingerprint_files(location: str, extensions: tuple[str, ...]) -> str:
    """16 hexadecimal characters that change with the content of any file, but not with names or times of change, nor with
    the order in which names put the files: the same files in another order hold the same rows.

    Local files are hashed as a stream. Object stores are asked for the checksum they keep; where they keep none,
    the bytes are hashed.
    """
    digests: list[bytes] = []
    for file in files(location, extensions):
        with explained(file.name, file.path):
            digests.append(_file_digest(file))
    return hashlib.sha256(b"".join(sorted(digests))).hexdigest()[:FINGERPRINT_CHARACTERS]


def stamp_files(location: str, extensions: tuple[str, ...]) -> str:
    """16 hexadecimal characters that change whenever a file is written to, comes or goes. Reads no content."""
    digest = hashlib.sha256()
    for file in files(location, extensions):
        with explained(file.name, file.path):
            info = file.filesystem.info(file.path)
        digest.update(repr((file.path, [info.get(key) for key in (*WRITTEN_KEYS, *CONTENT_KEYS)])).encode())
    return digest.hexdigest()[:FINGERPRINT_CHARACTERS]


def _file_digest(file: File) -> bytes:
    known = None if is_local(file.filesystem) else _content_key(file.filesystem.info(file.path))
    if known:
        return hashlib.sha256(known.encode()).digest()
    digest = hashlib.sha256()
    with file.filesystem.open(file.path, "rb", compression=None) as stream:
        for chunk in iter(partial(stream.read, CHUNK_BYTES), b""):
            digest.update(chunk)
    return digest.digest()


def _content_key(info: Mapping[str, Any]) -> str | None:
    return next((str(info[key]) for key in CONTENT_KEYS if info.get(key)), None)
