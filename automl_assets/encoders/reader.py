"""Texts as vectors of an encoder that stays as it is: the mean of its windows, in Python and in ONNX.

Every text of a run is read once: its vector is kept in the run's own folder, where every fold and step finds it. Processes
that read the same texts side by side share the work. Without such a folder, as in a notebook, nothing is kept.
"""

import hashlib
import os
import random
import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np

from automl_assets.encoders import recent
from automl_assets.encoders.network import model_bytes, model_of, tokenizer_content, windows_of
from automl_assets.encoders.reference import Reference
from automl_assets.encoders.tokens import Tokenizer, tokenizer
from automl_assets.encoders.windows import BATCH_TOKENS, Windows, batches
from automl_assets.errors import LearningError, SettingError
from automl_assets.execution.temporary import own_folder
from automl_assets.onnx.graph import DOUBLE, FLOAT, Graph
from automl_assets.onnx.session import open_session, threads_for
from automl_assets.stored import stored_as

MOST_WINDOWS = 4  # of a text
CHUNK_CHARACTERS = 20_000  # read between two looks at the clock and at what others have read


@stored_as("encoders.Reader")
@dataclass(frozen=True)
class Reader:
    """An encoder and how it takes texts. Holds no weights."""

    encoder: Reference
    is_in_graph: bool  # whether texts are cut by the operators that cut them in ONNX
    windows: Windows

    @property
    def key(self) -> str:
        """What tells its vectors from others'."""
        return f"{self._window_key}_{self.windows.most}"

    @property
    def _window_key(self) -> str:
        """What tells its windows from others', however many of them a text may have."""
        return f"{self.encoder.key}_{int(self.is_in_graph)}_{self.windows.length}"

    def read(self, texts: Any, n_threads: int = 0, deadline: float = float("inf")) -> np.ndarray:
        """Vectors of a sequence of texts, float32 [n_texts, n_dims]; on as many threads as may compute here unless it is
        said. Raises LearningError when the time is up; what was read by then is kept."""
        place: dict[str, int] = {}
        rows = [place.setdefault(str(text), len(place)) for text in texts]
        each = list(place)
        keys = [hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()[:16] for text in each]
        shelf, read = _shelf(own_folder(), self._window_key, self.windows.most), partial(self._read_now, n_threads)
        found = shelf.recent.among(keys)
        for chunk in self._chunks(each):
            found |= shelf.among([keys[i] for i in chunk])
            lacking = [i for i in chunk if keys[i] not in found]
            if lacking and time.monotonic() > deadline:
                n_read = len(found | shelf.among(keys))
                raise LearningError(f"only {n_read} of {len(keys)} texts were read in time by {self.encoder.name}")
            if lacking:
                some = [keys[i] for i in lacking]
                found |= shelf.add(some, *read([each[i] for i in lacking], len(texts)), len(each))
        return np.stack([found[key] for key in keys])[rows]

    def _read_now(self, n_threads: int, texts: list[str], n_asked: int) -> tuple[np.ndarray, np.ndarray]:
        """Vectors, and of how many windows each is the mean."""
        windows = self.tokens(texts)
        means = means_alone if self.encoder.is_int8 else window_means
        session = _session(self.encoder, n_threads or threads_for(n_asked))
        return means(session, windows, self.windows.marks.filling), np.array([len(tokens) for tokens, _ in windows])

    def add(self, graph: Graph, texts: str) -> str:
        """Adds the vectors of texts [n_rows, 1], float32 [n_rows, n_dims], once for all who need them."""
        return graph.once((self.key, texts), lambda: add_vectors(graph, texts, self, model_of(self.encoder)))

    def tokens(self, texts: Sequence[str]) -> list[tuple[np.ndarray, np.ndarray]]:
        """Windows of each text, tokens and mask [n_windows, n_tokens]."""
        cutter = _tokenizer(self.encoder, self.is_in_graph)
        return [self.windows.of(ids) for ids in cutter.ids([self.encoder.prefix + text for text in texts])]

    def _chunks(self, texts: list[str]) -> list[list[int]]:
        """Texts of about the same length together; processes begin at different ones."""
        order = sorted(range(len(texts)), key=lambda i: len(texts[i]))
        chunks: list[list[int]] = [[]]
        for i in order:
            if (len(chunks[-1]) + 1) * len(texts[i]) > CHUNK_CHARACTERS and chunks[-1]:
                chunks.append([])
            chunks[-1].append(i)
        random.Random(os.getpid()).shuffle(chunks)
        return chunks


def reader(
    encoder: Reference, texts: Sequence[str], most_windows: int = MOST_WINDOWS, is_exported: bool = False
) -> Reader:
    """The encoder as it reads texts like these. Raises SettingError for one that has to be part of an ONNX graph and cannot
    be: a run would know of that at its end alone."""
    cutter = tokenizer(tokenizer_content(encoder), texts)
    if is_exported and not cutter.is_in_graph:
        raise SettingError(
            f"skipped: {encoder.name} cuts these texts into tokens in a way that no ONNX graph can here; say `onnx: false`, "
            "choose another as `featurization.text_embedding`, or see that onnxruntime-extensions is installed"
        )
    return Reader(encoder, cutter.is_in_graph, windows_of(encoder, cutter.marks, most_windows))


