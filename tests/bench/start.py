"""Measure how soon each process is ready and what it weighs, at rest and after work. Stops them all again."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

import httpx2

from bot import nlu_process
from bot.domain.messages import Address, Inbound, Kind, Medium, Received
from bot.services.receive import receive
from bot.understanding import Understanding
from tests.bench.children import Child, Memory, free_port
from tests.bench.figures import Figure, Measurement, median
from tests.bench.houses import OURS, BenchHouse, command, house
from tests.bench.load import closed_load
from tests.bench.run import Run
from tests.bench.stops import stops
from tests.bench.texts import mixed
from tests.standins.twilio import TwilioStandIn

WORK_WITHIN = 120.0  #: seconds
LOOK_EVERY = 0.05  #: seconds between looks into the ledger: a process tells nobody that it has no work left
AT_ONCE = 16

Started = tuple[Child, float]


def measure(run: Run) -> Measurement:
    """On the first database only: the processes are the same on each."""
    nlu_process.train(progress=run.say)
    figures: list[Figure] = []
    with (
        house(run.databases[-1], run.folder) as made,
        TwilioStandIn(account=made.account, token=made.token, numbers=(OURS,)) as twilio,
    ):
        ready: dict[str, list[float]] = {"serve": [], "work": [], "nlu run": []}
        rest: dict[str, list[Memory]] = {name: [] for name in ready}
        loaded: dict[str, Memory] = {}
        for number in range(run.long_rounds):
            run.say(f"start: round {number + 1} of {run.long_rounds}")
            with _nlu(made) as (model, seconds, url, secret):
                ready["nlu run"].append(seconds)
                rest["nlu run"].append(model.memory())
                port = free_port()
                known = made.environment(
                    port=port,
                    WHOSENT_NLU_URL=url,
                    WHOSENT_NLU_SECRET=secret,
                    WHOSENT_SIMULATOR="true",
                    WHOSENT_TWILIO_API_URL=twilio.url,
                )
                with _child("serve", made, known, "--port", str(port)) as serve:
                    ready["serve"].append(serve.ready_when(_healthy(f"http://127.0.0.1:{port}/readyz")))
                    rest["serve"].append(serve.memory())
                    people = made.written_to(run.turns)
                    closed_load(port, stops(made, people, port), connections=AT_ONCE, seconds=run.burst)
                    loaded["serve"] = serve.memory()
                with _child("work", made, known) as work:
                    ready["work"].append(work.ready_at_line("worker started"))
                    rest["work"].append(work.memory())
                    _load_worker(made, run.turns, url, secret)
                    loaded["work"] = work.memory()
                    loaded["nlu run"] = model.memory()
        for name in ready:
            figures.append(Figure(f"{name}: ready after", median(ready[name]), "s"))
            figures += _weights(name, "ready", rest[name][-1])
            figures += _weights(name, "after load", loaded[name])
    return Measurement(
        "start",
        "start and memory of each process",
        tuple(figures),
        (
            f"On {run.databases[-1]}; medians of {run.long_rounds} starts, from the command to its first answer.",
            f"Load: {run.turns} STOPs for serve, {run.turns} turns read, answered and sent, and the receipts of the "
            "STOPs, for work and nlu run.",
            "RSS: resident. PSS: the same, shared pages divided among those who share them.",
        ),
    )


@contextmanager
def _nlu(made: BenchHouse) -> Iterator[tuple[Child, float, str, str]]:
    port, secret = free_port(), secrets.token_urlsafe(32)
    url = f"http://127.0.0.1:{port}"
    environment = made.environment(port=8000, WHOSENT_NLU_SECRET=secret)
    with _child("nlu", made, environment, "run", "--port", str(port)) as child:
        yield child, child.ready_when(_healthy(f"{url}/webhooks/parse/health")), url, secret


def _child(name: str, made: BenchHouse, environment: dict[str, str], *more: str) -> Child:
    return Child(command(name, *more), environment=environment, folder=made.folder)


def _healthy(url: str) -> Callable[[], bool]:
    def answers() -> bool:
        try:
            return httpx2.get(url, timeout=2.0, trust_env=False).status_code == 200
        except httpx2.HTTPError:
            return False

    return answers


def _load_worker(made: BenchHouse, count: int, url: str, secret: str) -> None:
    """Messages for the worker, then wait until all are answered and sent to the simulator."""
    model = Understanding(url, secret)
    built = made.build(model)
    now = datetime.now(UTC)
    try:
        for person, text in zip(made.numbers(count), mixed(count), strict=True):
            address = Address("simulator", "simulator", Medium.SMS, person, OURS)
            message = Inbound(f"bench-{person}", address, Kind.TEXT, received_at=now, sent_at=now, text=text)
            receive(built.house, Received(inbound=(message,)), now=built.clock())
    finally:
        built.close()
        model.close()
    until = time.perf_counter() + WORK_WITHIN
    while made.count("SELECT (SELECT count(*) FROM inbox WHERE state = 'new') + "
                     "(SELECT count(*) FROM outbox WHERE state IN ('ready', 'in_hand'))"):  # fmt: skip
        if time.perf_counter() > until:
            raise RuntimeError("the worker did not finish its load")
        time.sleep(LOOK_EVERY)


def _weights(name: str, when: str, memory: Memory) -> list[Figure]:
    figures = [Figure(f"{name}: RSS {when}", memory.resident, "MB")]
    if memory.share is not None:
        figures.append(Figure(f"{name}: PSS {when}", memory.share, "MB"))
    return figures
