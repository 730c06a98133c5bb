"""Hand a conversation from the bot to people and back, and let them answer. The desk only calls this.

The row of the conversation is locked for every change of owner, so that two agents, or an agent and the
bot, cannot both believe it is theirs.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime

from bot.domain.conversation import Owner
from bot.domain.deadlines import due_on, next_working_day
from bot.domain.errors import AlreadySettled, BadInput
from bot.ledger import audit, cases, conversations, queues
from bot.ledger.audit import Deed
from bot.ledger.book import Book
from bot.ledger.cases import Case
from bot.ledger.conversations import Conversation
from bot.services.contracts import House
from bot.texts import for_sms

LONGEST_ANSWER = 1000  #: characters an agent may send at once


def open_case(
    book: Book,
    conversation: Conversation,
    *,
    topic: str,
    audience: str,
    text: str,
    language: str,
    received_at: datetime,
    client: int | None = None,
    is_ours: bool = False,
    is_urgent: bool = False,
    state: str = "open",
    is_verified: bool = False,
) -> tuple[Case, bool]:
    """File a case, or add to the open one of the same topic. The case, and whether it is new.

    is_ours: the request is one the provider itself must answer, so its month starts (GDPR 12(3)).
    """
    known = cases.open_of(book, conversation.id, topic)
    if known is not None and known.client == client:
        cases.note(book, known.id, author="person", body=text, at=received_at)
        return known, False
    case = cases.open_case(
        book,
        topic=topic,
        audience=audience,
        conversation=conversation.id,
        person=conversation.person,
        client=client,
        language=language,
        due_on=_due(topic, received_at, is_ours=is_ours),
        received_at=received_at,
        state=state,
        is_verified=is_verified,
        is_urgent=is_urgent,
    )
    cases.note(book, case.id, author="person", body=text, at=received_at)
    return case, True


def _due(topic: str, received_at: datetime, *, is_ours: bool) -> date | None:
    """When a case is due: our own month, or the working day within which a right is passed on to its controller.

    None for what no clock runs for: a wish for a human, a report of fraud.
    """
    if is_ours:
        return due_on(received_at)
    return next_working_day(received_at) if topic.startswith("rights_") else None


def hand_over(book: Book, conversation: Conversation) -> bool:
    """Nobody's turn but a human's from now on. False: it was so already."""
    if conversation.owner is not Owner.BOT:
        return False
    conversations.give_to(book, conversation.id, Owner.WAITING)
    return True


def add_to_case(book: Book, conversation: Conversation, text: str, *, at: datetime, inbox: int) -> None:
    """While a human has it, what the person writes goes to the case."""
    case = cases.open_of(book, conversation.id)
    if case is not None:
        cases.note(book, case.id, author="person", body=text, at=at, inbox=inbox)


def claim(house: House, conversation: int, *, staff: int, now: datetime) -> Conversation:
    """An agent takes a conversation; whatever the bot had ready is not said any more.

    Raises AlreadySettled if another agent has it.
    """
    with house.ledger.write() as book:
        found = conversations.get(book, conversation, lock=True)
        if found.owner is Owner.HUMAN and found.claimed_by != staff:
            raise AlreadySettled("another agent has this conversation")
        conversations.give_to(book, conversation, Owner.HUMAN, staff=staff)
        queues.cancel_replies(book, conversation, now=now)
        audit.act(book, Deed.CLAIMED, at=now, staff=staff, conversation=conversation)
        return conversations.get(book, conversation)


def answer(house: House, conversation: int, text: str, *, staff: int, now: datetime) -> None:
    """Put an agent's answer into the outbox; it leaves on the person's own channel.

    Raises BadInput for an empty or overlong text, AlreadySettled if the agent does not have the conversation.
    """
    text = text.strip()
    if not text:
        raise BadInput("text", "an answer needs a text")
    if len(text) > LONGEST_ANSWER:
        raise BadInput("text", f"at most {LONGEST_ANSWER} characters")
    with house.ledger.write() as book:
        found = _mine(book, conversation, staff)
        said = for_sms(text) if found.address.medium.value == "sms" else text
        queues.put(book, queues.Draft(conversation=conversation, kind="agent", text=said), now=now)
        conversations.mark(book, conversation, waiting_since=None)
        case = cases.open_of(book, conversation)
        if case is not None:
            cases.note(book, case.id, author="staff", staff=staff, body=text, at=now)


def hand_back(house: House, conversation: int, *, staff: int, now: datetime) -> None:
    """The bot answers again, with nothing remembered from before. Raises AlreadySettled."""
    with house.ledger.write() as book:
        _mine(book, conversation, staff)
        audit.act(book, Deed.HANDED_BACK, at=now, staff=staff, conversation=conversation)
        conversations.give_to(book, conversation, Owner.BOT)
        conversations.mark(book, conversation, waiting_since=None)


def close(house: House, conversation: int, *, staff: int, now: datetime) -> None:
    """Close the open cases of a conversation and hand it back. Raises AlreadySettled."""
    with house.ledger.write() as book:
        _mine(book, conversation, staff)
        audit.act(book, Deed.CLOSED, at=now, staff=staff, conversation=conversation)
        for case in cases.listed(book, conversation=conversation):
            if case.state != "forwarded":
                cases.set_state(book, case.id, "closed", now=now)
        conversations.give_to(book, conversation, Owner.BOT)
        conversations.mark(book, conversation, waiting_since=None)


@dataclass(frozen=True, slots=True)
class Card:
    """What the desk shows of one conversation, beside its transcript (`ledger.transcripts`)."""

    conversation: Conversation
    cases: tuple[Case, ...]
    earliest_due: date | None


def waiting(book: Book, *, staff: int) -> list[Card]:
    """The desk's list: what waits for anybody and what this agent has, longest waiting first."""
    return [_card(book, c) for c in conversations.waiting(book, staff=staff)]


def with_open_cases(book: Book) -> list[Card]:
    """Conversations that the bot still holds and that have a case for a person: the most pressing first."""
    pressing = dict.fromkeys(c.conversation for c in cases.listed(book) if c.state in ("open", "possible"))
    held = [conversations.get(book, number) for number in pressing if number is not None]
    return [_card(book, c) for c in held if c.owner is Owner.BOT]


def card(book: Book, conversation: int) -> Card:
    """One conversation whole. Raises NotKnown."""
    return _card(book, conversations.get(book, conversation))


def _card(book: Book, conversation: Conversation) -> Card:
    open_cases = tuple(cases.listed(book, conversation=conversation.id))
    due = [c.due_on for c in open_cases if c.due_on is not None]
    return Card(conversation, open_cases, min(due) if due else None)


def _mine(book: Book, conversation: int, staff: int) -> Conversation:
    found = conversations.get(book, conversation, lock=True)
    if found.owner is not Owner.HUMAN or found.claimed_by != staff:
        raise AlreadySettled("this conversation is not yours (any more)")
    return found
