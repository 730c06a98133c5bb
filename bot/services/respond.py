"""Hold one turn of a conversation: read, decide, carry out, answer. Sends nothing and words nothing itself.

No transaction is open while the model reads. Everything else of a turn is one transaction, in which the
lease and the owner are checked again: an agent who claimed meanwhile is not talked over.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import structlog

from bot.domain import language as languages
from bot.domain.conversation import Asked, Outcome, Owner, Turn, Wish
from bot.domain.messages import Kind
from bot.domain.readings import SURE, Reading, wish_of
from bot.ledger import conversations, queues
from bot.ledger.book import Book
from bot.ledger.conversations import Conversation
from bot.services import escalate, wording
from bot.services.contracts import House, Reads
from bot.services.effects import carry_out

log = structlog.get_logger()

Topic = Callable[[Turn, Reads], Outcome]
Topics = Mapping[str, Topic]

NOTICE_AGAIN = timedelta(days=30)
BACK_OFF = (2, 10, 30, 120)  #: seconds before each further try of a turn that broke
REREAD_WITHIN = timedelta(hours=24)
WINS = ("opt_out", "human", "report_scam", "back_to_bot")
"""Wishes that win over any open question; rights requests do too."""


def respond(house: House, topics: Topics, *, clock: Callable[[], datetime], limit: int = 1) -> int:
    """Answer the oldest message of each of up to `limit` conversations. Returns how many were in hand."""
    with house.ledger.read() as book:
        if not queues.has_inbox(book, now=clock()):
            return 0
    with house.ledger.write() as book:
        claimed = queues.claim_inbox(book, now=clock(), limit=limit)
        owners = conversations.owners(book, [m.conversation for m in claimed]) if claimed else {}
    unread = [
        m for m in claimed if owners[m.conversation] is Owner.BOT and not m.wishes and m.kind is Kind.TEXT
    ]
    readings: dict[int, Reading | None] = {}
    if unread:
        readings = dict(
            zip((m.id for m in unread), house.understanding.read([m.text for m in unread]), strict=True)
        )
    for message in claimed:
        try:
            with house.ledger.write() as book:
                _turn(house, topics, book, message, readings, clock())
        except Exception as error:  # noqa: BLE001  # whatever broke, the message is tried again or becomes a case
            log.error("turn broke", message=message.id, tries=message.tries, error=type(error).__name__)
            _put_aside(house, message, clock())
    return len(claimed)


def reread(house: House, topics: Topics, *, clock: Callable[[], datetime], limit: int = 50) -> int:
    """Read what was answered while the model was away; an opt-out or a right found takes effect now.

    Returns how many were read; 0 also while the model is still away.
    """
    with house.ledger.read() as book:
        messages = queues.unread(book, since=clock() - REREAD_WITHIN, limit=limit)
    if not messages:
        return 0
    readings = house.understanding.read([m.text for m in messages])
    done = 0
    for message, reading in zip(messages, readings, strict=True):
        if reading is None:
            continue
        with house.ledger.write() as book:
            if not queues.read_at_last(book, message.id):
                continue
            done += 1
            wish = wish_of(reading, message.text)
            if wish.intent != "opt_out" and not wish.intent.startswith("rights_"):
                continue
            conversation = conversations.get(book, message.conversation, lock=True)
            if conversation.owner is not Owner.BOT and wish.intent != "opt_out":
                continue
            _answer(house, topics, book, conversation, message, (wish,), clock())
    return done


def _turn(
    house: House,
    topics: Topics,
    book: Book,
    message: queues.Received,
    readings: Mapping[int, Reading | None],
    now: datetime,
) -> None:
    if not queues.still_mine(book, message):
        return
    conversation = conversations.get(book, message.conversation, lock=True)
    wants_bot = any(w.intent == "back_to_bot" for w in message.wishes)
    if conversation.owner is not Owner.BOT and not wants_bot:
        escalate.add_to_case(book, conversation, message.text, at=message.received_at, inbox=message.id)
        queues.settle_inbox(book, message, now=now)
        return
    was_read = message.id in readings and readings[message.id] is not None
    wishes = message.wishes or _wishes(readings.get(message.id), conversation, message, now)
    if _is_limited(book, conversation, wishes, now):
        _say_limited(house, book, conversation, message, now)
        queues.settle_inbox(book, message, now=now)
        return
    _answer(house, topics, book, conversation, message, wishes, now)
    queues.settle_inbox(book, message, now=now, needs_reading=not message.wishes and not was_read)


def _wishes(
    reading: Reading | None, conversation: Conversation, message: queues.Received, now: datetime
) -> tuple[Wish, ...]:
    """The wish of a text that receive left open: the model's, or the answer to a question that takes free text."""
    asked = conversations.live_asked(conversation, now)
    read = wish_of(reading, message.text) if reading is not None else Wish("not_read", "fallback")
    takes_text = asked is not None and asked.slot is not None and message.text.strip()
    if takes_text and asked is not None and not _beats_slot(read, reading):
        slots = {**asked.slots, str(asked.slot): message.text.strip()}
        return (Wish(asked.topic, "slot", slots=slots),)
    return (read,)


