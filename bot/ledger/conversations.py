"""Keep what a conversation holds between two messages. Decides nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Table, bindparam, func, select, update

from bot.domain import questions
from bot.domain.conversation import MEMORY_LASTS, Asked, Level, Owner
from bot.domain.errors import NotKnown
from bot.domain.messages import Address, Medium
from bot.ledger.book import Book, Prepared, Row
from bot.ledger.tables import conversations as table

_ADDRESS = "conversations.address"
_ASKED = "conversations.asked"
_MEMORY = "conversations.memory"
_STOP = "conversations.stop_waiting"
STOP_WAITS = timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class Conversation:
    """One person on one of our addresses, as it stands."""

    id: int
    address: Address
    person: int | None
    level: Level
    level_until: datetime | None
    language: str | None
    owner: Owner
    claimed_by: int | None
    asked: Asked | None = field(repr=False)
    memory: Mapping[str, Any] = field(repr=False)
    stop_waiting: Mapping[str, Any] = field(repr=False)
    noticed_at: datetime | None
    limited_at: datetime | None
    waiting_since: datetime | None
    last_at: datetime
    version: int
    platform_blocked_at: datetime | None

    def level_at(self, now: datetime) -> Level:
        """The level that still holds; a proof by code runs out, what the channel vouches for does not."""
        if self.level_until is None or now < self.level_until:
            return self.level
        return Level.ASSERTED if self.address.number else Level.CONTACT if self.person else Level.ANONYMOUS


_BY_ID = Prepared(lambda _: select(table).where(table.c.id == bindparam("conversation")))
_SEVERAL = Prepared(lambda _: select(table).where(table.c.id.in_(bindparam("numbers", expanding=True))))
# NO KEY UPDATE: a claim that cancels a row of the outbox has PostgreSQL check the row's conversation, and FOR UPDATE
# would have it wait for a STOP in that conversation, which waits for the person that the claim holds.
_LOCKED = Prepared(
    lambda _: select(table).where(table.c.id == bindparam("conversation")).with_for_update(key_share=True)
)
_HELD_KEY = Prepared(
    lambda _: select(table.c.address_key).where(table.c.address_key.in_(bindparam("keys", expanding=True)))
)


def _open(insert: Callable[[Table], Any]) -> Any:
    """Begin a conversation or find it, and note that its person spoke, in one statement that locks the row."""
    statement = insert(table)
    new = statement.excluded
    heard = {
        "last_at": new.last_at,
        "waiting_since": func.coalesce(table.c.waiting_since, new.waiting_since),
    }
    return statement.on_conflict_do_update(index_elements=["address_key"], set_=heard).returning(table)


_OPEN = Prepared(
    _open,
    *("provider", "account", "medium", "address_key", "address_enc", "person", "level", "owner"),
    *("last_at", "waiting_since"),
)
_SETTLE = Prepared(
    lambda _: (
        update(table)
        .where(table.c.id == bindparam("conversation"))
        .values(
            asked_enc=bindparam("question"),
            memory_enc=bindparam("kept"),
            language=bindparam("spoken"),
            noticed_at=bindparam("noticed"),
            waiting_since=bindparam("waits"),
            version=table.c.version + 1,
        )
    )
)


def open_for(book: Book, address: Address, *, person: int | None, now: datetime) -> Conversation:
    """The conversation in which a message came, begun if it is the first, locked until the transaction ends.

    person: of a number that the channel vouches for. now: when it came; the person waits from the oldest one that
    nobody answered.
    """
    keys = book.keys.find_any(_address_text(address))
    held = keys[0] if len(keys) == 1 else book.scalar(_HELD_KEY, keys=keys)  # several while keys are rotated
    row = book.row(
        _OPEN,
        provider=address.provider,
        account=address.account,
        medium=address.medium.value,
        address_key=held or keys[0],
        address_enc=book.keys.seal_json(_ADDRESS, {"person": address.person, "ours": address.ours}),
        person=person,
        level=int(Level.ASSERTED if person is not None else Level.ANONYMOUS),
        owner=Owner.BOT.value,
        last_at=now,
        waiting_since=now,
    )
    assert row is not None  # RETURNING has the row, begun or found
    return _read(book, row)


def get(book: Book, conversation: int, *, lock: bool = False) -> Conversation:
    """One conversation. Raises NotKnown."""
    row = book.row(_LOCKED if lock else _BY_ID, conversation=conversation)
    if row is None:
        raise NotKnown("conversation")
    return _read(book, row)


def find(book: Book, address: Address) -> int | None:
    """The conversation of an address, if there is one."""
    keys = book.keys.find_any(_address_text(address))
    number: int | None = book.scalar(select(table.c.id).where(table.c.address_key.in_(keys)))
    return number


def several(book: Book, numbers: Sequence[int]) -> dict[int, Conversation]:
    """Those of several conversations that are there, by their row ids."""
    return {row["id"]: _read(book, row) for row in book.rows(_SEVERAL, numbers=list(numbers))}


def ask(book: Book, conversation: int, asked: Asked | None) -> None:
    """Put the open question, or take it away."""
    blob = None if asked is None else book.seal(_ASKED, questions.to_text(asked))
    book.run(update(table).where(table.c.id == conversation).values(asked_enc=blob))


def settle(
    book: Book,
    conversation: int,
    *,
    asked: Asked | None,
    memory: Mapping[str, Any],
    language: str,
    noticed_at: datetime | None,
    waiting_since: datetime | None,
    now: datetime,
) -> None:
    """Keep what a turn leaves: the open question, the topic's memory, the language, what was told and waits."""
    kept = {**memory, "_until": (now + MEMORY_LASTS).isoformat()} if memory else None
    values = {
        "conversation": conversation,
        "question": None if asked is None else book.seal(_ASKED, questions.to_text(asked)),
        "kept": None if kept is None else book.keys.seal_json(_MEMORY, kept),
        "spoken": language,
        "noticed": noticed_at,
        "waits": waiting_since,
    }
    book.do(_SETTLE, **values)


