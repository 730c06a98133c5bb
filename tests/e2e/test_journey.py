"""The whole way of a message, through real processes: provider → web → worker → model → provider."""

from __future__ import annotations

import itertools
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

import httpx2
import pytest

from tests.e2e.conftest import System
from tests.standins import StandIn
from tests.standins.client_hook import ClientHook, verifies
from tests.standins.line import Line
from tests.world import SHOP_NUMBER

pytestmark = [pytest.mark.e2e, pytest.mark.nlu, pytest.mark.timeout(300)]

_numbers = itertools.count(500_100_300)
_chats = itertools.count(5_550_100)


def somebody() -> str:
    """A number that no other test uses."""
    return f"+48{next(_numbers)}"


def texts_to(stand_in: StandIn, field: str, person: str) -> list[str]:
    shown = {"To": "Body", "to": "message", "chat_id": "text"}[field]
    return [str(m[shown]) for m in stand_in.sent if str(m[field]).lstrip("+") == person.lstrip("+")]


def wait_for(stand_in: StandIn, field: str, person: str, words: str, *, seconds: float = 20) -> str:
    """The text with these words that reaches the person in time."""
    arrived = stand_in.wait_for(
        lambda: any(words in t for t in texts_to(stand_in, field, person)), seconds=seconds
    )
    assert arrived, f"{words!r} is not in {texts_to(stand_in, field, person)}"
    return next(t for t in texts_to(stand_in, field, person) if words in t)


def test_who_sent_it_is_answered_over_twilio(deployment: System) -> None:
    person = somebody()
    deployment.sent("shop", SHOP_NUMBER, to=person)
    reply = deployment.twilio.post_inbound(f"{deployment.url}/hooks/twilio", "kto to wysłał?", from_=person)
    assert (reply.status, reply.media_type.split(";")[0]) == (200, "text/xml")
    answer = wait_for(deployment.twilio, "To", person, "Agrest Moda")
    assert "agrest.example" in answer
    assert answer.startswith("SMSAPI bot: ")


def test_stop_denies_from_the_acknowledgement_on_and_is_receipted_once(deployment: System) -> None:
    person = somebody()
    assert deployment.is_allowed(person, "shop")
    deployment.twilio.post_inbound(f"{deployment.url}/hooks/twilio", "STOP", from_=person)
    assert not deployment.is_allowed(person, "shop")
    assert deployment.is_allowed(person, "books")
    wait_for(deployment.twilio, "To", person, "nie wysle Ci wiecej reklam")
    deployment.twilio.post_inbound(f"{deployment.url}/hooks/twilio", "stop", from_=person)
    deployment.twilio.post_inbound(f"{deployment.url}/hooks/twilio", "POMOC", from_=person)
    wait_for(deployment.twilio, "To", person, "1=")
    assert len([t for t in texts_to(deployment.twilio, "To", person) if "nie wysle" in t]) == 1


def test_twenty_deliveries_at_once_have_one_effect_on_every_channel(deployment: System) -> None:
    by_twilio, by_smsapi, chat = somebody(), somebody(), next(_chats)
    twilio, smsapi, telegram = deployment.twilio, deployment.smsapi, deployment.telegram
    twilio_hook = f"{deployment.url}/hooks/twilio"
    smsapi_hook = f"{deployment.url}/hooks/smsapi/mo?k={deployment.secret('SMSAPI_CALLBACK_SECRET')}"
    sid = twilio.receive("STOP", from_=by_twilio)
    push = partial(
        telegram.push, f"{deployment.url}/hooks/telegram", secret=deployment.secret("TELEGRAM_WEBHOOK_SECRET")
    )
    update = telegram.text("STOP", person=chat)
    calls = [
        partial(twilio.post_inbound, twilio_hook, "STOP", from_=by_twilio, sid=sid),
        partial(smsapi.post_message, smsapi_hook, "STOP", sms_from=by_smsapi[1:], sms_to=SHOP_NUMBER[1:]),
        partial(push, update),
    ]
    with ThreadPoolExecutor(20) as pool:
        for call in calls:
            assert {reply.status for reply in pool.map(lambda _, call=call: call(), range(20))} == {200}
    twilio.post_inbound(twilio_hook, "POMOC", from_=by_twilio)
    smsapi.post_message(smsapi_hook, "POMOC", sms_from=by_smsapi[1:], sms_to=SHOP_NUMBER[1:])
    push(telegram.text("POMOC", person=chat))
    for stand_in, field, person, menu, receipt in (
        (twilio, "To", by_twilio, "1=", "nie wysle"),
        (smsapi, "to", by_smsapi, "1=", "nie wysle"),
        (telegram, "chat_id", str(chat), "1. ", "24 godziny"),
    ):
        wait_for(stand_in, field, person, menu)
        assert len([t for t in texts_to(stand_in, field, person) if receipt in t]) == 1


