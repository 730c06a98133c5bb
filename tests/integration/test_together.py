"""What waits together is taken in with one commit, and comes to the same as one after the other."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import pytest
from sqlalchemy import func, select

from bot.domain.messages import Received
from bot.ledger import people, tables
from bot.ledger.book import Book, Ledger
from bot.services.receive import receive_together
from tests.conftest import Clock
from tests.world import SHOP_NUMBER, World

NUMBERS = [f"+485001003{place:02}" for place in range(20)]


@pytest.fixture
def world(ledger: Ledger, clock: Clock, tmp_path: Path) -> World:
    world = World(ledger, clock, tmp_path)
    for number in NUMBERS:
        world.sent("shop", SHOP_NUMBER, to=number)
    return world


def said(world: World, text: str, numbers: Sequence[str] = NUMBERS) -> list[Received]:
    return [Received((world.inbound(text, as_=number),)) for number in numbers]


def counted(world: World) -> dict[str, int]:
    with world.house.ledger.read() as book:
        return {
            table.name: book.scalar(select(func.count()).select_from(table))
            for table in (tables.inbox, tables.opt_outs, tables.evidence, tables.outbox)
        }


def test_stops_that_wait_together_are_each_in_once_with_evidence_and_receipt(world: World) -> None:
    assert receive_together(world.house, said(world, "STOP"), now=world.clock.now) == [None] * 20
    assert counted(world) == {"inbox": 20, "opt_outs": 20, "evidence": 20, "outbox": 20}


def test_a_duplicate_among_them_changes_nothing_for_itself_and_nothing_for_the_others(world: World) -> None:
    requests = said(world, "STOP")
    receive_together(world.house, requests[:3], now=world.clock.now)
    assert receive_together(world.house, requests + requests[5:7], now=world.clock.now) == [None] * 22
    assert counted(world) == {"inbox": 20, "opt_outs": 20, "evidence": 20, "outbox": 20}


def test_a_person_who_says_it_twice_at_once_is_confirmed_once(world: World) -> None:
    twice = said(world, "STOP", NUMBERS[:2]) + said(world, "Stop!", NUMBERS[:2])
    receive_together(world.house, twice, now=world.clock.now)
    assert counted(world) == {"inbox": 4, "opt_outs": 2, "evidence": 4, "outbox": 2}


def test_other_messages_and_a_stop_of_everything_come_in_beside_them(world: World) -> None:
    mixed = [
        *said(world, "STOP", NUMBERS[:3]),
        *said(world, "kto to wyslal?", NUMBERS[3:5]),
        *said(world, "STOP ALL", NUMBERS[5:7]),
    ]
    assert receive_together(world.house, mixed, now=world.clock.now) == [None] * 7
    assert counted(world) == {"inbox": 7, "opt_outs": 5, "evidence": 5, "outbox": 5}


def test_what_keeps_one_out_is_told_to_that_one_and_keeps_no_other_out(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    as_ever = people.lock

    def breaks_for_one(book: Book, person: int) -> object:
        if people.number_of(book, person) == NUMBERS[1]:
            raise OSError("the disk is full")
        return as_ever(book, person)

    monkeypatch.setattr(people, "lock", breaks_for_one)
    ends = receive_together(world.house, said(world, "STOP", NUMBERS[:4]), now=world.clock.now)
    assert [type(end) for end in ends] == [type(None), OSError, type(None), type(None)]
    assert counted(world) == {"inbox": 3, "opt_outs": 3, "evidence": 3, "outbox": 3}


def test_work_done_together_is_committed_whole_or_not_at_all(ledger: Ledger) -> None:
    def adds(book: Book) -> None:
        people.ensure(book, NUMBERS[0])

    def breaks(book: Book) -> None:
        people.ensure(book, NUMBERS[1])
        raise ValueError

    with pytest.raises(ValueError):
        ledger.write_together([adds, breaks])
    with ledger.read() as book:
        assert people.find(book, NUMBERS[0]) is None
        assert people.find(book, NUMBERS[1]) is None


def test_what_asks_another_statement_than_a_prepared_one_goes_on_alone_and_is_in(ledger: Ledger) -> None:
    seen = []

    def asks_another(book: Book, number: str) -> None:
        person = people.ensure(book, number)
        seen.append(book.scalar(select(tables.people.c.id).where(tables.people.c.id == person)) == person)
        people.lock(book, person)

    works = [partial(asks_another, number=NUMBERS[0]), partial(people.ensure, number=NUMBERS[1])]
    ledger.write_together(works)
    with ledger.read() as book:
        assert seen == [True]
        assert len(people.find_many(book, NUMBERS[:2])) == 2
