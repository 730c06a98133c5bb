"""Measure how long a provider waits for its OK: signed STOPs by the clock, each from another number.

Only the web process runs, as it would between two looks of the worker; what it acknowledged is counted in the ledger.
"""

from __future__ import annotations

from tests.bench.figures import Aim, Figure, Measurement, percentile
from tests.bench.houses import BenchHouse, house
from tests.bench.load import closed_load, open_load
from tests.bench.run import Run
from tests.bench.stops import serving, stops

RATE = 50.0  #: STOPs a second
WARM_UP = 100
P99 = 100.0  #: milliseconds


def measure(run: Run) -> Measurement:
    figures: list[Figure] = []
    for database in run.databases:
        run.say(f"acknowledgement: {RATE:.0f} STOPs a second for {run.seconds:.0f} s on {database}")
        with house(database, run.folder) as made:
            figures += _figures(made, run)
    return Measurement(
        "acknowledgement",
        f"acknowledgement of STOP under an open load of {RATE:.0f} a second for {run.seconds:.0f} s",
        tuple(figures),
        (
            "Latency counts from the moment the clock gave a request, so waiting behind a slow one is in it.",
            "refused: everything that is not 200. missing: acknowledged STOPs without their opt-out or receipt in "
            "the ledger.",
        ),
    )


def _figures(made: BenchHouse, run: Run) -> list[Figure]:
    with serving(made) as server:
        closed_load(
            server.port, stops(made, made.written_to(WARM_UP), server.port), connections=8, seconds=run.seconds
        )
        before = _kept(made)
        people = made.written_to(round(RATE * run.seconds))
        result = open_load(server.port, stops(made, people, server.port), rate=RATE)
    name = made.database
    return [
        Figure(f"{name}: p50", percentile(result.latencies, 0.5), "ms"),
        Figure(f"{name}: p99", percentile(result.latencies, 0.99), "ms", aim=Aim(at_most=P99)),
        Figure(f"{name}: slowest", percentile(result.latencies, 1.0), "ms"),
        Figure(f"{name}: refused", result.refused, aim=Aim(at_most=0)),
        Figure(f"{name}: missing", result.taken - (_kept(made) - before), aim=Aim(at_most=0)),
        Figure(f"{name}: p99 of the generator's own lag", percentile(result.lags, 0.99), "ms"),
    ]


def _kept(made: BenchHouse) -> int:
    """STOPs that are whole: opt-out and receipt."""
    opt_outs = made.count("SELECT count(DISTINCT person) FROM opt_outs")
    return min(opt_outs, made.count("SELECT count(*) FROM outbox WHERE kind = 'receipt'"))
