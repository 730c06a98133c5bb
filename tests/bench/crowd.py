"""Fill a ledger with people who opted out, millions of them, in statements of the database's own. Times nothing.

Their keys are random, not made from numbers: to an index all keys are alike, and to make ten million one by one
would take longer than all that is measured. Every opt-out rests on one row of evidence, which the gate never reads.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from sqlalchemy import text
from sqlalchemy.engine import Connection

from bot.ledger import clients, consents
from bot.ledger.book import Ledger
from bot.ledger.consents import Act
from bot.ledger.people import NUMBER
from bot.ledger.tables import opt_outs
from tests.bench.houses import CLIENT, BenchHouse

CLIENTS = 10  #: among whom the opt-outs are spread

_KNOWN = "CREATE TEMPORARY TABLE known (n INTEGER PRIMARY KEY, number_key {blob}, number_enc {blob})"
_SERIES = {
    "SQLite": "(WITH RECURSIVE s(n) AS (VALUES (1) UNION ALL SELECT n + 1 FROM s WHERE n < :count) SELECT n FROM s)",
    "PostgreSQL": "generate_series(1, :count) AS s(n)",
}
_KEY = {
    # Ascending: SQLite can build no unique index later, and so this one grows at its end.
    "SQLite": "CAST(printf('%016x', n * (9223372036854775807 / :count)) || hex(randomblob(8)) AS BLOB)",
    "PostgreSQL": "sha256(('key ' || n)::bytea)",
}
_SEALED = {
    "SQLite": "randomblob(43)",
    "PostgreSQL": "substr(sha256(('one ' || n)::bytea) || sha256(('two ' || n)::bytea), 1, 43)",
}
_PEOPLE = """
    INSERT INTO people (id, number_key, number_enc)
    SELECT n, coalesce(known.number_key, {key}), coalesce(known.number_enc, {sealed})
    FROM {series} LEFT JOIN known USING (n)"""
_OPT_OUTS = """
    INSERT INTO opt_outs (id, person, client, covers, evidence, since)
    SELECT n, n, CASE WHEN n % :every = 0 THEN :client ELSE 1 + n % :clients END, 'marketing', :evidence,
           '2026-01-01 00:00:00.000000' FROM {series}"""

# With an index in place each row would seek its place in it, and with a foreign key ask for the other's row.
_UNIQUE_KEY = "uq_people_number_key"
_REFERENCES = ("fk_opt_outs_person", "fk_opt_outs_evidence")
_MEMORY = "512MB"  #: of PostgreSQL, for building indexes


def fill(made: BenchHouse, count: int, stopped: Sequence[str]) -> None:
    """`count` opt-outs of one person each; those of `stopped` (E.164) stand spread among them, from CLIENT."""
    every = count // len(stopped)
    store = made.open()
    try:
        with store.write() as book:
            values = {"count": count, "every": every, "clients": CLIENTS, "evidence": consents.record(book, _act())}
            values["client"] = clients.ids(book, [CLIENT])[CLIENT]
        known = [
            {"n": place * every, "number_key": store.keys.find(n), "number_enc": store.keys.seal(NUMBER, n)}
            for place, n in enumerate(stopped, start=1)
        ]
        if made.database == "SQLite":
            _fill_sqlite(store, values, known)
        else:
            _fill_postgresql(store, values, known)
    finally:
        store.close()


def _act() -> Act:
    now = datetime.now(UTC)
    return Act(
        act="stop", person=None, conversation=None, cause=None, provider="simulator", scope="sender", rule="keyword",
        span=(0, 4), matcher="1", signature="simulator", text="STOP", clients=(), received_at=now, effective_at=now,
    )  # fmt: skip


def _fill_sqlite(store: Ledger, values: dict[str, int], known: list[dict[str, object]]) -> None:
    with store.engine.connect() as connection:
        raw = connection.connection.driver_connection
        assert raw is not None
        for pragma in ("journal_mode=OFF", "synchronous=OFF", "foreign_keys=OFF", "cache_size=-200000"):
            raw.execute(f"PRAGMA {pragma}")  # the file is the bench's own: nothing is lost with it
        _fill(connection, "SQLite", "BLOB", values, known)
        connection.commit()
        raw.execute("PRAGMA journal_mode=WAL")


def _fill_postgresql(store: Ledger, values: dict[str, int], known: list[dict[str, object]]) -> None:
    with store.engine.begin() as connection:
        connection.execute(text("SET LOCAL statement_timeout = 0"))
        connection.execute(text(f"SET LOCAL maintenance_work_mem = '{_MEMORY}'"))
        connection.execute(text(f"ALTER TABLE people DROP CONSTRAINT {_UNIQUE_KEY}"))
        for name in _REFERENCES:
            connection.execute(text(f"ALTER TABLE opt_outs DROP CONSTRAINT {name}"))
        _fill(connection, "PostgreSQL", "BYTEA", values, known)
        connection.execute(text(f"ALTER TABLE people ADD CONSTRAINT {_UNIQUE_KEY} UNIQUE (number_key)"))
    # As the server does by itself some minutes after so many rows.
    with store.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("SET statement_timeout = 0"))
        connection.execute(text("VACUUM ANALYZE people"))
        connection.execute(text("VACUUM ANALYZE opt_outs"))


def _fill(
    connection: Connection, database: str, blob: str, values: dict[str, int], known: list[dict[str, object]]
) -> None:
    places = {"key": _KEY[database], "sealed": _SEALED[database], "series": _SERIES[database]}
    connection.execute(text(_KNOWN.format(blob=blob)))
    connection.execute(text("INSERT INTO known VALUES (:n, :number_key, :number_enc)"), known)
    for index in opt_outs.indexes:
        index.drop(connection)
    for statement in (_PEOPLE, _OPT_OUTS):
        connection.execute(text(statement.format(**places)), values)
    for index in opt_outs.indexes:
        index.create(connection)
