"""Keep the codes that are sent and typed back: keyed, bound to a conversation and a purpose, their tries counted.

Only the keyed hash of a code rests here. One that is yet to be sent stands beside it, sealed, until it is.
Decides neither who may have one nor what a right one changes.
"""

from __future__ import annotations

import secrets
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import bindparam, func, select, update

from bot.domain.codes import TERMS, Proof, Purpose
from bot.ledger.book import Book, Prepared, Row
from bot.ledger.tables import codes, outbox

ABOUT = "codes.about"
_CODE = "code"
_KEY_SIZE = 32


@dataclass(frozen=True, slots=True)
class Code:
    """One code, without the code. `about`: what it shows and what was wanted, as its maker wrote it."""

    id: int
    conversation: int
    person: int | None
    purpose: Purpose
    about: Mapping[str, Any] = field(repr=False)
    key: bytes = field(repr=False)
    tries_left: int
    made_at: datetime
    expires_at: datetime
    used_at: datetime | None


@dataclass(frozen=True, slots=True)
class Unsent:
    """A code in the hand of whoever sends it."""

    made: Code
    digits: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Tried:
    """How a try ended, and how many are left."""

    proof: Proof
    left: int = 0


_CLOSE = Prepared(
    lambda _: (
        update(codes)
        .where(
            codes.c.conversation == bindparam("of"),
            codes.c.purpose.in_(bindparam("kinds", expanding=True)),
            codes.c.used_at.is_(None),
        )
        .values(tries_left=0, ready_at=None)
    )
)
_MAKE = Prepared(
    lambda insert: insert(codes),
    *"conversation person purpose code_key tries_left made_at expires_at about_enc ready_at".split(),
)
_NEWEST = Prepared(
    lambda _: (
        select(codes)
        .where(
            codes.c.conversation == bindparam("of"), codes.c.purpose.in_(bindparam("kinds", expanding=True))
        )
        .order_by(codes.c.id.desc())
        .limit(1)
    )
)
_TAKE_TRY = Prepared(
    lambda _: (
        update(codes)
        .where(
            codes.c.id == bindparam("row"),
            codes.c.tries_left > 0,
            codes.c.used_at.is_(None),
            codes.c.expires_at > bindparam("now"),
        )
        .values(tries_left=codes.c.tries_left - 1)
        .returning(codes.c.tries_left)
    )
)
_USE = Prepared(
    lambda _: (
        update(codes)
        .where(codes.c.id == bindparam("row"))
        .values(used_at=bindparam("now"), tries_left=0, expires_at=bindparam("until"))
    )
)
_UNSENT = Prepared(
    lambda _: (
        select(codes)
        .where(codes.c.ready_at <= bindparam("now"))
        .order_by(codes.c.ready_at, codes.c.id)
        .limit(1)
        .with_for_update(skip_locked=True)
    )
)
_HAS_UNSENT = Prepared(lambda _: select(codes.c.id).where(codes.c.ready_at <= bindparam("now")).limit(1))


def make(
    book: Book,
    conversation: int,
    purpose: Purpose,
    *,
    person: int | None = None,
    about: Mapping[str, Any] | None = None,
    takes_place_of: Collection[Purpose] = (),
    is_to_be_sent: bool = False,
    now: datetime,
) -> str:
    """A new code of a conversation, which takes the place of the open one of its purpose and those named.

    Whoever asks has the conversation locked, so that of two asked for at once one is left.
    is_to_be_sent: it is kept, sealed, for whoever claims it next. Returns its digits.
    """
    terms = TERMS[purpose]
    digits = f"{10 ** (terms.digits - 1) + secrets.randbelow(9 * 10 ** (terms.digits - 1))}"
    book.do(_CLOSE, of=conversation, kinds=[p.value for p in (purpose, *takes_place_of)])
    kept = {**(about or {}), **({_CODE: digits} if is_to_be_sent else {})}
    values = {
        "conversation": conversation,
        "person": person,
        "purpose": purpose.value,
        "code_key": book.keys.find(_text(purpose, conversation, digits)),
        "tries_left": terms.tries,
        "made_at": now,
        "expires_at": now + terms.lasts,
        "about_enc": book.keys.seal_json(ABOUT, kept) if kept else None,
        "ready_at": now if is_to_be_sent else None,
    }
    book.do(_MAKE, **values)
    return digits


def made_for(book: Book, person: int, purpose: Purpose, *, since: datetime) -> int:
    """How many codes of a purpose a person asked for since a moment."""
    found: int = book.scalar(
        select(func.count())
        .select_from(codes)
        .where(codes.c.person == person, codes.c.purpose == purpose.value, codes.c.made_at > since)
    )
    return found


def newest(book: Book, conversation: int, *purposes: Purpose) -> Code | None:
    """The last code that a conversation asked for, whatever became of it."""
    row = book.row(_NEWEST, of=conversation, kinds=[p.value for p in purposes])
    return None if row is None else _read(book, row)


