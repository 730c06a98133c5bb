"""Keep the acts, the notices and the chain of seals. Decides nothing and signs nothing (services.seal).

What enters the chain is the columns named here, by version: what may be emptied later (sealed texts, references
to rows that go) stays out. A new column enters with a new version; the old lists stay, or old seals break.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import Table, bindparam, exists, func, literal, select, union_all, update

from bot.domain import chain
from bot.domain.chain import Found, Seal
from bot.ledger.book import Book, Prepared, Row
from bot.ledger.tables import acts, evidence, seals, tellings

LOCK = 7_046_012  #: any number that nobody else locks


class Deed(StrEnum):
    """Security-relevant acts beside opt-outs."""

    SIGNED_IN = "signed_in"
    SIGN_IN_REFUSED = "sign_in_refused"
    SIGNED_OUT = "signed_out"
    STAFF_ADDED = "staff_added"
    PASSWORD_SET = "password_set"  # noqa: S105  (an act, not a password)
    CLAIMED = "claimed"
    HANDED_BACK = "handed_back"
    CLOSED = "closed"
    EXTENDED = "extended"
    REFUSED = "refused"
    VERIFIED = "verified"
    PASSED_ON = "passed_on"
    ACKNOWLEDGED = "acknowledged"
    TOKEN_MADE = "token_made"  # noqa: S105
    TOKEN_REVOKED = "token_revoked"  # noqa: S105
    SECRET_MADE = "secret_made"  # noqa: S105
    ACCOUNT_KEPT = "account_kept"
    ACCOUNT_FORGOTTEN = "account_forgotten"
    KEYS_ROTATED = "keys_rotated"
    ERASED = "erased"
    PURGED = "purged"
    NUMBER_REVEALED = "number_revealed"
    NUMBER_PROVEN = "number_proven"
    ACCOUNT_PROVEN = "account_proven"


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of row that is sealed: where it lies, its own moment, and by version what enters."""

    table: Table
    at: str
    columns: Mapping[int, tuple[str, ...]]

    @property
    def newest(self) -> int:
        return max(self.columns)


KINDS: Mapping[str, Kind] = {
    "evidence": Kind(
        evidence,
        "effective_at",
        {
            1: (
                *("id", "act", "provider", "medium", "scope", "rule", "span_from", "span_to", "matcher"),
                *("signature", "form", "text_digest", "subject_digest", "clients", "covers"),
                *("confirmed", "receipt", "receipt_digest", "received_at", "effective_at"),
            )
        },
    ),
    "acts": Kind(acts, "at", {1: ("id", "act", "staff", "conversation", "detail", "at")}),
    "tellings": Kind(tellings, "at", {1: ("id", "evidence", "client", "event", "status", "at")}),
}

_ACT = Prepared(lambda insert: insert(acts), "act", "staff", "conversation", "detail", "at")


def act(
    book: Book,
    deed: Deed,
    *,
    at: datetime,
    staff: int | None = None,
    conversation: int | None = None,
    **detail: object,
) -> None:
    """Write down an act in the transaction that does it.

    staff: who; None: the command line or the house itself. detail: counts, ids of rows, names of columns; never
    a number, a text, a person's name or a secret, since nothing of it is ever erased.
    """
    said = json.dumps(detail, sort_keys=True, separators=(",", ":")) if detail else ""
    values = {"act": deed.value, "staff": staff, "conversation": conversation, "detail": said, "at": at}
    book.do(_ACT, **values)


@dataclass(frozen=True, slots=True)
class Telling:
    """One attempt to tell a client of an opt-out.

    evidence, client: row ids. event: the webhook-id, the same over every attempt. status: how this attempt
    ended, such as `delivered`, `mailed`, `failed`, `moved` (to another way), `given_up`; 20 characters at most.
    """

    evidence: int
    client: int
    event: str
    status: str


