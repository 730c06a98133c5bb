"""Read which message a question means: from whom, and of what time. Looks up names, no message."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from bot.domain import follow_ups
from bot.domain.conversation import Turn
from bot.domain.folding import fold
from bot.domain.moments import Moment, moment_in, shown
from bot.domain.numbers import number_in
from bot.domain.own_words import blanked, quotes
from bot.ledger import people, queues
from bot.services import look_up_sender
from bot.services.contracts import Reads
from bot.services.look_up_sender import LOOK_BACK, LOOK_BACK_MOST

TYPED = "sender"  #: slot: what was typed when a name was asked for; it may hold a name, a time or both
WHEN = "when"  #: slot: a time typed when one was asked for
MOST_WORDS = 8  #: of an answer that are each tried as a name
LONGEST_NAME = 16  #: characters of what may be a name that nobody has; longer ones are sentences


@dataclass(frozen=True, slots=True)
class Meant:
    """What a question says of the message: a sender's name or number, a time; None where it says nothing."""

    name: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    is_precise: bool = True

    @property
    def has_time(self) -> bool:
        return self.since is not None

    def is_too_old(self, now: datetime) -> bool:
        return self.until is not None and self.until <= now - LOOK_BACK_MOST

    def holds(self, at: datetime) -> bool:
        """Whether a moment lies in the time named, if one was."""
        return self.since is None or self.until is None or self.since <= at < self.until

    def is_until(self, now: datetime) -> bool:
        """Whether the time named goes on: "since Friday", "for a week"."""
        return self.until is not None and self.until >= now

    def within(self, now: datetime) -> tuple[datetime, datetime]:
        """The time to look at: the one named, else what a question without one reaches."""
        if self.since is None or self.until is None:
            return now - LOOK_BACK, now
        return self.since, self.until

    def when(self, now: datetime) -> str:
        """The same as a person reads it."""
        return shown(*self.within(now))

    def kept(self) -> dict[str, str]:
        """As slots, for a question asked back."""
        slots = {} if self.name is None else {"name": self.name}
        if self.since is not None and self.until is not None:
            slots |= {"since": self.since.isoformat(), "until": self.until.isoformat()}
        return slots


def meant(turn: Turn, reads: Reads) -> Meant:
    """Out of what was typed for a slot or of the message itself; what a question asked back kept fills the rest."""
    slots = turn.wish.slots
    typed = slots.get(TYPED)
    text = str(typed if typed is not None else slots.get(WHEN, said(turn)))
    # « I have had this number for a week, where did you get it? » asks for no message of that time, and what is
    # quoted names the time of something else.
    is_asked = turn.wish.intent != "number_source"
    moment = moment_in(blanked(text, quotes(text)), now=turn.received_at) if is_asked else None
    name = _named(turn, reads, text) if typed is None else _typed(turn, reads, text, moment)
    if name is None and "name" in slots:
        name = str(slots["name"])
    if moment is not None:
        return Meant(name, moment.since, moment.until, moment.is_precise)
    if "since" in slots:
        return Meant(name, datetime.fromisoformat(slots["since"]), datetime.fromisoformat(slots["until"]))
    return Meant(name)


def said(turn: Turn) -> str:
    """The words of this wish without what a client sent and the person only shows."""
    if turn.wish.by == "forwarded":
        return ""
    return turn.wish.said or blanked(turn.text, turn.facts.get(queues.PASTED, ()))


def _named(turn: Turn, reads: Reads, text: str) -> str | None:
    """A registered name, or a number, that stands in a sentence; not the person's own."""
    since = turn.now - LOOK_BACK_MOST
    name = look_up_sender.name_in(reads.book, text, now=turn.now, since=since)
    return name or _number(turn, reads, text)


def _number(turn: Turn, reads: Reads, text: str) -> str | None:
    """« who writes to my number 500 100 200 » asks for no sender of that number."""
    number = number_in(text)
    own = None if turn.person is None else people.number_of(reads.book, turn.person)
    return None if number == own else number


def _typed(turn: Turn, reads: Reads, text: str, moment: Moment | None) -> str | None:
    """The name in an answer to "which name?": « AGREST », « od AGREST, wczoraj wieczorem », « to byla stronica »."""
    rest = text if moment is None else f"{text[: moment.start]} {text[moment.end :]}"
    stripped = [word.strip(_SIGNS) for word in rest.split()]
    words = [w for w in stripped if w and not follow_ups.is_filler(w) and fold(w) not in _LEADS]
    since = turn.now - LOOK_BACK_MOST
    candidates = (" ".join(stripped).strip(), " ".join(words), *words[:MOST_WORDS])
    known = (c for c in candidates if look_up_sender.is_registered(reads.book, c, since=since, now=turn.now))
    found = next(known, None) or _number(turn, reads, rest)
    if found is not None:
        return found
    name = " ".join(words)
    return name if 0 < len(name) <= LONGEST_NAME else None


_LEADS = frozenset(
    fold(word)
    for word in "nadawca nadawcy nazwa nazwy chyba jest sender name called says absender name ist heisst "
    "відправник відправника назва "
    "wiem wiadomo pojęcia pamiętam brak know don't idea weiß keine ahnung знаю".split()
)
_SIGNS = "„“”\"«»'‚‘’.,!?:;()"
