"""Whatever is said about a number, in whatever order it arrives, the ledger stands where the state machine stands.

Hypothesis makes up the story: STOPs that come late, twice or before those said earlier, codes asked for and sent
back rightly or wrongly, other words, a number that changes hands; the gate is asked after each step. Each is done to
the real ledger by the services and to `domain.consent` by hand; in the end another number lives through the same.

    CONSENT_STORIES=2000 pytest tests/integration/test_consent_in_the_ledger.py --hypothesis-seed=7
"""

from __future__ import annotations

import itertools
import os
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, rule, run_state_machine_as_test
from sqlalchemy import func, select

from bot.domain.codes import A_DAY_MOST, TERMS, Purpose
from bot.domain.consent import (
    EVERY_CLIENT,
    Candidate,
    Coverage,
    Covers,
    End,
    MessageClass,
    OptOut,
    Receipt,
    Start,
    State,
    Stop,
    after,
    coverage_of_everything,
    coverage_of_sender,
    gate,
)
from bot.domain.messages import Address, Received
from bot.ledger import clients, consents, conversations, people
from bot.ledger.book import Ledger
from bot.ledger.tables import outbox
from bot.services import start_again
from bot.services.check_gate import Query, check
from bot.services.receive import receive
from tests.conftest import START, Clock
from tests.world import BOT_NUMBER, CLINIC_NUMBER, SHARED_NUMBER, SHOP_NUMBER, World

STORIES = int(os.environ.get("CONSENT_STORIES", "40"))
STEPS = 30
LATE = (0, 0, 2, 8, 30)  #: minutes between saying and arriving
CLIENTS = ("shop", "books", "clinic")
OURS = (SHOP_NUMBER, CLINIC_NUMBER, SHARED_NUMBER, BOT_NUMBER)
WISHES = (
    ("STOP", SHOP_NUMBER),
    ("wypisz mnie", CLINIC_NUMBER),
    ("STOP", SHARED_NUMBER),
    ("STOP ALL", BOT_NUMBER),
    ("STOP STRONICA", BOT_NUMBER),
)
OTHER_WORDS = ("START", "kto to wyslal?", "NIE", "tak")

_numbers = itertools.count(1)


@dataclass(frozen=True, slots=True)
class Message:
    """What a provider has of the person, and may deliver once, again, late, or never. said_at: by its clock."""

    id: str
    text: str
    ours: str
    said_at: datetime


