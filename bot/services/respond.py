"""Hold one turn of a conversation: read, decide, carry out, answer. Sends nothing and words nothing itself.

No transaction is open while the model reads. Everything else of a turn is one transaction, in which the
lease and the owner are checked again: an agent who claimed meanwhile is not talked over.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import structlog

from bot.domain import follow_ups, questions, several, standing
from bot.domain import language as languages
from bot.domain.conversation import Asked, Leaves, Outcome, Owner, Turn, Wish
from bot.domain.messages import Kind
from bot.domain.questions import Open
from bot.domain.readings import SURE, Reading, wish_of
from bot.domain.several import Part
from bot.ledger import conversations, queues
from bot.ledger.book import Book
from bot.ledger.conversations import Conversation
from bot.services import escalate, look_up_case, look_up_sender, wording
from bot.services.contracts import House, Reads
from bot.services.effects import carry_out

log = structlog.get_logger()

Topic = Callable[[Turn, Reads], Outcome]
Topics = Mapping[str, Topic]

BACK_OFF = (2, 10, 30, 120)  #: seconds before each further try of a turn that broke
REREAD_WITHIN = timedelta(hours=24)
WINS = ("opt_out", "human", "report_scam", "back_to_bot", "spoken_for")
"""Wishes that win over any open question; rights requests do too."""
_STOPPED = "opt_out"  #: among the facts: how the STOP ended that receive carried out
_ANSWERED = "answered"  #: among the facts: the question of which an option was taken; `place`: which


def respond(house: House, topics: Topics, *, clock: Callable[[], datetime], limit: int = 1) -> int:
    """Answer the oldest message of each of up to `limit` conversations. Returns how many were in hand."""
    with house.ledger.read() as book:
        if not queues.has_inbox(book, now=clock()):
            return 0
    with house.ledger.write() as book:
        claimed = queues.claim_inbox(book, now=clock(), limit=limit)
        talks = conversations.several(book, [m.conversation for m in claimed]) if claimed else {}
    claimed = _with_pasted(house, claimed, talks, clock())
    readings = _read(house, [m for m in claimed if talks[m.conversation].owner is Owner.BOT])
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
    messages = _with_pasted(house, messages, talks, clock())
    readings = _read(house, messages)
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
            wishes = tuple(
                wish
                for wish in _read_wishes(house, message, read)
                if _takes_effect_late(wish, message, conversation.owner)
            )
            if wishes:
                _answer(house, topics, book, conversation, message, wishes, clock())
    return done


def _with_pasted(
    house: House,
    messages: Sequence[queues.Received],
    talks: Mapping[int, Conversation],
    now: datetime,
) -> list[queues.Received]:
    """The same, those that show a text which a client sent with the places where it stands among their facts."""
    found: dict[int, tuple[tuple[int, int], ...]] = {}
    may_show = [m for m in messages if m.kind is Kind.TEXT and look_up_sender.may_be_sent(m.text)]
    if may_show:
        with house.ledger.read() as book:
            for message in may_show:
                who = talks[message.conversation]
                found[message.id] = look_up_sender.sent_spans(
                    book, message.text, person=who.person, now=now, level=who.level_at(now)
                )
    return [
        replace(m, facts={**m.facts, queues.PASTED: found[m.id]}) if found.get(m.id) else m for m in messages
    ]


def _takes_effect_late(wish: Wish, message: queues.Received, owner: Owner) -> bool:
    if wish.intent == "opt_out":
        return not message.wishes  # a STOP that was asked back has its answer
    return wish.intent.startswith("rights_") and owner is Owner.BOT


@dataclass(frozen=True, slots=True)
class _Read:
    """One message as the model read it: as a whole, if it was to be, and in its parts; None where it was away."""

    whole: Reading | None = None
    parts: tuple[tuple[Part, Reading | None], ...] = ()

    @property
    def is_read(self) -> bool:
        return self.whole is not None or any(reading is not None for _, reading in self.parts)


def _read(house: House, messages: Sequence[queues.Received]) -> dict[int, _Read]:
    """What the model makes of what receive left open, whole and in parts: one request for all of them.

    Beside a STOP that receive carried out only what else was said is read; of what its words made a question of,
    only the parts, for another of them may be a wish too.
    """
    wholes = [m for m in messages if m.kind is Kind.TEXT and not m.wishes and _STOPPED not in m.facts]
    parts: dict[int, tuple[Part, ...]] = {m.id: several.parts_of(m.said, house.words) for m in wholes}
    for message in messages:
        if message.kind is not Kind.TEXT or message.id in parts:
            continue
        if _STOPPED in message.facts:
            parts[message.id] = several.beside_stop(message.said, house.words)
        elif all(
            w.intent in several.ASKED_BY_WORDS and w.by in ("keyword", "phrase") for w in message.wishes
        ):
            parts[message.id] = several.parts_of(message.said, house.words)
    texts = [m.said for m in wholes] + [part.text for found in parts.values() for part in found]
    readings = iter(house.understanding.read(texts) if texts else ())
    whole = {m.id: next(readings) for m in wholes}
    return {
        number: _Read(whole.get(number), tuple((part, next(readings)) for part in found))
        for number, found in parts.items()
        if found or number in whole
    }


def _turn(
    house: House,
    topics: Topics,
    message: queues.Received,
    read: _Read | None,
    now: datetime,
    book: Book,
) -> None:
    conversation = conversations.get(book, message.conversation, lock=True)
    wants_bot = any(w.intent == "back_to_bot" for w in message.wishes)
    if conversation.owner is not Owner.BOT and not wants_bot:
        if queues.settle_inbox(book, message, now=now):
            escalate.add_to_case(book, conversation, message.text, at=message.received_at, inbox=message.id)
        return
    wishes = tuple(_meant(w, conversation, now) for w in _wishes(house, conversation, message, read, now))
    is_unread = not message.wishes if read is None else not read.is_read
    is_limited = bool(wishes) and _is_limited(book, conversation, wishes, now)
    if not queues.settle_inbox(book, message, now=now, needs_reading=is_unread and not is_limited):
        return
    if is_limited:
        _say_limited(house, book, conversation, message, now)
    elif wishes:
        _answer(house, topics, book, conversation, message, wishes, now)


def _wishes(
    house: House, conversation: Conversation, message: queues.Received, read: _Read | None, now: datetime
) -> tuple[Wish, ...]:
    """The wishes of a message: receive's, the model's, or the answer to a question that takes free text."""
    if read is None and message.wishes:
        return _for_a_human(message.wishes, message.said)
    found = _for_a_human(_read_wishes(house, message, read or _Read()), message.said)
    found = look_up_case.rather(found, message.facts.get("case"))
    asked = conversations.live_asked(conversation, now)
    is_open = not message.wishes and _STOPPED not in message.facts
    if is_open and queues.PASTED in message.facts:
        return found if any(_beats_slot(wish) for wish in found) else (Wish("who_sent", "pasted"),)
    takes_text = is_open and asked is not None and asked.slot is not None and message.said.strip()
    if takes_text and asked is not None and _fills(asked, message, found):
        slots = {**asked.slots, str(asked.slot): message.said.strip()}
        return (Wish(asked.topic, "slot", slots=slots),)
    return found


def _fills(asked: Asked, message: queues.Received, found: Sequence[Wish]) -> bool:
    """Is a text the answer to a question that takes free words, or surely another wish?"""
    if asked.takes_time:
        return follow_ups.is_one(message.said, now=message.received_at)
    return not any(_beats_slot(wish) for wish in found)


def _for_a_human(wishes: Sequence[Wish], text: str) -> tuple[Wish, ...]:
    """The same, but what somebody asks who speaks for another, holds an office or is a child is a human's to answer."""
    who = standing.speaker(text)
    if who is None:
        return tuple(wishes)
    taken = [w for w in wishes if w.by != "option" and standing.is_for_a_human(who, w.intent)]
    if not taken:
        return tuple(wishes)
    right = next((w for w in taken if w.intent.startswith("rights_")), taken[0])
    slots = {"speaker": who.value, "wanted": right.intent}
    return (*(w for w in wishes if w not in taken), replace(right, intent="spoken_for", slots=slots))


