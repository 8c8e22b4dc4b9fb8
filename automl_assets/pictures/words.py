"""Pictures of words: those that speak for each class, and a text whose words are coloured by what they say."""

import unicodedata
from collections.abc import Sequence
from functools import partial
from xml.sax.saxutils import escape

import numpy as np
import polars as pl

from automl_assets.model_records import Picture
from automl_assets.pictures.canvas import BLUE, ORANGE, Axes, Figure, heading, picture, plain_numbers, readable

MOST_PANELS, MOST_TERMS = 8, 8
LINE_LETTERS, LINE_HEIGHT, LETTER_WIDTH, MARGIN = 84, 24, 8.0, 12
MOST_LINES = 12  # of a text
WIDE = "WF"  # signs that take the room of two


def terms_picture(terms: pl.DataFrame) -> Picture:
    """What each class loses without a term, the strongest first. `terms` has output, term and push."""
    outputs = terms["output"].unique(maintain_order=True).to_list()[:MOST_PANELS]
    paint = partial(_paint_panels, terms=terms, outputs=outputs)
    return picture("terms", "Words that speak for each class", paint, height=1.0 + 2.0 * -(-len(outputs) // 2))


def _paint_panels(figure: Figure, terms: pl.DataFrame, outputs: Sequence[str]) -> None:
    places = figure.subplots(-(-len(outputs) // 2), min(2, len(outputs)), squeeze=False).ravel()
    for axes, output in zip(places, outputs, strict=False):
        _paint_panel(axes, terms.filter(pl.col("output") == output), output)
    for axes in places[len(outputs) :]:
        axes.set_visible(False)
    heading(
        figure, "Words that speak for each class", "log-odds lost where the word is cut out; orange: speaks against"
    )


def _paint_panel(axes: Axes, terms: pl.DataFrame, output: str) -> None:
    shown = terms.sort(pl.col("push").abs(), descending=True).head(MOST_TERMS)
    pushes, heights = shown["push"].to_numpy(), np.arange(shown.height)
    axes.barh(heights, pushes, height=0.66, color=[BLUE if push > 0 else ORANGE for push in pushes])
    axes.set_yticks(heights, [readable(term, 18) for term in shown["term"]], fontsize=7.5)
    axes.set_ylim(max(shown.height, 1) - 0.4, -0.6)
    axes.grid(axis="y", visible=False)
    axes.tick_params(axis="y", length=0)
    axes.set_title(readable(output, 28), fontsize=9, pad=4)
    plain_numbers(axes.xaxis)


def text_picture(name: str, title: str, words: Sequence[tuple[str, float]]) -> Picture:
    """A text as SVG: each word on blue where it speaks for the answer, on orange where against it, the stronger the more.

    Everything from data is escaped. A text whose first letter is written from right to left is laid out so.
    """
    strongest = max((abs(says) for _, says in words), default=0.0) or 1.0
    lines = _lines([(_plain(word), says / strongest) for word, says in words])
    width, height = LINE_LETTERS * LETTER_WIDTH + 2 * MARGIN, (len(lines) + 1) * LINE_HEIGHT + MARGIN
    is_from_right = _is_from_right("".join(word for word, _ in words))
    elements = [_text(MARGIN, LINE_HEIGHT - 7, title, "#222222")]
    for number, line in enumerate(lines, start=1):
        for word, says, place in line:
            long = _letters(word) * LETTER_WIDTH
            left = MARGIN + place * LETTER_WIDTH
            left = width - left - long if is_from_right else left
            elements.append(_marked(word, says, (left, number * LINE_HEIGHT, long)))
    start = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height:.0f}" width="{width:.0f}" height="{height}">'
    style = '<style>text{font:13px "DejaVu Sans Mono",Menlo,Consolas,monospace}</style>'
    return Picture(name, title, "".join([start, style, *elements, "</svg>"]).encode())


def _marked(word: str, says: float, place: tuple[float, float, float]) -> str:
    left, top, long = place
    colour = BLUE if says > 0 else ORANGE
    box = f'<rect x="{left:.1f}" y="{top + 3}" width="{long:.1f}" height="{LINE_HEIGHT - 5}" rx="3" fill="{colour}"'
    fitted = f' textLength="{long - 2:.1f}" lengthAdjust="spacingAndGlyphs"'
    return f'{box} fill-opacity="{0.6 * abs(says):.2f}"/>' + _text(
        left + 1, top + LINE_HEIGHT - 7, word, "#222222", fitted
    )


def _text(left: float, base: float, text: str, colour: str, fitted: str = "") -> str:
    return f'<text x="{left:.1f}" y="{base}" fill="{colour}"{fitted}>{escape(_plain(text))}</text>'


def _lines(words: Sequence[tuple[str, float]]) -> list[list[tuple[str, float, int]]]:
    """Words with what they say and where they begin, line by line; the last line of a longer text ends with an ellipsis."""
    lines: list[list[tuple[str, float, int]]] = [[]]
    place = 0
    for word, says in words:
        if place and place + _letters(word) > LINE_LETTERS:
            if len(lines) == MOST_LINES:
                lines[-1].append(("…", 0.0, min(place, LINE_LETTERS - 1)))
                break
            lines.append([])
            place = 0
        lines[-1].append((word, says, place))
        place += _letters(word) + 1
    return lines


def _letters(word: str) -> int:
    """Room that a word takes."""
    return max(1, sum(1 + (unicodedata.east_asian_width(sign) in WIDE) for sign in word))


def _plain(text: str) -> str:
    """On one line of bounded length, without signs that XML has no place for."""
    shown = "".join(sign if sign.isprintable() else " " for sign in " ".join(text.split()))
    return shown if len(shown) <= LINE_LETTERS else f"{shown[: LINE_LETTERS - 1]}…"


def _is_from_right(text: str) -> bool:
    strong = (kind for kind in map(unicodedata.bidirectional, text) if kind in ("L", "R", "AL"))
    return next(strong, "L") != "L"
