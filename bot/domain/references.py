"""Make the references under which cases are filed, and find them in what people write. Looks no case up."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from bot.domain.folding import fold

LETTERS = "23456789ABCDEFGHJKLMNPQRSTUVWXYZ"  #: nothing that is read for something else over the phone
LENGTH = 8
_DIGITS = frozenset("23456789")

_BY_FOUR = re.compile(rf"(?<!\w)([{LETTERS}]{{4}})[ -]?([{LETTERS}]{{4}})(?!\w)", re.IGNORECASE)

# Folded beginnings of the words in which people ask how their case goes.
_STEMS = (
    "status stan spraw zgloszen wnios zadani prosb numer nr ref termin "  # Polish
    "case request ticket reference number progress "
    "fall vorgang anfrage anliegen antrag aktenzeichen stand nummer "
    "справ заяв звернен запит статус стан номер sprav zayav zapyt"  # Ukrainian, also in Latin letters
).split()
_ABOUT_A_CASE = re.compile(r"\b(?:" + "|".join(_STEMS) + ")")

# What else may stand in such a question without making it another one.
_BESIDE = frozenset(
    (
        "a co czy dla do gdzie i ile jak jaki jakie jakis jakies jest juz kiedy ma mam moj moja moje mojego mojej moim "
        "na o od odpowiedz odpowiedzi po podajcie prosze sa sie swojej ta tej to w wiadomo wiesci witam z ze "
        "about an any answer are can could do for get going hello hi how in is me my news of on please tell the there "
        "to update what whats when where with you your "
        "aus bitte das den der die ein es gibt hallo ich ihr ist meine meinem meiner mit neues sagen sie steht um und "
        "von wann was wie zu "
        "будь ваша вже відповідь де до для з зі за і коли ласка мені мій мого моя моєю моєі моіи на по про скажіть "
        "стосовно у чи що як який яка"
    ).split()
)


def make(pick: Callable[[Sequence[str]], str]) -> str:
    """A new reference. It has a letter and a digit, so that no word and no phone number looks like one.

    pick: chooses one of several signs, each as likely as the others.
    """
    while True:
        reference = "".join(pick(LETTERS) for _ in range(LENGTH))
        if is_one(reference):
            return reference


def is_one(text: str) -> bool:
    """Has a text the form of a reference, in capitals?"""
    signs = set(text)
    return len(text) == LENGTH and signs <= set(LETTERS) and bool(signs & _DIGITS) and not signs <= _DIGITS


def found_in(text: str) -> tuple[str, ...]:
    """The references in a text, in capitals, each once and in order; also "ab12-cd34" and "AB12 CD34"."""
    written = ("".join(match.groups()).upper() for match in _BY_FOUR.finditer(text[:1000]))
    return tuple(dict.fromkeys(reference for reference in written if is_one(reference)))


def asks_nothing_else(text: str) -> bool:
    """Is a text that holds a reference about that case and nothing more? Else it may be a wish of its own."""
    rest = fold(_BY_FOUR.sub(" ", text[:1000])).split()
    return len(text) <= 1000 and all(word in _BESIDE or _ABOUT_A_CASE.match(word) for word in rest)


def asks_about_a_case(text: str) -> bool:
    """Is there a word for a case or its state in a text that holds a reference?"""
    return _ABOUT_A_CASE.search(fold(text[:1000])) is not None
