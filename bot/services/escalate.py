"""Hand a conversation from the bot to people and back, and let them answer. The desk only calls this.

The row of the conversation is locked for every change of owner, so that two agents, or an agent and the
bot, cannot both believe it is theirs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

from bot.domain.conversation import Asked, Level, Owner, Wish
from bot.domain.deadlines import WORKING_DAYS, Step, due_on, next_working_day
from bot.domain.errors import AlreadySettled, BadInput
from bot.ledger import audit, cases, clients, conversations, queues
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
    was_for: int | None = None,
    is_ours: bool = False,
    is_urgent: bool = False,
    state: str = "open",
    remark: str = "",
) -> tuple[Case, bool]:
    """File a case, or add to the open one about the same. The case, and whether it is new.

    One of which nobody knew whose it is becomes this one, and so does one that the person now says is not about the
    client `was_for`. is_ours: the request is one the provider itself must answer, so its month starts (GDPR 12(3)).
    remark: what staff should know of it. What was verified stays so; a case is verified as soon as its person is.
    """
    open_ones = cases.open_about(book, conversation.id, topic)
    is_proven = _is_proven(conversation, audience, received_at)
    undecided = next((c for c in open_ones if _may_become(c, was_for)), None)
    if undecided is not None and (
        audience != "unknown" or (state == "open" and undecided.state == "possible")
    ):
        due = _due(topic, undecided.received_at, is_ours=is_ours)
        cases.adopt(book, undecided.id, audience=audience, client=client, due_on=due, is_verified=is_proven)
        return _remarked(book, undecided.id, remark, received_at), True
    known = next((c for c in open_ones if c.client == client), None)
    if known is not None:
        cases.note(book, known.id, author="person", body=text, at=received_at)
        if is_proven:
            cases.verify(book, known.id)
        return _remarked(book, known.id, remark, received_at), False
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
        is_verified=is_proven,
        is_urgent=is_urgent,
    )
    cases.note(book, case.id, author="person", body=text, at=received_at)
    return _remarked(book, case.id, remark, received_at), True


def _may_become(case: Case, was_for: int | None) -> bool:
    """Is it still open whose a case is? One that is on its way to a client is not."""
    if case.state not in ("possible", "open") or case.forwarded_at is not None:
        return False
    return (case.audience == "unknown" and case.client is None) or (
        was_for is not None and case.client == was_for
    )


def _is_proven(conversation: Conversation, audience: str, at: datetime) -> bool:
    """Is the person known well enough for what they claim? A direct client by the account, others by their number."""
    return conversation.level_at(at) >= (Level.ACCOUNT if audience == "direct_client" else Level.CONTACT)


def _remarked(book: Book, case: int, remark: str, at: datetime) -> Case:
    if remark:
        cases.note(book, case, author="bot", body=remark, at=at)
    return cases.get(book, case)


def _due(topic: str, received_at: datetime, *, is_ours: bool) -> date | None:
    """When a case is due: our own month, or the working day within which a right is passed on to its controller.

    None for what no clock runs for: a wish for a human, a report of fraud.
    """
    if not topic.startswith("rights_"):
        return None
    if is_ours:
        return due_on(received_at)
    return next_working_day(received_at, WORKING_DAYS[Step.FORWARD])


def now_proven(book: Book, conversation: Conversation, *, now: datetime) -> None:
    """The number of a conversation is proven now: the cases it has are verified, and theirs whose number it is.

    Those of a direct client wait for the account, whatever number is proven.
    """
    person = conversation.person
    if person is None or conversation.level_at(now) < Level.CONTACT:
        return
    for case in cases.listed(book, conversation=conversation.id):
        if case.person not in (None, person):
            continue  # filed under another number: the proof says nothing of it
        cases.belongs_to(book, case.id, person)
        if _is_proven(conversation, case.audience, now):
            cases.verify(book, case.id)


def not_meant(
    book: Book, conversation: Conversation, wish: Wish, asked: Asked | None, *, now: datetime
) -> None:
    """Asked whether they meant a right, the person said no or took another way: its `possible` record is closed.

    A wish for a human is no such answer.
    """
    is_no = wish.intent == "deny" and asked is not None
    right = (asked.slots if is_no and asked is not None else wish.slots).get("possible")
    if right is None or wish.intent in (right, "human") or not (is_no or wish.by == "option"):
        return
    for case in cases.open_about(book, conversation.id, right):
        if case.state == "possible":
            cases.set_state(book, case.id, "closed", now=now)


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
        found = mine(book, conversation, staff)
        said = for_sms(text) if found.address.medium.value == "sms" else text
        queues.put(book, queues.Draft(conversation=conversation, kind="agent", text=said), now=now)
        conversations.mark(book, conversation, waiting_since=None)
        case = cases.open_of(book, conversation)
        if case is not None:
            cases.note(book, case.id, author="staff", staff=staff, body=text, at=now)


def hand_back(house: House, conversation: int, *, staff: int, now: datetime) -> None:
    """The bot answers again, with nothing remembered from before. Raises AlreadySettled."""
    with house.ledger.write() as book:
        mine(book, conversation, staff)
        audit.act(book, Deed.HANDED_BACK, at=now, staff=staff, conversation=conversation)
        conversations.give_to(book, conversation, Owner.BOT)
        conversations.mark(book, conversation, waiting_since=None)


def close(house: House, conversation: int, *, staff: int, now: datetime) -> None:
    """Close the open cases of a conversation and hand it back. Raises AlreadySettled."""
    with house.ledger.write() as book:
        mine(book, conversation, staff)
        audit.act(book, Deed.CLOSED, at=now, staff=staff, conversation=conversation)
        for case in cases.listed(book, conversation=conversation):
            if case.state != "forwarded":
                cases.set_state(book, case.id, "closed", now=now)
        conversations.give_to(book, conversation, Owner.BOT)
        conversations.mark(book, conversation, waiting_since=None)


def verify(house: House, case: int, *, staff: int, now: datetime) -> None:
    """An agent has made sure who the person is. Raises NotKnown, AlreadySettled."""
    with house.ledger.write() as book:
        found = cases.get(book, case)
        if not cases.verify(book, case):
            raise AlreadySettled("this case is verified already")
        cases.note(book, case, author="staff", staff=staff, body="verified", at=now)
        audit.act(book, Deed.VERIFIED, at=now, staff=staff, conversation=found.conversation, case=case)


@dataclass(frozen=True, slots=True)
class Card:
    """What the desk shows of one conversation, beside its transcript (`ledger.transcripts`)."""

    conversation: Conversation
    cases: tuple[Case, ...]
    earliest_due: date | None


@dataclass(frozen=True, slots=True)
class Due:
    """A case that is a person's to do by a date. client: for whom, by its public name; empty: for the provider."""

    case: Case
    conversation: Conversation | None
    client: str


