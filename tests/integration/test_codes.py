"""What a code promises in the ledger: its tries are counted once each, whoever guesses at the same moment."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from datetime import timedelta

import pytest
from sqlalchemy import select

from bot.domain.codes import TERMS, Proof, Purpose
from bot.domain.messages import Address, Medium
from bot.ledger import codes, conversations, tables, tries
from bot.ledger.book import Ledger
from tests.conftest import Clock

THREADS = 20
PROOF = Purpose.PROOF


@pytest.fixture
def talk(ledger: Ledger, clock: Clock) -> int:
    with ledger.write() as book:
        return _talk(book, "5550001", clock)


def _talk(book: object, chat: str, clock: Clock) -> int:
    address = Address("telegram", "bot", Medium.TELEGRAM, chat, "bot")
    return conversations.open_for(book, address, person=None, now=clock.now).id  # type: ignore[arg-type]


def made(ledger: Ledger, talk: int, clock: Clock, purpose: Purpose = PROOF) -> str:
    with ledger.write() as book:
        conversations.get(book, talk, lock=True)
        return codes.make(book, talk, purpose, about={"number": "+48500100200"}, now=clock.now)


def tried(ledger: Ledger, talk: int, said: str, clock: Clock, purpose: Purpose = PROOF) -> Proof:
    with ledger.write() as book:
        code = codes.newest(book, talk, purpose)
        assert code is not None
        return codes.take_try(book, code, said, now=clock.now).proof


def wrong(code: str) -> str:
    return code[:-1] + ("1" if code[-1] != "1" else "2")


def at_once(work: Callable[[int], object]) -> list[object]:
    """Let 20 threads do it in the same moment."""
    ended: list[object] = []
    begin = threading.Barrier(THREADS)

    def run(number: int) -> None:
        begin.wait(timeout=30)
        ended.append(work(number))

    threads = [threading.Thread(target=run, args=(number,)) for number in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert len(ended) == THREADS
    return ended


def test_of_twenty_guesses_at_once_five_are_looked_at(ledger: Ledger, talk: int, clock: Clock) -> None:
    code = made(ledger, talk, clock)
    ended = Counter(at_once(lambda _: tried(ledger, talk, wrong(code), clock)))
    assert ended == {Proof.WRONG: 4, Proof.LOCKED: THREADS - 4}
    assert tried(ledger, talk, code, clock) is Proof.LOCKED


def test_of_twenty_right_answers_at_once_one_counts(ledger: Ledger, talk: int, clock: Clock) -> None:
    code = made(ledger, talk, clock)
    ended = Counter(at_once(lambda _: tried(ledger, talk, code, clock)))
    assert ended[Proof.OK] == 1


def test_twenty_codes_asked_for_at_once_leave_one_open(ledger: Ledger, talk: int, clock: Clock) -> None:
    at_once(lambda _: made(ledger, talk, clock))
    with ledger.read() as book:
        rows = book.rows(select(tables.codes))
    assert len(rows) == THREADS
    assert [row["id"] for row in rows if row["tries_left"]] == [max(row["id"] for row in rows)]


def test_of_twenty_at_once_no_more_than_the_days_are_within(ledger: Ledger, clock: Clock) -> None:
    def count(_: int) -> bool:
        with ledger.write() as book:
            day = timedelta(days=1)
            return tries.within(book, "codes", "+48500100200", most=3, period=day, now=clock.now)

    assert Counter(at_once(count)) == {True: 3, False: THREADS - 3}
    clock.move(timedelta(hours=23))
    assert not count(0)
    clock.move(timedelta(hours=1))
    assert [count(0) for _ in range(4)] == [True, True, True, False]


def test_a_code_counts_only_where_and_for_what_it_was_asked(ledger: Ledger, talk: int, clock: Clock) -> None:
    code = made(ledger, talk, clock)
    with ledger.write() as book:
        other = _talk(book, "5550002", clock)
        codes.make(book, other, PROOF, now=clock.now)
        codes.make(book, talk, Purpose.ACCOUNT, now=clock.now)
    assert tried(ledger, other, code, clock) is not Proof.OK
    assert tried(ledger, talk, code, clock, Purpose.ACCOUNT) is not Proof.OK
    assert tried(ledger, talk, code, clock) is Proof.OK


def test_a_new_code_takes_the_place_of_the_old_one(ledger: Ledger, talk: int, clock: Clock) -> None:
    old, new = made(ledger, talk, clock), made(ledger, talk, clock)
    assert old == new or tried(ledger, talk, old, clock) is Proof.WRONG
    assert tried(ledger, talk, new, clock) is Proof.OK


def test_a_code_ends_after_its_ten_minutes(ledger: Ledger, talk: int, clock: Clock) -> None:
    code = made(ledger, talk, clock)
    clock.move(TERMS[PROOF].lasts)
    assert tried(ledger, talk, code, clock) is Proof.EXPIRED


def test_no_code_can_be_read_where_it_rests(ledger: Ledger, talk: int, clock: Clock) -> None:
    code = made(ledger, talk, clock)
    with ledger.read() as book:
        (row,) = book.rows(select(tables.codes))
    assert code not in str(dict(row))
    assert code.encode() not in b"".join(v for v in row.values() if isinstance(v, bytes))


def test_of_twenty_that_send_at_once_one_gets_the_code(ledger: Ledger, talk: int, clock: Clock) -> None:
    with ledger.write() as book:
        code = codes.make(book, talk, PROOF, about={"to": "x"}, is_to_be_sent=True, now=clock.now)

    def claim(_: int) -> str | None:
        with ledger.write() as book:
            unsent = codes.claim_unsent(book, now=clock.now, lease=timedelta(seconds=60))
            return None if unsent is None else unsent.digits

    assert Counter(at_once(claim)) == {code: 1, None: THREADS - 1}


def test_a_code_that_was_sent_is_kept_as_a_hash_alone(ledger: Ledger, talk: int, clock: Clock) -> None:
    with ledger.write() as book:
        code = codes.make(book, talk, PROOF, about={"to": "x"}, is_to_be_sent=True, now=clock.now)
        unsent = codes.claim_unsent(book, now=clock.now, lease=timedelta(seconds=60))
        assert unsent is not None
        codes.sent(book, unsent, {"to": "x"})
        assert not codes.has_unsent(book, now=clock.now + timedelta(hours=1))
        kept = codes.newest(book, talk, PROOF)
    assert kept is not None and kept.about == {"to": "x"}
    assert tried(ledger, talk, code, clock) is Proof.OK


def test_a_code_that_goes_to_nobody_is_never_right(ledger: Ledger, talk: int, clock: Clock) -> None:
    with ledger.write() as book:
        code = codes.make(book, talk, PROOF, about={"to": "x"}, is_to_be_sent=True, now=clock.now)
        unsent = codes.claim_unsent(book, now=clock.now, lease=timedelta(seconds=60))
        assert unsent is not None
        codes.withheld(book, unsent, {"to": "x"})
    assert tried(ledger, talk, code, clock) is Proof.WRONG
