"""Say who sent a message, or ask back which one is meant. What a level may learn is the service's to enforce."""

from __future__ import annotations

from datetime import timedelta

from actions import asking, proof
from bot.domain.consent import SHARED_LOOK_BACK
from bot.domain.conversation import Asked, Level, Option, Outcome, Say, Turn
from bot.domain.messages import Medium
from bot.ledger import clients
from bot.services import look_up_sender
from bot.services.contracts import Reads
from bot.services.look_up_sender import WITHHELD, Found
from bot.texts import ZONE

MOST_OPTIONS = 4  #: more would not fit an SMS
MOST_NAMES = 3  #: each of up to 30 characters, and Cyrillic around them leaves 134 for the whole SMS


def who_sent(turn: Turn, reads: Reads) -> Outcome:
    """From the name the person gave, the message answered, or the last one from the address written to."""
    name = _name(turn, reads)
    if name is not None:
        return _by_name(turn, reads, name)
    if turn.person is None:
        return Outcome(ask=_ask_name(turn, reads))
    shown = _of_shown(turn, reads)
    if shown is not None:
        return shown
    answered = turn.answered_id or turn.wish.slots.get("answered")
    if answered is not None:
        found = look_up_sender.of_answered(
            reads.book, str(answered), person=turn.person, now=turn.now, level=turn.level
        )
        if found is not None:
            return told_of(turn, reads, found, answered=answered)
    finding = look_up_sender.of_person(
        reads.book,
        person=turn.person,
        ours=turn.ours,
        since=turn.received_at - SHARED_LOOK_BACK,
        until=turn.received_at + timedelta(minutes=1),
        now=turn.now,
        level=turn.level,
    )
    if finding.kind == "one":
        return told_of(turn, reads, finding.found[0], sender=turn.ours)
    if finding.kind == "several":
        return Outcome(ask=_which(turn, finding.found))
    if turn.medium is not Medium.SMS or finding.kind == "none":
        return Outcome(ask=_ask_name(turn, reads))
    others = _others(turn, reads)
    ask = asking.choose(turn, "who_sent.next", *others) if others else None
    return Outcome(say=(Say("who_sent.not_visible_yet"),), ask=ask)


def _of_shown(turn: Turn, reads: Reads) -> Outcome | None:
    """From a message that the person shows us, wherever it came to them."""
    if turn.person is None or not look_up_sender.may_be_sent(turn.text):
        return None
    finding = look_up_sender.of_text(
        reads.book, turn.text, person=turn.person, now=turn.now, level=turn.level
    )
    if finding.kind == "one":
        return told_of(turn, reads, finding.found[0])
    return Outcome(ask=_which(turn, finding.found)) if finding.found else None


def chosen(turn: Turn, reads: Reads) -> Outcome:
    """The person picked one of several."""
    slots = turn.wish.slots
    card = clients.card(reads.book, slots["client"])
    found = Found(
        client=card.id, sent_at=None, sender=slots.get("sender", ""), is_sensitive=card.is_sensitive
    )
    return told_of(turn, reads, found)


def number_source(turn: Turn, reads: Reads) -> Outcome:
    """The client holds the source of a number (GDPR 14(2)(f)); so say which client that is."""
    told = who_sent(turn, reads)
    return Outcome(say=(Say("number_source.client"), *told.say), ask=told.ask, memory=told.memory)


def _name(turn: Turn, reads: Reads) -> str | None:
    """A sender name: one that was asked for, or one that stands in the text and is registered."""
    given = turn.wish.slots.get("sender")
    if given is not None:
        return str(given)
    return look_up_sender.name_in(reads.book, turn.clause, now=turn.now)


def _by_name(turn: Turn, reads: Reads, name: str) -> Outcome:
    if turn.person is not None:
        finding = look_up_sender.of_name_for_person(
            reads.book, name, person=turn.person, now=turn.now, level=turn.level
        )
        if finding.kind == "one":
            return told_of(turn, reads, finding.found[0], sender=name)
    finding = look_up_sender.of_name(reads.book, name, now=turn.now)
    if finding.kind == "one":
        return _registered(turn, reads, finding.found[0], name)
    if finding.kind == "several":
        names = [clients.card(reads.book, f.client) for f in finding.found if f.client != WITHHELD]
        options = tuple(
            Option("who_sent_client", c.public_name, {"client": c.id}, is_name=True)
            for c in names[:MOST_NAMES]
        )
        if options:
            return Outcome(ask=asking.choose(turn, "who_sent.name_shared", *options))
        return Outcome(say=(Say("who_sent.sensitive"),), ask=_next_sensitive(turn, reads, sender=name))
    return Outcome(say=(Say("who_sent.name_unknown"),), ask=asking.menu(turn))


