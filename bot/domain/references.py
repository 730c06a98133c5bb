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
    "fall vorgang anfrage antrag aktenzeichen stand nummer "
    "справ заяв звернен запит статус стан номер sprav zayav zapyt"  # Ukrainian, also in Latin letters
).split()
_ABOUT_A_CASE = re.compile(r"\b(?:" + "|".join(_STEMS) + ")")


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


def asks_about_a_case(text: str) -> bool:
    """Is there a word for a case or its state in a text that holds a reference?"""
    return _ABOUT_A_CASE.search(fold(text[:1000])) is not None
