"""Promises about the demo's data: it parses, is invented, stays the same, and tells the stories it names."""

import csv
import re
from collections import Counter
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

import pytest

from bot.domain.numbers import is_answerable, sender_key, to_e164
from bot.domain.segments import count, fits
from bot.sample import PEOPLE, SHARED_NUMBER, sent_rows

FOLDER = Path(__file__).parents[2] / "data" / "sample"
NOW = datetime(2026, 11, 22, 17, 30, tzinfo=UTC)
WARSAW = ZoneInfo("Europe/Warsaw")
CLIENT_COLUMNS = [
    "client_id",
    "legal_name",
    "public_name",
    "website",
    "privacy_url",
    "privacy_email",
    "phone",
    "address",
    "dpo",
    "language",
    "sensitive",
    "webhook_url",
    "contacts",
]
SENDER_COLUMNS = ["sender", "client_id", "channel", "valid_from", "valid_to"]
SENT_COLUMNS = ["message_id", "client_id", "sender", "recipient", "sent_at", "channel", "class", "text"]
# What SMSAPI registers: 11 characters, a letter at least, never three digits in a row.
SENDER_NAME = re.compile(r"(?=.*[A-Za-z])(?!.*\d\d\d)[a-zA-Z0-9 .&@+_!%#-]{1,11}")
INVENTED_NUMBER = re.compile(r"\+48(500100\d{3}|73200000\d)")
INVENTED_DOMAIN = re.compile(r"[a-z.]+\.example(\.pl)?")


def table(name: str) -> tuple[list[str], list[dict[str, str]]]:
    with (FOLDER / name).open(encoding="utf-8", newline="") as lines:
        rows = csv.DictReader(lines)
        return list(rows.fieldnames or ()), list(rows)


def contacts(client: dict[str, str]) -> list[tuple[str, str]]:
    pairs = [entry.partition(":") for entry in client["contacts"].split(";")]
    return [(kind, value) for kind, _, value in pairs]


def is_held(sender: dict[str, str], day: date) -> bool:
    return (sender["valid_from"] or "0000") <= day.isoformat() <= (sender["valid_to"] or "9999")


@pytest.fixture(scope="module")
def clients() -> list[dict[str, str]]:
    return table("clients.csv")[1]


@pytest.fixture(scope="module")
def senders() -> list[dict[str, str]]:
    return table("senders.csv")[1]


@pytest.fixture(scope="module")
def sent() -> list[dict[str, str]]:
    return list(sent_rows(NOW))


def of(sent: list[dict[str, str]], number: str) -> list[dict[str, str]]:
    return [row for row in sent if row["recipient"] == number]


def age(row: dict[str, str]) -> timedelta:
    return NOW - datetime.fromisoformat(row["sent_at"])


def test_the_files_have_the_columns_of_the_import():
    assert table("clients.csv")[0] == CLIENT_COLUMNS
    assert table("senders.csv")[0] == SENDER_COLUMNS
    assert all(None not in row and None not in row.values() for name in ("clients", "senders", "texts")
               for row in table(f"{name}.csv")[1])  # fmt: skip


def test_there_are_a_dozen_clients_and_two_are_sensitive(clients: list[dict[str, str]]):
    assert len({client["client_id"] for client in clients}) == len(clients) == 12
    assert {client["client_id"] for client in clients if client["sensitive"] == "yes"} == {
        "podlipami",
        "kwit",
    }
    assert {client["sensitive"] for client in clients} == {"yes", "no"}
    assert {client["language"] for client in clients} == {"pl", "uk", "en"}


def test_a_clients_name_and_domain_fit_into_an_sms(clients: list[dict[str, str]]):
    for client in clients:
        assert 0 < count(client["public_name"]).units <= 30
        assert count(client["public_name"]).alphabet == "gsm7"
        assert len(urlsplit(client["website"]).netloc) <= 26


