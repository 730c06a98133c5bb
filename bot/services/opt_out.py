"""Put an opt-out in place, with its evidence and its one receipt, in the transaction it is given.

Asks neither the model nor a provider: invariant 3. What is covered and what changes is decided in
`domain.consent`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from bot.domain import questions
from bot.domain.consent import (
    SKEW,
    Candidate,
    Coverage,
    Covers,
    End,
    Receipt,
    State,
    Stop,
    after,
    coverage_of_everything,
    coverage_of_sender,
    may_be_late,
)
from bot.domain.conversation import Asked
from bot.domain.keywords import MATCHER_VERSION, Scope
from bot.domain.messages import Medium
from bot.ledger import clients, consents, conversations, people, queues, senders
from bot.ledger.book import Book
from bot.ledger.conversations import Conversation
from bot.services import look_up_sender, tell_opt_outs, wording
from bot.services.contracts import House

RECEIPT_LASTS = timedelta(hours=24)
RECEIPT_LASTS_US = timedelta(
    minutes=5
)  #: 47 CFR 64.1200(a)(12): a confirmation later than that needs consent

MOST_WAITING = 10  #: STOPs of one chat that are kept until its number is known; the newest

SIGNATURES = {"twilio": "signed", "smsapi": "secret", "telegram": "secret", "simulator": "simulator"}
"""How each provider's word was vouched for; stands in the evidence."""


@dataclass(frozen=True, slots=True)
class Cause:
    """The message that asked for it, and why it was understood so.

    signature: how the hook was verified, see SIGNATURES. language: the keyword's, for the receipt; None: the
    conversation's. provider_id: the provider's own id of the message. said_at: when it was said by the provider's
    clock; None: not told, then `received_at` counts.
    """

    message: int | None
    text: str
    rule: str
    span: tuple[int, int]
    signature: str
    received_at: datetime
    language: str | None = None
    provider_id: str = field(default="", repr=False)
    said_at: datetime | None = None


def opt_out(
    house: House,
    book: Book,
    conversation: Conversation,
    *,
    scope: Scope,
    sender: str | None = None,
    client: int | None = None,
    cause: Cause,
    now: datetime,
    is_receipted: bool = True,
) -> str:
    """Stop what the scope covers.

    client: the one client meant, when the person chose it; else the scope decides.
    Returns `done`, `again` (it stood before: recorded, silent), `late` (the person has started again since it was
    said: recorded, silent) or `no_number` (kept for 24 hours).
    """
    if conversation.person is None:
        stop = {
            "scope": scope.value,
            "sender": sender,
            "client": client,
            "text": cause.text,
            "rule": cause.rule,
            "span": cause.span,
            "signature": cause.signature,
            "received_at": cause.received_at.isoformat(),
            "provider_id": cause.provider_id,
            "said_at": None if cause.said_at is None else cause.said_at.isoformat(),
        }
        others = [
            s for s in _waiting(conversation, now) if (s["scope"], s["sender"]) != (scope.value, sender)
        ]
        conversations.keep_stop(book, conversation.id, {"stops": [*others, stop][-MOST_WAITING:]}, now=now)
        return "no_number"
    holder_since = people.lock(book, conversation.person)
    coverage = _coverage(house, book, conversation, scope=scope, sender=sender, client=client, now=now)
    return _take(
        house,
        book,
        conversation,
        conversation.person,
        coverage,
        scope=scope,
        cause=cause,
        provider=conversation.address.provider,
        holder_since=holder_since,
        is_receipted=is_receipted,
        now=now,
    ).value


def _take(
    house: House,
    book: Book,
    conversation: Conversation | None,
    person: int,
    coverage: Coverage,
    *,
    scope: Scope,
    cause: Cause,
    provider: str,
    holder_since: datetime | None,
    is_receipted: bool,
    now: datetime,
) -> End:
    """Carry out what the state machine makes of a STOP; the caller holds the person.

    conversation: where it was said; None: not to us, and then nobody is told.
    """
    stop = Stop(coverage, said_at=min(cause.said_at or cause.received_at, now), taken_at=now)
    until = stop.said_at + SKEW
    stood = consents.rows_standing(book, person)
    state = State(
        standing=tuple(row.opt_out for row in stood),
        answered=consents.answered(book, person, after=until) if may_be_late(stop) else {},
        holder_since=holder_since,
    )
    change = after(state, stop)
    consents.close_codes(book, person, until=until)
    confirmed = None
    if change.receipt is not None and is_receipted and conversation is not None:
        covered = replace(coverage, receipt=change.receipt)
        confirmed = _receipt(house, book, conversation, covered, cause=cause, now=now)
    evidence = consents.record(
        book,
        consents.Act(
            act="stop" if change.end is End.DONE else "repeat",
            person=person,
            conversation=conversation.id if conversation else None,
            cause=cause.message,
            provider=provider,
            scope=scope.value,
            rule=cause.rule,
            span=cause.span,
            matcher=MATCHER_VERSION,
            signature=cause.signature,
            text=cause.text,
            clients=() if change.end is End.LATE else coverage.clients,
            received_at=cause.received_at,
            effective_at=now,
            address=conversation.address if conversation else None,
            provider_id=cause.provider_id,
            confirmed=confirmed,
            covers=coverage.covers.value,
        ),
    )
    put = consents.stop(book, person, change.put, evidence=evidence)
    if change.end is End.DONE:
        stand = list({row.client: row for row in (*stood, *put)}.values())
        tell_opt_outs.tell(book, person, act=evidence, rows=stand, ways=house.ways_to_clients, now=now)
    return change.end


