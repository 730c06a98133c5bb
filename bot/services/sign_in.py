"""Let staff in and out of the desk. Knows no cookie and no page.

A wrong name and a wrong password take the same time and read the same. Guessing is slowed down per name,
never locked: a lock would let anybody shut an agent out (OWASP ASVS 6.3.1).
"""

from __future__ import annotations

import secrets
from datetime import datetime, timedelta
from functools import cache

import structlog
from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from bot.domain.errors import BadInput
from bot.ledger import audit, staff, tries
from bot.ledger.audit import Deed
from bot.ledger.book import Ledger

log = structlog.get_logger()

ROLES = ("agent", "lead", "auditor")
SHORTEST_PASSWORD = 12  #: characters
LONGEST_PASSWORD = 200  #: characters, so that nobody has us hash a megabyte
LONGEST_NAME = 64
FREE_TRIES = 3
LONGEST_WAIT = timedelta(minutes=5)
FORGET_AFTER = timedelta(hours=1)

_WHAT = "sign_in"


def create(ledger: Ledger, name: str, role: str, password: str, *, now: datetime) -> int:
    """A new desk account; its id. Raises BadInput for a name taken, a role unknown, a password too short."""
    name = _checked(name, role, password)
    password_hash = _hasher().hash(password)
    with ledger.write() as book:
        member = staff.add(book, name=name, role=role, password_hash=password_hash, now=now)
        audit.act(book, Deed.STAFF_ADDED, at=now, account=member, role=role)
    return member


def create_or_reset(ledger: Ledger, name: str, role: str, password: str, *, now: datetime) -> int:
    """Like `create`; an account that is there gets the password, and its sessions end. Its role stays."""
    name = _checked(name, role, password)
    password_hash = _hasher().hash(password)
    with ledger.write() as book:
        member = staff.by_name(book, name)
        if member is None:
            added = staff.add(book, name=name, role=role, password_hash=password_hash, now=now)
            audit.act(book, Deed.STAFF_ADDED, at=now, account=added, role=role)
            return added
        staff.set_password(book, member.id, password_hash)
        tries.forget(book, _WHAT, name)
        audit.act(book, Deed.PASSWORD_SET, at=now, account=member.id)
        return member.id


def _checked(name: str, role: str, password: str) -> str:
    name = name.strip()
    if not name or len(name) > LONGEST_NAME:
        raise BadInput("name", f"1 to {LONGEST_NAME} characters")
    if role not in ROLES:
        raise BadInput("role", " or ".join(ROLES))
    if not SHORTEST_PASSWORD <= len(password) <= LONGEST_PASSWORD:
        raise BadInput("password", f"{SHORTEST_PASSWORD} to {LONGEST_PASSWORD} characters")
    return name


def sign_in(ledger: Ledger, name: str, password: str, *, now: datetime) -> str | None:
    """The token of a new session, or None: wrong name, wrong password, account disabled, or tried too soon.

    After three wrong ones each further try has to wait twice as long as the one before, five minutes at most;
    one that comes too soon is not looked at. Takes a tenth of a second and 64 MiB: not for the event loop.
    """
    name = name.strip()
    with ledger.write() as book:
        # Counted before the password is checked, so that a hundred at once are a hundred tries.
        if not tries.take(book, _WHAT, name, wait=wait_after, forget_after=FORGET_AFTER, now=now):
            log.warning("sign-in too soon")
            return None
        member = staff.by_name(book, name)
    is_somebody = member is not None and not member.is_disabled
    expected = member.password_hash if member is not None and is_somebody else _nobodys_hash()
    is_right = _matches(expected, password[: LONGEST_PASSWORD + 1])
    if member is None or not is_somebody or not is_right:
        with ledger.write() as book:
            # Never the name that was typed: people type their password there. One tried too soon is not looked
            # at and not written down, or whoever guesses could fill the chain for nothing.
            audit.act(book, Deed.SIGN_IN_REFUSED, at=now, staff=member.id if member else None)
        log.warning("sign-in refused")
        return None
    token = secrets.token_urlsafe(32)
    with ledger.write() as book:
        tries.forget(book, _WHAT, name)
        staff.begin_session(book, member.id, token=token, csrf=secrets.token_urlsafe(32), now=now)
        audit.act(book, Deed.SIGNED_IN, at=now, staff=member.id)
    log.info("signed in", staff=member.id)
    return token


def sign_out(ledger: Ledger, token: str, *, now: datetime) -> None:
    """The session is over, wherever its token still lies."""
    with ledger.write() as book:
        member = staff.end_session(book, token)
        if member is not None:
            audit.act(book, Deed.SIGNED_OUT, at=now, staff=member)


def wait_after(wrong: int) -> timedelta:
    """How long after so many wrong tries the next one is looked at."""
    if wrong < FREE_TRIES:
        return timedelta(0)
    return min(timedelta(seconds=2 ** min(wrong - FREE_TRIES + 1, 20)), LONGEST_WAIT)


def _matches(password_hash: str, password: str) -> bool:
    try:
        return _hasher().verify(password_hash, password)
    except (VerificationError, InvalidHashError):
        return False


@cache
def _hasher() -> PasswordHasher:
    return PasswordHasher()  # argon2id, RFC 9106 low-memory profile


@cache
def _nobodys_hash() -> str:
    """What the password of a name nobody has is held against."""
    return _hasher().hash(secrets.token_urlsafe(32))
