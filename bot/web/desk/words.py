"""Put cases and conversations into the words of the desk: what to do, by when, what to see at a glance."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime

from bot.domain.conversation import Level, Owner
from bot.domain.deadlines import day_in_warsaw, due_on, next_working_day
from bot.domain.messages import Address
from bot.domain.numbers import masked
from bot.ledger import cases
from bot.ledger.book import Book
from bot.ledger.cases import Case, Note
from bot.ledger.conversations import Conversation
from bot.services import escalate

SOON = 5  #: working days before its date from which a case is marked
MEDIA = {"sms": "SMS", "whatsapp": "WhatsApp", "messenger": "Messenger", "telegram": "Telegram"}
STATES = {
    "ready": "about to leave",
    "in_hand": "about to leave",
    "unknown": "unclear, being looked up",
    "sent": "sent",
    "failed": "not sent",
    "cancelled": "not said",
    "expired": "too late, not sent",
    "new": "received",
    "settled": "received",
    "recorded": "received",
    "poisoned": "received, the bot could not answer it",
    "delivered": "delivered",
    "read": "read",
}
LEVELS = {
    Level.ANONYMOUS: "unverified: a chat without a number",
    Level.ASSERTED: "unverified: number as the network gave it",
    Level.CONTACT: "verified: shared their own contact",
    Level.PROVEN: "verified: by a code",
    Level.ACCOUNT: "verified: by a code to the account",
}
TOPICS = {
    "human": "wants a person",
    "agent": "acts for somebody else",
    "parent": "asks for a child",
    "minor": "is a child",
    "press": "is of the press",
    "authority": "is of an authority",
    "report_scam": "scam report",
    "limited": "too many messages",
    "poisoned": "the bot could not answer",
}
AUDIENCES = {
    "recipient": "recipient",
    "direct_client": "direct client",
    "visitor": "website visitor",
    "unknown": "not known who",
}


@dataclass(frozen=True, slots=True)
class ToDo:
    """One case with a date, in the words of the desk. `marks`: what to see at a glance, each with its kind."""

    conversation: int | None
    ref: str
    who: str
    topic: str
    task: str
    due: date | None
    is_overdue: bool
    is_urgent: bool
    marks: tuple[tuple[str, str], ...]


def to_do(found: escalate.Due, now: datetime) -> ToDo:
    case = found.case
    return ToDo(
        conversation=case.conversation,
        ref=case.ref,
        who="" if found.conversation is None else who(found.conversation),
        topic=topic(case.topic),
        task=_task(case, found.client),
        due=case.due_on,
        is_overdue=_is_overdue(case, now),
        is_urgent=case.is_urgent,
        marks=_marks(case, now, is_to_do=True),
    )


def _task(case: Case, client: str) -> str:
    """What somebody must do about a case."""
    if case.state == "possible":
        return "look whether it is one"
    if case.escalated_at is not None:
        return f"call {client}: they do not acknowledge it"
    if case.state == "forwarded":
        return f"bring it to {client}: they have not taken it yet"
    return f"pass it on to {client}" if client else "answer"


def _marks(case: Case, now: datetime, *, is_to_do: bool) -> tuple[tuple[str, str], ...]:
    marks = []
    if is_to_do and _is_overdue(case, now):
        marks.append(("bad", "overdue"))
    elif is_to_do and case.due_on is not None and case.due_on <= next_working_day(now, SOON):
        marks.append(("warn", "soon"))
    if case.escalated_at is not None and case.acknowledged_at is None:
        marks.append(("bad", "client silent"))
    elif case.reminded_at is not None and case.acknowledged_at is None:
        marks.append(("warn", "client reminded"))
    if case.extended_at is not None:
        marks.append(("plain", "extended"))
    marks.append(("good", "verified") if case.is_verified else ("plain", "unverified"))
    return tuple(marks)


def _is_overdue(case: Case, now: datetime) -> bool:
    return case.due_on is not None and case.due_on < day_in_warsaw(now)


@dataclass(frozen=True, slots=True)
class File:
    """One case as its conversation shows it: what happened to it, and what may be done with it.

    notes: what the bot, the client and staff wrote; what the person wrote stands in the conversation.
    """

    case: Case
    marks: tuple[tuple[str, str], ...]
    notes: tuple[Note, ...]
    may_decide: bool
    may_extend: bool
    may_be_passed_on: bool
    may_be_acknowledged: bool
    may_be_verified: bool


def file(book: Book, case: Case, now: datetime) -> File:
    is_open = case.state in ("open", "possible")
    in_time = day_in_warsaw(now) <= due_on(case.received_at)
    return File(
        case=case,
        marks=_marks(case, now, is_to_do=cases.is_to_do(book, case)),
        notes=tuple(n for n in cases.notes_of(book, case.id) if n.author != "person"),
        may_decide=is_open and case.is_ours,
        may_extend=is_open and case.is_ours and in_time and case.extended_at is None,
        may_be_passed_on=case.state == "open" and case.is_right and case.client is not None,
        may_be_acknowledged=case.state == "forwarded" and case.acknowledged_at is None,
        may_be_verified=not case.is_verified and case.is_right,
    )


@dataclass(frozen=True, slots=True)
class Listed:
    """One conversation in the words of the desk."""

    id: int
    who: str
    medium: str
    language: str
    owner: Owner
    waiting_since: datetime | None
    topic: str
    due: object
    is_overdue: bool
    is_urgent: bool
    is_verified: bool
    level: str


def listed(card: escalate.Card, now: datetime) -> Listed:
    conversation = card.conversation
    level = conversation.level_at(now)
    return Listed(
        id=conversation.id,
        who=who(conversation),
        medium=MEDIA.get(conversation.address.medium, conversation.address.medium),
        language=conversation.language or "",
        owner=conversation.owner,
        waiting_since=conversation.waiting_since,
        topic=topic(card.cases[0].topic) if card.cases else "",
        due=card.earliest_due,
        is_overdue=card.earliest_due is not None and card.earliest_due < day_in_warsaw(now),
        is_urgent=any(case.is_urgent for case in card.cases),
        is_verified=level >= Level.CONTACT,
        level=LEVELS[level],
    )


def who(conversation: Conversation) -> str:
    """A person as staff sees them: enough to tell two apart, not enough to call."""
    address: Address = conversation.address
    if address.number is not None:
        return masked(address.number)
    return f"{MEDIA.get(address.medium, 'chat')} …{address.person[-3:]}"


def topic(name: str) -> str:
    """A case's topic in the words of the desk."""
    if name in TOPICS:
        return TOPICS[name]
    return name.removeprefix("rights_").replace("_", " ") + (" request" if name.startswith("rights_") else "")
