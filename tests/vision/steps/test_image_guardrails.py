"""What is told of images before anything learns from them."""

from pathlib import Path

import numpy as np
import polars as pl
from PIL import Image

from automl_assets.records import SOURCE, TEST_FILE
from automl_assets.vision.steps.image_guardrails import image_sizes, near_duplicates
from automl_assets.vision.steps.image_survey import ImageSurvey, first_alike, survey_images

N_SCENES = 30


def _scene(seed: int, size: tuple[int, int] = (160, 120)) -> Image.Image:
    """Soft random shades, as photographs have them."""
    shades = np.random.default_rng(seed).integers(0, 255, (6, 8, 3), np.uint8)
    return Image.fromarray(shades).resize(size, Image.Resampling.BICUBIC)


def _survey(folder: Path, images: dict[str, Image.Image]) -> ImageSurvey:
    for name, image in images.items():
        image.save(folder / name)
    return survey_images(pl.Series([str(folder / name) for name in images]))


def test_copies_of_another_size_format_and_quality_are_found(tmp_path: Path) -> None:
    images = {f"{seed}.png": _scene(seed) for seed in range(N_SCENES)}
    images |= {"small.png": _scene(3).resize((80, 60)), "copy.jpg": _scene(5), "lighter.png": _lighter(_scene(7))}
    first = first_alike(_survey(tmp_path, images))
    np.testing.assert_array_equal(first, [*range(N_SCENES), 3, 5, 7])


def _lighter(image: Image.Image) -> Image.Image:
    return image.point(lambda value: min(255, value + 4))


def test_plain_images_of_other_colours_are_no_copies(tmp_path: Path) -> None:
    colours = {f"{name}.png": Image.new("RGB", (70, 70), name) for name in ("red", "blue", "white", "black")}
    np.testing.assert_array_equal(first_alike(_survey(tmp_path, colours)), np.arange(4))


def test_many_copies_all_name_an_earlier_one(tmp_path: Path) -> None:
    first = first_alike(_survey(tmp_path, {f"{number}.png": _scene(0) for number in range(20)}))
    assert first[0] == 0 and (first[1:] < np.arange(1, 20)).all()


def test_copies_across_files_weigh_more_than_those_within(tmp_path: Path) -> None:
    images = {f"{number}.png": _scene(number % 10) for number in range(12)}
    survey = _survey(tmp_path, images)
    within = near_duplicates(survey, np.full(12, SOURCE))
    assert within.status == "alerted" and within.figures == {"images": 2, "across_files": 0}
    assert f"{tmp_path}/10.png repeats {tmp_path}/0.png" in within.message and "group_column" in within.message
    across = near_duplicates(survey, np.array([SOURCE] * 11 + [TEST_FILE]))
    assert across.figures == {"images": 1, "across_files": 1}
    assert across.status == "alerted" and f"{tmp_path}/11.png repeats {tmp_path}/1.png" in across.message
    assert near_duplicates(_survey(tmp_path, {"1.png": _scene(1)}), np.zeros(1, int)).status == "passed"


def test_sizes_are_those_of_the_files_as_people_see_them(tmp_path: Path) -> None:
    lying = Image.Exif()
    lying[0x0112] = 6
    _scene(1, (900, 600)).save(tmp_path / "lying.jpg", exif=lying)
    Image.new("RGB", (20, 30)).save(tmp_path / "small.png")
    Image.new("RGB", (100, 100)).save(tmp_path / "square.png")
    survey = survey_images(pl.Series([str(tmp_path / name) for name in ("lying.jpg", "small.png", "square.png", "no")]))
    assert survey.sizes.tolist() == [[600, 900], [20, 30], [100, 100], [0, 0]]
    told = image_sizes(survey)
    assert told.figures == {"smallest": "20 x 30", "median": "100 x 100", "largest": "600 x 900", "small": 1}
    assert told.status == "alerted" and "1 of 3 are smaller than the 64 x 64" in told.message
