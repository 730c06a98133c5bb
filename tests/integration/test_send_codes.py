"""What the sender of codes promises: who may have one gets it, by SMS or mail, and nobody can tell who may not."""

from __future__ import annotations

import re
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from email.message import EmailMessage
from pathlib import Path

import pytest
from sqlalchemy import select

from bot.domain.codes import Proof, Purpose
from bot.domain.messages import Address, Medium, Received
from bot.ledger import codes, conversations, tables
from bot.services import verify_account, verify_number
from bot.services.import_files import import_clients
from bot.services.receive import receive
from bot.services.send_codes import LEASE, send_codes
from bot.services.take_code import take_code
from bot.settings import MailSettings
from tests.conftest import Clock
from tests.standins.smtp import SmtpStandIn
from tests.world import ALA, BOT_NUMBER, World

THREADS = 20
CLIENTS = """\
client_id,legal_name,public_name,website,privacy_email,language,sensitive,contacts
mailed,Ogrod sp. z o.o.,Ogrod,https://ogrod.example,rodo@ogrod.example,pl,no,email:biuro@ogrod.example;login:ogrod
both,Sad sp. z o.o.,Sad,https://sad.example,rodo@sad.example,pl,no,login:sad;email:biuro@sad.example;phone:+48500100295
"""


@pytest.fixture
def world(ledger: object, clock: Clock, tmp_path: Path) -> World:
    world = World(ledger, clock, tmp_path)  # type: ignore[arg-type]
    (tmp_path / "more.csv").write_text(CLIENTS)
    assert not import_clients(world.house.ledger, tmp_path / "more.csv", None, world.now).refused
    return world


def talk(world: World, chat: str = "5550001") -> int:
    address = Address("simulator", "demo", Medium.TELEGRAM, chat, "42")
    with world.house.ledger.write() as book:
        return conversations.open_for(book, address, person=None, now=world.now).id


def ask_account(world: World, claim: str, chat: str = "5550001") -> int:
    number = talk(world, chat)
    with world.house.ledger.write() as book:
        conversation = conversations.get(book, number, lock=True)
        verify_account.ask_code(book, conversation, claim=claim, language="pl", now=world.now)
    return number


def ask_number(world: World, number: str, chat: str = "5550001") -> int:
    place = talk(world, chat)
    with world.house.ledger.write() as book:
        conversation = conversations.get(book, place, lock=True)
        asked = {"number": number, "then": None, "language": "pl"}
        assert verify_number.ask_code(book, conversation, now=world.now, **asked) == "sent"
    return place


def tried(world: World, conversation: int, code: str) -> str:
    with world.house.ledger.write() as book:
        place = conversations.get(book, conversation, lock=True)
        taken = take_code(world.house, book, place, code, now=world.now)
    assert taken is not None
    return taken.facts["proof"]


def texted(world: World) -> list[str]:
    """The codes in the outbox."""
    with world.house.ledger.read() as book:
        rows = book.rows(select(tables.outbox).where(tables.outbox.c.kind == "code"))
        texts = [book.keys.unseal_json("outbox.body", row["body_enc"])["text"] for row in rows]
    return [code for text in texts for code in re.findall(r"\b\d{6}\b", text)]


def at_once(work: Callable[[int], object]) -> list[object]:
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


# --- by mail -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("claim", ["ogrod", " Biuro@Ogrod.example "])
def test_a_code_goes_to_the_mailbox_of_the_account(world: World, smtp: SmtpStandIn, claim: str) -> None:
    conversation = ask_account(world, claim)
    assert send_codes(world.house, MailSettings(smtp.url, "bot@whosent.example"), now=world.now) == 1
    [mail] = smtp.arrived
    assert mail["To"] == "biuro@ogrod.example"
    assert mail["Auto-Submitted"] == "auto-generated"
    body = mail.get_content()
    assert "http" not in body
    [code] = re.findall(r"\b\d{6}\b", body)
    assert code not in str(mail["Subject"])  # which lies open on a locked screen
    assert tried(world, conversation, code) == Proof.OK


def test_whoever_names_the_login_gets_an_sms_and_whoever_names_the_mailbox_a_mail(
    world: World, smtp: SmtpStandIn
) -> None:
    mail = MailSettings(smtp.url, "bot@whosent.example")
    ask_account(world, "sad", chat="1")
    send_codes(world.house, mail, now=world.now)
    assert (len(texted(world)), len(smtp.arrived)) == (1, 0)
    ask_account(world, "biuro@sad.example", chat="2")
    send_codes(world.house, mail, now=world.now)
    assert (len(texted(world)), len(smtp.arrived)) == (1, 1)


def test_a_mailbox_that_is_busy_is_tried_again_and_one_that_refuses_is_not(
    world: World, smtp: SmtpStandIn, clock: Clock
) -> None:
    mail = MailSettings(smtp.url, "bot@whosent.example")
    ask_account(world, "ogrod", chat="1")
    smtp.refusals = ["450 busy"]
    send_codes(world.house, mail, now=world.now)
    assert send_codes(world.house, mail, now=world.now) == 0
    clock.move(timedelta(seconds=31))
    assert send_codes(world.house, mail, now=world.now) == 1
    assert len(smtp.arrived) == 1
    refused = ask_account(world, "ogrod", chat="2")
    smtp.refusals = ["550 no such mailbox"]
    send_codes(world.house, mail, now=world.now)
    clock.move(timedelta(minutes=5))
    assert send_codes(world.house, mail, now=world.now) == 0
    assert tried(world, refused, "123456") == Proof.WRONG


