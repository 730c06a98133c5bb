"""What the database itself does: one row a commit on one connection, and bare bulk loading. Knows no table of ours."""

from __future__ import annotations

import csv
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path

import psycopg

from tests.bench.houses import BenchHouse

ROW = b"x" * 200  #: bytes, about an inbox row
MAKE = "CREATE TABLE IF NOT EXISTS bench_commits (at DOUBLE PRECISION, body {blob})"


def commits_per_second(house: BenchHouse, seconds: float) -> float:
    """Durable one-row inserts a second, in the folder or on the server of the house.

    seconds: how long to insert.
    """
    if house.database == "SQLite":
        return _sqlite_commits(house.folder / "commits.db", seconds)
    return _postgresql_commits(house.plain_url, seconds)


def bare_rows_per_second(house: BenchHouse, file: Path, rows: int) -> float:
    """Rows a second of a CSV file into a table of texts without an index: COPY, or executemany on SQLite."""
    with file.open(encoding="utf-8", newline="") as lines:
        columns = next(csv.reader(lines))
    texts = ", ".join(f'"{name}" TEXT' for name in columns)
    table = f"CREATE TABLE bench_bare ({texts})"
    began = time.perf_counter()
    if house.database == "SQLite":
        _executemany(house.folder / "bare.db", table, file, len(columns))
    else:
        _copy(house.plain_url, table, file)
    return rows / (time.perf_counter() - began)


def _sqlite_commits(file: Path, seconds: float) -> float:
    connection = sqlite3.connect(file, isolation_level=None)
    try:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute(MAKE.format(blob="BLOB"))

        def insert() -> None:
            connection.execute("BEGIN IMMEDIATE")
            connection.execute("INSERT INTO bench_commits VALUES (?, ?)", (time.time(), ROW))
            connection.execute("COMMIT")

        return _rate(insert, seconds)
    finally:
        connection.close()


def _postgresql_commits(url: str, seconds: float) -> float:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(MAKE.format(blob="BYTEA"))

        def insert() -> None:
            connection.execute("INSERT INTO bench_commits VALUES (%s, %s)", (time.time(), ROW))

        return _rate(insert, seconds)


def _rate(step: Callable[[], None], seconds: float) -> float:
    began, count = time.perf_counter(), 0
    until = began + seconds
    while (now := time.perf_counter()) < until:
        step()
        count += 1
    return count / (now - began)


def _executemany(database: Path, table: str, file: Path, columns: int) -> None:
    database.unlink(missing_ok=True)
    connection = sqlite3.connect(database)
    try:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute(table)
        with file.open(encoding="utf-8", newline="") as lines:
            rows = csv.reader(lines)
            next(rows)
            places = ", ".join("?" * columns)
            connection.executemany(f"INSERT INTO bench_bare VALUES ({places})", rows)
        connection.commit()
    finally:
        connection.close()


def _copy(url: str, table: str, file: Path) -> None:
    with psycopg.connect(url) as connection, file.open("rb") as raw:
        connection.execute("DROP TABLE IF EXISTS bench_bare")
        connection.execute(table)
        with connection.cursor().copy("COPY bench_bare FROM STDIN WITH (FORMAT csv, HEADER)") as copy:
            while block := raw.read(65536):
                copy.write(block)
