"""Wake the workers of every process as soon as there is work. Carries no work: a lost ring costs a polling interval.

Redis if it is set up, else LISTEN/NOTIFY on PostgreSQL, else the process itself; polling every 200 ms is
always there below them, so that nothing hangs on any of these.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

import psycopg
import redis
import structlog

log = structlog.get_logger()

POLL = 0.2  #: seconds between looks without a ring
RECONNECT = 2.0  #: seconds before a broken line is tried again
CHANNEL = "whosent_work"
COALESCE = 0.005  #: seconds within which rings of one process become one


class Bell:
    """Rings in this process at once, and over the line, if there is one, in all others."""

    def __init__(self) -> None:
        self._events: list[threading.Event] = []
        self._to_send = threading.Event()
        self._closed = threading.Event()
        self._threads: list[threading.Thread] = []

    def ring(self) -> None:
        self._ring_here()
        self._to_send.set()

    def subscribe(self) -> threading.Event:
        """An event that every ring sets; whoever waits on it clears it."""
        event = threading.Event()
        self._events.append(event)
        return event

    def close(self) -> None:
        self._closed.set()
        self._to_send.set()
        self._ring_here()
        for thread in self._threads:
            thread.join(timeout=RECONNECT + 1)

    def _ring_here(self) -> None:
        for event in self._events:
            event.set()

    def _run(self, *lines: Callable[[], None]) -> None:
        for line in lines:
            thread = threading.Thread(target=self._keep, args=(line,), daemon=True, name="bell")
            thread.start()
            self._threads.append(thread)

    def _keep(self, line: Callable[[], None]) -> None:
        """Keep a line open; while it is broken, polling does its work."""
        while not self._closed.is_set():
            try:
                line()
            except (redis.RedisError, psycopg.Error, OSError) as error:
                log.warning("bell is mute", error=type(error).__name__)
                self._closed.wait(RECONNECT)

    def _next_ring(self) -> bool:
        """Wait for something to send; False when closing."""
        self._to_send.wait()
        self._closed.wait(COALESCE)
        self._to_send.clear()
        return not self._closed.is_set()


class RedisBell(Bell):
    def __init__(self, url: str) -> None:
        super().__init__()
        self._redis = redis.Redis.from_url(url, socket_timeout=5, socket_connect_timeout=1)
        self._run(self._send, self._listen)

    def close(self) -> None:
        super().close()
        self._redis.close()

    def _send(self) -> None:
        while self._next_ring():
            self._redis.publish(CHANNEL, b"")

    def _listen(self) -> None:
        with self._redis.pubsub(ignore_subscribe_messages=True) as line:  # type: ignore[no-untyped-call]
            line.subscribe(CHANNEL)
            while not self._closed.is_set():
                if line.get_message(timeout=1.0) is not None:
                    self._ring_here()


class PostgresBell(Bell):
    def __init__(self, url: str) -> None:
        super().__init__()
        self._url = url.replace("postgresql+psycopg://", "postgresql://", 1)
        self._run(self._send, self._listen)

    def _send(self) -> None:
        with psycopg.connect(self._url, autocommit=True, connect_timeout=2) as line:
            while self._next_ring():
                line.execute(f"NOTIFY {CHANNEL}")

    def _listen(self) -> None:
        with psycopg.connect(self._url, autocommit=True, connect_timeout=2) as line:
            line.execute(f"LISTEN {CHANNEL}")
            while not self._closed.is_set():
                for _ in line.notifies(timeout=1.0, stop_after=1):
                    self._ring_here()


def bell_for(database_url: str, redis_url: str) -> Bell:
    """The best line that the settings allow."""
    if redis_url:
        return RedisBell(redis_url)
    if database_url.startswith("postgresql"):
        return PostgresBell(database_url)
    return Bell()