def waiting(book: Book, *, staff: int) -> list[Card]:
    """The desk's list: what waits for anybody and what this agent has, longest waiting first."""
    return [_card(book, c) for c in conversations.waiting(book, staff=staff)]


def due(book: Book) -> list[Due]:
    """What is due, the most overdue first, whoever has the conversation: the list by which no date is missed."""
    return _with_names(book, cases.due(book, states=("open", "forwarded")))


def possible(book: Book) -> list[Due]:
    """What may be a request about personal data, until the person says that it was none."""
    return _with_names(book, cases.due(book, states=("possible",)))


def with_open_cases(book: Book) -> list[Card]:
    """Conversations that the bot still holds with a case for a person that has no date: the urgent ones first."""
    pressing = dict.fromkeys(
        c.conversation for c in cases.listed(book) if c.state == "open" and c.due_on is None
    )
    held = [conversations.get(book, number) for number in pressing if number is not None]
    return [_card(book, c) for c in held if c.owner is Owner.BOT]


def card(book: Book, conversation: int) -> Card:
    """One conversation whole. Raises NotKnown."""
    return _card(book, conversations.get(book, conversation))


def _card(book: Book, conversation: Conversation) -> Card:
    """The earliest date is of what is ours to do: the client has what was passed on, unless it is silent."""
    open_cases = tuple(cases.listed(book, conversation=conversation.id))
    dates = [c.due_on for c in open_cases if c.due_on is not None and cases.is_to_do(book, c)]
    return Card(conversation, open_cases, min(dates) if dates else None)


def _with_names(book: Book, found: Sequence[Case]) -> list[Due]:
    names = {c.client: clients.card(book, c.client).public_name for c in found if c.client is not None}
    return [
        Due(
            case,
            None if case.conversation is None else conversations.get(book, case.conversation),
            "" if case.client is None else names[case.client],
        )
        for case in found
    ]


def mine(book: Book, conversation: int, staff: int) -> Conversation:
    """The conversation, held until the transaction ends. Raises AlreadySettled if the agent does not have it."""
    found = conversations.get(book, conversation, lock=True)
    if found.owner is not Owner.HUMAN or found.claimed_by != staff:
        raise AlreadySettled("this conversation is not yours (any more)")
    return found
