"""Every format of annotated images: what is written is read again, and what others have written is read right."""

import io
import json
from dataclasses import replace
from itertools import count

import fsspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from automl_assets import registry
from automl_assets.data.annotated_images import (
    AnnotatedImage,
    Annotations,
    ImageObject,
    RunLengths,
    annotations_of,
    box_around,
)
from automl_assets.data.locations import location_of
from automl_assets.errors import SourceError

FORMATS = registry.annotation_formats()
PLACES = (f"memory://annotations/{number}/data" for number in count())  # a folder of its own for each example
CLASSES = ("cat", "Hund", "чашка", "two words")
SIZE = (499, 300)

shares = st.integers(0, 1000).map(lambda number: number / 1000)
labels = st.sampled_from(CLASSES)


@st.composite
def boxes(draw: st.DrawFn) -> tuple[float, float, float, float]:
    left, right, top, bottom = (draw(shares) for _ in range(4))
    return min(left, right), min(top, bottom), max(left, right) + 0.001, max(top, bottom) + 0.001


@st.composite
def outlines(draw: st.DrawFn) -> tuple[float, ...]:
    return tuple(draw(shares) for _ in range(2 * draw(st.integers(3, 5))))


@st.composite
def objects(draw: st.DrawFn, kind: str, is_rich: bool) -> ImageObject:
    label, is_crowd = draw(labels), is_rich and draw(st.booleans())
    if kind == "boxes":
        return ImageObject(label, draw(boxes()), is_crowd=is_crowd)
    if is_rich and draw(st.booleans()):
        counts = tuple(draw(st.lists(st.integers(0, 900), min_size=1, max_size=6)))
        return ImageObject(label, draw(boxes()), (), RunLengths(counts, SIZE[1], SIZE[0]), is_crowd)
    polygons = tuple(draw(st.lists(outlines(), min_size=1, max_size=3 if is_rich else 1)))
    return ImageObject(label, box_around(polygons), polygons, None, is_crowd)


@st.composite
def annotations(draw: st.DrawFn, kind: str, is_rich: bool) -> Annotations:
    """Images that lie somewhere; `is_rich` with crowds, masks and several outlines, which not every format has a place for."""
    place, images = next(PLACES), list[AnnotatedImage]()
    for number in range(draw(st.integers(1, 4))):
        name = str(location_of(f"{place}/given/{number}.png"))
        image = AnnotatedImage(name, None, None, *SIZE, draw(st.sampled_from(("train", "validation", "test"))))
        if kind == "class":
            images.append(replace(image, labels=(draw(labels),)))
        elif kind == "labels":
            images.append(replace(image, labels=tuple(draw(st.lists(labels, max_size=3, unique=True)))))
        else:
            images.append(replace(image, objects=tuple(draw(st.lists(objects(kind, is_rich), max_size=3)))))
    found = annotations_of(images, CLASSES)
    return replace(found, kind=kind)  # what few images show may be less than what is asked for


def written(given_: Annotations, name: str) -> Annotations:
    """As it is read again after it was written."""
    filesystem = fsspec.filesystem("memory")
    for image in given_.images:
        filesystem.pipe_file(image.image.removeprefix("memory:/"), _png())
    to = location_of(f"{next(PLACES)}/written")
    FORMATS[name].write(given_, to)
    assert FORMATS[name].is_at(to)
    return FORMATS[name].read(to)


def _png() -> bytes:
    stream = io.BytesIO()
    Image.new("L", SIZE).save(stream, "png")
    return stream.getvalue()


CASES = [(name, kind) for name, one in FORMATS.items() for kind in sorted(one.holds)]


@pytest.mark.parametrize(("name", "kind"), CASES)
@settings(max_examples=12, deadline=None)
@given(st.data())
def test_what_is_written_is_read_again(name: str, kind: str, data: st.DataObject) -> None:
    one = FORMATS[name]
    given_ = data.draw(annotations(kind, is_rich=True))
    if one.lacks(given_):
        given_ = data.draw(annotations(kind, is_rich=False))
        assert one.lacks(given_) == ()
    read = written(given_, name)
    by_stem = {location_of(image.image).stem: image for image in read.images}
    assert len(by_stem) == len(given_.images)
    for image in given_.images:
        _is_same(image, by_stem[location_of(image.image).stem], kind)


