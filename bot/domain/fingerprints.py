"""Bring a sent text down to what all messages of its template share. Keys nothing and stores nothing.

The texts are dropped at import, so a fingerprint can never be made anew: what this module does to a text is
frozen. A better way is a second one beside it under a `VERSION` of its own, never a change to this one. For
the same reason it folds by itself and does not use `domain.folding`, which follows the keywords.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Collection
from dataclasses import dataclass
from functools import lru_cache

VERSION = "1"
WORDS = 5  #: words of a shingle
REAL_WORDS = 3  #: of them at least so many are words and no placeholders, or it would fit any message
LONGEST = 2_000  #: characters looked at: a longer SMS exists on no network
MOST_SHINGLES = (
    120  #: of one text; an SMS of ten parts has some 250 words, the first half is enough to know it
)

MOST_BREAKS = 4  #: in front of a pasted message, and behind it
_BREAK = re.compile(r"[.:!?…\n\"„”“»]+\s*")

NUMBER, LINK, NAME = "#", "%", "@"  # a link is told from a number, a name from both

# Lengths are bounded: a text of nothing but dots would otherwise take a second.
_HOST = r"(?:[^\W_][\w-]{0,62}\.){1,6}"
_ENDS = "pl|com|eu|net|org|info|biz|io|me|co|ly|gl|to|app|shop|store|ua|de|cz|sk|lt|uk"
_TOKEN = re.compile(
    r"(?P<link>(?:https?://|www\.)\S+"  # with its scheme
    r"|[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,5}"  # mail
    rf"|{_HOST}[a-z]{{2,24}}/\S*"  # a host and a path
    rf"|{_HOST}(?:{_ENDS})\b)"
    r"|(?P<number>[+\-]?\w*\d(?:[\w]|[.,:/\-](?=\w))*)"  # amounts, dates, codes, order numbers
    r"|(?P<word>[^\W\d_]+(?:['’][^\W\d_]+)*)"
    r"|(?P<stop>[.!?…\n])",
    re.IGNORECASE,
)
_PLAIN = str.maketrans({"ł": "l", "đ": "d", "ø": "o", "æ": "ae", "œ": "oe", "ı": "i", "ß": "ss", "’": "'"})
_MARKS = re.compile("[\u0300-\u036f]")
_UNSEEN = re.compile("[\u00ad\u200b-\u200f\u2060\ufeff]")


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """The keyed marks of a text: of the whole, and of its shingles in their order, each once."""

    text: bytes
    shingles: tuple[bytes, ...]


def fingerprint(text: str, mark: Callable[[str], bytes]) -> Fingerprint | None:
    """The marks of a text, None for one without a word. `mark`: `Keys.mark`."""
    words = normalised(text)
    return Fingerprint(whole(words, mark), shingle_marks(words, mark)) if is_telling(words) else None


def is_telling(words: tuple[str, ...]) -> bool:
    """Whether there is a word among the normalised ones: numbers and names alone tell no template."""
    return any(word not in (NUMBER, LINK, NAME) for word in words)


def whole(words: tuple[str, ...], mark: Callable[[str], bytes]) -> bytes:
    """The mark of a whole text, by its normalised words."""
    return mark(f"{VERSION}t{' '.join(words)}")


def shingle_marks(words: tuple[str, ...], mark: Callable[[str], bytes]) -> tuple[bytes, ...]:
    """The marks of a text's shingles, by its normalised words."""
    return tuple(shingle_mark(run, mark) for run in shingles(words))


def shingle_mark(run: str, mark: Callable[[str], bytes]) -> bytes:
    return mark(f"{VERSION}s{run}")


def normalised(text: str) -> tuple[str, ...]:
    """The words of a text, folded, with numbers, links and proper names replaced, several in a row by one.

    A name is a capitalised word that begins no sentence, or begins one and is called to ("Anna, …"). That
    takes some other words too, but the same ones in the sent message and in the pasted one.
    """
    return tuple(
        word for word, _, _ in _placed(unicodedata.normalize("NFC", _UNSEEN.sub("", text[:LONGEST])))
    )


def _placed(seen: str) -> list[tuple[str, int, int]]:
    """The same with the place where each word begins and ends."""
    words: list[tuple[str, int, int]] = []
    last = ""
    is_start = True
    for found in _TOKEN.finditer(seen):
        kind = found.lastgroup
        if kind == "stop":
            is_start = True
            continue
        word = _word(found, is_start=is_start) if kind == "word" else LINK if kind == "link" else NUMBER
        is_start = False
        if word == last and word in (NUMBER, LINK, NAME):
            words[-1] = (word, words[-1][1], found.end())
        else:
            words.append((word, found.start(), found.end()))
        last = word
    return words


def shingles(words: tuple[str, ...]) -> tuple[str, ...]:
    """Every run of `WORDS` words that says something, each once, in order."""
    runs: dict[str, None] = {}
    for start in range(len(words) - WORDS + 1):
        run = words[start : start + WORDS]
        if sum(word not in (NUMBER, LINK, NAME) for word in run) >= REAL_WORDS:
            runs[" ".join(run)] = None
        if len(runs) == MOST_SHINGLES:
            break
    return tuple(runs)


def is_alike(*, is_whole: bool, agreeing: int, pasted: int, kept: int) -> bool:
    """Whether a pasted text is of a template: the whole of it, or half the shingles of the shorter one.

    pasted, kept: how many shingles each has; agreeing: how many they share.
    """
    shorter = min(pasted, kept)
    return is_whole or (shorter > 0 and agreeing * 2 >= shorter)


def pieces(text: str) -> tuple[tuple[int, int], ...]:
    """The parts of a text that may be a whole message somebody pasted: between two breaks in it, or its ends."""
    text = text[:LONGEST]
    breaks = [found.end() for found in _BREAK.finditer(text)]
    begins, ends = [0, *breaks[:MOST_BREAKS]], [len(text), *breaks[-MOST_BREAKS:]]
    return tuple((begin, end) for begin in begins for end in ends if text[begin:end].strip())


def spans_of(
    text: str, marks: Collection[bytes], mark: Callable[[str], bytes]
) -> tuple[tuple[int, int], ...]:
    """Where in a text the shingles of those marks stand, those that touch joined into one span.

    Invisible signs and split accents are not folded away, for places would shift: what holds them is not found.
    """
    placed = _placed(text[:LONGEST])
    words = tuple(word for word, _, _ in placed)
    spans: list[tuple[int, int]] = []
    for start in range(len(words) - WORDS + 1):
        run = " ".join(words[start : start + WORDS])
        if shingle_mark(run, mark) not in marks:
            continue
        first, last = placed[start][1], placed[start + WORDS - 1][2]
        if spans and first <= spans[-1][1]:
            spans[-1] = (spans[-1][0], last)
        else:
            spans.append((first, last))
    return tuple(spans)


def _word(found: re.Match[str], *, is_start: bool) -> str:
    folded, is_capitalised = _folded(found.group())
    if is_capitalised and (not is_start or found.string[found.end() : found.end() + 1] in (",", "!")):
        return NAME
    return folded


@lru_cache(maxsize=20_000)  # messages say the same words; folding them was half the time of an import
def _folded(word: str) -> tuple[str, bool]:
    is_capitalised = len(word) > 1 and word[0].isupper() and word[1:].islower()
    return _MARKS.sub("", unicodedata.normalize("NFKD", word.casefold())).translate(_PLAIN), is_capitalised
