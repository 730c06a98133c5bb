"""What a provider itself knows of a person's STOP counts once, for what it is a stop of, and is answered by nobody."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlencode, urlsplit

import pytest
from sqlalchemy import select

from bot.channels.telegram import Telegram
from bot.channels.twilio import Twilio
from bot.domain.consent import MessageClass, gate
from bot.domain.messages import Address, HookRequest, Medium
from bot.ledger import clients, consents, conversations, people, queues
from bot.ledger.book import Ledger
from bot.ledger.tables import conversations as conversation_rows
from bot.ledger.tables import evidence, outbox
from bot.services.deliver import deliver
from bot.services.receive import receive
from bot.settings import TelegramSettings, TwilioSettings
from tests.conftest import Clock
from tests.standins import Answer
from tests.standins.telegram import TOKEN as BOT_TOKEN
from tests.standins.telegram import TelegramStandIn
from tests.standins.twilio import ACCOUNT, TOKEN, TwilioStandIn, error, inbound_fields, signature
from tests.world import ALA, BOT_NUMBER, SHOP_NUMBER, World

PUBLIC_URL = "https://bot.example"
PAYLOADS = Path(__file__).parents[1] / "payloads"


@dataclass(slots=True)
class Line:
    """ALA's line to the shop's number at Twilio; hooks come signed, through our real channel."""

    world: World
    provider: TwilioStandIn
    channel: Twilio
    clock: Clock

    def hook(self, path: str, fields: dict[str, str]) -> None:
        url = PUBLIC_URL + path
        parts = urlsplit(url)
        headers = {
            "content-type": "application/x-www-form-urlencoded",
            "x-twilio-signature": signature(TOKEN, url, fields),
        }
        request = HookRequest(
            method="POST",
            url=url,
            path=parts.path,
            query=parts.query,
            headers=headers,
            body=urlencode(fields).encode(),
            source="203.0.113.7",
        )
        read = self.channel.read_status if "status" in path else self.channel.read_inbound
        receive(self.world.house, read(request, self.clock.now), now=self.clock.now)

    def says(self, text: str, *, to: str = SHOP_NUMBER, sid: int = 1, **more: str) -> None:
        whose = ALA if not to.startswith("whatsapp:") else f"whatsapp:{ALA}"
        self.hook("/hooks/twilio", inbound_fields(ACCOUNT, f"SM{sid:032x}", text, from_=whose, to=to, **more))

    def reports(self, message: int, state: str, code: int | None = None) -> None:
        fields = {"MessageSid": f"SM{message:032x}", "MessageStatus": state, "AccountSid": ACCOUNT}
        fields |= {} if code is None else {"ErrorCode": str(code)}
        self.hook(f"/hooks/twilio/status?o={message}", fields)

    def put(self, text: str = "Dzien dobry", *, kind: str = "agent", ours: str = SHOP_NUMBER) -> int:
        medium = Medium.WHATSAPP if ours.startswith("whatsapp:") else Medium.SMS
        with self.world.house.ledger.write() as book:
            person = people.ensure(book, ALA)
            address = Address("twilio", ACCOUNT, medium, ALA, ours)
            talk = conversations.open_for(book, address, person=person, now=self.clock.now)
            number = queues.put(book, queues.Draft(talk.id, kind, text), now=self.clock.now)
        assert number is not None
        return number

    def deliver(self) -> None:
        while deliver(self.world.house, {"twilio": self.channel}, now=self.clock.now, limit=8):
            pass

    def acts(self) -> list[tuple[str, str, str, str]]:
        """Act, scope, rule, how it was vouched for."""
        with self.world.house.ledger.read() as book:
            rows = book.rows(select(evidence).order_by(evidence.c.id))
        return [(r["act"], r["scope"], r["rule"], r["signature"]) for r in rows]

    def is_allowed(self, client: str = "shop") -> bool:
        with self.world.house.ledger.read() as book:
            person, known = people.find(book, ALA), clients.find(book, client)
            assert known is not None
            standing = [] if person is None else consents.standing(book, person)
            return gate(standing, known, MessageClass.MARKETING).is_allowed

    def receipts(self) -> list[str]:
        with self.world.house.ledger.read() as book:
            rows = book.rows(select(outbox.c.state).where(outbox.c.kind == "receipt").order_by(outbox.c.id))
        return [row["state"] for row in rows]

    def state(self, number: int) -> tuple[str, str]:
        with self.world.house.ledger.read() as book:
            row = book.row(select(outbox.c.state, outbox.c.code).where(outbox.c.id == number))
        assert row is not None
        return row["state"], row["code"]

    def start(self) -> None:
        """A START confirmed by its code, by the one who holds the number."""
        [question] = self.world.says("START")
        code = next(word.strip(".,") for word in question.split() if word.strip(".,").isdecimal())
        self.world.says(f"START {code}")


@pytest.fixture
def line(ledger: Ledger, clock: Clock, tmp_path: Path) -> Iterator[Line]:
    with TwilioStandIn(numbers=(SHOP_NUMBER,)) as provider:
        channel = Twilio(TwilioSettings(ACCOUNT, (TOKEN,), provider.url, SHOP_NUMBER, PUBLIC_URL))
        world = World(ledger, clock, tmp_path)
        world.sent("shop", SHOP_NUMBER)
        yield Line(world, provider, channel, clock)
        channel.close()


# --- OptOutType: Twilio took it and has answered ---


def test_an_opt_out_that_twilio_took_gets_no_second_receipt_and_holds(line: Line) -> None:
    line.says("stop", OptOutType="STOP")
    line.says("stop", OptOutType="STOP")  # delivered again
    line.deliver()
    assert (line.receipts(), line.provider.sent) == ([], [])
    assert line.acts() == [("stop", "sender", "provider:stop", "signed")]
    assert (line.is_allowed("shop"), line.is_allowed("books")) == (False, True)
    line.says("stop", OptOutType="STOP", sid=2)  # once more: recorded and silent
    line.deliver()
    assert [act[0] for act in line.acts()] == ["stop", "repeat"]
    assert line.provider.sent == []


def test_what_is_unprompted_does_not_go_where_twilio_took_an_opt_out(line: Line) -> None:
    line.says("stop", OptOutType="STOP")
    number = line.put(kind="unprompted")
    line.deliver()
    assert line.state(number) == ("cancelled", "platform blocked")


def test_twilios_start_lifts_its_own_block_and_ours_asks_for_its_code(line: Line) -> None:
    line.says("stop", OptOutType="STOP")
    line.says("start", OptOutType="START", sid=2)
    assert not line.is_allowed()
    with line.world.house.ledger.read() as book:
        assert book.scalar(select(conversation_rows.c.platform_blocked_at)) is None


# --- 21610: told Twilio STOP, by whatever way ---


def test_a_refusal_on_sending_is_an_opt_out_confirmed_by_the_provider_once(line: Line) -> None:
    line.provider.unsubscribed.add(ALA)
    numbers = [line.put(f"answer {n}") for n in range(3)]
    line.deliver()
    assert [line.state(number) for number in numbers] == [("failed", "21610")] * 3
    assert line.acts() == [("stop", "sender", "provider:21610", "platform")]
    assert (line.is_allowed("shop"), line.is_allowed("books")) == (False, True)
    assert line.receipts() == []


def test_a_refusal_in_a_status_report_is_one_too(line: Line) -> None:
    number = line.put()
    line.deliver()
    assert line.is_allowed()
    line.reports(number, "failed", 21610)
    line.reports(number, "failed", 21610)  # delivered again
    assert line.acts() == [("stop", "sender", "provider:21610", "signed")]
    assert (line.is_allowed(), line.receipts()) == (False, [])


def test_a_refused_receipt_is_the_providers_confirmation_of_what_stands(line: Line) -> None:
    """Twilio's default keywords: it has answered and blocked, and the hook came all the same."""
    line.provider.unsubscribed.add(ALA)
    line.says("STOP")
    line.deliver()
    assert line.receipts() == ["failed"]
    assert [(act[0], act[2]) for act in line.acts()][1:] == [("repeat", "provider:21610")]
    line.put()
    line.deliver()
    assert len(line.acts()) == 2


