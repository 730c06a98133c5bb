"""What is asked about somebody else is answered in the same words and in the same time, whether there is such or not.

Time is this thread's processor time, so that a busy machine is no fault of the answer. Each question is put 500
times for a number known here and 500 times for one that is not, in shuffled pairs, and the two are told apart by
Mann and Whitney's test at p ≤ .05. Chance does that once in twenty rounds, a leak in every round: so only what is
told apart in three rounds of three has failed (chance: once in 8 000).
"""

from __future__ import annotations

import gc
import math
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import delete, update

from actions import TOPICS
from bot.ledger import cases, people
from bot.ledger.book import Book, Ledger
from bot.ledger.tables import conversations, counts, metadata
from bot.services import look_up_sender
from bot.services.deliver import deliver
from bot.services.receive import receive
from bot.services.respond import respond
from tests.adversarial.judge import whose
from tests.adversarial.messages import Said
from tests.adversarial.people import OnSms, tell
from tests.adversarial.states import scene
from tests.conftest import Clock
from tests.world import SHOP_NUMBER, World

PAIRS = 500
ROUNDS = 3
CHANCE = 0.05
KNOWN = [f"+485718392{n:02}" for n in range(20, 45)]
UNKNOWN = [f"+485718392{n:02}" for n in range(50, 75)]
WANTS_A_COPY = "poprosze kopie moich danych osobowych"
ASKED_FOR_A_NAME = "a question for a name"
WRITTEN = frozenset({"people", "conversations", "inbox", "outbox", "codes", "cases", "case_notes", "acts"})
"""What a question may write; it has forgotten the others when it is put again."""

pytestmark = pytest.mark.timeout(600)  # up to three rounds of a thousand turns, on a machine that may be busy
on_sqlite = pytest.mark.parametrize("ledger", ["sqlite"], indirect=True)


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked about: by default a number of somebody who is known here and of somebody who is not.

    state: where it is asked. says: in which words, or with which card. known, unknown: from what is there, what to
    ask about.
    """

    state: str
    says: Callable[[str], Said] = Said
    on_telegram: bool = True
    known: Callable[[Ledger], Sequence[str]] = lambda _: KNOWN
    unknown: Callable[[Ledger], Sequence[str]] = lambda _: UNKNOWN


def _card(number: str) -> Said:
    return Said(card={"phone_number": number, "first_name": "Ala", "user_id": 77})


def _references(ledger: Ledger) -> Sequence[str]:
    """Of other people's cases."""
    with ledger.read() as book:
        return [case.ref for case in cases.listed(book)]


def _no_references(ledger: Ledger) -> Sequence[str]:
    """The others' with their halves changed round: nobody's, and of the same letters."""
    return [ref[4:] + ref[:4] for ref in _references(ledger)]


QUESTIONS = {
    "typed where a sender's name is asked for": Question(ASKED_FOR_A_NAME),
    "typed where a code is to be sent": Question("a number asked for"),
    "typed as the first message": Question("the first message"),
    "on somebody else's contact card": Question(ASKED_FOR_A_NAME, _card),
    "to be stopped": Question("after a STOP", lambda number: Said(f"STOP {number}"), on_telegram=False),
    "in a question": Question("the first message", lambda number: Said(f"kto to? pisal na {number}")),
    "by the reference of a case": Question(
        "after a STOP", lambda ref: Said(f"status sprawy {ref}"), known=_references, unknown=_no_references
    ),
    "by a sender's name, which may have written or not": Question(
        ASKED_FOR_A_NAME, known=lambda _: ["KWIATKI77"], unknown=lambda _: ["KWIATKI99"]
    ),
}


@on_sqlite
@pytest.mark.parametrize("asked", QUESTIONS)
def test_a_known_number_is_answered_as_an_unknown_one(
    ledger: Ledger, clock: Clock, tmp_path: Path, asked: str
) -> None:
    put = Put(World(ledger, clock, tmp_path), tmp_path, QUESTIONS[asked])
    (answers,) = {put(one)[0] for one in (*put.known, *put.unknown)}
    assert answers
    assert not _is_told_apart(put)


