"""Measure how long a provider waits for its OK: signed STOPs by the clock, each from another number.

First with the web process alone, then shorter with the worker sending the receipts meanwhile, to a stand-in of the
provider on this machine. What was acknowledged is counted in the ledger.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from tests.bench.children import Child
from tests.bench.figures import Aim, Figure, Measurement, percentile
from tests.bench.houses import OURS, BenchHouse, command, house
from tests.bench.load import closed_load, open_load
from tests.bench.run import Run
from tests.bench.stops import serving, stops
from tests.standins.twilio import TwilioStandIn

RATE = 50.0  #: STOPs a second
WARM_UP = 100
WITH_WORKER = 0.25  #: of the time, once more with the worker
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
    name = made.database
    with serving(made) as server:
        warm_up = stops(made, made.written_to(WARM_UP), server.port)
        warm = closed_load(server.port, warm_up, connections=8, seconds=run.seconds)
        if warm.refused:  # not load, but a fault: say so instead of measuring how fast it is
            raise RuntimeError(f"{name} refuses even the first STOPs: {warm.refusals}")
        before = _kept(made)
        people = made.written_to(round(RATE * run.seconds))
        result = open_load(server.port, stops(made, people, server.port), rate=RATE)
        missing = result.taken - (_kept(made) - before)
        run.say(f"acknowledgement: the same with the worker sending, on {name}")
        with _sending(made):
            people = made.written_to(round(RATE * run.seconds * WITH_WORKER))
            beside = open_load(server.port, stops(made, people, server.port), rate=RATE)
    return [
        Figure(f"{name}: p50", percentile(result.latencies, 0.5), "ms"),
        Figure(f"{name}: p99", percentile(result.latencies, 0.99), "ms", aim=Aim(at_most=P99)),
        Figure(f"{name}: slowest", percentile(result.latencies, 1.0), "ms"),
        Figure(f"{name}: refused", result.refused, result.refusals, aim=Aim(at_most=0)),
        Figure(f"{name}: missing", missing, aim=Aim(at_most=0)),
        Figure(f"{name}: p99 of the generator's own lag", percentile(result.lags, 0.99), "ms"),
        Figure(f"{name}, worker sending: p50", percentile(beside.latencies, 0.5), "ms"),
        Figure(f"{name}, worker sending: p99", percentile(beside.latencies, 0.99), "ms"),
        Figure(f"{name}, worker sending: refused", beside.refused, beside.refusals, aim=Aim(at_most=0)),
    ]


@contextmanager
def _sending(made: BenchHouse) -> Iterator[None]:
    """The worker and the provider's stand-in, for the length of a `with`."""
    with TwilioStandIn(account=made.account, token=made.token, numbers=(OURS,)) as twilio:
        environment = made.environment(port=8000, WHOSENT_TWILIO_API_URL=twilio.url)
        with Child(command("work"), environment=environment, folder=made.folder) as worker:
            worker.ready_at_line("worker started")
            yield


def _kept(made: BenchHouse) -> int:
    """STOPs that are whole: opt-out and receipt."""
    opt_outs = made.count("SELECT count(DISTINCT person) FROM opt_outs")
    return min(opt_outs, made.count("SELECT count(*) FROM outbox WHERE kind = 'receipt'"))
