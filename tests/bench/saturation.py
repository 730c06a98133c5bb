"""Measure how many STOPs a second are acknowledged when there are always more, beside what the machine could do.

Beside the database's own commits on one connection, and beside the same server only checking the signature.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager

from tests.bench.children import Child, free_port
from tests.bench.commits import commits_per_second
from tests.bench.figures import Aim, Figure, Measurement, median, percentile, ratio_of_pairs
from tests.bench.houses import BenchHouse, house
from tests.bench.load import Request, Result, closed_load
from tests.bench.run import Run
from tests.bench.stops import Serving, serving, stops

LOADS = {"SQLite": ((1, 16), (1, 32)), "PostgreSQL": ((1, 16), (1, 32), (2, 32))}
"""Web processes and connections to all of them; several processes are of use where several can write."""
AIM = Aim(of="ratio", at_least=0.15, wished=0.5)
STOPS_AT_MOST = 1200.0  #: a second; more are never prepared
CHECKS_AT_MOST = 6000.0


def measure(run: Run) -> Measurement:
    figures: list[Figure] = []
    for database in run.databases:
        with house(database, run.folder) as made:
            figures += _figures(made, run)
    return Measurement(
        "saturation",
        "STOPs acknowledged a second at saturation",
        tuple(figures),
        (
            "commit: one row a commit on one connection, synchronous=FULL or the server's fsync, same disk.",
            f"Medians of {run.rounds} rounds; ratios are those of runs made one after the other.",
        ),
    )


def _figures(made: BenchHouse, run: Run) -> list[Figure]:
    loads = LOADS[made.database]
    taken: dict[tuple[int, int], list[float]] = {load: [] for load in loads}
    slow: dict[tuple[int, int], list[float]] = {load: [] for load in loads}
    commits: dict[tuple[int, int], list[float]] = {load: [] for load in loads}
    checked: list[float] = []
    refused = 0
    with ExitStack() as stack:
        servers = [stack.enter_context(serving(made)) for _ in range(max(count for count, _ in loads))]
        yardstick = stack.enter_context(_only_checking(made))
        checks = _checks(made, yardstick, run.burst / 2)
        for number in range(run.rounds):
            run.say(f"saturation: {made.database}, round {number + 1} of {run.rounds}")
            for load in loads:
                commits[load].append(commits_per_second(made, run.burst / 2))
                results = _at_once(made, servers[: load[0]], load[1], run)
                taken[load].append(sum(result.rate for result in results))
                slow[load].append(percentile([one for r in results for one in r.latencies], 0.99))
                refused += sum(result.refused for result in results)
            checked.append(closed_load(yardstick, checks, connections=16, seconds=run.burst / 2).rate)
    figures = []
    for load in loads:
        name = f"{made.database}: {f'{load[0]} web processes, ' if load[0] > 1 else ''}{load[1]} connections"
        ratio = ratio_of_pairs(taken[load], commits[load])
        figures += [
            Figure(name, median(taken[load]), "/s", median(commits[load]), "commits", ratio, AIM),
            Figure(f"{name}, p99", median(slow[load]), "ms"),
        ]
    first = taken[loads[0]]
    beside = ratio_of_pairs(first, checked)
    name = f"{made.database}: {loads[0][1]} connections"
    return [
        *figures,
        Figure(name, median(first), "/s", median(checked), "signatures only", beside),
        Figure(f"{made.database}: refused", refused, aim=Aim(at_most=0)),
    ]


def _at_once(made: BenchHouse, servers: Sequence[Serving], connections: int, run: Run) -> list[Result]:
    """As many STOPs as are answered in a burst, the connections shared among the servers."""
    share = len(servers)
    people = made.written_to(round(STOPS_AT_MOST * run.burst))
    lots = [stops(made, people[place::share], server.port) for place, server in enumerate(servers)]
    with ThreadPoolExecutor(share) as pool:
        under_way = [
            pool.submit(closed_load, server.port, lot, connections=connections // share, seconds=run.burst)
            for server, lot in zip(servers, lots, strict=True)
        ]
        return [result.result() for result in under_way]


@contextmanager
def _only_checking(made: BenchHouse) -> Iterator[int]:
    port = free_port()
    command = [sys.executable, "-m", "tests.bench.signature_only", str(port)]
    with Child(command, environment=made.environment(port=port), folder=made.folder) as child:
        child.ready_at_port(port)
        yield port


def _checks(made: BenchHouse, port: int, seconds: float) -> list[Request]:
    """Few signed requests again and again: nothing of them is kept."""
    few = stops(made, made.numbers(100), port)
    return few * round(CHECKS_AT_MOST * seconds / len(few))