def test_a_forged_hook_changes_nothing(deployment: System) -> None:
    person = somebody()
    forged = httpx2.post(
        f"{deployment.url}/hooks/twilio",
        data={"MessageSid": "SM" + "0" * 32, "From": person, "To": SHOP_NUMBER, "Body": "STOP"},
        headers={"X-Twilio-Signature": "bm8="},
        trust_env=False,
    )
    assert forged.status_code == 403
    assert deployment.is_allowed(person, "shop")


def test_the_same_over_smsapi(deployment: System) -> None:
    person = somebody()
    deployment.sent("shop", SHOP_NUMBER, to=person)
    hook = f"{deployment.url}/hooks/smsapi/mo?k={deployment.secret('SMSAPI_CALLBACK_SECRET')}"
    reply = deployment.smsapi.post_message(
        hook, "kto to wyslal?", sms_from=person[1:], sms_to=SHOP_NUMBER[1:]
    )
    assert (reply.status, reply.body) == (200, b"OK")
    wait_for(deployment.smsapi, "to", person, "Agrest Moda")
    deployment.smsapi.post_message(hook, "STOP", sms_from=person[1:], sms_to=SHOP_NUMBER[1:])
    assert not deployment.is_allowed(person, "shop")
    wait_for(deployment.smsapi, "to", person, "nie wysle Ci wiecej reklam")
    refused = deployment.smsapi.post_message(f"{deployment.url}/hooks/smsapi/mo?k=wrong", "STOP")
    assert refused.status == 403


def test_telegram_keeps_the_stop_until_the_number_is_known(deployment: System) -> None:
    person, chat = somebody(), next(_chats)
    deployment.sent("shop", "AGREST", to=person)
    telegram, hook = deployment.telegram, f"{deployment.url}/hooks/telegram"
    push = partial(telegram.push, hook, secret=deployment.secret("TELEGRAM_WEBHOOK_SECRET"))
    assert push(telegram.text("STOP", person=chat)).status == 200
    wait_for(telegram, "chat_id", str(chat), "24 godziny")
    push(telegram.contact(person[1:], person=chat, owner=chat + 1))
    wait_for(telegram, "chat_id", str(chat), "To nie jest Twój kontakt")
    assert deployment.is_allowed(person, "shop")
    push(telegram.contact(person[1:], person=chat))
    wait_for(telegram, "chat_id", str(chat), "Gotowe.")
    assert not deployment.is_allowed(person, "shop")
    push(telegram.text("kto używa nazwy AGREST?", person=chat))
    wait_for(telegram, "chat_id", str(chat), "Agrest Moda")
    assert telegram.push(hook, telegram.text("STOP"), secret="wrong-wrong-wrong-wrong").status == 403


def test_while_the_model_is_down_what_needs_none_works_and_the_rest_is_read_later(deployment: System) -> None:
    url = f"{deployment.url}/hooks/twilio"
    nlu_port = deployment.environment["WHOSENT_NLU_URL"].rpartition(":")[2]
    deployment.stop("nlu")
    try:
        for text, answer in (
            ("STOP", "nie wysle"),
            ("START", "START "),
            ("POMOC", "1="),
            ("CZLOWIEK", "przejmie"),
        ):
            person = somebody()
            if text == "START":
                deployment.twilio.post_inbound(url, "STOP", from_=person)
            deployment.twilio.post_inbound(url, text, from_=person)
            wait_for(deployment.twilio, "To", person, answer)
        asking = somebody()
        deployment.sent("shop", SHOP_NUMBER, to=asking)
        deployment.twilio.post_inbound(url, "KTO", from_=asking)
        wait_for(deployment.twilio, "To", asking, "Agrest Moda")
        deployment.twilio.post_inbound(url, "1", from_=asking)
        wait_for(deployment.twilio, "To", asking, "nie wysle")
        wordy = somebody()
        text = "uprzejmie prosze o zaprzestanie przysylania mi tych reklam, mam dosc"
        deployment.twilio.post_inbound(url, text, from_=wordy)
        wait_for(deployment.twilio, "To", wordy, "SMSAPI bot")
    finally:
        deployment.start("nlu", "nlu", "run", "--port", nlu_port)
        deployment.wait_until(f"{deployment.environment['WHOSENT_NLU_URL']}/webhooks/parse/health")
    wait_for(deployment.twilio, "To", wordy, "nie wysle Ci wiecej reklam")
    assert not deployment.is_allowed(wordy, "shop")


KIOSK, KIOSK_NUMBER = "kiosk", "+48732000005"


