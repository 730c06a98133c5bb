"""Write down what was said and done about an opt-out, and open it again to prove it. Seals nothing into the chain.

Two things are sealed and enter the chain by a commitment alone (domain.chain). The words have a key of the row's
own and go after 90 days or with an erasure, by destroying that key. Who said it to which of our addresses
stays as long as the opt-out stands, since without it the evidence would be about nobody.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from sqlalchemy import bindparam, select

from bot.domain import chain
from bot.domain.errors import BadSetting, NotKnown
from bot.domain.messages import Address
from bot.ledger import people
from bot.ledger.book import Book, Prepared, Row
from bot.ledger.tables import clients, evidence, inbox, opt_outs, outbox
from bot.ledger.tables import people as people_table

FORM = 1  #: column `form`: digests are commitments of domain.chain
LONGEST_RULE = 80
_TEXT = b"evidence.text"
_TEXT_KEY = "evidence.text_key"
_SUBJECT = "evidence.subject"


@dataclass(frozen=True, slots=True)
class Confirmed:
    """What the person was told: the reply's key and language, the outbox row, the text itself."""

    key: str
    language: str
    receipt: int
    text: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Act:
    """What was said and how it was understood; becomes a row of evidence.

    rule and span tell why the matcher decided so, `matcher` its version, `signature` how the hook was
    verified (`signed`, `secret`, `platform`, `swept`, `simulator`). address: whose it is and which of ours
    was written to; provider_id: the provider's own id of the message. covers: which classes a STOP stopped.
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
    address: Address | None = None
    provider_id: str = field(default="", repr=False)
    confirmed: Confirmed | None = None
    covers: str = ""


@dataclass(frozen=True, slots=True)
class Opened:
    """What a row's commitments were made from; None: erased. subject: JSON of person, number, ours, provider_id."""

    text: str | None = field(repr=False)
    text_salt: bytes | None = field(repr=False)
    subject: str | None = field(repr=False)
    subject_salt: bytes | None = field(repr=False)


_RECORD = Prepared(
    lambda insert: insert(evidence).returning(evidence.c.id),
    *(
        "act",
        "person",
        "conversation",
        "cause",
        "provider",
        "medium",
        "scope",
        "rule",
        "span_from",
        "span_to",
    ),
    *(
        "matcher",
        "signature",
        "form",
        "text_digest",
        "text_key_enc",
        "text_enc",
        "subject_digest",
        "subject_enc",
    ),
    *("clients", "covers", "confirmed", "receipt", "receipt_digest", "received_at", "effective_at"),
)
_PROVIDER_ID = Prepared(lambda _: select(inbox.c.provider_id).where(inbox.c.id == bindparam("message")))


def record(book: Book, act: Act) -> int:
    """Write evidence; its row id. Its text has a key of its own, so that erasing the key erases the text alone."""
    row_key, nonce, salt = AESGCM.generate_key(bit_length=256), os.urandom(12), os.urandom(32)
    subject = _subject(book, act)
    told = act.confirmed
    number: int = book.scalar(
        _RECORD,
        act=act.act,
        person=act.person,
        conversation=act.conversation,
        cause=act.cause,
        provider=act.provider,
        medium=act.address.medium.value if act.address else "",
        scope=act.scope,
        rule=act.rule[:LONGEST_RULE],
        span_from=act.span[0],
        span_to=act.span[1],
        matcher=act.matcher,
        signature=act.signature,
        form=FORM,
        text_digest=chain.commitment(_text_salt(row_key), act.text),
        text_key_enc=book.seal(_TEXT_KEY, row_key.hex()),
        text_enc=nonce + AESGCM(row_key).encrypt(nonce, act.text.encode(), _TEXT),
        subject_digest=chain.commitment(salt, subject),
        subject_enc=book.keys.seal_json(_SUBJECT, {"salt": salt.hex(), "subject": subject}),
        clients=",".join(map(str, act.clients)),
        covers=act.covers,
        confirmed=f"{told.key}/{told.language}" if told else "",
        receipt=told.receipt if told else None,
        receipt_digest=hashlib.sha256(told.text.encode()).digest() if told else None,
        received_at=act.received_at,
        effective_at=act.effective_at,
    )
    return number


def opened(book: Book, row: Row) -> Opened:
    """Open a row of evidence of form 1. Raises BadSetting when something sealed does not open."""
    text = text_salt = subject = subject_salt = None
    if row["text_key_enc"] is not None and row["text_enc"] is not None:
        row_key = bytes.fromhex(book.unseal(_TEXT_KEY, row["text_key_enc"]))
        text_salt, blob = _text_salt(row_key), row["text_enc"]
        text = AESGCM(row_key).decrypt(blob[:12], blob[12:], _TEXT).decode()
    if row["subject_enc"] is not None:
        held = book.keys.unseal_json(_SUBJECT, row["subject_enc"])
        subject, subject_salt = held["subject"], bytes.fromhex(held["salt"])
    return Opened(text, text_salt, subject, subject_salt)