def told_of(turn: Turn, reads: Reads, found: Found, **asked: str) -> Outcome:
    """Name the client with its contact, and offer what one usually wants next.

    asked: by what it was asked for, to ask for it again once the number is proven.
    """
    if found.client == WITHHELD:
        return Outcome(say=(Say("who_sent.sensitive"),), ask=_next_sensitive(turn, reads, **asked))
    card = clients.card(reads.book, found.client)
    # No address of a clinic or a debt collector stands in a message: it says as much as the name, and stays there.
    key = ("one" if found.sent_at is not None else "told") + ("_alone" if card.is_sensitive else "")
    say = Say(_TOLD[key], {"client": card.public_name, "domain": card.domain, "at": found.sent_at})
    return Outcome(say=(say,), ask=_next(turn, reads, found.client), memory={"client": found.client})


_TOLD = {
    "one": "who_sent.one",
    "told": "who_sent.told",
    "one_alone": "who_sent.one_alone",
    "told_alone": "who_sent.told_alone",
}


def _registered(turn: Turn, reads: Reads, found: Found, name: str) -> Outcome:
    """Who holds a sender name: a fact of the registry, none about a person."""
    if found.client == WITHHELD:
        return Outcome(say=(Say("who_sent.sensitive"),), ask=_next_sensitive(turn, reads, sender=name))
    card = clients.card(reads.book, found.client)
    say = Say("who_sent.registered", {"client": card.public_name, "domain": card.domain})
    return Outcome(say=(say,), ask=_next(turn, reads, found.client), memory={"client": found.client})


def _next(turn: Turn, reads: Reads, client: int) -> Asked:
    return asking.choose(
        turn,
        "who_sent.next",
        *_stop(turn, Option("opt_out", "label.stop_client", {"client": client}, is_opt_out=True)),
        Option("rights_menu", "label.rights", {"client": client}),
        Option("human", "label.human"),
        *_others(turn, reads),
    )


def _others(turn: Turn, reads: Reads) -> tuple[Option, ...]:
    """Who else wrote: for a proven number, so it is offered where one can be proven."""
    can_ask = turn.level >= Level.PROVEN or proof.can_prove(turn, reads)
    return (Option("history", "label.history"),) if can_ask else ()


def _next_sensitive(turn: Turn, reads: Reads, **asked: str) -> Asked:
    """The sender stays unnamed, yet whatever one wants next goes on."""
    return asking.choose(
        turn,
        "who_sent.next",
        *_stop(turn, Option("opt_out", "label.stop_sender", is_opt_out=True)),
        Option("rights_menu", "label.rights"),
        Option("human", "label.human"),
        *proof.offer(turn, reads, "who_sent", **asked),
    )


def _stop(turn: Turn, option: Option) -> tuple[Option, ...]:
    """Not offered to whoever said it in the same message."""
    return () if turn.facts.get("opt_out") in ("done", "again") else (option,)


def _which(turn: Turn, found: tuple[Found, ...]) -> Asked:
    """Several wrote from one address: tell them apart by time alone, which the phone shows anyway."""
    options = tuple(
        Option(
            "who_sent_client",
            when(f),
            {"client": f.client, "sender": f.sender},
            is_name=True,
        )
        for f in found[:MOST_OPTIONS]
    )
    return asking.choose(turn, "who_sent.which", *options)


def when(found: Found) -> str:
    """The moment of a message, as a phone shows it."""
    return "" if found.sent_at is None else found.sent_at.astimezone(ZONE).strftime("%d.%m %H:%M")


def _ask_name(turn: Turn, reads: Reads) -> Asked:
    can_share = turn.medium is Medium.TELEGRAM and turn.person is None
    question = "who_sent.ask_name_or_contact" if can_share else "who_sent.ask_name"
    others = _others(turn, reads)
    return asking.fill(turn, question, *others, slot="sender", topic="who_sent", asks_contact=can_share)
