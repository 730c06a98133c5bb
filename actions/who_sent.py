"""Say who sent a message, or ask back which one is meant. What a level may learn is the service's to enforce."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from actions import asking, proof
from actions.which_message import TYPED, WHEN, Meant, meant
from bot.domain.conversation import Asked, Do, Level, Option, Outcome, Say, Turn
from bot.domain.messages import Medium
from bot.domain.moments import around
from bot.domain.numbers import to_e164
from bot.ledger import clients
from bot.services import look_up_sender
from bot.services.contracts import Reads
from bot.services.look_up_sender import WITHHELD, Finding, Found
from bot.texts import ZONE

MOST_OPTIONS = 4  #: more would not fit an SMS
MOST_NAMES = 3  #: each of up to 30 characters, and Cyrillic around them leaves 134 for the whole SMS


def who_sent(turn: Turn, reads: Reads) -> Outcome:
    """From the text shown, the name given, the message answered, or the last one from the address written to.

    A time narrows it; one that goes back further than anything is kept is said so.
    """
    asked = meant(turn, reads)
    if asked.is_too_old(turn.now):
        return Outcome(say=(Say("who_sent.too_old", {"when": asked.when(turn.now)}),))
    if TYPED in turn.wish.slots and asked == Meant():
        return Outcome(ask=_ask_name(turn, reads, asked), is_understood=False)
    if asked.name is not None:
        return _by_name(turn, reads, asked, asked.name)
    if turn.person is None or not look_up_sender.learns_of_messages(turn.level):
        return Outcome(ask=_ask_name(turn, reads, asked))
    return (
        _of_shown(turn, reads, turn.person)
        or _of_answered(turn, reads, turn.person, asked)
        or _lately(turn, reads, turn.person, asked)
    )


def chosen(turn: Turn, reads: Reads) -> Outcome:
    """The person picked one of several."""
    slots = turn.wish.slots
    card = clients.card(reads.book, slots["client"])
    at = slots.get("at")
    found = Found(
        client=card.id,
        sent_at=None if at is None else datetime.fromisoformat(at),
        sender=slots.get("sender", ""),
        is_sensitive=card.is_sensitive,
    )
    # Asked anew: since it was offered the client may have become sensitive, or the proof have run out.
    found = look_up_sender.shown(found, turn.level)
    if slots.get("is_holder") and found.client != WITHHELD:
        say = Say("who_sent.registered", {"client": card.public_name, "domain": card.domain})
        return Outcome(say=(say,), ask=_next(turn, reads, card.id))
    return told_of(turn, reads, found)


def number_source(turn: Turn, reads: Reads) -> Outcome:
    """The client holds the source of a number (GDPR 14(2)(f)); so say which client that is."""
    told = who_sent(turn, reads)
    return replace(told, say=(Say("number_source.client"), *told.say))


def _of_shown(turn: Turn, reads: Reads, person: int) -> Outcome | None:
    """From a message that the person shows us, wherever it came to them."""
    if not look_up_sender.may_be_sent(turn.text):
        return None
    finding = look_up_sender.of_text(reads.book, turn.text, person=person, now=turn.now, level=turn.level)
    if finding.kind == "one":
        return told_of(turn, reads, finding.found[0])
    return Outcome(ask=_which(turn, finding.found)) if finding.found else None


def _of_answered(turn: Turn, reads: Reads, person: int, asked: Meant) -> Outcome | None:
    """The message that this one answers, unless another time was named."""
    answered = turn.answered_id or turn.wish.slots.get("answered")
    if answered is None:
        return None
    found = look_up_sender.of_answered(
        reads.book, str(answered), person=person, now=turn.now, level=turn.level
    )
    if found is None or found.sent_at is None or not asked.holds(found.sent_at):
        return None
    return told_of(turn, reads, found, answered=str(answered))


def _lately(turn: Turn, reads: Reads, person: int, asked: Meant) -> Outcome:
    """The last from the address written to, of a proven number from any; in the time named, or that day."""
    finding = _from(turn, reads, person, turn.ours, asked)
    if finding.kind in ("none", "not_visible_yet") and turn.level >= Level.PROVEN:
        finding = _from(turn, reads, person, None, asked)
    if finding.kind == "one":
        return told_of(turn, reads, finding.found[0], sender=turn.ours)
    if finding.kind == "several":
        return Outcome(ask=_which(turn, finding.found))
    if finding.kind == "needs_proof":
        return _needs_proof(turn, reads, asked)
    nobody_sends_from_here = turn.medium is not Medium.SMS or turn.ours in reads.house.own_addresses
    if nobody_sends_from_here and turn.level < Level.PROVEN:
        return Outcome(ask=_ask_name(turn, reads, asked))
    if finding.kind == "not_visible_yet":
        others = _others(turn, reads)
        ask = asking.offer(turn, "who_sent.next", *others) if others else None
        return Outcome(say=(Say("who_sent.not_visible_yet"),), ask=ask)
    return _none(turn, reads, person, asked)


def _none(turn: Turn, reads: Reads, person: int, asked: Meant) -> Outcome:
    """Nothing of the time named: say so; whoever named it within a longer question meant perhaps the last one.

    Not where the time goes on until now: before it the number may have been somebody else's.
    """
    if not asked.has_time:
        return Outcome(ask=_ask_name(turn, reads, asked))
    none = Say("who_sent.none", {"when": asked.when(turn.now)})
    is_exact = turn.wish.by == "slot" or asked.is_until(turn.received_at)
    last = look_up_sender.NONE if is_exact else _from(turn, reads, person, turn.ours, Meant())
    if last.kind == "one":
        told = told_of(turn, reads, last.found[0], sender=turn.ours)
        return replace(told, say=(none, *told.say))
    if not asked.is_precise:
        slots = {} if asked.name is None else {"name": asked.name}
        day = asking.fill(turn, "who_sent.ask_day", slot=TYPED, topic="who_sent", slots=slots)
        return Outcome(say=(none,), ask=day)
    return Outcome(say=(none,), ask=_ask_name(turn, reads, replace(asked, since=None, until=None)))


def _from(turn: Turn, reads: Reads, person: int, ours: str | None, asked: Meant) -> Finding:
    """Who wrote in the time named, or, where nobody did, on the days it touches."""
    since, until = asked.within(turn.now)
    finding = look_up_sender.of_person(
        reads.book, person=person, ours=ours, since=since, until=until, now=turn.now, level=turn.level
    )
    if finding.kind != "none" or not asked.has_time:
        return finding
    since, until = around(since, until, now=turn.now)
    return look_up_sender.of_person(
        reads.book, person=person, ours=ours, since=since, until=until, now=turn.now, level=turn.level
    )


def _by_name(turn: Turn, reads: Reads, asked: Meant, name: str) -> Outcome:
    """What came from a name or number; without that, or where it may not be told, who holds it."""
    said: tuple[Say, ...] = ()
    if turn.person is not None and look_up_sender.learns_of_messages(turn.level):
        finding = _from(turn, reads, turn.person, name, asked)
        if finding.kind == "one":
            return told_of(turn, reads, finding.found[0], sender=name)
        if finding.kind == "several":
            return Outcome(ask=_which(turn, finding.found))
        if finding.kind == "needs_proof":
            return _needs_proof(turn, reads, asked)
        near = look_up_sender.near_names(reads.book, name, person=turn.person, now=turn.now, level=turn.level)
        if near and not look_up_sender.is_registered(reads.book, name, now=turn.now):
            return Outcome(ask=_which_name(turn, asked, near))
        if finding.kind == "none":
            said = (Say("who_sent.none", {"when": asked.when(turn.now)}),)
    return _holder(turn, reads, asked, name, said)


def _holder(turn: Turn, reads: Reads, asked: Meant, name: str, said: tuple[Say, ...]) -> Outcome:
    """Who holds a sender name, or held it then: a fact of the registry, none about a person."""
    since, until = asked.within(turn.now)
    finding = look_up_sender.of_name(reads.book, name, since=since, until=until, now=turn.now)
    if finding.kind == "none":
        return _unknown(turn, reads, asked, name)
    if finding.kind == "several" and not asked.has_time:
        today = look_up_sender.of_name(reads.book, name, now=turn.now)
        if len(today.found) < len(finding.found):
            return _handed_on(turn, name)
    if finding.kind == "several" and finding.found:
        cards = [clients.card(reads.book, f.client) for f in finding.found]
        options = tuple(
            Option("who_sent_client", c.public_name, {"client": c.id, "is_holder": True}, is_name=True)
            for c in cards[:MOST_NAMES]
        )
        ask = asking.choose(turn, "who_sent.name_shared", *options)
        return Outcome(do=(_tell("", ask),), say=said)
    found = finding.found[0] if finding.found else None
    if found is None or found.client == WITHHELD:
        ask = _next_sensitive(turn, reads, sender=name)
        return Outcome(do=(_tell("who_sent.sensitive", ask),), say=said)
    card = clients.card(reads.book, found.client)
    key = "who_sent.registered_then" if asked.has_time else "who_sent.registered"
    told = {"client": card.public_name, "domain": card.domain, "when": asked.when(turn.now)}
    return Outcome(
        do=(_tell(key, _next(turn, reads, found.client, name), **told),),
        say=said,
        memory={} if turn.person is None else {"client": found.client},
    )


def _unknown(turn: Turn, reads: Reads, asked: Meant, name: str) -> Outcome:
    """Nobody has that name with us, or had it then; a number may be the person's own, or somebody else's."""
    key = "who_sent.unknown_then" if asked.has_time else "who_sent.name_unknown"
    ask = asking.menu(turn)
    if to_e164(name, region="PL") is not None:
        key = "who_sent.number_unknown"
        ways = proof.offer(turn, reads, "who_sent", **replace(asked, name=None).kept())
        ask = asking.offer(turn, "who_sent.next", *ways, Option("human", "label.human"))
    return Outcome(do=(_tell(key, ask, when=asked.when(turn.now)),))


def _tell(key: str, ask: Asked, **arguments: object) -> Do:
    """Names told to chats are counted, whatever comes of them."""
    replies = {"done": key, "limited": "who_sent.limited"}
    return Do("tell_holder", arguments, replies, asks={"done": ask})


def told_of(
    turn: Turn, reads: Reads, found: Found, *, others: tuple[Option, ...] | None = None, **asked: str
) -> Outcome:
    """Name the client with its contact, and offer what one usually wants next.

    asked: by what it was asked for, to ask for it again once the number is proven. others: the way to who else
    wrote, where a list goes on.
    """
    if found.client == WITHHELD:
        return Outcome(say=(Say("who_sent.sensitive"),), ask=_next_sensitive(turn, reads, **asked))
    card = clients.card(reads.book, found.client)
    # No address of a clinic or a debt collector stands in a message: it says as much as the name, and stays there.
    key = ("one" if found.sent_at is not None else "told") + ("_alone" if card.is_sensitive else "")
    say = Say(_TOLD[key], {"client": card.public_name, "domain": card.domain, "at": found.sent_at})
    ask = _next(turn, reads, found.client, asked.get("sender"), others)
    return Outcome(say=(say,), ask=ask, memory={"client": found.client})


_TOLD = {
    "one": "who_sent.one",
    "told": "who_sent.told",
    "one_alone": "who_sent.one_alone",
    "told_alone": "who_sent.told_alone",
}


def _next(
    turn: Turn,
    reads: Reads,
    client: int,
    name: str | None = None,
    others: tuple[Option, ...] | None = None,
) -> Asked:
    """What one usually wants next; a time alone ("and the one yesterday?") asks the same again."""
    ask = asking.offer(
        turn,
        "who_sent.next",
        *_stop(turn, Option("opt_out", "label.stop_client", {"client": client}, is_opt_out=True)),
        Option("rights_menu", "label.rights", {"client": client}),
        Option("human", "label.human"),
        *(_others(turn, reads) if others is None else others),
    )
    return _open_for_a_time(turn, ask, name)


def _open_for_a_time(turn: Turn, ask: Asked, name: str | None) -> Asked:
    slots = {} if name in (None, turn.ours) else {"name": name}
    return replace(ask, slot=WHEN, topic="who_sent", slots=slots, takes_time=True)


def _others(turn: Turn, reads: Reads, label: str = "label.history") -> tuple[Option, ...]:
    """Who else wrote: for a proven number, so it is offered where one can be proven."""
    can_ask = turn.level >= Level.PROVEN or proof.can_prove(turn, reads)
    return (Option("history", label),) if can_ask else ()


def _next_sensitive(turn: Turn, reads: Reads, **asked: str) -> Asked:
    """The sender stays unnamed, yet whatever one wants next goes on."""
    ask = asking.offer(
        turn,
        "who_sent.next",
        *_stop(turn, Option("opt_out", "label.stop_sender", is_opt_out=True)),
        Option("rights_menu", "label.rights"),
        Option("human", "label.human"),
        *proof.offer(turn, reads, "who_sent", **asked),
    )
    return _open_for_a_time(turn, ask, asked.get("sender"))


def _needs_proof(turn: Turn, reads: Reads, asked: Meant) -> Outcome:
    """What lies further back is for a proven number; said by the question alone, whatever there is."""
    options = (*proof.offer(turn, reads, "who_sent", **asked.kept()), Option("human", "label.human"))
    return Outcome(say=(Say("who_sent.needs_proof"),), ask=asking.offer(turn, "who_sent.next", *options))


def _stop(turn: Turn, option: Option) -> tuple[Option, ...]:
    """Not offered to whoever said it in the same message."""
    return () if turn.facts.get("opt_out") in ("done", "again") else (option,)


def _which(turn: Turn, found: tuple[Found, ...]) -> Asked:
    """Several wrote: told apart by sender, or from one address by time alone, which the phone shows anyway.

    A name or a time that is typed instead asks again.
    """
    senders = {f.sender for f in found}
    has_names = len(senders) == len(found)
    options = tuple(
        Option("who_sent_client", f.sender if has_names else when(f), _slots(f), is_name=True)
        for f in found[: MOST_NAMES if has_names else MOST_OPTIONS]
    )
    question = "who_sent.which_sender" if len(senders) > 1 else "who_sent.which"
    return asking.fill(turn, question, *options, slot=TYPED, topic="who_sent")


def _slots(found: Found) -> dict[str, object]:
    at = None if found.sent_at is None else found.sent_at.isoformat()
    return {"client": found.client, "sender": found.sender, "at": at}


def _which_name(turn: Turn, asked: Meant, near: tuple[str, ...]) -> Asked:
    """The name is nearly one of those that wrote to this number."""
    kept = replace(asked, name=None).kept()
    options = tuple(Option("who_sent", n, {**kept, TYPED: n}, is_name=True) for n in near[:MOST_NAMES])
    return asking.fill(turn, "who_sent.near", *options, slot=TYPED, topic="who_sent")


def _handed_on(turn: Turn, name: str) -> Outcome:
    """The name has had another holder lately: who it was depends on the day."""
    return Outcome(
        ask=asking.fill(turn, "who_sent.handed_on", slot=TYPED, topic="who_sent", slots={"name": name})
    )


def when(found: Found) -> str:
    """The moment of a message, as a phone shows it."""
    return "" if found.sent_at is None else found.sent_at.astimezone(ZONE).strftime("%d.%m %H:%M")


def _ask_name(turn: Turn, reads: Reads, asked: Meant) -> Asked:
    can_share = turn.medium is Medium.TELEGRAM and turn.person is None
    question = "who_sent.ask_name_or_contact" if can_share else "who_sent.ask_name"
    others = _others(turn, reads, "label.to_me")
    return asking.fill(
        turn, question, *others, slot=TYPED, topic="who_sent", slots=asked.kept(), asks_contact=can_share
    )
