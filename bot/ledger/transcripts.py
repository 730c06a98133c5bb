"""Read a conversation as the people in it saw it. Changes nothing and decides nothing."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import select

from bot.domain.messages import Address
from bot.ledger import conversations
from bot.ledger.book import Book
from bot.ledger.queues import BODY_IN, BODY_OUT, SPOKEN
from bot.ledger.tables import inbox, outbox

LINES = 200  #: of each direction, the newest ones
HIDDEN = "••••••"
_DIGITS = re.compile(r"\b[0-9]{6}\b")


@dataclass(frozen=True, slots=True)
class Line:
    """One message.

    id: stable, of this conversation. who: person, bot or staff. state: the inbox's or outbox's; delivery:
    how far an outgoing one got, as its provider says; code: the provider's, of a failure.
    """

    id: str
    who: str
    text: str = field(repr=False)
    at: datetime
    state: str
    delivery: str = ""
    code: str = ""
    buttons: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    asks_contact: bool = False

    @property
    def is_failed(self) -> bool:
        """It surely did not reach the person."""
        return self.state in ("failed", "expired") or self.delivery == "failed"

    @property
    def has_left(self) -> bool:
        """The provider took it."""
        return self.state == "sent"


def of(
    book: Book, conversation: int, *, limit: int = LINES, shows_codes: bool = False
) -> tuple[Line, ...]:
    """The newest lines of a conversation, oldest first; what was erased is left out.

    shows_codes: for the phone they were sent to; whoever else reads along must not be able to type one.
    """
    came = book.rows(
        select(inbox.c.id, inbox.c.body_enc, inbox.c.received_at, inbox.c.state)
        .where(inbox.c.conversation == conversation, inbox.c.kind.in_(SPOKEN), inbox.c.body_enc.is_not(None))
        .order_by(inbox.c.id.desc())
        .limit(limit)
    )
    went = book.rows(
        select(outbox).where(outbox.c.conversation == conversation).order_by(outbox.c.id.desc()).limit(limit)
    )
    lines = []
    for row in came:
        body = book.keys.unseal_json(BODY_IN, row["body_enc"])
        line = Line(f"in-{row['id']}", "person", body.get("text", ""), row["received_at"], row["state"])
        lines.append((line.at, 0, row["id"], line))
    for row in went:
        body = book.keys.unseal_json(BODY_OUT, row["body_enc"])
        if not body:
            continue
        text = body.get("text", "")
        is_hidden = row["kind"] == "code" and not shows_codes
        line = Line(
            id=f"out-{row['id']}",
            who="staff" if row["kind"] == "agent" else "bot",
            text=_DIGITS.sub(HIDDEN, text) if is_hidden else text,
            at=row["created_at"],
            state=row["state"],
            delivery=row["delivery"] or "",
            code=row["code"],
            buttons=tuple((token, label) for token, label in body.get("buttons", ())),
            asks_contact=bool(body.get("asks_contact")),
        )
        lines.append((line.at, 1, row["id"], line))
    # By what came first, then by direction and number: an answer stands below what it answers.
    return tuple(line for _, _, _, line in sorted(lines, key=lambda found: found[:3]))


def of_address(book: Book, address: Address, *, shows_codes: bool = False) -> tuple[Line, ...]:
    """The lines of the conversation at an address; none if nobody ever wrote there."""
    number = conversations.find(book, address)
    return () if number is None else of(book, number, shows_codes=shows_codes)
