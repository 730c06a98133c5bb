"""Write down what was said and done about an opt-out, and open it again to prove it. Seals nothing into the chain.

Two things are sealed and enter the chain by a commitment alone (domain.chain). The words have a key of the row's
own and go after 90 days or with an erasure, by destroying that key. Who said it to which of our addresses
stays as long as the opt-out stands, since without it the evidence would be about nobody.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from sqlalchemy import bindparam, select

from bot.domain import chain
from bot.domain.messages import Address
from bot.ledger import people
from bot.ledger.book import Book, Prepared
from bot.ledger.tables import evidence, inbox

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
    was written to; provider_id: the provider's own id of the message.
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
    *("clients", "confirmed", "receipt", "receipt_digest", "received_at", "effective_at"),
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
        confirmed=f"{told.key}/{told.language}" if told else "",
        receipt=told.receipt if told else None,
        receipt_digest=hashlib.sha256(told.text.encode()).digest() if told else None,
        received_at=act.received_at,
        effective_at=act.effective_at,
    )
    return number


def opened(book: Book, row: Mapping[str, Any]) -> Opened:
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
