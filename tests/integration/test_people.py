"""What the ledger promises about numbers."""

from __future__ import annotations

from datetime import timedelta

import pytest

from bot.domain.errors import NotKnown
from bot.ledger import people
from bot.ledger.book import Ledger
from tests.conftest import Clock


def test_a_number_is_one_person_however_often_it_comes(ledger: Ledger) -> None:
    with ledger.write() as book:
        first = people.ensure(book, "+48500100200")
        again = people.ensure(book, "+48500100200")
        many = people.ensure_many(book, ["+48500100201", "+48500100200", "+48500100201"])
    assert first == again == many["+48500100200"] != many["+48500100201"]
    with ledger.read() as book:
        assert people.find(book, "+48500100201") == many["+48500100201"]
        assert people.number_of(book, first) == "+48500100200"
        assert people.find(book, "+48500100299") is None
        with pytest.raises(NotKnown):
            people.number_of(book, first + 1_000)


def test_many_thousand_numbers_at_once_keep_their_ids(ledger: Ledger) -> None:
    numbers = [f"+4860{n:07d}" for n in range(11_000)]
    with ledger.write() as book:
        first = people.ensure_many(book, numbers)
        again = people.ensure_many(book, reversed(numbers))
    assert first == again
    assert len(set(first.values())) == len(numbers)


def test_a_number_that_changed_hands_says_since_when(ledger: Ledger, clock: Clock) -> None:
    with ledger.write() as book:
        person = people.ensure(book, "+48500100200")
        assert people.holder_since(book, person) is None
        people.set_holder_since(book, person, clock.now - timedelta(days=3))
        assert people.holder_since(book, person) == clock.now - timedelta(days=3)
