"""region_contributions: what each region of an image adds to the answer (SHAP values, Lundberg and Lee 2017). An absent region
has the mean colour of its image.

Works in log-odds, for any ensemble, on small copies. The contributions of an image add up to its log-odds less those of its
mean colour alone.
"""

import io
import time
from base64 import b64encode
from dataclasses import dataclass

import numpy as np
import polars as pl

from automl_assets.data.image_cells import pixels_at
from automl_assets.data.pixels import HELD
from automl_assets.explanation.pace import Pace
from automl_assets.explanation.shapley import Feeds, Shapley, shapley
from automl_assets.records import Ensemble, Problem
from automl_assets.steps.explained_outputs import log_odds, output_names
from automl_assets.vision.steps.predict import answer

LONG_SIDE = 256  # pixels of the longer side of what is asked about
FEWEST_REGIONS, MOST_REGIONS = 3, 7  # in each direction
MOST_PASSES = 8  # each with an order of its own
MOST_TOGETHER = 400  # images of one question, which are held in memory
PLACES = ("top", "left", "bottom", "right")  # of a region, pixels of the image itself
SCHEMA = {
    **{"row": pl.Int64, "output": pl.String, "base": pl.Float64, "column": pl.String, "value": pl.String},
    **dict.fromkeys(PLACES, pl.Int64),
    **{"contribution": pl.Float64, "standard_error": pl.Float64},
}


class PacedModel(Pace):
    """An ensemble that is asked about images again and again within a time."""

    def __init__(self, ensemble: Ensemble):
        super().__init__(MOST_TOGETHER)
        self.ensemble = ensemble
        self._is_warm = False

    @property
    def problem(self) -> Problem:
        return self.ensemble.problem

    def answers(self, images: list[np.ndarray]) -> np.ndarray:
        """Probabilities [n_images, n_classes]. The first of all is asked about once without being counted: what it loads is
        not loaded again."""
        cells = pl.DataFrame({self.ensemble.featurizer.image: [_cell(pixels) for pixels in images]})
        if not self._is_warm:
            answer(self.ensemble, cells[:1])
            self._is_warm = True
        found: np.ndarray = self.timed(len(images), lambda: answer(self.ensemble, cells))
        return found


def _cell(pixels: np.ndarray) -> str:
    """An image as a cell that holds it, in a format that takes no time."""
    from PIL import Image

    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "BMP")
    return f"{HELD}image/bmp;base64,{b64encode(stream.getvalue()).decode()}"


@dataclass(frozen=True)
class SmallImage:
    """What is asked about in the place of an image, and how large that is."""

    pixels: np.ndarray  # uint8 [height, width, 3], of a small copy
    height: int
    width: int

    @classmethod
    def at(cls, cell: str) -> "SmallImage":
        """Raises DataError for what is no image."""
        from PIL import Image

        pixels = pixels_at(cell)
        small = Image.fromarray(pixels)
        small.thumbnail((LONG_SIDE, LONG_SIDE))
        return cls(np.asarray(small), *pixels.shape[:2])


@dataclass(frozen=True)
class _Regions:
    """An image whose regions come and go."""

    model: PacedModel
    image: SmallImage
    n_down: int
    n_across: int

    @classmethod
    def of(cls, model: PacedModel, image: SmallImage, most: int) -> "_Regions":
        height, width = image.pixels.shape[:2]
        return cls(model, image, min(most, height), min(most, width))

    def found(self, deadline: float) -> Shapley:
        names = [str(place) for place in range(self.n_down * self.n_across)]
        whole = {name: np.ones((1, 1), bool) for name in names}
        bare = {name: np.zeros((MOST_PASSES, 1), bool) for name in names}
        begun_by = deadline - self.model.seconds_for(2 * len(names))  # a further pass
        return shapley(self._scores, whole, bare, [(name,) for name in names], np.random.default_rng(0), begun_by)

    def _scores(self, feeds: Feeds) -> np.ndarray:
        shown = np.hstack([*feeds.values()]).reshape(-1, self.n_down, self.n_across)
        distinct, places = np.unique(shown, axis=0, return_inverse=True)
        answers = [self.model.answers([*map(self._masked, part)]) for part in _parts(distinct)]
        return log_odds(np.concatenate(answers), self.model.problem)[places.reshape(-1)]

    def _masked(self, is_shown: np.ndarray) -> np.ndarray:
        pixels = self.image.pixels
        down, across = (_regions_of(n, size) for n, size in zip(is_shown.shape, pixels.shape, strict=False))
        colour = pixels.mean(axis=(0, 1)).round().astype(np.uint8)
        return np.where(is_shown[down][:, across, None], pixels, colour)

    def places(self) -> list[tuple[str, int, int, int, int]]:
        """How each region is called, and where in the image it lies."""
        down, across = (
            np.round(np.linspace(0, size, n + 1)).astype(int).tolist()
            for n, size in ((self.n_down, self.image.height), (self.n_across, self.image.width))
        )
        return [
            (f"region {i + 1}, {j + 1}", down[i], across[j], down[i + 1], across[j + 1])
            for i in range(self.n_down)
            for j in range(self.n_across)
        ]


def _parts(shown: np.ndarray) -> list[np.ndarray]:
    return [shown[start : start + MOST_TOGETHER] for start in range(0, len(shown), MOST_TOGETHER)]


def _regions_of(n_regions: int, n_pixels: int) -> np.ndarray:
    """The region of each pixel along a side, int64 [n_pixels]."""
    return np.arange(n_pixels) * n_regions // n_pixels


@dataclass(frozen=True)
class RegionContributions:
    """A line for each image, output and region, as in SCHEMA."""

    table: pl.DataFrame
    n_rows: int  # from the first on, that there was time for
    n_passes: int  # that each of them had at least


def region_contributions(model: PacedModel, cells: list[str], seconds: float, least_rows: int) -> RegionContributions:
    """What each region of images adds.

    Each image has an equal share of the time, and one pass at least, which has no standard error; it is cut into as many
    regions as there is time for. When it is up no image is begun but the first `least_rows`. Raises DataError for what is no
    image.
    """
    outputs, started = output_names(model.problem), time.monotonic()
    lines: list[tuple] = []
    n_passes, n_rows = MOST_PASSES, 0
    for row, cell in enumerate(cells):
        if row >= least_rows and time.monotonic() > started + seconds:
            break
        n_rows, deadline = row + 1, started + seconds * (row + 1) / len(cells)
        image = SmallImage.at(cell)
        if not model.n_asked:
            model.answers([image.pixels])
        regions = _Regions.of(model, image, _affordable_regions(model, deadline))
        found = regions.found(deadline)
        n_passes = min(n_passes, found.n_passes)
        lines += _lines(row, regions, found, outputs)
    return RegionContributions(pl.DataFrame(lines, schema=SCHEMA, orient="row"), n_rows, n_passes)


def _affordable_regions(model: PacedModel, deadline: float) -> int:
    """In each direction; a pass asks twice about each."""
    return int(np.clip(np.sqrt(model.rows_until(deadline) / 2), FEWEST_REGIONS, MOST_REGIONS))


def _lines(row: int, regions: _Regions, found: Shapley, outputs: tuple[str, ...]) -> list[tuple]:
    mean, errors, column = found.contributions[0], found.errors[0], regions.model.ensemble.featurizer.image
    return [
        (row, output, float(found.base[o]), column, *place, float(mean[p, o]), float(errors[p, o]))
        for o, output in enumerate(outputs)
        for p, place in enumerate(regions.places())
    ]