def _is_same(image: AnnotatedImage, read: AnnotatedImage, kind: str) -> None:
    assert read.split == image.split
    if kind == "class":
        assert read.labels == image.labels
    elif kind == "labels":
        assert set(read.labels or ()) == set(image.labels or ())
    for one, other in zip(image.objects or (), read.objects or read.labels or (), strict=True) if image.objects else ():
        assert (one.label, one.mask, one.is_crowd) == (other.label, other.mask, other.is_crowd)
        assert other.box == pytest.approx(one.box, abs=1e-11)
        assert [*map(len, other.polygons)] == [*map(len, one.polygons)]
        for polygon, outline in zip(one.polygons, other.polygons, strict=True):
            assert outline == pytest.approx(polygon, abs=1e-11)


def test_every_format_is_found() -> None:
    assert set(FORMATS) == {"coco", "csv", "folders", "jsonl", "voc", "yolo"}


# As others write them


def _folder(**files: str | bytes) -> str:
    """Files by name, where `__` stands for `/` and `_at_` for a point."""
    place, filesystem = next(PLACES), fsspec.filesystem("memory")
    for name, content in files.items():
        path = f"{place.removeprefix('memory:/')}/{name.replace('__', '/').replace('_at_', '.')}"
        filesystem.pipe_file(path, content.encode() if isinstance(content, str) else content)
    return place


def test_azure_lines() -> None:
    line = {
        "image_url": "azureml://subscriptions/me/1.jpg",
        "image_details": {"format": "jpg", "width": "499px", "height": "666px"},
        "label": [{"label": "can", "topX": 0.26, "topY": 0.4, "bottomX": 0.7, "bottomY": 0.66, "isCrowd": "false"}],
    }
    place = _folder(train_at_jsonl=json.dumps(line) + "\n" + json.dumps(line | {"label": []}))
    read = FORMATS["jsonl"].read(location_of(place))
    assert read.kind == "boxes"
    assert read.images[0].objects == (ImageObject("can", (0.26, 0.4, 0.7, 0.66)),)
    assert (read.images[0].image, read.images[0].width, read.images[1].objects) == (line["image_url"], 499, ())


def test_coco_of_splits_beside_their_images() -> None:
    coco = {
        "images": [{"id": 7, "file_name": "a.jpg", "width": 100, "height": 50}],
        "annotations": [{"id": 1, "image_id": 7, "category_id": 3, "bbox": [10, 20, 30, 10], "segmentation": []}],
        "categories": [{"id": 9, "name": "late"}, {"id": 3, "name": "early"}],
    }
    packed = {"size": [50, 100], "counts": "52203"}
    coco["annotations"].append({"id": 2, "image_id": 7, "category_id": 9, "bbox": [0, 0, 1, 1], "segmentation": packed})
    place = _folder(
        annotations__instances_val2017_at_json=json.dumps(coco), val2017__a_at_jpg=b"1", other_at_json='{"a": 1}'
    )
    read = FORMATS["coco"].read(location_of(place))
    assert read.classes == ("early", "late")
    (image,) = read.images
    assert image.image.endswith("/val2017/a.jpg") and image.split == "validation"
    assert image.objects == (
        ImageObject("early", (0.1, 0.4, 0.4, 0.6)),
        ImageObject("late", (0.0, 0.0, 0.01, 0.02), (), RunLengths((5, 2, 2, 2, 5), 50, 100)),
    )


def test_yolo_as_roboflow_lays_it_out() -> None:
    place = _folder(
        data_at_yaml="names: [mask, no-mask]\nnc: 2\n",
        valid__images__1_at_png=_png(),
        valid__labels__1_at_txt="1 0.5 0.5 0.2 0.4\n0 0.1 0.1 0.3 0.1 0.2 0.4\n",
        train__images__2_at_png=_png(),
    )
    read = FORMATS["yolo"].read(location_of(place))
    empty, image = read.images
    assert (read.kind, read.classes, image.split, empty.objects) == ("masks", ("mask", "no-mask"), "validation", ())
    assert image.objects is not None
    assert image.objects[0].box == pytest.approx((0.4, 0.3, 0.6, 0.7))
    assert image.objects[1].box == (0.1, 0.1, 0.3, 0.4)