def window_means(session: Any, windows: list[tuple[np.ndarray, np.ndarray]], filling: int) -> np.ndarray:
    """What an exported network answers, averaged over the windows of each text, float32 [n_texts, n_dims]."""
    total: Any = 0.0
    for tokens, mask, text in batches(windows, filling, getattr(session, "batch_tokens", BATCH_TOKENS)):
        answers = session.run(None, {"tokens": tokens, "mask": mask})[0]
        if np.isscalar(total):
            total = np.zeros((len(windows), answers.shape[1]))
        np.add.at(total, text, answers)
    return (total / np.array([[len(tokens)] for tokens, _ in windows])).astype(np.float32)


def means_alone(session: Any, windows: list[tuple[np.ndarray, np.ndarray]], filling: int) -> np.ndarray:
    """The same, each text by itself as in ONNX: in 8 bits its numbers would depend on those read beside it."""
    answers = (session.run(None, {"tokens": tokens, "mask": mask})[0] for tokens, mask in windows)
    return np.array([answer.mean(axis=0, dtype=np.float64) for answer in answers], np.float32)


def add_vectors(graph: Graph, texts: str, read: Reader, model: Any) -> str:
    """Adds what a network (as `network.exported`) answers for each text [n_rows, 1], one text after another: float32
    [n_rows, n_dims]."""
    cutter = _tokenizer(read.encoder, read.is_in_graph)
    flat = graph.node("Reshape", texts, graph.constant(np.array([-1], np.int64)))
    if read.encoder.prefix:
        flat = graph.node("StringConcat", graph.constant(np.array([read.encoder.prefix], object)), flat)
    n_rows = graph.node("Squeeze", graph.node("Shape", flat))

    def one(inner: Graph, number: str) -> list[str]:
        place = inner.node("Reshape", number, inner.constant(np.array([1], np.int64)))
        tokens, mask = read.windows.add(inner, cutter.add(inner, inner.node("Gather", flat, place)))
        (vectors,) = inner.include(model, {"tokens": tokens, "mask": mask})
        mean = inner.node("ReduceMean", vectors, inner.constant(np.array([0], np.int64)), keepdims=0)
        return [inner.node("Cast", mean, to=DOUBLE)]

    (vectors,) = graph.loop(n_rows, [], one)
    return graph.node("Cast", vectors, to=FLOAT)


class _Shelf:
    """Vectors of texts of `most` windows at most, in a folder, in files that are never changed: what others write becomes
    known at the next look. Those of few texts, and all without a folder, are in memory alone.

    A text that is read to its end by readers of more windows and of fewer has the same vector for all of them.
    """

    def __init__(self, folder: Path | None, most: int):
        self.folder, self.most = folder, most
        self.known: set[str] = set()
        self.held: dict[bytes, np.ndarray] = {}
        self.recent = recent.Recent()
        if folder:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)

    def among(self, keys: list[bytes]) -> dict[bytes, np.ndarray]:
        """Those of some texts that are in files by now."""
        for file in self.folder.glob("*.npz") if self.folder else ():
            if file.name not in self.known:
                with np.load(file) as content:
                    self._hold(content["keys"], content["vectors"], content["n_windows"], int(content["most"]))
                self.known.add(file.name)
        held = self.held
        return {key: held[key] for key in keys if key in held}

    def add(
        self, keys: list[bytes], vectors: np.ndarray, n_windows: np.ndarray, n_asked: int
    ) -> dict[bytes, np.ndarray]:
        """`n_windows` is of how many each vector is the mean, `n_asked` of how many texts vectors are asked for together.
        Gives the vectors by their keys."""
        found = dict(zip(keys, vectors, strict=True))
        if self.folder is None or n_asked < recent.FEWEST_KEPT or len(self.known) >= recent.MOST_FILES:
            self.recent.add(found)
            return found
        packed = np.frombuffer(b"".join(keys), np.uint8).reshape(len(keys), -1)
        self._hold(packed, vectors, n_windows, self.most)
        name = self.folder / uuid.uuid4().hex
        self.known.add(f"{name.name}.npz")
        with name.open("wb") as file:
            np.savez(file, keys=packed, vectors=vectors, n_windows=n_windows, most=self.most)
        os.replace(name, name.with_suffix(".npz"))
        return found

    def _hold(self, keys: np.ndarray, vectors: np.ndarray, n_windows: np.ndarray, most: int) -> None:
        suits = (n_windows <= self.most) & (n_windows < most) if most != self.most else np.ones(len(keys), bool)
        self.held |= dict(zip([key.tobytes() for key in keys[suits]], vectors[suits], strict=True))


@cache
def _shelf(folder: Path | None, key: str, most: int) -> _Shelf:
    """One in a process, so that no file is opened twice."""
    return _Shelf(folder / f"vectors_{key}" if folder else None, most)


@cache
def _tokenizer(encoder: Reference, is_in_graph: bool) -> Tokenizer:
    return Tokenizer(tokenizer_content(encoder), is_in_graph)


@cache
def _session(encoder: Reference, n_threads: int) -> Any:
    return open_session(model_bytes(encoder), n_threads)
