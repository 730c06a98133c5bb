"""The queues against a model of them, and against twenty who want the same row."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from threading import Barrier
from typing import Any, TypeVar

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule, run_state_machine_as_test
from sqlalchemy import select

from bot.domain.messages import Address, Delivery, Inbound, Kind, Medium
from bot.ledger import conversations, queues
from bot.ledger.book import Ledger
from bot.ledger.tables import inbox, metadata, outbox
from tests.conftest import START, Clock

T = TypeVar("T")
LEASE = queues.LEASE
BRIEFLY = settings(
    max_examples=15,
    stateful_step_count=30,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    derandomize=True,
)


def begin(ledger: Ledger, number: int) -> int:
    """A conversation of its own."""
    address = Address("simulator", "demo", Medium.SMS, f"+4850010{number:04}", "+48732000001")
    with ledger.write() as book:
        return conversations.open_for(book, address, person=None, now=START).id


_ids = itertools.count(1)


def accept(ledger: Ledger, conversation: int, now: datetime, *, provider_id: str = "") -> int | None:
    message = Inbound(
        provider_id=provider_id or f"m{next(_ids)}",
        address=Address("simulator", "demo", Medium.SMS, "+48500100200", "+48732000001"),
        kind=Kind.TEXT,
        received_at=now,
        text="a",
    )
    with ledger.write() as book:
        return queues.accept(book, message, conversation=conversation, state="new")


def put(ledger: Ledger, conversation: int, now: datetime, **more: Any) -> int | None:
    with ledger.write() as book:
        draft = queues.Draft(conversation=conversation, kind="reply", text="a", **more)
        return queues.put(book, draft, now=now)


def at_once(count: int, work: Callable[[int], T]) -> list[T]:
    """What each of `count` threads got, all begun together."""
    barrier = Barrier(count)

    def begun(number: int) -> T:
        barrier.wait(30)
        return work(number)

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(begun, range(count)))


def empty(ledger: Ledger) -> None:
    with ledger.write() as book:
        for table in reversed(metadata.sorted_tables):
            book.run(table.delete())


# --- against a model ---------------------------------------------------------------------------------


@dataclass
class Row:
    """What the model holds of a row."""

    id: int
    conversation: int
    ready_at: datetime
    state: str
    holder: int | None = None
    until: datetime | None = None
    tries: int = 0

    def is_free(self, now: datetime) -> bool:
        return self.ready_at <= now and (self.until is None or self.until < now)


@dataclass
class Held:
    """A claim in somebody's hand, with whatever the ledger gave for it."""

    number: int
    row: Row
    message: Any = field(repr=False)

    @property
    def is_valid(self) -> bool:
        return self.row.holder == self.number


class Machine(RuleBasedStateMachine):
    """Common to both queues: arrivals, time, claims. What is right is written plainly, row by row."""

    ledger: Ledger
    open_states: tuple[str, ...]

    def __init__(self) -> None:
        super().__init__()
        empty(self.ledger)
        self.now = START
        self.rows: list[Row] = []
        self.held: list[Held] = []
        self.numbers = itertools.count(1)
        self.conversations = [begin(self.ledger, n) for n in range(3)]

    @rule(seconds=st.sampled_from([1, 5, 30, 61, 120]))
    def time_goes_by(self, seconds: int) -> None:
        self.now += timedelta(seconds=seconds)

    def expected(self, limit: int) -> list[Row]:
        oldest: dict[int, Row] = {}
        for row in self.rows:
            if row.state in self.open_states:
                oldest.setdefault(row.conversation, row)
        return sorted((r for r in oldest.values() if r.is_free(self.now)), key=lambda r: r.id)[:limit]

    def took(self, messages: Sequence[Any], expected: Sequence[Row]) -> None:
        assert [m.id for m in messages] == [r.id for r in expected]
        for message, row in zip(messages, expected, strict=True):
            row.tries += 1
            assert message.tries == row.tries
            row.holder, row.until = next(self.numbers), self.now + LEASE
            self.held.append(Held(row.holder, row, message))


class InboxMachine(Machine):
    open_states = ("new",)

    @rule(which=st.integers(0, 2))
    def arrives(self, which: int) -> None:
        number = accept(self.ledger, self.conversations[which], self.now)
        assert number is not None
        self.rows.append(Row(number, self.conversations[which], self.now, "new"))

    @rule(limit=st.integers(1, 3))
    def is_claimed(self, limit: int) -> None:
        with self.ledger.write() as book:
            messages = queues.claim_inbox(book, now=self.now, limit=limit)
        self.took(messages, self.expected(limit))

    @precondition(lambda self: self.held)
    @rule(pick=st.randoms(use_true_random=False), ending=st.sampled_from(["settle", "put back", "poison"]))
    def is_ended(self, pick: Any, ending: str) -> None:
        held = self.held.pop(pick.randrange(len(self.held)))
        with self.ledger.write() as book:
            is_mine = queues.still_mine(book, held.message)
            assert is_mine == held.is_valid
            if ending == "put back":  # guards itself
                queues.put_back(book, held.message, ready_at=self.now + timedelta(seconds=10))
            elif is_mine and ending == "settle":
                queues.settle_inbox(book, held.message, now=self.now)
            elif is_mine:
                queues.poison(book, held.message, now=self.now)
        if is_mine:
            held.row.holder = held.row.until = None
            if ending == "put back":
                held.row.ready_at = self.now + timedelta(seconds=10)
            else:
                held.row.state = ending

    def teardown(self) -> None:
        with self.ledger.read() as book:
            states = dict(book.connection.execute(select(inbox.c.id, inbox.c.state)).tuples().all())
        names = {"new": "new", "settle": "settled", "poison": "poisoned"}
        assert states == {row.id: names[row.state] for row in self.rows}


