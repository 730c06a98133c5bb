"""File what a provider delivered and carry out what needs no model, all in one transaction.

Afterwards, and only then, the provider hears OK. Sends nothing, asks no model, needs no Redis.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial

import structlog

from bot.domain import keywords, questions, references, several
from bot.domain.automata import is_automatic
from bot.domain.conversation import Asked, Level, Owner, Wish
from bot.domain.keywords import NOTHING, Act, Scope, Verdict
from bot.domain.language import detect
from bot.domain.messages import Address, Delivery, Inbound, Kind, Medium, Received, Report
from bot.domain.numbers import is_answerable
from bot.ledger import consents, conversations, people, queues
from bot.ledger.book import Book
from bot.ledger.conversations import Conversation
from bot.services import commands, look_up_case, look_up_sender, start_again, verify_number
from bot.services.contracts import House
from bot.services.escalate import add_to_case, now_proven
from bot.services.opt_out import (
    SIGNATURES,
    Cause,
    carry_out_waiting,
    holders_of,
    needs_number,
    opt_out,
    take_provider_stop,
)
from bot.services.take_block import take_block
from bot.services.take_code import take_code

log = structlog.get_logger()

_CODE = re.compile(r"\s*(\d{2})\s*\.?\s*")
_KEYWORD_WISHES = frozenset(
    "help menu who_sent human back_to_bot opt_in back other_one give_up privacy my_data language".split()
)


class _FiledBefore(Exception):
    """The message came already: whatever its transaction holds is to be undone."""


def receive_together(house: House, requests: Sequence[Received], *, now: datetime) -> list[Exception | None]:
    """Take in several verified requests, with one commit where that can be. What kept each out; None: it is in.

    Together go STOPs of different numbers, which concern nobody else; everything else is taken in by itself, and
    so are they if anything is wrong with one.
    """
    stops: dict[str, int] = {}
    for place, received in enumerate(requests):
        number = _stops(house, received)
        if number is not None:
            stops.setdefault(number, place)
    # In the order of their numbers, so that no two threads wait for each other.
    together = [place for _, place in sorted(stops.items())] if len(stops) > 1 else []
    if together and not _are_in(house, [requests[place].inbound[0] for place in together], now):
        together = []
    return [
        None if place in together else _kept_out(house, received, now)
        for place, received in enumerate(requests)
    ]


def _stops(house: House, received: Received) -> str | None:
    """The number whose STOP is all that a request holds."""
    if len(received.inbound) != 1 or received.reports:
        return None
    message = received.inbound[0]
    if message.address is None or message.kind is not Kind.TEXT or message.address.medium is not Medium.SMS:
        return None
    return message.address.number if _is_stop(keywords.match(message.text, house.words)) else None


def _are_in(house: House, messages: Sequence[Inbound], now: datetime) -> bool:
    try:
        house.ledger.write_together([partial(_take, house, message=message, now=now) for message in messages])
    except Exception as error:  # noqa: BLE001  (whose it is shows when each is alone)
        log.info("not together", error=type(error).__name__)
        return False
    house.bell.ring()
    return True


def _kept_out(house: House, received: Received, now: datetime) -> Exception | None:
    try:
        receive(house, received, now=now)
    except Exception as error:  # noqa: BLE001  (the caller's to answer)
        return error
    return None


def receive(house: House, received: Received, *, now: datetime) -> None:
    """Take in everything a verified request held. Raises only if it could not be committed."""
    for message in received.inbound:
        try:
            with house.ledger.write() as book:
                _take(house, book, message, now)
        except _FiledBefore:
            log.info("duplicate", provider=message.provider)
    if received.reports:
        with house.ledger.write() as book:
            for report in received.reports:
                _note(house, book, report, now)
    if received.inbound:
        house.bell.ring()


def _take(house: House, book: Book, message: Inbound, now: datetime) -> None:
    address = message.address
    if address is None or message.kind in (Kind.IGNORED, Kind.UNREADABLE):
        queues.accept(book, message, conversation=None, state="recorded")
        return
    person = _person(house, book, address)
    if person is NOBODY:
        queues.accept(book, message, conversation=None, state="recorded")
        return
    verdict = keywords.match(message.text, house.words) if message.kind in _SAID else NOTHING
    conversation = conversations.open_for(book, address, person=person, now=message.received_at)
    if verdict.intent:
        verdict = _own_wish(house, book, conversation, message, verdict, now)
    is_stop = _is_stop(verdict)
    state = "settled" if is_stop else "new"  # written once: what most STOPs come to
    number = queues.accept(book, message, conversation=conversation.id, state=state)
    if number is None:
        raise _FiledBefore
    cause = _cause(message, number)
    if message.kind in _SAID:
        decision = _text(house, book, conversation, message, verdict, cause, now)
    else:
        decision = _KINDS.get(message.kind, _nothing)(house, book, conversation, message, cause, now)
    if decision is not None and not (is_stop and decision.is_settled):
        state = "settled" if decision.is_settled else "new"
        queues.wish(book, number, decision.wishes, facts=decision.facts or {}, state=state, now=now)


def _own_wish(
    house: House, book: Book, conversation: Conversation, message: Inbound, verdict: Verdict, now: datetime
) -> Verdict:
    """What the person says in words of their own: "reply STOP" in a text that a client sent is no wish of theirs."""
    if message.is_forwarded:
        return NOTHING
    level = conversation.level_at(now)
    pasted = look_up_sender.sent_spans(book, message.text, person=conversation.person, now=now, level=level)
    return keywords.match(message.text, house.words, own_marks=pasted) if pasted else verdict


NOBODY = 0  #: in the place of a person: a machine, with which ours would go on for ever


def _person(house: House, book: Book, address: Address) -> int | None:
    """Whose number wrote, None for a chat without one; NOBODY for an alphanumeric sender, a short code, our own
    number or a client's sending number."""
    if address.person in house.own_addresses:
        return NOBODY
    if address.medium is not Medium.SMS:
        return None if address.number is None else people.ensure(book, address.number)
    if address.number is None or not is_answerable(address.person):
        return NOBODY
    return people.meet(book, address.number) or NOBODY