def carry_out_waiting(house: House, book: Book, conversation: Conversation, *, now: datetime) -> str | None:
    """The number is known now: carry out the STOPs that waited for it. None if none waited.

    Returns `done` if any stopped something, else how the last one ended.
    """
    stops = _waiting(conversation, now)
    if not stops:
        return None
    conversations.drop_stop(book, conversation.id)
    ends = [_carry_out(house, book, conversation, stop, now=now) for stop in stops]
    return "done" if "done" in ends else ends[-1]


def _waiting(conversation: Conversation, now: datetime) -> list[dict[str, Any]]:
    """The STOPs of a chat that wait for its number, the oldest first: each may mean somebody else."""
    kept = conversations.live_stop(conversation, now)
    if kept is None:
        return []
    stops: list[dict[str, Any]] = kept.get("stops", [kept])  # one kept before there could be several
    return [s for s in stops if now - _received_at(s, now) < conversations.STOP_WAITS]


def _received_at(stop: Mapping[str, Any], now: datetime) -> datetime:
    return datetime.fromisoformat(stop["received_at"]) if "received_at" in stop else now


def _carry_out(
    house: House, book: Book, conversation: Conversation, stop: Mapping[str, Any], *, now: datetime
) -> str:
    cause = Cause(
        message=None,
        text=stop["text"],
        rule=stop["rule"],
        span=tuple(stop["span"]),
        signature=stop.get("signature", "platform"),  # one kept before these were
        received_at=_received_at(stop, now),
        provider_id=stop.get("provider_id", ""),
        said_at=datetime.fromisoformat(stop["said_at"]) if stop.get("said_at") else None,
    )
    return opt_out(
        house,
        book,
        conversation,
        scope=Scope(stop["scope"]),
        sender=stop["sender"],
        client=stop.get("client"),
        cause=cause,
        now=now,
    )


def take_provider_stop(
    house: House, book: Book, conversation: Conversation, *, cause: Cause, now: datetime
) -> None:
    """The provider took an opt-out and has confirmed it itself: record and honour it, without a text of ours."""
    person = conversation.person
    if person is None:
        return
    holder_since = people.lock(book, person)
    coverage = _coverage(house, book, conversation, scope=Scope.SENDER, sender=None, client=None, now=now)
    _take(
        house,
        book,
        conversation,
        person,
        coverage,
        scope=Scope.SENDER,
        cause=cause,
        provider=conversation.address.provider,
        holder_since=holder_since,
        is_receipted=False,
        now=now,
    )


def take_listed_stop(
    house: House,
    book: Book,
    person: int,
    client: int,
    *,
    provider: str,
    provider_id: str,
    said_at: datetime | None,
    now: datetime,
) -> bool:
    """Somebody opted out of one client on its provider's own page. The caller holds the person.

    provider_id: of the entry in the provider's list. said_at: when, by the provider's clock. Returns whether it is
    news; if not, it is recorded all the same.
    """
    cause = Cause(
        message=None,
        text="",
        rule="provider:opt_outs",
        span=(0, 0),
        signature="platform",
        received_at=now,
        provider_id=provider_id,
        said_at=said_at,
    )
    end = _take(
        house,
        book,
        None,
        person,
        coverage_of_sender([Candidate(client)], is_shared=False),
        scope=Scope.SENDER,
        cause=cause,
        provider=provider,
        holder_since=people.holder_since(book, person),
        is_receipted=False,
        now=now,
    )
    return end is End.DONE


def holders_of(book: Book, sender: str, *, now: datetime) -> tuple[int, ...]:
    """The clients that hold a sender name today; empty if the name is not registered."""
    held = senders.holdings(book, sender)
    return tuple(sorted({h.client for h in held if h.client is not None and h.overlaps(now, now)}))


