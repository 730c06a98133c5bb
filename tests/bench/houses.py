"""A ledger of the bench's own on each database, with clients, senders and people who were written to. Times nothing."""

from __future__ import annotations

import itertools
import os
import secrets
import sys
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from sqlalchemy import Engine, create_engine, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import OperationalError

from bot import bootstrap, sample
from bot.bootstrap import Built
from bot.ledger import keys as key_files
from bot.ledger import migrate
from bot.ledger.book import Ledger
from bot.services.contracts import Understanding
from bot.services.import_files import import_clients, import_senders
from bot.services.take_sent import take_sent
from bot.settings import LedgerSettings, MailSettings, NluSettings, Settings, WebSettings
from tests.bench.children import plain_environment
from tests.bench.texts import DATA, ROOT

DATABASES = ("SQLite", "PostgreSQL")
SERVER_URL = os.environ.get("WHOSENT_TEST_DATABASE_URL") or "postgresql://root@127.0.0.1/test"
NOWHERE = "http://127.0.0.1:9"  #: nobody listens there: no process of the bench may speak to a real provider
OURS, CLIENT = "+48732000001", "agrest"  #: a client's own number, of the sample data
FIRST_NUMBER = 48500100000  #: everybody who writes in the bench is behind it
NUMBERS = 800_000


class NoDatabase(Exception):
    """No PostgreSQL answers at WHOSENT_TEST_DATABASE_URL."""


@dataclass(slots=True)
class BenchHouse:
    """One ledger, and what processes need to work on it."""

    database: str
    url: str
    keys_file: Path
    folder: Path
    account: str = field(default_factory=lambda: f"AC{secrets.token_hex(16)}")
    token: str = field(default_factory=lambda: secrets.token_hex(16), repr=False)
    _next: Iterator[int] = field(default_factory=lambda: itertools.count())

    def environment(self, *, port: int, **more: str) -> dict[str, str]:
        """For a process of the bot: this ledger, Twilio, and nothing of the caller's settings."""
        own = {
            "PYTHONPATH": str(ROOT),
            "WHOSENT_DATABASE_URL": self.url,
            "WHOSENT_KEYS_FILE": str(self.keys_file),
            "WHOSENT_DATA_DIR": str(DATA),
            "WHOSENT_PUBLIC_URL": f"http://127.0.0.1:{port}",
            "WHOSENT_TWILIO_ACCOUNT_SID": self.account,
            "WHOSENT_TWILIO_AUTH_TOKEN": self.token,
            "WHOSENT_TWILIO_API_URL": NOWHERE,
        }
        return plain_environment() | own | more

    @property
    def plain_url(self) -> str:
        """The address as PostgreSQL's own driver takes it."""
        return self.url.replace("postgresql+psycopg://", "postgresql://", 1)

    def open(self) -> Ledger:
        return Ledger(self.url, key_files.read(self.keys_file))

    def build(self, understanding: Understanding) -> Built:
        """The house inside this process, with the simulator as its one channel."""
        public_url = "http://127.0.0.1:8000"
        settings = Settings(
            ledger=LedgerSettings(self.url, self.keys_file),
            nlu=NluSettings("", ""),
            web=WebSettings(public_url, (), simulator=True),
            mail=MailSettings("", ""),
            twilio=None,
            smsapi=None,
            telegram=None,
            redis_url="",
            default_language="pl",
            policy_file=None,
            stop_all_covers="all",
            egress_allow=(),
            code_countries=frozenset({"PL"}),
            data_dir=DATA,
        )
        return bootstrap.build(settings, understanding=understanding)

    def numbers(self, count: int) -> list[str]:
        """That many numbers that nobody used before."""
        taken = list(itertools.islice(self._next, count))
        if taken and taken[-1] >= NUMBERS:
            raise RuntimeError("the bench has run out of numbers")
        return [f"+{FIRST_NUMBER + place}" for place in taken]

    def written_to(self, count: int) -> list[str]:
        """That many new numbers, each with a message of the client from OURS an hour ago."""
        now = datetime.now(UTC)
        people = self.numbers(count)
        row = {
            "client_id": CLIENT,
            "sender": OURS,
            "sent_at": (now - timedelta(hours=1)).isoformat(),
            "channel": "sms",
            "class": "marketing",
            "text": "",
        }
        store = self.open()
        try:
            rows = ({**row, "message_id": f"bench-{person}", "recipient": person} for person in people)
            report = take_sent(store, rows, now)
        finally:
            store.close()
        if report.refused:
            raise RuntimeError(f"sent messages were refused: {report.refused[0].reason}")
        return people

    def count(self, query: str) -> int:
        """One number out of the ledger, by SQL."""
        engine = create_engine(self.url)
        try:
            with engine.connect() as connection:
                return int(connection.execute(text(query)).scalar() or 0)
        finally:
            engine.dispose()


@contextmanager
def house(database: str, folder: Path) -> Iterator[BenchHouse]:
    """An empty house but for the sample clients and senders; gone at the end. Raises NoDatabase."""
    place = folder / f"{database.lower()}-{uuid.uuid4().hex[:8]}"
    place.mkdir()
    keys_file = place / "keys.json"
    key_files.create(keys_file)
    with _database(database, place) as url:
        made = BenchHouse(database, url, keys_file, place)
        store = made.open()
        try:
            migrate.upgrade(store)
            now = datetime.now(UTC)
            reports = [
                import_clients(store, sample.FOLDER / "clients.csv", None, now),
                import_senders(store, sample.FOLDER / "senders.csv", None, now),
            ]
            take_sent(store, (), now)
        finally:
            store.close()
        if any(report.refused for report in reports):
            raise RuntimeError("the sample data were refused")
        yield made


def versions() -> dict[str, str]:
    """What the databases are; empty where none answers."""
    asked = {"SQLite": ("sqlite://", "SELECT sqlite_version()"), "PostgreSQL": (_server(), "SHOW server_version")}
    told = {}
    for name, (url, query) in asked.items():
        engine = _engine(url)
        try:
            with engine.connect() as connection:
                told[name] = str(connection.execute(text(query)).scalar())
        except OperationalError:
            told[name] = ""
        engine.dispose()
    return told


def command(*arguments: str) -> list[str]:
    """The bot's command line, in the environment that runs the bench."""
    return [sys.executable, "-m", "bot", *arguments]


@contextmanager
def _database(database: str, folder: Path) -> Iterator[str]:
    if database == "SQLite":
        yield f"sqlite:///{folder / 'whosent.db'}"
        return
    server = _engine(_server())
    schema = f"whosent_bench_{uuid.uuid4().hex[:10]}"
    try:
        with server.connect() as connection:
            connection.execute(text(f"CREATE SCHEMA {schema}"))
    except OperationalError:
        server.dispose()
        raise NoDatabase from None
    try:
        yield f"{_server()}{'&' if '?' in _server() else '?'}options=-csearch_path%3D{schema}"
    finally:
        with server.connect() as connection:
            connection.execute(text(f"DROP SCHEMA {schema} CASCADE"))
        server.dispose()


def _server() -> str:
    url = SERVER_URL.replace("postgres://", "postgresql://", 1)
    return url.replace("postgresql://", "postgresql+psycopg://", 1)


def _engine(url: str) -> Engine:
    waits = {} if make_url(url).get_backend_name() == "sqlite" else {"connect_timeout": 3}
    return create_engine(url, isolation_level="AUTOCOMMIT", connect_args=waits)
