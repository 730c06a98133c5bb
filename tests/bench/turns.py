"""Measure whole turns beside reading alone, and beside stock Rasa on the same data. Sends no answer to anybody.

A turn here: claimed, read by the model's real process, decided, answered into the outbox and settled, as the worker
does it; each text needs the model. Three turns a person, so that conversations have a past, and none is limited.
"""

from __future__ import annotations

import itertools
import json
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from functools import partial

from bot import nlu_process
from bot.bootstrap import Built
from bot.domain import language
from bot.domain.messages import Address, Inbound, Kind, Medium, Received
from bot.domain.readings import Reading
from bot.services.receive import receive
from bot.services.respond import respond
from bot.understanding import Understanding
from bot.worker import RESPONDERS, TURNS_AT_ONCE
from tests.bench import stock
from tests.bench.figures import Aim, Figure, Measurement, median, ratio_of_pairs
from tests.bench.houses import OURS, BenchHouse, house
from tests.bench.load import Request, closed_load
from tests.bench.run import Run
from tests.bench.texts import mixed

TURNS_A_PERSON = 3
READ_AT_ONCE = {1: "one at a time", TURNS_AT_ONCE: f"{TURNS_AT_ONCE} at a time"}
OF_PARSING = Aim(of="ratio", at_least=0.6)
OF_STOCK = Aim(of="ratio", at_least=3.0)
READ_WITHIN = 30.0  #: seconds; a deadline missed on a busy machine would be a turn without a reading
STOCK_WITHIN = 120.0
SENDERS = 8
SILENT_AT_MOST = 0.02  #: part of the turns: what looks like an auto-reply, and a STOP said again, get no answer
FEWER_ONE_BY_ONE = 3  #: that part of the turns is enough one by one


class NotWhole(Exception):
    """Some turns had no reading or no answer; their number is no measurement."""


def measure(run: Run) -> Measurement:
    """Turns beside reading alone."""
    with _house_with_model(run) as (houses, model):
        figures = []
        for made in houses:
            turned: list[float] = []
            parsed: dict[int, list[float]] = {size: [] for size in READ_AT_ONCE}
            with _built(made, model) as built:
                for number in range(run.rounds):
                    run.say(f"turns: {made.database}, round {number + 1} of {run.rounds}")
                    texts = _texts(run, number)
                    for size, rates in parsed.items():
                        rates.append(_rate(len(texts), partial(_parse, model, texts, size)))
                    _take_in(made, built, texts)
                    turned.append(_rate(len(texts), partial(_answer_all, built)))
                    _must_be_whole(made)
            figures += [
                Figure(
                    f"{made.database}: turns",
                    median(turned),
                    "/s",
                    median(parsed[size]),
                    f"read alone, {READ_AT_ONCE[size]}",
                    ratio_of_pairs(turned, parsed[size]),
                    OF_PARSING,
                )
                for size in READ_AT_ONCE
            ]
    return Measurement(
        "turns",
        "whole turns a second beside reading alone",
        tuple(figures),
        (
            f"All with {RESPONDERS} threads; the worker's hand the model's process {TURNS_AT_ONCE} texts at a time.",
            f"{run.turns} texts a round, {run.rounds} rounds; the ratio is the median of the rounds'.",
        ),
    )


