"""Write down what support decided about a request that is the provider's own, and tell the person, as the law wants.

More time: up to two months, with the reasons, told within the first month (GDPR 12(3)). A refusal: its reasons, and
where to complain and to go to court (12(4)). What a client must answer is the client's to decide.
"""

from __future__ import annotations

from datetime import date, datetime

from bot.domain.deadlines import FURTHER_MONTHS, day_in_warsaw, due_on, extended
from bot.domain.errors import AlreadySettled, BadInput
from bot.domain.messages import Medium
from bot.ledger import audit, cases, conversations, queues
from bot.ledger.audit import Deed
from bot.ledger.book import Book
from bot.ledger.cases import Case
from bot.ledger.conversations import Conversation
from bot.services.contracts import House
from bot.services.escalate import mine
from bot.texts import for_sms

LONGEST_REASON = 600  #: characters


def extend(house: House, case: int, *, months: int, reason: str, staff: int, now: datetime) -> date:
    """Take up to two further months for an answer and tell the person so, and why. Returns the new due date.

    Raises NotKnown, BadInput for what the law does not allow or a reason that is missing, AlreadySettled if the case
    was extended before, is closed, or its conversation is not the agent's.
    """
    if not 1 <= months <= FURTHER_MONTHS:
        raise BadInput("months", f"1 or {FURTHER_MONTHS} further months")
    reason = _reason(reason)
    with house.ledger.write() as book:
        found, conversation = _ours(book, case, staff)
        if day_in_warsaw(now) > due_on(found.received_at):
            raise BadInput("case", "the first month is over, and only within it can more time be taken")
        until = extended(found.received_at, months)
        if not cases.extend(book, case, due_on=until, now=now):
            raise AlreadySettled("this case was extended before, or is closed")
        _tell(house, book, found, conversation, ["rights.extended", reason], {"due": until}, now)
        cases.note(book, case, author="staff", staff=staff, body=f"extended to {until}: {reason}", at=now)
        audit.act(
            book,
            Deed.EXTENDED,
            at=now,
            staff=staff,
            conversation=conversation.id,
            case=case,
            until=str(until),
        )
    house.bell.ring()
    return until


def refuse(house: House, case: int, *, reason: str, staff: int, now: datetime) -> None:
    """Refuse a request, tell the person why and what they can do about it, and close it.

    Raises NotKnown, BadInput for a reason that is missing or too long, AlreadySettled as `extend`.
    """
    reason = _reason(reason)
    with house.ledger.write() as book:
        found, conversation = _ours(book, case, staff)
        if not cases.refuse(book, case, now=now):
            raise AlreadySettled("this case is closed")
        _tell(house, book, found, conversation, ["rights.refused", reason, "rights.remedies"], {}, now)
        cases.note(book, case, author="staff", staff=staff, body=f"refused: {reason}", at=now)
        audit.act(book, Deed.REFUSED, at=now, staff=staff, conversation=conversation.id, case=case)
    house.bell.ring()


def _reason(text: str) -> str:
    reason = text.strip()
    if not reason:
        raise BadInput("reason", "the person must be told the reason")
    if len(reason) > LONGEST_REASON:
        raise BadInput("reason", f"at most {LONGEST_REASON} characters")
    return reason if reason[-1] in ".!?" else f"{reason}."


def _ours(book: Book, case: int, staff: int) -> tuple[Case, Conversation]:
    """The case, if it is ours to decide and the agent's to act on; its conversation is held."""
    found = cases.get(book, case)
    if not found.is_ours:
        raise BadInput("case", "the client decides about this request; we pass it on")
    if found.conversation is None:
        raise AlreadySettled("there is no conversation any more in which the person could be told")
    return found, mine(book, found.conversation, staff)


def _tell(
    house: House,
    book: Book,
    case: Case,
    conversation: Conversation,
    parts: list[str],
    arguments: dict[str, date],
    now: datetime,
) -> None:
    """In the person's language and on their channel, as the agent's own text. parts: reply keys, and the reason."""
    language, medium = house.language(case.language), conversation.address.medium
    said = " ".join(
        house.texts.say(part, language, medium, {"ref": case.ref, **arguments}, prefix=False)
        if part.startswith("rights.")
        else part
        for part in parts
    )
    text = for_sms(said) if medium is Medium.SMS else said
    queues.put(book, queues.Draft(conversation=conversation.id, kind="agent", text=text), now=now)
    conversations.mark(book, conversation.id, waiting_since=None)
