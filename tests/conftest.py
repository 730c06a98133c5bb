"""Give every test its ledger on each database, its keys and its clock. Tests nothing."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.exc import OperationalError

from bot.ledger import keys as key_files
from bot.ledger.book import Ledger
from bot.ledger.keys import Keys
from bot.ledger.tables import metadata

DATABASE_URL = os.environ.get("WHOSENT_TEST_DATABASE_URL") or "postgresql://root@127.0.0.1/test"
REQUIRE_SERVICES = os.environ.get("WHOSENT_REQUIRE_SERVICES") == "1"
START = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)


@dataclass(slots=True)
class Clock:
    """A clock that stands until it is moved."""

    now: datetime = START

    def __call__(self) -> datetime:
        return self.now

    def move(self, by: timedelta) -> datetime:
        self.now += by
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(scope="session")
def keys_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The session's keys file. Copy it before changing it."""
    path = tmp_path_factory.mktemp("keys") / "keys.json"
    key_files.create(path)
    return path


@pytest.fixture(scope="session")
def keys(keys_file: Path) -> Keys:
    return key_files.read(keys_file)


@pytest.fixture(scope="session")
def sqlite_url(tmp_path_factory: pytest.TempPathFactory) -> str:
    return f"sqlite:///{tmp_path_factory.mktemp('ledger') / 'whosent.db'}"


@pytest.fixture(scope="session")
def postgresql_url() -> Iterator[str]:
    """A schema of this test process's own, dropped at the end."""
    url = DATABASE_URL.replace("postgres://", "postgresql://", 1).replace(
        "postgresql://", "postgresql+psycopg://", 1
    )
    server = create_engine(url, isolation_level="AUTOCOMMIT", connect_args={"connect_timeout": 3})
    schema = f"whosent_test_{uuid.uuid4().hex[:10]}"
    try:
        with server.connect() as connection:
            connection.execute(text(f"CREATE SCHEMA {schema}"))
    except OperationalError:
        reason = "no PostgreSQL answers at WHOSENT_TEST_DATABASE_URL"
        if REQUIRE_SERVICES:
            pytest.fail(reason)
        pytest.skip(reason)
    yield f"{url}{'&' if '?' in url else '?'}options=-csearch_path%3D{schema}"
    with server.connect() as connection:
        connection.execute(text(f"DROP SCHEMA {schema} CASCADE"))
    server.dispose()


@pytest.fixture(scope="session")
def ledgers(keys: Keys) -> Iterator[dict[str, Ledger]]:
    """The ledgers opened so far, by database; each is built once and emptied between tests."""
    opened: dict[str, Ledger] = {}
    yield opened
    for ledger in opened.values():
        ledger.close()


@pytest.fixture(params=["sqlite", "postgresql"])
def ledger(request: pytest.FixtureRequest, ledgers: dict[str, Ledger], keys: Keys) -> Iterator[Ledger]:
    """An empty ledger, once on each database."""
    name: str = request.param
    url: str = request.getfixturevalue(f"{name}_url")
    if name not in ledgers:
        ledgers[name] = Ledger(url, keys)
        metadata.create_all(ledgers[name].engine)
    ledger = ledgers[name]
    ledger.keys = keys
    yield ledger
    with ledger.write() as book:
        for table in reversed(metadata.sorted_tables):
            book.run(table.delete())
