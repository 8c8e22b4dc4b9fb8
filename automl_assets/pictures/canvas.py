"""What every picture shares: figure, colours, words, numbers, legends and bars.

Here belongs every choice of colour, size and type. Not here: what one picture shows.
"""

import io
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from typing import Any

import numpy as np

from automl_assets.model_records import Picture

Axes = Any  # matplotlib's Axes and Figure: matplotlib is imported only where something is drawn
Figure = Any
Curve = tuple[np.ndarray, np.ndarray]  # x and y

MOST_BYTES = 100_000  # Dagster stores pictures in its event log
MOST_VECTOR = 25_000  # bytes; of more lines dots take fewer
MOST_CURVES = 8  # classes beyond this number are drawn as a grey bundle
MOST_CLASSES = 30
MOST_BARS = 25
MOST_POINTS = 1500
WIDTH = 6.0  # inches

INK, SOFT, GRID = "#222222", "#6b6b6b", "#e6e6e6"
BLUE, ORANGE, GREEN, PINK = "#0072b2", "#d55e00", "#009e73", "#cc79a7"
CURVES = (BLUE, ORANGE, GREEN, PINK, "#e69f00", "#56b4e9", "#882255", "#999933")  # after Okabe and Ito (2008)

STYLE: Any = {
    "text.parse_math": False,  # text from data may hold dollar signs
    "font.family": "DejaVu Sans",
    "font.size": 9,
    "text.color": INK,
    "axes.titlesize": 11,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.titlepad": 22,  # leaves room for the line below the title
    "axes.labelsize": 9,
    "axes.labelcolor": INK,
    "axes.edgecolor": SOFT,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "axes.grid": True,
    "axes.formatter.use_mathtext": False,
    "axes.unicode_minus": True,
    "grid.color": GRID,
    "grid.linewidth": 0.8,
    "xtick.color": SOFT,
    "ytick.color": SOFT,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "legend.frameon": True,
    "legend.framealpha": 0.9,
    "legend.edgecolor": "none",
    "legend.fontsize": 8.5,
    "lines.linewidth": 1.6,
    "lines.solid_capstyle": "round",
}


def picture(name: str, title: str, paint: Callable[[Figure], None], height: float = 4.2) -> Picture:
    """Paints on a fresh figure; a drawing that is too large is made again with fewer dots per inch."""
    with _figure(paint, height) as figure:
        images = (_png(figure, dots_per_inch) for dots_per_inch in (160, 120, 80, 40))
        return Picture(name, title, next(image for image in images if len(image) < MOST_BYTES))


def drawing(name: str, title: str, paint: Callable[[Figure], None], height: float = 4.2) -> Picture:
    """The same as SVG, which is sharp at any size and takes a fifth of the bytes, but for very many lines."""
    from automl_assets.pictures import vector

    with _figure(paint, height) as figure:
        image = vector.drawn(figure)
    return Picture(name, title, image) if len(image) <= MOST_VECTOR else picture(name, title, paint, height)


@contextmanager
def _figure(paint: Callable[[Figure], None], height: float) -> Iterator[Figure]:
    """A painted figure, in our style."""
    import matplotlib
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(WIDTH, height), layout=ConstrainedLayoutEngine(w_pad=0.1, h_pad=0.1))
        paint(figure)
        yield figure


def _png(figure: Figure, dots_per_inch: int) -> bytes:
    """A palette of 200 colours takes a third of the bytes; median cut keeps white white and the blues apart."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from PIL import Image

    figure.set_dpi(dots_per_inch)
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    image = Image.fromarray(np.asarray(canvas.buffer_rgba())).convert("RGB")
    buffer = io.BytesIO()
    image.quantize(200, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE).save(buffer, "png")
    return buffer.getvalue()


def titled(axes: Axes, title: str, note: str, across: str, up: str) -> None:
    axes.set_title(title)
    axes.annotate(note, (0, 1), (0, 7), xycoords="axes fraction", textcoords="offset points", color=SOFT, fontsize=8.5)
    axes.set(xlabel=across, ylabel=up)


def heading(figure: Figure, title: str, note: str) -> None:
    """Title and note of a figure of several axes; the note stands 0.42 inches from the top."""
    figure.suptitle(f"{title}\n", x=0.01, ha="left", fontsize=11, weight="bold")
    figure.text(0.012, 1 - 0.42 / figure.get_figheight(), note, color=SOFT, fontsize=8.5)


# Words and numbers


def readable(text: object, most: int = 24) -> str:
    """Text from data, short and printable: what the font lacks becomes a box, what is too long loses its middle.

    >>> readable("a" * 30, most=11), readable("two\\nlines")
    ('aaaaa…aaaaa', 'two lines')
    """
    line = " ".join(str(text).split()) or "(empty)"
    shown = "".join(sign if ord(sign) in _known_signs() else "□" for sign in line)
    half = (most - 1) // 2
    return shown if len(shown) <= most else f"{shown[: most - 1 - half]}…{shown[len(shown) - half :]}"


def entry(text: object, most: int = 18) -> str:
    """Text for a legend: matplotlib drops what starts with an underscore, so a hair space goes before it."""
    return f"\u200a{readable(text, most)}"


@cache
def _known_signs() -> frozenset[int]:
    from matplotlib import font_manager

    path = font_manager.findfont(STYLE["font.family"])
    return frozenset(font_manager.get_font(path).get_charmap())


def short_number(value: float, _position: object = None) -> str:
    """A number of about three digits, thousands as k, millions as M, billions as G.

    >>> short_number(1234567), short_number(-25000), short_number(0.125)
    ('1.23M', '−25k', '0.125')
    """
    for size, sign in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= 0.9995 * size and abs(value) >= 1e4 * (size == 1e3):
            return f"{value / size:.3g}{sign}".replace("-", "−")
    return f"{value:.4g}".replace("-", "−")


def plain_numbers(*ticked: Any) -> None:
    for axis in ticked:
        axis.set_major_formatter(short_number)


def legend(axes: Axes, place: str) -> None:
    """A legend inside the axes, or beside them when it is long."""
    handles, labels = axes.get_legend_handles_labels()
    beside = {"loc": "center left", "bbox_to_anchor": (1.0, 0.5)}
    if handles:
        axes.legend(handles, labels, handlelength=1.6, **(beside if len(handles) > 4 else {"loc": place}))


def share_axes(axes: Axes) -> None:
    axes.set(xlim=(0, 1), ylim=(0, 1.005))
    share_ticks(axes.xaxis)
    share_ticks(axes.yaxis)


def share_ticks(axis: Any) -> None:
    axis.set_major_formatter(lambda value, _: f"{100 * value:.0f} %")


def bars(axes: Axes, names: Sequence[str], values: Sequence[float]) -> None:
    places = np.arange(len(names))
    axes.barh(places, values, height=0.66, color="#4c94c4")
    axes.set_yticks(places, [readable(name, 30) for name in names])
    axes.set_ylim(len(names) - 0.4, -0.6)
    axes.grid(axis="y", visible=False)
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    plain_numbers(axes.xaxis)


def bars_height(n_bars: int) -> float:
    return 1.3 + 0.25 * max(n_bars, 2)