class Number:
    """One number in the ledger, and what is done to it there."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.number = f"+4853{next(_numbers):07}"
        self.digits: dict[str, str] = {}
        with world.house.ledger.write() as book:
            self.person = people.ensure(book, self.number)
            self.chats = {
                ours: conversations.open_for(book, self._address(ours), person=self.person, now=START).id
                for ours in OURS
            }

    def take(self, message: Message, now: datetime) -> None:
        inbound = self.world.inbound(
            message.text, as_=self.number, to=message.ours, provider_id=f"{self.number}-{message.id}"
        )
        arrived = replace(inbound, received_at=now, sent_at=message.said_at)
        receive(self.world.house, Received(inbound=(arrived,)), now=now)

    def ask_for_code(self, ours: str, now: datetime) -> bool:
        with self.world.house.ledger.write() as book:
            chat = conversations.get(book, self.chats[ours], lock=True)
            made = start_again.make_code(book, chat, now=now)
        if made is not None:
            self.digits[ours] = made
        return made is not None

    def send_code_back(self, message: Message, now: datetime, *, is_right: bool) -> None:
        made = self.digits[message.ours]
        wrong = "10" if made != "10" else "11"
        self.take(replace(message, text=f"START {made if is_right else wrong}"), now)

    def change_hands(self, now: datetime) -> None:
        with self.world.house.ledger.write() as book:
            people.set_holder_since(book, self.person, now)

    def standing(self) -> set[OptOut]:
        with self.world.house.ledger.read() as book:
            return set(consents.standing(book, self.person))

    def receipts(self) -> int:
        query = select(func.count()).where(
            outbox.c.conversation.in_(self.chats.values()), outbox.c.kind == "receipt"
        )
        with self.world.house.ledger.read() as book:
            return int(book.scalar(query))

    def _address(self, ours: str) -> Address:
        address = self.world.inbound("", as_=self.number, to=ours).address
        assert address is not None
        return address


@dataclass(slots=True)
class Code:
    """A START code as the story knows it."""

    made_at: datetime
    tries_left: int = TERMS[Purpose.START].tries

    def is_open(self, now: datetime) -> bool:
        return self.tries_left > 0 and now < self.made_at + TERMS[Purpose.START].lasts


class Story(RuleBasedStateMachine):
    """The same done to the ledger and to the state machine."""

    said = Bundle("said")

    def __init__(self, world: World, ids: dict[str, int], ends: Counter[tuple[str, str]]) -> None:
        super().__init__()
        self.world, self.ids, self.ends = world, ids, ends
        self.ala = Number(world)
        self.now = START
        self.state = State()
        self.codes: dict[str, Code] = {}  # the newest of each conversation
        self.made: list[datetime] = []
        self.taken: set[str] = set()
        self.confirmed = 0
        self.lived: list[Callable[[Number], object]] = []
        self.ids_of_messages = itertools.count()

    # -- what is said, and when it arrives --

    @rule(target=said, wish=st.sampled_from(WISHES), late=st.sampled_from(LATE))
    def a_stop_arrives(self, wish: tuple[str, str], late: int) -> Message:
        message = self._message(*wish, late=late)
        self._arrives(message)
        return message

    @rule(target=said, wish=st.sampled_from(WISHES))
    def a_stop_is_held_back(self, wish: tuple[str, str]) -> Message:
        return self._message(*wish)

    @rule(message=said)
    def the_provider_delivers_what_it_has(self, message: Message) -> None:
        self._arrives(message)

    @rule(words=st.sampled_from(OTHER_WORDS), ours=st.sampled_from(OURS))
    def other_words_arrive(self, words: str, ours: str) -> None:
        self._arrives(self._message(words, ours))

    @rule(minutes=st.sampled_from((1, 4, 6, 12, 60, 25 * 60)))
    def time_passes(self, minutes: int) -> None:
        self.now += timedelta(minutes=minutes)

    # -- starting again --

    @rule(ours=st.sampled_from(OURS))
    def a_code_is_asked_for(self, ours: str) -> None:
        now = self._tick()
        may_have_one = len([at for at in self.made if at > now - timedelta(days=1)]) < A_DAY_MOST
        assert self._live(lambda number: number.ask_for_code(ours, now)) == may_have_one
        if may_have_one:
            self.made.append(now)
            self.codes[ours] = Code(now)

    @rule(ours=st.sampled_from(OURS), is_right=st.booleans(), is_delivered_twice=st.booleans())
    def a_code_comes_back(self, ours: str, is_right: bool, is_delivered_twice: bool) -> None:
        code = self.codes.get(ours)
        if code is None:
            return
        message = self._message("", ours)
        now = self._tick()
        for _ in range(1 + is_delivered_twice):
            self._live(lambda number: number.send_code_back(message, now, is_right=is_right))
        if not code.is_open(now):
            return
        code.tries_left = 0 if is_right else code.tries_left - 1
        if is_right:
            asked = replace(self.state, asked_at=code.made_at, is_code_open=True)
            change = after(asked, Start(self._meant_by_start(ours)))
            self.state = replace(change.state, asked_at=None, is_code_open=False)
            self.ends["start", change.end] += 1

    @rule(
        target=said,
        ours=st.sampled_from(OURS),
        wish=st.sampled_from(WISHES),
        late=st.sampled_from(LATE),
        is_between=st.booleans(),
    )
    def a_start_and_a_stop_meet(self, ours: str, wish: tuple[str, str], late: int, is_between: bool) -> Message:
        """The STOP arrives between the code and its return, or just after it."""
        message = self._message(*wish, late=late)
        self.a_code_is_asked_for(ours)
        if is_between:
            self._arrives(message)
        self.a_code_comes_back(ours, is_right=True, is_delivered_twice=False)
        if not is_between:
            self._arrives(message)
        return message

    @rule()
    def the_number_changes_hands(self) -> None:
        now = self._tick()
        self._live(lambda number: number.change_hands(now))
        self.state = replace(self.state, holder_since=now)

    # -- what is seen --

    @invariant()
    def the_gate_answers_as_the_machine_does(self) -> None:
        asked = [(client, kind) for client in CLIENTS for kind in MessageClass]
        with self.world.house.ledger.read() as book:
            told = check(book, [Query(self.ala.number, client, kind) for client, kind in asked])
        for (client, kind), answer in zip(asked, told, strict=True):
            due = gate(self.state.standing, self.ids[client], kind)
            assert (answer.allowed, answer.since) == (due.is_allowed, due.since), (client, kind)

    @invariant()
    def the_ledger_stands_where_the_machine_stands(self) -> None:
        assert self.ala.standing() == set(self.state.standing)

    def teardown(self) -> None:
        """Every STOP that stopped something was confirmed once, and the same story again ends the same."""
        assert self.ala.receipts() == self.confirmed
        ola = Number(self.world)
        for deed in self.lived:
            deed(ola)
        assert ola.standing() == self.ala.standing()
        assert ola.receipts() == self.confirmed

    # -- how it is done --

    def _message(self, text: str, ours: str, *, late: int = 0) -> Message:
        said_at = self._tick() - timedelta(minutes=late)
        return Message(str(next(self.ids_of_messages)), text, ours, said_at)

    def _arrives(self, message: Message) -> None:
        now = self._tick()
        self._live(lambda number: number.take(message, now))
        coverage = self._coverage(message)
        if message.id in self.taken or coverage is None:
            return  # nothing but a STOP changes anything, and each but once
        self.taken.add(message.id)
        stop = Stop(coverage, said_at=min(message.said_at, now), taken_at=now)
        for code in self.codes.values():
            asked = replace(self.state, asked_at=code.made_at, is_code_open=code.is_open(now))
            if after(asked, stop).closes_code:
                self.ends["code", "closed"] += code.is_open(now)
                code.tries_left = 0
        change = after(self.state, stop)
        self.state = change.state
        self.confirmed += change.receipt is not None
        self.ends["stop", change.end] += 1

    def _tick(self) -> datetime:
        """No two things at the same moment."""
        self.now += timedelta(seconds=1)
        return self.now

    def _live(self, deed: Callable[[Number], object]) -> object:
        self.lived.append(deed)
        return deed(self.ala)

    def _coverage(self, message: Message) -> Coverage | None:
        """What DESIGN's table says of a STOP here: nobody has written to this number."""
        shop, books, clinic = (self.ids[name] for name in CLIENTS)
        named = Coverage((books,), Covers.MARKETING, Receipt.NAMED)
        covered = {
            ("STOP", SHOP_NUMBER): coverage_of_sender([Candidate(shop)], is_shared=False),
            ("wypisz mnie", CLINIC_NUMBER): coverage_of_sender([Candidate(clinic, True)], is_shared=False),
            ("STOP", SHARED_NUMBER): coverage_of_sender([], is_shared=True),
            ("STOP ALL", BOT_NUMBER): coverage_of_everything("all"),
            ("STOP STRONICA", BOT_NUMBER): named,
        }
        return covered.get((message.text, message.ours))

    def _meant_by_start(self, ours: str) -> tuple[int, ...]:
        """Who is stopped at this address; if nobody is, all."""
        held_by = {SHOP_NUMBER: self.ids["shop"], CLINIC_NUMBER: self.ids["clinic"]}
        standing = tuple(o.client for o in self.state.standing)
        here = tuple(client for client in standing if client in (EVERY_CLIENT, held_by.get(ours)))
        return here or standing


@pytest.mark.timeout(max(420, STORIES))  # a story that fails is made short first, for up to five minutes
def test_whatever_is_said_in_whatever_order_the_ledger_stands_where_the_machine_stands(
    ledger: Ledger, clock: Clock, tmp_path: Path
) -> None:
    world = World(ledger, clock, tmp_path)
    with ledger.read() as book:
        ids = clients.ids(book, CLIENTS)
    ends: Counter[tuple[str, str]] = Counter()
    run_state_machine_as_test(
        lambda: Story(world, ids, ends),
        settings=settings(
            max_examples=STORIES,
            stateful_step_count=STEPS,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
    print(f"{STORIES} stories on {ledger.dialect}: {dict(ends)}")
    met = {("stop", End.DONE), ("stop", End.AGAIN), ("start", End.DONE), ("code", "closed")}
    assert STORIES < 40 or met <= ends.keys()
