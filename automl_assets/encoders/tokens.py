"""Texts as numbers of tokens, cut by the very operator that cuts them in ONNX, so that Python and ONNX cannot come apart.

WordPiece goes by BertTokenizer, Unigram by SentencepieceTokenizer of onnxruntime-extensions, from one tokenizer.json.
Where these cannot say what the tokenizer does, the package tokenizers cuts, and there is no ONNX from raw strings.
"""

import base64
import json
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from automl_assets.errors import ArtifactError
from automl_assets.onnx.graph import EXTENSIONS, INT64, Graph
from automl_assets.onnx.session import has_extensions, open_session
from automl_assets.stored import stored_as

TRIED_TEXTS = 300  # on which an operator is held against the tokenizer itself
LEAST_ALIKE = 0.97  # share of them that WordPiece must cut alike
FAIRSEQ_SPECIAL = (
    "<s>",
    "<pad>",
    "</s>",
    "<unk>",
)  # in this order where sentencepiece's own numbers are shifted by one


@stored_as("encoders.Marks")
@dataclass(frozen=True)
class Marks:
    """Numbers of tokens that stand before and after those of a text, and of the one that fills up."""

    before: tuple[int, ...]
    after: tuple[int, ...]
    filling: int


class Tokenizer:
    """A tokenizer.json. `is_in_graph` says whether an operator cuts the texts."""

    def __init__(self, content: str, is_in_graph: bool):
        from tokenizers import Tokenizer as FastTokenizer

        self.spec = json.loads(content)
        self.is_in_graph = is_in_graph
        self._own = FastTokenizer.from_str(content)
        self._own.no_padding()
        self._own.no_truncation()
        self._session: Any = None

    @property
    def marks(self) -> Marks:
        found = self._own.encode("a")
        inside = [place for place, special in enumerate(found.special_tokens_mask) if not special]
        first, last = (inside[0], inside[-1]) if inside else (len(found.ids), len(found.ids) - 1)
        return Marks(tuple(found.ids[:first]), tuple(found.ids[last + 1 :]), self._filling())

    def ids(self, texts: Sequence[str]) -> list[np.ndarray]:
        """Numbers of the tokens of each text, int64 [n_tokens], without marks."""
        if self.is_in_graph:
            return [self._by_operator(text) for text in texts]
        return self.own_ids(texts)

    def own_ids(self, texts: Sequence[str]) -> list[np.ndarray]:
        """The same by the package tokenizers."""
        return [np.array(one.ids, np.int64) for one in self._own.encode_batch(list(texts), add_special_tokens=False)]

    def add(self, graph: Graph, text: str) -> str:
        """Adds what cuts one text [1] into tokens, int64 [n_tokens]."""
        if not self.is_in_graph:
            raise ArtifactError(
                f"a tokenizer of the kind {self.spec['model']['type']} cannot be part of an ONNX graph; leave the algorithm "
                "out, choose another encoder, or say `onnx: false`"
            )
        return (_add_word_piece if self.spec["model"]["type"] == "WordPiece" else _add_unigram)(graph, text, self.spec)

    def _by_operator(self, text: str) -> np.ndarray:
        if self._session is None:
            graph = Graph()
            made = self.add(graph, graph.input("text", str, [1]))
            graph.output("ids", made, np.int64, ["n_tokens"])
            self._session = open_session(graph.build().SerializeToString())
        return self._session.run(None, {"text": np.array([text], object)})[0]

    def _filling(self) -> int:
        found = (self._own.token_to_id(name) for name in ("[PAD]", "<pad>"))
        return next((number for number in found if number is not None), 0)


def tokenizer(content: str, texts: Sequence[str]) -> Tokenizer:
    """Of a tokenizer.json, cutting as ONNX does where that is as good for texts like these."""
    return Tokenizer(content, _suits(content, [str(text) for text in texts]))


