"""What Twilio delivers is verified, then understood; what we send it is taken, refused or unclear."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import logging
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlencode, urlsplit

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.channels.twilio import RETRIES, STATES, Twilio
from bot.domain.errors import NotAuthentic, SendFailed
from bot.domain.messages import Address, Delivery, HookRequest, Inbound, Kind, Medium, Outgoing
from bot.settings import TwilioSettings
from tests.standins import Answer
from tests.standins.twilio import (
    ACCOUNT,
    NUMBER,
    PERSON,
    SERVICE,
    TOKEN,
    TwilioStandIn,
    error,
    inbound_fields,
    signature,
)

PUBLIC_URL = "https://bot.shop.test"
HOOK = PUBLIC_URL + "/hooks/twilio"
OLD_TOKEN = "0a9b8c7d6e5f" * 3
NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
SID = "SM" + "ab" * 16
PAYLOADS = sorted((Path(__file__).parents[1] / "payloads" / "twilio").glob("*.json"))
SMS = Address(provider="twilio", account=ACCOUNT, medium=Medium.SMS, person=PERSON, ours=NUMBER)


def settings_for(api_url: str = "http://127.0.0.1:9", public_url: str = PUBLIC_URL) -> TwilioSettings:
    return TwilioSettings(
        account_sid=ACCOUNT,
        auth_tokens=(TOKEN, OLD_TOKEN),
        api_url=api_url,
        sender=NUMBER,
        public_url=public_url,
    )


def request(
    fields: dict[str, str] | str,
    *,
    token: str = TOKEN,
    url: str = HOOK,
    signed_url: str | None = None,
    **headers: str | None,
) -> HookRequest:
    body = fields if isinstance(fields, str) else urlencode(fields)
    form = dict(parse_qsl(body, keep_blank_values=True))
    all_headers: dict[str, str | None] = {
        "content-type": "application/x-www-form-urlencoded; charset=UTF-8",
        "x-twilio-signature": signature(token, signed_url or url, form),
        **{name.replace("_", "-"): value for name, value in headers.items()},
    }
    parts = urlsplit(url)
    return HookRequest(
        method="POST",
        url=url,
        path=parts.path,
        query=parts.query,
        headers={name: value for name, value in all_headers.items() if value is not None},
        body=body.encode(),
        source="203.0.113.7",
    )


def read(fields: dict[str, str] | str, **how: Any) -> Inbound:
    received = Twilio(settings_for()).read_inbound(request(fields, **how), NOW)
    assert received.answer.status == 200
    return received.inbound[0]


def fields(**more: str) -> dict[str, str]:
    return inbound_fields(ACCOUNT, SID, "Kto to wysłał?", **more)


@pytest.mark.parametrize("path", PAYLOADS, ids=lambda path: path.stem)
def test_a_payload_is_understood(path: Path) -> None:
    case = json.loads(path.read_text())
    inbound = read(case["body"])
    expected = case["expected"]
    address = inbound.address
    assert {
        "kind": str(inbound.kind),
        "provider_id": inbound.provider_id if address else None,
        "medium": str(address.medium) if address else None,
        "person": address.person if address else None,
        "ours": address.ours if address else None,
        "text": inbound.text,
        "answered_id": inbound.answered_id,
        "button": inbound.button,
    } == expected
    assert (inbound.provider, inbound.account, inbound.received_at) == ("twilio", ACCOUNT, NOW)
    assert len(inbound.provider_id) >= 34


def test_a_payload_of_every_kind_of_opt_out_is_there() -> None:
    kinds = {json.loads(path.read_text())["expected"]["kind"] for path in PAYLOADS}
    assert {"provider_stop", "provider_start", "provider_help", "text", "unreadable", "ignored"} <= kinds


def test_a_number_id_is_no_number_for_the_house() -> None:
    body = urlencode(fields(From="whatsapp:PL.500100200", To="whatsapp:" + NUMBER))
    address = read(body).address
    assert address is not None and address.number is None


def test_the_answer_is_empty_twiml() -> None:
    answer = Twilio(settings_for()).read_inbound(request(fields()), NOW).answer
    assert answer.body == b'<?xml version="1.0" encoding="UTF-8"?><Response/>'
    assert answer.media_type.startswith("text/xml")


# Verification


def test_the_older_token_still_opens_during_rotation() -> None:
    assert read(fields(), token=OLD_TOKEN).kind is Kind.TEXT


@pytest.mark.parametrize(
    "how",
    [
        {"x_twilio_signature": None},
        {"x_twilio_signature": ""},
        {"x_twilio_signature": "AAAA"},
        {"x_twilio_signature": "zażółć"},
        {"token": "another account's token"},
        {"signed_url": "http://bot.shop.test/hooks/twilio"},
        {"signed_url": "https://127.0.0.1:8000/hooks/twilio"},
        {"signed_url": HOOK + "?a=1"},
        {"url": HOOK + "?o=1", "signed_url": HOOK},
        {"content_type": "multipart/form-data; boundary=x"},
        {"content_type": "application/json"},
        {"content_type": None},
    ],
    ids=str,
)
def test_what_twilio_did_not_sign_is_refused(how: dict[str, Any]) -> None:
    with pytest.raises(NotAuthentic):
        read(fields(), **how)


def test_two_signature_headers_are_refused() -> None:
    right = signature(TOKEN, HOOK, fields())
    with pytest.raises(NotAuthentic):
        read(fields(), x_twilio_signature=f"{right}, {right}")


def test_a_signature_settings_header_cannot_choose_the_key() -> None:
    how = {"x_twilio_webhooks_signature_settings": "key=k,algorithm=NONE"}
    assert read(fields(), **how).kind is Kind.TEXT
    with pytest.raises(NotAuthentic):
        read(fields(), x_twilio_signature="", **how)


@pytest.mark.parametrize("account", ["AC" + "2e" * 16, "", ACCOUNT + "0", None])
def test_another_account_is_refused_though_signed_with_our_token(account: str | None) -> None:
    other = fields()
    if account is None:
        del other["AccountSid"]
    else:
        other["AccountSid"] = account
    with pytest.raises(NotAuthentic):
        read(other)


def test_two_account_ids_are_refused() -> None:
    with pytest.raises(NotAuthentic):
        read(urlencode(fields()) + f"&AccountSid={ACCOUNT}")


def test_json_without_its_hash_is_refused_and_no_type_error() -> None:
    with pytest.raises(NotAuthentic):
        read('{"Body": "STOP"}', content_type="application/json")


def test_ten_thousand_fields_are_refused() -> None:
    with pytest.raises(NotAuthentic):
        read(urlencode(fields()) + "".join(f"&x{i}=" for i in range(10_000)))


def test_a_repeated_parameter_is_signed_with_all_its_values() -> None:
    body = urlencode(fields()) + "&Extra=b&Extra=a&Extra=b"
    base = HOOK + "".join(
        name + value for name, value in sorted({*fields().items(), ("Extra", "a"), ("Extra", "b")})
    )
    mac = hmac.new(TOKEN.encode(), base.encode(), hashlib.sha1).digest()
    assert read(body, x_twilio_signature=base64.b64encode(mac).decode()).kind is Kind.TEXT


@pytest.mark.parametrize(
    ("ours", "signed"),
    [
        (HOOK, "https://bot.shop.test:443/hooks/twilio"),
        ("https://bot.shop.test:443/hooks/twilio", HOOK),
        ("http://bot.shop.test/hooks/twilio", "http://bot.shop.test:80/hooks/twilio"),
        ("https://a:b@bot.shop.test:8443/hooks/twilio", "https://a:b@bot.shop.test/hooks/twilio"),
        ("https://[2001:db8::1]:8443/hooks/twilio", "https://[2001:db8::1]/hooks/twilio"),
        ("https://[2001:db8::1]/hooks/twilio", "https://[2001:db8::1]:443/hooks/twilio"),
        (HOOK + "#rc=2&rp=all", HOOK),
        (HOOK + "?x=1&y=", HOOK + "?x=1&y="),
    ],
)
def test_ports_credentials_and_fragments_do_not_break_a_signature(ours: str, signed: str) -> None:
    assert read(fields(), url=ours, signed_url=signed).kind is Kind.TEXT


@pytest.mark.parametrize("url", ["https://bot.shop.test:http/hooks/twilio", HOOK + "?\udcff"])
def test_an_address_that_is_none_is_refused(url: str) -> None:
    channel = Twilio(settings_for())
    with pytest.raises(NotAuthentic):
        channel.read_inbound(replace(request(fields()), url=url), NOW)


@settings(max_examples=400, deadline=None)
@given(at=st.integers(min_value=0), byte=st.integers(0, 255))
def test_no_changed_byte_is_accepted_with_another_meaning(at: int, byte: int) -> None:
    right = request(fields(OptOutType="STOP"))
    place = at % len(right.body)
    changed = right.body[:place] + bytes([byte]) + right.body[place + 1 :]
    before = parse_qsl(right.body.decode(), keep_blank_values=True)
    after = parse_qsl(changed.decode("utf-8", "replace"), keep_blank_values=True)
    if sorted(before) == sorted(after):
        return
    with pytest.raises(NotAuthentic):
        CHANNEL.read_inbound(replace(right, body=changed), NOW)


@settings(max_examples=200, deadline=None)
@given(
    name=st.sampled_from(sorted(fields())), at=st.integers(min_value=0), char=st.sampled_from("0aZ+ %żé\n")
)
def test_no_changed_character_of_any_field_is_accepted(name: str, at: int, char: str) -> None:
    right = request(fields())
    value = fields()[name]
    place = at % (len(value) + 1)
    changed = fields(**{name: value[:place] + char + value[place + 1 :]})
    if changed == fields():
        return
    with pytest.raises(NotAuthentic):
        CHANNEL.read_inbound(replace(right, body=urlencode(changed).encode()), NOW)


CHANNEL = Twilio(settings_for())


def test_a_captured_request_cut_anew_is_not_a_second_message() -> None:
    """Names and values are signed without separators: "Sid=SM1", "NumMedia=0" reads "Sid=SM1NumMedia0"."""
    captured = {"AccountSid": ACCOUNT, "From": PERSON, "MessageSid": SID, "NumMedia": "0", "To": NUMBER}
    recut = {"AccountSid": ACCOUNT, "From": PERSON, "MessageSid": SID + "NumMedia0", "To": NUMBER}
    assert signature(TOKEN, HOOK, captured) == signature(TOKEN, HOOK, recut)
    assert read(captured).kind is Kind.TEXT
    assert read(recut).kind is Kind.UNREADABLE


# Delivery states


def status(query: str = "o=17", **more: str) -> HookRequest:
    sent = {"MessageSid": SID, "SmsSid": SID, "AccountSid": ACCOUNT, "From": NUMBER, "To": PERSON, **more}
    return request(sent, url=f"{PUBLIC_URL}/hooks/twilio/status?{query}")


@pytest.mark.parametrize(("state", "delivery"), STATES.items())
def test_a_delivery_state_is_read(state: str, delivery: Delivery) -> None:
    received = CHANNEL.read_status(status(MessageStatus=state), NOW)
    (report,) = received.reports
    assert (report.provider_id, report.delivery, report.raw_state) == (SID, delivery, state)
    assert report.outbox_id == "17"
    assert not report.stopped
    assert received.answer.status == 204


def test_every_documented_state_has_a_meaning() -> None:
    documented = "accepted scheduled queued sending sent delivered undelivered failed read canceled"
    assert set(STATES) == set(documented.split())


def test_a_state_nobody_has_heard_of_is_unknown() -> None:
    (report,) = CHANNEL.read_status(status(MessageStatus="teleported"), NOW).reports
    assert report.delivery is Delivery.UNKNOWN


@pytest.mark.parametrize(
    ("code", "stopped"), [("21610", True), ("63014", True), ("63033", True), ("30003", False)]
)
def test_a_refusal_of_the_person_is_a_stop(code: str, stopped: bool) -> None:
    (report,) = CHANNEL.read_status(status(MessageStatus="failed", ErrorCode=code), NOW).reports
    assert (report.code, report.stopped) == (code, stopped)


def test_a_status_without_our_id_is_still_read() -> None:
    (report,) = CHANNEL.read_status(status(query="", MessageStatus="sent"), NOW).reports
    assert report.outbox_id is None


def test_our_id_in_the_query_cannot_be_exchanged() -> None:
    right = status(query="o=17", MessageStatus="sent")
    with pytest.raises(NotAuthentic):
        CHANNEL.read_status(replace(right, url=right.url.replace("17", "18"), query="o=18"), NOW)


def test_a_status_that_is_none_is_recorded() -> None:
    received = CHANNEL.read_status(status(MessageStatus="\x00"), NOW)
    assert [one.kind for one in received.inbound] == [Kind.UNREADABLE]
    assert received.answer.status == 204


# Sending


@pytest.fixture
def twilio() -> Iterator[TwilioStandIn]:
    with TwilioStandIn() as stand_in:
        yield stand_in


@pytest.fixture
def channel(twilio: TwilioStandIn) -> Iterator[Twilio]:
    one = Twilio(settings_for(twilio.url))
    yield one
    one.close()


def outgoing(text: str = "SHOPXYZ bot: zapisane.", address: Address = SMS) -> Outgoing:
    return Outgoing(outbox_id="17", address=address, text=text)


def test_a_message_is_taken(twilio: TwilioStandIn, channel: Twilio) -> None:
    taken = channel.send(outgoing())
    (sent,) = twilio.sent
    assert taken.provider_id == sent["sid"]
    assert taken.delivery is Delivery.ACCEPTED
    assert (sent["To"], sent["From"], sent["Body"]) == (PERSON, NUMBER, "SHOPXYZ bot: zapisane.")
    assert sent["StatusCallback"] == f"{PUBLIC_URL}/hooks/twilio/status?o=17"


@pytest.mark.parametrize(
    ("medium", "person", "ours", "to", "sender"),
    [
        (Medium.WHATSAPP, PERSON, "whatsapp:" + NUMBER, "whatsapp:" + PERSON, ("From", "whatsapp:" + NUMBER)),
        (
            Medium.WHATSAPP,
            "whatsapp:PL.135",
            "whatsapp:" + NUMBER,
            "whatsapp:PL.135",
            ("From", "whatsapp:" + NUMBER),
        ),
        (Medium.MESSENGER, "messenger:77", "messenger:10", "messenger:77", ("From", "messenger:10")),
        (Medium.SMS, PERSON, SERVICE, PERSON, ("MessagingServiceSid", SERVICE)),
        (Medium.WHATSAPP, PERSON, SERVICE, "whatsapp:" + PERSON, ("MessagingServiceSid", SERVICE)),
    ],
)
def test_an_answer_leaves_from_the_address_that_was_written_to(
    twilio: TwilioStandIn,
    channel: Twilio,
    medium: Medium,
    person: str,
    ours: str,
    to: str,
    sender: tuple[str, str],
) -> None:
    channel.send(outgoing(address=Address("twilio", ACCOUNT, medium, person, ours)))
    assert twilio.sent[0]["To"] == to
    assert twilio.sent[0][sender[0]] == sender[1]


@pytest.mark.parametrize(
    ("status_code", "code", "says"),
    [
        (400, 21610, {"stopped"}),
        (400, 63033, {"stopped"}),
        (400, 21211, set()),
        (400, 21614, set()),
        (400, 99999, set()),
        (400, 21606, {"alarm"}),
        (400, 21408, {"alarm"}),
        (400, 14107, {"alarm"}),
        (400, 63016, set()),
        (400, 21611, {"retryable"}),
        (429, 20429, {"retryable"}),
        (429, 77777, {"retryable"}),
        (401, 20003, {"retryable", "alarm"}),
        (403, 77777, {"retryable", "alarm"}),
        (500, 20500, {"ambiguous"}),
        (503, 77777, {"ambiguous"}),
    ],
)
def test_a_refusal_says_what_to_do_next(
    twilio: TwilioStandIn, channel: Twilio, status_code: int, code: int, says: set[str]
) -> None:
    twilio.fail_next(error(status_code, code, f"The 'To' number {PERSON} …"))
    with pytest.raises(SendFailed) as caught:
        channel.send(outgoing())
    assert properties(caught.value) == says
    assert caught.value.code == str(code)
    assert PERSON not in repr(caught.value) + str(caught.value)


def properties(failure: SendFailed) -> set[str]:
    return {name for name in ("retryable", "ambiguous", "stopped", "alarm") if getattr(failure, name)}


def test_somebody_who_opted_out_at_twilio_is_stopped(twilio: TwilioStandIn, channel: Twilio) -> None:
    twilio.unsubscribed.add(PERSON)
    with pytest.raises(SendFailed) as caught:
        channel.send(outgoing())
    assert properties(caught.value) == {"stopped"}


@pytest.mark.parametrize(
    "answer",
    [
        Answer(200, b"<html>"),
        Answer(201, b"[]"),
        Answer(201, b"{}"),
        Answer(502, b"Bad Gateway"),
        Answer(201, b'{"sid": 5}'),
    ],
)
def test_an_answer_that_cannot_be_read_is_unclear(
    twilio: TwilioStandIn, channel: Twilio, answer: Answer
) -> None:
    twilio.fail_next(answer)
    with pytest.raises(SendFailed) as caught:
        channel.send(outgoing())
    assert properties(caught.value) == {"ambiguous"}


def test_a_connection_that_was_refused_sent_nothing() -> None:
    with TwilioStandIn() as gone:
        url = gone.url
    with pytest.raises(SendFailed) as caught:
        Twilio(settings_for(url)).send(outgoing())
    assert properties(caught.value) == {"retryable"}


def test_too_long_a_text_is_not_sent(twilio: TwilioStandIn, channel: Twilio) -> None:
    with pytest.raises(SendFailed) as caught:
        channel.send(outgoing("x" * 1601))
    assert (caught.value.code, properties(caught.value)) == ("21617", set())
    assert twilio.calls == []


@pytest.mark.parametrize("taken", [True, False])
def test_an_unclear_sending_is_looked_up(twilio: TwilioStandIn, channel: Twilio, taken: bool) -> None:
    since = datetime.now(UTC)
    twilio.drop_next(taken=taken)
    with pytest.raises(SendFailed) as caught:
        channel.send(outgoing())
    assert properties(caught.value) == {"ambiguous"}
    found = channel.find(outgoing(), since)
    assert (found.provider_id if found else None) == (twilio.sent[0]["sid"] if taken else None)
    assert len(twilio.sent) == int(taken)


def test_a_lookup_takes_only_the_same_text_to_the_same_person_since_then(
    twilio: TwilioStandIn, channel: Twilio
) -> None:
    since = datetime.now(UTC)
    channel.send(outgoing("another text"))
    channel.send(outgoing(address=replace(SMS, person="+48500100201")))
    twilio.receive("SHOPXYZ bot: zapisane.", from_=NUMBER, to=PERSON)
    assert channel.find(outgoing(), since) is None
    channel.send(outgoing())
    assert channel.find(outgoing(), since) is not None
    assert channel.find(outgoing(), since + timedelta(minutes=5)) is None


def test_a_lookup_that_fails_leaves_it_unclear(twilio: TwilioStandIn, channel: Twilio) -> None:
    twilio.token = "changed at the provider"
    with pytest.raises(SendFailed) as caught:
        channel.find(outgoing(), datetime.now(UTC))
    assert properties(caught.value) == {"ambiguous"}


# What was missed


def test_missed_messages_come_in_under_the_id_of_the_hook(twilio: TwilioStandIn, channel: Twilio) -> None:
    now = datetime.now(UTC).replace(microsecond=0)
    second = twilio.receive("STOP", sent_at=now - timedelta(hours=1))
    first = twilio.receive(
        "Kto to?", from_="whatsapp:" + PERSON, to="whatsapp:" + NUMBER, sent_at=now - timedelta(hours=2)
    )
    twilio.receive("long ago", sent_at=now - timedelta(days=2))
    twilio.receive("to somebody else's number", to="+48732000009")
    channel.send(outgoing())
    swept = list(channel.sweep(now - timedelta(days=1), now))
    assert [one.provider_id for one in swept] == [first, second]
    assert all(one.is_late and one.kind is Kind.TEXT for one in swept)
    assert [one.sent_at for one in swept] == [now - timedelta(hours=2), now - timedelta(hours=1)]
    by_hook = channel.read_inbound(request(inbound_fields(ACCOUNT, second, "STOP")), now).inbound[0]
    assert (by_hook.provider_id, by_hook.address, by_hook.text) == (second, swept[1].address, swept[1].text)


def test_a_sweep_reads_every_page(twilio: TwilioStandIn, channel: Twilio) -> None:
    now = datetime.now(UTC)
    ids = {twilio.receive(f"message {i}") for i in range(1_050)}
    assert {one.provider_id for one in channel.sweep(now - timedelta(days=1), now)} == ids


def test_a_sweep_without_the_provider_fails_retryably(twilio: TwilioStandIn, channel: Twilio) -> None:
    twilio.token = "changed at the provider"
    with pytest.raises(SendFailed) as caught:
        list(channel.sweep(NOW, NOW))
    assert properties(caught.value) == {"retryable"}


# The operator's check


def test_check_reports_and_registers_the_hooks(twilio: TwilioStandIn, channel: Twilio) -> None:
    assert [finding.ok for finding in channel.check(register=False)] == [True, False, True]
    assert all(finding.ok for finding in channel.check(register=True))
    (number,) = twilio.numbers.values()
    assert number["sms_url"] == HOOK + RETRIES
    assert number["sms_fallback_url"] == HOOK
    assert all(finding.ok for finding in channel.check(register=False))
    assert channel.own_addresses() == {NUMBER, "whatsapp:" + NUMBER}


def test_check_keeps_an_operators_own_fallback(twilio: TwilioStandIn, channel: Twilio) -> None:
    (number,) = twilio.numbers.values()
    number["sms_fallback_url"] = "https://other.shop.test/hooks/twilio"
    channel.check(register=True)
    assert number["sms_fallback_url"] == "https://other.shop.test/hooks/twilio"


def test_check_looks_at_the_messaging_service(twilio: TwilioStandIn) -> None:
    channel = Twilio(replace(settings_for(twilio.url), sender=SERVICE))
    channel.check(register=True)
    assert twilio.service["inbound_request_url"] == HOOK + RETRIES
    assert all(finding.ok for finding in channel.check(register=False))
    assert channel.own_addresses() == {NUMBER, "whatsapp:" + NUMBER}


def test_check_says_that_the_credentials_are_refused(twilio: TwilioStandIn, channel: Twilio) -> None:
    twilio.token = "changed at the provider"
    (finding,) = channel.check(register=False)
    assert not finding.ok
    assert "20003" in finding.what


def test_nothing_logs_a_number_or_a_text(
    twilio: TwilioStandIn,
    channel: Twilio,
    caplog: pytest.LogCaptureFixture,
    capsys: pytest.CaptureFixture[str],
) -> None:
    caplog.set_level(logging.DEBUG)
    channel.send(outgoing())
    channel.find(outgoing(), NOW)
    list(channel.sweep(NOW, NOW))
    read(fields(From="pigeon:48500100200"))
    said = caplog.text + "".join(capsys.readouterr())
    assert "hook not understood" in said
    for secret in (TOKEN, PERSON, PERSON.removeprefix("+"), "zapisane", "Kto+to"):
        assert secret not in said
        assert secret not in repr(channel) + repr(settings_for())


def test_the_stand_in_signs_what_the_channel_accepts() -> None:
    url = f"{PUBLIC_URL}/hooks/twilio/status?o=1%2F2"
    assert parse_qs(urlsplit(url).query)["o"] == ["1/2"]
    right = request({"MessageSid": SID, "AccountSid": ACCOUNT, "MessageStatus": "sent"}, url=url)
    (report,) = CHANNEL.read_status(right, NOW).reports
    assert report.outbox_id == "1/2"
