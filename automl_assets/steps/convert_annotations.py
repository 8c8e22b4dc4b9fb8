"""convert_annotations: annotated images from one format into another, without loss, or not at all."""

from collections import Counter
from dataclasses import dataclass

from upath import UPath

from automl_assets import registry
from automl_assets.data.annotated_images import KINDS, Annotations
from automl_assets.data.annotation_format import annotation_format, format_at
from automl_assets.data.locations import called, location_of
from automl_assets.errors import SettingError, listed
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
    written_as = annotation_format(write_as) if write_as else _by_name(target)
    source = annotation_format(read_as) if read_as else format_at(place)
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


def _by_name(target: UPath) -> AnnotationFormat:
    """A file's ending says it."""
    endings = {".jsonl": "jsonl", ".json": "coco", ".csv": "csv"}
    if target.suffix.lower() not in endings:
        raise SettingError(
            f"{called(target)}: say by --to which format is wanted: {listed(registry.annotation_formats())}; "
            f"names that end in {listed(endings)} say it themselves"
        )
    return registry.annotation_formats()[endings[target.suffix.lower()]]
