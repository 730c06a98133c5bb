"""Rings from process to process: each bell has its own connection, as in another process."""

from __future__ import annotations

import os
import threading
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass

import psycopg
import pytest
import redis
from psycopg import sql

from bot import waking
from bot.waking import Bell, PostgresBell, RedisBell, bell_for
from tests.conftest import DATABASE_URL, REQUIRE_SERVICES

REDIS_URL = os.environ.get("WHOSENT_TEST_REDIS_URL") or "redis://127.0.0.1:6379/15"
SOON = 1.0  #: seconds within which a ring must be heard


@dataclass(slots=True)
class Line:
    """How to make a bell of a kind, and how the server cuts and counts the lines of all of them."""

    make: Callable[[], Bell]
    cut: Callable[[], int]
    count: Callable[[], int]


@pytest.fixture(params=["redis", "postgresql"])
def line(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Line:
    # A channel of this test's own: other tests ring in the same database.
    monkeypatch.setattr(waking, "CHANNEL", f"whosent_{uuid.uuid4().hex[:10]}")
    name = f"bell-{uuid.uuid4().hex[:10]}"
    return _redis_line(name) if request.param == "redis" else _postgresql_line(name)


def _redis_line(name: str) -> Line:
    server = redis.Redis.from_url(REDIS_URL, socket_connect_timeout=1)
    try:
        server.ping()
    except redis.RedisError:
        _missing("no Redis answers at WHOSENT_TEST_REDIS_URL")

    def cut() -> int:
        mine = [c for c in server.client_list() if c["name"] == name]
        return sum(int(server.client_kill_filter(_id=c["id"])) for c in mine)

    def count() -> int:
        return sum(c["name"] == name for c in server.client_list())

    url = f"{REDIS_URL}{'&' if '?' in REDIS_URL else '?'}client_name={name}"
    return Line(lambda: RedisBell(url), cut, count)


def _postgresql_line(name: str) -> Line:
    url = DATABASE_URL.replace("postgresql+psycopg://", "postgresql://", 1)
    try:
        psycopg.connect(url, connect_timeout=3).close()
    except psycopg.OperationalError:
        _missing("no PostgreSQL answers at WHOSENT_TEST_DATABASE_URL")

    def cut() -> int:
        with psycopg.connect(url, autocommit=True) as server:
            mine = sql.SQL(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = {}"
            )
            return len(server.execute(mine.format(sql.Literal(name))).fetchall())

    def count() -> int:
        with psycopg.connect(url, autocommit=True) as server:
            mine = sql.SQL("SELECT pid FROM pg_stat_activity WHERE application_name = {}")
            return len(server.execute(mine.format(sql.Literal(name))).fetchall())

    own = f"{url}{'&' if '?' in url else '?'}application_name={name}"
    return Line(lambda: PostgresBell(own.replace("postgresql://", "postgresql+psycopg://", 1)), cut, count)


def _missing(reason: str) -> None:
    if REQUIRE_SERVICES:
        pytest.fail(reason)
    pytest.skip(reason)


def hears(ear: threading.Event, bell: Bell, *, within: float) -> bool:
    """Does a ring of the other bell arrive? Rung again and again, as a line may only just be opening."""
    until = time.monotonic() + within
    while time.monotonic() < until:
        bell.ring()
        if ear.wait(0.2):
            return True
    return False


def test_a_ring_wakes_the_other_process_within_a_second(line: Line) -> None:
    here, there = line.make(), line.make()
    try:
        ear = there.subscribe()
        assert hears(ear, here, within=5)
        took = []
        for _ in range(5):
            time.sleep(0.05)  # echoes of the ring before must not be taken for this one
            ear.clear()
            began = time.monotonic()
            here.ring()
            assert ear.wait(SOON)
            took.append(time.monotonic() - began)
        assert min(took) < 0.5
    finally:
        here.close()
        there.close()


def test_a_ring_wakes_everybody_in_its_own_process_at_once(line: Line) -> None:
    bell = line.make()
    try:
        ears = [bell.subscribe() for _ in range(3)]
        bell.ring()
        assert all(ear.is_set() for ear in ears)
    finally:
        bell.close()


def test_a_line_that_the_server_cut_mends_itself(line: Line) -> None:
    here, there = line.make(), line.make()
    try:
        ear = there.subscribe()
        assert hears(ear, here, within=5)
        assert line.cut() >= 2
        ear.clear()
        assert hears(ear, here, within=10)
    finally:
        here.close()
        there.close()


def test_a_burst_of_rings_becomes_few(line: Line) -> None:
    here, there = line.make(), line.make()
    try:
        ear = there.subscribe()
        assert hears(ear, here, within=5)
        time.sleep(0.3)
        heard = 0
        ear.clear()
        for _ in range(2000):
            here.ring()
        while ear.wait(0.3):
            ear.clear()
            heard += 1
        assert 1 <= heard < 200
    finally:
        here.close()
        there.close()


def test_closing_leaves_no_thread_and_no_connection(line: Line) -> None:
    before = set(threading.enumerate())
    bell = line.make()
    bell.ring()
    until = time.monotonic() + 5
    while line.count() < 2 and time.monotonic() < until:
        time.sleep(0.05)  # there is no event for what a server has seen
    assert line.count() == 2
    began = time.monotonic()
    bell.close()
    assert time.monotonic() - began < 5
    assert set(threading.enumerate()) <= before
    until = time.monotonic() + 5
    while (left := line.count()) and time.monotonic() < until:
        time.sleep(0.1)  # the server notices a closed line when it likes
    assert left == 0


@pytest.mark.parametrize(
    "make",
    [
        lambda: RedisBell("redis://127.0.0.1:1/0"),
        lambda: PostgresBell("postgresql://nobody@127.0.0.1:1/none"),
    ],
)
def test_with_the_server_away_rings_still_reach_their_own_process(make: Callable[[], Bell]) -> None:
    before = set(threading.enumerate())
    bell = make()
    ear = bell.subscribe()
    bell.ring()
    assert ear.is_set()
    bell.close()
    assert set(threading.enumerate()) <= before


def test_the_best_line_of_the_settings_is_taken() -> None:
    assert type(bell_for("sqlite:///a.db", "")) is Bell
    for url, redis_url, kind in (
        ("postgresql+psycopg://nobody@127.0.0.1:1/none", "", PostgresBell),
        ("postgresql+psycopg://nobody@127.0.0.1:1/none", "redis://127.0.0.1:1/0", RedisBell),
    ):
        bell = bell_for(url, redis_url)
        assert type(bell) is kind
        bell.close()