def _meant(wish: Wish, conversation: Conversation, now: datetime) -> Wish:
    """ "The other one" is the option of the last question that was not taken."""
    memory = conversations.live_memory(conversation, now)
    if wish.intent != "other_one" or _ANSWERED not in memory:
        return wish
    return questions.other(questions.from_text(memory[_ANSWERED]), int(memory["place"])) or wish


def _read_wishes(house: House, message: queues.Received, read: _Read) -> tuple[Wish, ...]:
    """What a text asks for that receive left open, in part or as a whole; several wishes in their order."""
    if _STOPPED in message.facts:
        return several.wishes_beside_stop(message.said, read.parts, house.words)
    whole = Wish("not_read", "fallback")
    if message.wishes:
        whole = message.wishes[0]
    elif follow_ups.asks_who(message.said):
        whole = Wish("who_sent", "phrase")
    elif read.whole is not None:
        whole = wish_of(read.whole, message.said)
    return several.wishes_of(whole, message.said, read.parts, house.words)


def _beats_slot(wish: Wish) -> bool:
    """Is the model sure enough that this is another wish and not the answer that was asked for?"""
    if wish.intent in WINS or wish.intent.startswith("rights_"):
        return True
    known = wish.intent not in ("not_understood", "did_you_mean", "not_read", "affirm")
    return known and wish.confidence >= SURE


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
    if _ANSWERED in message.facts:
        return questions.from_text(message.facts[_ANSWERED]).then
    answers = [w for w in wishes if asked is not None and (w.by == "slot" or questions.is_answer(w, asked))]
    return questions.behind(asked, answers[0]) if asked is not None and answers else asked


def _with_answered(memory: Mapping[str, Any], message: queues.Received) -> dict[str, Any]:
    """Keep what was answered for one turn, so that the person may go back to it or take the other one."""
    return {**memory, **{name: message.facts[name] for name in (_ANSWERED, "place") if name in message.facts}}


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
