"""What every channel promises, whichever provider stands behind it."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode, urlsplit

import pytest

from bot.channels.simulator import Simulator
from bot.channels.smsapi import Smsapi
from bot.channels.telegram import Telegram
from bot.channels.twilio import Twilio
from bot.domain.channel import Channel, Route
from bot.domain.errors import NotAuthentic, SendFailed
from bot.domain.messages import Address, HookRequest, Inbound, Kind, Medium, Outgoing
from bot.settings import SmsapiSettings, TelegramSettings, TwilioSettings
from tests.standins import Answer, StandIn
from tests.standins import smsapi as smsapi_provider
from tests.standins import telegram as telegram_provider
from tests.standins import twilio as twilio_provider

# Both forms of it are read, whatever the library says of the older one.
pytestmark = pytest.mark.filterwarnings("ignore:.*retry_after.*")

PUBLIC_URL = "https://bot.shop.test"
NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
PERSON = "+48500100200"
SOURCE = "198.51.100.7"
SMSAPI_SECRET = "callback-9d2f7b61c80e4a35"
TELEGRAM_SECRET = "webhook-9d2f7b61c80e4a35"


@dataclass
class Case:
    """A channel, its provider, and how that one words and secures things."""

    channel: Channel
    provider: StandIn | None
    address: Address
    secrets: tuple[str, ...] = ()
    # A request of the provider's for a route: authentic garbage, or with `text` a message.
    call: Callable[[Route, str | None], HookRequest] | None = None
    # The same by somebody who does not know the secret.
    forge: Callable[[HookRequest], HookRequest] | None = None


def twilio_case() -> Case:
    provider = twilio_provider.TwilioStandIn().start()
    settings = TwilioSettings(
        account_sid=provider.account,
        auth_tokens=(provider.token,),
        api_url=provider.url,
        sender=twilio_provider.NUMBER,
        public_url=PUBLIC_URL,
    )

    def call(route: Route, text: str | None) -> HookRequest:
        fields = {"AccountSid": provider.account, "Body": "\x00"}
        if text is not None:
            fields = twilio_provider.inbound_fields(provider.account, "SM" + "3c" * 16, text)
        signature = twilio_provider.signature(provider.token, PUBLIC_URL + route.path, fields)
        return request(
            route,
            urlencode(fields).encode(),
            headers={
                "content-type": "application/x-www-form-urlencoded",
                "x-twilio-signature": signature,
            },
        )

    return Case(
        channel=Twilio(settings),
        provider=provider,
        address=Address("twilio", provider.account, Medium.SMS, PERSON, twilio_provider.NUMBER),
        secrets=(provider.token,),
        call=call,
        forge=lambda right: with_header(right, "x-twilio-signature", "c2lnbmF0dXJl"),
    )


def smsapi_case() -> Case:
    provider = smsapi_provider.SmsapiStandIn().start()
    settings = SmsapiSettings(
        token=provider.token,
        api_url=provider.url,
        callback_secret=SMSAPI_SECRET,
        source_ips=(SOURCE,),
        sender="SHOPXYZ",
        public_url=PUBLIC_URL,
    )

    def call(route: Route, text: str | None) -> HookRequest:
        fields = smsapi_provider.message_fields(text) if text is not None else {"x": "\x00"}
        return request(route, urlencode(fields).encode(), query=f"k={SMSAPI_SECRET}")

    return Case(
        channel=Smsapi(settings),
        provider=provider,
        address=Address("smsapi", "smsapi", Medium.SMS, PERSON, "2way"),
        secrets=(provider.token, SMSAPI_SECRET),
        call=call,
        forge=lambda right: replace(right, query="k=" + "9" * len(SMSAPI_SECRET)),
    )


def telegram_case() -> Case:
    provider = telegram_provider.TelegramStandIn().start()
    settings = TelegramSettings(
        token=provider.token,
        api_url=provider.url,
        webhook_secret=TELEGRAM_SECRET,
        public_url=PUBLIC_URL,
    )

    def call(route: Route, text: str | None) -> HookRequest:
        body = (
            json.dumps(provider.text(text)).encode() if text is not None else b'{"update_id": 5, "message": 0'
        )
        return request(route, body, headers={"x-telegram-bot-api-secret-token": TELEGRAM_SECRET})

    bot_id = telegram_provider.BOT_ID
    return Case(
        channel=Telegram(settings),
        provider=provider,
        address=Address("telegram", bot_id, Medium.TELEGRAM, str(telegram_provider.PERSON), bot_id),
        secrets=(provider.token, provider.token.partition(":")[2], TELEGRAM_SECRET),
        call=call,
        forge=lambda right: with_header(right, "x-telegram-bot-api-secret-token", "w" * 24),
    )


def simulator_case() -> Case:
    return Case(
        channel=Simulator(),
        provider=None,
        address=Address("simulator", "simulator", Medium.SMS, PERSON, "SHOPXYZ"),
    )


CASES = {
    "twilio": twilio_case,
    "smsapi": smsapi_case,
    "telegram": telegram_case,
    "simulator": simulator_case,
}


@pytest.fixture(params=CASES)
def case(request: pytest.FixtureRequest) -> Iterator[Case]:
    """Every channel."""
    yield from used(CASES[request.param]())


@pytest.fixture(params=[name for name in CASES if name != "simulator"])
def hooked(request: pytest.FixtureRequest) -> Iterator[Case]:
    """Every channel with a provider behind it."""
    yield from used(CASES[request.param]())


def used(case: Case) -> Iterator[Case]:
    yield case
    case.channel.close()
    if case.provider is not None:
        case.provider.stop()


def request(
    route: Route, body: bytes, *, query: str = "", headers: dict[str, str] | None = None
) -> HookRequest:
    return HookRequest(
        method="POST",
        url=PUBLIC_URL + route.path + (f"?{query}" if query else ""),
        path=route.path,
        query=query,
        headers=headers or {},
        body=body,
        source=SOURCE,
    )


def with_header(right: HookRequest, name: str, value: str) -> HookRequest:
    return replace(right, headers={**right.headers, name: value})


def outgoing(case: Case, text: str = "whosent: zapisane.") -> Outgoing:
    return Outgoing(outbox_id="17", address=case.address, text=text)


def test_it_is_a_channel_under_its_own_name(case: Case) -> None:
    channel: Channel = case.channel
    assert channel.name == case.address.provider
    for route in channel.routes:
        assert route.path.startswith(f"/hooks/{channel.name}")
        assert set(route.methods) <= {"GET", "POST"}


def test_what_is_not_authentic_is_refused_before_it_is_looked_at(hooked: Case) -> None:
    assert hooked.call is not None and hooked.forge is not None
    for route in hooked.channel.routes:
        for text in (None, "STOP"):
            with pytest.raises(NotAuthentic):
                route.read(hooked.forge(hooked.call(route, text)), NOW)


def test_a_request_without_any_secret_is_refused(hooked: Case) -> None:
    for route in hooked.channel.routes:
        for body in (b"", b"\xff" * 100, b"[" * 60_000):
            with pytest.raises(NotAuthentic):
                route.read(request(route, body), NOW)


def test_authentic_garbage_is_recorded_and_answered(hooked: Case) -> None:
    assert hooked.call is not None
    for route in hooked.channel.routes:
        right = hooked.call(route, None)
        received = route.read(right, NOW)
        (inbound,) = received.inbound
        assert inbound.kind is Kind.UNREADABLE
        assert inbound.raw == right.body
        assert inbound.provider_id and len(inbound.provider_id) <= 80
        assert (inbound.provider, inbound.account) == (hooked.address.provider, hooked.address.account)
        assert 200 <= received.answer.status < 300
        assert route.read(right, NOW + timedelta(hours=1)).inbound[0].provider_id == inbound.provider_id


def test_a_message_comes_in_with_an_address_to_answer_to(hooked: Case) -> None:
    assert hooked.call is not None
    route = hooked.channel.routes[0]
    (inbound,) = route.read(hooked.call(route, "  STOP, proszę  "), NOW).inbound
    assert (inbound.kind, inbound.text, inbound.received_at) == (Kind.TEXT, "  STOP, proszę  ", NOW)
    assert inbound.address is not None
    assert (inbound.provider, inbound.account) == (hooked.address.provider, hooked.address.account)
    assert inbound.address.person == hooked.address.person
    assert not inbound.is_late
    hooked.channel.send(replace(outgoing(hooked), address=inbound.address))
    assert hooked.provider is not None and len(hooked.provider.sent) == 1


def test_a_message_is_taken_once(case: Case) -> None:
    taken = case.channel.send(outgoing(case))
    assert taken.provider_id
    assert case.provider is None or len(case.provider.sent) == 1


def test_a_code_leaves_from_the_sender_of_the_settings_and_what_is_answered_to_it_comes_back_there(
    case: Case,
) -> None:
    origin = case.channel.sms_from()
    if case.address.medium is not Medium.SMS:
        assert origin is None
        return
    assert origin is not None
    assert origin.provider == case.channel.name
    taken = case.channel.send(replace(outgoing(case), address=origin.to(PERSON)))
    assert taken.provider_id
    if case.provider is not None:
        assert case.channel.own_addresses() >= {origin.ours}


@pytest.mark.parametrize("status", [429, 500, 502, 503])
def test_a_provider_in_trouble_is_retryable_or_unclear_never_permanent(hooked: Case, status: int) -> None:
    assert hooked.provider is not None
    hooked.provider.fail_next(Answer.of({"ok": False, "parameters": {"retry_after": 1}}, status=status))
    with pytest.raises(SendFailed) as caught:
        hooked.channel.send(outgoing(hooked))
    assert caught.value.retryable != caught.value.ambiguous
    assert not caught.value.stopped


def test_a_lost_answer_is_unclear_and_a_refused_connection_is_not(hooked: Case) -> None:
    assert hooked.provider is not None
    hooked.provider.drop_next()
    with pytest.raises(SendFailed) as lost:
        hooked.channel.send(outgoing(hooked))
    assert lost.value.ambiguous
    hooked.provider.stop()
    with pytest.raises(SendFailed) as refused:
        hooked.channel.send(outgoing(hooked))
    assert (refused.value.retryable, refused.value.ambiguous) == (True, False)


def test_a_provider_that_does_not_answer_is_given_up(hooked: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    assert hooked.provider is not None
    monkeypatch.setattr(f"bot.channels.{hooked.channel.name}.TIMEOUT", 0.2)
    hurried = type(hooked.channel)(settings_of(hooked))  # type: ignore[call-arg]
    gate = hooked.provider.slow_next()
    with pytest.raises(SendFailed) as caught:
        hurried.send(outgoing(hooked))
    gate.set()
    hurried.close()
    assert caught.value.ambiguous


def settings_of(case: Case) -> Any:
    assert case.provider is not None
    url = case.provider.url
    match case.channel.name:
        case "twilio":
            return TwilioSettings(case.address.account, case.secrets, url, "", PUBLIC_URL)
        case "smsapi":
            return SmsapiSettings(case.secrets[0], url, case.secrets[1], (SOURCE,), "", PUBLIC_URL)
    return TelegramSettings(case.secrets[0], url, "", PUBLIC_URL)


def test_threads_may_send_at_once(case: Case) -> None:
    taken: list[str] = []

    def send(number: int) -> None:
        taken.append(
            case.channel.send(replace(outgoing(case, f"text {number}"), outbox_id=str(number))).provider_id
        )

    threads = [threading.Thread(target=send, args=(i,)) for i in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=30)
    assert len(set(taken)) == 12
    assert case.provider is None or len(case.provider.sent) == 12


def test_a_check_tells_of_everything_and_raises_nothing(case: Case) -> None:
    for register in (False, True, False):
        findings = case.channel.check(register=register)
        assert findings and all(finding.what for finding in findings)
    assert all(finding.ok for finding in findings)
    if case.provider is not None:
        case.provider.stop()
        assert not all(finding.ok for finding in case.channel.check(register=True))


def test_a_sweep_finds_only_what_is_late(case: Case) -> None:
    found: list[Inbound] = list(case.channel.sweep(NOW - timedelta(days=1), NOW))
    assert found == []


def test_no_secret_number_or_text_is_said(
    case: Case, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    said = repr(case.channel) + repr(case.channel.routes) + repr(outgoing(case)) + str(case.channel)
    case.channel.send(outgoing(case))
    said += repr(case.channel.check(register=True))
    if case.call is not None and case.forge is not None and case.provider is not None:
        for route in case.channel.routes:
            case.call(route, "zapisane")
            said += repr(route.read(case.call(route, "zapisane"), NOW).reports)
            with pytest.raises(NotAuthentic) as forged:
                route.read(case.forge(case.call(route, "zapisane")), NOW)
            said += repr(forged.value)
        case.provider.drop_next()
        case.provider.fail_next(Answer(400, f"{PERSON} zapisane".encode()))
        for _ in range(2):
            with pytest.raises(SendFailed) as caught:
                case.channel.send(replace(outgoing(case), outbox_id="18"))
            said += repr(caught.value) + str(caught.value) + repr(caught.value.__cause__)
    said += caplog.text + "".join(capsys.readouterr())
    for secret in (*case.secrets, PERSON, PERSON.removeprefix("+"), "zapisane"):
        assert secret not in said


def test_the_routes_answer_under_the_public_address(hooked: Case) -> None:
    assert hooked.call is not None
    for route in hooked.channel.routes:
        assert urlsplit(hooked.call(route, "x").url).netloc == "bot.shop.test"
