"""Open the ledger: engines, transactions, the writer's turn on SQLite. Knows no question asked of a table."""

from __future__ import annotations

import fcntl
import sqlite3
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, cast

import greenlet
from sqlalchemy import Connection, Dialect, Engine, Result, Table, create_engine, event
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import make_url
from sqlalchemy.engine.interfaces import DBAPICursor
from sqlalchemy.exc import DBAPIError
from sqlalchemy.sql import Executable

from bot.domain.errors import BadSetting
from bot.ledger.keys import Keys
from bot.ledger.keys import read as read_keys

BUSY_TIMEOUT = 5.0  #: seconds that one process waits for another's write
MOST_PLACES = 64  #: in lists of a statement that is kept ready; longer ones are rare
POOL = 24  #: connections a process may hold on PostgreSQL


Row = Mapping[str, Any]
"""One row of an answer, by the names of its columns."""


class Prepared:
    """A statement built once and handed to the driver as it stands, for the paths that every message takes.

    Building, compiling and executing by way of SQLAlchemy took two thirds of the time of a STOP. Types, dialects
    and the spelling of SQL are still SQLAlchemy's. build: given the dialect's `insert`, returns the statement;
    what varies is a `bindparam`. columns: of an INSERT, the ones filled.
    """

    def __init__(self, build: Callable[[Callable[[Table], Any]], Any], *columns: str) -> None:
        self._build = build
        self._columns = columns
        self._compiled: dict[str, _Compiled] = {}

    def on(self, dialect: Dialect, values: Mapping[str, Any]) -> _Plan:
        """How the driver is asked, with as many places as the lists among the values are long."""
        compiled = self._compiled.get(dialect.name)
        if compiled is None:
            insert = sqlite.insert if dialect.name == "sqlite" else postgresql.insert
            compiled = _Compiled(self._build(insert), self._columns, dialect)
            self._compiled[dialect.name] = compiled
        return compiled.plan(values)


_Process = Callable[[Any], Any]


@dataclass(frozen=True, slots=True)
class _Plan:
    """sql: as the driver takes it. fixed: what never varies. writers, readers: what SQLAlchemy's types make of a
    value on its way in (by name) and out (by place). order: for drivers that know no names."""

    sql: str
    fixed: Mapping[str, Any]
    lists: Mapping[str, Sequence[str]]
    writers: Sequence[tuple[str, _Process]]
    order: Sequence[str] | None
    columns: tuple[str, ...]
    readers: Sequence[tuple[int, _Process]]

    def parameters(self, values: Mapping[str, Any]) -> Mapping[str, Any] | Sequence[Any]:
        flat = {**self.fixed, **values}
        for name, places in self.lists.items():
            flat.update(zip(places, flat.pop(name), strict=True))
        for name, write in self.writers:
            flat[name] = write(flat[name])
        return flat if self.order is None else [flat[name] for name in self.order]

    def row(self, raw: Sequence[Any]) -> Row:
        made = list(raw)
        for place, read in self.readers:
            made[place] = read(made[place])
        return dict(zip(self.columns, made, strict=True))


class _Compiled:
    """A statement on one database, and its plans by the lengths of the lists it was given."""

    def __init__(self, statement: Any, columns: Sequence[str], dialect: Dialect) -> None:
        self._dialect = dialect
        self._sql: Any = statement.compile(dialect=dialect, column_keys=list(columns) or None)
        self._shown = statement.exported_columns
        types = {name: bind.type.dialect_impl(dialect) for bind, name in self._sql.bind_names.items()}
        self._writers = {name: kind.bind_processor(dialect) for name, kind in types.items()}
        self._lists = [
            name for bind, name in self._sql.bind_names.items() if bind.expanding and bind.required
        ]
        self._plans: dict[tuple[int, ...], _Plan] = {}

    def plan(self, values: Mapping[str, Any]) -> _Plan:
        lengths = tuple([len(values[name]) for name in self._lists])
        plan = self._plans.get(lengths)
        if plan is None:
            plan = self._made(values)
            if sum(lengths) <= MOST_PLACES:
                self._plans[lengths] = plan
        return plan

    def _made(self, values: Mapping[str, Any]) -> _Plan:
        state = self._sql.construct_expanded_state(values)
        lists = {name: state.parameter_expansion[name] for name in self._lists}
        varying = {*values, *(place for places in lists.values() for place in places)}
        of_all = {**self._writers, **state.processors}
        writers = {name: of_all[name] for name in state.parameters if of_all.get(name) is not None}
        types = [column.type.dialect_impl(self._dialect) for column in self._shown]
        readers = [(place, kind.result_processor(self._dialect, None)) for place, kind in enumerate(types)]
        return _Plan(
            sql=state.statement,
            fixed={
                name: writers[name](value) if name in writers else value
                for name, value in state.parameters.items()
                if name not in varying
            },
            lists=lists,
            writers=[(name, write) for name, write in writers.items() if name in varying],
            order=state.positiontup,
            columns=tuple(self._shown.keys()),
            readers=[(place, read) for place, read in readers if read is not None],
        )