def takes_webhooks(deployment: System, folder: Path, address: str) -> str:
    """A client of its own with a number and a webhook; the secret that signs what it is told."""
    (folder / "clients.csv").write_text(
        "client_id,legal_name,public_name,website,webhook_url\n"
        f"{KIOSK},Kiosk Rondo,Kiosk Rondo,https://rondo.example,{address}\n"
    )
    (folder / "senders.csv").write_text(f"sender,client_id\n{KIOSK_NUMBER},{KIOSK}\n")
    for what in ("clients", "senders"):
        deployment.run("import", what, str(folder / f"{what}.csv"))
    return deployment.run("client", "secret", KIOSK).strip()


def wait_for_events(deployment: System, *events: str, after: int) -> None:
    """Wait until the worker has logged each of these; nothing tells of what another process finds out."""
    until = time.monotonic() + 20
    while not all(f'"{event}"' in deployment.log_of("worker")[after:] for event in events):
        assert time.monotonic() < until, deployment.logs()
        time.sleep(0.05)


def test_while_everything_else_is_down_a_stop_holds_and_is_confirmed_and_told_when_they_are_back(
    deployment: System, tmp_path: Path
) -> None:
    """The model, Redis, the provider's API, the client's webhook. Through hours: test_deliver, test_tell_opt_outs."""
    person, twilio = somebody(), deployment.twilio
    nlu_url = deployment.environment["WHOSENT_NLU_URL"]
    redis = urlsplit(deployment.environment["WHOSENT_REDIS_URL"])
    with ExitStack() as house:
        hook = house.enter_context(ClientHook())
        settings = {"EGRESS_ALLOW": "127.0.0.1/32"}
        line = None
        if redis.hostname:  # with SQLite alone there is none
            line = house.enter_context(Line((redis.hostname, redis.port or 6379)))
            settings["REDIS_URL"] = redis._replace(netloc=f"127.0.0.1:{line.port}").geturl()
        house.enter_context(deployment.set_up(**settings))
        secret = takes_webhooks(deployment, tmp_path, hook.url)
        assert deployment.is_allowed(person, KIOSK)
        deployment.stop("nlu")
        with ExitStack() as outage:
            if line is not None:
                before = len(deployment.log_of("worker"))
                outage.enter_context(line.cut())
                wait_for_events(deployment, "bell is mute", after=before)
            outage.enter_context(twilio.away())
            outage.enter_context(hook.away())
            before = len(deployment.log_of("worker"))
            reply = twilio.post_inbound(
                f"{deployment.url}/hooks/twilio", "STOP", from_=person, to=KIOSK_NUMBER
            )
            assert (reply.status, reply.media_type.split(";")[0]) == (200, "text/xml")
            assert not deployment.is_allowed(person, KIOSK)
            wait_for_events(deployment, "not sent", "client not told", after=before)
            assert not deployment.is_allowed(person, KIOSK)
            assert (texts_to(twilio, "To", person), hook.told) == ([], [])
        deployment.start("nlu", "nlu", "run", "--port", nlu_url.rpartition(":")[2])
        confirmed = wait_for(twilio, "To", person, "nie wysle Ci wiecej reklam", seconds=60)
        assert "Kiosk Rondo" in confirmed
        assert hook.wait_for(lambda: bool(hook.told), seconds=60), deployment.logs()
        deployment.wait_until(f"{nlu_url}/webhooks/parse/health")
        assert not deployment.is_allowed(person, KIOSK)
        assert texts_to(twilio, "To", person) == [confirmed]
        assert [(t["type"], t["data"]["number"]) for t in hook.told] == [("optout.created", person)]
        assert verifies(hook.calls[0], secret)


def test_what_was_missed_is_swept_in(deployment: System) -> None:
    person = somebody()
    deployment.twilio.receive("STOP", from_=person)
    deployment.stop("worker")
    deployment.start("worker", "work")
    wait_for(deployment.twilio, "To", person, "nie wysle Ci wiecej reklam", seconds=60)
    assert not deployment.is_allowed(person, "shop")


def test_no_log_line_holds_a_number_a_text_or_a_name(deployment: System) -> None:
    person, secret_words = somebody(), "Zygfryda Rzezucha napisala z ulicy Jasminowej"
    url = f"{deployment.url}/hooks/twilio"
    deployment.twilio.post_inbound(url, secret_words, from_=person)
    wait_for(deployment.twilio, "To", person, "SMSAPI bot")
    deployment.twilio.post_inbound(url, "STOP", from_=person)
    wait_for(deployment.twilio, "To", person, "nie wysle")
    logs = deployment.logs()
    for canary in (person, person[3:], "Rzezucha", "Jasminow", deployment.secret("SMSAPI_CALLBACK_SECRET")):
        assert canary not in logs
