"""Words of texts as vectors of an encoder that stays as it is: states of several layers, averaged over a word's pieces.

Every word is cut into pieces by itself, so that pieces and words can be told together in ONNX as well. A text longer than
a window is read in windows that overlap: a piece counts where it has others on both sides. What is read is kept in the
run's own folder, where all folds find it, as `reader` does for whole texts; what little is asked for at once is not.
"""

import hashlib
import os
import random
import time
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from automl_assets.encoders import recent
from automl_assets.encoders.network import states_model_of, tokenizer_content, windows_of
from automl_assets.encoders.reference import Reference
from automl_assets.encoders.tokens import Marks, Tokenizer, tokenizer
from automl_assets.encoders.windows import batches
from automl_assets.errors import LearningError, SettingError
from automl_assets.execution.temporary import own_folder
from automl_assets.onnx.session import open_session, threads_for
from automl_assets.stored import stored_as

MOST_PIECES = 6  # of a word; links and long names have more, which say little
MOST_LENGTH = 128  # tokens of a window: reading takes longer than its length says
CHUNK_WORDS = 4_000  # read between two looks at the clock and at what others have read


@stored_as("encoders.WordReader")
@dataclass(frozen=True)
class WordReader:
    """An encoder, and how it takes texts that are words already. Holds no weights."""

    encoder: Reference
    is_in_graph: bool  # whether words are cut by the operators that cut them in ONNX
    marks: Marks
    length: int  # tokens of a window, marks included

    @property
    def key(self) -> str:
        """What tells its vectors from others'."""
        return f"{self.encoder.key}_{int(self.is_in_graph)}_{self.length}_words"

    @property
    def inner(self) -> int:
        """Pieces of a text in a window."""
        return max(4, self.length - len(self.marks.before) - len(self.marks.after))

    @property
    def context(self) -> int:
        """Pieces on each side of a window that count in another one, where there are several."""
        return self.inner // 4

    def read(
        self, texts: Sequence[Sequence[str]], n_threads: int = 0, deadline: float = float("inf")
    ) -> list[np.ndarray]:
        """The vectors of each text's words, float16 [n_words, n_dims]; on as many threads as may compute here unless it is
        said. Raises LearningError when the time is up; what was read by then is kept."""
        place: dict[tuple[str, ...], int] = {}
        rows = [place.setdefault(tuple(words), len(place)) for words in texts]
        each, n_threads = list(place), n_threads or threads_for(len(texts))
        keys = [_key(words) for words in each]
        shelf = _shelf(own_folder(), self.key)
        found = shelf.recent.among(keys)
        for chunk in _chunks(each):
            found |= shelf.among([keys[i] for i in chunk])
            lacking = [i for i in chunk if keys[i] not in found]
            if not lacking:
                continue
            try:
                made = self._read_now([each[i] for i in lacking], n_threads, deadline)
            except TimeoutError:
                n_read = len(found | shelf.among(keys))
                raise LearningError(
                    f"only {n_read} of {len(keys)} texts were read in time by {self.encoder.name}"
                ) from None
            found |= shelf.add([keys[i] for i in lacking], made, len(each))
        return [found[keys[row]] for row in rows]

    def pieces(self, words: Sequence[str]) -> list[np.ndarray]:
        """Numbers of the pieces of words, each cut by itself: at least one, and the first `MOST_PIECES`."""
        cutter, places = cutter_of(self), dict[str, int]()
        rows = [places.setdefault(word, len(places)) for word in words]
        none = np.array([self.marks.filling])  # of a word that the tokenizer drops
        found = [ids[:MOST_PIECES] if len(ids) else none for ids in cutter.ids(list(places))]
        return [found[row] for row in rows]

    def starts(self, n_pieces: int) -> np.ndarray:
        """Where the windows of a text begin, int64 [n_windows]: each is as long as the first, and answers for `step` pieces."""
        if n_pieces <= self.inner:
            return np.zeros(1, np.int64)
        first = np.arange(-(-n_pieces // self.step)) * self.step - self.context
        return np.clip(first, 0, n_pieces - self.inner)

    @property
    def step(self) -> int:
        """Pieces that a window answers for where a text has several."""
        return self.inner - 2 * self.context

    def _read_now(self, texts: list[tuple[str, ...]], n_threads: int, deadline: float) -> list[np.ndarray]:
        """The vectors of each text's words. Raises TimeoutError when the time is up, which is looked at with every batch: a
        single text may have thousands of windows."""
        cut = self.pieces([word for words in texts for word in words])
        ends = np.cumsum([len(words) for words in texts])
        pieces = [cut[end - len(words) : end] for words, end in zip(texts, ends, strict=True)]
        session, first = _session(self.encoder, n_threads), len(self.marks.before)
        ids, means = [np.concatenate(some) for some in pieces], [_Means(some) for some in pieces]
        starts = [self.starts(len(some)) for some in ids]
        where = [(text, number) for text, some in enumerate(starts) for number in range(len(some))]
        windows = [self._window(ids[text], starts[text][number]) for text, number in where]
        for tokens, mask, chosen in batches(windows, self.marks.filling):
            if time.monotonic() > deadline:
                raise TimeoutError
            answers = session.run(None, {"tokens": tokens, "mask": mask})[0]
            for states, (text, number) in zip(answers, (where[one] for one in chosen), strict=True):
                from_, to = self._answered(number, starts[text], len(ids[text]))
                ahead = first - starts[text][number]
                means[text].add(states[from_ + ahead : to + ahead])
        return [one.found for one in means]

    def _window(self, ids: np.ndarray, start: int) -> tuple[np.ndarray, np.ndarray]:
        """Tokens and mask, int64 [1, n_tokens] each."""
        tokens = np.array([[*self.marks.before, *ids[start : start + self.inner], *self.marks.after]], np.int64)
        return tokens, np.ones_like(tokens)

    def _answered(self, number: int, starts: np.ndarray, n_pieces: int) -> tuple[int, int]:
        """The pieces that a window answers for: the first, and the one behind the last."""
        is_last = number + 1 == len(starts)
        return number * self.step, n_pieces if is_last else (number + 1) * self.step


def word_reader(encoder: Reference, words: Sequence[str], is_exported: bool = False) -> WordReader:
    """The encoder as it reads words like these. Raises SettingError for one that has to be part of an ONNX graph and cannot
    be: a run would know of that at its end alone."""
    cutter = tokenizer(tokenizer_content(encoder), list(dict.fromkeys(words)))
    if is_exported and not cutter.is_in_graph:
        raise SettingError(
            f"skipped: {encoder.name} cuts these words into pieces in a way that no ONNX graph can here; say `onnx: false`, "
            "choose another as `featurization.text_embedding`, or see that onnxruntime-extensions is installed"
        )
    length = windows_of(encoder, cutter.marks, 1).length
    return WordReader(encoder, cutter.is_in_graph, cutter.marks, min(MOST_LENGTH, length))


def cutter_of(reader: WordReader) -> Tokenizer:
    """What cuts its words."""
    return _cutter_of_kind(reader.encoder, reader.is_in_graph)


def _key(words: Sequence[str]) -> bytes:
    """Words hold no blanks."""
    return hashlib.sha256(" ".join(words).encode("utf-8", "surrogatepass")).digest()[:16]


def _chunks(texts: list[tuple[str, ...]]) -> Iterator[list[int]]:
    """Texts of about the same length together; processes begin at different ones."""
    order = sorted(range(len(texts)), key=lambda number: len(texts[number]))
    ends = np.cumsum([len(texts[number]) for number in order])
    chunks = [list[int]() for _ in range(1 + (int(ends[-1]) // CHUNK_WORDS if len(ends) else 0))]
    for number, end in zip(order, ends, strict=True):
        chunks[int(end) // CHUNK_WORDS].append(number)
    random.Random(os.getpid()).shuffle(chunks)
    return iter([chunk for chunk in chunks if chunk])


class _Means:
    """Means over the pieces of each word of a text, whose states come some at a time: all of a long text would take memory
    without end."""

    def __init__(self, pieces: list[np.ndarray]):
        self.lengths = np.array([len(some) for some in pieces])
        self.ends = np.cumsum(self.lengths)
        self.found = np.zeros((0, 0), np.float16)  # [n_words, n_dims] when all have come
        self.n_seen = 0
        self.left: Any = 0.0  # sum of the pieces of a word that has more

    def add(self, states: np.ndarray) -> None:
        """States of the next pieces, [n_pieces, n_dims]."""
        if not self.n_seen:
            self.found = np.empty((len(self.ends), states.shape[1]), np.float16)
        end = self.n_seen + len(states)
        first, last = np.searchsorted(self.ends, [self.n_seen, end - 1], side="right")
        starts = np.append(self.n_seen, self.ends[first:last]) - self.n_seen
        sums = np.add.reduceat(states, starts, axis=0)
        sums[0] += self.left
        is_whole = self.ends[last] == end
        whole = slice(first, last + is_whole)
        self.found[whole] = sums[: whole.stop - first] / self.lengths[whole, None]
        self.left, self.n_seen = 0.0 if is_whole else sums[-1], end


class _Shelf:
    """Vectors of texts in a folder, in files that are never changed and that processes map: what others write becomes known
    at the next look. Those of few texts, and all without a folder, are in memory alone."""

    def __init__(self, folder: Path | None):
        self.folder = folder
        self.known: set[str] = set()
        self.held: dict[bytes, np.ndarray] = {}
        self.recent = recent.Recent()
        if folder:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)

    def among(self, keys: list[bytes]) -> dict[bytes, np.ndarray]:
        """Those of some texts that are in files by now."""
        for file in self.folder.glob("*.keys.npy") if self.folder else ():
            if file.name not in self.known:
                vectors = np.load(file.with_name(file.name.replace(".keys", ".vectors")), mmap_mode="r")
                content = np.load(file)
                every, ends = [key.tobytes() for key in content["key"]], content["end"]
                self.held |= dict(zip(every, np.split(vectors, ends[:-1]), strict=True))
                self.known.add(file.name)
        held = self.held
        return {key: held[key] for key in keys if key in held}

    def add(self, keys: list[bytes], vectors: list[np.ndarray], n_asked: int) -> dict[bytes, np.ndarray]:
        """`n_asked` is of how many texts vectors are asked for together. Gives the vectors by their keys."""
        found = dict(zip(keys, vectors, strict=True))
        if self.folder is None or n_asked < recent.FEWEST_KEPT or len(self.known) >= recent.MOST_FILES:
            self.recent.add(found)
            return found
        content = np.zeros(len(keys), [("key", np.uint8, 16), ("end", np.int64)])
        content["key"] = np.frombuffer(b"".join(keys), np.uint8).reshape(-1, 16)
        content["end"] = np.cumsum([len(one) for one in vectors])
        name = uuid.uuid4().hex
        np.save(self.folder / f"{name}.vectors.npy", np.concatenate(vectors))
        np.save(self.folder / f"{name}.npy", content)
        os.replace(self.folder / f"{name}.npy", self.folder / f"{name}.keys.npy")
        return found


@cache
def _shelf(folder: Path | None, key: str) -> _Shelf:
    """One in a process, so that no file is opened twice."""
    return _Shelf(folder / f"vectors_{key}" if folder else None)


@cache
def _cutter_of_kind(encoder: Reference, is_in_graph: bool) -> Tokenizer:
    return Tokenizer(tokenizer_content(encoder), is_in_graph)


@cache
def _session(encoder: Reference, n_threads: int) -> Any:
    return open_session(states_model_of(encoder).SerializeToString(), n_threads)
