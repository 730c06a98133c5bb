"""Keep whose number is whose. Judges no number: they come in as E.164 (domain.numbers).

A number is stored twice: keyed to find it, sealed to show it. It is looked for under every key version, so
that nobody is lost while keys are rotated.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, exists, select, update

from bot.domain.errors import NotKnown
from bot.domain.numbers import sender_key
from bot.ledger.book import Book, Prepared
from bot.ledger.bulk import among, insert_new
from bot.ledger.tables import people as table
from bot.ledger.tables import senders

NUMBER = "people.number"  #: what a sealed number is bound to
_CHUNK = 5_000  #: numbers in one statement; SQLite takes 32 766 values, each number has one per key version


_FIND = Prepared(
    lambda _: select(table.c.id).where(table.c.number_key.in_(bindparam("keys", expanding=True)))
)
_ADD = Prepared(
    lambda insert: insert(table).on_conflict_do_nothing(index_elements=["number_key"]).returning(table.c.id),
    "number_key",
    "number_enc",
)
_WHO = Prepared(
    lambda _: select(
        select(table.c.id)
        .where(table.c.number_key.in_(bindparam("keys", expanding=True)))
        .scalar_subquery()
        .label("person"),
        exists(select(senders.c.id).where(senders.c.sender_key == bindparam("sender"))).label("is_sender"),
    )
)
# NO KEY UPDATE: FOR UPDATE would wait for whoever has just written a row that refers to the person, and two first
# messages of one person at two addresses of ours would wait for each other.
_LOCK = Prepared(
    lambda _: (
        select(table.c.holder_since).where(table.c.id == bindparam("person")).with_for_update(key_share=True)
    )
)
_NUMBER = Prepared(lambda _: select(table.c.number_enc).where(table.c.id == bindparam("person")))
_SINCE = Prepared(lambda _: select(table.c.holder_since).where(table.c.id == bindparam("person")))


def ensure(book: Book, number: str) -> int:
    """The person's row id, written down first if the number is new. `number`: E.164."""
    keys = book.keys.find_any(number)
    person = book.scalar(_FIND, keys=keys)
    return int(person) if person is not None else _added(book, number, keys)


def meet(book: Book, number: str) -> int | None:
    """As `ensure`, unless the number (E.164) is a sender of a client's, now or once: then None, and nothing is kept."""
    keys = book.keys.find_any(number)
    row = book.row(_WHO, keys=keys, sender=sender_key(number))
    assert row is not None  # a SELECT without FROM has one row
    if row["is_sender"]:
        return None
    return int(row["person"]) if row["person"] is not None else _added(book, number, keys)


def _added(book: Book, number: str, keys: Sequence[bytes]) -> int:
    person = book.scalar(_ADD, number_key=keys[0], number_enc=book.seal(NUMBER, number))
    if person is None:  # somebody else was faster
        person = book.scalar(_FIND, keys=keys)
    return int(person)


def ensure_alike(book: Book, number: str) -> int:
    """As `ensure`, by the same statements for a number that is known and one that is not.

    Written down first and looked for afterwards, so that the time it takes does not tell which it was. While keys
    are rotated a number may be known by its old key, so then it is looked for first, as everywhere.
    """
    if len(book.keys.versions) == 1:
        sealed = book.seal(NUMBER, number)
        book.do(_ADD, number_key=book.keys.find(number), number_enc=sealed)
    return ensure(book, number)


def find(book: Book, number: str) -> int | None:
    """The person's row id, or None for a number never seen. `number`: E.164."""
    found: int | None = book.scalar(_FIND, keys=book.keys.find_any(number))
    return found


def find_many(book: Book, numbers: Iterable[str]) -> dict[str, int]:
    """Number → row id, for those of the numbers (E.164) that are known."""
    distinct = list(dict.fromkeys(numbers))
    found: dict[str, int] = {}
    for start in range(0, len(distinct), _CHUNK):
        by_key = {key: n for n in distinct[start : start + _CHUNK] for key in book.keys.find_any(n)}
        found |= _known(book, by_key)
    return found


def number_of(book: Book, person: int) -> str:
    """The number in the clear, to write to it or to show it. Raises NotKnown."""
    blob = book.scalar(_NUMBER, person=person)
    if blob is None:
        raise NotKnown("person")
    return book.unseal(NUMBER, blob)


def ensure_many(book: Book, numbers: Iterable[str]) -> dict[str, int]:
    """Number → row id for every number given (E.164), the new ones written down."""
    distinct = list(dict.fromkeys(numbers))
    found: dict[str, int] = {}
    for start in range(0, len(distinct), _CHUNK):
        found |= _ensure_chunk(book, distinct[start : start + _CHUNK])
    return found


def holder_since(book: Book, person: int) -> datetime | None:
    """When the number came to whom it belongs now; None: not known to have changed hands."""
    if ("holder_since", person) not in book.known:
        book.known["holder_since", person] = book.scalar(_SINCE, person=person)
    since: datetime | None = book.known["holder_since", person]
    return since


def set_holder_since(book: Book, person: int, since: datetime) -> None:
    """Note that the number changed hands at `since`: nothing older is shown to anybody from now on."""
    book.run(update(table).where(table.c.id == person).values(holder_since=since))


def _ensure_chunk(book: Book, numbers: list[str]) -> dict[str, int]:
    by_key = {key: number for number in numbers for key in book.keys.find_any(number)}
    found = _known(book, by_key)
    missing = [number for number in numbers if number not in found]
    if not missing:
        return found
    rows = sorted(
        ({"number_key": book.keys.find(n), "number_enc": book.seal(NUMBER, n)} for n in missing), key=_key
    )
    returned = (table.c.id, table.c.number_key)
    for row in insert_new(book, table, rows, unless=["number_key"], returning=returned):
        found[by_key[row.number_key]] = row.id
    if len(found) < len(numbers):  # somebody else was faster with some of them
        found |= _known(book, {k: n for k, n in by_key.items() if n not in found})
    return found


def _known(book: Book, by_key: Mapping[bytes, str]) -> dict[str, int]:
    rows = book.rows(select(table.c.id, table.c.number_key).where(among(book, table.c.number_key, by_key)))
    return {by_key[row["number_key"]]: row["id"] for row in rows}


def _key(row: Mapping[str, Any]) -> bytes:
    key: bytes = row["number_key"]
    return key


def lock(book: Book, person: int) -> datetime | None:
    """Hold a person until the transaction ends, so that a STOP and a claim of something unprompted take turns.

    Returns when the number came to whom it belongs now, as `holder_since` does. Whoever locks several people does
    so in the order of their ids, and before any row of theirs in `codes`.
    """
    since: datetime | None = book.scalar(_LOCK, person=person)
    book.known["holder_since", person] = since
    return since