def _is_stop(verdict: Verdict) -> bool:
    return verdict.intent == "opt_out" and verdict.act is Act.DO


@dataclass(frozen=True, slots=True)
class _Decision:
    """Settled: nothing is left to say. Else the wishes the turn takes up without a model."""

    is_settled: bool = False
    wishes: tuple[Wish, ...] = ()
    facts: dict[str, str] | None = None


_SETTLED = _Decision(is_settled=True)
_Take = Callable[[House, Book, Conversation, Inbound, Cause, datetime], _Decision]


def _text(
    house: House,
    book: Book,
    conversation: Conversation,
    message: Inbound,
    verdict: Verdict,
    cause: Cause,
    now: datetime,
) -> _Decision | None:
    """Code, answer to the open question, keyword: in this order, and a STOP before all of them."""
    if message.kind is Kind.PROVIDER_START:  # it has lifted its own block; ours still asks for its code
        conversations.mark(book, conversation.id, platform_blocked_at=None)
    if _is_stop(verdict):
        return _stop(house, book, conversation, verdict, _with(cause, verdict), now)
    if message.is_forwarded:
        return _Decision(wishes=(Wish("who_sent", "forwarded"),))
    code = _start_code(book, conversation, message.text, verdict, now)
    if code is not None:
        proof = start_again.try_code(house, book, conversation, code, cause=_with(cause, verdict), now=now)
        return _Decision(wishes=(Wish("opt_in", "keyword"),), facts={"proof": proof})
    command = commands.wish_in(message.text)
    if command is not None:
        return _Decision(wishes=(command,))
    taken = take_code(house, book, conversation, message.text, now=now)
    if taken is not None:
        return _Decision(wishes=taken.wishes, facts=taken.facts)
    case = look_up_case.named_in(book, conversation, message.text)
    if case is not None and references.asks_nothing_else(message.text):
        return _Decision(wishes=(look_up_case.wish_for(case),))
    asked = conversations.live_asked(conversation, now)
    if asked is not None:
        answered = _answer(house, asked, message)
        if answered is not None:
            return _option(house, book, conversation, answered, cause, now)
        number = verify_number.typed(asked, message.text)
        if number is not None:
            return _Decision(wishes=(number,))
    if verdict.intent == "opt_out":
        intent = "opt_out_how" if verdict.act is Act.EXPLAIN else "opt_out_unsure"
        return _Decision(wishes=(Wish(intent, verdict.by, slots=_slots(verdict)),))
    if is_automatic(message.text):
        return _SETTLED
    if verdict.intent in _KEYWORD_WISHES:
        return _Decision(wishes=(Wish(verdict.intent, verdict.by, slots=_slots(verdict)),))
    return None if case is None else _Decision(facts={"case": case})


