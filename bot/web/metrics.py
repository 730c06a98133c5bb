"""Count what an operator watches. No label holds anything of a person: channels, outcomes and queues only."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime

import structlog
from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector
from sqlalchemy.exc import SQLAlchemyError

from bot.ledger import gauges
from bot.ledger.book import Ledger

log = structlog.get_logger()

SECONDS = (0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10)
"""Bounds of the histogram: the aim is 0.1 at the 99th percentile, providers give up from 5 on."""


class Metrics:
    """The counters of one process, in a registry of their own: two applications may stand side by side."""

    def __init__(self, ledger: Ledger, clock: Callable[[], datetime]) -> None:
        self._registry = CollectorRegistry()
        self._hooks = Counter(
            "whosent_hooks",
            "Hook requests by what became of them",
            ("channel", "outcome"),
            registry=self._registry,
        )
        self._acknowledged = Histogram(
            "whosent_hook_seconds",
            "Time from a hook's first byte to its answer",
            ("channel",),
            buckets=SECONDS,
            registry=self._registry,
        )
        self._registry.register(_Queues(ledger, clock))

    def hook(self, channel: str, outcome: str, seconds: float) -> None:
        """Count one hook request. seconds: from its first byte to its answer."""
        self._hooks.labels(channel, outcome).inc()
        self._acknowledged.labels(channel).observe(seconds)

    def page(self) -> bytes:
        """Everything in Prometheus' text format. Reads the queues from the ledger."""
        return generate_latest(self._registry)


class _Queues(Collector):
    """How much waits and for how long, read when asked."""

    def __init__(self, ledger: Ledger, clock: Callable[[], datetime]) -> None:
        self._ledger = ledger
        self._clock = clock

    def describe(self) -> list[GaugeMetricFamily]:
        return []  # or registering would already ask the database

    def collect(self) -> Iterator[GaugeMetricFamily]:
        length = GaugeMetricFamily("whosent_queue_length", "Rows that wait", labels=("queue",))
        age = GaugeMetricFamily(
            "whosent_queue_age_seconds", "Age of the row that waits longest", labels=("queue",)
        )
        up = GaugeMetricFamily("whosent_database_up", "Whether the ledger could be read")
        try:
            with self._ledger.read() as book:
                for queue, count, oldest in gauges.queues(book):
                    length.add_metric((queue,), count)
                    waited = (self._clock() - oldest).total_seconds() if oldest else 0.0
                    age.add_metric((queue,), max(waited, 0.0))
        except SQLAlchemyError as error:
            log.error("queues not read", error=type(error).__name__)
            up.add_metric((), 0)
            yield up
            return
        up.add_metric((), 1)
        yield from (up, length, age)
