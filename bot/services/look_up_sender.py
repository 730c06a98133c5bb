"""Find who sent a message, and hold back what the person may not learn. Reads only; words nothing.

The identity ladder (domain.conversation.Level) is kept here, whatever is asked:

- ANONYMOUS and CONTACT learn of no message, be it there or not; of a sender name its holder, so many a day. A
  contact card may be older than the SIM in somebody else's phone.
- ASSERTED learns of the one message meant: the one answered, the one whose text it shows, or the last from the
  sender it names, on the day it names, within 30 days. The answer goes to the number the message went to.
- PROVEN learns of all, up to twelve months back.

A sensitive client (clinic, debt, court) stays `WITHHELD` below PROVEN and is in no list at any level. "None" is said
only of a time that the feed of sent messages has told about, else "not visible yet".
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Literal

from bot.domain import fingerprints, retention
from bot.domain import senders as registry
from bot.domain.consent import SHARED_LOOK_BACK, Candidate
from bot.domain.conversation import Level
from bot.domain.numbers import sender_key
from bot.ledger import people, senders, sent, tries
from bot.ledger.book import Book
from bot.ledger.sent import Sent

LOOK_BACK = timedelta(days=30)  #: how far a question without a time reaches
LOOK_BACK_MOST = retention.PERIODS[retention.Category.SENT]  #: how far any question reaches
FEED_IS_YOUNG = timedelta(minutes=15)
JUST_NOW = timedelta(minutes=1)  #: a question "until now" is still one when the worker comes to it
PASTED = 8  #: words in a row that nobody writes as a client did by chance
WITHHELD = 0  #: in the place of a client that must not be named; `clients.card` refuses it

NAMES_A_DAY = 5  #: holders of names that one chat may learn a day
NAMES_A_DAY_IN_ALL = 200  #: and all of them: who the clients are is nobody's to harvest

Kind = Literal["one", "several", "none", "not_visible_yet", "needs_proof"]


@dataclass(frozen=True, slots=True)
class Found:
    """One client that sent. `client`: its row id, or WITHHELD: sensitive, and too little is proven.

    sent_at: None when it comes from the registry and no message is meant.
    """

    client: int
    sent_at: datetime | None
    sender: str
    is_sensitive: bool


@dataclass(frozen=True, slots=True)
class Finding:
    """What was found. "several" may hold one or none: those of a shared number or withheld are left out."""

    kind: Kind
    found: tuple[Found, ...] = ()


NONE = Finding("none")
NOT_VISIBLE_YET = Finding("not_visible_yet")
NEEDS_PROOF = Finding("needs_proof")  #: said by what is asked alone, never by what there is


def learns_of_messages(level: Level) -> bool:
    """Whether anything about messages to a number is told at this level."""
    return level is Level.ASSERTED or level >= Level.PROVEN


def of_answered(
    book: Book, provider_message_id: str, *, person: int, now: datetime, level: Level = Level.ASSERTED
) -> Found | None:
    """The message that the person answers, by the id its channel told; None if it did not go to `person`."""
    message = sent.by_message(book, provider_message_id, person=person)
    if message is None or not learns_of_messages(level):
        return None
    if message.sent_at < _earliest(book, person, None, now):
        return None
    return shown(_found(message), level)


def of_person(
    book: Book,
    *,
    person: int,
    ours: str | None,
    since: datetime,
    until: datetime,
    now: datetime,
    level: Level,
    told: Collection[int] = (),
) -> Finding:
    """Who wrote to a person between two moments: distinct clients, the newest message first.

    ours: only from this sender, name or number; below PROVEN it must be given, and only the last counts.
    since: cut to twelve months, below PROVEN to 30 days, and to when the number came to its holder. until: `now`
    for an open question. told: clients left out, so that a list goes on where it ended and comes to the sensitive
    ones last, each alone.
    """
    if not learns_of_messages(level) or (level < Level.PROVEN and ours is None):
        return NOT_VISIBLE_YET
    if level < Level.PROVEN:
        if until < now - LOOK_BACK:
            return NEEDS_PROOF
        since = max(since, now - LOOK_BACK)
    key = None if ours is None else sender_key(ours)
    earliest = _earliest(book, person, since, now)
    messages = sent.newest_by_client(book, person, since=earliest, until=until, sender_key=key)
    news = [message for message in messages if message.client not in told]
    return _finding(book, news, level=level, asked_until=until, now=now)


def of_name(
    book: Book,
    sender: str,
    *,
    now: datetime,
    since: datetime | None = None,
    until: datetime | None = None,
    level: Level = Level.ANONYMOUS,
) -> Finding:
    """Who held a sender name between two moments, now if none are given, by the registry alone.

    Says nothing of any person. Whoever tells it to a chat counts it first (`may_name`).
    """
    begin, end = now if since is None else since, now if until is None else until
    held = [h for h in senders.holdings(book, sender) if h.overlaps(begin, _last_moment(begin, end))]
    by_client = {
        h.client: Found(h.client, None, h.sender, h.is_sensitive) for h in held if h.client is not None
    }
    if not held:
        return NONE
    is_shared = any(h.client is None for h in held)
    return _listed(list(by_client.values()), level=level, is_shared=is_shared)


def may_name(book: Book, *, conversation: int, level: Level, now: datetime) -> bool:
    """Count one more holder of a name that a chat is told; False: it had its day's. Others are not counted."""
    if learns_of_messages(level):
        return True
    day = timedelta(days=1)
    return tries.within(
        book, "names", str(conversation), most=NAMES_A_DAY, period=day, now=now
    ) and tries.within(book, "names", "all", most=NAMES_A_DAY_IN_ALL, period=day, now=now)


