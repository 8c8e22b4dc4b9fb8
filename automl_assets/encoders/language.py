"""Which language texts are written in, by the words that hold it together: enough to choose an encoder, without a package
that may be missing."""

from collections.abc import Sequence

_ENGLISH = (
    "the of and to a in is that it for was on are as with his they be at this have from or had by not but what were when we "
    "there can an your which their if will do each how i you he she my so me"
)
_GERMAN = (
    "der die das und ist nicht ein eine einen einem einer ich zu zum zur mit den dem des auf für von vom sich im auch wir sie "
    "er ihr wie noch aber als aus bei nach wird werden sind hat haben kann nur über bin mir mich mein uns"
)
WORDS = {"eng": frozenset(_ENGLISH.split()), "deu": frozenset(_GERMAN.split())}  # by ISO 639-3
SEVERAL = "mul"  # as ISO 639-2 names texts of several languages
LEAST_SHARE = 0.1  # of the words of a text: a headline has one of them or two
LEAST_TEXTS = 0.75  # in one language, or they count as being in several
MOST_TEXTS = 500


def language_of(texts: Sequence[str]) -> str:
    """`eng` or `deu` where nearly all texts are in that language, as far as they have words at all; else `mul`.

    >>> language_of(["Training of deep networks", "The cat is on the mat."])
    'eng'
    >>> language_of(["Das war nicht, was sie im Sinn hatten.", "Der Hund schläft."])
    'deu'
    >>> language_of(["It was not what they had in mind.", "这是一本书"])
    'mul'
    """
    step = max(1, len(texts) // MOST_TEXTS)
    every = [words for text in list(texts)[::step] if (words := _words(str(text)))]
    shares = {language: _share_of_texts(every, own) for language, own in WORDS.items()}
    likeliest = max(shares, key=shares.__getitem__)
    return likeliest if shares[likeliest] >= LEAST_TEXTS else SEVERAL


def _words(text: str) -> list[str]:
    return [word.strip(".,;:!?\"'()") for word in text.lower().split()]


def _share_of_texts(every: list[list[str]], own: frozenset[str]) -> float:
    """How many texts have enough of a language's own words."""
    many = [sum(word in own for word in words) >= LEAST_SHARE * len(words) for words in every]
    return sum(many) / len(many) if many else 0.0