def _stop(
    house: House, book: Book, conversation: Conversation, verdict: Verdict, cause: Cause, now: datetime
) -> _Decision:
    scope = verdict.scope or Scope.SENDER
    sender = verdict.sender if scope is Scope.NAMED else None
    if sender is not None and conversation.person is not None and not holders_of(book, sender, now=now):
        near = look_up_sender.near_names(book, sender, person=conversation.person, now=now)
        if near:
            return _Decision(wishes=(Wish("opt_out_near", "keyword", slots={"names": list(near)}),))
    end = opt_out(house, book, conversation, scope=scope, sender=sender, cause=cause, now=now)
    if end == "no_number":
        needs_number(house, book, conversation, cause=cause, now=now)
    if conversation.owner is not Owner.BOT and cause.message is not None:
        add_to_case(book, conversation, cause.text, at=cause.received_at, inbox=cause.message)
        return _SETTLED
    more = several.beside_stop(cause.text, house.words, cause.span)
    return _Decision(facts={"opt_out": end}) if more else _SETTLED


def _start_code(
    book: Book, conversation: Conversation, text: str, verdict: Verdict, now: datetime
) -> str | None:
    """The code in "START 47", or a bare "47" while one is awaited."""
    bare = _CODE.fullmatch(text)
    code = verdict.code if verdict.intent == "opt_in" else bare.group(1) if bare else None
    if code is None or not start_again.awaits_code(book, conversation, now=now):
        return None
    return code


def _answer(house: House, asked: Asked, message: Inbound) -> int | None:
    """Which option of the open question this is: one of its buttons, a digit, yes or no, or a name shown."""
    if message.button is not None:
        return asked.buttons.index(message.button) + 1 if message.button in asked.buttons else None
    picked = keywords.choice(message.text, house.words, len(asked.options))
    if picked is not None:
        return picked
    if asked.is_yes_no:
        says_yes = keywords.yes_no(message.text, house.words)
        return None if says_yes is None else 1 if says_yes else 2
    said = message.text.strip().casefold()
    named = [i for i, o in enumerate(asked.options, 1) if o.is_name and o.label.casefold() == said]
    return named[0] if len(named) == 1 else None


def _option(
    house: House, book: Book, conversation: Conversation, answered: int, cause: Cause, now: datetime
) -> _Decision:
    asked = conversation.asked
    assert asked is not None  # an answer was matched to it
    option = asked.options[answered - 1]
    conversations.ask(book, conversation.id, None)
    slots = {**asked.slots, **option.slots}
    facts = {"answered": questions.to_text(asked), "place": str(answered)}
    if not option.is_opt_out:
        return _Decision(wishes=(Wish(option.intent, "option", slots=slots),), facts=facts)
    end = opt_out(
        house,
        book,
        conversation,
        scope=Scope(slots.get("scope", Scope.SENDER.value)),
        sender=slots.get("sender"),
        client=slots.get("client"),
        cause=replace(cause, rule="option"),
        now=now,
    )
    if end == "no_number":
        needs_number(house, book, conversation, cause=cause, now=now)
    if end == "again":
        # The person answered our question, so silence would read as a fault.
        return _Decision(wishes=(Wish("opt_out_stands", "option"),), facts=facts)
    return _SETTLED if asked.then is None else _Decision(wishes=(Wish("go_on", "option"),), facts=facts)


def _contact(
    house: House, book: Book, conversation: Conversation, message: Inbound, cause: Cause, now: datetime
) -> _Decision:
    """A shared contact proves a number only if the platform says it is the sender's own."""
    shared = message.shared
    if shared is None or not shared.is_own or shared.number is None:
        return _Decision(wishes=(Wish("contact_refused", "keyword"),))
    person = people.ensure(book, shared.number)
    conversations.know(book, conversation.id, person=person, level=Level.CONTACT)
    known = conversations.get(book, conversation.id)
    now_proven(book, known, now=now)
    end = carry_out_waiting(house, book, known, now=now)
    asked = conversations.live_asked(known, now)
    shared_for = Wish("contact_shared", "keyword")
    is_answer = asked is not None and questions.is_answer(shared_for, asked)
    if end != "done" or (asked is not None and is_answer and asked.slots.get("then")):
        return _Decision(wishes=(shared_for,))
    if asked is not None and is_answer:
        conversations.ask(book, conversation.id, questions.behind(asked, shared_for))
    return _SETTLED


