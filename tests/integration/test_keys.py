"""What rotating the keys promises: nobody is lost meanwhile, and the old key opens nothing afterwards."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import insert, select

from bot.domain.clients import Contact, Entry
from bot.domain.errors import BadSetting
from bot.domain.messages import Address, Medium
from bot.ledger import clients, conversations, people, resealing, tables
from bot.ledger import keys as key_files
from bot.ledger.book import Ledger
from bot.ledger.keys import version_of
from bot.services import rotate_keys
from bot.services.rotate_keys import rotate
from tests.conftest import Clock

NUMBERS = [f"+4850010{n:04d}" for n in range(1_200)]
ADDRESS = Address("simulator", "main", Medium.SMS, NUMBERS[0], "+48732000001")


@pytest.fixture(autouse=True)
def no_grace(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rotate_keys, "GRACE", 0.2)


@pytest.fixture
def path(keys_file: Path, tmp_path: Path) -> Path:
    """A keys file of the test's own."""
    return Path(shutil.copy(keys_file, tmp_path / "keys.json"))


@pytest.fixture
def house(ledger: Ledger, path: Path, clock: Clock) -> Iterator[Ledger]:
    """A ledger with its keys file, a client, a conversation and many numbers."""
    opened = Ledger(ledger.engine.url.render_as_string(hide_password=False), key_files.read(path))
    with opened.write() as book:
        people.ensure_many(book, NUMBERS)
        contact = (Contact("login", "shop"),)
        clients.save(book, Entry("shop", "Shop", "Shop", dpo="Zofia", contacts=contact), now=clock.now)
        clients.set_webhook_secret(book, clients.ids(book, ["shop"])["shop"], "whsec_x", now=clock.now)
        person = people.find(book, NUMBERS[0])
        conversation = conversations.open_for(book, ADDRESS, person=person, now=clock.now)
        conversations.settle(
            book,
            conversation.id,
            asked=None,
            memory={"client": 1},
            language="pl",
            noticed_at=None,
            waiting_since=None,
            now=clock.now,
        )
    yield opened
    opened.close()


def sealed_with(ledger: Ledger) -> set[str]:
    """Every key version that anything is sealed with."""
    found = set()
    with ledger.read() as book:
        for table, columns in resealing.tables().items():
            for row in book.rows(select(*(table.c[name] for name in columns))):
                found |= {version_of(blob) for blob in row.values() if blob is not None}
    return found


def all_is_there(ledger: Ledger, clock: Clock) -> None:
    with ledger.write() as book:
        found = people.find_many(book, NUMBERS)
        assert len(found) == len(NUMBERS)
        assert people.number_of(book, found[NUMBERS[7]]) == NUMBERS[7]
        row = clients.of_contact(book, "login", "shop")
        assert row is not None
        assert clients.card(book, row).dpo == "Zofia"
        assert clients.webhook_secrets(book, row, now=clock.now) == ("whsec_x",)
        conversation = conversations.open_for(book, ADDRESS, person=None, now=clock.now)
        assert conversation.person == found[NUMBERS[0]]
        assert conversation.memory["client"] == 1


def test_everything_is_found_under_the_new_key_and_the_old_one_is_gone(
    house: Ledger, path: Path, clock: Clock
) -> None:
    seen: list[tuple[int, int | None]] = []
    done = rotate(house, path, lambda n, total: seen.append((n, total)), now=clock.now)
    assert done.old_needed_until is None
    assert done.resealed == len(NUMBERS) + 3
    assert seen[-1] == (done.resealed, done.resealed)
    assert key_files.read(path).versions == ("k2",)
    assert sealed_with(house) == {"k2"}
    all_is_there(house, clock)
    rotate(house, path, now=clock.now)
    assert key_files.read(path).versions == ("k3",)
    all_is_there(house, clock)