def tell(book: Book, attempts: Sequence[Telling], *, at: datetime) -> None:
    """Write down what clients were told, a row for each attempt that is never changed afterwards."""
    if attempts:
        book.run(book.insert(tellings), [{**asdict(attempt), "at": at} for attempt in attempts])


def told(book: Book, evidence: Iterable[int]) -> list[int]:
    """The row ids of what was told of some evidence, oldest first."""
    query = select(tellings.c.id).where(tellings.c.evidence.in_(list(evidence))).order_by(tellings.c.id)
    return [row["id"] for row in book.rows(query)]


def has_unsealed(book: Book) -> bool:
    return bool(book.scalar(select(exists(_unsealed_ids().subquery().select()))))


def unsealed(book: Book) -> tuple[int, datetime | None]:
    """How many rows wait to be sealed, and since when the oldest does."""
    parts = [
        select(func.count().label("n"), func.min(k.table.c[k.at]).label("since")).where(
            k.table.c.seq.is_(None)
        )
        for k in KINDS.values()
    ]
    rows = book.rows(union_all(*parts))
    moments = [row["since"] for row in rows if row["since"] is not None]
    return sum(row["n"] for row in rows), min(moments, default=None)


def is_sealer(book: Book) -> bool:
    """Take the one turn to seal, until the transaction ends. False: somebody else has it.

    SQLite has one writer anyway. On PostgreSQL a lock per schema; it is let go after the commit is seen by others.
    """
    if book.dialect == "sqlite":
        return True
    schema = func.hashtext(func.current_schema())
    return bool(book.scalar(select(func.pg_try_advisory_xact_lock(literal(LOCK), schema))))


def last_seal(book: Book) -> Seal | None:
    row = book.row(select(seals).order_by(seals.c.seq.desc()).limit(1))
    return None if row is None else _seal(row)


def seal_at(book: Book, seq: int) -> Seal | None:
    row = book.row(select(seals).where(seals.c.seq == seq))
    return None if row is None else _seal(row)


def seals_after(book: Book, seq: int, *, limit: int) -> list[Seal]:
    query = select(seals).where(seals.c.seq > seq).order_by(seals.c.seq).limit(limit)
    return [_seal(row) for row in book.rows(query)]


def seals_between(book: Book, first: int, last: int) -> list[Seal]:
    query = select(seals).where(seals.c.seq >= first, seals.c.seq <= last).order_by(seals.c.seq)
    return [_seal(row) for row in book.rows(query)]


def seals_of(book: Book, kind: str, rows: Sequence[int]) -> list[Seal]:
    query = select(seals).where(seals.c.kind == kind, seals.c.row_id.in_(list(rows))).order_by(seals.c.seq)
    return [_seal(row) for row in book.rows(query)]


def seal_next(book: Book, *, limit: int) -> int:
    """Seal the next rows, at most `limit`, whoever calls being the sealer; return how many it were.

    Places are given here and nowhere else, by the order in which rows are found committed: ids are given
    before the commit, so a smaller one may come later. A row somebody has locked is left for the next time,
    so that the sealer never waits for a row while others wait for it.
    """
    found = [(kind, row) for kind in KINDS for row in _due(book, kind, limit)]
    if not found:
        return 0
    found.sort(key=lambda pair: (pair[1][KINDS[pair[0]].at], pair[0], pair[1]["id"]))
    last = last_seal(book)
    start, link = (last.seq, last.link) if last is not None else (0, chain.GENESIS)
    new: list[Seal] = []
    for kind, row in found[:limit]:
        at = row[KINDS[kind].at]
        version = KINDS[kind].newest
        digest = chain.digest_of(kind, dict(row), version=version)
        link = chain.link_after(link, digest, at)
        new.append(Seal(start + len(new) + 1, kind, row["id"], version, at, digest, link))
    book.run(book.insert(seals), [_values(seal) for seal in new])
    for kind in KINDS:
        table = KINDS[kind].table
        book.run(
            update(table)
            .values(seq=seals.c.seq)
            .where(seals.c.kind == kind, seals.c.row_id == table.c.id, seals.c.seq > start)
        )
    return len(new)