class OutboxMachine(Machine):
    open_states = ("ready", "in_hand", "unknown")

    @rule(which=st.integers(0, 2))
    def is_put(self, which: int) -> None:
        number = put(self.ledger, self.conversations[which], self.now)
        assert number is not None
        self.rows.append(Row(number, self.conversations[which], self.now, "ready"))

    @rule(limit=st.integers(1, 3))
    def is_claimed(self, limit: int) -> None:
        expected = self.expected(limit)
        unclear = [row.state != "ready" for row in expected]
        with self.ledger.write() as book:
            messages = queues.claim_outbox(book, now=self.now, limit=limit)
        assert [m.was_unclear for m in messages] == unclear
        self.took(messages, expected)
        for row in expected:
            row.state = "in_hand"

    @precondition(lambda self: self.held)
    @rule(
        pick=st.randoms(use_true_random=False),
        state=st.sampled_from(["sent", "failed", "cancelled", "expired", "ready", "unknown", "given back"]),
    )
    def is_settled(self, pick: Any, state: str) -> None:
        held = self.held.pop(pick.randrange(len(self.held)))
        later = self.now + timedelta(seconds=10) if state in ("ready", "unknown") else None
        with self.ledger.write() as book:
            if state == "given back":
                queues.give_back(book, held.message, now=self.now)
            else:
                queues.settle_outbox(book, held.message, state, now=self.now, ready_at=later)
        if not held.is_valid:
            return
        held.row.holder = held.row.until = None
        held.row.ready_at = later or self.now
        held.row.state = state
        if state == "given back":
            held.row.tries -= 1
            held.row.state = "unknown" if held.message.was_unclear else "ready"

    def teardown(self) -> None:
        with self.ledger.read() as book:
            states = dict(book.connection.execute(select(outbox.c.id, outbox.c.state)).tuples().all())
        assert states == {row.id: row.state for row in self.rows}


@pytest.mark.parametrize("machine", [InboxMachine, OutboxMachine])
def test_a_queue_does_what_its_model_does(machine: type[Machine], ledger: Ledger) -> None:
    """One of a conversation in hand, in order; a lease that ran out comes again; a lost one does nothing."""
    bound = type(machine.__name__, (machine,), {"ledger": ledger})
    run_state_machine_as_test(bound, settings=BRIEFLY)


# --- many at once ------------------------------------------------------------------------------------


@pytest.mark.parametrize("queue", ["inbox", "outbox"])
def test_twenty_at_once_never_hold_the_same_row_nor_two_of_a_conversation(
    queue: str, ledger: Ledger, clock: Clock
) -> None:
    add, claim = (accept, queues.claim_inbox) if queue == "inbox" else (put, queues.claim_outbox)
    many = [begin(ledger, n) for n in range(30)]
    first = {c: add(ledger, c, clock.now) for c in many}
    second = {c: add(ledger, c, clock.now) for c in many}

    def take(_: int) -> list[Any]:
        mine: list[Any] = []
        for _ in range(6):
            with ledger.write() as book:
                mine += claim(book, now=clock.now, limit=2)
        return mine

    taken = [m for mine in at_once(20, take) for m in mine]
    assert sorted(m.id for m in taken) == sorted(i for i in first.values() if i is not None)
    assert set(second.values()).isdisjoint(m.id for m in taken)


def test_an_inbox_worked_off_by_twenty_is_answered_in_order_and_once(ledger: Ledger, clock: Clock) -> None:
    many = [begin(ledger, n) for n in range(6)]
    wanted = {c: [accept(ledger, c, clock.now) for _ in range(5)] for c in many}
    done: list[tuple[int, int]] = []

    def work(_: int) -> None:
        for _ in range(400):
            with ledger.write() as book:
                claimed = queues.claim_inbox(book, now=clock.now, limit=1)
            for message in claimed:
                with ledger.write() as book:
                    assert queues.still_mine(book, message)
                    done.append((message.conversation, message.id))
                    queues.settle_inbox(book, message, now=clock.now)
            if len(done) == 30:
                return

    at_once(20, work)
    assert {c: [i for conversation, i in done if conversation == c] for c in many} == wanted