def test_a_block_that_is_known_does_not_undo_a_start(line: Line) -> None:
    line.provider.unsubscribed.add(ALA)
    line.put()
    line.deliver()
    line.start()
    assert line.is_allowed()
    line.put()
    line.deliver()
    assert line.is_allowed()


def test_a_new_block_after_something_was_delivered_is_a_new_opt_out(line: Line) -> None:
    line.provider.unsubscribed.add(ALA)
    line.put()
    line.deliver()
    line.start()
    line.provider.unsubscribed.clear()
    line.clock.move(timedelta(days=2))
    number = line.put()
    line.deliver()
    line.reports(number, "delivered")
    line.provider.unsubscribed.add(ALA)
    line.put()
    line.deliver()
    assert not line.is_allowed()
    assert [act[2] for act in line.acts() if act[0] == "stop"] == ["provider:21610"] * 2


def test_a_block_of_the_bots_own_number_stops_those_who_wrote_lately_as_a_stop_there_does(line: Line) -> None:
    line.provider.unsubscribed.add(ALA)
    line.put(ours=BOT_NUMBER)
    line.deliver()
    assert (line.is_allowed("shop"), line.is_allowed("books")) == (False, True)


def test_a_report_of_a_message_that_is_not_ours_stops_nobody(line: Line) -> None:
    line.reports(4711, "failed", 21610)
    assert (line.acts(), line.is_allowed()) == ([], True)


