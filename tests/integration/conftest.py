"""Give tests their way out, a client's hook and mail, and the audit chain's house. Tests nothing.

A module with a fixture of the same name has its own.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import func, select

from bot.egress import Egress
from bot.ledger import clients, tables
from bot.ledger.audit import Telling, tell
from bot.ledger.book import Ledger
from tests.audit_house import House
from tests.conftest import Clock
from tests.standins.client_hook import ClientHook
from tests.standins.smtp import SmtpStandIn
from tests.world import SHOP_NUMBER, World


@pytest.fixture
def hook() -> Iterator[ClientHook]:
    with ClientHook() as hook:
        yield hook


@pytest.fixture
def smtp() -> Iterator[SmtpStandIn]:
    with SmtpStandIn() as smtp:
        yield smtp


@pytest.fixture
def egress() -> Iterator[Egress]:
    egress = Egress((ipaddress.ip_network("127.0.0.1/32"),), timeout=1.0)
    yield egress
    egress.close()


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
