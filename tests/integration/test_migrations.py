"""What a migrated ledger promises: it is the one that tables.py draws."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from alembic import command
from sqlalchemy import Engine, create_engine, inspect, make_url, text

from bot.ledger import consents, migrate, people
from bot.ledger.book import Ledger
from bot.ledger.keys import Keys
from bot.ledger.migrate import upgrade
from bot.ledger.tables import metadata
from bot.services import audit
from bot.services.seal import seal


def _new_place(url: str, folder: Path, undo: list[str]) -> str:
    """An address of the same database where nothing is yet."""
    if make_url(url).get_backend_name() == "sqlite":
        return f"sqlite:///{folder / uuid.uuid4().hex}.db"
    schema = f"whosent_test_{uuid.uuid4().hex[:10]}"
    undo.append(schema)
    engine = create_engine(url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text(f"CREATE SCHEMA {schema}"))
    engine.dispose()
    bare = make_url(url).set(query={"options": f"-csearch_path={schema}"})
    return bare.render_as_string(hide_password=False)


@pytest.fixture(params=["sqlite", "postgresql"])
def places(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[list[str]]:
    """Two empty databases of a kind."""
    url: str = request.getfixturevalue(f"{request.param}_url")
    schemas: list[str] = []
    yield [_new_place(url, tmp_path, schemas), _new_place(url, tmp_path, schemas)]
    engine = create_engine(url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        for schema in schemas:
            connection.execute(text(f"DROP SCHEMA {schema} CASCADE"))
    engine.dispose()


def _drawn(engine: Engine) -> dict[str, object]:
    """Everything a database says of its schema, in an order that does not matter."""
    look = inspect(engine)
    tables: dict[str, object] = {}
    for table in sorted(set(look.get_table_names()) - {"alembic_version"}):
        tables[table] = {
            "columns": [
                (c["name"], str(c["type"]), c["nullable"], str(c["default"]).strip("()"))
                for c in look.get_columns(table)
            ],
            "primary": look.get_pk_constraint(table)["constrained_columns"],
            "foreign": sorted(str(sorted(f.items(), key=str)) for f in look.get_foreign_keys(table)),
            "unique": sorted(str((u["name"], u["column_names"])) for u in look.get_unique_constraints(table)),
            "checks": sorted(str((c["name"], c["sqltext"])) for c in look.get_check_constraints(table)),
            "indexes": sorted(
                str((i["name"], i["column_names"], bool(i["unique"]), _options(i["dialect_options"])))
                for i in look.get_indexes(table)
            ),
        }
    return tables


def _options(options: dict[str, object]) -> list[tuple[str, str]]:
    return sorted((name, str(value)) for name, value in options.items())


def test_a_migrated_ledger_is_the_one_that_is_drawn(places: list[str]) -> None:
    upgrade(places[0])
    migrated, drawn = create_engine(places[0]), create_engine(places[1])
    metadata.create_all(drawn)
    try:
        assert set(_drawn(migrated)) == set(metadata.tables)
        for table, expected in _drawn(drawn).items():
            found = str(_drawn(migrated)[table]).replace(_schema(places[0]), "")
            assert found == str(expected).replace(_schema(places[1]), ""), table
    finally:
        migrated.dispose()
        drawn.dispose()


def test_migrating_again_changes_nothing(places: list[str], keys: Keys) -> None:
    ledger = Ledger(places[0], keys)
    try:
        upgrade(ledger)
        with ledger.write() as book:
            person = people.ensure(book, "+48500100200")
        upgrade(ledger)
        with ledger.read() as book:
            assert people.find(book, "+48500100200") == person
    finally:
        ledger.close()


def test_hosts_that_start_at_once_migrate_one_after_the_other(places: list[str]) -> None:
    faults: list[BaseException] = []
    start = threading.Barrier(3)

    def migrate() -> None:
        start.wait(timeout=10)
        try:
            upgrade(places[0])
        except BaseException as fault:
            faults.append(fault)

    threads = [threading.Thread(target=migrate) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert faults == []


def test_evidence_of_the_first_schema_is_kept_and_sealed(
    places: list[str], keys: Keys, tmp_path: Path
) -> None:
    with migrate._connection(places[0]) as connection:
        command.upgrade(migrate._config(connection), "0001")
        connection.execute(
            text("INSERT INTO people (number_key, number_enc) VALUES (:key, :key)"), {"key": b"k"}
        )
        said = (
            "INSERT INTO evidence (act, person, provider, scope, rule, signature, text_digest, clients,"
            " received_at, effective_at) VALUES ('stop', 1, 'twilio', 'all', 'keyword', 'signed', :digest,"
            " '1,2', '2026-11-01 10:00:00', '2026-11-01 10:00:00')"
        )
        connection.execute(text(said), {"digest": b"d" * 32})
        stopped = (
            "INSERT INTO opt_outs (person, client, covers, evidence, since)"
            " VALUES (1, 0, 'all', 1, '2026-11-01 10:00:00')"
        )
        connection.execute(text(stopped))
    upgrade(places[0])
    ledger = Ledger(places[0], keys)
    try:
        with ledger.read() as book:
            assert [o.client for o in consents.standing(book, 1)] == [0]
            assert book.scalar(text("SELECT clients FROM evidence WHERE form = 0")) == "1,2"
        heads = tmp_path / "audit.jsonl"
        assert seal(ledger, heads, now=datetime(2026, 11, 20, tzinfo=UTC)) == 1
        assert audit.verify(ledger, [heads]).finding is None
    finally:
        ledger.close()


def _schema(place: str) -> str:
    return str(make_url(place).query.get("options", "-csearch_path=none")).partition("=")[2]