def of_name_for_person(
    book: Book,
    sender: str,
    *,
    person: int,
    now: datetime,
    since: datetime | None = None,
    until: datetime | None = None,
    level: Level = Level.ASSERTED,
) -> Finding:
    """Who wrote to a person under a sender name, in the last 30 days or between two moments."""
    begin, end = now - LOOK_BACK if since is None else since, now if until is None else until
    return of_person(book, person=person, ours=sender, since=begin, until=end, now=now, level=level)


def name_in(book: Book, text: str, *, now: datetime, since: datetime | None = None) -> str | None:
    """A sender name registered now, or at any time since a moment, that stands in a text: the longest of several.

    A name is what is quoted, written with capitals inside, or follows a word such as "from": sender names are
    often plain words (ZAKUPY, INFO), and a plain word in a sentence is not meant as one.
    """
    held = [
        (len(name), name)
        for name in registry.names_in(text)
        if is_registered(book, name, since=since, now=now)
    ]
    return max(held)[1] if held else None


def is_registered(book: Book, sender: str, *, now: datetime, since: datetime | None = None) -> bool:
    """Whether a sender name or number is registered now, or was at any time since a moment."""
    return any(h.overlaps(since or now, now) for h in senders.holdings(book, sender))


def near_names(
    book: Book, sender: str, *, person: int, now: datetime, level: Level = Level.ASSERTED
) -> tuple[str, ...]:
    """Names like `sender`, of those only that wrote to this person in the last 30 days; the nearest first."""
    if not learns_of_messages(level):
        return ()
    return registry.near(
        sender, sent.senders_to(book, person, since=_earliest(book, person, now - LOOK_BACK, now))
    )


def of_text(book: Book, text: str, *, person: int, now: datetime, level: Level = Level.ASSERTED) -> Finding:
    """Who sent a message that the person pasted, by fingerprints of what went to them in twelve months."""
    if not learns_of_messages(level):
        return NOT_VISIBLE_YET
    since = _earliest(book, person, None, now)
    alike = _templates_like(book, text, sent.templates_to(book, person, since=since))
    messages = (
        sent.newest_by_client(book, person, since=since, until=now, template_ids=alike) if alike else []
    )
    return _finding(book, messages, level=level, asked_until=now, now=now)


def sent_spans(
    book: Book, text: str, *, person: int | None, now: datetime, level: Level
) -> tuple[tuple[int, int], ...]:
    """What of a text a client once sent and the writer has pasted, so that none of it is taken for their words.

    Where a number may be spoken of, what was sent to it: whole texts, and of others the parts, if half of them
    agrees and `PASTED` words stand in a row. In other chats whole texts of whatever was sent to anybody: there
    nothing may hang on what one number got.
    """
    if not may_be_sent(text):
        return ()
    if person is None or not learns_of_messages(level):
        return _whole_spans(book, text, None)
    among = sent.templates_to(book, person, since=_earliest(book, person, None, now))
    like = _templates_like(book, text, among)
    if not like:
        return ()
    whole = _whole_spans(book, text, like)
    if whole:
        return whole
    in_a_row = {template for template, agreeing in like.items() if agreeing > PASTED - fingerprints.WORDS}
    if not in_a_row:
        return ()
    marks = fingerprints.shingle_marks(fingerprints.normalised(text), book.keys.mark)
    return fingerprints.spans_of(text, sent.shingles_among(book, marks, in_a_row), book.keys.mark)


