"""What goes when its time is over or its person asks, and what stays."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Table, func, insert, select

from bot.domain.clients import Entry
from bot.domain.consent import Covers, OptOut
from bot.domain.conversation import Asked
from bot.domain.errors import BadInput
from bot.domain.messages import Address, Medium
from bot.domain.retention import PERIODS, Category
from bot.ledger import clients, consents, conversations, gate, people, queues, tables
from bot.ledger.book import Book, Ledger
from bot.ledger.consents import Act
from bot.services.erase import ErasureReport, erase
from bot.services.purge import purge
from bot.services.take_sent import take_sent
from tests.conftest import Clock

NUMBER = "+48500100200"
OTHER = "+48500100201"


@dataclass
class House:
    """A ledger in which everything that is kept can be written down at any age."""

    ledger: Ledger
    clock: Clock
    book: Book | None = None

    def ago(self, age: timedelta) -> datetime:
        return self.clock.now - age

    def count(self, table: Table) -> int:
        with self.ledger.read() as book:
            found: int = book.scalar(select(func.count()).select_from(table))
            return found

    def rows(self, table: Table) -> list[dict[str, Any]]:
        with self.ledger.read() as book:
            return [dict(row) for row in book.rows(select(table))]

    def client(self) -> int:
        with self.ledger.write() as book:
            clients.save(book, Entry("shop", "Shop", "Shop"), now=self.clock.now)
            return clients.ids(book, ["shop"])["shop"]

    def person(self, number: str = NUMBER) -> int:
        with self.ledger.write() as book:
            return people.ensure(book, number)

    def sent(self, message_id: str, age: timedelta, *, to: str = NUMBER) -> None:
        row = {"message_id": message_id, "client_id": "shop", "sender": "SHOP", "recipient": to}
        row |= {"sent_at": self.ago(age).isoformat(), "text": "Nowa kolekcja juz w naszym sklepie zapraszamy"}
        assert take_sent(self.ledger, [row], self.ago(age)).new == 1

    def conversation(self, age: timedelta, *, number: str = NUMBER, **values: Any) -> int:
        with self.ledger.write() as book:
            address = Address("simulator", "main", Medium.SMS, number, "+48732000001")
            person = people.ensure(book, number)
            opened = conversations.open_for(book, address, person=person, now=self.ago(age))
            if values:
                table = tables.conversations
                book.run(table.update().where(table.c.id == opened.id).values(values))
            return opened.id

    def add(self, table: Table, **values: Any) -> int:
        with self.ledger.write() as book:
            found: int = book.run(insert(table).values(values).returning(table.c.id)).scalar_one()
            return found

    def came(self, conversation: int, age: timedelta, *, state: str = "settled") -> int:
        return self.add(
            tables.inbox,
            provider="simulator",
            account="main",
            provider_id=f"in{age}{conversation}",
            conversation=conversation,
            kind="text",
            body_enc=self.ledger.keys.seal_json("inbox.body", {"text": "hello"}),
            state=state,
            ready_at=self.ago(age),
            received_at=self.ago(age),
        )

    def went(
        self, conversation: int, age: timedelta, *, state: str = "sent", cause: int | None = None
    ) -> int:
        return self.add(
            tables.outbox,
            conversation=conversation,
            cause=cause,
            kind="reply",
            body_enc=self.ledger.keys.seal_json("outbox.body", {"text": "hello"}),
            state=state,
            ready_at=self.ago(age),
            created_at=self.ago(age),
        )

    def stop(
        self, age: timedelta, *, number: str = NUMBER, client: int = 0, conversation: int | None = None
    ) -> int:
        with self.ledger.write() as book:
            person = people.ensure(book, number)
            act = Act(
                act="stop",
                person=person,
                conversation=conversation,
                cause=None,
                provider="simulator",
                scope="all",
                rule="keyword",
                span=(0, 4),
                matcher="1",
                signature="signed",
                text="STOP",
                clients=(client,),
                received_at=self.ago(age),
                effective_at=self.ago(age),
            )
            evidence = consents.record(book, act)
            consents.stop(book, person, [OptOut(client, Covers.ALL, self.ago(age))], evidence=evidence)
            return evidence

    def case(
        self, *, state: str, age: timedelta, conversation: int | None = None, person: int | None = None
    ) -> int:
        return self.add(
            tables.cases,
            ref=f"R{state[:3]}{age.days}",
            topic="rights_access",
            audience="recipient",
            state=state,
            conversation=conversation,
            person=person,
            language="pl",
            received_at=self.ago(age),
            closed_at=self.ago(age) if state == "closed" else None,
        )

    def note(self, case: int) -> None:
        body = self.ledger.keys.seal("case_notes.body", "words")
        self.add(tables.case_notes, case_id=case, author="person", body_enc=body, at=self.clock.now)


@pytest.fixture
def house(ledger: Ledger, clock: Clock) -> House:
    return House(ledger, clock)


DAY = timedelta(days=1)


def test_each_kind_goes_when_its_period_is_over_and_not_before(house: House) -> None:
    client = house.client()
    conversation = house.conversation(timedelta(hours=1))
    for age in (89 * DAY, 91 * DAY):
        cause = house.came(conversation, age)
        house.went(conversation, age, cause=cause)
    house.sent("young", 364 * DAY)
    house.sent("old", 366 * DAY)
    house.case(state="closed", age=1094 * DAY)
    house.case(state="closed", age=1096 * DAY)
    house.case(state="open", age=4000 * DAY)
    house.stop(2000 * DAY, client=client)
    counted = purge(house.ledger, house.clock.now, dry_run=True)
    assert house.count(tables.sent) == 2
    removed = purge(house.ledger, house.clock.now)
    expected = {Category.TEXTS: 2, Category.SENT: 1, Category.CLOSED_CASES: 1, Category.EVIDENCE_TEXTS: 1}
    assert {c: n for c, n in removed.items() if n} == expected
    assert removed == counted
    assert (house.count(tables.inbox), house.count(tables.outbox), house.count(tables.sent)) == (1, 1, 1)
    assert house.count(tables.cases) == 2
    assert purge(house.ledger, house.clock.now) == dict.fromkeys(Category, 0)


def test_an_opt_out_stands_for_ever_without_the_words_that_made_it(house: House) -> None:
    house.stop(4000 * DAY)
    purge(house.ledger, house.clock.now)
    with house.ledger.read() as book:
        assert len(gate.standing_of(book, [NUMBER])[NUMBER]) == 1
    (kept,) = house.rows(tables.evidence)
    assert kept["text_key_enc"] is None
    assert kept["text_enc"] is None
    assert kept["text_digest"]


def test_a_lifted_opt_out_goes_after_three_years_with_its_evidence_and_number(house: House) -> None:
    evidence = house.stop(1200 * DAY)
    person = house.person()
    with house.ledger.write() as book:
        consents.lift(book, person, [0], evidence=evidence, now=house.ago(1100 * DAY))
    removed = purge(house.ledger, house.clock.now)
    assert removed[Category.LIFTED_OPT_OUTS] == 2
    assert removed[Category.PEOPLE] == 1
    assert house.count(tables.people) == 0


def test_what_still_waits_is_not_purged(house: House) -> None:
    conversation = house.conversation(400 * DAY)
    house.came(conversation, 400 * DAY, state="new")
    house.went(conversation, 400 * DAY, state="unknown")
    with_case = house.conversation(400 * DAY, number=OTHER)
    house.case(state="open", age=400 * DAY, conversation=with_case)
    removed = purge(house.ledger, house.clock.now)
    assert {c for c, n in removed.items() if n} == set()
    assert house.count(tables.conversations) == 2


def test_an_empty_conversation_goes_after_a_year_and_its_number_with_it(house: House) -> None:
    house.conversation(366 * DAY)
    house.conversation(364 * DAY, number=OTHER)
    removed = purge(house.ledger, house.clock.now)
    assert (removed[Category.CONVERSATIONS], removed[Category.PEOPLE]) == (1, 1)
    assert house.count(tables.people) == 1


def test_memory_goes_after_a_day_and_a_waiting_stop_at_its_end(house: House) -> None:
    old, young = (
        house.conversation(25 * timedelta(hours=1)),
        house.conversation(timedelta(hours=23), number=OTHER),
    )
    with house.ledger.write() as book:
        for conversation, age in ((old, timedelta(hours=25)), (young, timedelta(hours=23))):
            asked = Asked("question", expires_at=house.clock.now)
            conversations.settle(
                book,
                conversation,
                asked=asked,
                memory={"client": 1},
                language="pl",
                noticed_at=None,
                waiting_since=None,
                now=house.ago(age),
            )
            conversations.keep_stop(book, conversation, {"scope": "all"}, now=house.ago(age))
    removed = purge(house.ledger, house.clock.now)
    assert (removed[Category.TURN_MEMORY], removed[Category.WAITING_STOPS]) == (1, 1)
    kept = {row["id"]: row for row in house.rows(tables.conversations)}
    for column in ("memory_enc", "asked_enc", "stop_waiting_enc"):
        assert kept[old][column] is None
        assert kept[young][column] is not None


def test_codes_go_ten_minutes_after_their_end(house: House) -> None:
    conversation, person = house.conversation(timedelta(0)), house.person()
    minute = timedelta(minutes=1)
    for ended in (9 * minute, 11 * minute):
        house.add(
            tables.codes,
            conversation=conversation,
            person=person,
            purpose="proof",
            code_key=b"k" * 32,
            tries_left=3,
            made_at=house.ago(timedelta(hours=1)),
            expires_at=house.ago(ended),
        )
    assert purge(house.ledger, house.clock.now)[Category.CODES] == 1


def test_a_code_that_was_used_stays_until_it_would_have_ended(house: House) -> None:
    """Whether a late STOP was answered by a START since, and how many codes were asked for, is known by it."""
    house.add(
        tables.codes,
        conversation=house.conversation(timedelta(0)),
        person=house.person(),
        purpose="start",
        code_key=b"k" * 32,
        tries_left=0,
        made_at=house.ago(timedelta(hours=3)),
        used_at=house.ago(timedelta(hours=2)),
        expires_at=house.ago(timedelta(hours=-21)),
    )
    assert purge(house.ledger, house.clock.now)[Category.CODES] == 0


def test_the_message_that_bore_a_code_goes_with_it(house: House) -> None:
    conversation = house.conversation(timedelta(0))
    draft = queues.Draft(conversation=conversation, kind="code", text="482913 to Twoj kod")
    with house.ledger.write() as book:
        for ended in (timedelta(minutes=9), timedelta(minutes=11)):
            expired = replace(draft, expires_at=house.ago(ended))
            queues.put(book, expired, now=house.ago(timedelta(hours=1)))
        queues.put(book, replace(draft, kind="reply"), now=house.ago(timedelta(hours=1)))
        book.run(tables.outbox.update().values(state="sent"))
    assert purge(house.ledger, house.clock.now)[Category.CODES] == 1
    assert len(house.rows(tables.outbox)) == 2


def test_more_rows_than_a_batch_go_too(house: House) -> None:
    house.client()
    rows = [
        {
            "message_id": f"m{n}",
            "client_id": "shop",
            "sender": "SHOP",
            "recipient": f"+4850010{n:04d}",
            "sent_at": house.ago(400 * DAY).isoformat(),
        }
        for n in range(2_500)
    ]
    take_sent(house.ledger, rows, house.ago(400 * DAY))
    removed = purge(house.ledger, house.clock.now)
    assert (removed[Category.SENT], removed[Category.PEOPLE]) == (2_500, 2_500)


def test_every_category_has_one_period() -> None:
    assert set(PERIODS) == set(Category)


def furnish(house: House, number: str) -> int:
    """Everything a person can leave behind; returns the conversation."""
    conversation = house.conversation(DAY, number=number)
    cause = house.came(conversation, DAY)
    house.went(conversation, DAY, cause=cause)
    house.sent(f"m{number}", DAY, to=number)
    case = house.case(state="open", age=DAY if number == NUMBER else 2 * DAY, conversation=conversation)
    house.note(case)
    return conversation


def test_erasing_a_number_leaves_nothing_of_it(house: House) -> None:
    client = house.client()
    furnish(house, NUMBER)
    other = furnish(house, OTHER)
    report = erase(house.ledger, "500 100 200", house.clock.now)
    assert report == ErasureReport(sent=1, conversations=1, messages=2, notes=1)
    with house.ledger.read() as book:
        assert people.find(book, NUMBER) is None
        assert people.find(book, OTHER) is not None
    assert [row["conversation"] for row in house.rows(tables.inbox)] == [other]
    assert house.count(tables.sent) == house.count(tables.outbox) == house.count(tables.case_notes) == 1
    assert sorted(str(row["conversation"]) for row in house.rows(tables.cases)) == sorted(
        ["None", str(other)]
    )
    assert client
    assert erase(house.ledger, NUMBER, house.clock.now) == ErasureReport()


def test_erasing_a_number_keeps_it_stopped(house: House) -> None:
    client = house.client()
    conversation = furnish(house, NUMBER)
    lifted = house.stop(3 * DAY, client=client, conversation=conversation)
    person = house.person()
    with house.ledger.write() as book:
        consents.lift(book, person, [client], evidence=lifted, now=house.ago(2 * DAY))
    house.stop(DAY, conversation=conversation)
    report = erase(house.ledger, NUMBER, house.clock.now)
    assert (report.standing_opt_outs, report.lifted_opt_outs, report.texts) == (1, 1, 2)
    with house.ledger.read() as book:
        (stands,) = gate.standing_of(book, [NUMBER])[NUMBER]
        assert stands.client == 0
    kept = house.rows(tables.evidence)
    assert len(kept) == 2
    for row in kept:
        assert (row["text_key_enc"], row["text_enc"], row["conversation"], row["cause"]) == (None,) * 4
        assert row["text_digest"]
    assert (
        house.count(tables.conversations) == house.count(tables.sent) == house.count(tables.case_notes) == 0
    )


def test_what_is_no_number_is_said_and_not_taken_for_an_unknown_one(house: House) -> None:
    with pytest.raises(BadInput, match="no phone number"):
        erase(house.ledger, "50010020", house.clock.now)
