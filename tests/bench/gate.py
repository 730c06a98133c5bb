"""Measure how fast the gate answers with millions of opt-outs in the ledger, beside the look-up alone.

The look-up: what a check must know of a number, asked of the same tables by the same index and driver on one
connection, for one number or for a batch of them, with nothing around it: no token, no HTTP, no number to read.
"""

from __future__ import annotations

import json
import random
import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import httpx2
import psycopg

from bot.ledger import clients, tokens
from bot.ledger.tokens import Right
from bot.services.check_gate import MOST
from tests.bench.crowd import fill
from tests.bench.figures import Aim, Figure, Measurement, median, percentile, ratio_of_pairs
from tests.bench.houses import CLIENT, BenchHouse, house
from tests.bench.load import Request, closed_load
from tests.bench.run import Run
from tests.bench.stops import serving

PATH = "/v1/check"
STOPPED = 100_000  #: numbers to ask about that opted out, and as many that did not
SINGLES_AT_MOST = 4_000.0  #: a second; more are never prepared
BATCHES_AT_MOST = 12.0
_WAYS = (("one at a time", 1, 1), ("16 at a time", 1, 16), (f"batches of {MOST}", MOST, 1))
"""What it is called, numbers a call, connections."""

_LOOK_UP = """SELECT people.number_key, opt_outs.client, opt_outs.covers, opt_outs.since
    FROM people JOIN opt_outs ON opt_outs.person = people.id
    WHERE opt_outs.lifted_at IS NULL AND people.number_key """

LookUp = Callable[[Sequence[bytes]], Any]


@dataclass(frozen=True, slots=True)
class _Crowd:
    """Numbers that may be asked about, with the keys they are found by, and the token of CLIENT."""

    stopped: list[str]
    free: list[str]
    keys: dict[str, bytes]
    token: str = field(repr=False)
    chance: random.Random = field(default_factory=lambda: random.Random(1))

    def some(self, count: int) -> list[str]:
        """Half of them stopped, in no order; of one, by chance."""
        numbers = self.chance.sample(self.stopped, (count + 1) // 2) + self.chance.sample(self.free, (count + 1) // 2)
        self.chance.shuffle(numbers)
        return numbers[:count]

    def request(self, count: int) -> Request:
        queries = [{"number": n, "client_id": CLIENT, "class": "marketing"} for n in self.some(count)]
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"}
        return Request(PATH, headers, json.dumps(queries if count > 1 else queries[0]).encode())


def measure(run: Run) -> Measurement:
    figures: list[Figure] = []
    for database in run.databases:
        with house(database, run.folder) as made:
            run.say(f"gate: filling {run.opt_outs} opt-outs into {database}")
            crowd = _filled(made, run.opt_outs)
            figures += _figures(made, crowd, run)
    return Measurement(
        "gate",
        f"answers of the gate with {run.opt_outs:,} opt-outs in the ledger".replace(",", " "),
        tuple(figures),
        (
            "A check: one number asked about over HTTP with a client's token, half of them of people who opted out.",
            "Look-up: the same question as one bare query of the same tables by the same index, on one connection; "
            "for a batch one query for all of it.",
            f"Medians of {run.long_rounds} rounds; ratios are those of runs made one after the other; p99 is of a "
            "call, over all rounds.",
        ),
    )


def _filled(made: BenchHouse, count: int) -> _Crowd:
    many = min(STOPPED, count // 2)
    numbers = made.numbers(2 * many)
    stopped, free = numbers[:many], numbers[many:]
    fill(made, count, stopped)
    store = made.open()
    try:
        with store.write() as book:
            client = clients.ids(book, [CLIENT])[CLIENT]
            token = tokens.add(book, "bench", Right.CLIENT, now=datetime.now(UTC), client=client)
        return _Crowd(stopped, free, {number: store.keys.find(number) for number in numbers}, token)
    finally:
        store.close()


def _figures(made: BenchHouse, crowd: _Crowd, run: Run) -> list[Figure]:
    checked: dict[str, list[float]] = {name: [] for name, *_ in _WAYS}
    bare: dict[str, list[float]] = {name: [] for name, *_ in _WAYS}
    latencies: dict[str, list[float]] = {name: [] for name, *_ in _WAYS}
    refused = 0
    with serving(made) as server, _looking_up(made) as look_up:
        _must_be_right(crowd, server.port)
        for number in range(run.long_rounds):
            run.say(f"gate: {made.database}, round {number + 1} of {run.long_rounds}")
            for name, count, connections in _WAYS:
                most = SINGLES_AT_MOST if count == 1 else BATCHES_AT_MOST
                requests = [crowd.request(count) for _ in range(round(most * run.burst))]
                result = closed_load(server.port, requests, connections=connections, seconds=run.burst)
                checked[name].append(count * result.rate)
                latencies[name] += result.latencies
                refused += result.refused
                bare[name].append(_bare_rate(look_up, crowd, count, run.burst / 2))
    figures = []
    for name, *_ in _WAYS:
        ratio = ratio_of_pairs(checked[name], bare[name])
        told = f"{made.database}: {name}"
        figures += [
            Figure(told, median(checked[name]), "checks/s", median(bare[name]), "looked up", ratio),
            Figure(f"{told}, p99", percentile(latencies[name], 0.99), "ms"),
        ]
    return [*figures, Figure(f"{made.database}: refused", refused, aim=Aim(at_most=0))]


def _must_be_right(crowd: _Crowd, port: int) -> None:
    """A gate that answers wrongly is not worth timing."""
    numbers = crowd.some(MOST)
    queries = [{"number": n, "client_id": CLIENT, "class": "marketing"} for n in numbers]
    headers = {"Authorization": f"Bearer {crowd.token}"}
    answer = httpx2.post(f"http://127.0.0.1:{port}{PATH}", json=queries, headers=headers, trust_env=False, timeout=60)
    stopped = set(crowd.stopped)
    if [a["allowed"] for a in answer.json()] != [n not in stopped for n in numbers]:
        raise RuntimeError("the gate answers wrongly")


def _bare_rate(look_up: LookUp, crowd: _Crowd, count: int, seconds: float) -> float:
    """Numbers looked up a second, one call after the other."""
    most = 20 if count > 1 else 20_000
    calls = [[crowd.keys[number] for number in crowd.some(count)] for _ in range(most)]
    began, done = time.perf_counter(), 0
    while time.perf_counter() < began + seconds:
        look_up(calls[done % most])
        done += 1
    return count * done / (time.perf_counter() - began)


@contextmanager
def _looking_up(made: BenchHouse) -> Iterator[LookUp]:
    if made.database == "SQLite":
        with closing(sqlite3.connect(made.folder / "whosent.db", isolation_level=None)) as file:
            yield lambda keys: file.execute(f"{_LOOK_UP} IN ({', '.join('?' * len(keys))})", keys).fetchall()
        return
    with psycopg.connect(made.plain_url, autocommit=True) as server:

        def look_up(keys: Sequence[bytes]) -> Any:
            if len(keys) == 1:
                return server.execute(f"{_LOOK_UP} = %s", keys).fetchall()
            return server.execute(f"{_LOOK_UP} = ANY(%s)", [keys]).fetchall()

        yield look_up
