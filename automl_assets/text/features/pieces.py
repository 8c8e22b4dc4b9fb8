"""A text cut into the pieces whose say in an answer is asked for: its words, or of a long text runs of words.

Not here: who is asked, and what is said.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from automl_assets.text.features.tokens import words

MOST_PIECES = 40  # of a text; runs of words in a longer one


@dataclass(frozen=True)
class Pieces:
    """Where the pieces of a text stand in it, as offsets in characters."""

    text: str
    starts: tuple[int, ...]
    stops: tuple[int, ...]

    def __len__(self) -> int:
        return len(self.starts)

    @property
    def names(self) -> tuple[str, ...]:
        """The pieces as they are written."""
        return tuple(self.text[start:stop] for start, stop in zip(self.starts, self.stops, strict=True))

    def texts(self, pieces: Sequence[np.ndarray]) -> np.ndarray:
        """The text with other pieces, object [n_rows], of object [n_rows] each; what stands between them stays.

        >>> cut("so good").texts([np.array(["so", "so"], object), np.array(["", "bad"], object)])
        array(['so ', 'so bad'], dtype=object)
        """
        ends = [0, *self.stops]
        whole = np.full(
            len(pieces[0]) if pieces else 1, self.text[: self.starts[0]] if self.starts else self.text, object
        )
        for place, piece in enumerate(pieces):
            following = [*self.starts, len(self.text)][place + 1]
            whole = whole + piece + self.text[ends[place + 1] : following]
        return whole


def cut(text: str, most: int = MOST_PIECES) -> Pieces:
    """The words of a text with their places, or where there are more than `most` as many runs of words.

    >>> cut("Good day 世界").names, cut("a b c d", most=2).names
    (('Good', 'day', '世', '界'), ('a b', 'c d'))
    """
    starts, stops, end = [], [], 0
    for word in words(pl.Series([text]))[1]:
        starts.append(text.index(word, end))
        end = starts[-1] + len(word)
        stops.append(end)
    runs = [run for run in np.array_split(np.arange(len(starts)), min(most, max(1, len(starts)))) if len(run)]
    return Pieces(text, tuple(starts[run[0]] for run in runs), tuple(stops[run[-1]] for run in runs))