def _beats_slot(wish: Wish, reading: Reading | None) -> bool:
    """Is the model sure enough that this is another wish and not the answer that was asked for?"""
    if wish.intent in WINS or wish.intent.startswith("rights_"):
        return True
    known = wish.intent not in ("not_understood", "did_you_mean", "not_read", "affirm")
    return known and reading is not None and reading.confidence >= SURE


def _answer(
    house: House,
    topics: Topics,
    book: Book,
    conversation: Conversation,
    message: queues.Received,
    wishes: Sequence[Wish],
    now: datetime,
) -> None:
    """Carry out the wishes in order and put what is to be said into the outbox."""
    language = _language(house, conversation, message, wishes)
    said: list[tuple[str, str]] = []
    asked = conversations.live_asked(conversation, now)
    memory = conversations.live_memory(conversation, now)
    facts: dict[str, Any] = dict(message.facts)
    is_understood = True
    ask: Asked | None = None
    for wish in wishes:
        turn = Turn(
            wish=wish,
            text=message.text,
            medium=conversation.address.medium,
            language=language,
            level=conversation.level_at(now),
            person=conversation.person,
            ours=conversation.address.ours,
            received_at=message.received_at,
            now=now,
            answered_id=message.answered_id,
            facts=facts,
            memory=memory,
            asked=asked,
        )
        outcome = topics[wish.intent](turn, Reads(book, house))
        for effect in outcome.do:
            end, filled = carry_out(
                house,
                book,
                conversation,
                turn,
                message=message.id,
                name=effect.name,
                arguments=effect.arguments,
            )
            facts[effect.name] = end
            key = effect.replies[end]
            if key:
                arguments = {**effect.arguments, **filled}
                said.append((key, wording.text(house, key, language, conversation, arguments)))
            conversation = conversations.get(book, conversation.id)
        said += [
            (s.key, wording.text(house, s.key, language, conversation, s.arguments)) for s in outcome.say
        ]
        ask = outcome.ask or (asked if outcome.keeps_asked else ask)
        memory = dict(outcome.memory)
        is_understood = is_understood and outcome.is_understood
    if ask is not None:
        said.append((ask.question, wording.question(house, ask, language, conversation)))
    kind = "notice" if conversation.owner is not Owner.BOT else "reply"
    is_noticed = _put(house, book, conversation, message, said, ask, kind, language, is_understood, now)
    conversations.settle(
        book,
        conversation.id,
        asked=ask,
        memory=memory,
        language=language,
        noticed_at=now if is_noticed else conversation.noticed_at,
        waiting_since=None if conversation.owner is Owner.BOT else conversation.waiting_since,
        now=now,
    )


def _language(
    house: House, conversation: Conversation, message: queues.Received, wishes: Sequence[Wish]
) -> str:
    current = house.language(conversation.language or message.language_hint)
    is_keyword = all(w.by in ("keyword", "option") for w in wishes)
    if is_keyword and conversation.language is None:
        return house.language(languages.detect(message.text) or current)
    return house.language(
        languages.choose(message.text, current, house.texts.languages, is_keyword=is_keyword)
    )


