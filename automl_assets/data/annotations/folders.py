"""A folder for each class, perhaps below folders for the splits. Knowledge of the format alone belongs here."""

from upath import UPath

from automl_assets.data.annotated_images import SPLIT_FOLDERS, SPLITS, AnnotatedImage, Annotations, annotations_of
from automl_assets.data.image_files import copied, stem_of, suffix_of
from automl_assets.data.locations import called, files_below, is_image
from automl_assets.errors import SourceError
from automl_assets.parts import AnnotationFormat


def read(location: UPath) -> Annotations:
    """All images, each of the class that its folder is called. An image right in the folder has no class yet.

    Raises SourceError where no image lies in a folder of its class.
    """
    images = [_image(one, location) for one in files_below(location) if is_image(one)]
    if not any(image.labels for image in images):
        raise SourceError(
            f"{called(location)}: no image lies in a folder that is called as its class, such as cat/1.jpg"
        )
    return annotations_of(images, where=called(location))


def _image(image: UPath, root: UPath) -> AnnotatedImage:
    folders = image.path[len(root.path) :].split("/")[1:-1]
    split = SPLITS.get(folders[0].lower(), "") if folders else ""
    below = folders[1:] if split else folders
    return AnnotatedImage(str(image), ("/".join(below),) if below else None, split=split)


def write(annotations: Annotations, location: UPath) -> None:
    """Copies of the images. Raises SourceError for two images of one class and one name."""
    for image in annotations.images:
        to = location.joinpath(SPLIT_FOLDERS[image.split], *(image.labels or ()))
        copied(image, to.joinpath(f"{stem_of(image)}{suffix_of(image)}"))


def _lacks(annotations: Annotations) -> tuple[str, ...]:
    """A class that is called as a split is would be taken for one."""
    return ("classes called as splits are",) * any(one.split("/")[0].lower() in SPLITS for one in annotations.classes)


def _is_at(location: UPath) -> bool:
    if not location.is_dir():
        return False
    return any(is_image(one) and one.parent.path != location.path for one in files_below(location))


PART = AnnotationFormat(
    name="folders",
    title="a folder for each class",
    holds=frozenset({"class"}),
    is_at=_is_at,
    read=read,
    write=write,
    lacks=_lacks,
    is_last=True,
)
