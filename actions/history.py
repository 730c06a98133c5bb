"""List who wrote to a proven number, a page at a time. What a level may learn is the service's to enforce.

A sensitive sender stands in no list: it is told alone, to whoever asks for it by its name or number.
"""

from __future__ import annotations

from actions import asking, proof, who_sent
from bot.domain.conversation import Level, Option, Outcome, Say, Turn
from bot.domain.messages import Medium
from bot.ledger import clients
from bot.services import look_up_sender
from bot.services.contracts import Reads
from bot.services.look_up_sender import LOOK_BACK, LOOK_BACK_MOST, Found

MOST_ON_SMS = 3  #: names of up to 30 characters; Cyrillic around them leaves 134 for the whole SMS
MOST_IN_CHAT = 8


def listed(turn: Turn, reads: Reads) -> Outcome:
    """The senders of the last 30 days, the newest first; on asking, those of twelve months."""
    slots = turn.wish.slots
    is_year = bool(slots.get("is_year"))
    told: list[int] = list(slots.get("told", ()))
    if turn.person is None or turn.level < Level.PROVEN:
        return proof.begin(turn, "history", is_year=is_year, told=told)
    finding = look_up_sender.of_person(
        reads.book,
        person=turn.person,
        ours=None,
        since=turn.now - (LOOK_BACK_MOST if is_year else LOOK_BACK),
        until=turn.now,
        now=turn.now,
        level=turn.level,
    )
    if finding.kind == "not_visible_yet":
        return Outcome(say=(Say("who_sent.not_visible_yet"),))
    found = [f for f in finding.found if f.client not in told]
    if len(found) == 1 and found[0].is_sensitive:
        return who_sent.told_of(turn, reads, found[0])
    most = MOST_ON_SMS if turn.medium is Medium.SMS else MOST_IN_CHAT
    page = found[:most]
    more = _more(is_year, told + [f.client for f in page], is_rest=len(found) > most)
    if not page:
        say = Say("history.none_in_year" if is_year else "history.none")
        return Outcome(say=(say,), ask=asking.choose(turn, "history.else", *more) if more else None)
    names = tuple(Option("who_sent_client", _label(turn, reads, f), _slots(f), is_name=True) for f in page)
    some = () if told else (Say("history.some"),)
    return Outcome(say=some, ask=asking.choose(turn, "history.list", *names, *more))


def _more(is_year: bool, told: list[int], *, is_rest: bool) -> tuple[Option, ...]:
    """The next page, or what lies further back; nothing once twelve months are told."""
    if is_rest:
        return (Option("history", "label.more", {"is_year": is_year, "told": told}),)
    return () if is_year else (Option("history", "label.older", {"is_year": True, "told": told}),)


def _label(turn: Turn, reads: Reads, found: Found) -> str:
    name = clients.card(reads.book, found.client).public_name
    return name if turn.medium is Medium.SMS else f"{name}, {who_sent.when(found)}"


def _slots(found: Found) -> dict[str, object]:
    return {"client": found.client, "sender": found.sender}