def know(book: Book, conversation: int, *, person: int, level: Level, until: datetime | None = None) -> None:
    """Bind a number to the conversation at a level of proof."""
    book.run(
        update(table)
        .where(table.c.id == conversation)
        .values(person=person, level=int(level), level_until=until)
    )


def give_to(book: Book, conversation: int, owner: Owner, *, staff: int | None = None) -> None:
    """Change who speaks. Handing back leaves a fence: no question and no memory from before."""
    values: dict[str, Any] = {"owner": owner.value, "claimed_by": staff, "version": table.c.version + 1}
    if owner is Owner.BOT:
        values |= {"asked_enc": None, "memory_enc": None, "noticed_at": None}
    book.run(update(table).where(table.c.id == conversation).values(values))


def mark(book: Book, conversation: int, **moments: datetime | None) -> None:
    """Set `noticed_at`, `limited_at`, `platform_blocked_at` or `waiting_since`."""
    book.run(update(table).where(table.c.id == conversation).values(moments))


def reached(book: Book, conversation: int) -> None:
    """Something was delivered there, so that no block of the platform's stands any more."""
    is_blocked = (table.c.id == conversation) & table.c.platform_blocked_at.is_not(None)
    book.run(update(table).where(is_blocked).values(platform_blocked_at=None))


def keep_stop(book: Book, conversation: int, stop: Mapping[str, Any], *, now: datetime) -> None:
    """Keep a STOP of a chat without a number until the number is known, 24 hours at most."""
    book.run(
        update(table)
        .where(table.c.id == conversation)
        .values(stop_waiting_enc=book.keys.seal_json(_STOP, stop), stop_waiting_until=now + STOP_WAITS)
    )


def drop_stop(book: Book, conversation: int) -> None:
    book.run(
        update(table).where(table.c.id == conversation).values(stop_waiting_enc=None, stop_waiting_until=None)
    )


def waiting(book: Book, *, staff: int | None = None) -> list[Conversation]:
    """What the desk lists: conversations handed over, oldest unanswered first, and those `staff` has."""
    wanted = table.c.owner == Owner.WAITING.value
    if staff is not None:
        wanted = wanted | (table.c.claimed_by == staff)
    rows = book.rows(
        select(table).where(wanted).order_by(table.c.waiting_since.is_(None), table.c.waiting_since)
    )
    return [_read(book, row) for row in rows]


def _address_text(address: Address) -> str:
    return "\n".join((address.provider, address.account, address.person, address.ours))


def _read(book: Book, row: Row) -> Conversation:
    place = book.keys.unseal_json(_ADDRESS, row["address_enc"])
    return Conversation(
        id=row["id"],
        address=Address(
            row["provider"], row["account"], Medium(row["medium"]), place["person"], place["ours"]
        ),
        person=row["person"],
        level=Level(row["level"]),
        level_until=row["level_until"],
        language=row["language"],
        owner=Owner(row["owner"]),
        claimed_by=row["claimed_by"],
        asked=None
        if row["asked_enc"] is None
        else questions.from_text(book.unseal(_ASKED, row["asked_enc"])),
        memory=book.keys.unseal_json(_MEMORY, row["memory_enc"]),
        stop_waiting=(
            {**book.keys.unseal_json(_STOP, row["stop_waiting_enc"]), "_until": row["stop_waiting_until"]}
            if row["stop_waiting_enc"] is not None
            else {}
        ),
        noticed_at=row["noticed_at"],
        limited_at=row["limited_at"],
        waiting_since=row["waiting_since"],
        last_at=row["last_at"],
        version=row["version"],
        platform_blocked_at=row["platform_blocked_at"],
    )


def live_memory(conversation: Conversation, now: datetime) -> dict[str, Any]:
    """The topic's memory, nothing after its day is over."""
    memory = dict(conversation.memory)
    until = memory.pop("_until", None)
    return memory if until and now < datetime.fromisoformat(until) else {}


def live_asked(conversation: Conversation, now: datetime) -> Asked | None:
    """The open question if it has not run out."""
    asked = conversation.asked
    return asked if asked is not None and now < asked.expires_at else None


def live_stop(conversation: Conversation, now: datetime) -> dict[str, Any] | None:
    """The STOP that waits for a number, if its 24 hours are not over."""
    stop = dict(conversation.stop_waiting)
    until = stop.pop("_until", None)
    return stop if until is not None and now < until else None
