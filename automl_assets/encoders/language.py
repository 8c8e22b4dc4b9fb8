"""Whether texts are English, by the words that hold English together: enough to choose between two encoders."""

from collections.abc import Sequence

WORDS = frozenset(
    [
        "the",
        "of",
        "and",
        "to",
        "a",
        "in",
        "is",
        "that",
        "it",
        "for",
        "was",
        "on",
        "are",
        "as",
        "with",
        "his",
        "they",
        "be",
        "at",
        "this",
        "have",
        "from",
        "or",
        "had",
        "by",
        "not",
        "but",
        "what",
        "were",
        "when",
        "we",
        "there",
        "can",
        "an",
        "your",
        "which",
        "their",
        "if",
        "will",
        "do",
        "each",
        "how",
        "i",
        "you",
        "he",
        "she",
        "my",
        "so",
        "me",
    ]
)
LEAST_SHARE = 0.2  # of the words of an English text, however short its sentences
MOST_TEXTS = 500


def is_english(texts: Sequence[str]) -> bool:
    """Whether most of the texts are, as far as they have words at all.

    >>> is_english(["It was not what they had in mind.", "The cat is on the mat."])
    True
    >>> is_english(["Das war nicht, was sie im Sinn hatten.", "这是一本书"])
    False
    """
    step = max(1, len(texts) // MOST_TEXTS)
    shares = [_share(str(text).lower().split()) for text in list(texts)[::step]]
    known = [share for share in shares if share is not None]
    return bool(known) and sum(share >= LEAST_SHARE for share in known) > len(known) / 2


def _share(words: list[str]) -> float | None:
    return sum(word.strip(".,;:!?\"'()") in WORDS for word in words) / len(words) if words else None