def _suits(content: str, texts: list[str]) -> bool:
    """Sentencepiece is what Unigram tokenizers come from: where the two differ, neither is wrong. Operators for WordPiece
    treat accents of some scripts otherwise."""
    spec = json.loads(content)
    if not has_extensions() or not _is_expressible(spec):
        return False
    if spec["model"]["type"] == "Unigram":
        return True
    tried, step = Tokenizer(content, True), max(1, len(texts) // TRIED_TEXTS)
    sample = texts[::step]
    pairs = zip(tried.ids(sample), tried.own_ids(sample), strict=True)
    alike = [np.array_equal(one, other) for one, other in pairs]
    return not alike or float(np.mean(alike)) >= LEAST_ALIKE


def _is_expressible(spec: dict[str, Any]) -> bool:
    kind, normalizer = spec["model"]["type"], spec.get("normalizer") or {}
    if kind == "WordPiece":
        before = spec.get("pre_tokenizer") or {}
        return normalizer.get("type") == "BertNormalizer" and before.get("type") == "BertPreTokenizer"
    names = tuple(piece for piece, _ in spec["model"]["vocab"][:4]) if kind == "Unigram" else ()
    return names == FAIRSEQ_SPECIAL and _charsmap(spec) is not None


# WordPiece


def _add_word_piece(graph: Graph, text: str, spec: dict[str, Any]) -> str:
    model, normalizer = spec["model"], spec["normalizer"]
    in_order = sorted(model["vocab"], key=model["vocab"].__getitem__)
    is_lowered = bool(normalizer.get("lowercase"))
    accents = normalizer.get("strip_accents")
    named = {"unk": model["unk_token"], "cls": "[CLS]", "sep": "[SEP]", "pad": "[PAD]", "mask": "[MASK]"}
    marks = {f"{key}_token": name if name in model["vocab"] else model["unk_token"] for key, name in named.items()}
    ids, _, _ = graph.node(
        "BertTokenizer",
        text,
        domain=EXTENSIONS,
        n_outputs=3,
        vocab_file="\n".join(in_order),
        do_lower_case=int(is_lowered),
        strip_accents=int(is_lowered if accents is None else accents),
        tokenize_chinese_chars=int(bool(normalizer.get("handle_chinese_chars"))),
        suffix_indicator=model["continuing_subword_prefix"],
        **marks,
    )
    ends = (graph.constant(np.array([number], np.int64)) for number in (1, -1))  # without [CLS] and [SEP]
    return graph.node("Slice", ids, *ends)


# Unigram, as the file of the library sentencepiece (a protocol buffer)

NORMAL, UNKNOWN, CONTROL = 1, 2, 3  # kinds of piece
UNIGRAM = 1  # kind of model


def _add_unigram(graph: Graph, text: str, spec: dict[str, Any]) -> str:
    numbers, flags = [np.array([0], np.int64), np.array([0], np.float32)], (False, False, False, True)
    settings = [
        *numbers,
        *(np.array([flag]) for flag in flags),
    ]  # best of how many, alpha, begin, end, reversed, fairseq
    inputs = [graph.constant(setting) for setting in settings]
    ids, _, _ = graph.node(
        "SentencepieceTokenizer", text, *inputs, domain=EXTENSIONS, n_outputs=3, model=_sentencepiece(spec)
    )
    return graph.node("Cast", ids, to=INT64)


def _charsmap(spec: dict[str, Any]) -> bytes | None:
    """How characters are made alike before they are cut, as sentencepiece has compiled it."""
    normalizer = spec.get("normalizer") or {}
    every = normalizer.get("normalizers", [normalizer])
    return next((base64.b64decode(one["precompiled_charsmap"]) for one in every if one["type"] == "Precompiled"), None)


def _sentencepiece(spec: dict[str, Any]) -> bytes:
    special = [("<unk>", 0.0, UNKNOWN), ("<s>", 0.0, CONTROL), ("</s>", 0.0, CONTROL)]
    pieces = [(piece, score, NORMAL) for piece, score in spec["model"]["vocab"][4:] if piece != "<mask>"]
    written = [_message(1, _piece(*one)) for one in (*special, *pieces)]
    trained = _number(3, UNIGRAM) + _number(40, 0) + _number(41, 1) + _number(42, 2)  # numbers of <unk>, <s>, </s>
    cleaned = _message(2, _charsmap(spec) or b"") + _number(3, 1) + _number(4, 1) + _number(5, 1)  # spaces as in XLM-R
    return b"".join([*written, _message(2, trained), _message(3, cleaned)])


def _piece(text: str, score: float, kind: int) -> bytes:
    return _message(1, text.encode()) + _varint(2 << 3 | 5) + struct.pack("<f", score) + _number(3, kind)


def _message(field: int, content: bytes) -> bytes:
    return _varint(field << 3 | 2) + _varint(len(content)) + content


def _number(field: int, value: int) -> bytes:
    return _varint(field << 3) + _varint(value)


def _varint(value: int) -> bytes:
    """
    >>> _varint(300).hex()
    'ac02'
    """
    rest = b""
    while value > 127:
        rest, value = rest + bytes([value & 127 | 128]), value >> 7
    return rest + bytes([value])
