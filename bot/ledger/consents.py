"""Keep opt-outs and the evidence of them. What they cover is decided in `domain.consent`."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from sqlalchemy import Table, bindparam, select, update

from bot.domain.consent import Covers, OptOut
from bot.ledger.book import Book, Prepared
from bot.ledger.tables import evidence, opt_outs

_TEXT_KEY = "evidence.text_key"


@dataclass(frozen=True, slots=True)
class Act:
    """What was said and how it was understood; becomes a row of evidence.

    rule and span tell why the matcher decided so, `matcher` its version, `signature` how the hook was
    verified (`signed`, `secret`, `platform`, `model`, `staff`).
    """

    act: str
    person: int | None
    conversation: int | None
    cause: int | None
    provider: str
    scope: str
    rule: str
    span: tuple[int, int]
    matcher: str
    signature: str
    text: str = field(repr=False)
    clients: tuple[int, ...]
    received_at: datetime
    effective_at: datetime


_RECORD = Prepared(
    lambda insert: insert(evidence).returning(evidence.c.id),
    *[
        "act",
        "person",
        "conversation",
        "cause",
        "provider",
        "scope",
        "rule",
        "span_from",
        "span_to",
        "matcher",
        "signature",
    ],
    "text_digest",
    "text_key_enc",
    "text_enc",
    "clients",
    "received_at",
    "effective_at",
)
_STANDING = Prepared(
    lambda _: select(opt_outs.c.client, opt_outs.c.covers, opt_outs.c.since).where(
        opt_outs.c.person == bindparam("of"), opt_outs.c.lifted_at.is_(None)
    )
)


def _stop(insert: Callable[[Table], Any]) -> Any:
    statement = insert(opt_outs)
    new = statement.excluded
    return statement.on_conflict_do_update(
        index_elements=["person", "client"],
        index_where=opt_outs.c.lifted_at.is_(None),
        set_={"covers": new.covers, "evidence": new.evidence},
        where=(opt_outs.c.covers != Covers.ALL.value) & (new.covers == Covers.ALL.value),
    )


_STOP = Prepared(_stop, "person", "client", "covers", "evidence", "since")


def record(book: Book, act: Act) -> int:
    """Write evidence. Its text has a key of its own, so that erasing the key erases the text alone."""
    row_key = AESGCM.generate_key(bit_length=256)
    nonce = os.urandom(12)
    sealed = nonce + AESGCM(row_key).encrypt(nonce, act.text.encode(), b"evidence.text")
    number: int = book.scalar(
        _RECORD,
        act=act.act,
        person=act.person,
        conversation=act.conversation,
        cause=act.cause,
        provider=act.provider,
        scope=act.scope,
        rule=act.rule[:80],
        span_from=act.span[0],
        span_to=act.span[1],
        matcher=act.matcher,
        signature=act.signature,
        text_digest=book.keys.find(act.text),
        text_key_enc=book.seal(_TEXT_KEY, row_key.hex()),
        text_enc=sealed,
        clients=",".join(map(str, act.clients)),
        received_at=act.received_at,
        effective_at=act.effective_at,
    )
    return number


def standing(book: Book, person: int) -> list[OptOut]:
    """The opt-outs of a person that hold."""
    rows = book.rows(_STANDING, of=person)
    return [OptOut(r["client"], Covers(r["covers"]), r["since"]) for r in rows]


def stop(
    book: Book, person: int, clients: Sequence[int], covers: Covers, *, evidence: int, now: datetime
) -> None:
    """Put opt-outs in place, or widen those that stand. Never narrows one."""
    for client in clients:
        values = {"person": person, "client": client, "covers": covers.value, "evidence": evidence}
        book.run(_STOP, {**values, "since": now})


def lift(book: Book, person: int, clients: Sequence[int], *, evidence: int, now: datetime) -> None:
    """Lift opt-outs; whoever calls has a confirmed START in hand."""
    book.run(
        update(opt_outs)
        .where(
            opt_outs.c.person == person, opt_outs.c.client.in_(list(clients)), opt_outs.c.lifted_at.is_(None)
        )
        .values(lifted_at=now, lifted_by=evidence)
    )