def test_tables_of_labels() -> None:
    columns = _folder(train_at_csv="Id,Genre,Action,Drama\n1.jpg,[x],1,0\n2.jpg,[y],0,0\n")
    read = FORMATS["csv"].read(location_of(columns))
    assert [image.labels for image in read.images] == [("Action",), ()]
    blanks = _folder(labels_at_csv="filename,labels\n1.jpg,can\n2.jpg,milk_bottle can\n3.jpg,milk_bottle\n")
    assert [image.labels for image in FORMATS["csv"].read(location_of(blanks)).images][1] == ("milk_bottle", "can")
    names = _folder(labels_at_csv="filename,labels\n1.jpg,milk bottle\n2.jpg,can\n")
    assert [image.labels for image in FORMATS["csv"].read(location_of(names)).images] == [("milk bottle",), ("can",)]
    boxes_ = _folder(
        boxes_at_csv="filename,width,height,class,xmin,ymin,xmax,ymax\n1.jpg,100,50,ear,10,20,30,40\n1.jpg,100,50,eye,0,0,5,5\n"
    )
    (image,) = FORMATS["csv"].read(location_of(boxes_)).images
    assert image.objects == (ImageObject("ear", (0.1, 0.4, 0.3, 0.8)), ImageObject("eye", (0.0, 0.0, 0.05, 0.1)))


def test_folders_of_splits_and_classes() -> None:
    place = _folder(train__cat__1_at_jpg=b"1", val__dog__1_at_jpg=b"2", new_at_jpg=b"3")
    read = FORMATS["folders"].read(location_of(place))
    assert [(image.labels, image.split) for image in read.images] == [
        (None, ""),
        (("cat",), "train"),
        (("dog",), "validation"),
    ]


@pytest.mark.parametrize(
    ("name", "files", "told"),
    [
        ("jsonl", {"a_at_jsonl": '{"label": "x"}'}, r"a\.jsonl, line 1: image_url: Field required; a line has"),
        ("jsonl", {"a_at_jsonl": "\n"}, "no image is named"),
        (
            "jsonl",
            {"a_at_jsonl": '{"image_url": "1.jpg", "label": [{"label": "x", "topX": 1}]}'},
            "an object has topX, topY, bottomX and bottomY, or a polygon; got 'x'",
        ),
        ("coco", {"a_at_json": '{"images": [{"id": 1}]}'}, r"images\.0\.file_name: Field required; COCO has the lists"),
        ("voc", {"a_at_xml": "<annotation>"}, r"a\.xml is no XML"),
        ("voc", {"a_at_xml": "<other/>"}, r"a\.xml: Pascal VOC has <annotation> with"),
        ("yolo", {"1_at_png": b"1"}, r"classes are named in data\.yaml, .*; none of them is there"),
        (
            "yolo",
            {"classes_at_txt": "a", "1_at_png": b"1", "1_at_txt": "0 .1 .2 .3 .4\n1 .1 .2 .3 .4"},
            r"1\.txt, line 2: class 1 has no name; there are 1, counted from 0",
        ),
        (
            "yolo",
            {"classes_at_txt": "a", "1_at_png": b"1", "1_at_txt": "0 .1 .2 .3"},
            r"line 1: 3 numbers behind the class; a box has 4",
        ),
        ("csv", {"a_at_csv": "x,label\n1,2\n"}, "no column names images; call it 'image'. It has x, label"),
        ("csv", {"a_at_csv": "image,x\n1.jpg,7\n"}, "no column of labels; call it 'label', or give each label"),
        (
            "csv",
            {"a_at_csv": "image,label,split\n1.jpg,x,week 1\n"},
            "no split is called 'week 1'; possible are train, val",
        ),
        (
            "jsonl",
            {"a_at_jsonl": '{"image_url": "1.jpg", "label": "x", "split": "odd"}'},
            "line 1: no split is called 'odd'",
        ),
        ("folders", {"1_at_jpg": b"1"}, "no image lies in a folder that is called as its class"),
    ],
)
def test_what_is_no_annotation_is_told(name: str, files: dict, told: str) -> None:
    with pytest.raises(SourceError, match=told):
        FORMATS[name].read(location_of(_folder(**files)))


def test_two_images_of_one_name_are_told_apart_by_their_folder() -> None:
    coco = {"images": [{"id": 1, "file_name": "1.jpg"}], "annotations": [], "categories": []}
    place = _folder(a_at_json=json.dumps(coco), x__1_at_jpg=b"1", y__1_at_jpg=b"1")
    with pytest.raises(SourceError, match=r"1\.jpg: 2 images are called so .*; name them with their folder"):
        FORMATS["coco"].read(location_of(place))


def test_nothing_is_written_over() -> None:
    given_ = annotations_of([AnnotatedImage("memory:///somewhere/1.jpg", ("cat",))])
    place = location_of(f"{next(PLACES)}/labels.jsonl")
    FORMATS["jsonl"].write(given_, place)
    with pytest.raises(SourceError, match="is there already; name another place, or remove it"):
        FORMATS["jsonl"].write(given_, place)
