"""A world whose acts are sealed, and a hand in its database. Tests nothing."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import func, select

from bot.domain.chain import Finding
from bot.ledger import tables
from bot.ledger.audit import Deed, act
from bot.ledger.book import Ledger
from bot.services import audit
from bot.services.seal import seal
from tests.conftest import Clock
from tests.world import World


@dataclass
class House:
    """A world, the file its heads are signed to, and a hand in the database."""

    world: World
    ledger: Ledger
    clock: Clock
    file: Path

    def seal(self) -> int:
        return seal(self.ledger, self.file, now=self.clock.now)

    def finding(self) -> Finding | None:
        return audit.verify(self.ledger, [self.file]).finding

    def run(self, statement: Any) -> None:
        with self.ledger.write() as book:
            book.run(statement)

    def rows(self, table: Any) -> list[dict[str, Any]]:
        key = table.c.seq if table is tables.seals else table.c.id
        with self.ledger.read() as book:
            return [dict(row) for row in book.rows(select(table).order_by(key))]

    def count(self, table: Any) -> int:
        with self.ledger.read() as book:
            return int(book.scalar(select(func.count()).select_from(table)))

    def acts(self, count: int) -> None:
        for n in range(count):
            with self.ledger.write() as book:
                act(book, Deed.SIGNED_IN, at=self.clock.now, staff=n)