def test_every_address_is_an_invented_one(clients: list[dict[str, str]]):
    for client in clients:
        emails = [client["privacy_email"], *(value for kind, value in contacts(client) if kind == "email")]
        domains = [urlsplit(client["website"]).netloc, urlsplit(client["privacy_url"]).netloc]
        domains += [email.partition("@")[2] for email in emails]
        assert all(INVENTED_DOMAIN.fullmatch(domain) for domain in domains), client["client_id"]
        phones = [client["phone"], *(value for kind, value in contacts(client) if kind == "phone")]
        assert all(INVENTED_NUMBER.fullmatch(phone) and to_e164(phone) == phone for phone in phones)
        assert {kind for kind, _ in contacts(client)} <= {"phone", "email", "login"}
        assert client["webhook_url"] == ""


def test_there_are_thirty_sender_names_as_a_provider_would_register_them(senders: list[dict[str, str]]):
    names = {sender["sender"] for sender in senders if not sender["sender"].startswith("+")}
    assert len(names) == len(set(map(sender_key, names))) == 30
    assert all(SENDER_NAME.fullmatch(name) and not is_answerable(name) for name in names)


def test_senders_belong_to_known_clients_between_sensible_days(
    clients: list[dict[str, str]], senders: list[dict[str, str]]
):
    known = {client["client_id"] for client in clients}
    for sender in senders:
        assert sender["client_id"] in known or sender["sender"] == SHARED_NUMBER
        days = [date.fromisoformat(day) for day in (sender["valid_from"], sender["valid_to"]) if day]
        assert days == sorted(days)
        assert all(day.year in (2024, 2025) for day in days)
    assert {sender["client_id"] for sender in senders} - {""} == known


def test_some_senders_are_shared_and_some_were_handed_on(senders: list[dict[str, str]]):
    today = NOW.date()
    holders = Counter(sender["sender"] for sender in senders if is_held(sender, today))
    assert {name for name, number in holders.items() if number > 1} == {"ZAKUPY", "DOSTAWA", "FAKTURA"}
    former = {sender["sender"] for sender in senders if not is_held(sender, today)}
    assert former == {"WYPRZEDAZ", "Paczka", "KLUB", "BILET", "+48732000003"}
    assert all(holders[name] == 1 for name in former)
    assert [s["client_id"] for s in senders if s["sender"] == SHARED_NUMBER] == [""]
    assert [s["client_id"] for s in senders if s["sender"] == "+48732000001"] == ["agrest"]


def test_the_same_moment_and_seed_give_the_same_year(sent: list[dict[str, str]]):
    assert list(sent_rows(NOW)) == sent
    assert list(sent_rows(NOW.astimezone(WARSAW))) == sent
    assert list(sent_rows(NOW, seed=8)) != sent


def test_a_moment_without_a_zone_is_refused():
    with pytest.raises(ValueError, match="time zone"):
        next(sent_rows(datetime(2026, 11, 22, 17, 30)))