@dataclass(slots=True)
class Book:
    """One transaction. Functions of the ledger take it as their first argument."""

    connection: Connection = field(repr=False)
    keys: Keys = field(repr=False)
    dialect: str
    known: dict[tuple[str, int], Any] = field(default_factory=dict, repr=False)
    """What this transaction has read already and asks for again, by kind and row id: of people that it holds, and
    of clients. Prepared statements write neither; any other statement empties it."""
    _cursor: DBAPICursor | None = field(default=None, repr=False)
    _let_others: Callable[[], object] | None = field(default=None, repr=False)

    def run(
        self, statement: Executable, values: Mapping[str, Any] | Sequence[Mapping[str, Any]] | None = None
    ) -> Result[Any]:
        if self._let_others is not None:  # in a pipeline SQLAlchemy would take every answer for none
            leave, self._let_others = self._let_others, None
            leave()
        self.known.clear()
        return self.connection.execute(statement, values)

    @property
    def is_in_step(self) -> bool:
        """Does this transaction hold other work too, which goes on whenever this one asks something?"""
        return self._let_others is not None

    def do(self, statement: Prepared, **values: Any) -> int:
        """How many rows it changed."""
        self._ask(statement.on(self.connection.dialect, values), values)
        return 0 if self._cursor is None else self._cursor.rowcount

    def rows(self, statement: Executable | Prepared, **values: Any) -> Sequence[Row]:
        if isinstance(statement, Prepared):
            plan = statement.on(self.connection.dialect, values)
            return [plan.row(raw) for raw in self._ask(plan, values)]
        return cast("Sequence[Row]", self.run(statement, values).mappings().all())

    def row(self, statement: Executable | Prepared, **values: Any) -> Row | None:
        if isinstance(statement, Prepared):
            plan = statement.on(self.connection.dialect, values)
            found = self._ask(plan, values)
            return plan.row(found[0]) if found else None
        return cast("Row | None", self.run(statement, values).mappings().first())

    def scalar(self, statement: Executable | Prepared, **values: Any) -> Any:
        if isinstance(statement, Prepared):
            row = self.row(statement, **values)
            return None if row is None else next(iter(row.values()))
        return self.run(statement, values).scalar()

    def _ask(self, plan: _Plan, values: Mapping[str, Any]) -> Sequence[Any]:
        """Have the driver carry it out, its errors raised as SQLAlchemy's are."""
        connection, dialect = self.connection, self.connection.dialect
        if self._cursor is None:
            self._cursor = connection.connection.cursor()
        cursor, parameters = self._cursor, plan.parameters(values)
        for listener in connection.dispatch.before_cursor_execute:
            listener(connection, cursor, plan.sql, parameters, None, False)
        try:
            cursor.execute(plan.sql, parameters)
            if self._let_others is not None:
                self._let_others()
            return cursor.fetchall() if plan.columns else ()
        except dialect.loaded_dbapi.Error as error:
            is_lost = dialect.is_disconnect(error, connection.connection.driver_connection, cursor)
            if is_lost:
                connection.invalidate(error)
            raise DBAPIError.instance(
                plan.sql,
                None,
                error,
                dialect.loaded_dbapi.Error,
                hide_parameters=True,
                connection_invalidated=is_lost,
                dialect=dialect,
            ) from error

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

    def write_together(self, works: Sequence[Callable[[Book], object]]) -> None:
        """Do several pieces of work in one transaction: all of them are committed, or none.

        None may depend on what another does, or on its not having been done. On PostgreSQL they go in step: what
        each asks next is sent together, and the server answers all at once, which takes half the time of both.
        One that comes to a statement that is not prepared goes on alone. Raises whatever one of them raises.
        """
        with self.write() as book:
            if self.dialect == "sqlite":
                for work in works:
                    work(book)
            else:
                _in_step(book, works)

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


def _in_step(book: Book, works: Sequence[Callable[[Book], object]]) -> None:
    """See `Ledger.write_together`. https://www.psycopg.org/psycopg3/docs/advanced/pipeline.html"""
    driver: Any = book.connection.connection.driver_connection
    here = greenlet.getcurrent()
    books = [Book(book.connection, book.keys, book.dialect, _let_others=here.switch) for _ in works]
    going = [(greenlet.greenlet(partial(work, own)), own) for work, own in zip(works, books, strict=True)]
    while going:
        with driver.pipeline():
            for one, _ in going:
                one.switch()
        for one, own in going:
            if not one.dead and not own.is_in_step:
                one.switch()
        going = [(one, own) for one, own in going if not one.dead]


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
