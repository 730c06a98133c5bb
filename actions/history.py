"""List who wrote to a proven number, a page at a time. What a level may learn is the service's to enforce.

A sensitive sender stands in no list: each is told alone, after the others or to whoever names it.
"""

from __future__ import annotations

from actions import asking, proof, who_sent
from bot.domain.conversation import Level, Option, Outcome, Say, Turn
from bot.domain.messages import Medium
from bot.ledger import clients
from bot.services import look_up_sender
from bot.services.contracts import Reads
from bot.services.look_up_sender import LOOK_BACK, LOOK_BACK_MOST, Finding, Found

MOST_ON_SMS = 3  #: names of up to 30 characters; Cyrillic around them leaves 134 for the whole SMS
MOST_IN_CHAT = 8


def listed(turn: Turn, reads: Reads) -> Outcome:
    """The senders of the last 30 days, the newest first; on asking, those of twelve months."""
    slots = turn.wish.slots
    is_year = bool(slots.get("is_year"))
    told: list[int] = list(slots.get("told", ()))
    if turn.person is None or turn.level < Level.PROVEN:
        return proof.begin(turn, "history", is_year=is_year, told=told)
    finding = _finding(turn, reads, turn.person, told, is_year=is_year)
    if finding.kind == "not_visible_yet":
        return Outcome(say=(Say("who_sent.not_visible_yet"),))
    page = finding.found[: MOST_ON_SMS if turn.medium is Medium.SMS else MOST_IN_CHAT]
    told = [*told, *(f.client for f in page)]
    has_rest = bool(_finding(turn, reads, turn.person, told, is_year=is_year).found)
    more = _more(told, is_year=is_year, has_rest=has_rest)
    if not page:
        ask = asking.offer(turn, "history.else", *more) if more else None
        return Outcome(say=(Say("history.none_in_year" if is_year else "history.none"),), ask=ask)
    if len(page) == 1 and page[0].is_sensitive:
        return who_sent.told_of(turn, reads, page[0], others=more)
    names = tuple(Option("who_sent_client", _label(turn, reads, f), _slots(f), is_name=True) for f in page)
    some = () if slots.get("told") else (Say("history.some"),)
    return Outcome(say=some, ask=asking.offer(turn, "history.list", *names, *more))


def _finding(turn: Turn, reads: Reads, person: int, told: list[int], *, is_year: bool) -> Finding:
    return look_up_sender.of_person(
        reads.book,
        person=person,
        ours=None,
        since=turn.now - (LOOK_BACK_MOST if is_year else LOOK_BACK),
        until=turn.now,
        now=turn.now,
        level=turn.level,
        told=told,
    )


def _more(told: list[int], *, is_year: bool, has_rest: bool) -> tuple[Option, ...]:
    """The next page, or what lies further back; nothing once twelve months are told."""
    if has_rest:
        return (Option("history", "label.more", {"is_year": is_year, "told": told}),)
    return () if is_year else (Option("history", "label.older", {"is_year": True, "told": told}),)


def _label(turn: Turn, reads: Reads, found: Found) -> str:
    name = clients.card(reads.book, found.client).public_name
    return name if turn.medium is Medium.SMS else f"{name}, {who_sent.when(found)}"


def _slots(found: Found) -> dict[str, object]:
    return {"client": found.client, "sender": found.sender}
