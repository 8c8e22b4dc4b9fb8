"""Which file an annotation means by the name of an image, and how large it is."""

import io
import posixpath
from collections import defaultdict
from dataclasses import replace
from functools import cached_property

from upath import UPath

from automl_assets.data.annotated_images import AnnotatedImage
from automl_assets.data.locations import below, files_below, is_image, location_of, read_bytes, write_new
from automl_assets.errors import SourceError, listed


class ImageFiles:
    """Images that lie in a folder, somewhere below it, or below the folder above, as tools leave them."""

    def __init__(self, folder: UPath):
        self.folder = folder
        self.is_listed: bool | None = None  # whether names say less than the whole way

    def find(self, name: str) -> str:
        """The path or URL of an image. What is not there is taken to lie in the folder.

        Raises SourceError where several images are meant as well.
        """
        if "://" in name or name.startswith("/"):
            return name
        here = self.folder.joinpath(name.replace("\\", "/")).resolve()
        if self.is_listed is None:
            self.is_listed = not here.is_file()
        found = self._ending_in(name.replace("\\", "/")) if self.is_listed else []
        if len(found) > 1:
            raise SourceError(
                f"{name}: {len(found)} images are called so ({listed(found, 2)}); name them with their folder"
            )
        return found[0] if found else str(here)

    def _ending_in(self, name: str) -> list[str]:
        ending = "/" + name.removeprefix("./").lstrip("/.")
        return [str(one) for one in self._by_last_part[ending.rpartition("/")[2]] if one.path.endswith(ending)]

    @cached_property
    def _by_last_part(self) -> dict[str, list[UPath]]:
        found: dict[str, list[UPath]] = defaultdict(list)
        images = [one for one in files_below(self.folder) if is_image(one)]
        for one in images or [one for one in files_below(self.folder.parent) if is_image(one)]:
            found[one.path.rpartition("/")[2]].append(one)
        return found


def named_from(image: AnnotatedImage, folder: UPath) -> str:
    """What a file in a folder calls an image: from there where it lies on the same file system, else by its URL."""
    return image.image if "://" in image.image else below(location_of(image.image), folder)


def suffix_of(image: AnnotatedImage) -> str:
    """The ending of an image's name, in small letters, with its point.

    >>> suffix_of(AnnotatedImage("https://host/1.JPG"))
    '.jpg'
    """
    return posixpath.splitext(image.image)[1].lower()


def stem_of(image: AnnotatedImage) -> str:
    """An image's name without folder and ending.

    >>> stem_of(AnnotatedImage("memory://images/a.b.jpg"))
    'a.b'
    """
    return posixpath.splitext(posixpath.basename(image.image))[0]


def with_size(image: AnnotatedImage) -> AnnotatedImage:
    """The image with its width and height: as annotated, else as its file says."""
    width, height = size_of(image)
    return replace(image, width=width, height=height)


def size_of(image: AnnotatedImage) -> tuple[int, int]:
    """Width and height in pixels as annotated, else as the file says. Raises SourceError for what is no image."""
    if image.width and image.height:
        return image.width, image.height
    from PIL import Image

    content = read_bytes(location_of(image.image))
    try:
        with Image.open(io.BytesIO(content)) as opened:
            return opened.size
    except Exception as error:  # each format of Pillow has its own
        raise SourceError(f"{image.image} cannot be read as an image: {error}") from None


def copied(image: AnnotatedImage, to: UPath) -> None:
    """Writes an image to another place as it is. Raises SourceError where it cannot be found."""
    write_new(to, read_bytes(location_of(image.image)))
