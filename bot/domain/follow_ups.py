"""Tell a message that only asks who wrote at a time: "a ten wczoraj?", "who texted me last Friday". Answers none.

Every word of it must be the time's or one of those below, so that nothing else that a person wants is in it. A model
reads such a message badly: the time is most of it, and ordinary talk is full of times.
"""

from __future__ import annotations

from datetime import UTC, datetime

from bot.domain.folding import fold
from bot.domain.moments import Moment, moment_in

LONGEST = 120  #: characters; who writes more says more
_LATEST = datetime(2100, 1, 1, tzinfo=UTC)  #: whether a time is named does not hang on today

_WHO = frozenset(
    fold(word)
    for word in "kto kogo czyj czyja czyje who whose whom wer wem wessen хто кого чий чия чиє".split()
)
_SENDING = frozenset(
    fold(word)
    for word in (
        # Polish
        "sms smsa smsy esemes esemesa wiadomość wiadomości pisał pisała pisało napisał napisała napisało wysłał "
        "wysłała wysłało wysyłał przysłał przysłała nadał nadała nadawca "
        # English
        "sms text texts texted texting message messages messaged messaging wrote writing sent send "
        # German
        "sms nachricht nachrichten geschickt geschrieben gesendet schrieb schickte "
        # Ukrainian
        "смс повідомлення надіслав надіслала надсилав писав писала написав написала прислав прислала"
    ).split()
)
_POINTING = frozenset(
    fold(word)
    for word in (
        # Polish
        "a ten ta to te tę tą tamten tamta tamto tego tym tej ci co z ze o od w we na nie no i jest był była było były "
        "ja przyszedł przyszła przyszło dostałem dostałam otrzymałem otrzymałam mnie mi do jeszcze inny inna drugi "
        "druga wcześniej wcześniejszy proszę chodzi za "
        # English
        "and the that this one what about how from of on in at was is it no not i mean meant got came me to my "
        "other another earlier please "
        # German
        "und der die das den dem vom von am um was ist war mit nein nicht ich meine meinte hat haben mir diese dieser "
        "bekommen kam andere anderen früher bitte "
        # Ukrainian
        "а та й і той те ту це цю що з із від про у в на був була було мені мене прийшло прийшла ні не я маю увазі "
        "інше інший інша раніше будь ласка до"
    ).split()
)
_WORDS = _WHO | _SENDING | _POINTING


def is_one(text: str, *, now: datetime) -> bool:
    """Does a text name a time that has been, and say nothing else? It asks the same again of that time."""
    return _rest(text, now) is not None


def asks_who(text: str) -> bool:
    """Does a text ask who wrote at a time that has been, and nothing else?"""
    if len(text) > LONGEST:
        return False
    words = fold(text).split()
    if _SENDING.isdisjoint(words) or (_WHO.isdisjoint(words) and "co to za" not in " ".join(words)):
        return False
    return _rest(text, _LATEST) is not None


def is_filler(word: str) -> bool:
    """Is a word one of those that only point?"""
    return fold(word) in _WORDS


def _rest(text: str, now: datetime) -> list[str] | None:
    """The words beside the time; None if there is no time, or any of them may be of another wish."""
    moment: Moment | None = moment_in(text, now=now) if len(text) <= LONGEST else None
    if moment is None:
        return None
    rest = fold(f"{text[: moment.start]} {text[moment.end :]}").split()
    return rest if _WORDS.issuperset(rest) else None
