"""Tell a message that only asks the same of another time: "a ten wczoraj?", "and the one on Friday?". Answers none.

Every word of it must be the time's or one of those below, so that nothing else that a person wants is in it.
"""

from __future__ import annotations

from datetime import datetime

from bot.domain.folding import fold
from bot.domain.moments import moment_in

LONGEST = 120  #: characters; who writes more says more

_WORDS = frozenset(
    fold(word)
    for word in (
        # Polish
        "a ten ta to te tę tamten tamta tamto tego tym tej ci co z ze o od w we na nie no i jest był była było były ja "
        "sms smsa esemes esemesa wiadomość wiadomości kto pisał wysłał napisał przyszedł przyszła przyszło "
        "dostałem dostałam mnie mi do jeszcze inny inna drugi druga wcześniej wcześniejszy proszę chodzi "
        # English
        "and the that this one what about how from of on in at was is it no not i mean meant got came sent who me "
        "to text message texts messages other another earlier sms please "
        # German
        "und der die das den dem vom von am um was ist war mit nein nicht ich meine meinte wer hat mir geschickt "
        "geschrieben nachricht bekommen kam andere anderen früher bitte "
        # Ukrainian
        "а та й і той те ту що з із від про у в на хто надіслав писав написав було був була мені прийшло прийшла "
        "смс повідомлення ні не я маю увазі інше інший інша раніше будь ласка"
    ).split()
)


def is_one(text: str, *, now: datetime) -> bool:
    """Does a text name a time that has been, and say nothing else?"""
    if len(text) > LONGEST:
        return False
    moment = moment_in(text, now=now)
    if moment is None:
        return False
    rest = fold(f"{text[: moment.start]} {text[moment.end :]}").split()
    return all(word in _WORDS for word in rest)


def is_filler(word: str) -> bool:
    """Is a word one of those that only point?"""
    return fold(word) in _WORDS
