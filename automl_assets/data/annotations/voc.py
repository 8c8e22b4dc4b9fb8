"""Pascal VOC: an XML file for each image, with boxes in pixels (Everingham et al. 2010). Splits are lists of names in
`ImageSets/Main`. Knowledge of the format alone belongs here."""

from dataclasses import replace
from xml.etree import ElementTree

from upath import UPath

from automl_assets.data.annotated_images import AnnotatedImage, Annotations, ImageObject, annotations_of, pixels, shares
from automl_assets.data.image_files import ImageFiles, named_from, stem_of, with_size
from automl_assets.data.locations import called, files_below, read_bytes, write_new
from automl_assets.errors import SourceError, listed
from automl_assets.parts import AnnotationFormat

FOLDER, SETS = "Annotations", "ImageSets/Main"
SPLITS = {"train": "train", "val": "validation", "test": "test"}
CORNERS = ("xmin", "ymin", "xmax", "ymax")


def read(location: UPath) -> Annotations:
    """Every XML file below a folder, or one. Raises SourceError that names the first one that is not VOC."""
    files = _files(location)
    places = {file.parent.path: ImageFiles(file.parent) for file in files}
    splits = _splits(location)
    images = [_image(file, places[file.parent.path], splits.get(file.stem, "")) for file in files]
    return annotations_of(images, where=called(location))


def _files(location: UPath) -> list[UPath]:
    return [one for one in files_below(location) if one.suffix.lower() == ".xml"] if location.is_dir() else [location]


def _splits(location: UPath) -> dict[str, str]:
    """Name of an image without ending -> its split, as lists beside the annotations say."""
    root = location.parent if location.path.endswith(f"/{FOLDER}") else location
    lists = {split: root.joinpath(SETS, f"{name}.txt") for name, split in SPLITS.items()}
    found = {split: read_bytes(file).decode() for split, file in lists.items() if location.is_dir() and file.is_file()}
    return {line.split()[0]: split for split, text in found.items() for line in text.splitlines() if line.strip()}


def _image(file: UPath, places: ImageFiles, split: str) -> AnnotatedImage:
    try:
        root = ElementTree.fromstring(read_bytes(file))
    except ElementTree.ParseError as error:
        raise SourceError(f"{called(file)} is no XML: {error}") from None
    name = (root.findtext("filename") or "").strip()
    if root.tag != "annotation" or not name:
        raise SourceError(f"{called(file)}: Pascal VOC has <annotation> with <filename>, <size> and <object>")
    width, height = (int(float(root.findtext(f"size/{side}") or 0)) or None for side in ("width", "height"))
    image = AnnotatedImage(places.find(name), None, None, width, height, split)
    image = image if width and height else with_size(image)
    return replace(image, objects=tuple(_object(one, image, called(file)) for one in root.iter("object")))


def _object(one: ElementTree.Element, image: AnnotatedImage, where: str) -> ImageObject:
    label = (one.findtext("name") or "").strip()
    try:
        corners = tuple(float(one.findtext(f"bndbox/{corner}") or "") for corner in CORNERS)
    except ValueError:
        raise SourceError(f"{where}: the object {label!r} has no <bndbox> with {listed(CORNERS)}") from None
    left, top, right, bottom = shares(corners, image.size)
    return ImageObject(label, (left, top, right, bottom))


def write(annotations: Annotations, location: UPath) -> None:
    """`Annotations/NAME.xml` for each image, and lists of the splits. Raises SourceError for images of the same name."""
    folder, stems = location.joinpath(FOLDER), set[str]()
    for image in map(with_size, annotations.images):
        stem = stem_of(image)
        if stem in stems:
            raise SourceError(
                f"{image.image}: Pascal VOC has one file for a name, and {stem!r} is taken; rename the image"
            )
        stems.add(stem)
        write_new(folder / f"{stem}.xml", _written(image, named_from(image, folder)))
    for name, split in SPLITS.items():
        members = [stem_of(one) for one in annotations.images if one.split == split]
        if members:
            write_new(location / SETS / f"{name}.txt", "".join(f"{one}\n" for one in members).encode())


def _written(image: AnnotatedImage, name: str) -> bytes:
    root = ElementTree.Element("annotation")
    ElementTree.SubElement(root, "filename").text = name
    size = ElementTree.SubElement(root, "size")
    for side, value in zip(("width", "height", "depth"), (*image.size, 3), strict=True):
        ElementTree.SubElement(size, side).text = str(value)
    for one in image.objects or ():
        thing = ElementTree.SubElement(root, "object")
        ElementTree.SubElement(thing, "name").text = one.label
        box = ElementTree.SubElement(thing, "bndbox")
        for corner, place in zip(CORNERS, pixels(one.box, image.size), strict=True):
            ElementTree.SubElement(box, corner).text = repr(place).removesuffix(".0")
    ElementTree.indent(root)
    return ElementTree.tostring(root, encoding="utf-8") + b"\n"


def _lacks(annotations: Annotations) -> tuple[str, ...]:
    crowds = any(one.is_crowd for _, one in annotations.objects())
    unseen = any(image.objects is None for image in annotations.images)
    return ("crowds",) * crowds + ("images that nobody has annotated",) * unseen


def _is_at(location: UPath) -> bool:
    return bool(_files(location)) if location.is_dir() else location.suffix.lower() == ".xml"


PART = AnnotationFormat(
    name="voc",
    title="Pascal VOC (XML)",
    holds=frozenset({"boxes"}),
    is_at=_is_at,
    read=read,
    write=write,
    lacks=_lacks,
)