def is_open(code: Code, *, now: datetime) -> bool:
    """May it still be typed back?"""
    return code.used_at is None and code.tries_left > 0 and now < code.expires_at


def take_try(
    book: Book, code: Code, said: str, *, now: datetime, counts_until: datetime | None = None
) -> Tried:
    """Hold what was said against a code.

    The try is taken before the comparison and in one statement, so that parallel guesses cannot share one; the
    comparison takes the same time whatever is said. counts_until: until when a right one is kept as proof, if
    longer than the code itself lasts.
    """
    left = book.scalar(_TAKE_TRY, row=code.id, now=now)
    if left is None:
        return Tried(Proof.EXPIRED if now >= code.expires_at else Proof.LOCKED)
    held = [
        secrets.compare_digest(code.key, key)
        for key in book.keys.find_any(_text(code.purpose, code.conversation, said))
    ]
    if not any(held):
        return Tried(Proof.WRONG if left else Proof.LOCKED, left)
    book.do(_USE, row=code.id, now=now, until=max(code.expires_at, counts_until or now))
    return Tried(Proof.OK)


def has_unsent(book: Book, *, now: datetime) -> bool:
    """Is one to be sent? A look that writes nothing."""
    return book.scalar(_HAS_UNSENT, now=now) is not None


def claim_unsent(book: Book, *, now: datetime, lease: timedelta) -> Unsent | None:
    """Take the oldest code that is to be sent; it comes back after the lease unless it is settled."""
    row = book.row(_UNSENT, now=now)
    if row is None:
        return None
    book.run(update(codes).where(codes.c.id == row["id"]).values(ready_at=now + lease))
    made = _read(book, row)
    digits = str(made.about[_CODE])
    return Unsent(made, digits)


def will_show(book: Book, unsent: Unsent, about: Mapping[str, Any]) -> None:
    """What it shows is known, though it is not sent yet: it may come back sooner than its sending is written down."""
    sealed = book.keys.seal_json(ABOUT, {**about, _CODE: unsent.digits})
    book.run(update(codes).where(codes.c.id == unsent.made.id, _IS_UNSENT).values(about_enc=sealed))


def sent(book: Book, unsent: Unsent, about: Mapping[str, Any]) -> None:
    """It is on its way: nothing but its hash is kept, and what it shows when it comes back."""
    _settle(book, unsent, about_enc=book.keys.seal_json(ABOUT, about))


def withheld(book: Book, unsent: Unsent, about: Mapping[str, Any]) -> None:
    """It goes to nobody, so nothing that is typed is it; whoever asked sees no difference."""
    _settle(
        book, unsent, about_enc=book.keys.seal_json(ABOUT, about), code_key=secrets.token_bytes(_KEY_SIZE)
    )


def again(book: Book, unsent: Unsent, *, at: datetime) -> None:
    """It could not be sent now."""
    book.run(update(codes).where(codes.c.id == unsent.made.id, _IS_UNSENT).values(ready_at=at))


_PROVEN = Prepared(
    lambda _: (
        select(codes)
        .where(
            codes.c.conversation == bindparam("talk"),
            codes.c.purpose == bindparam("kind"),
            codes.c.used_at.is_not(None),
            codes.c.expires_at > bindparam("now"),
        )
        .order_by(codes.c.id.desc())
        .limit(1)
    )
)


def proven(book: Book, conversation: int, purpose: Purpose, *, now: datetime) -> Code | None:
    """The code that was typed back rightly in a conversation and is still kept as proof."""
    row = book.row(_PROVEN, talk=conversation, kind=purpose.value, now=now)
    return None if row is None else _read(book, row)


def came_here(book: Book, conversation: int, *, now: datetime) -> bool:
    """Did an SMS with a code that may still be typed back go to this conversation, whichever asked for it?"""
    query = select(outbox.c.id).where(
        outbox.c.conversation == conversation, outbox.c.kind == "code", outbox.c.expires_at > now
    )
    return book.scalar(query.limit(1)) is not None


_IS_UNSENT = codes.c.ready_at.is_not(None)  # a newer one may have taken its place meanwhile


def _settle(book: Book, unsent: Unsent, **values: object) -> None:
    book.run(update(codes).where(codes.c.id == unsent.made.id).values(ready_at=None, **values))


def _text(purpose: Purpose, conversation: int, digits: str) -> str:
    return f"{purpose.value}:{conversation}:{digits}"


def _read(book: Book, row: Row) -> Code:
    return Code(
        id=row["id"],
        conversation=row["conversation"],
        person=row["person"],
        purpose=Purpose(row["purpose"]),
        about=book.keys.unseal_json(ABOUT, row["about_enc"]),
        key=row["code_key"],
        tries_left=row["tries_left"],
        made_at=row["made_at"],
        expires_at=row["expires_at"],
        used_at=row["used_at"],
    )
