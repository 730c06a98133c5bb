"""Find who sent a message, and hold back what the person may not learn. Reads only; words nothing.

The identity ladder (domain.conversation.Level) is kept here, whatever is asked: below PROVEN only the
message being answered or the last one from the sender named, and a sensitive client (clinic, debt, court)
stays `WITHHELD`; it is in no list at any level. "None" is said only of a time that the feed of sent messages
has told about, else "not visible yet".
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from typing import Literal

from bot.domain import fingerprints, retention
from bot.domain import senders as registry
from bot.domain.consent import SHARED_LOOK_BACK, Candidate
from bot.domain.conversation import Level
from bot.domain.numbers import sender_key
from bot.ledger import people, senders, sent
from bot.ledger.book import Book
from bot.ledger.sent import Sent

LOOK_BACK = timedelta(days=30)  #: how far a question without a time reaches
LOOK_BACK_MOST = retention.PERIODS[retention.Category.SENT]  #: how far any question reaches
FEED_IS_YOUNG = timedelta(minutes=15)
JUST_NOW = timedelta(minutes=1)  #: a question "until now" is still one when the worker comes to it
WITHHELD = 0  #: in the place of a client that must not be named; `clients.card` refuses it

Kind = Literal["one", "several", "none", "not_visible_yet"]


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


def of_answered(
    book: Book, provider_message_id: str, *, person: int, now: datetime, level: Level = Level.ASSERTED
) -> Found | None:
    """The message that the person answers, by the id its channel told; None if it did not go to `person`."""
    message = sent.by_message(book, provider_message_id, person=person)
    if message is None or level < Level.ASSERTED or message.sent_at < _earliest(book, person, None, now):
        return None
    return _shown(_found(message), level)


def of_person(
    book: Book,
    *,
    person: int,
    ours: str | None,
    since: datetime,
    until: datetime,
    now: datetime,
    level: Level,
) -> Finding:
    """Who wrote to a person between two moments: distinct clients, the newest message first.

    ours: only from this sender, name or number; below PROVEN it must be given, and only the last counts.
    since: cut to twelve months and to when the number came to its holder. until: `now` for an open question.
    """
    if level < Level.ASSERTED or (level < Level.PROVEN and ours is None):
        return NOT_VISIBLE_YET
    key = None if ours is None else sender_key(ours)
    earliest = _earliest(book, person, since, now)
    messages = sent.newest_by_client(book, person, since=earliest, until=until, sender_key=key)
    return _finding(book, messages, level=level, asked_until=until, now=now)


def of_name(
    book: Book, sender: str, *, at: date | None, now: datetime, level: Level = Level.ANONYMOUS
) -> Finding:
    """Who holds a sender name, by the registry alone: says nothing of any person.

    at: the day meant, in Warsaw; None: today.
    """
    since, until = (now, now) if at is None else registry.day_of(at)
    held = [h for h in senders.holdings(book, sender) if h.overlaps(since, _last_moment(since, until))]
    by_client = {
        h.client: Found(h.client, None, h.sender, h.is_sensitive) for h in held if h.client is not None
    }
    if not held:
        return NONE
    is_shared = any(h.client is None for h in held)
    return _listed(list(by_client.values()), level=level, is_shared=is_shared)


def of_name_for_person(
    book: Book,
    sender: str,
    *,
    person: int,
    now: datetime,
    since: datetime | None = None,
    level: Level = Level.ASSERTED,
) -> Finding:
    """Who wrote to a person under a sender name, in the last 30 days or since a moment."""
    begin = now - LOOK_BACK if since is None else since
    return of_person(book, person=person, ours=sender, since=begin, until=now, now=now, level=level)


def name_in(book: Book, text: str, *, now: datetime) -> str | None:
    """A registered sender name that stands in a text as a name, the longest if there are several.

    A name is what is quoted, written with capitals inside, or follows a word such as "from": sender names are
    often plain words (ZAKUPY, INFO), and a plain word in a sentence is not meant as one.
    """
    held = [
        (len(name), name)
        for name in registry.names_in(text)
        if any(h.overlaps(now, now) for h in senders.holdings(book, name))
    ]
    return max(held)[1] if held else None


def near_names(book: Book, sender: str, *, person: int, now: datetime) -> tuple[str, ...]:
    """Names like `sender`, of those only that wrote to this person in the last 30 days; the nearest first."""
    return registry.near(
        sender, sent.senders_to(book, person, since=_earliest(book, person, now - LOOK_BACK, now))
    )


def of_text(book: Book, text: str, *, person: int, now: datetime, level: Level = Level.ASSERTED) -> Finding:
    """Who sent a message that the person pasted, by fingerprints of what went to them in twelve months."""
    if level < Level.ASSERTED:
        return NOT_VISIBLE_YET
    print_ = fingerprints.fingerprint(text, book.keys.mark)
    since = _earliest(book, person, None, now)
    among = sent.templates_to(book, person, since=since)
    if print_ is None or not among:
        return _finding(book, [], level=level, asked_until=now, now=now)
    marks = print_.shingles
    alike = {
        template
        for template, (is_whole, agreeing, kept) in sent.templates_like(
            book, among, text_mark=print_.text, shingle_marks=marks
        ).items()
        if fingerprints.is_alike(is_whole=is_whole, agreeing=agreeing, pasted=len(marks), kept=kept)
    }
    messages = (
        sent.newest_by_client(book, person, since=since, until=now, template_ids=alike) if alike else []
    )
    return _finding(book, messages, level=level, asked_until=now, now=now)


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
        return Finding("one", (_shown(found[0], level),))
    told = tuple(f for f in found if not f.is_sensitive)
    if not told and not is_shared:
        return Finding("one", (_shown(found[0], level),))
    return Finding("several", told)


def _found(message: Sent) -> Found:
    return Found(message.client, message.sent_at, message.sender, message.is_sensitive)


def _shown(found: Found, level: Level) -> Found:
    return replace(found, client=WITHHELD) if found.is_sensitive and level < Level.PROVEN else found


def _earliest(book: Book, person: int, since: datetime | None, now: datetime) -> datetime:
    """No further back than twelve months, nor than the number's present holder."""
    bounds = (since, now - LOOK_BACK_MOST, people.holder_since(book, person))
    return max(bound.astimezone(UTC) for bound in bounds if bound is not None)


def _last_moment(since: datetime, until: datetime) -> datetime:
    return max(since, until - timedelta(microseconds=1))