@pytest.mark.parametrize("queue", ["inbox", "outbox"])
def test_a_lease_that_ran_out_is_claimed_again_by_exactly_one(
    queue: str, ledger: Ledger, clock: Clock
) -> None:
    add, claim = (accept, queues.claim_inbox) if queue == "inbox" else (put, queues.claim_outbox)
    add(ledger, begin(ledger, 1), clock.now)
    with ledger.write() as book:
        [lost] = claim(book, now=clock.now)
    clock.move(LEASE)
    with ledger.write() as book:
        assert not claim(book, now=clock.now)
    clock.move(timedelta(seconds=1))

    def take(_: int) -> list[Any]:
        with ledger.write() as book:
            return list(claim(book, now=clock.now))

    [again] = [m for mine in at_once(20, take) for m in mine]
    assert (again.id, again.tries, again.lease != lost.lease) == (lost.id, 2, True)
    with ledger.write() as book:
        if queue == "inbox":
            assert not queues.still_mine(book, lost)
            assert queues.still_mine(book, again)
            queues.put_back(book, lost, ready_at=clock.now)
            assert queues.still_mine(book, again)
        else:
            queues.settle_outbox(book, lost, "sent", now=clock.now, provider_id="SM1")
            assert book.row(select(outbox.c.state, outbox.c.provider_id)) == {
                "state": "in_hand",
                "provider_id": None,
            }
            assert again.was_unclear


def test_what_may_be_said_once_is_said_once_by_twenty_at_once(ledger: Ledger, clock: Clock) -> None:
    conversation = begin(ledger, 1)
    numbers = at_once(20, lambda _: put(ledger, conversation, clock.now, once="receipt:1"))
    assert len([n for n in numbers if n is not None]) == 1
    assert put(ledger, conversation, clock.now, once="receipt:2") is not None
    assert put(ledger, conversation, clock.now) is not None
    assert put(ledger, conversation, clock.now) is not None


def test_a_message_delivered_twenty_times_at_once_is_filed_once(ledger: Ledger, clock: Clock) -> None:
    conversation = begin(ledger, 1)
    numbers = at_once(20, lambda _: accept(ledger, conversation, clock.now, provider_id="SM1"))
    assert Counter(n is not None for n in numbers) == {True: 1, False: 19}


# --- delivery reports --------------------------------------------------------------------------------

REPORTS = st.lists(st.sampled_from(list(Delivery)), max_size=5)


@given(before=REPORTS, after=REPORTS, taken=st.sampled_from([Delivery.ACCEPTED, Delivery.SENT]))
@settings(BRIEFLY, max_examples=25)
def test_reports_in_any_order_end_at_the_highest_rank(
    before: list[Delivery], after: list[Delivery], taken: Delivery, ledger: Ledger
) -> None:
    """Also those that come before the provider's own answer was written down."""
    empty(ledger)
    number = put(ledger, begin(ledger, 1), START)
    with ledger.write() as book:
        [mine] = queues.claim_outbox(book, now=START)
    for delivery in before:
        with ledger.write() as book:
            assert queues.report(book, number, "SM1", delivery, delivery.value) == number
    with ledger.write() as book:
        queues.settle_outbox(book, mine, "sent", now=START, provider_id="SM1", delivery=taken)
    for delivery in after:
        with ledger.write() as book:
            assert queues.report(book, None, "SM1", delivery, delivery.value) == number
    highest = max([*before, taken, *after], key=lambda d: d.rank)
    with ledger.read() as book:
        row = book.row(select(outbox.c.state, outbox.c.delivery, outbox.c.code))
    assert row is not None
    assert (row["state"], row["delivery"]) == ("sent", highest.value)
    if highest is not taken:
        assert row["code"] == highest.value


def test_a_report_clears_up_what_was_unclear(ledger: Ledger, clock: Clock) -> None:
    number = put(ledger, begin(ledger, 1), clock.now)
    with ledger.write() as book:
        [mine] = queues.claim_outbox(book, now=clock.now)
        queues.settle_outbox(book, mine, "unknown", now=clock.now, ready_at=clock.now + timedelta(seconds=20))
        queues.report(book, number, "SM1", Delivery.SENT, "")
    with ledger.write() as book:
        assert not queues.claim_outbox(book, now=clock.now + timedelta(hours=1))
        assert book.row(select(outbox.c.state, outbox.c.provider_id)) == {
            "state": "sent",
            "provider_id": "SM1",
        }


@pytest.mark.parametrize("outbox_id", [0, 999_999_999, 2**63 - 1, 2**63, 10**30])
def test_a_report_of_nothing_of_ours_changes_nothing(outbox_id: int, ledger: Ledger, clock: Clock) -> None:
    put(ledger, begin(ledger, 1), clock.now)
    with ledger.write() as book:
        assert queues.report(book, outbox_id, "SM1", Delivery.DELIVERED, "") is None
        assert queues.report(book, None, "SM1", Delivery.DELIVERED, "") is None
        assert book.scalar(select(outbox.c.delivery)) is None
