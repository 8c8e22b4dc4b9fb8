"""A CSV file of images with a class, a set of labels, a column for each label, or boxes in pixels. Knowledge of the format
alone belongs here."""

import csv
import io
import json

import polars as pl
from upath import UPath

from automl_assets import registry
from automl_assets.data.annotated_images import (
    AnnotatedImage,
    Annotations,
    ImageObject,
    annotations_of,
    shares,
    split_named,
)
from automl_assets.data.image_files import ImageFiles, named_from, with_size
from automl_assets.data.label_sets import label_sets
from automl_assets.data.locations import called, files_below, write_new
from automl_assets.errors import SourceError, listed
from automl_assets.parts import AnnotationFormat

FILE = "labels.csv"  # in a folder
SUFFIXES = (".csv", ".tsv")
IMAGE = ("image", "filename", "file_name", "file", "image_url", "image_path", "path", "image_id", "id")
LABEL = ("label", "labels", "class", "classes", "category", "tags", "target", "name")
PLURAL = ("labels", "classes", "tags")
CORNERS = ("xmin", "ymin", "xmax", "ymax")
KNOWN = frozenset({*IMAGE, *LABEL, *CORNERS, "split", "width", "height"})  # however their letters are written


def read(location: UPath) -> Annotations:
    """All images that the file names. Raises SourceError for columns that name no image or no label."""
    file = _file(location)
    if file is None:
        raise SourceError(f"{called(location)}: the folder holds no CSV file, or several; name one")
    source = registry.sources()["csv"]
    table = source.read(source.options(path=str(file))).cast(pl.String)
    table = table.rename({name: name.strip().lower() for name in table.columns if name.strip().lower() in KNOWN})
    image = next((name for name in IMAGE if name in table.columns), None)
    if image is None:
        raise SourceError(
            f"{called(file)}: no column names images; call it {IMAGE[0]!r}. It has {listed(table.columns)}"
        )
    places = ImageFiles(file.parent)
    table = table.with_columns(pl.Series(image, [places.find(name) for name in table[image].to_list()]))
    images = (
        _boxed(table, image, called(file))
        if set(CORNERS) <= set(table.columns)
        else _labelled(table, image, called(file))
    )
    return annotations_of(images, where=called(file))


def _labelled(table: pl.DataFrame, image: str, where: str) -> list[AnnotatedImage]:
    """An image for each row, by one column of labels or by one for each label."""
    column = next((name for name in LABEL if name in table.columns), None)
    sets = _marked(table, image, where) if column is None else _sets(table[column])
    rows = zip(table[image].to_list(), sets, _splits(table, where), strict=True)
    return [AnnotatedImage(name, labels, split=split) for name, labels, split in rows]


def _sets(cells: pl.Series) -> list[tuple[str, ...] | None]:
    """Labels between commas, or as lists; in a column of `labels` between blanks, where each stands alone somewhere too."""
    words = cells.drop_nulls().str.split(" ").explode().unique()
    if cells.name in PLURAL and cells.drop_nulls().str.contains(" ").any() and words.is_in(cells.implode()).all():
        cells = cells.str.replace_all(" ", ", ", literal=True)
    return label_sets(cells)


def _marked(table: pl.DataFrame, image: str, where: str) -> list[tuple[str, ...] | None]:
    """Labels whose column holds 1."""
    others = table.drop(image, "split", strict=False)
    marks = [name for name in others.columns if set(others[name].drop_nulls().unique()) <= {"0", "1"}]
    if not marks:
        raise SourceError(
            f"{where}: no column of labels; call it {LABEL[0]!r}, or give each label a column of 0 and 1. "
            f"It has {listed(table.columns)}"
        )
    return [tuple(name for name in marks if row[name] == "1") for row in others.iter_rows(named=True)]


def _boxed(table: pl.DataFrame, image: str, where: str) -> list[AnnotatedImage]:
    """A row is a box; one without a label says that there is nothing to be seen."""
    column = next((name for name in LABEL if name in table.columns), LABEL[0])
    found = []
    for (name,), rows in table.with_columns(pl.Series("split", _splits(table, where))).group_by(
        image, maintain_order=True
    ):
        first = rows.row(0, named=True)
        width, height = (int(first[side]) if first.get(side) else None for side in ("width", "height"))
        whole = with_size(AnnotatedImage(str(name), None, None, width, height, first["split"]))
        objects = tuple(_object(row, column, whole) for row in rows.iter_rows(named=True) if row[column] is not None)
        found.append(AnnotatedImage(whole.image, None, objects, whole.width, whole.height, whole.split))
    return found


def _object(row: dict[str, str], column: str, image: AnnotatedImage) -> ImageObject:
    try:
        corners = tuple(float(row[corner]) for corner in CORNERS)
    except (TypeError, ValueError):
        raise SourceError(f"{image.image}: {[row[one] for one in CORNERS]} are no four corners of a box") from None
    left, top, right, bottom = shares(corners, image.size)
    return ImageObject(row[column], (left, top, right, bottom))


def _splits(table: pl.DataFrame, where: str) -> list[str]:
    given = table["split"].fill_null("").to_list() if "split" in table.columns else [""] * table.height
    return [split_named(split, where) for split in given]


def write(annotations: Annotations, location: UPath) -> None:
    """One file with a class or a list of labels for each image; nothing where nobody has looked."""
    file = location if location.suffix.lower() == ".csv" else location.joinpath(FILE)
    has_splits = any(image.split for image in annotations.images)
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(["image", LABEL[annotations.kind == "labels"], *["split"] * has_splits])
    for image in annotations.images:
        writer.writerow([named_from(image, file.parent), _cell(image, annotations), *[image.split] * has_splits])
    write_new(file, stream.getvalue().encode())


def _cell(image: AnnotatedImage, annotations: Annotations) -> str:
    if image.labels is None:
        return ""
    return json.dumps(image.labels, ensure_ascii=False) if annotations.kind == "labels" else image.labels[0]


def _file(location: UPath) -> UPath | None:
    if not location.is_dir():
        return location if location.suffix.lower() in SUFFIXES else None
    found = [one for one in files_below(location) if one.suffix.lower() in SUFFIXES]
    return found[0] if len(found) == 1 else None


PART = AnnotationFormat(
    name="csv",
    title="CSV (labels)",
    holds=frozenset({"class", "labels"}),
    is_at=lambda location: _file(location) is not None,
    read=read,
    write=write,
    lacks=lambda annotations: (),
)
