"""What SMSAPI delivers is believed for its secret and its source; what we send is idempotent by our id."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode

import httpx2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.channels.smsapi import STATE_NUMBERS, STATES, Smsapi
from bot.domain.errors import NotAuthentic, SendFailed
from bot.domain.messages import Address, Delivery, HookRequest, Inbound, Kind, Medium, Outgoing
from bot.settings import SmsapiSettings
from tests.standins import Answer
from tests.standins.smsapi import SENT_AT, TOKEN, SmsapiStandIn, error, message_fields, report_fields

PUBLIC_URL = "https://bot.shop.test"
SECRET = "k-5f0c9b7e3d1a8642+/="
SOURCE = "89.174.81.98"
NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
PERSON = "+48500100200"
PAYLOADS = sorted((Path(__file__).parents[1] / "payloads" / "smsapi").glob("*.json"))
QUERY = urlencode({"k": SECRET})
SMS = Address(provider="smsapi", account="smsapi", medium=Medium.SMS, person=PERSON, ours="2way")


def settings_for(api_url: str = "http://127.0.0.1:9", sender: str = "SHOPXYZ") -> SmsapiSettings:
    return SmsapiSettings(
        token=TOKEN,
        api_url=api_url,
        callback_secret=SECRET,
        source_ips=(f"{SOURCE}/32", "91.185.187.0/24", "2001:db8::/64"),
        sender=sender,
        public_url=PUBLIC_URL,
    )


CHANNEL = Smsapi(settings_for())


def request(
    body: str = "",
    *,
    query: str = "",
    method: str = "POST",
    path: str = "/hooks/smsapi/mo",
    source: str = SOURCE,
    secret_query: str = QUERY,
) -> HookRequest:
    whole = "&".join(part for part in (secret_query, query) if part)
    return HookRequest(
        method=method,
        url=f"{PUBLIC_URL}{path}?{whole}",
        path=path,
        query=whole,
        headers={"content-type": "application/x-www-form-urlencoded"},
        body=body.encode(),
        source=source,
    )


def read(body: str = "", *, now: datetime = NOW, **how: Any) -> Inbound:
    received = CHANNEL.read_message(request(body, **how), now)
    assert received.answer.body == b"OK"
    assert (received.answer.status, received.answer.media_type.partition(";")[0]) == (200, "text/plain")
    return received.inbound[0]


def message(text: str = "STOP", **more: str) -> str:
    return urlencode(message_fields(text, **more))


@pytest.mark.parametrize("path", PAYLOADS, ids=lambda path: path.stem)
def test_a_payload_is_understood(path: Path) -> None:
    case = json.loads(path.read_text())
    inbound = read(**case["request"])
    address = inbound.address
    assert {
        "kind": str(inbound.kind),
        "person": address.person if address else None,
        "ours": address.ours if address else None,
        "text": inbound.text,
        "sent_at": inbound.sent_at.isoformat() if inbound.sent_at else None,
        "answered_id": inbound.answered_id,
    } == case["expected"]
    assert (inbound.provider, inbound.account) == ("smsapi", "smsapi")
    assert inbound.raw is not None


def test_a_redelivery_has_the_same_id_by_post_and_by_get() -> None:
    later = NOW + timedelta(hours=30)
    ids = {read(message()).provider_id, read(message(), now=later).provider_id}
    ids.add(read(query=message(), method="GET").provider_id)
    assert len(ids) == 1


@pytest.mark.parametrize("field", ["sms_from", "sms_to", "sms_text", "sms_date", "MsgId", "sms_id"])
def test_a_message_that_differs_in_one_field_has_another_id(field: str) -> None:
    assert read(message(**{field: "77"})).provider_id != read(message()).provider_id


def test_two_answers_to_one_message_are_two() -> None:
    """Even if the id that was seen somewhere should turn out to be that of the message answered."""
    who = read(message("kto to?", sms_id="1", MsgId="5"))
    stop = read(message("STOP", sms_id="1", MsgId="5"))
    assert who.provider_id != stop.provider_id


def test_a_stop_without_a_date_is_not_taken_for_an_older_one() -> None:
    text = urlencode({"sms_from": "48500100200", "sms_text": "STOP"})
    again = read(text, now=NOW + timedelta(minutes=2))
    assert read(text).provider_id == read(text).provider_id != again.provider_id


def test_fields_cannot_run_into_each_other() -> None:
    assert (
        read(message(sms_to="4873", sms_text="x")).provider_id
        != read(message(sms_to="487", sms_text="3x")).provider_id
    )


# Verification


@pytest.mark.parametrize(
    "how",
    [
        {"secret_query": ""},
        {"secret_query": "k="},
        {"secret_query": "k=wrong"},
        {"secret_query": urlencode({"k": SECRET[:-1]})},
        {"secret_query": urlencode({"k": SECRET + "x"})},
        {"secret_query": f"{QUERY}&{QUERY}"},
        {"secret_query": f"{QUERY}&k=wrong"},
        {"secret_query": "k=%ff%00za%C5%BC"},
        {"secret_query": urlencode({"K": SECRET})},
        {"source": "203.0.113.9"},
        {"source": "91.185.188.1"},
        {"source": ""},
        {"source": f"{SOURCE}, 203.0.113.9"},
        {"source": "2001:db9::1"},
        {"source": "127.0.0.1"},
    ],
    ids=str,
)
@pytest.mark.parametrize("reader", ["read_message", "read_reports"])
def test_secret_and_source_must_both_be_right(how: dict[str, str], reader: str) -> None:
    with pytest.raises(NotAuthentic):
        getattr(CHANNEL, reader)(request(message(), **how), NOW)


def test_a_secret_in_the_body_is_none() -> None:
    with pytest.raises(NotAuthentic):
        CHANNEL.read_message(request(message() + "&" + QUERY, secret_query=""), NOW)


@pytest.mark.parametrize("source", [SOURCE, f"::ffff:{SOURCE}", "91.185.187.219", "2001:db8::7"])
def test_networks_and_mapped_addresses_are_known(source: str) -> None:
    assert read(message(), source=source).kind is Kind.TEXT


@settings(max_examples=200, deadline=None)
@given(at=st.integers(0, len(QUERY) - 1), char=st.characters(min_codepoint=32, max_codepoint=126))
def test_no_changed_character_of_the_secret_is_accepted(at: int, char: str) -> None:
    changed = QUERY[:at] + char + QUERY[at + 1 :]
    if parse_qs(changed) == parse_qs(QUERY):
        return
    with pytest.raises(NotAuthentic):
        CHANNEL.read_message(request(message(), secret_query=changed), NOW)


def test_a_refused_source_alarms(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(NotAuthentic):
        CHANNEL.read_message(request(message(), source="203.0.113.9"), NOW)
    said = capsys.readouterr().out
    assert "SMSAPI_SOURCE_IPS" in said
    assert SECRET not in said
    with pytest.raises(NotAuthentic):
        CHANNEL.read_message(request(message(), secret_query="", source="203.0.113.9"), NOW)
    assert capsys.readouterr().out == ""


# Delivery reports


def reports(query: str, **how: Any) -> Any:
    received = CHANNEL.read_reports(request(query=query, method="GET", path="/hooks/smsapi/dlr", **how), NOW)
    assert received.answer.body == b"OK"
    return received


@pytest.mark.parametrize(("state", "delivery"), STATES.items())
def test_a_state_is_read_by_its_name(state: str, delivery: Delivery) -> None:
    (report,) = reports(f"MsgId=9&status_name={state}&idx=17").reports
    assert (report.provider_id, report.outbox_id, report.delivery) == ("9", "17", delivery)


@pytest.mark.parametrize(("number", "state"), STATE_NUMBERS.items())
def test_a_state_is_read_by_its_number(number: str, state: str) -> None:
    (report,) = reports(f"MsgId=9&status={number}").reports
    assert (report.delivery, report.code, report.raw_state) == (STATES[state], number, state)
    assert report.outbox_id is None


def test_the_name_goes_before_the_number() -> None:
    (report,) = reports("MsgId=9&status=404&status_name=EXPIRED").reports
    assert report.delivery is Delivery.FAILED


def test_a_halted_sending_is_no_opt_out() -> None:
    (report,) = reports("MsgId=9&status=412&status_name=STOP").reports
    assert not report.stopped


@pytest.mark.parametrize("count", range(1, 6))
def test_reports_come_joined_by_commas(count: int) -> None:
    rows = [({"id": str(100 + i), "idx": str(i)}, ["DELIVERED", "EXPIRED"][i % 2]) for i in range(count)]
    found = reports(urlencode(report_fields(*rows))).reports
    assert [(r.provider_id, r.outbox_id, r.raw_state) for r in found] == [
        (sent["id"], sent["idx"], state) for sent, state in rows
    ]


def test_a_missing_value_is_missing_for_its_report_only() -> None:
    first, second, third = reports("MsgId=1,2,3&status_name=DELIVERED,,NEWSTATE&status=404,405&idx=a").reports
    assert (first.delivery, first.outbox_id) == (Delivery.DELIVERED, "a")
    assert (second.delivery, second.outbox_id) == (Delivery.FAILED, None)
    assert (third.delivery, third.outbox_id) == (Delivery.UNKNOWN, None)


def test_reports_may_come_by_post() -> None:
    received = CHANNEL.read_reports(request("MsgId=9&status_name=DELIVERED", path="/hooks/smsapi/dlr"), NOW)
    assert received.reports[0].delivery is Delivery.DELIVERED


@pytest.mark.parametrize("query", ["", "MsgId=", "MsgId=%00", "status=404", "%%%"])
def test_a_report_that_is_none_is_recorded(query: str) -> None:
    assert [one.kind for one in reports(query).inbound] == [Kind.UNREADABLE]


# Sending


@pytest.fixture
def smsapi() -> Iterator[SmsapiStandIn]:
    with SmsapiStandIn() as stand_in:
        yield stand_in


@pytest.fixture
def channel(smsapi: SmsapiStandIn) -> Iterator[Smsapi]:
    one = Smsapi(settings_for(smsapi.url))
    yield one
    one.close()


def outgoing(text: str = "SHOPXYZ bot: zapisane.", *, ours: str = "2way", outbox_id: str = "17") -> Outgoing:
    return Outgoing(outbox_id=outbox_id, address=replace(SMS, ours=ours), text=text)


def properties(failure: SendFailed) -> set[str]:
    return {name for name in ("retryable", "ambiguous", "stopped", "alarm") if getattr(failure, name)}


def test_a_message_is_taken(smsapi: SmsapiStandIn, channel: Smsapi) -> None:
    taken = channel.send(outgoing())
    (sent,) = smsapi.sent
    assert (taken.provider_id, taken.delivery) == (sent["id"], Delivery.ACCEPTED)
    del sent["id"]
    assert sent == {
        "to": "48500100200",
        "message": "SHOPXYZ bot: zapisane.",
        "from": "2way",
        "encoding": "utf-8",
        "format": "json",
        "idx": "17",
        "check_idx": "1",
        "max_parts": "2",
        "nounicode": "1",
    }


@pytest.mark.parametrize("text", ["Zażółć gęślą jaźń", "back `tick`", "ä and é"])
def test_what_may_need_unicode_is_not_refused_for_it(
    smsapi: SmsapiStandIn, channel: Smsapi, text: str
) -> None:
    channel.send(outgoing(text))
    assert "nounicode" not in smsapi.sent[0]
    assert smsapi.sent[0]["message"] == text


@pytest.mark.parametrize(("length", "parts"), [(306, "2"), (307, "3"), (918, "6")])
def test_no_more_parts_are_billed_than_were_counted(
    smsapi: SmsapiStandIn, channel: Smsapi, length: int, parts: str
) -> None:
    channel.send(outgoing("x" * length))
    assert smsapi.sent[0]["max_parts"] == parts


@pytest.mark.parametrize(("text", "outbox_id", "code"), [("x" * 919, "17", "12"), ("x", "1,2", "27")])
def test_what_cannot_be_sent_is_not_tried(
    smsapi: SmsapiStandIn, channel: Smsapi, text: str, outbox_id: str, code: str
) -> None:
    with pytest.raises(SendFailed) as caught:
        channel.send(outgoing(text, outbox_id=outbox_id))
    assert (caught.value.code, properties(caught.value)) == (code, set())
    assert smsapi.calls == []


@pytest.mark.parametrize(
    ("ours", "own", "sender"),
    [
        ("2way", "SHOPXYZ", "2way"),
        ("eco", "SHOPXYZ", "eco"),
        ("SHOPXYZ", "SHOPXYZ", "SHOPXYZ"),
        ("Pani&Pan", "SHOPXYZ", "Pani&Pan"),
        ("+48732000001", "SHOPXYZ", "2way"),
        ("+48732000001", "48732000001", "48732000001"),
        ("+48732000001", "+48732000001", "48732000001"),
        ("+48732000002", "48732000001", "2way"),
        ("7055.SHOP", "SHOPXYZ", "2way"),
        ("7055", "SHOPXYZ", "2way"),
        ("+48732000001", "", "2way"),
    ],
)
def test_the_sender_is_the_address_written_to_or_the_pool(
    smsapi: SmsapiStandIn, ours: str, own: str, sender: str
) -> None:
    smsapi.approved |= {"Pani&Pan", "48732000001"}
    Smsapi(settings_for(smsapi.url, own)).send(outgoing(ours=ours))
    assert smsapi.sent[0]["from"] == sender


def test_sending_again_is_one_message(smsapi: SmsapiStandIn, channel: Smsapi) -> None:
    since = datetime.now(UTC)
    smsapi.drop_next(taken=True)
    with pytest.raises(SendFailed) as caught:
        channel.send(outgoing())
    assert properties(caught.value) == {"ambiguous"}
    assert channel.find(outgoing(), since) is None
    assert channel.send(outgoing()).provider_id == "idx:17"
    assert len(smsapi.sent) == 1


def test_an_idx_that_was_forgotten_is_not_sent_again(channel: Smsapi) -> None:
    with pytest.raises(SendFailed) as caught:
        channel.find(outgoing(), datetime.now(UTC) - timedelta(hours=23, minutes=1))
    assert properties(caught.value) == set()


@pytest.mark.parametrize(
    ("code", "says"),
    [
        (8, {"retryable"}),
        (201, {"retryable"}),
        (999, {"retryable"}),
        (202, {"retryable"}),
        (11, set()),
        (12, set()),
        (13, set()),
        (17, set()),
        (54321, set()),
        (14, {"alarm"}),
        (57, {"stopped"}),
        (101, {"retryable", "alarm"}),
        (103, {"retryable", "alarm"}),
        (105, {"retryable", "alarm"}),
    ],
)
@pytest.mark.parametrize("form", ["json", "plain"])
def test_an_error_comes_with_http_200_and_says_what_to_do(
    smsapi: SmsapiStandIn, channel: Smsapi, code: int, says: set[str], form: str
) -> None:
    if form == "plain" and code > 9999:
        return
    smsapi.fail_next(
        error(code, "48500100200 …") if form == "json" else Answer(200, f"ERROR:{code}".encode())
    )
    with pytest.raises(SendFailed) as caught:
        channel.send(outgoing())
    assert (caught.value.code, properties(caught.value)) == (str(code), says)
    assert "48500100200" not in repr(caught.value)


def test_too_many_to_one_number_waits_a_minute(smsapi: SmsapiStandIn, channel: Smsapi) -> None:
    smsapi.fail_next(error(52, ""))
    with pytest.raises(SendFailed) as caught:
        channel.send(outgoing())
    assert (properties(caught.value), caught.value.retry_after) == ({"retryable"}, 60.0)


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (Answer(429, b"", {"Retry-After": "7"}), {"retryable"}),
        (Answer(500, b"oops"), {"ambiguous"}),
        (Answer.of({"error": "authorization_failed"}, 401), {"retryable", "alarm"}),
        (Answer(400, b"<html>"), set()),
        (Answer(200, b"<html>maintenance</html>"), {"ambiguous"}),
        (Answer(200, b""), {"ambiguous"}),
        (Answer.of([]), {"ambiguous"}),
        (Answer.of({"count": 0, "list": []}), {"ambiguous"}),
        (Answer.of({"count": 2, "list": [{"id": "1"}]}), {"ambiguous"}),
        (Answer.of({"count": 1, "list": [{"id": None}]}), {"ambiguous"}),
        (Answer.of({"count": 1, "list": [{"id": "1", "error": 13}]}), set()),
    ],
)
def test_only_one_entry_with_an_id_is_success(
    smsapi: SmsapiStandIn, channel: Smsapi, answer: Answer, says: set[str]
) -> None:
    smsapi.fail_next(answer)
    with pytest.raises(SendFailed) as caught:
        channel.send(outgoing())
    assert properties(caught.value) == says
    assert caught.value.retry_after == (7.0 if answer.status == 429 else None)


def test_a_connection_that_was_refused_sent_nothing() -> None:
    with SmsapiStandIn() as gone:
        url = gone.url
    with pytest.raises(SendFailed) as caught:
        Smsapi(settings_for(url)).send(outgoing())
    assert properties(caught.value) == {"retryable"}


# The operator's check


def test_check_registers_tests_and_pins_both_callbacks(smsapi: SmsapiStandIn, channel: Smsapi) -> None:
    assert [finding.ok for finding in channel.check(register=False)] == [True, False, False]
    assert all(finding.ok for finding in channel.check(register=True))
    assert all(finding.ok for finding in channel.check(register=False))
    message_callback, report_callback = smsapi.callbacks.values()
    assert message_callback["url"] == f"{PUBLIC_URL}/hooks/smsapi/mo?{QUERY}"
    assert (message_callback["type"], message_callback["api_version"]) == ("sms_mo", 1)
    assert report_callback["url"] == f"{PUBLIC_URL}/hooks/smsapi/dlr?{QUERY}"


def test_check_replaces_a_callback_with_an_older_secret(smsapi: SmsapiStandIn, channel: Smsapi) -> None:
    channel.check(register=True)
    for callback in smsapi.callbacks.values():
        callback["url"] = callback["url"].partition("?")[0] + "?k=older"
    findings = channel.check(register=False)
    assert ["another secret" in finding.what for finding in findings] == [False, True, True]
    channel.check(register=True)
    assert [one["url"].partition("?")[2] for one in smsapi.callbacks.values()] == [QUERY, QUERY]


def test_check_sees_and_mends_a_callback_that_was_switched_off(
    smsapi: SmsapiStandIn, channel: Smsapi
) -> None:
    channel.check(register=True)
    for callback in smsapi.callbacks.values():
        callback["active"] = False
    assert not all(finding.ok for finding in channel.check(register=False))
    assert all(finding.ok for finding in channel.check(register=True))


def test_check_sees_another_format_and_an_empty_account(smsapi: SmsapiStandIn, channel: Smsapi) -> None:
    channel.check(register=True)
    smsapi.points = 0
    for callback in smsapi.callbacks.values():
        callback["api_version"] = 2
    wrong = [finding.what for finding in channel.check(register=False) if not finding.ok]
    assert len(wrong) == 3


def test_check_says_that_the_token_is_refused(smsapi: SmsapiStandIn, channel: Smsapi) -> None:
    smsapi.token = "changed at the provider"
    (finding,) = channel.check(register=True)
    assert not finding.ok
    assert "401" in finding.what


def test_nothing_says_a_secret_a_number_or_a_text(
    smsapi: SmsapiStandIn,
    channel: Smsapi,
    caplog: pytest.LogCaptureFixture,
    capsys: pytest.CaptureFixture[str],
) -> None:
    caplog.set_level(logging.DEBUG)
    channel.send(outgoing())
    findings = channel.check(register=True)
    read("sms_from=48500100200")
    reports("MsgId=1&status_name=NEW&to=48500100200")
    said = caplog.text + "".join(capsys.readouterr())
    assert "hook not understood" in said
    for secret in (TOKEN, SECRET, QUERY, "48500100200", "zapisane"):
        assert secret not in said + repr(channel) + repr(settings_for()) + repr(findings)


# The stand-in itself, where it has a trap to show


def test_the_stand_in_deletes_the_whole_blacklist_without_a_query(smsapi: SmsapiStandIn) -> None:
    with httpx2.Client(base_url=smsapi.url, headers={"Authorization": f"Bearer {TOKEN}"}) as client:
        for i in range(6):
            client.post("/blacklist/phone_numbers", json={"phone_number": f"4850010020{i}"})
        assert len(client.get("/blacklist/phone_numbers").json()["collection"]) == 5
        assert client.post("/sms.do", data={"to": "48500100200", "message": "x"}).text == "ERROR:14"
        client.delete("/blacklist/phone_numbers", params={"phone_number": "48500100200"})
        assert len(smsapi.blacklist) == 5
        client.delete("/blacklist/phone_numbers")
        assert smsapi.blacklist == {}
        smsapi.opt_outs.append("48500100200")
        (entry,) = client.get("/opt_outs").json()["collection"]
        assert entry["phoneNumber"] == 48500100200


def test_somebody_on_the_blacklist_cannot_be_answered(smsapi: SmsapiStandIn, channel: Smsapi) -> None:
    smsapi.blacklist["1"] = "48500100200"
    with pytest.raises(SendFailed) as caught:
        channel.send(outgoing())
    assert caught.value.code == "13"


def test_times_are_utc() -> None:
    sent_at = read(message()).sent_at
    assert sent_at is not None
    assert sent_at.timestamp() == SENT_AT
