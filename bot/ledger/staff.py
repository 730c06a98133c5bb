"""Keep desk accounts and their sessions. Checks no password; see `services.sign_in`."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlalchemy import delete, select, update

from bot.domain.errors import BadInput
from bot.ledger.book import Book, Row
from bot.ledger.keys import digest
from bot.ledger.tables import sessions, staff

IDLE = timedelta(minutes=30)
ABSOLUTE = timedelta(hours=12)


@dataclass(frozen=True, slots=True)
class Member:
    id: int
    name: str
    role: str
    password_hash: str = field(repr=False)
    is_disabled: bool


@dataclass(frozen=True, slots=True)
class Session:
    member: Member
    csrf: str = field(repr=False)


def add(book: Book, *, name: str, role: str, password_hash: str, now: datetime) -> int:
    """A new account. Raises BadInput if the name is taken."""
    number: int | None = book.scalar(
        book.insert(staff)
        .values(name=name, role=role, password_hash=password_hash, made_at=now)
        .on_conflict_do_nothing(index_elements=["name"])
        .returning(staff.c.id)
    )
    if number is None:
        raise BadInput("name", "there is an account with this name")
    return number


def by_name(book: Book, name: str) -> Member | None:
    row = book.row(select(staff).where(staff.c.name == name))
    return None if row is None else _member(row)


def name_of(book: Book, member: int) -> str:
    return str(book.scalar(select(staff.c.name).where(staff.c.id == member)) or "")


def set_password(book: Book, member: int, password_hash: str) -> None:
    book.run(update(staff).where(staff.c.id == member).values(password_hash=password_hash))
    book.run(delete(sessions).where(sessions.c.staff == member))


def begin_session(book: Book, member: int, *, token: str, csrf: str, now: datetime) -> None:
    """Only the digest of the token is kept: a copy of the table signs nobody in."""
    book.run(
        book.insert(sessions).values(digest=digest(token), staff=member, csrf=csrf, made_at=now, seen_at=now)
    )


def session(book: Book, token: str, *, now: datetime) -> Session | None:
    """The live session of a token: idle 30 minutes at most, 12 hours in all, account not disabled."""
    row = book.row(
        select(staff, sessions.c.csrf, sessions.c.made_at.label("began_at"), sessions.c.seen_at)
        .join(sessions, sessions.c.staff == staff.c.id)
        .where(sessions.c.digest == digest(token))
    )
    if row is None or row["disabled_at"] or now - row["seen_at"] > IDLE or now - row["began_at"] > ABSOLUTE:
        return None
    return Session(_member(row), row["csrf"])


def touch(book: Book, token: str, *, now: datetime) -> None:
    book.run(update(sessions).where(sessions.c.digest == digest(token)).values(seen_at=now))


def end_session(book: Book, token: str) -> int | None:
    """End a session; whose it was, None if there is no such one."""
    ended = delete(sessions).where(sessions.c.digest == digest(token)).returning(sessions.c.staff)
    member: int | None = book.scalar(ended)
    return member


def _member(row: Row) -> Member:
    return Member(row["id"], row["name"], row["role"], row["password_hash"], row["disabled_at"] is not None)
