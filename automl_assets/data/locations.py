"""Files and folders of any file system, for formats of many files: what lies in a folder, and beside a file."""

import posixpath

from upath import UPath

from automl_assets.data import bounds
from automl_assets.data.files import expanded_text, explained
from automl_assets.errors import SourceError
from automl_assets.masking import without_secrets

IMAGES = (".jpg", ".jpeg", ".png", ".bmp", ".gif", ".tif", ".tiff", ".webp", ".jfif", ".ppm", ".pgm")


def location_of(text: str) -> UPath:
    """The file or folder that a person names, whole. Raises SourceError for a file system that is not known.

    >>> location_of("/data/images/../1.JPG").name
    '1.JPG'
    """
    place = expanded_text(text, "path")
    with explained(without_secrets(place), place):
        return UPath(place).absolute().resolve()


def called(location: UPath) -> str:
    """How a person knows a location, without passwords."""
    return without_secrets(str(location))


def files_below(folder: UPath) -> list[UPath]:
    """Every file below a folder, in sorted order; hidden ones are no data."""
    with explained(called(folder), str(folder)):
        found = sorted(folder.fs.find(folder.path))
    inside = len(folder.path.rstrip("/")) + 1
    shown = [path for path in found if not any(part.startswith(".") for part in path[inside:].split("/"))]
    return [folder.joinpath(path[inside:]) for path in shown]


def read_bytes(file: UPath) -> bytes:
    """All bytes of a file. Raises SourceError for what cannot be read, or is more than memory may take."""
    with explained(called(file), str(file)):
        bounds.check_bytes(file.stat().st_size, called(file))
        return file.read_bytes()


def beginning_of(file: UPath, n_bytes: int) -> bytes:
    """The first bytes of a file."""
    with explained(called(file), str(file)):
        return file.fs.cat_file(file.path, start=0, end=n_bytes)


def write_new(file: UPath, content: bytes) -> None:
    """A new file, with the folders above it. Raises SourceError for one that is there already."""
    with explained(called(file), str(file)):
        if file.exists():
            raise SourceError(f"{called(file)} is there already; name another place, or remove it")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)


def below(location: UPath, folder: UPath) -> str:
    """How a location is called from within a folder: with `..` where it lies elsewhere, whole on another file system.

    >>> below(UPath("/data/images/1.jpg"), UPath("/data/labels"))
    '../images/1.jpg'
    """
    if location.protocol != folder.protocol:
        return str(location)
    return posixpath.relpath(location.path, folder.path)


def is_image(location: UPath) -> bool:
    """Whether a file is called as images are."""
    return location.suffix.lower() in IMAGES
