"""Hold one turn of a conversation: read, decide, carry out, answer. Sends nothing and words nothing itself.

No transaction is open while the model reads. Everything else of a turn is one transaction, in which the
lease and the owner are checked again: an agent who claimed meanwhile is not talked over.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import structlog

from bot.domain import language as languages
from bot.domain import questions
from bot.domain.conversation import Asked, Leaves, Outcome, Owner, Turn, Wish
from bot.domain.questions import Open
from bot.ledger import conversations, queues
from bot.ledger.book import Book
from bot.ledger.conversations import Conversation
from bot.services import escalate, read_wishes, wording
from bot.services.contracts import House, Reads
from bot.services.effects import carry_out
from bot.services.read_wishes import ANSWERED, Read

log = structlog.get_logger()

Topic = Callable[[Turn, Reads], Outcome]
Topics = Mapping[str, Topic]

BACK_OFF = (2, 10, 30, 120)  #: seconds before each further try of a turn that broke
REREAD_WITHIN = timedelta(hours=24)


def respond(house: House, topics: Topics, *, clock: Callable[[], datetime], limit: int = 1) -> int:
    """Answer the oldest message of each of up to `limit` conversations. Returns how many were in hand."""
    with house.ledger.read() as book:
        if not queues.has_inbox(book, now=clock()):
            return 0
    with house.ledger.write() as book:
        claimed = queues.claim_inbox(book, now=clock(), limit=limit)
        talks = conversations.several(book, [m.conversation for m in claimed]) if claimed else {}
    claimed = read_wishes.with_pasted(house, claimed, talks, clock())
    readings = read_wishes.read(house, [m for m in claimed if talks[m.conversation].owner is Owner.BOT])
    turns = {m.id: partial(_turn, house, topics, m, readings.get(m.id), clock()) for m in claimed}
    together = _of_different_people(claimed, talks)
    held = together if len(together) > 1 and _are_held(house, [turns[m] for m in together]) else ()
    for message in claimed:
        if message.id in held:
            continue
        try:
            with house.ledger.write() as book:
                turns[message.id](book)
        except Exception as error:  # noqa: BLE001  # whatever broke, the message is tried again or becomes a case
            log.error("turn broke", message=message.id, tries=message.tries, error=type(error).__name__)
            _put_aside(house, message, clock())
    return len(claimed)


def _of_different_people(claimed: Sequence[queues.Received], talks: Mapping[int, Conversation]) -> list[int]:
    """The messages whose turns concern nobody else: the first of each person, and of each chat without a number."""
    firsts: dict[tuple[str, int | None], int] = {}
    for message in claimed:
        person = talks[message.conversation].person
        who = ("chat", message.conversation) if person is None else ("person", person)
        firsts.setdefault(who, message.id)
    return list(firsts.values())


def _are_held(house: House, turns: Sequence[Callable[[Book], None]]) -> bool:
    """Hold turns with one commit for all. False if any of them broke: then each is held by itself."""
    try:
        house.ledger.write_together(turns)
    except Exception as error:  # noqa: BLE001  (whose it is shows when each is alone)
        log.info("not together", error=type(error).__name__)
        return False
    return True


def reread(house: House, topics: Topics, *, clock: Callable[[], datetime], limit: int = 50) -> int:
    """Read what was answered while the model was away; an opt-out or a right found takes effect now.

    Returns how many were read; 0 also while the model is still away.
    """
    with house.ledger.read() as book:
        messages = queues.unread(book, since=clock() - REREAD_WITHIN, limit=limit)
        talks = conversations.several(book, [m.conversation for m in messages]) if messages else {}
    if not messages:
        return 0
    messages = read_wishes.with_pasted(house, messages, talks, clock())
    readings = read_wishes.read(house, messages)
    done = 0
    for message in messages:
        read = readings.get(message.id)
        if read is None or not read.is_read:
            continue
        with house.ledger.write() as book:
            if not queues.read_at_last(book, message.id):
                continue
            done += 1
            conversation = conversations.get(book, message.conversation, lock=True)
            wishes = read_wishes.late_wishes(house, message, read, owner=conversation.owner)
            if wishes:
                _answer(house, topics, book, conversation, message, wishes, clock())
    return done


def _turn(
    house: House,
    topics: Topics,
    message: queues.Received,
    read: Read | None,
    now: datetime,
    book: Book,
) -> None:
    conversation = conversations.get(book, message.conversation, lock=True)
    wants_bot = any(w.intent == "back_to_bot" for w in message.wishes)
    if conversation.owner is not Owner.BOT and not wants_bot:
        if queues.settle_inbox(book, message, now=now):
            escalate.add_to_case(book, conversation, message.text, at=message.received_at, inbox=message.id)
        return
    wishes = read_wishes.wishes_of(house, conversation, message, read, now)
    is_unread = not message.wishes if read is None else not read.is_read
    is_limited = bool(wishes) and _is_limited(book, conversation, wishes, now)
    if not queues.settle_inbox(book, message, now=now, needs_reading=is_unread and not is_limited):
        return
    if is_limited:
        _say_limited(house, book, conversation, message, now)
    elif wishes:
        _answer(house, topics, book, conversation, message, wishes, now)


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
    kept: dict[str, Any] = {}
    facts: dict[str, Any] = dict(message.facts)
    is_understood = True
    ask: Asked | None = None
    leaves: list[Leaves] = []
    for wish in wishes:
        escalate.not_meant(book, conversation, wish, asked, now=now)
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
            memory={**memory, **kept},
            asked=asked,
            conversation=conversation.id,
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
            ask = _one_of(ask, effect.asks.get(end))
            key = effect.replies[end]
            if key:
                arguments = {**effect.arguments, **filled}
                said.append((key, wording.text(house, key, language, conversation, arguments)))
            if (effect.name, end) == ("hand_back", "done"):
                asked, memory, kept = None, {}, {}  # the fence after a human
            conversation = conversations.get(book, conversation.id)
        said += [
            (s.key, wording.text(house, s.key, language, conversation, s.arguments)) for s in outcome.say
        ]
        ask = _one_of(ask, outcome.ask)
        leaves.append(outcome.leaves)
        kept |= outcome.memory
        is_understood = is_understood and outcome.is_understood
    opened = Open()  # whoever else has the conversation asks what there is to ask
    if conversation.owner is Owner.BOT:
        opened = questions.after(_unanswered(asked, message, wishes), ask, leaves)
        meanwhile = _put_meanwhile(conversation, asked, now)
        if meanwhile is not None:
            opened = questions.beside(opened, meanwhile)
    ask = opened.asked if opened.is_put else None
    if ask is not None:
        said.append((ask.question, wording.question(house, ask, language, conversation)))
    kind = "notice" if conversation.owner is not Owner.BOT else "reply"
    is_noticed = _put(house, book, conversation, message, said, ask, kind, language, is_understood, now)
    conversations.settle(
        book,
        conversation.id,
        asked=opened.asked,
        memory=_with_answered(kept, message),
        language=language,
        noticed_at=now if is_noticed else conversation.noticed_at,
        waiting_since=None if conversation.owner is Owner.BOT else conversation.waiting_since,
        now=now,
    )


def _one_of(ask: Asked | None, new: Asked | None) -> Asked | None:
    """Of two questions of one turn one is put; the other may follow it."""
    if ask is None or new is None:
        return new or ask
    return questions.over(new, ask)


def _unanswered(asked: Asked | None, message: queues.Received, wishes: Sequence[Wish]) -> Asked | None:
    """The question that still waits for its answer; of one that has it, the one that it had interrupted."""
    if ANSWERED in message.facts:
        return questions.from_text(message.facts[ANSWERED]).then
    answers = [w for w in wishes if asked is not None and (w.by == "slot" or questions.is_answer(w, asked))]
    return questions.behind(asked, answers[0]) if asked is not None and answers else asked


def _with_answered(memory: Mapping[str, Any], message: queues.Received) -> dict[str, Any]:
    """Keep what was answered for one turn, so that the person may go back to it or take the other one."""
    return {**memory, **{name: message.facts[name] for name in (ANSWERED, "place") if name in message.facts}}


def _put_meanwhile(conversation: Conversation, before: Asked | None, now: datetime) -> Asked | None:
    """The question that an effect put in words of its own: a STOP that waits asks for the number."""
    asked = conversations.live_asked(conversation, now)
    return asked if asked != before else None


def _language(
    house: House, conversation: Conversation, message: queues.Received, wishes: Sequence[Wish]
) -> str:
    """The language wished for, else the one that the message speaks, else the one so far."""
    offered = house.texts.languages
    current = house.language(conversation.language or message.language_hint)
    wished = next((w.slots.get("language") for w in wishes if w.intent == "language"), None)
    if wished is not None:
        return house.language(wished, current)
    if all(w.by == "command" for w in wishes):
        return current  # "/human" is no English
    is_keyword = all(w.by in ("keyword", "option", "forwarded") for w in wishes)
    if is_keyword and conversation.language is None:
        spoken = next((w.slots["spoken"] for w in wishes if "spoken" in w.slots), None)
        return house.language(spoken, languages.spoken_in(message.said, offered), current)
    return languages.choose(message.said, current, offered, is_keyword=is_keyword)


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
    needs_notice = wording.needs_notice(conversation, now)
    if needs_notice:  # before the question, which is answered by what stands last
        notice = ("notice.short", wording.text(house, "notice.short", language, conversation, {}))
        texts.insert(len(texts) - (ask is not None), notice)
    buttons = wording.buttons(house, ask, language, conversation)
    asks_contact = bool(ask is not None and ask.arguments.get("asks_contact"))
    if asks_contact:  # a chat offers that one button alone; the ways to answer are typed as digits
        buttons = (("share", wording.text(house, "label.share", language, conversation, {})),)
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
    if any(
        w.intent in ("human", "opt_in", "opt_out", "spoken_for") or w.intent.startswith("rights_")
        for w in wishes
    ):
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