def _subject(book: Book, act: Act) -> str:
    """Who and where. A chat is known by its id, so the number it has proven is written down beside it."""
    address = act.address
    number = address.number if address else None
    if number is None and act.person is not None:
        number = people.number_of(book, act.person)
    provider_id = act.provider_id
    if not provider_id and act.cause is not None:
        provider_id = book.scalar(_PROVIDER_ID, message=act.cause) or ""
    value = {
        "account": address.account if address else "",
        "number": number,
        "ours": address.ours if address else "",
        "person": address.person if address else "",
        "provider_id": provider_id,
    }
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True)


def _text_salt(row_key: bytes) -> bytes:
    """A salt that is destroyed with the key, and shows the key to nobody it is shown to."""
    return hashlib.sha256(b"whosent text salt" + row_key).digest()


def differing(book: Book, rows: Sequence[int]) -> dict[int, str]:
    """Which of these rows hold something sealed that is not what their digest says, and what it is."""
    query = (
        select(evidence, people_table.c.number_enc)
        .outerjoin(people_table, people_table.c.id == evidence.c.person)
        .where(evidence.c.id.in_(list(rows)), evidence.c.form == FORM)
    )
    found = {}
    for row in book.rows(query):
        why = _difference(book, row)
        if why is not None:
            found[row["id"]] = why
    return found


def _difference(book: Book, row: Row) -> str | None:
    try:
        open_ = opened(book, row)
        if not _fits(open_.text_salt, open_.text, row["text_digest"]):
            return "its words are not those that were sealed"
        if not _fits(open_.subject_salt, open_.subject, row["subject_digest"]):
            return "whose it is was changed"
        if open_.subject is not None and row["number_enc"] is not None:
            number = book.unseal(people.NUMBER, row["number_enc"])
            if json.loads(open_.subject)["number"] != number:
                return "it was put down to another number"
    except (BadSetting, InvalidTag, ValueError):
        return "something sealed in it does not open"
    return None


def _fits(salt: bytes | None, value: str | None, digest: bytes) -> bool:
    return salt is None or value is None or chain.commitment(salt, value) == digest


def of_opt_out(book: Book, opt_out: int) -> dict[int, str]:
    """The rows of evidence of an opt-out, each with its part: stop, start. Raises NotKnown."""
    row = book.row(select(opt_outs.c.evidence, opt_outs.c.lifted_by).where(opt_outs.c.id == opt_out))
    if row is None:
        raise NotKnown(f"no opt-out {opt_out}")
    parts = {row["evidence"]: "stop"}
    return parts if row["lifted_by"] is None else {**parts, row["lifted_by"]: "start"}


def opening(book: Book, number: int) -> dict[str, str | None]:
    """What of a row is shown to whoever checks it; None: erased, gone, or sealed before it could be shown.

    The receipt's text is shown as long as its outbox row is there, and only if it is the one confirmed.
    """
    row = book.row(
        select(evidence, outbox.c.body_enc)
        .outerjoin(outbox, outbox.c.id == evidence.c.receipt)
        .where(evidence.c.id == number, evidence.c.form == FORM)
    )
    if row is None:
        return {}
    open_ = opened(book, row)
    receipt = (
        None if row["body_enc"] is None else book.keys.unseal_json("outbox.body", row["body_enc"])["text"]
    )
    if receipt is not None and hashlib.sha256(receipt.encode()).digest() != row["receipt_digest"]:
        receipt = None
    return {
        "text": open_.text,
        "text_salt": None if open_.text_salt is None else open_.text_salt.hex(),
        "subject": open_.subject,
        "subject_salt": None if open_.subject_salt is None else open_.subject_salt.hex(),
        "receipt": receipt,
    }


def notes(book: Book, rows: Sequence[int]) -> dict[str, Any]:
    """What explains rows of evidence and is not sealed: who the clients are, how the receipts fared."""
    covered = {
        int(client)
        for row in book.rows(select(evidence.c.clients).where(evidence.c.id.in_(list(rows))))
        for client in row["clients"].split(",")
        if client
    }
    named = book.rows(
        select(clients.c.id, clients.c.client_id, clients.c.public_name).where(clients.c.id.in_(covered))
    )
    receipts = book.rows(
        select(outbox.c.id, outbox.c.state, outbox.c.delivery, outbox.c.settled_at)
        .join(evidence, evidence.c.receipt == outbox.c.id)
        .where(evidence.c.id.in_(list(rows)))
    )
    every = {"0": {"client_id": "", "public_name": "every client"}} if 0 in covered else {}
    return {
        "clients": every
        | {str(r["id"]): {"client_id": r["client_id"], "public_name": r["public_name"]} for r in named},
        "receipts": [
            {**r, "settled_at": None if r["settled_at"] is None else chain.moment(r["settled_at"])}
            for r in receipts
        ],
    }