def _opened(
    house: House, book: Book, conversation: Conversation, message: Inbound, cause: Cause, now: datetime
) -> _Decision:
    conversations.mark(book, conversation.id, platform_blocked_at=None)
    return _Decision(wishes=(Wish("chat_opened", "keyword"),))


def _blocked(
    house: House, book: Book, conversation: Conversation, message: Inbound, cause: Cause, now: datetime
) -> _Decision:
    """A stop of this channel address only: it says nothing about SMS (DESIGN, part 5)."""
    is_block = message.kind is Kind.BLOCKED
    conversations.mark(book, conversation.id, platform_blocked_at=now if is_block else None)
    consents.record(
        book,
        consents.Act(
            act="platform_stop" if is_block else "platform_start",
            person=conversation.person,
            conversation=conversation.id,
            cause=cause.message,
            provider=message.provider,
            scope="channel",
            rule=f"platform:{message.kind.value}",
            span=(0, 0),
            matcher="",
            signature=cause.signature,
            text="",
            clients=(),
            received_at=message.received_at,
            effective_at=now,
            address=conversation.address,
            provider_id=cause.provider_id,
        ),
    )
    return _SETTLED


def _provider_stop(
    house: House, book: Book, conversation: Conversation, message: Inbound, cause: Cause, now: datetime
) -> _Decision:
    """Twilio's OptOutType=STOP: it has blocked and answered already, so a second text would be one too many."""
    if conversation.person is not None:
        conversations.mark(book, conversation.id, platform_blocked_at=now)
        by_provider = replace(cause, rule="provider:stop")
        take_provider_stop(house, book, conversation, cause=by_provider, now=now)
    return _SETTLED


def _nothing(
    house: House, book: Book, conversation: Conversation, message: Inbound, cause: Cause, now: datetime
) -> _Decision:
    return _SETTLED


_SAID = frozenset({Kind.TEXT, Kind.PROVIDER_START})  #: kinds whose words count
_KINDS: Mapping[Kind, _Take] = {
    Kind.CONTACT: _contact,
    Kind.START: _opened,
    Kind.BLOCKED: _blocked,
    Kind.UNBLOCKED: _blocked,
    Kind.PROVIDER_STOP: _provider_stop,
    Kind.PROVIDER_HELP: _nothing,
}


def _note(house: House, book: Book, report: Report, now: datetime) -> None:
    """A delivery report. One that says "this person wants no more" is an opt-out or a stop of the address."""
    outbox_id = int(report.outbox_id) if report.outbox_id and report.outbox_id.isdecimal() else None
    conversation = queues.conversation_of(book, outbox_id, report.provider_id)
    if conversation is None:
        return
    if report.stopped:  # first, since whoever takes a conversation over holds it before its messages
        take_block(
            house,
            book,
            conversation,
            code=report.code or "",
            is_opt_out=report.opted_out,
            signature=SIGNATURES.get(report.provider, "unknown"),
            provider_id=report.provider_id,
            now=now,
        )
    queues.report(book, outbox_id, report.provider_id, report.delivery, report.code or "")
    if report.delivery in (Delivery.DELIVERED, Delivery.READ):
        conversations.reached(book, conversation)


def _cause(message: Inbound, number: int) -> Cause:
    signature = "swept" if message.is_late else SIGNATURES.get(message.provider, "unknown")
    return Cause(
        number,
        message.text,
        "",
        (0, 0),
        signature,
        message.received_at,
        provider_id=message.provider_id,
        said_at=message.sent_at,
    )


def _with(cause: Cause, verdict: Verdict) -> Cause:
    # STOP is a word of every language; what stands around it tells whose it is.
    language = verdict.language or (detect(cause.text) if verdict.rule.startswith("keyword.clause") else None)
    return replace(cause, rule=verdict.rule or "code", span=verdict.span, language=language)


def _slots(verdict: Verdict) -> dict[str, str]:
    slots = {}
    if verdict.sender:
        slots["sender"] = verdict.sender
    if verdict.scope:
        slots["scope"] = verdict.scope.value
    if verdict.language:
        slots["language" if verdict.intent == "language" else "spoken"] = verdict.language
    return slots
