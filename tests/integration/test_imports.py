"""What an import promises: the good rows go in, once, and the bad ones are told."""

from __future__ import annotations

import threading
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import func, select

from bot.domain.errors import BadInput
from bot.ledger import clients, people, sent
from bot.ledger.book import Ledger
from bot.ledger.tables import sent as sent_table
from bot.ledger.tables import shingles, templates
from bot.services import take_sent as take_sent_module
from bot.services.import_files import import_clients, import_senders, import_sent, take_sent
from tests.conftest import Clock

CLIENTS = (
    "client_id,legal_name,public_name,website,privacy_url,privacy_email,phone,address,dpo,language,sensitive,"
    "webhook_url,contacts\n"
    "shop,Shop sp. z o.o.,Shop,https://www.shop.example/pl,https://shop.example/p,"
    "dane@shop.example,+48221112233,"
    '"ul. Zmyślona 1\n00-000 Nigdzie",Alicja Zmyślona,pl,no,,'
    "phone:500 100 205;email:Biuro@Shop.example;login:Shop\n"
    "clinic,Klinika S.A.,Klinika,,,,,,,pl,yes,,\n"
)
ROW = {
    "message_id": "m1",
    "client_id": "shop",
    "sender": "SHOPXYZ",
    "recipient": "+48500100200",
    "sent_at": "2026-11-20T10:00:00Z",
}
HEADER = "message_id,client_id,sender,recipient,sent_at,channel,class,text\n"


def write(folder: Path, text: str, name: str = "file.csv") -> Path:
    path = folder / name
    path.write_bytes(text.encode())
    return path


@pytest.fixture
def with_clients(ledger: Ledger, tmp_path: Path, clock: Clock) -> Ledger:
    report = import_clients(ledger, write(tmp_path, CLIENTS, "clients.csv"), None, clock.now)
    assert (report.read, report.new, report.refused) == (2, 2, [])
    return ledger


def count(ledger: Ledger) -> int:
    with ledger.read() as book:
        found: int = book.scalar(select(func.count()).select_from(sent_table))
        return found


def test_a_client_is_read_back_as_it_was_given(with_clients: Ledger) -> None:
    with with_clients.read() as book:
        row = clients.find(book, "shop")
        assert row is not None
        card = clients.card(book, row)
        assert (card.public_name, card.domain, card.is_sensitive) == ("Shop", "shop.example", False)
        assert (card.dpo, card.address) == ("Alicja Zmyślona", "ul. Zmyślona 1 00-000 Nigdzie")
        assert clients.of_contact(book, "phone", "+48 500 100 205") == row
        assert clients.of_contact(book, "email", "BIURO@shop.example") == row
        assert clients.of_contact(book, "login", "shop") == row
        assert clients.of_contact(book, "login", "another") is None


def test_a_contact_of_two_clients_speaks_for_none(with_clients: Ledger, tmp_path: Path, clock: Clock) -> None:
    twin = "client_id,legal_name,public_name,contacts\ntwin,Twin,Twin,login:shop\n"
    import_clients(with_clients, write(tmp_path, twin), None, clock.now)
    with with_clients.read() as book:
        assert clients.of_contact(book, "login", "shop") is None


def test_importing_clients_again_changes_only_what_changed(
    with_clients: Ledger, tmp_path: Path, clock: Clock
) -> None:
    again = import_clients(with_clients, write(tmp_path, CLIENTS), None, clock.now)
    assert (again.new, again.unchanged, again.changed) == (0, 2, 0)
    edited = CLIENTS.replace("Alicja Zmyślona", "Zofia Zmyślona").replace(";login:Shop", "")
    after = import_clients(with_clients, write(tmp_path, edited), None, clock.now)
    assert (after.new, after.unchanged, after.changed) == (0, 1, 1)
    with with_clients.read() as book:
        assert clients.of_contact(book, "login", "shop") is None


def test_senders_are_compared_by_holder_and_first_day(
    with_clients: Ledger, tmp_path: Path, clock: Clock
) -> None:
    head = "sender,client_id,channel,valid_from,valid_to\n"
    first = import_senders(
        with_clients,
        write(tmp_path, head + "SHOPXYZ,shop,sms,2025-01-01,\n+48732000002,,sms,,\n"),
        None,
        clock.now,
    )
    assert (first.new, first.refused) == (2, [])
    ended = head + "SHOPXYZ,shop,sms,2025-01-01,2026-01-31\n+48732000002,,sms,,\nX,nobody,sms,,\n"
    second = import_senders(with_clients, write(tmp_path, ended), None, clock.now)
    assert (second.new, second.unchanged, second.changed) == (0, 1, 1)
    assert [(r.line, r.column) for r in second.refused] == [(4, "client_id")]


def test_bad_rows_are_told_with_their_line_and_the_rest_goes_in(
    with_clients: Ledger, tmp_path: Path, clock: Clock
) -> None:
    body = (
        "m1,shop,SHOPXYZ,+48500100200,2026-11-20T10:00:00Z,sms,marketing,"
        '"Wielka\r\nwyprzedaz; tylko ""dzis"""\r\n'
        "m2,shop,SHOPXYZ,CANARY-number,2026-11-20T10:00:00Z,sms,marketing,CANARY text\r\n"
        "m3,shop,SHOPXYZ,+48500100200\r\n"
        "\r\n"
        "m4,nobody,SHOPXYZ,+48500100200,2026-11-20T10:00:00Z,sms,,\r\n"
        "m5,shop,SHOPXYZ,48500100201,2026-11-20T10:00:00+01:00,sms,,\r\n"
    )
    path = tmp_path / "sent.csv"
    path.write_bytes(("\ufeff" + HEADER.replace("\n", "\r\n") + body).encode())
    report = import_sent(with_clients, path, None, clock.now)
    assert (report.read, report.new) == (5, 2)
    assert sorted((r.line, r.column) for r in report.refused) == [
        (4, "recipient"),
        (5, "row"),
        (7, "client_id"),
    ]
    assert "CANARY" not in repr(report)
    assert count(with_clients) == 2


