"""Bring the schema up to what tables.py draws. Touches no row's meaning.

`upgrade` is for users and tests. `python -m bot.ledger.migrate "what it changes"` writes the next migration;
`--first` writes the first one anew, which only holds until there is a release.
"""

from __future__ import annotations

import re
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, Engine, create_engine, event, make_url, text
from sqlalchemy.pool import NullPool

from bot.ledger.book import Ledger

PLACE = Path(__file__).parent / "migrations"
FIRST = "0001"
LOCK = 7_046_011  #: any number that nobody else locks; two hosts starting at once migrate one after the other
FORMATTING = {  #: how a new migration is brought into the house's form, where ruff is at hand
    "hooks": "ruff",
    "ruff.type": "module",
    "ruff.module": "ruff",
    "ruff.options": "format --quiet REVISION_SCRIPT_FILENAME",
}
WAIT = 60.0  #: seconds that one process waits for another's migration on SQLite


def upgrade(ledger: Ledger | str) -> None:
    """Run every migration that is due, all or none of them. Harmless when none is.

    ledger: an open ledger, or an SQLAlchemy URL.
    """
    with _connection(ledger) as connection:
        command.upgrade(_config(connection), "head")


def write(message: str, *, revision: str, place: Path = PLACE) -> Path:
    """Write the migration from what the present ones make to what tables.py draws; return its file."""
    with tempfile.TemporaryDirectory() as folder, _connection(f"sqlite:///{folder}/empty.db") as connection:
        config = _config(connection, place)
        command.upgrade(config, "head")
        command.revision(config, message, autogenerate=True, rev_id=revision)
    name = re.sub(r"\W+", "_", message.lower()).strip("_")[:40]
    return place / "versions" / f"{revision}_{name}.py"


def _config(connection: Connection, place: Path = PLACE) -> Config:
    config = Config()
    config.set_main_option("script_location", str(place).replace("%", "%%"))
    config.set_main_option("file_template", "%%(rev)s_%%(slug)s")
    for option, value in FORMATTING.items():
        config.set_section_option("post_write_hooks", option, value)
    config.attributes["connection"] = connection
    return config


@contextmanager
def _connection(ledger: Ledger | str) -> Iterator[Connection]:
    """One transaction in which nobody else migrates."""
    url = make_url(ledger) if isinstance(ledger, str) else ledger.engine.url
    if url.get_backend_name() == "sqlite" and url.database:
        Path(url.database).parent.mkdir(parents=True, exist_ok=True)
    engine = create_engine(url, poolclass=NullPool)
    try:
        _prepare(engine)
        with engine.begin() as connection:
            if connection.dialect.name == "postgresql":
                connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": LOCK})
            yield connection
    finally:
        engine.dispose()


def _prepare(engine: Engine) -> None:
    """SQLite: begin at once and for writing, so that DDL is in the transaction and others wait for it."""
    if engine.dialect.name != "sqlite":
        return

    @event.listens_for(engine, "connect")
    def _connect(raw: object, _record: object) -> None:
        raw.isolation_level = None  # type: ignore[attr-defined]
        raw.execute(f"PRAGMA busy_timeout = {int(WAIT * 1000)}")  # type: ignore[attr-defined]

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE")


def main(arguments: list[str]) -> int:
    """Write a migration; for those who change tables.py."""
    if arguments == ["--first"]:
        for old in (PLACE / "versions").glob(f"{FIRST}_*.py"):
            old.unlink()
        write("The ledger as first drawn", revision=FIRST)
        return 0
    if len(arguments) != 1 or arguments[0].startswith("-"):
        sys.stderr.write('usage: python -m bot.ledger.migrate "what it changes" | --first\n')
        return 2
    count = len(list((PLACE / "versions").glob("[0-9]*.py")))
    write(arguments[0], revision=f"{count + 1:04d}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
