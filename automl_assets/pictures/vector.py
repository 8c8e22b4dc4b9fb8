"""Drawings as SVG that is as small as it can be: matplotlib lays them out, the lines and texts are written here.

Dagster keeps pictures in its event log, twice; matplotlib's own SVG takes five times as much. Coordinates are whole tenths
of a point, each told from the one before; looks that come again are told once. Not here: what is drawn, and images.
"""

from collections.abc import Iterable
from typing import Any
from xml.sax.saxutils import escape

import numpy as np
from matplotlib.backend_bases import GraphicsContextBase, RendererBase
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.path import Path
from matplotlib.transforms import Affine2D, Bbox, Transform
from numpy.typing import ArrayLike

TENTHS = 10
POINTS_PER_INCH = 72
SHOWN = 1.6  # pixels a point, where nobody says how large the drawing is to be
FONTS = '"DejaVu Sans",Verdana,sans-serif'  # Verdana is as wide
ANCHORS = {"right": "end", "center": "middle"}
SHARES = {"end": 1.0, "middle": 0.5}  # of a text's width that lie before its anchor
LOOK, MARKER, FRAME = "s", "m", "f"  # first letters of names
LETTERS = {Path.MOVETO: "m", Path.LINETO: "l", Path.CURVE3: "q", Path.CURVE4: "c"}


def drawn(figure: Figure) -> bytes:
    """The figure as SVG. Raises NotImplementedError for one that holds an image."""
    FigureCanvasAgg(figure)  # measures texts
    figure.set_dpi(POINTS_PER_INCH)
    width, height = figure.get_size_inches() * POINTS_PER_INCH
    renderer = _Renderer(width, height)
    figure.draw(renderer)
    return renderer.page().encode()