def test_a_file_in_another_encoding_loses_only_the_rows_it_spoils(
    with_clients: Ledger, tmp_path: Path, clock: Clock
) -> None:
    path = tmp_path / "sent.csv"
    rest = "+48500100200,2026-11-20T10:00:00Z,sms,,"
    rows = f"m1,shop,SKLEPŻ,{rest}\nm2,shop,S,{rest}ż\n"
    path.write_bytes(HEADER.encode() + rows.encode("cp1250"))
    report = import_sent(with_clients, path, None, clock.now)
    assert report.new == 1
    assert [(r.line, r.column) for r in report.refused] == [(2, "sender")]


def test_a_wrong_header_stops_before_the_first_row(
    with_clients: Ledger, tmp_path: Path, clock: Clock
) -> None:
    with pytest.raises(BadInput, match="missing: recipient; not known: number"):
        import_sent(with_clients, write(tmp_path, HEADER.replace("recipient", "number")), None, clock.now)
    with pytest.raises(BadInput, match="empty"):
        import_sent(with_clients, write(tmp_path, ""), None, clock.now)


def test_importing_twice_writes_once(
    with_clients: Ledger, tmp_path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(take_sent_module, "BATCHES", {"sqlite": 7, "postgresql": 7})
    rows = "".join(
        f"m{n},shop,SHOPXYZ,+4850010{n:04d},2026-11-20T10:00:00Z,sms,,"
        f"Twoj kod to {n} podaj go kurierowi przy odbiorze\n"
        for n in range(40)
    )
    path = write(tmp_path, HEADER + rows + rows.splitlines()[3] + "\n")
    seen: list[tuple[int, int | None]] = []
    first = import_sent(with_clients, path, lambda done, total: seen.append((done, total)), clock.now)
    second = import_sent(with_clients, path, None, clock.now)
    assert (first.read, first.new, first.unchanged, first.refused) == (41, 40, 1, [])
    assert (second.read, second.new, second.unchanged) == (41, 0, 41)
    assert count(with_clients) == 40
    assert seen[-1] == (path.stat().st_size, path.stat().st_size)
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)
    with with_clients.read() as book:
        assert book.scalar(select(func.count()).select_from(templates)) == 1
        assert book.scalar(select(func.count()).select_from(shingles)) > 0


def test_a_known_id_with_other_values_is_refused(with_clients: Ledger, clock: Clock) -> None:
    take_sent(with_clients, [ROW], clock.now)
    report = take_sent(with_clients, [ROW, ROW | {"recipient": "+48500100201"}], clock.now)
    assert (report.unchanged, [(r.line, r.column) for r in report.refused]) == (1, [(2, "message_id")])
    with with_clients.read() as book:
        person = people.find(book, "+48500100200")
        assert person is not None
        assert sent.by_message(book, "m1", person=person) is not None


@pytest.mark.parametrize(
    "row",
    [
        {},
        "text",
        None,
        {"message_id": ["m1"]},
        {"message_id": True},
        {"message_id": "m1", "surprise": "x"},
        {**ROW, "message_id": "m\ud800"},
    ],
)
def test_garbage_in_a_call_is_refused_row_by_row(with_clients: Ledger, clock: Clock, row: object) -> None:
    report = take_sent(with_clients, [row], clock.now)  # type: ignore[list-item]
    assert (report.read, report.new, len(report.refused)) == (1, 0, 1)


def test_an_empty_list_tells_that_the_feed_lives(with_clients: Ledger, clock: Clock) -> None:
    take_sent(with_clients, [], clock.now)
    with with_clients.read() as book:
        feed = sent.feed(book)
    assert feed is not None
    assert (feed.heard_at, feed.newest_sent_at) == (clock.now, None)


def test_what_the_feed_told_last_is_never_taken_back(with_clients: Ledger, clock: Clock) -> None:
    take_sent(with_clients, [ROW], clock.now)
    take_sent(with_clients, [], clock.now - timedelta(hours=1))
    with with_clients.read() as book:
        feed = sent.feed(book)
    assert feed is not None
    assert feed.heard_at == clock.now
    assert feed.newest_sent_at is not None


def test_two_feeds_with_the_same_rows_at_once_write_each_message_once(
    with_clients: Ledger, clock: Clock
) -> None:
    rows = [
        {
            "message_id": f"m{n}",
            "client_id": "shop",
            "sender": "SHOPXYZ",
            "recipient": f"+4850010{n:04d}",
            "sent_at": "2026-11-20T10:00:00Z",
            "text": f"Twoja paczka {'abcdefghij'[n % 10] * 3} czeka na odbior w punkcie",
        }
        for n in range(300)
    ]
    reports = []
    start = threading.Barrier(4)

    def feed(ordered: list[dict[str, str]]) -> None:
        start.wait(timeout=10)
        reports.append(take_sent(with_clients, ordered, clock.now))

    threads = [
        threading.Thread(target=feed, args=(r,)) for r in (rows, rows[::-1], rows[150:] + rows[:150], rows)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=30)
    assert len(reports) == 4
    assert sum(r.new for r in reports) == 300
    assert sum(r.unchanged for r in reports) == 900
    assert count(with_clients) == 300
