"""What the phone in the browser promises: what is typed goes the real way, what is said is only text."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select
from starlette.testclient import TestClient

from actions import TOPICS
from bot.channels.simulator import Simulator
from bot.domain.errors import BadInput
from bot.domain.messages import Medium
from bot.ledger import consents, conversations, people, transcripts
from bot.ledger.book import Ledger
from bot.ledger.tables import inbox
from bot.sample import FOLDER as SAMPLE
from bot.sample import PEOPLE, sent_rows
from bot.services import import_files
from bot.services.contracts import House
from bot.services.deliver import deliver
from bot.services.respond import respond
from bot.services.send_codes import send_codes
from bot.services.take_sent import take_sent
from bot.settings import MailSettings
from bot.web import simulator
from bot.web.app import build
from tests.conftest import Clock
from tests.web_house import WEB, house_of

ONE = "+48500100200"  #: got messages of one client, from this number
AGREST = "+48732000001"
HOSTILE = "<script>alert(1)</script><img src=x onerror=alert(2)>"


@pytest.fixture
def house(ledger: Ledger) -> House:
    return replace(house_of(ledger), sms_from=Simulator().sms_from())


@pytest.fixture
def phone(house: House, clock: Clock) -> Iterator[TestClient]:
    app = build(house, {}, WEB, clock=clock, readiness=lambda: {"database": True}, simulator=True)
    with TestClient(app) as client:
        yield client


def test_it_is_there_only_when_switched_on(house: House, clock: Clock) -> None:
    app = build(house, {}, WEB, clock=clock, readiness=lambda: {"database": True}, simulator=False)
    with TestClient(app) as client:
        assert client.get("/phone").status_code == 404
        assert client.post("/phone/messages", json=_sms("STOP")).status_code in (404, 405)


def test_a_message_goes_the_real_way_and_the_answer_comes_back(
    phone: TestClient, house: House, clock: Clock
) -> None:
    _sample(house, clock)
    assert _say(phone, _sms("kto to wysłał?")) == 202
    assert [line["who"] for line in _lines(phone)] == ["person"]
    _work(house, clock)
    lines = _lines(phone)
    assert [line["who"] for line in lines] == ["person", "bot"]
    assert "Moda Agrest" in lines[1]["text"]


def test_a_stop_takes_effect(phone: TestClient, house: House, clock: Clock) -> None:
    _sample(house, clock)
    _say(phone, _sms("STOP"))
    with house.ledger.read() as book:
        person = people.find(book, ONE)
        assert person is not None
        assert consents.standing(book, person)


def test_an_answer_is_shown_when_it_has_left_and_not_before(
    phone: TestClient, house: House, clock: Clock
) -> None:
    _say(phone, _sms("STOP ALL"))
    assert [line["who"] for line in _lines(phone)] == ["person"]
    _work(house, clock)
    assert [line["who"] for line in _lines(phone)] == ["person", "bot"]


def test_above_the_phone_stands_what_the_number_got(phone: TestClient, house: House, clock: Clock) -> None:
    _sample(house, clock)
    got = phone.get("/phone/messages", params=_at()).json()["got"]
    assert [message["sender"] for message in got] == [AGREST] * 3
    assert got[0]["at"] == (clock() - timedelta(minutes=9)).isoformat()
    assert set(got[0]) == {"sender", "at"}


def test_the_page_offers_the_people_and_the_numbers_of_the_sample(
    phone: TestClient, house: House, clock: Clock
) -> None:
    _sample(house, clock)
    page = phone.get("/phone").text
    for number in PEOPLE:
        assert f'data-person="{number}"' in page
    assert f'<option value="{AGREST}">{AGREST} – Moda Agrest</option>' in page
    assert '<option value="+48732000002">+48732000002 – shared by several</option>' in page
    assert f'<option value="{simulator.BOT_NUMBER}">' in page


def test_buttons_are_shown_and_pressing_one_answers_the_question(
    phone: TestClient, house: House, clock: Clock
) -> None:
    _say(phone, _telegram(text="pomoc"))
    _work(house, clock)
    buttons = _lines(phone, _telegram_at())[-1]["buttons"]
    assert len(buttons) >= 2
    human = buttons[-1]
    _say(phone, _telegram(text=human["label"], button=human["token"]))
    _work(house, clock)
    assert len(_lines(phone, _telegram_at())) == 4


@pytest.mark.parametrize(("is_own", "stopped"), [(True, True), (False, False)])
def test_only_ones_own_contact_makes_a_waiting_stop_take_effect(
    phone: TestClient, house: House, clock: Clock, is_own: bool, stopped: bool
) -> None:
    _say(phone, _telegram(text="STOP ALL"))
    _say(phone, _telegram(contact={"number": "500 100 299", "is_own": is_own}))
    with house.ledger.read() as book:
        person = people.find(book, "+48500100299")
        assert (person is not None and bool(consents.standing(book, person))) is stopped


def test_a_code_arrives_on_the_phone_of_the_number_that_a_chat_names(
    phone: TestClient, house: House, clock: Clock
) -> None:
    _say(phone, _telegram(text="STOP ALL"))
    _say(phone, _telegram(text="500 100 200"))
    _work(house, clock)
    [texted] = phone.get("/phone/messages", params=_at()).json()["texts"]
    assert texted["sender"] == simulator.BOT_NUMBER
    code = re.search(r"\b\d{6}\b", texted["text"])
    assert code is not None
    _say(phone, _telegram(text=code[0]))
    with house.ledger.read() as book:
        person = people.find(book, ONE)
        assert person is not None
        assert consents.standing(book, person)


def test_whoever_reads_along_at_the_desk_is_shown_no_code(
    phone: TestClient, house: House, clock: Clock
) -> None:
    _say(phone, _telegram(text="STOP ALL"))
    _say(phone, _telegram(text="500 100 200"))
    _work(house, clock)
    own = simulator.address_of(medium="sms", person=ONE)
    with house.ledger.read() as book:
        number = conversations.find(book, own)
        assert number is not None
        [line] = transcripts.of(book, number)
        [on_the_phone] = simulator.transcript(book, own)
    assert re.search(r"\d{6}", on_the_phone.text)
    assert not re.search(r"\d{6}", line.text)
    assert transcripts.HIDDEN in line.text


def test_what_is_written_comes_back_as_data_and_never_as_a_page(
    phone: TestClient, house: House, clock: Clock
) -> None:
    _say(phone, _sms(HOSTILE))
    answer = phone.get("/phone/messages", params=_at())
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.json()["lines"][0]["text"] == HOSTILE
    script = phone.get("/static/phone.js").text
    # The one way in which a text of a person could become more than a text.
    assert not [
        word for word in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write") if word in script
    ]


@pytest.mark.parametrize(
    "wrong",
    [
        {"text": "   "},
        {"person": "12"},
        {"person": "SHOP"},
        {"ours": "SHOP"},
        {"medium": "fax"},
        {"medium": "telegram", "person": "+48500100200"},
    ],
)
def test_what_makes_no_sense_is_refused_and_leaves_nothing(
    phone: TestClient, house: House, wrong: dict[str, str]
) -> None:
    assert _say(phone, {**_sms("x"), **wrong}) == 400
    with house.ledger.read() as book:
        assert book.rows(select(inbox.c.id)) == []


def test_a_text_longer_than_any_sms_is_refused(phone: TestClient, house: House, clock: Clock) -> None:
    assert _say(phone, _sms("x" * (simulator.LONGEST_TEXT + 1))) == 422
    with pytest.raises(BadInput):
        simulator.simulate(house, _address(), text="x" * (simulator.LONGEST_TEXT + 1), now=clock())


def test_the_terminal_and_the_browser_share_one_conversation(
    phone: TestClient, house: House, clock: Clock
) -> None:
    simulator.simulate(house, _address(), text="from the terminal", now=clock())
    _say(phone, _sms("from the browser"))
    with house.ledger.read() as book:
        told = [line.text for line in simulator.transcript(book, _address())]
    assert told == [line["text"] for line in _lines(phone)] == ["from the terminal", "from the browser"]


def _address() -> simulator.Address:
    return simulator.address_of(medium="sms", person=ONE, ours=AGREST)


def test_a_number_may_be_typed_as_people_write_it() -> None:
    address = simulator.address_of(medium="whatsapp", person="500 100 200")
    assert (address.medium, address.person, address.ours) == (Medium.WHATSAPP, ONE, simulator.BOT_NUMBER)


def _sms(text: str) -> dict[str, Any]:
    return {**_at(), "text": text}


def _at() -> dict[str, str]:
    return {"medium": "sms", "person": ONE, "ours": AGREST}


def _telegram_at() -> dict[str, str]:
    return {"medium": "telegram", "person": "700100200"}


def _telegram(**what: Any) -> dict[str, Any]:
    return {**_telegram_at(), **what}


def _say(phone: TestClient, what: dict[str, Any]) -> int:
    return phone.post("/phone/messages", json=what).status_code


def _lines(phone: TestClient, at: dict[str, str] | None = None) -> list[dict[str, Any]]:
    lines: list[dict[str, Any]] = phone.get("/phone/messages", params=at or _at()).json()["lines"]
    return lines


def _work(house: House, clock: Clock) -> None:
    """What the worker does, until nothing is left to do."""
    while (
        respond(house, TOPICS, clock=clock)
        or send_codes(house, MailSettings("", ""), now=clock())
        or deliver(house, {"simulator": Simulator()}, now=clock())
    ):
        clock.move(timedelta(seconds=1))


def _sample(house: House, clock: Clock) -> None:
    """The clients and senders of the demo, and what its people got."""
    import_files.import_clients(house.ledger, SAMPLE / "clients.csv", None, clock())
    import_files.import_senders(house.ledger, SAMPLE / "senders.csv", None, clock())
    take_sent(house.ledger, (row for row in sent_rows(clock()) if row["recipient"] in PEOPLE), clock())