class _Renderer(RendererBase):
    """What matplotlib draws on, from the top down."""

    def __init__(self, width: float, height: float):
        super().__init__()
        self.width, self.height = width, height
        self.elements: list[str] = []
        self.names: dict[str, str] = {}  # of looks, markers and frames, by what stands in the page

    def page(self) -> str:
        """The whole document."""
        looks = "".join(f".{name}{{{text}}}" for text, name in self.names.items() if name[0] == LOOK)
        shared = "".join(text.replace("?", name) for text, name in self.names.items() if name[0] != LOOK)
        size = f'width="{self.width * SHOWN:.0f}" height="{self.height * SHOWN:.0f}"'
        box = f'viewBox="0 0 {self.width * TENTHS:.0f} {self.height * TENTHS:.0f}"'
        style = f"<style>text{{font-family:{FONTS}}}{looks}</style><defs>{shared}</defs>"
        return f'<svg xmlns="http://www.w3.org/2000/svg" {size} {box}>{style}{"".join(self.elements)}</svg>'

    def get_canvas_width_height(self) -> tuple[float, float]:
        return self.width, self.height

    def flipy(self) -> bool:
        return True

    def draw_path(self, gc: GraphicsContextBase, path: Path, transform: Transform, rgbFace: Any = None) -> None:
        self._add(f'<path d="{_line(path, transform + self._downwards())}"', self._look(gc, rgbFace), "/>")

    def draw_markers(
        self,
        gc: GraphicsContextBase,
        marker_path: Path,
        marker_trans: Transform,
        path: Path,
        trans: Transform,
        rgbFace: Any = None,
    ) -> None:
        line = _line(marker_path, marker_trans + Affine2D().scale(1, -1))
        marker = self._named(MARKER, f'<path id="?" d="{line}"/>')
        ends = (vertices[-2:] for vertices, _ in path.iter_segments(trans + self._downwards(), simplify=False))
        places = [_tenths(end) for end in ends if len(end) and np.isfinite(end).all()]
        uses = (f'<use href="#{marker}" x="{x}" y="{y}"/>' for x, y in places)
        self._add("<g", self._look(gc, rgbFace), ">", *uses, "</g>")

    def draw_text(
        self, gc: GraphicsContextBase, x: float, y: float, s: str, prop: FontProperties, *angle: Any, **about: Any
    ) -> None:
        (turned,), text = angle, about.get("mtext")
        anchor = ANCHORS.get(text.get_horizontalalignment(), "") if text is not None and not turned else ""
        width, _, _ = self.get_text_width_height_descent(s, prop, False)
        left, top = _tenths([x + width * SHARES.get(anchor, 0.0), y])
        turn = f' transform="rotate({-turned:g} {left} {top})"' if turned else ""
        self._add(f'<text x="{left}" y="{top}"{turn}', self._letters(gc, prop, anchor), f">{escape(s)}</text>")

    def _downwards(self) -> Transform:
        return Affine2D().scale(1, -1).translate(0, self.height)

    def _add(self, *parts: str) -> None:
        self.elements.append("".join(parts))

    def _named(self, kind: str, text: str) -> str:
        return self.names.setdefault(text, f"{kind}{len(self.names)}")

    def _look(self, gc: GraphicsContextBase, face: Any) -> str:
        """The class of an outline and what it holds, and of the frame beyond which nothing of it is drawn."""
        words = [_colour("fill", face, gc.get_alpha())]
        if width := gc.get_linewidth():
            words += [_colour("stroke", gc.get_rgb(), gc.get_alpha()), f"stroke-width:{width * TENTHS:g}"]
            words += [f"stroke-linecap:{cap}" for cap in (gc.get_capstyle(),) if cap == "round"]
            words += [f"stroke-dasharray:{_dashes(dashes)}" for _, dashes in (gc.get_dashes(),) if dashes is not None]
        return self._class([*words, *self._frame(gc.get_clip_rectangle())])

    def _letters(self, gc: GraphicsContextBase, prop: FontProperties, anchor: str) -> str:
        """The class of a text."""
        words = [f"font-size:{prop.get_size_in_points() * TENTHS:g}px", _colour("fill", gc.get_rgb(), gc.get_alpha())]
        words += [f"text-anchor:{anchor}"] * bool(anchor) + ["font-weight:700"] * (prop.get_weight() == "bold")
        return self._class(words)

    def _class(self, words: list[str]) -> str:
        return f' class="{self._named(LOOK, ";".join(words))}"'

    def _frame(self, box: Bbox | None) -> list[str]:
        if box is None:
            return []
        left, top, right, bottom = _tenths([box.x0, self.height - box.y1, box.x1, self.height - box.y0])
        frame = f'<clipPath id="?"><path d="M{left} {top}H{right}V{bottom}H{left}"/></clipPath>'
        return [f"clip-path:url(#{self._named(FRAME, frame)})"]


def _line(path: Path, transform: Transform) -> str:
    """The `d` of a path: each place told from the one before, a letter only where it changes."""
    words: list[str] = []
    here = start = np.zeros(2, np.int64)
    before = ""
    for vertices, code in path.iter_segments(transform):
        if code == Path.CLOSEPOLY:
            words.append("z")
            here, before = start, ""
            continue
        places, letter = _tenths(vertices).reshape(-1, 2), LETTERS[code]
        words.append(("" if letter == before else letter) + _numbers((places - here).ravel(), letter == before))
        here, before = places[-1], "l" if letter == "m" else letter  # after a move lines need no letter
        start = here if letter == "m" else start
    return "".join(words)


def _numbers(values: Iterable[int], is_going_on: bool) -> str:
    """Whole numbers with a space between them where no sign parts them."""
    text = "".join(f"{value}" if value < 0 else f" {value}" for value in values)
    return text if is_going_on else text.lstrip()


def _tenths(values: ArrayLike) -> np.ndarray:
    return np.rint(np.asarray(values) * TENTHS).astype(np.int64)


def _dashes(dashes: Any) -> str:
    return " ".join(f"{dash * TENTHS:g}" for dash in dashes)


def _colour(name: str, color: Any, alpha: float | None) -> str:
    if color is None:
        return f"{name}:none"
    opacity = color[3] if len(color) > 3 else alpha if alpha is not None else 1.0
    see_through = f";{name}-opacity:{opacity:.3g}" if opacity < 1 else ""
    return f"{name}:{to_hex(color)}{see_through}"
