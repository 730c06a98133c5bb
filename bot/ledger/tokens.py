"""Keep the tokens of the client API, by digest only. Decides what none of them may do.

A token is random enough by itself, so a plain SHA-256 finds it: whoever reads the table cannot go back.
"""

from __future__ import annotations

import hmac
import secrets
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sqlalchemy import bindparam, select, update

from bot.ledger import audit
from bot.ledger.audit import Deed
from bot.ledger.book import Book, Prepared
from bot.ledger.keys import digest
from bot.ledger.tables import tokens

PREFIX = "whosent_"  #: so that a token is known when it turns up where it should not be
_BYTES = 32
_WHOSE = Prepared(
    lambda _: select(tokens).where(tokens.c.digest == bindparam("wanted"), tokens.c.revoked_at.is_(None))
)


class Right(StrEnum):
    """What a token may do."""

    CLIENT = "client"  #: ask about its own client
    FEED = "feed"  #: write sent messages
    GATE = "gate"  #: ask about any client


@dataclass(frozen=True, slots=True)
class Grant:
    """Who calls, and what it may. `client`: the one row id a client's token answers for."""

    name: str
    rights: frozenset[Right]
    client: int | None = None


def add(book: Book, name: str, right: Right, *, now: datetime, client: int | None = None) -> str:
    """Make a token and return it, to be shown this once. `client`: a row id, only with `Right.CLIENT`."""
    token = PREFIX + secrets.token_urlsafe(_BYTES)
    row = {"name": name, "digest": digest(token), "grants": right.value, "client": client, "made_at": now}
    number = book.scalar(book.insert(tokens).values(row).returning(tokens.c.id))
    audit.act(book, Deed.TOKEN_MADE, at=now, token=number, right=right.value, client=client)
    return token


def revoke(book: Book, name: str, *, now: datetime) -> int:
    """Revoke every token of a name; return how many there were."""
    held = update(tokens).where(tokens.c.name == name, tokens.c.revoked_at.is_(None))
    revoked = [row.id for row in book.run(held.values(revoked_at=now).returning(tokens.c.id))]
    for number in revoked:
        audit.act(book, Deed.TOKEN_REVOKED, at=now, token=number)
    return len(revoked)


def who(book: Book, token: str) -> Grant | None:
    """Whose token it is; None for an unknown or a revoked one."""
    wanted = digest(token)
    row = book.row(_WHOSE, wanted=wanted)
    if row is None or not hmac.compare_digest(row["digest"], wanted):
        return None
    return Grant(row["name"], frozenset({Right(row["grants"])}), row["client"])
