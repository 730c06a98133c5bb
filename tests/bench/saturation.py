"""Measure how many STOPs a second are acknowledged when there are always more, beside what the machine could do.

Beside the database's own commits on one connection, and beside the same server only checking the signature.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from tests.bench.children import Child, free_port
from tests.bench.commits import commits_per_second
from tests.bench.figures import Aim, Figure, Measurement, median, percentile, ratio_of_pairs
from tests.bench.houses import BenchHouse, house
from tests.bench.load import Request, closed_load
from tests.bench.run import Run
from tests.bench.stops import serving, stops

CONNECTIONS = (16, 32)
AIM = Aim(of="ratio", at_least=0.15, wished=0.5)
STOPS_AT_MOST = 1000.0  #: a second; more are never prepared
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
    taken: dict[int, list[float]] = {count: [] for count in CONNECTIONS}
    slow: dict[int, list[float]] = {count: [] for count in CONNECTIONS}
    commits: dict[int, list[float]] = {count: [] for count in CONNECTIONS}
    checked: list[float] = []
    refused = 0
    with serving(made) as server, _only_checking(made) as yardstick:
        checks = _checks(made, yardstick, run.burst / 2)
        for number in range(run.rounds):
            run.say(f"saturation: {made.database}, round {number + 1} of {run.rounds}")
            for count in CONNECTIONS:
                commits[count].append(commits_per_second(made, run.burst / 2))
                people = made.written_to(round(STOPS_AT_MOST * run.burst))
                result = closed_load(
                    server.port, stops(made, people, server.port), connections=count, seconds=run.burst
                )
                taken[count].append(result.rate)
                slow[count].append(percentile(result.latencies, 0.99))
                refused += result.refused
            checked.append(closed_load(yardstick, checks, connections=16, seconds=run.burst / 2).rate)
    name = made.database
    figures = []
    for count in CONNECTIONS:
        ratio = ratio_of_pairs(taken[count], commits[count])
        reference = median(commits[count])
        figures += [
            Figure(f"{name}: {count} connections", median(taken[count]), "/s", reference, "commits", ratio, AIM),
            Figure(f"{name}: {count} connections, p99", median(slow[count]), "ms"),
        ]
    beside = ratio_of_pairs(taken[16], checked)
    return [
        *figures,
        Figure(f"{name}: 16 connections", median(taken[16]), "/s", median(checked), "signatures only", beside),
        Figure(f"{name}: refused", refused, aim=Aim(at_most=0)),
    ]


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
