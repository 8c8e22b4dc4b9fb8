"""Objects in images as JSON has them, in the words of automated ML for images of Azure: in lines of a file, and in cells of tables."""

import ast
import json
from typing import Any

from pydantic import BaseModel, Field, TypeAdapter, ValidationError

from automl_assets.data.annotated_images import ImageObject, RunLengths, box_around
from automl_assets.errors import SourceError

SHOWN = 80  # characters of a cell in a message
ADVICE = 'write objects as [{"label": "cat", "topX": 0.1, "topY": 0.2, "bottomX": 0.5, "bottomY": 0.6}], in shares of width and height'


class Mask(BaseModel):
    """Run lengths of a mask, and its size in pixels."""

    size: tuple[int, int]  # height, width
    counts: list[int]


class Thing(BaseModel):
    """An object: a box, or outlines, or a mask with its box."""

    label: str
    top_x: float | None = Field(None, alias="topX")
    top_y: float | None = Field(None, alias="topY")
    bottom_x: float | None = Field(None, alias="bottomX")
    bottom_y: float | None = Field(None, alias="bottomY")
    polygon: list[list[float]] | None = None
    mask: Mask | None = None
    is_crowd: int | str = Field(0, alias="isCrowd")


def object_of(one: Thing, where: str) -> ImageObject:
    """An object, with the box around its outlines where none is told. Raises SourceError for one without a place."""
    polygons = tuple(map(tuple, one.polygon or ()))
    corners = (one.top_x, one.top_y, one.bottom_x, one.bottom_y)
    known = [value for value in corners if value is not None]
    if len(known) not in (0, 4) or (not known and not polygons):
        raise SourceError(f"{where}: an object has topX, topY, bottomX and bottomY, or a polygon; got {one.label!r}")
    box = (known[0], known[1], known[2], known[3]) if known else box_around(polygons)
    mask = RunLengths(tuple(one.mask.counts), *one.mask.size) if one.mask else None
    return ImageObject(one.label, box, polygons, mask, str(one.is_crowd).lower() in ("1", "true"))


_THINGS = TypeAdapter(list[Thing])


def objects_in(cell: Any, where: str) -> tuple[ImageObject, ...]:
    """The objects of a cell: a list of them, or one written as JSON or as Python prints it. Raises SourceError for others.

    >>> objects_in('[{"label": "cat", "topX": 0, "topY": 0, "bottomX": 0.5, "bottomY": 1}]', "row 1")[0].box
    (0.0, 0.0, 0.5, 1.0)
    """
    try:
        found = _THINGS.validate_python(_parsed(cell) if isinstance(cell, str) else cell)
    except ValidationError as error:
        first = error.errors()[0]
        place = f"{'.'.join(map(str, first['loc']))}: " if first["loc"] else ""
        raise SourceError(f"{where}: {str(cell)[:SHOWN]!r}: {place}{first['msg']}; {ADVICE}") from None
    return tuple(object_of(one, where) for one in found)


def _parsed(text: str) -> Any:
    for parse in (json.loads, ast.literal_eval):
        try:
            return parse(text)
        except (ValueError, SyntaxError):
            continue
    return text
