"""Give tests of the audit chain their house; a module with a `house` of its own has that one. Tests nothing."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import func, select

from bot.ledger import clients, tables
from bot.ledger.audit import Telling, tell
from bot.ledger.book import Ledger
from tests.audit_house import House
from tests.conftest import Clock
from tests.world import SHOP_NUMBER, World


@pytest.fixture
def house(ledger: Ledger, clock: Clock, tmp_path: Path) -> House:
    return House(World(ledger, clock, tmp_path), ledger, clock, tmp_path / "heads" / "audit.jsonl")


@pytest.fixture
def sealed(house: House) -> House:
    """A STOP, the same again, a START that lifted it, some acts and a telling; sealed in several rounds."""
    house.world.sent("shop", SHOP_NUMBER)
    house.world.says("STOP")
    house.seal()
    house.world.says("stop prosze")
    house.acts(3)
    with house.ledger.write() as book:
        stop = book.scalar(select(func.min(tables.evidence.c.id)))
        client = clients.ids(book, ["shop"])["shop"]
        tell(book, [Telling(stop, client, "evt_1", "delivered")], at=house.clock.now)
    house.seal()
    (asked,) = house.world.says("START")
    code = next(word.strip(".,") for word in asked.split() if word.strip(".,").isdigit())
    house.world.says(f"START {code}")
    house.acts(2)
    house.seal()
    assert [row["act"] for row in house.rows(tables.evidence)] == ["stop", "repeat", "start"]
    assert house.count(tables.seals) == 9
    assert house.finding() is None
    return house
