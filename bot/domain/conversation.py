"""Say what a conversation holds between two messages and what a topic may answer. Stores and sends nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import IntEnum, StrEnum
from typing import Any

from bot.domain.messages import Medium

ASKED_LASTS = timedelta(hours=24)
MEMORY_LASTS = timedelta(hours=24)


class Owner(StrEnum):
    """Who speaks. Exactly one at any time."""

    BOT = "bot"
    WAITING = "waiting"  #: handed over, nobody has it yet
    HUMAN = "human"


class Level(IntEnum):
    """How well the person is known (the identity ladder). Each level includes those below it."""

    ANONYMOUS = 0  #: a chat without a number
    ASSERTED = 1  #: an inbound SMS or WhatsApp number: STOP, the message being answered, intake
    CONTACT = 2  #: the person's own Telegram contact: STOP, intake
    PROVEN = 3  #: a code sent to the number came back: lists and history
    ACCOUNT = 4  #: a code to a contact of the client's account: direct clients


@dataclass(frozen=True, slots=True)
class Option:
    """One way to answer an open question.

    label: a reply key or a proper name shown as it is (`is_name`).
    intent: what choosing it means to the topics; slots: what it adds.
    is_opt_out: choosing it is an opt-out and takes effect before any model is asked.
    """

    intent: str
    label: str = ""
    slots: Mapping[str, Any] = field(default_factory=dict)
    is_name: bool = False
    is_opt_out: bool = False


@dataclass(frozen=True, slots=True)
class Asked:
    """The open question of a conversation; at most one.

    question: the reply key that put it, said again after an interruption.
    options: in the order of their digits; the first of two is the yes of a yes/no question (`is_yes_no`).
    slot: the slot that free text fills, None when only an option answers.
    topic: the intent that takes the free text, or how the intents begin that answer it in words. takes_time: only
    such as asks the same of another time.
    is_offer: ways to go on, put once; all else a person has begun and is asked again after an interruption.
    then: the question that this one interrupted, put again once this one is settled.
    """

    question: str
    expires_at: datetime
    options: tuple[Option, ...] = ()
    is_yes_no: bool = False
    slot: str | None = None
    topic: str = ""
    arguments: Mapping[str, Any] = field(default_factory=dict)
    slots: Mapping[str, Any] = field(default_factory=dict)
    takes_time: bool = False
    is_offer: bool = False
    then: Asked | None = None

    @property
    def buttons(self) -> tuple[str, ...]:
        """The token of each option's button. It names its question: buttons of earlier ones stay on the screen,
        and one pressed there must not be taken for an answer to what is asked now."""
        put_at = f"{int(self.expires_at.timestamp() * 1000):x}"
        return tuple(f"option:{put_at}:{place}" for place in range(1, len(self.options) + 1))


@dataclass(frozen=True, slots=True)
class Say:
    """A text by its key in `data/replies`. It must claim no effect; `Do` names the replies of effects."""

    key: str
    arguments: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Do:
    """An effect and the reply for each way it can end.

    name and its possible ends are `EFFECTS`; `replies` has a key for every one of them ("" = say nothing);
    `asks` a question for those ends after which there is something to ask.
    """

    name: str
    arguments: Mapping[str, Any] = field(default_factory=dict)
    replies: Mapping[str, str] = field(default_factory=dict)
    asks: Mapping[str, Asked] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if set(self.replies) != set(EFFECTS[self.name]):
            raise ValueError(f"{self.name} needs a reply for each of {EFFECTS[self.name]}")
        if not set(self.asks) <= set(EFFECTS[self.name]):
            raise ValueError(f"{self.name} ends only as one of {EFFECTS[self.name]}")


EFFECTS: Mapping[str, tuple[str, ...]] = {
    "opt_out": ("done", "again", "late", "no_number"),
    "ask_start_code": ("sent", "nothing", "locked", "no_number"),
    "ask_number_code": ("sent", "limited"),
    "ask_account_code": ("sent", "limited"),
    "tell_holder": ("done", "limited"),
    "check_account": ("needed", "proven"),
    "open_case": ("done", "merged"),
    "close_case": ("done", "none"),
    "want_word": ("done", "already"),
    "forward_request": ("done", "again", "by_hand"),
    "hand_over": ("done", "already"),
    "hand_back": ("done", "already"),
    "erase_own": ("done",),
}
"""Every effect there is, with the ways it can end. `services/respond.py` carries them out."""


class Leaves(StrEnum):
    """What a wish leaves of the open question that it did not answer."""

    AGAIN = "again"  #: it is put again after the answer
    STANDING = "standing"  #: it waits, and is not repeated
    NOTHING = "nothing"  #: it is given up


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a topic decided: effects first, then texts, then at most one question; and what to remember."""

    do: tuple[Do, ...] = ()
    say: tuple[Say, ...] = ()
    ask: Asked | None = None
    memory: Mapping[str, Any] = field(default_factory=dict)
    leaves: Leaves = Leaves.AGAIN
    is_understood: bool = True


@dataclass(frozen=True, slots=True)
class Wish:
    """One thing the person wants, from whichever reading: `by` is keyword, command, phrase, option, slot or model.

    said: the part of the message that says so, where it holds several wishes; else empty.
    """

    intent: str
    by: str
    confidence: float = 1.0
    slots: Mapping[str, Any] = field(default_factory=dict)
    alternatives: tuple[str, ...] = ()
    said: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class Turn:
    """What a topic gets to know of one message. Holds nothing it could write to.

    person: the ledger's id of the proven or asserted number, None if there is none. conversation: its id there.
    facts: what services decided about this message before (`proof`, `answered` …), and how the effects of the
    wishes taken before this one ended, each by its name.
    memory: what the last turn of the conversation left, expired entries gone, and what those wishes left.
    """

    wish: Wish
    text: str = field(repr=False)
    medium: Medium
    language: str
    level: Level
    person: int | None
    ours: str = field(repr=False)
    received_at: datetime
    now: datetime
    answered_id: str | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)
    memory: Mapping[str, Any] = field(default_factory=dict)
    asked: Asked | None = None
    conversation: int = 0

    @property
    def clause(self) -> str:
        """The words of this wish: a part of the message if it holds several, else all of it."""
        return self.wish.said or self.text
