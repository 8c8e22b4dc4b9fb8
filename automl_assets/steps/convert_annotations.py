"""convert_annotations: annotated images from one format into another, without loss, or not at all."""

from collections import Counter
from dataclasses import dataclass

from upath import UPath

from automl_assets import registry
from automl_assets.data.annotated_images import KINDS, Annotations
from automl_assets.data.locations import called, location_of
from automl_assets.errors import SettingError, SourceError, listed, nearest
from automl_assets.parts import AnnotationFormat


@dataclass(frozen=True)
class Conversion:
    """What was read and written."""

    annotations: Annotations
    read_as: AnnotationFormat
    written_as: AnnotationFormat
    lost: tuple[str, ...]  # what the new format has no place for

    @property
    def counts(self) -> dict[str, int]:
        """Class -> how many images or objects have it, the most frequent first."""
        given, images = self.annotations, self.annotations.images
        labels = [label for image in images for label in image.labels or ()]
        return dict(Counter([*labels, *(one.label for _, one in given.objects())]).most_common())


def convert_annotations(
    given: str, to: str, read_as: str | None = None, write_as: str | None = None, may_lose: bool = False
) -> Conversion:
    """Reads annotations in the format that is found by looking, unless named, and writes them in another one.

    Raises SettingError for a format that cannot be told or cannot hold what was read, SourceError for what cannot be read.
    """
    place, target = location_of(given), location_of(to)
    written_as = _named(write_as) if write_as else _by_name(target)
    source = _named(read_as) if read_as else format_at(place)
    annotations = source.read(place)
    if annotations.kind not in written_as.holds:
        able = [one.name for one in registry.annotation_formats().values() if annotations.kind in one.holds]
        raise SettingError(f"{written_as.name} has no place for {KINDS[annotations.kind]}; possible are {listed(able)}")
    lost = written_as.lacks(annotations)
    if lost and not may_lose:
        raise SettingError(
            f"{written_as.name} has no place for {listed(lost)}; take another format, or lose them by --may-lose"
        )
    written_as.write(annotations, target)
    return Conversion(annotations, source, written_as, lost)


def format_at(location: UPath) -> AnnotationFormat:
    """The format in which images are annotated at a place. Raises SourceError where there is none, or several are."""
    if not location.is_dir() and not location.is_file():
        raise SourceError(f"{called(location)}: no such file or folder")
    formats = registry.annotation_formats().values()
    found = [one for one in formats if one.is_at(location)]
    best = [one for one in found if not one.is_last] or found
    if len(best) != 1:
        titles = listed([f"{one.name} ({one.title})" for one in best or formats])
        what = "several formats are there" if best else "no annotations of images are found"
        raise SourceError(f"{called(location)}: {what}: {titles}; name a file, or say which by --from")
    return best[0]


def _named(name: str) -> AnnotationFormat:
    formats = registry.annotation_formats()
    if name not in formats:
        raise SettingError(
            f"no format of annotations is called {name!r}; possible are {listed(formats)}.{nearest(name, formats)}"
        )
    return formats[name]


def _by_name(target: UPath) -> AnnotationFormat:
    """A file's ending says it."""
    endings = {".jsonl": "jsonl", ".json": "coco", ".csv": "csv"}
    if target.suffix.lower() not in endings:
        raise SettingError(
            f"{called(target)}: say by --to which format is wanted: {listed(registry.annotation_formats())}; "
            f"names that end in {listed(endings)} say it themselves"
        )
    return registry.annotation_formats()[endings[target.suffix.lower()]]