def measure_stock(run: Run) -> Measurement:
    """Turns, receiving included, beside stock Rasa's."""
    run.say("stock Rasa: its model (trained once)")
    trained = stock.model()
    figures: list[Figure] = []
    with _house_with_model(run) as (houses, model), ExitStack() as stack:
        addresses = {
            name: stack.enter_context(stock.running(trained, is_mended=is_mended))
            for name, is_mended in (("stock", False), ("mended", True))
        }
        ours = {made.database: stack.enter_context(_built(made, model)) for made in houses}
        for way in (_one_by_one, _many_at_once):
            theirs: dict[str, list[float]] = {name: [] for name in addresses}
            rates: dict[str, list[float]] = {name: [] for name in ours}
            for number in range(run.rounds):
                run.say(f"stock Rasa: {way.__doc__}, round {number + 1} of {run.rounds}")
                texts = _texts(run, number)
                if way is _one_by_one:
                    texts = texts[: len(texts) // FEWER_ONE_BY_ONE]
                connections = 1 if way is _one_by_one else SENDERS
                for name, address in addresses.items():
                    theirs[name].append(_stock_rate(address, texts, connections, tag=f"{name}-{number}"))
                for made in houses:
                    take_turns = partial(way, made, ours[made.database], texts)
                    rates[made.database].append(_rate(len(texts), take_turns))
                    _must_be_whole(made)
            for database, rate in rates.items():
                figures += [
                    Figure(
                        f"{database}: {way.__doc__}",
                        median(rate),
                        "/s",
                        median(theirs[name]),
                        f"{name} Rasa",
                        ratio_of_pairs(rate, theirs[name]),
                        OF_STOCK if name == "stock" else None,
                    )
                    for name in addresses
                ]
    return Measurement(
        "stock",
        "turns a second, receiving included, beside stock Rasa 3.6",
        tuple(figures),
        (
            "Stock: the same pipeline and training data, a rule for each intent, one custom action on Rasa's action "
            "server that answers from a dict, REST channel, trackers in memory; nothing is durable there.",
            "Mended: its constant JSON schema is checked once instead of at each answer of an action.",
            f"At once: {SENDERS} senders there; here everything is received, then answered by the worker's "
            f"{RESPONDERS} threads. Three turns a person on both sides.",
        ),
    )


def _one_by_one(made: BenchHouse, built: Built, texts: Sequence[str]) -> None:
    """one after the other"""
    for message in _messages(made, texts):
        receive(built.house, Received(inbound=(message,)), now=built.clock())
        respond(built.house, built.topics, clock=built.clock)


def _many_at_once(made: BenchHouse, built: Built, texts: Sequence[str]) -> None:
    """many at once"""
    _take_in(made, built, texts)
    _answer_all(built)


@contextmanager
def _house_with_model(run: Run) -> Iterator[tuple[list[BenchHouse], Understanding]]:
    """A house on each database and the model's process; what is loaded on first use is loaded."""
    language.warm_up()
    trained = nlu_process.train(progress=run.say).model
    with ExitStack() as stack:
        running = stack.enter_context(nlu_process.started(trained))
        model = Understanding(running.url, running.secret, deadline=READ_WITHIN)
        stack.callback(model.close)
        houses = [stack.enter_context(house(database, run.folder)) for database in run.databases]
        yield houses, model


@contextmanager
def _built(made: BenchHouse, model: Understanding) -> Iterator[Built]:
    built = made.build(model)
    try:
        _many_at_once(made, built, mixed(2 * TURNS_AT_ONCE))
        yield built
    finally:
        built.close()


def _texts(run: Run, number: int) -> list[str]:
    """Those of one round; each round has its own."""
    return mixed((number + 1) * run.turns)[number * run.turns :]


def _messages(made: BenchHouse, texts: Sequence[str]) -> list[Inbound]:
    """Everybody's first message, then everybody's second: nobody's turn waits for another of their own."""
    people = made.numbers(-(-len(texts) // TURNS_A_PERSON))
    now = datetime.now(UTC)
    return [
        Inbound(
            provider_id=f"bench-{person}-{place}",
            address=Address("simulator", "simulator", Medium.SMS, person, OURS),
            kind=Kind.TEXT,
            received_at=now,
            sent_at=now,
            text=text,
        )
        for place, (person, text) in enumerate(zip(itertools.cycle(people), texts, strict=False))
    ]


def _take_in(made: BenchHouse, built: Built, texts: Sequence[str]) -> None:
    for message in _messages(made, texts):
        receive(built.house, Received(inbound=(message,)), now=built.clock())


def _answer_all(built: Built) -> None:
    """What the worker's responders do, until nothing is left."""

    def answer() -> None:
        while respond(built.house, built.topics, clock=built.clock, limit=TURNS_AT_ONCE):
            pass

    _in_threads(answer)


def _parse(model: Understanding, texts: Sequence[str], at_once: int) -> None:
    """The same texts to the same process by the same client, with nothing around it."""
    batches = [texts[at : at + at_once] for at in range(0, len(texts), at_once)]
    waiting, lock = iter(batches), threading.Lock()
    read: list[Reading | None] = []

    def parse() -> None:
        while True:
            with lock:
                batch = next(waiting, None)
            if batch is None:
                return
            read.extend(model.read(batch))

    _in_threads(parse)
    if len(read) != len(texts) or None in read:
        raise NotWhole("reading alone left texts unread")


def _in_threads(step: Callable[[], None]) -> None:
    failed: list[BaseException] = []

    def kept() -> None:
        try:
            step()
        except Exception as error:
            failed.append(error)

    threads = [threading.Thread(target=kept) for _ in range(RESPONDERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failed:
        raise failed[0]


def _rate(count: int, step: Callable[[], None]) -> float:
    began = time.perf_counter()
    step()
    return count / (time.perf_counter() - began)


def _must_be_whole(made: BenchHouse) -> None:
    """Every message read and settled, nearly all answered; else the rate would be that of something cheaper."""
    left = made.count("SELECT count(*) FROM inbox WHERE state <> 'settled' OR needs_reading")
    silent = made.count(
        "SELECT count(*) FROM inbox JOIN conversations ON conversations.id = inbox.conversation "
        "WHERE conversations.owner = 'bot' "  # a human's conversation is no longer the bot's to answer
        "AND NOT EXISTS (SELECT 1 FROM outbox WHERE outbox.cause = inbox.id)"
    )
    if left or silent > SILENT_AT_MOST * made.count("SELECT count(*) FROM inbox"):
        raise NotWhole(f"{made.database}: {left} turns not done, {silent} without an answer")


def _stock_rate(address: str, texts: Sequence[str], connections: int, *, tag: str) -> float:
    """Answered turns a second of the baseline; the same three turns a person."""
    base, _, path = address.removeprefix("http://").partition("/")
    people = -(-len(texts) // TURNS_A_PERSON)
    requests = [
        Request(
            f"/{path}",
            {"Content-Type": "application/json"},
            json.dumps({"sender": f"{tag}-{connections}-{place % people}", "message": text}).encode(),
        )
        for place, text in enumerate(texts)
    ]
    port = int(base.partition(":")[2])
    result = closed_load(port, requests, connections=connections, seconds=STOCK_WITHIN)
    if result.refused or result.empty or result.taken != len(texts):
        raise NotWhole(f"stock Rasa: {result.answers}, {result.empty} empty")
    return result.rate