def _whole_spans(book: Book, text: str, among: Collection[int] | None) -> tuple[tuple[int, int], ...]:
    """Where whole texts of templates stand, of those given or of any."""
    spans: dict[bytes, tuple[int, int]] = {}
    for start, end in fingerprints.pieces(text):
        words = fingerprints.normalised(text[start:end])
        if len(words) >= fingerprints.WORDS and fingerprints.is_telling(words):
            spans.setdefault(fingerprints.whole(words, book.keys.mark), (start, end))
    found = sent.whole_among(book, spans.keys(), among) if spans else set()
    return tuple(sorted(span for mark, span in spans.items() if mark in found))


def may_be_sent(text: str) -> bool:
    """Whether a text is long enough to be told from another."""
    return text.count(" ") >= fingerprints.WORDS - 1


def _templates_like(book: Book, text: str, among: Collection[int]) -> dict[int, int]:
    """The templates that a text is of, with how many shingles agree."""
    print_ = fingerprints.fingerprint(text, book.keys.mark)
    if print_ is None or not among:
        return {}
    marks = print_.shingles
    like = sent.templates_like(book, among, text_mark=print_.text, shingle_marks=marks)
    return {
        template: agreeing
        for template, (is_whole, agreeing, kept) in like.items()
        if fingerprints.is_alike(is_whole=is_whole, agreeing=agreeing, pasted=len(marks), kept=kept)
    }


def shown(found: Found, level: Level) -> Found:
    """What a level may learn of one sender: to whoever has proven no number, a sensitive one is withheld."""
    return replace(found, client=WITHHELD) if found.is_sensitive and level < Level.PROVEN else found


def feed_is_fresh(book: Book, *, asked_until: datetime, now: datetime) -> bool:
    """Whether the feed would have told of everything sent until `asked_until`, so that "none" is true.

    It must be younger than 15 minutes and have spoken after the time asked about. A question until now has no
    such time: then only its age counts.
    """
    heard = sent.feed(book)
    if heard is None or now - heard.heard_at > FEED_IS_YOUNG:
        return False
    return asked_until >= now - JUST_NOW or heard.heard_at >= asked_until


def candidates_for_stop(
    book: Book, *, person: int, ours: str, now: datetime
) -> tuple[tuple[Candidate, ...], bool]:
    """Whom a STOP sent to `ours` may mean, and whether it is shared (see domain.senders.candidates)."""
    wrote = wrote_lately(book, person=person, now=now, ours=ours)
    return registry.candidates(senders.holdings(book, ours), wrote, now=now)


def wrote_lately(book: Book, *, person: int, now: datetime, ours: str | None = None) -> tuple[Candidate, ...]:
    """The clients that wrote to a person within `SHARED_LOOK_BACK`, the newest first; only from `ours`, if given.

    What was written to whoever had the number before is not counted: the receipt may name one of these.
    """
    since = _earliest(book, person, now - SHARED_LOOK_BACK, now)
    key = None if ours is None else sender_key(ours)
    messages = sent.newest_by_client(book, person, since=since, until=now, sender_key=key)
    return tuple(Candidate(m.client, m.is_sensitive) for m in messages)


def _finding(
    book: Book, messages: Sequence[Sent], *, level: Level, asked_until: datetime, now: datetime
) -> Finding:
    if not messages:
        return NONE if feed_is_fresh(book, asked_until=asked_until, now=now) else NOT_VISIBLE_YET
    found = [_found(message) for message in messages]
    return _listed(found if level >= Level.PROVEN else found[:1], level=level)


def _listed(found: list[Found], *, level: Level, is_shared: bool = False) -> Finding:
    """Sensitive clients are told one by one or not at all, never in a list."""
    if len(found) == 1 and not is_shared:
        return Finding("one", (shown(found[0], level),))
    told = tuple(f for f in found if not f.is_sensitive)
    if not told and not is_shared:
        return Finding("one", (shown(found[0], level),))
    return Finding("several", told)


def _found(message: Sent) -> Found:
    return Found(message.client, message.sent_at, message.sender, message.is_sensitive)


def _earliest(book: Book, person: int, since: datetime | None, now: datetime) -> datetime:
    """No further back than twelve months, nor than the number's present holder."""
    bounds = (since, now - LOOK_BACK_MOST, people.holder_since(book, person))
    return max(bound.astimezone(UTC) for bound in bounds if bound is not None)


def _last_moment(since: datetime, until: datetime) -> datetime:
    return max(since, until - timedelta(microseconds=1))
