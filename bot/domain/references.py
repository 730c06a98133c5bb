"""Make the references under which cases are filed, and find them in what people write. Looks no case up."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from bot.domain.folding import fold

LETTERS = "23456789ABCDEFGHJKLMNPQRSTUVWXYZ"  #: nothing that is read for something else over the phone
LENGTH = 8
_DIGITS = frozenset("23456789")

_BY_FOUR = re.compile(rf"(?<!\w)([{LETTERS}]{{4}})[ -]?([{LETTERS}]{{4}})(?!\w)", re.IGNORECASE)

# Folded beginnings of the words for a case.
_CASE = re.compile(
    r"(?:status|spraw|zgloszen|wnios|zadani|prosb|case|request|ticket|vorgang|anfrage|anliegen|antrag|справ|заяв|звернен"
    r"|запит|статус|sprav|zayav|zapyt|aktenzeichen|fall$)"
)
# The words by which one asks about one's own.
_ASKS = frozenset(
    "co jak jaki jakie kiedy moj moja moje mojego mojej moim status any how my news update what when meine meinem "
    "meinen meiner was wann wie stand міи мого моі моім моєі моєму моєю мою моя що як яка якии коли статус".split()
)
LONGEST_QUESTION = 9  #: words

# What else may stand in such a question without making it another one.
_BESIDE = frozenset(
    (
        "a bedzie co czy dla do dostane gdzie i ile jak jaki jakie jakis jakies jest juz kiedy ma mam moj moja moje "
        "mojego mojej moim na o od odpowiedz odpowiedzi po podajcie prosze sa sie swojej ta tej to w wiadomo wiesci "
        "nr nru numer numerem numeru ref stan termin witam z ze "
        "about an any answer are can could do for get going have hear hello hi how i in is it me my news of on please "
        "number progress reference tell the there to update what whats when where with you your "
        "aus bekomme bitte das den der die ein es gibt hallo ich ihr ist meine meinem meinen meiner mit neues sagen "
        "nummer sie stand steht um und von wann was wie zu "
        "буде будь ваша вже відповідь де до для з зі за і коли ласка мені міи мого моі моім моє моєі моєму моєю "
        "мою моя на номер отримаю по про скажіть стосовно у чи що як яка якии"
    ).split()
)
# Not about a case at all: "how are things?" in three Slavic spellings.
_GREETINGS = frozenset({"jak sprawy", "як справи", "як твоі справи", "як ваші справи"})


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
    rest = _BY_FOUR.sub(
        lambda found: " " if is_one("".join(found.groups()).upper()) else found[0], text[:1000]
    )
    return len(text) <= 1000 and all(word in _BESIDE or _CASE.match(word) for word in fold(rest).split())


def asks_how_it_goes(text: str) -> bool:
    """Does a short text without a reference ask how one's own case goes, and nothing else?"""
    said = fold(text).split() if len(text) <= LONGEST_QUESTION * 12 else []
    return (
        len(said) <= LONGEST_QUESTION
        and " ".join(said) not in _GREETINGS
        and any(_CASE.match(word) for word in said)
        and not _ASKS.isdisjoint(said)
        and asks_nothing_else(text)
    )


def asks_about_a_case(text: str) -> bool:
    """Is there a word for a case or its state in a text that holds a reference?"""
    return any(_CASE.match(word) for word in fold(text[:1000]).split())