def test_no_look_up_misses_while_keys_are_rotated(house: Ledger, path: Path, clock: Clock) -> None:
    other = Ledger(house.engine.url.render_as_string(hide_password=False), key_files.read(path))
    over = threading.Event()
    begun = threading.Event()
    missed: list[str] = []

    def look() -> None:
        turn = 0
        while not over.is_set():
            number = NUMBERS[turn % len(NUMBERS)]
            with other.read() as book:
                person = people.find(book, number)
                if person is None or people.number_of(book, person) != number:
                    missed.append("read")
            with other.write() as book:
                if people.ensure(book, number) != person:
                    missed.append("write")
            turn += 37
            begun.set()

    thread = threading.Thread(target=look)
    thread.start()
    assert begun.wait(10)
    rotate(house, path, now=clock.now)
    rotate(house, path, now=clock.now)
    over.set()
    thread.join(timeout=30)
    other.close()
    assert missed == []
    with house.read() as book:
        assert len(book.rows(select(tables.people.c.id))) == len(NUMBERS)


def test_a_rotation_that_was_cut_short_is_gone_on_with(
    house: Ledger, path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    def crash(done: int, total: int | None) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(rotate_keys, "BATCH", 100)
    with pytest.raises(KeyboardInterrupt):
        rotate(house, path, crash, now=clock.now)
    assert key_files.read(path).versions == ("k1", "k2")
    assert sealed_with(house) == {"k1", "k2"}
    all_is_there(house, clock)
    rotate(house, path, now=clock.now)
    assert key_files.read(path).versions == ("k2",)
    all_is_there(house, clock)


def test_a_code_that_was_sent_still_counts(house: Ledger, path: Path, clock: Clock) -> None:
    with house.write() as book:
        person = people.find(book, NUMBERS[0])
        conversation = conversations.open_for(book, ADDRESS, person=person, now=clock.now)
        key = book.keys.find("code 47")
        ends = clock.now + timedelta(hours=24)
        values = {"conversation": conversation.id, "person": person, "purpose": "start", "code_key": key}
        values |= {"tries_left": 3, "made_at": clock.now, "expires_at": ends}
        book.run(insert(tables.codes).values(values))
    assert rotate(house, path, now=clock.now).old_needed_until == ends
    with house.read() as book:
        assert key in book.keys.find_any("code 47")
    assert rotate(house, path, now=ends + timedelta(seconds=1)).old_needed_until is None
    assert key_files.read(path).versions == ("k2",)


def test_a_transaction_begun_with_the_old_key_is_waited_for(house: Ledger, path: Path, clock: Clock) -> None:
    rotated = threading.Event()

    def run() -> None:
        rotate(house, path, now=clock.now)
        rotated.set()

    other = Ledger(house.engine.url.render_as_string(hide_password=False), key_files.read(path))
    thread = threading.Thread(target=run)
    with other.write() as book:
        late = people.ensure(book, "+48600100200")
        thread.start()
        assert not rotated.wait(1.0)
        assert people.find(book, NUMBERS[5]) is not None
    thread.join(timeout=30)
    assert rotated.is_set()
    with house.read() as book:
        assert people.find(book, "+48600100200") == late
    assert sealed_with(house) == {"k2"}
    other.close()


def test_a_ledger_is_not_rotated_by_another_keys_file(ledger: Ledger, path: Path, clock: Clock) -> None:
    with pytest.raises(BadSetting):
        rotate(ledger, path, now=clock.now)
    assert key_files.read(path).versions == ("k1",)


def test_every_keyed_column_is_made_anew_or_known_to_run_out() -> None:
    """A new `…_key` column must be looked at: after a rotation nobody finds it by its old value."""
    runs_out = {"codes.code_key", "counts.whom_key"}
    keyed = {
        f"{table.name}.{column.name}"
        for table in tables.metadata.sorted_tables
        for column in table.columns
        if column.name.endswith("_key") and column.name != "sender_key"
    }
    assert keyed == runs_out | {f"{t}.{r.column}" for t, r in resealing.REKEYED.items()}


def test_the_moment_codes_are_counted_by_is_aware(house: Ledger, path: Path) -> None:
    moment = datetime.now().astimezone()
    assert rotate(house, path, now=moment).old_needed_until is None


def test_a_process_whose_keys_file_is_taken_away_goes_on(house: Ledger, path: Path, clock: Clock) -> None:
    path.unlink()
    all_is_there(house, clock)
