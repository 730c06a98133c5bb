"""Open the ledger: engines, transactions, the writer's turn on SQLite. Knows no question asked of a table."""

from __future__ import annotations

import fcntl
import sqlite3
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Dialect, Engine, Result, Table, create_engine, event
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import RowMapping, make_url
from sqlalchemy.sql import Executable

from bot.domain.errors import BadSetting
from bot.ledger.keys import Keys
from bot.ledger.keys import read as read_keys

BUSY_TIMEOUT = 5.0  #: seconds that one process waits for another's write
POOL = 24  #: connections a process may hold on PostgreSQL


class Prepared:
    """A statement built and compiled once, for the paths that every message takes.

    Building and compiling SQL took most of the time of a STOP (SQLAlchemy does not cache the dialects' INSERT at
    all). build: given the dialect's `insert`, returns the statement; what varies is a `bindparam`. columns: of an
    INSERT, the ones filled.
    """

    def __init__(self, build: Callable[[Callable[[Table], Any]], Any], *columns: str) -> None:
        self._build = build
        self._columns = columns
        self._compiled: dict[str, Any] = {}

    def on(self, dialect: Dialect) -> Any:
        """The compiled statement, for `Connection.execute`."""
        compiled = self._compiled.get(dialect.name)
        if compiled is None:
            insert = sqlite.insert if dialect.name == "sqlite" else postgresql.insert
            statement = self._build(insert)
            compiled = statement.compile(dialect=dialect, column_keys=list(self._columns) or None)
            self._compiled[dialect.name] = compiled
        return compiled


@dataclass(slots=True)
class Book:
    """One transaction. Functions of the ledger take it as their first argument."""

    connection: Connection = field(repr=False)
    keys: Keys = field(repr=False)
    dialect: str

    def run(
        self,
        statement: Executable | Prepared,
        values: Mapping[str, Any] | Sequence[Mapping[str, Any]] | None = None,
    ) -> Result[Any]:
        if isinstance(statement, Prepared):
            return self.connection.execute(statement.on(self.connection.dialect), values)
        return self.connection.execute(statement, values)

    def rows(self, statement: Executable | Prepared, **values: Any) -> Sequence[RowMapping]:
        return self.run(statement, values).mappings().all()

    def row(self, statement: Executable | Prepared, **values: Any) -> RowMapping | None:
        return self.run(statement, values).mappings().first()

    def scalar(self, statement: Executable | Prepared, **values: Any) -> Any:
        return self.run(statement, values).scalar()

    def insert(self, table: Table) -> postgresql.Insert | sqlite.Insert:
        """An INSERT that knows ON CONFLICT and RETURNING, which both databases spell alike."""
        return sqlite.insert(table) if self.dialect == "sqlite" else postgresql.insert(table)

    def seal(self, purpose: str, value: str) -> bytes:
        return self.keys.seal(purpose, value)

    def unseal(self, purpose: str, blob: bytes) -> str:
        return self.keys.unseal(purpose, blob)


class Ledger:
    """The store, for as long as the process lives.

    url: SQLAlchemy URL. keys: when the file they were read from changes (a rotation), the next transaction
    goes by the new ones. `read()` sees one moment and changes nothing; `write()` commits at its
    end or not at all. Neither may enclose a network call. On SQLite there is one writer at a time, and they queue.
    """

    def __init__(self, url: str, keys: Keys) -> None:
        self.keys = keys
        self._keys_stamp = None if keys.path is None else _stamp(keys.path)
        self.dialect = make_url(url).get_backend_name()
        self.engine = _sqlite_engine(url) if self.dialect == "sqlite" else _postgresql_engine(url)
        self._turn = _Turn(url) if self.dialect == "sqlite" else None

    @contextmanager
    def write(self) -> Iterator[Book]:
        if self._turn is None:
            with self.engine.begin() as connection:
                yield Book(connection, self._current_keys(), self.dialect)
            return
        with self._turn, self.engine.connect() as connection:
            connection = connection.execution_options(is_writing=True)
            with connection.begin():
                yield Book(connection, self._current_keys(), self.dialect)

    @contextmanager
    def read(self) -> Iterator[Book]:
        with self.engine.connect() as connection, connection.begin():
            yield Book(connection, self._current_keys(), self.dialect)

    def close(self) -> None:
        self.engine.dispose()
        if self._turn is not None:
            self._turn.close()

    def _current_keys(self) -> Keys:
        path = self.keys.path
        stamp = self._keys_stamp if path is None else _stamp(path) or self._keys_stamp
        if path is not None and stamp != self._keys_stamp:
            self.keys, self._keys_stamp = read_keys(path), stamp
        return self.keys


class _Turn:
    """The writer's turn on SQLite, among the threads of a process and among processes.

    A lock on a file beside the database wakes the next process at once; SQLite's own busy handler sleeps up to
    100 ms between looks, which measured p99 1 s with a worker writing beside the web process. Only speed hangs
    on it: who comes past it still meets BEGIN IMMEDIATE.
    """

    def __init__(self, url: str) -> None:
        self._threads = threading.Lock()
        self._file = open(f"{make_url(url).database}-turn", "ab")  # noqa: SIM115  # held as long as the ledger

    def __enter__(self) -> None:
        self._threads.acquire()
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX)
        except BaseException:
            self._threads.release()
            raise

    def __exit__(self, *_: object) -> None:
        fcntl.flock(self._file, fcntl.LOCK_UN)
        self._threads.release()

    def close(self) -> None:
        self._file.close()


def _stamp(path: Path) -> tuple[int, int] | None:
    """What changes when a file is replaced; None when it is away, as secrets may be once a process runs."""
    try:
        state = path.stat()
    except OSError:
        return None
    return state.st_mtime_ns, state.st_ino


def _sqlite_engine(url: str) -> Engine:
    place = make_url(url).database
    if not place or place == ":memory:":
        raise BadSetting("SQLite needs a file: processes share the ledger")
    Path(place).parent.mkdir(parents=True, exist_ok=True)
    engine = create_engine(
        url,
        connect_args={"timeout": BUSY_TIMEOUT, "check_same_thread": False},
        pool_size=POOL,
        max_overflow=8,
    )

    @event.listens_for(engine, "connect")
    def _prepare(raw: sqlite3.Connection, _record: object) -> None:
        raw.isolation_level = None  # we say BEGIN ourselves; sqlite3's own comes too late for IMMEDIATE
        # FULL: WAL with NORMAL may lose committed transactions on power loss, and an
        # acknowledged STOP must not (https://sqlite.org/pragma.html#pragma_synchronous)
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "secure_delete=ON"):
            raw.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        is_writing = connection.get_execution_options().get("is_writing", False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if is_writing else "BEGIN")

    return engine


def _postgresql_engine(url: str) -> Engine:
    own = make_url(url).query.get("options", "")  # connect_args would replace what the address says
    return create_engine(
        url,
        pool_size=POOL,
        max_overflow=8,
        pool_pre_ping=False,
        connect_args={"connect_timeout": 5, "options": f"-c lock_timeout=10s -c statement_timeout=60s {own}"},
    )
