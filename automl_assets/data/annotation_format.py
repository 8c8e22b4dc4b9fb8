"""Which format annotations of images are in: as named, or found by looking at what lies there."""

from upath import UPath

from automl_assets import registry
from automl_assets.data.locations import called
from automl_assets.errors import SettingError, SourceError, listed, nearest
from automl_assets.parts import AnnotationFormat


def annotation_format(name: str) -> AnnotationFormat:
    """The format of a name. Raises SettingError where there is none."""
    formats = registry.annotation_formats()
    if name not in formats:
        raise SettingError(
            f"no format of annotations is called {name!r}; possible are {listed(formats)}.{nearest(name, formats)}"
        )
    return formats[name]


def is_annotated(location: UPath) -> bool:
    """Whether anything is said of images at a place, in a format that is known."""
    return any(one.is_at(location) for one in registry.annotation_formats().values())


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
        raise SourceError(f"{called(location)}: {what}: {titles}; name a file, or the format")
    return best[0]