def test_a_mailbox_that_is_busy_for_long_is_still_one_code_of_its_day(
    world: World, smtp: SmtpStandIn, clock: Clock
) -> None:
    mail = MailSettings(smtp.url, "bot@whosent.example")
    conversation = ask_account(world, "ogrod")
    smtp.refusals = ["450 busy"] * 6
    for _ in range(7):
        assert send_codes(world.house, mail, now=world.now) == 1
        clock.move(timedelta(seconds=31))
    [code] = re.findall(r"\b\d{6}\b", smtp.arrived[0].get_content())
    assert tried(world, conversation, code) == Proof.OK


class Quick(list[EmailMessage]):
    """A mailbox whose owner types the code before the mail server has answered."""

    def __init__(self, types: Callable[[str], object]) -> None:
        super().__init__()
        self._types = types

    def append(self, mail: EmailMessage) -> None:
        super().append(mail)
        [code] = re.findall(r"\b\d{6}\b", mail.get_content())
        self._types(code)


def test_a_code_may_come_back_before_its_sending_is_written_down(world: World) -> None:
    conversation = ask_account(world, "ogrod")
    ended: list[str] = []
    mailbox = Quick(lambda code: ended.append(tried(world, conversation, code)))
    with SmtpStandIn(arrived=mailbox) as smtp:
        send_codes(world.house, MailSettings(smtp.url, "bot@whosent.example"), now=world.now)
    assert ended == [Proof.OK]


def test_a_mail_server_that_is_away_costs_the_code_its_time_and_nothing_else(
    world: World, clock: Clock
) -> None:
    ask_account(world, "ogrod")
    nobody = MailSettings("smtp://127.0.0.1:9", "bot@whosent.example")
    for _ in range(30):
        send_codes(world.house, nobody, now=world.now)
        clock.move(timedelta(seconds=31))
    with world.house.ledger.read() as book:
        assert not codes.has_unsent(book, now=world.now + timedelta(hours=1))


def test_a_worker_that_died_with_a_code_in_hand_costs_a_minute(
    world: World, smtp: SmtpStandIn, clock: Clock
) -> None:
    ask_account(world, "ogrod")
    with world.house.ledger.write() as book:
        assert codes.claim_unsent(book, now=world.now, lease=LEASE) is not None
    mail = MailSettings(smtp.url, "bot@whosent.example")
    assert send_codes(world.house, mail, now=world.now) == 0
    clock.move(LEASE)
    assert send_codes(world.house, mail, now=world.now) == 1
    assert len(smtp.arrived) == 1


def test_without_a_mail_server_nothing_waits_for_one(world: World) -> None:
    conversation = ask_account(world, "ogrod")
    world.house = replace(world.house, ways_to_clients={"webhook": True, "mail": False})
    assert send_codes(world.house, MailSettings("", ""), now=world.now) == 1
    assert send_codes(world.house, MailSettings("", ""), now=world.now + timedelta(hours=1)) == 0
    assert tried(world, conversation, "123456") == Proof.WRONG


# --- how many ----------------------------------------------------------------------------------------


def test_of_twenty_codes_asked_for_one_number_at_once_three_are_texted(world: World) -> None:
    places = [ask_number(world, ALA, chat=str(chat)) for chat in range(THREADS)]

    def send(_: int) -> int:
        return send_codes(world.house, MailSettings("", ""), now=world.now, limit=THREADS)

    at_once(send)
    sent = texted(world)
    assert len(sent) == 3
    ended = Counter(tried(world, place, code) for place in places for code in sent[:1])
    assert ended[Proof.OK] <= 1


def test_of_twenty_guesses_at_once_in_a_chat_five_are_looked_at(world: World) -> None:
    place = ask_number(world, ALA)
    send_codes(world.house, MailSettings("", ""), now=world.now)
    [code] = texted(world)
    wrong = code[:-1] + ("1" if code[-1] != "1" else "2")
    here = {"as_": "5550001", "to": "42", "medium": Medium.TELEGRAM}
    messages = [world.inbound(wrong, **here) for _ in range(THREADS)]  # type: ignore[arg-type]
    at_once(lambda n: receive(world.house, Received(inbound=(messages[n],)), now=world.now))
    with world.house.ledger.read() as book:
        facts = [
            book.keys.unseal_json("inbox.wish", row["wish_enc"])["facts"]["proof"]
            for row in book.rows(select(tables.inbox))
        ]
        left = codes.newest(book, place, Purpose.PROOF)
    assert Counter(facts) == {"wrong": 4, "locked": THREADS - 4}
    assert left is not None and left.tries_left == 0
    assert tried(world, place, code) == Proof.LOCKED


def test_a_code_for_nobody_is_made_useless_and_leaves_nothing(world: World) -> None:
    for chat, number in enumerate(("+48700100200", "+48221234567", "+14155550123", BOT_NUMBER)):
        ask_number(world, number, chat=str(chat))
    with world.house.ledger.read() as book:
        before = {row["id"]: row["code_key"] for row in book.rows(select(tables.codes))}
        people = book.rows(select(tables.people.c.id))
    assert send_codes(world.house, MailSettings("", ""), now=world.now) == 4
    assert texted(world) == []
    with world.house.ledger.read() as book:
        after = {row["id"]: row["code_key"] for row in book.rows(select(tables.codes))}
        assert book.rows(select(tables.people.c.id)) == people
    assert all(before[row] != after[row] for row in before)