def found_at(book: Book, sealed: Sequence[Seal]) -> dict[int, Found]:
    """The rows of some seals as they stand now, by place. One that is not there is left out."""
    found = {}
    for (kind, version), group in _by_kind(sealed).items():
        known = KINDS[kind].columns.get(version)
        if known is None:
            continue
        table = KINDS[kind].table
        query = select(table.c.seq, *(table.c[name] for name in known)).where(table.c.id.in_(list(group)))
        for row in book.rows(query):
            entered = {name: row[name] for name in known}
            digest = chain.digest_of(kind, entered, version=version)
            found[group[row["id"]]] = Found(row["seq"], digest)
    return found


def entered(book: Book, sealed: Seal) -> dict[str, Any] | None:
    """What of a row entered the chain, as it stands now."""
    table, known = KINDS[sealed.kind].table, KINDS[sealed.kind].columns[sealed.version]
    row = book.row(select(*(table.c[name] for name in known)).where(table.c.id == sealed.row))
    return None if row is None else dict(row)


def claims_no_seal_has(book: Book) -> tuple[str, int, int] | None:
    """The first row (kind, id, place) that claims a place which no seal gives it."""
    first: tuple[str, int, int] | None = None
    for kind, of in KINDS.items():
        table = of.table
        is_given = exists(
            select(literal(1)).where(
                seals.c.seq == table.c.seq, seals.c.kind == kind, seals.c.row_id == table.c.id
            )
        )
        query = select(table.c.id, table.c.seq).where(table.c.seq.is_not(None), ~is_given)
        row = book.row(query.order_by(table.c.seq).limit(1))
        if row is not None and (first is None or row["seq"] < first[2]):
            first = (kind, row["id"], row["seq"])
    return first


def certificates(book: Book) -> list[tuple[int, int, datetime]]:
    """What purges say they emptied, sorted: first place, last place, when."""
    wanted = select(acts.c.at, acts.c.detail).where(
        acts.c.act == Deed.PURGED.value, acts.c.detail.contains('"places":')
    )
    return sorted(
        (first, last, row["at"])
        for row in book.rows(wanted)
        for first, last in chain.read_ranges(json.loads(row["detail"])["places"])
    )


def _due_of(kind: str) -> Prepared:
    table, columns = KINDS[kind].table, KINDS[kind].columns[KINDS[kind].newest]
    query = (
        select(*(table.c[name] for name in columns))
        .where(table.c.seq.is_(None))
        .order_by(table.c.id)
        .limit(bindparam("limit"))
        # Not FOR UPDATE, which would wait for whoever refers to the row.
        .with_for_update(key_share=True, skip_locked=True)
    )
    return Prepared(lambda _: query)


_DUE = {kind: _due_of(kind) for kind in KINDS}


def _due(book: Book, kind: str, limit: int) -> Sequence[Row]:
    return book.rows(_DUE[kind], limit=limit)


def _unsealed_ids() -> Any:
    return union_all(*(select(k.table.c.id).where(k.table.c.seq.is_(None)) for k in KINDS.values()))


def _by_kind(sealed: Sequence[Seal]) -> dict[tuple[str, int], dict[int, int]]:
    """(kind, version) → row id → place."""
    groups: dict[tuple[str, int], dict[int, int]] = {}
    for seal in sealed:
        groups.setdefault((seal.kind, seal.version), {})[seal.row] = seal.seq
    return groups


def _seal(row: Row) -> Seal:
    return Seal(
        row["seq"],
        row["kind"],
        row["row_id"],
        row["version"],
        row["at"],
        bytes(row["digest"]),
        bytes(row["link"]),
    )


def _values(seal: Seal) -> dict[str, Any]:
    return {
        "seq": seal.seq,
        "kind": seal.kind,
        "row_id": seal.row,
        "version": seal.version,
        "at": seal.at,
        "digest": seal.digest,
        "link": seal.link,
    }