# --- stops of one channel address ---


@pytest.mark.parametrize("code", [63014, 63033])
@pytest.mark.parametrize("by_report", [True, False])
def test_a_blocked_chat_on_whatsapp_is_a_stop_of_that_address_only(
    code: int, by_report: bool, line: Line
) -> None:
    ours = f"whatsapp:{SHOP_NUMBER}"
    if not by_report:
        line.provider.fail_next(error(400, code, "blocked"))
    number = line.put(ours=ours)
    line.deliver()
    if by_report:
        line.reports(number, "failed", code)
        line.reports(number, "failed", code)
    vouched = "signed" if by_report else "platform"
    assert line.acts() == [("platform_stop", "channel", f"provider:{code}", vouched)]
    assert line.is_allowed()
    there, by_sms = line.put(kind="unprompted", ours=ours), line.put(kind="unprompted")
    line.deliver()
    assert (line.state(there), line.state(by_sms)[0]) == (("cancelled", "platform blocked"), "sent")


def test_a_bot_that_was_blocked_on_telegram_stops_no_sms(line: Line) -> None:
    """By somebody whose number is known, so that a stop of the number was possible."""
    house, now = line.world.house, line.clock.now
    secret = "hook-5f0c9b7e3d1a8642"
    channel = Telegram(TelegramSettings(BOT_TOKEN, "http://127.0.0.1:9", secret, PUBLIC_URL))
    for name in ("contact_own", "blocked"):
        update = json.loads((PAYLOADS / "telegram" / f"{name}.json").read_text())["body"]
        request = HookRequest(
            method="POST",
            url=f"{PUBLIC_URL}/hooks/telegram",
            path="/hooks/telegram",
            query="",
            headers={"content-type": "application/json", "x-telegram-bot-api-secret-token": secret},
            body=json.dumps(update).encode(),
            source="203.0.113.7",
        )
        receive(house, channel.read(request, now), now=now)
    channel.close()
    with house.ledger.read() as book:
        assert book.scalar(select(evidence.c.person)) == people.find(book, ALA)
    assert line.acts() == [("platform_stop", "channel", "platform:blocked", "secret")]
    assert line.is_allowed()


def test_a_refusal_of_telegram_on_sending_is_one_of_that_chat_only(line: Line) -> None:
    house, now = line.world.house, line.clock.now
    with TelegramStandIn() as telegram:
        channel = Telegram(TelegramSettings(BOT_TOKEN, telegram.url, "", PUBLIC_URL))
        telegram.blocked.add(5550001)
        address = Address("telegram", BOT_TOKEN.partition(":")[0], Medium.TELEGRAM, "5550001", "bot")
        with house.ledger.write() as book:
            talk = conversations.open_for(book, address, person=people.ensure(book, ALA), now=now)
            queues.put(book, queues.Draft(talk.id, "agent", "Dzien dobry"), now=now)
        deliver(house, {"telegram": channel}, now=now)
        channel.close()
    assert [act[:2] for act in line.acts()] == [("platform_stop", "channel")]
    assert line.is_allowed()


def test_a_fault_of_the_provider_is_nobodys_stop(line: Line) -> None:
    line.provider.fail_next(Answer(500))
    line.put()
    line.deliver()
    assert (line.acts(), line.is_allowed()) == ([], True)