def test_the_year_has_some_thousand_messages_in_order(sent: list[dict[str, str]]):
    assert 3_800 <= len(sent) <= 4_200
    assert all(list(row) == SENT_COLUMNS for row in sent)
    assert len({row["message_id"] for row in sent}) == len(sent)
    times = [row["sent_at"] for row in sent]
    assert times == sorted(times)
    assert all(age(row) > timedelta(0) for row in sent)
    assert age(sent[-1]) < timedelta(minutes=10)
    assert [row["recipient"] for row in sent if age(row) > timedelta(days=365)] == ["+48500100204"]
    months = Counter(age(row) // timedelta(days=30) for row in sent)
    assert all(months[month] > 150 for month in range(12))


@pytest.mark.parametrize(
    "now", [NOW, datetime(2025, 9, 1, 3, 0, tzinfo=UTC), datetime(2028, 2, 29, 23, 59, tzinfo=UTC)]
)
def test_every_message_comes_from_a_sender_its_client_held_then(now: datetime, senders: list[dict[str, str]]):
    for row in sent_rows(now):
        day = datetime.fromisoformat(row["sent_at"]).astimezone(WARSAW).date()
        assert any(
            sender["sender"] == row["sender"]
            and sender["client_id"] in ("", row["client_id"])
            and is_held(sender, day)
            for sender in senders
        ), row


def test_messages_are_plausible_sms_of_each_class(sent: list[dict[str, str]]):
    assert {row["class"] for row in sent} == {"marketing", "service", "code", ""}
    assert {row["channel"] for row in sent} == {"sms"}
    assert all(row["text"] and "{" not in row["text"] and fits(row["text"]) for row in sent)
    assert all(INVENTED_NUMBER.fullmatch(row["recipient"]) for row in sent)
    others = [row for row in sent if row["recipient"] not in PEOPLE]
    local = [(row["class"], datetime.fromisoformat(row["sent_at"]).astimezone(WARSAW)) for row in others]
    assert all(6 <= moment.hour < 23 for _, moment in local)
    assert all(moment.isoweekday() != 7 for message_class, moment in local if message_class == "marketing")
    assert any(re.search("[іїє]", row["text"]) for row in sent)
    assert any("Your ticket" in row["text"] for row in sent)
    assert {row["client_id"] for row in sent} == {client["client_id"] for client in table("clients.csv")[1]}


def test_each_text_is_used_or_belonged_to_a_former_holder(sent: list[dict[str, str]]):
    used = {(row["client_id"], row["sender"], row["class"]) for row in sent}
    unused = {(row["client_id"], row["sender"]) for row in table("texts.csv")[1]
              if (row["client_id"], row["sender"], row["class"]) not in used}  # fmt: skip
    assert unused == {
        ("agrest", "WYPRZEDAZ"),
        ("ukazi", "Paczka"),
        ("zubr", "KLUB"),
        ("kobza", "BILET"),
        ("zubr", "+48732000003"),
    }


def test_the_named_people_live_what_is_told_of_them(
    sent: list[dict[str, str]], clients: list[dict[str, str]], senders: list[dict[str, str]]
):
    month, year = timedelta(days=30), timedelta(days=365)
    assert all(INVENTED_NUMBER.fullmatch(number) and to_e164(number) == number for number in PEOPLE)

    assert {row["sender"] for row in of(sent, "+48500100200")} == {"+48732000001"}
    assert min(map(age, of(sent, "+48500100200"))) < timedelta(minutes=15)

    several = [row for row in of(sent, "+48500100201") if age(row) < month]
    assert len({row["client_id"] for row in several}) == 5
    assert {row["sender"] for row in of(sent, "+48500100202")} == {SHARED_NUMBER}
    assert len({row["client_id"] for row in of(sent, "+48500100202") if age(row) < month}) == 3

    sensitive = {client["client_id"] for client in clients if client["sensitive"] == "yes"}
    assert {row["client_id"] for row in of(sent, "+48500100203")} == sensitive

    (old,) = of(sent, "+48500100204")
    assert year + month < age(old) < year + 2 * month
    (eleven_months_old,) = of(sent, "+48500100207")
    assert 10 * month < age(eleven_months_old) < year

    direct = {
        value: client["client_id"]
        for client in clients
        for kind, value in contacts(client)
        if kind == "phone"
    }
    assert direct["+48500100205"] == "agrest"
    assert not of(sent, "+48500100205")
    assert direct["+48500100208"] == "podzegarem"
    assert {row["client_id"] for row in of(sent, "+48500100208")} == {"wrona"}

    gap = [age(row) for row in of(sent, "+48500100206")]
    assert not [old for old in gap if month < old < 7 * month]
    assert {row["client_id"] for row in of(sent, "+48500100206") if age(row) < month} == {"papuga"}
    assert "papuga" not in {row["client_id"] for row in of(sent, "+48500100206") if age(row) > month}


def test_nobody_named_is_touched_by_the_rest_of_the_year(sent: list[dict[str, str]]):
    # Another seed invents another year, and leaves each of the stories as it is.
    def stories(rows: list[dict[str, str]]) -> list[tuple[str, str, str]]:
        return [
            (row["recipient"], row["client_id"], row["sent_at"]) for row in rows if row["recipient"] in PEOPLE
        ]

    assert stories(list(sent_rows(NOW, seed=99))) == stories(sent)
