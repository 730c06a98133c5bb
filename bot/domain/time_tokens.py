"""Cut a text into words and figures, and find what governs one of them. Reads no time (`domain.time_said`)."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from bot.domain.folding import fold
from bot.domain.time_words import Says, meanings, parted


class Token(NamedTuple):
    """A word or a figure. form: word, number, pair (12.11), clock (14:30), date (with its year), junk."""

    text: str
    form: str
    figures: tuple[int, ...]
    says: Mapping[Says, int | str]
    start: int
    end: int
    gap: str  # what stands before it

    def has(self, *said: Says) -> bool:
        return any(one in self.says for one in said)

    def value(self, *said: Says) -> int:
        """The number that a word says, by the first of `said` that it is."""
        return next(int(self.says[one]) for one in said if one in self.says)


_FIGURES = re.compile(
    r"(?P<iso>(?P<iy>20\d\d)(?P<is>[-./])(?P<im>\d{1,2})(?P=is)(?P<id>\d{1,2})(?=T\d|\b))"
    r"|(?P<date>(?P<dd>\d{1,2})(?P<ds>[./-]) ?(?P<dm>\d{1,2})(?P=ds) ?(?P<dy>20\d\d|\d\d)(?=r\b|\b))"
    r"|(?P<clock>(?P<ch>\d{1,2}):(?P<cm>\d\d)(?::\d\d)?\b)"
    r"|(?P<pair>(?P<pd>\d{1,2})[./](?P<pm>\d{1,2})(?=r\b|\b))"
    r"|(?P<number>\d{1,4})(?P<tail>-?[^\W\d_]{1,4})?\b"
    r"|(?P<word>[^\W\d_]+(?:['’ʼ`´][^\W\d_]+)*)"
    r"|(?P<junk>\w+)"
)
_ORDINAL_TAILS = frozenset("st nd rd th go ego tego szego mego ого го ten te".split())
_CLOCK_TAILS: Mapping[str, tuple[Says, int]] = {"am": (Says.HALF_DAY, 0), "pm": (Says.HALF_DAY, 12)}
# A figure that hangs on one of these is a piece of something else: a version, an amount, an order's number.
_HANGS_ON = "./,:#№+-–_$€£@&"
_HANGS_BEFORE = "./,:-–_@&"
_SIGNS = "%‰€$£"
_SENTENCE_END = re.compile(r"[.!?;\n…]")


def tokens_of(text: str) -> list[Token]:
    """The words and figures of a text in order."""
    tokens: list[Token] = []
    for found in _FIGURES.finditer(text):
        start, end = found.span()
        gap = text[tokens[-1].end if tokens else 0 : start]
        if found["word"] is not None:
            for word in parted(fold(found["word"])):
                tokens.append(Token(word, "word", (), meanings(word), start, end, gap))
                gap = ""
        elif found["junk"] is not None or not _stands_alone(text, start, end):
            tokens.append(Token("", "junk", (), {}, start, end, gap))
        else:
            tokens += _figure(found, gap)
    return tokens


def ends_sentence(gap: str) -> bool:
    """Does what stands between two words end a sentence?"""
    return _SENTENCE_END.search(gap) is not None


def at(tokens: Sequence[Token], place: int) -> Token:
    """The word at a place, an empty one beyond either end."""
    return tokens[place] if 0 <= place < len(tokens) else _NOTHING


def before(tokens: Sequence[Token], place: int, *said: Says) -> bool:
    """Is the word at `place` governed by one that says one of `said`? Articles and the like are passed over."""
    for back in range(place - 1, max(-1, place - 4), -1):
        if ends_sentence(at(tokens, back + 1).gap):
            return False
        if tokens[back].has(*said):
            return True
        if not tokens[back].has(*_PASSED_OVER):
            return False
    return False


def is_filler(token: Token) -> bool:
    """Does a word only tie others together?"""
    return token.has(*_PASSED_OVER, Says.OF, Says.SINCE, Says.BY, Says.OR, Says.AFTER, Says.BEFORE)


_PASSED_OVER = (Says.LIGHT, Says.IN, Says.THIS, Says.LAST, Says.ROLLING, Says.AT, Says.CLOCK, Says.ABOUT)
_NOTHING = Token("", "none", (), {}, 0, 0, "\n")


def _stands_alone(text: str, start: int, end: int) -> bool:
    ahead = text[max(0, start - 2) : start].rjust(2)
    behind = text[end : end + 2].ljust(2)
    hangs_on = ahead[1].isalnum() or (ahead[1] in _HANGS_ON and not (ahead[1] in ",-–" and ahead[0] == " "))
    if ahead[1] == "," and not ahead[0].isdigit():
        hangs_on = False
    hangs_before = behind[0] in _HANGS_BEFORE and (behind[1].isalnum() or behind[1] in _SIGNS)
    return not (hangs_on or hangs_before or behind[0] in _SIGNS or behind.strip()[:1] in ("%", "€", "$"))


def _figure(found: re.Match[str], gap: str) -> list[Token]:
    start, end = found.span()
    if found["iso"]:
        figures = (int(found["iy"]), int(found["im"]), int(found["id"]))
        return [Token(found["iso"], "date", figures, {}, start, end, gap)]
    if found["date"]:
        year = int(found["dy"]) + (2000 if len(found["dy"]) == 2 else 0)
        return [Token(found["date"], "date", (year, int(found["dm"]), int(found["dd"])), {}, start, end, gap)]
    if found["clock"]:
        return [Token(found["clock"], "clock", (int(found["ch"]), int(found["cm"])), {}, start, end, gap)]
    if found["pair"]:
        return [Token(found["pair"], "pair", (int(found["pd"]), int(found["pm"])), {}, start, end, gap)]
    number = int(found["number"])
    plain = Token(found["number"], "number", (number,), {}, start, found.end("number"), gap)
    tail = fold(found["tail"] or "")
    if not tail:
        return [plain]
    if tail in _ORDINAL_TAILS:
        return [plain._replace(says={Says.ORDINAL: number}, end=end)]
    said = dict([_CLOCK_TAILS[tail]]) if tail in _CLOCK_TAILS else meanings(tail)
    if not said or Says.MEASURE in said:
        return [Token("", "junk", (), {}, start, end, gap)]
    return [plain, Token(tail, "word", (), said, plain.end, end, "")]