@on_sqlite
def test_a_query_more_for_a_known_number_would_be_seen(
    ledger: Ledger, clock: Clock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The test of the test: whoever is known is looked at once more, and nothing is done with it."""

    def leaky(book: Book, sender: str, **how: Any) -> look_up_sender.Finding:
        person = people.find(book, sender)
        if person is not None:
            look_up_sender.wrote_lately(book, person=person, now=how["now"])
        return tight(book, sender, **how)

    tight = look_up_sender.of_name
    monkeypatch.setattr(look_up_sender, "of_name", leaky)
    put = Put(World(ledger, clock, tmp_path), tmp_path, QUESTIONS["typed where a sender's name is asked for"])
    assert _is_told_apart(put)


@pytest.mark.parametrize(
    ("some", "others", "p"),
    [
        ((1, 2, 3, 4, 5), (6, 7, 8, 9, 10), 0.0090),  # checked against scipy.stats.mannwhitneyu,
        ((1, 2, 2, 3, 9), (2, 4, 5, 6, 7), 0.2448),  # method="asymptotic", use_continuity=False
        ((1, 2, 3), (1, 2, 3), 1.0),
    ],
)
def test_the_ranks_are_counted_right(some: Sequence[float], others: Sequence[float], p: float) -> None:
    assert _p(some, others) == pytest.approx(p, abs=0.0001)


class Put:
    """A question put about one after the other, each time to a house that never heard the others."""

    def __init__(self, world: World, folder: Path, question: Question) -> None:
        self._here = scene(world, folder, question.state, on_telegram=question.on_telegram, beside=_others)
        self._says, ledger = question.says, world.house.ledger
        self.known, self.unknown = question.known(ledger), question.unknown(ledger)
        own = whose(self._here.before, self._here.attacker, ledger.keys, is_mute=False).conversation
        self._own = next((row for row in self._here.rows["conversations"] if row["id"] == own), None)
        self._last = {
            table: max((row["id"] for row in self._here.rows[table.name]), default=0)
            for table in reversed(metadata.sorted_tables)
            if table.name in WRITTEN
        }

    def __call__(self, about: str) -> tuple[tuple[str, ...], float]:
        """The answers, and how many seconds of this thread's processor time they took.

        A code is sent by another thread, and by the time it is the answer has left.
        """
        self._forget()
        here, world = self._here, self._here.world
        said = here.attacker.delivered(world, self._says(about))
        before = len(world.phone.arrived)
        began = time.thread_time()
        receive(world.house, said, now=world.now)
        while respond(world.house, TOPICS, clock=world.clock, limit=8):  # type: ignore[arg-type]
            pass
        while deliver(world.house, world.channels, now=world.now, limit=8):
            pass
        taken = time.thread_time() - began
        return tuple(message.text for message in world.phone.arrived[before:]), taken

    def _forget(self) -> None:
        """Much faster than bringing back the whole ledger, and the same for what such a question writes."""
        here = self._here
        with here.world.house.ledger.write() as book:
            for table, last in self._last.items():
                book.run(delete(table).where(table.c.id > last))
            book.run(delete(counts))
            if self._own is not None:
                book.run(update(conversations).where(conversations.c.id == self._own["id"]).values(self._own))
        here.world.clock.now = here.at  # type: ignore[attr-defined]


def _others(world: World) -> None:
    """People who got messages, stopped them and asked for their data; and a sender's name that never wrote."""
    world.model.known[WANTS_A_COPY] = ("rights_access", 0.95)
    for number in KNOWN:
        world.sent("shop", SHOP_NUMBER, to=number)
        tell(world, OnSms(number), "STOP")
        tell(world, OnSms(number), WANTS_A_COPY)


def _is_told_apart(put: Put) -> bool:
    rng = random.Random(48)
    for one in (*put.known, *put.unknown):  # what is built on first use is built
        put(one)
    return all(_p(*_round(put, rng)) <= CHANCE for _ in range(ROUNDS))


def _round(put: Put, rng: random.Random) -> tuple[list[float], list[float]]:
    """Seconds for what is known and for what is not."""
    taken: dict[bool, list[float]] = {True: [], False: []}
    gc.collect()
    gc.disable()
    try:
        for _ in range(PAIRS):
            for is_known in rng.sample((True, False), 2):
                taken[is_known].append(put(rng.choice(put.known if is_known else put.unknown))[1])
    finally:
        gc.enable()
    return taken[True], taken[False]


def _p(some: Sequence[float], others: Sequence[float]) -> float:
    """Mann and Whitney's test, two-sided, by the normal approximation with its correction for ties."""
    n, m = len(some), len(others)
    ranks, ties, place = 0.0, 0, 0
    pooled = sorted([(value, 1) for value in some] + [(value, 0) for value in others])
    for _, group in groupby(pooled, key=lambda pair: pair[0]):
        of_some = [which for _, which in group]
        size = len(of_some)
        ranks += sum(of_some) * (place + (size + 1) / 2)
        ties += size**3 - size
        place += size
    spread = math.sqrt(n * m / 12 * (n + m + 1 - ties / ((n + m) * (n + m - 1))))
    return math.erfc(abs(ranks - n * (n + m + 1) / 2) / spread / math.sqrt(2))
