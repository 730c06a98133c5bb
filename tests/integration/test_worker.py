"""A worker's threads: they end when told to, finish what they have in hand, and outlive a fault."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from sqlalchemy import select, text

from bot import settings
from bot.bootstrap import Built
from bot.domain.messages import Outgoing, Taken
from bot.ledger.book import Ledger
from bot.ledger.tables import outbox
from bot.waking import Bell
from bot.worker import Worker
from tests.conftest import Clock
from tests.world import Phone, World


@dataclass(slots=True)
class SlowPhone(Phone):
    """Keeps whoever sends until it is let go."""

    entered: threading.Event = field(default_factory=threading.Event)
    gate: threading.Event = field(default_factory=threading.Event)

    def send(self, message: Outgoing) -> Taken:
        self.entered.set()
        self.gate.wait(30)
        self.arrived.append(message)
        return Taken(f"sim-{message.outbox_id}")


@pytest.fixture
def world(ledger: Ledger, clock: Clock, tmp_path: Path) -> World:
    return World(ledger, clock, tmp_path)


@pytest.fixture
def phone() -> SlowPhone:
    return SlowPhone()


@pytest.fixture
def built(world: World, phone: SlowPhone, monkeypatch: pytest.MonkeyPatch) -> Iterator[Built]:
    for name in list(os.environ):
        if name.startswith(settings.PREFIX):
            monkeypatch.delenv(name)
    bell = Bell()
    yield Built(settings.load(None), world.house, {"simulator": phone}, bell, clock=world.clock)  # type: ignore[arg-type]
    phone.gate.set()
    bell.close()


def soon(is_there: Callable[[], bool], *, seconds: float = 15) -> bool:
    """Does it come true? Looked at again and again: what another thread commits rings nowhere."""
    pause = threading.Event()
    for _ in range(int(seconds / 0.02)):
        if is_there():
            return True
        pause.wait(0.02)
    return False


def states(ledger: Ledger) -> list[str]:
    with ledger.read() as book:
        return list(book.connection.execute(select(outbox.c.state).order_by(outbox.c.id)).scalars())


def test_a_message_is_answered_and_stopping_leaves_no_thread(
    world: World, phone: SlowPhone, built: Built
) -> None:
    before = set(threading.enumerate())
    phone.gate.set()
    worker = Worker(built)
    worker.start()
    world.receive(world.inbound("POMOC"))
    built.bell.ring()
    assert soon(lambda: bool(phone.arrived))
    worker.stop()
    assert set(threading.enumerate()) <= before
    assert states(world.house.ledger) == ["sent"]


def test_stopping_waits_for_what_is_in_hand(world: World, phone: SlowPhone, built: Built) -> None:
    before = set(threading.enumerate())
    worker = Worker(built)
    worker.start()
    world.receive(world.inbound("POMOC"))
    built.bell.ring()
    assert phone.entered.wait(15)
    assert states(world.house.ledger) == ["in_hand"]
    stopping = threading.Thread(target=worker.stop)
    stopping.start()
    stopping.join(0.5)
    assert stopping.is_alive()
    phone.gate.set()
    stopping.join(20)
    assert not stopping.is_alive()
    assert set(threading.enumerate()) <= before
    assert (len(phone.arrived), states(world.house.ledger)) == (1, ["sent"])


def test_what_does_not_end_in_time_is_left_to_its_lease(world: World, phone: SlowPhone, built: Built) -> None:
    worker = Worker(built, responders=1, deliverers=1)
    worker.start()
    world.receive(world.inbound("POMOC"))
    built.bell.ring()
    assert phone.entered.wait(15)
    worker.stop(within=0.3)
    assert states(world.house.ledger) == ["in_hand"]
    phone.gate.set()
    assert soon(lambda: states(world.house.ledger) == ["sent"])


def test_a_fault_of_the_database_ends_no_loop(world: World, phone: SlowPhone, built: Built) -> None:
    ledger, before = world.house.ledger, set(threading.enumerate())
    phone.gate.set()
    worker = Worker(built)
    ears = len(built.bell._events)
    worker.start()
    working = set(threading.enumerate()) - before
    _rename(ledger, "outbox", "outbox_away")
    try:
        threading.Event().wait(2.5)  # two rounds of every loop that fails
    finally:
        _rename(ledger, "outbox_away", "outbox")
    assert all(thread.is_alive() for thread in working)
    assert len(built.bell._events) == ears
    world.receive(world.inbound("POMOC"))
    built.bell.ring()
    assert soon(lambda: bool(phone.arrived))
    worker.stop()
    assert set(threading.enumerate()) <= before


def _rename(ledger: Ledger, name: str, new: str) -> None:
    with ledger.write() as book:
        if ledger.dialect == "sqlite":  # references in other tables must stay with the name
            book.run(text("PRAGMA legacy_alter_table = ON"))
        book.run(text(f"ALTER TABLE {name} RENAME TO {new}"))
        if ledger.dialect == "sqlite":
            book.run(text("PRAGMA legacy_alter_table = OFF"))
