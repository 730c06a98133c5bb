"""Read what receive left open: the model's word on each message and its parts, and what wishes that makes.

Asks the model once for all messages in hand, with no transaction open. Answers nothing and carries nothing out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from bot.domain import follow_ups, questions, several, standing
from bot.domain.conversation import Asked, Owner, Wish
from bot.domain.messages import Kind
from bot.domain.readings import SURE, Reading, wish_of
from bot.domain.several import Part
from bot.ledger import conversations, queues
from bot.ledger.conversations import Conversation
from bot.services import look_up_case, look_up_sender
from bot.services.contracts import House

WINS = ("opt_out", "human", "report_scam", "back_to_bot", "spoken_for")
"""Wishes that win over any open question; rights requests do too."""
STOPPED = "opt_out"  #: among the facts: how the STOP ended that receive carried out
ANSWERED = "answered"  #: among the facts: the question of which an option was taken; `place`: which


@dataclass(frozen=True, slots=True)
class Read:
    """One message as the model read it: as a whole, if it was to be, and in its parts; None where it was away."""

    whole: Reading | None = None
    parts: tuple[tuple[Part, Reading | None], ...] = ()

    @property
    def is_read(self) -> bool:
        return self.whole is not None or any(reading is not None for _, reading in self.parts)


def with_pasted(
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


def read(house: House, messages: Sequence[queues.Received]) -> dict[int, Read]:
    """What the model makes of what receive left open, whole and in parts: one request for all of them.

    Beside a STOP that receive carried out only what else was said is read; of what its words made a question of,
    only the parts, for another of them may be a wish too.
    """
    wholes = [m for m in messages if m.kind is Kind.TEXT and not m.wishes and STOPPED not in m.facts]
    parts: dict[int, tuple[Part, ...]] = {m.id: several.parts_of(m.said, house.words) for m in wholes}
    for message in messages:
        if message.kind is not Kind.TEXT or message.id in parts:
            continue
        if STOPPED in message.facts:
            parts[message.id] = several.beside_stop(message.said, house.words)
        elif all(
            w.intent in several.ASKED_BY_WORDS and w.by in ("keyword", "phrase") for w in message.wishes
        ):
            parts[message.id] = several.parts_of(message.said, house.words)
    texts = [m.said for m in wholes] + [part.text for found in parts.values() for part in found]
    readings = iter(house.understanding.read(texts) if texts else ())
    whole = {m.id: next(readings) for m in wholes}
    return {
        number: Read(whole.get(number), tuple((part, next(readings)) for part in found))
        for number, found in parts.items()
        if found or number in whole
    }


def wishes_of(
    house: House, conversation: Conversation, message: queues.Received, read: Read | None, now: datetime
) -> tuple[Wish, ...]:
    """The wishes of a message: receive's, the model's, or the answer to a question that takes free text."""
    return tuple(_meant(w, conversation, now) for w in _found(house, conversation, message, read, now))


def _found(
    house: House, conversation: Conversation, message: queues.Received, read: Read | None, now: datetime
) -> tuple[Wish, ...]:
    if read is None and message.wishes:
        return _for_a_human(message.wishes, message.said)
    found = _for_a_human(_read_wishes(house, message, read or Read()), message.said)
    found = look_up_case.rather(found, message.facts.get("case"))
    asked = conversations.live_asked(conversation, now)
    is_open = not message.wishes and STOPPED not in message.facts
    if is_open and queues.PASTED in message.facts:
        return found if any(_beats_slot(wish) for wish in found) else (Wish("who_sent", "pasted"),)
    takes_text = is_open and asked is not None and asked.slot is not None and message.said.strip()
    if takes_text and asked is not None and _fills(asked, message, found):
        slots = {**asked.slots, str(asked.slot): message.said.strip()}
        return (Wish(asked.topic, "slot", slots=slots),)
    return found


def late_wishes(house: House, message: queues.Received, read: Read, *, owner: Owner) -> tuple[Wish, ...]:
    """Those of a message answered while the model was away that take effect now that it is read."""
    return tuple(w for w in _read_wishes(house, message, read) if _takes_effect_late(w, message, owner))


def _takes_effect_late(wish: Wish, message: queues.Received, owner: Owner) -> bool:
    if wish.intent == "opt_out":
        return not message.wishes  # a STOP that was asked back has its answer
    return wish.intent.startswith("rights_") and owner is Owner.BOT


def _meant(wish: Wish, conversation: Conversation, now: datetime) -> Wish:
    """ "The other one" is the option of the last question that was not taken."""
    memory = conversations.live_memory(conversation, now)
    if wish.intent != "other_one" or ANSWERED not in memory:
        return wish
    return questions.other(questions.from_text(memory[ANSWERED]), int(memory["place"])) or wish


def _fills(asked: Asked, message: queues.Received, found: Sequence[Wish]) -> bool:
    """Is a text the answer to a question that takes free words, or surely another wish?"""
    if asked.takes_time:
        return follow_ups.is_one(message.said, now=message.received_at)
    return not any(_beats_slot(wish) for wish in found)


def _beats_slot(wish: Wish) -> bool:
    """Is the model sure enough that this is another wish and not the answer that was asked for?"""
    if wish.intent in WINS or wish.intent.startswith("rights_"):
        return True
    known = wish.intent not in ("not_understood", "did_you_mean", "not_read", "affirm")
    return known and wish.confidence >= SURE


def _read_wishes(house: House, message: queues.Received, read: Read) -> tuple[Wish, ...]:
    """What a text asks for that receive left open, in part or as a whole; several wishes in their order."""
    if STOPPED in message.facts:
        return several.wishes_beside_stop(message.said, read.parts, house.words)
    whole = Wish("not_read", "fallback")
    if message.wishes:
        whole = message.wishes[0]
    elif follow_ups.asks_who(message.said):
        whole = Wish("who_sent", "phrase")
    elif read.whole is not None:
        whole = wish_of(read.whole, message.said)
    return several.wishes_of(whole, message.said, read.parts, house.words)


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