def _put(
    house: House,
    book: Book,
    conversation: Conversation,
    message: queues.Received,
    said: Sequence[tuple[str, str]],
    ask: Asked | None,
    kind: str,
    language: str,
    is_understood: bool,
    now: datetime,
) -> bool:
    """Put what was said into the outbox. Whether the privacy notice was among it."""
    medium = conversation.address.medium
    texts = [(key, text) for key, text in said if text]
    if not texts:
        return False
    needs_notice = conversation.noticed_at is None or now - conversation.noticed_at > NOTICE_AGAIN
    if needs_notice:
        texts.append(("notice.short", wording.text(house, "notice.short", language, conversation, {})))
    buttons = wording.buttons(house, ask, language, conversation)
    asks_contact = bool(ask is not None and ask.arguments.get("asks_contact"))
    parts = wording.joined(house, texts, medium)
    for place, (key, text) in enumerate(parts):
        is_last = place == len(parts) - 1
        draft = queues.Draft(
            conversation=conversation.id,
            kind=kind,
            text=text,
            key=key,
            cause=message.id,
            buttons=buttons if is_last else (),
            asks_contact=asks_contact and is_last,
            is_understood=is_understood,
        )
        queues.put(book, draft, now=now)
    return needs_notice


LIMIT_WINDOW = timedelta(minutes=10)
NOT_UNDERSTOOD_MOST = 6  #: answers to what was not understood, within the window
UNDERSTOOD_MOST = 20  #: answered turns within the window
A_DAY_MOST = 60  #: answered turns within a day


def _is_limited(book: Book, conversation: Conversation, wishes: Sequence[Wish], now: datetime) -> bool:
    """Too many answers already? Guards against loops of machines and against bombing somebody's number.

    What must never be swallowed is let through: an opt-out, a request to a human, a right claimed.
    """
    if any(w.intent in ("human", "opt_in", "opt_out") or w.intent.startswith("rights_") for w in wishes):
        return False
    given = queues.answers_given(
        book, conversation.id, window=now - LIMIT_WINDOW, day=now - timedelta(days=1)
    )
    return (
        given.not_understood >= NOT_UNDERSTOOD_MOST
        or given.understood >= UNDERSTOOD_MOST
        or given.understood_today >= A_DAY_MOST
    )


def _say_limited(
    house: House, book: Book, conversation: Conversation, message: queues.Received, now: datetime
) -> None:
    """One line and a case, then silence until the window is over."""
    if conversation.limited_at is not None and now - conversation.limited_at < LIMIT_WINDOW:
        return
    language = house.language(conversation.language)
    escalate.open_case(
        book,
        conversation,
        topic="limited",
        audience="unknown",
        text=message.text,
        language=language,
        received_at=message.received_at,
    )
    text = house.texts.say("limit.reached", language, conversation.address.medium)
    queues.put(
        book,
        queues.Draft(
            conversation=conversation.id, kind="notice", text=text, key="limit.reached", cause=message.id
        ),
        now=now,
    )
    conversations.mark(book, conversation.id, limited_at=now)


def _put_aside(house: House, message: queues.Received, now: datetime) -> None:
    """Try again later; after the fifth time it becomes a case and frees its conversation (invariant 16)."""
    with house.ledger.write() as book:
        if not queues.still_mine(book, message):
            return
        if message.tries < queues.MAX_TRIES:
            wait = BACK_OFF[min(message.tries, len(BACK_OFF)) - 1]
            queues.put_back(book, message, ready_at=now + timedelta(seconds=wait))
            return
        conversation = conversations.get(book, message.conversation, lock=True)
        escalate.open_case(
            book,
            conversation,
            topic="poisoned",
            audience="unknown",
            text=message.text,
            language=house.language(conversation.language),
            received_at=message.received_at,
            is_urgent=True,
        )
        escalate.hand_over(book, conversation)
        queues.poison(book, message, now=now)
        log.error("poisoned", message=message.id)