def _coverage(
    house: House,
    book: Book,
    conversation: Conversation,
    *,
    scope: Scope,
    sender: str | None,
    client: int | None,
    now: datetime,
) -> Coverage:
    if scope is Scope.ALL:
        return coverage_of_everything(house.stop_all_covers)
    if client is not None:
        is_sensitive = clients.card(book, client).is_sensitive
        return coverage_of_sender([Candidate(client, is_sensitive)], is_shared=False)
    if sender is not None:
        held = holders_of(book, sender, now=now)
        if held:
            return Coverage(held, Covers.MARKETING, Receipt.NAMED)
    assert conversation.person is not None  # asked before
    candidates, is_shared = look_up_sender.candidates_for_stop(
        book, person=conversation.person, ours=conversation.address.ours, now=now
    )
    if not candidates:
        # Nobody holds this address (a chat, or the bot's own number): whoever wrote lately is meant.
        recent = look_up_sender.wrote_lately(book, person=conversation.person, now=now)
        coverage = coverage_of_sender(recent, is_shared=False)
        is_several = coverage.receipt is Receipt.SHARED_SENDER
        return replace(coverage, receipt=Receipt.RECENT_SENDERS) if is_several else coverage
    return coverage_of_sender(candidates, is_shared=is_shared)


def _receipt(
    house: House,
    book: Book,
    conversation: Conversation,
    coverage: Coverage,
    *,
    cause: Cause,
    now: datetime,
) -> consents.Confirmed:
    """The one confirmation, in the language of the keyword, written with the opt-out itself.

    Before the evidence, which names it; whoever is here has the person locked, so nobody else confirms it too.
    """
    key = f"opt_out.{coverage.receipt.value}"
    arguments = {}
    if coverage.receipt is Receipt.ONE_CLIENT:
        arguments["client"] = clients.card(book, coverage.clients[0]).public_name
    language = house.language(cause.language, conversation.language)
    medium = conversation.address.medium
    lasts = RECEIPT_LASTS_US if conversation.address.person.startswith("+1") else RECEIPT_LASTS
    text = _with_notice(
        house, book, conversation, house.texts.say(key, language, medium, arguments), language, now
    )
    asked_at = (
        now if cause.message is None else cause.received_at
    )  # one that waited is confirmed when it can be
    draft = queues.Draft(
        conversation=conversation.id,
        kind="receipt",
        text=text,
        key=key,
        cause=cause.message,
        expires_at=asked_at + lasts,
    )
    receipt = queues.put(book, draft, now=now)
    assert receipt is not None  # only a draft that may be said once can have been said before
    return consents.Confirmed(key, language, receipt, text)


def _with_notice(
    house: House, book: Book, conversation: Conversation, text: str, language: str, now: datetime
) -> str:
    """The short notice too, where a chat's first answer is a receipt.

    An SMS says by its prefix that a machine writes and stays one segment; its notice comes with the first answer.
    """
    medium = conversation.address.medium
    if medium is Medium.SMS or not wording.needs_notice(conversation, now):
        return text
    conversations.mark(book, conversation.id, noticed_at=now)
    return f"{text}\n\n{house.texts.say('notice.short', language, medium)}"


_NEEDS = {
    # a contact can be shared, a code can be texted
    (True, True): "opt_out.needs_contact_or_code",
    (True, False): "opt_out.needs_contact",
    (False, True): "opt_out.needs_code",
    (False, False): "opt_out.needs_number",
}


def needs_number(
    house: House, book: Book, conversation: Conversation, *, cause: Cause, now: datetime
) -> None:
    """Tell a chat without a number that the STOP waits for it, and ask for it where a code can be texted."""
    language = house.language(cause.language, conversation.language)
    asks_contact = conversation.address.medium is Medium.TELEGRAM
    key = _NEEDS[asks_contact, house.sms_from is not None]
    asked = conversations.live_asked(conversation, now)
    if asked is not None and asked.slot == "digits":
        key, asks_contact = "opt_out.needs_digits", False  # the number is being proven already
    elif house.sms_from is not None:
        until = now + conversations.STOP_WAITS
        number = Asked("proof.number", until, slot="number", topic="prove_number")
        conversations.ask(book, conversation.id, number if asked is None else questions.over(number, asked))
    text = house.texts.say(key, language, conversation.address.medium)
    draft = queues.Draft(
        conversation=conversation.id,
        kind="receipt",
        text=_with_notice(house, book, conversation, text, language, now),
        key=key,
        cause=cause.message,
        buttons=(("share", house.texts.say("label.share", language, conversation.address.medium)),)
        if asks_contact
        else (),
        asks_contact=asks_contact,
        expires_at=now + RECEIPT_LASTS,
    )
    queues.put(book, draft, now=now)
