"""What Telegram delivers is let in by its secret; a number is the sender's only by the platform's word."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.channels.telegram import CONTACT_LABEL, Telegram
from bot.domain.errors import NotAuthentic, SendFailed
from bot.domain.messages import Address, Delivery, HookRequest, Inbound, Kind, Medium, Outgoing, Received
from bot.settings import TelegramSettings
from tests.standins import Answer
from tests.standins.telegram import BOT_ID, PERSON, TOKEN, TelegramStandIn, error, ok

PUBLIC_URL = "https://bot.shop.test"
SECRET = "hook-5f0c9b7e3d1a8642"
NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
PAYLOADS = sorted((Path(__file__).parents[1] / "payloads" / "telegram").glob("*.json"))
CHAT = Address("telegram", BOT_ID, Medium.TELEGRAM, str(PERSON), BOT_ID)


def settings_for(api_url: str = "http://127.0.0.1:9", secret: str = SECRET) -> TelegramSettings:
    return TelegramSettings(token=TOKEN, api_url=api_url, webhook_secret=secret, public_url=PUBLIC_URL)


CHANNEL = Telegram(settings_for())


def request(body: bytes, secret: str | None = SECRET) -> HookRequest:
    headers = {"content-type": "application/json"}
    if secret is not None:
        headers["x-telegram-bot-api-secret-token"] = secret
    return HookRequest(
        method="POST",
        url=f"{PUBLIC_URL}/hooks/telegram",
        path="/hooks/telegram",
        query="",
        headers=headers,
        body=body,
        source="203.0.113.7",
    )


def read(update: Any) -> Inbound:
    received = CHANNEL.read(request(json.dumps(update).encode()), NOW)
    assert received.answer.status == 200
    return received.inbound[0]


@pytest.mark.parametrize("path", PAYLOADS, ids=lambda path: path.stem)
def test_a_payload_is_understood(path: Path) -> None:
    case = json.loads(path.read_text())
    inbound = read(case["body"])
    address, shared = inbound.address, inbound.shared
    assert {
        "kind": str(inbound.kind),
        "person": address.person if address else None,
        "text": inbound.text,
        "button": inbound.button,
        "answered_id": inbound.answered_id,
        "shared": {"number": shared.number, "is_own": shared.is_own} if shared else None,
        "language_hint": inbound.language_hint,
        "sent_at": inbound.sent_at.isoformat() if inbound.sent_at else None,
    } == case["expected"]
    assert (inbound.provider, inbound.account) == ("telegram", BOT_ID)
    if address is not None:
        assert address == CHAT
        assert address.number is None
    inbound.text.encode()


@pytest.mark.parametrize(
    ("origin", "is_forwarded"),
    [
        ({"type": "user", "sender_user": {"id": 9, "is_bot": False, "first_name": "Ola"}}, True),
        ({"type": "user", "sender_user": {"id": 5550001, "is_bot": False, "first_name": "Ala"}}, False),
        ({"type": "hidden_user", "sender_user_name": "Ktos"}, True),
        ({"type": "channel", "chat": {"id": -7, "type": "channel", "title": "Promocje"}, "message_id": 3}, True),
        (None, False),
    ],
)
def test_what_somebody_else_wrote_is_known_as_passed_on(
    origin: dict[str, Any] | None, is_forwarded: bool
) -> None:
    update = json.loads((PAYLOADS[0].parent / "text.json").read_text())["body"]
    if origin is not None:
        update["message"]["forward_origin"] = {"date": 1793961600, **origin}
    assert read(update).is_forwarded is is_forwarded


def test_nothing_said_elsewhere_is_kept() -> None:
    for path in PAYLOADS:
        inbound = read(json.loads(path.read_text())["body"])
        assert (inbound.raw is None) == (inbound.kind is Kind.IGNORED), path.stem


def test_an_update_is_one_by_its_id() -> None:
    update = json.loads((PAYLOADS[0].parent / "text.json").read_text())["body"]
    assert read(update).provider_id == "100200300"
    assert read({**update, "update_id": 7}).provider_id == "7"


@pytest.mark.parametrize(
    "body", [b"", b"{", b"\xff\xfe", b"[" * 60_000, b"null", b'{"update_id": true}', b"9" * 5000]
)
def test_garbage_of_the_provider_is_recorded_and_acknowledged(body: bytes) -> None:
    received = CHANNEL.read(request(body), NOW)
    (inbound,) = received.inbound
    assert (inbound.kind, inbound.raw, received.answer.status) == (Kind.UNREADABLE, body, 200)
    assert inbound.provider_id.startswith("sha256:")


@settings(max_examples=100, deadline=None)
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda inner: (
            st.lists(inner) | st.dictionaries(st.sampled_from(["id", "chat", "from", "date"]), inner)
        ),
    )
)
def test_no_message_whatever_breaks_the_hook(content: Any) -> None:
    for kind in ("message", "callback_query", "my_chat_member"):
        assert read({"update_id": 1, kind: content}).kind in (Kind.UNREADABLE, Kind.IGNORED)


# Verification


@pytest.mark.parametrize("secret", [None, "", "wrong", SECRET[:-1], SECRET + "x", SECRET.upper(), "zażółć"])
def test_without_the_secret_nothing_is_read(secret: str | None) -> None:
    with pytest.raises(NotAuthentic):
        CHANNEL.read(request(b"{", secret), NOW)


@settings(max_examples=200, deadline=None)
@given(at=st.integers(0, len(SECRET) - 1), char=st.characters(min_codepoint=1, max_codepoint=0x2FFF))
def test_no_changed_character_of_the_secret_is_accepted(at: int, char: str) -> None:
    changed = SECRET[:at] + char + SECRET[at + 1 :]
    if changed == SECRET:
        return
    with pytest.raises(NotAuthentic):
        CHANNEL.read(request(b"{}", changed), NOW)


def test_without_a_secret_there_is_no_hook() -> None:
    channel = Telegram(settings_for(secret=""))
    assert channel.routes == ()
    with pytest.raises(NotAuthentic):
        channel.read(request(b"{}", ""), NOW)


# Buttons


@pytest.fixture
def telegram() -> Iterator[TelegramStandIn]:
    with TelegramStandIn() as stand_in:
        yield stand_in


@pytest.fixture
def channel(telegram: TelegramStandIn) -> Iterator[Telegram]:
    one = Telegram(settings_for(telegram.url))
    yield one
    one.close()


def outgoing(text: str = "whosent: zapisane.", **more: Any) -> Outgoing:
    return Outgoing(outbox_id="17", address=CHAT, text=text, **more)


def test_a_press_is_answered_in_the_answer_to_the_hook(telegram: TelegramStandIn, channel: Telegram) -> None:
    channel.send(outgoing("Na pewno?", buttons=(("q1:yes", "Tak"), ("q1:no", "Nie"))))
    update = telegram.press(telegram.sent[0], "q1:no")
    received = channel.read(request(json.dumps(update).encode()), NOW)
    (inbound,) = received.inbound
    assert (inbound.button, inbound.text) == ("q1:no", "Nie")
    assert inbound.answered_id == str(telegram.sent[0]["message_id"])
    assert received.answer.media_type == "application/json"
    assert json.loads(received.answer.body) == {
        "method": "answerCallbackQuery",
        "callback_query_id": update["callback_query"]["id"],
    }


def test_a_polled_press_is_acknowledged(telegram: TelegramStandIn, channel: Telegram) -> None:
    channel.send(outgoing(buttons=(("t", "Tak"),)))
    update = telegram.press(telegram.sent[0], "t")
    channel.acknowledge(read(update))
    channel.acknowledge(read(telegram.text("no button")))
    assert telegram.acknowledged == [update["callback_query"]["id"]]


def test_an_acknowledgement_that_fails_harms_nothing() -> None:
    with TelegramStandIn() as gone:
        channel = Telegram(settings_for(gone.url))
        update = gone.press({"message_id": 1, "text": "x", "reply_markup": {"inline_keyboard": []}}, "t")
    channel.acknowledge(read(update))
    channel.close()


# Sending


def properties(failure: SendFailed) -> set[str]:
    return {name for name in ("retryable", "ambiguous", "stopped", "alarm") if getattr(failure, name)}


def test_a_message_is_taken_as_plain_text(telegram: TelegramStandIn, channel: Telegram) -> None:
    text = "<b>SHOP_XYZ</b> *pisze* </Message><Redirect>"
    taken = channel.send(outgoing(text))
    (sent,) = telegram.sent
    assert (taken.provider_id, taken.delivery) == (str(sent["message_id"]), Delivery.SENT)
    assert (sent["chat_id"], sent["text"]) == (PERSON, text)
    assert "parse_mode" not in sent
    assert sent["reply_markup"] is None
    assert json.loads(sent["link_preview_options"]) == {"is_disabled": True}


def test_buttons_stand_one_a_row(telegram: TelegramStandIn, channel: Telegram) -> None:
    channel.send(outgoing(buttons=(("q1:yes", "Tak"), ("q1:no", "Nie"))))
    assert telegram.sent[0]["reply_markup"]["inline_keyboard"] == [
        [{"text": "Tak", "callback_data": "q1:yes"}],
        [{"text": "Nie", "callback_data": "q1:no"}],
    ]


@pytest.mark.parametrize(("buttons", "label"), [((), CONTACT_LABEL), ((("", "Pokaż numer"),), "Pokaż numer")])
def test_the_number_is_asked_for_by_the_platforms_button(
    telegram: TelegramStandIn, channel: Telegram, buttons: tuple[tuple[str, str], ...], label: str
) -> None:
    channel.send(outgoing(asks_contact=True, buttons=buttons))
    markup = telegram.sent[0]["reply_markup"]
    assert markup["keyboard"] == [[{"text": label, "request_contact": True}]]
    assert markup["one_time_keyboard"] is True


@pytest.mark.parametrize(
    ("text", "buttons", "code"),
    [
        ("x" * 4097, (), "text too long"),
        ("x", (("ż" * 33, "Tak"),), "button token too long"),
        ("x", (("", "Tak"),), "button token too long"),
    ],
)
def test_what_telegram_would_refuse_is_not_tried(
    telegram: TelegramStandIn,
    channel: Telegram,
    text: str,
    buttons: tuple[tuple[str, str], ...],
    code: str,
) -> None:
    with pytest.raises(SendFailed) as caught:
        channel.send(outgoing(text, buttons=buttons))
    assert (caught.value.code, properties(caught.value)) == (code, set())
    assert telegram.calls == []


def test_the_longest_text_is_sent(telegram: TelegramStandIn, channel: Telegram) -> None:
    channel.send(outgoing("x" * 4096))
    assert len(telegram.sent[0]["text"]) == 4096


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (error(403, "Forbidden: bot was blocked by the user"), {"stopped"}),
        (error(403, "Forbidden: user is deactivated"), {"stopped"}),
        (error(403, "Forbidden: bot can't initiate conversation with a user"), set()),
        (error(400, "Bad Request: chat not found"), set()),
        (error(400, "Bad Request", migrate_to_chat_id=-1005), set()),
        (error(401, "Unauthorized"), {"retryable", "alarm"}),
        (error(404, "Not Found"), {"retryable", "alarm"}),
        (error(500, "Internal Server Error"), {"ambiguous"}),
        (error(502, "Bad Gateway"), {"ambiguous"}),
        (Answer(502, b"<html>"), {"ambiguous"}),
        (Answer(200, b"<html>"), {"ambiguous"}),
        (ok({}), {"ambiguous"}),
        (ok([]), {"ambiguous"}),
        (Answer.of({}), {"ambiguous"}),
    ],
)
def test_a_refusal_says_what_to_do_next(
    telegram: TelegramStandIn, channel: Telegram, answer: Answer, says: set[str]
) -> None:
    telegram.fail_next(answer)
    with pytest.raises(SendFailed) as caught:
        channel.send(outgoing())
    assert properties(caught.value) == says


@pytest.mark.filterwarnings("ignore:.*retry_after.*")
@pytest.mark.parametrize("as_timedelta", ["0", "1"])
def test_a_flood_waits_as_long_as_told(
    telegram: TelegramStandIn, channel: Telegram, monkeypatch: pytest.MonkeyPatch, as_timedelta: str
) -> None:
    monkeypatch.setenv("PTB_TIMEDELTA", as_timedelta)
    telegram.fail_next(error(429, "Too Many Requests: retry after 7", retry_after=7))
    with pytest.raises(SendFailed) as caught:
        channel.send(outgoing())
    assert (properties(caught.value), caught.value.retry_after) == ({"retryable"}, 7.0)


@pytest.mark.parametrize("taken", [True, False])
def test_a_lost_connection_is_unclear_and_never_sent_again(
    telegram: TelegramStandIn, channel: Telegram, taken: bool
) -> None:
    telegram.drop_next(taken=taken)
    with pytest.raises(SendFailed) as caught:
        channel.send(outgoing())
    assert properties(caught.value) == {"ambiguous"}
    with pytest.raises(SendFailed) as looked_up:
        channel.find(outgoing(), NOW)
    assert properties(looked_up.value) == set()


def test_a_connection_that_was_refused_sent_nothing() -> None:
    with TelegramStandIn() as gone:
        url = gone.url
    channel = Telegram(settings_for(url))
    with pytest.raises(SendFailed) as caught:
        channel.send(outgoing())
    channel.close()
    assert properties(caught.value) == {"retryable"}


def test_an_address_that_is_no_chat_is_refused(channel: Telegram) -> None:
    with pytest.raises(SendFailed) as caught:
        channel.send(replace(outgoing(), address=replace(CHAT, person="Ala")))
    assert properties(caught.value) == set()


# Polling


class Worker:
    """Polls on a thread of its own, as `work` does, and keeps what was delivered."""

    def __init__(self, channel: Telegram, failures: int = 0) -> None:
        self.stop = threading.Event()
        self.came = threading.Condition()
        self.delivered: list[Inbound] = []
        self._failures = failures
        self._thread = threading.Thread(target=channel.poll, args=(self.stop, self._deliver), daemon=True)
        self._thread.start()

    def _deliver(self, received: Received) -> None:
        if self._failures:
            self._failures -= 1
            raise RuntimeError("the database is down")
        with self.came:
            self.delivered += received.inbound
            self.came.notify_all()

    def wait_for(self, count: int) -> None:
        with self.came:
            assert self.came.wait_for(lambda: len(self.delivered) >= count, timeout=10)

    def end(self) -> None:
        self.stop.set()
        self._thread.join(timeout=10)
        assert not self._thread.is_alive()


@pytest.fixture
def polling(telegram: TelegramStandIn) -> Iterator[Telegram]:
    one = Telegram(settings_for(telegram.url, secret=""))
    yield one
    one.close()


def test_polled_updates_are_delivered_once_and_confirmed(
    telegram: TelegramStandIn, polling: Telegram
) -> None:
    telegram.webhook = {"url": "https://left.over.test/"}
    telegram.queue(telegram.text("one"))
    worker = Worker(polling)
    worker.wait_for(1)
    telegram.queue(telegram.text("two"))
    worker.wait_for(2)
    assert telegram.wait_for(lambda: not telegram.pending)
    worker.end()
    assert [one.text for one in worker.delivered] == ["one", "two"]
    assert telegram.webhook == {"url": ""}
    asked = json.loads(telegram.calls[-1].fields["allowed_updates"])
    assert asked == ["message", "callback_query", "my_chat_member"]


def test_an_update_counts_as_fetched_only_once_it_was_delivered(
    telegram: TelegramStandIn, polling: Telegram, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bot.channels.telegram.FIRST_WAIT", 0.01)
    for text in ("one", "two"):
        telegram.queue(telegram.text(text))
    worker = Worker(polling, failures=2)
    worker.wait_for(2)
    worker.end()
    assert [one.text for one in worker.delivered] == ["one", "two"]
    offsets = [int(call.fields["offset"]) for call in telegram.calls if call.path.endswith("getUpdates")]
    assert offsets[:3] == [0, 0, 0]


def test_an_update_that_cannot_be_read_does_not_hold_up_the_next(
    telegram: TelegramStandIn, polling: Telegram
) -> None:
    telegram.queue({**telegram.text("x"), "message": {"chat": 5}})
    telegram.queue(telegram.text("STOP"))
    worker = Worker(polling)
    worker.wait_for(2)
    worker.end()
    assert [one.kind for one in worker.delivered] == [Kind.UNREADABLE, Kind.TEXT]


def test_polling_outlives_the_provider_failing(
    telegram: TelegramStandIn, polling: Telegram, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bot.channels.telegram.FIRST_WAIT", 0.01)
    right, telegram.token = telegram.token, "1:other"
    worker = Worker(polling)
    assert telegram.wait_for(lambda: len(telegram.calls) >= 2)
    telegram.token = right
    telegram.queue(telegram.text("late"))
    worker.wait_for(1)
    worker.end()


def test_a_press_that_was_polled_stops_spinning(telegram: TelegramStandIn, polling: Telegram) -> None:
    polling.send(outgoing(buttons=(("t", "Tak"),)))
    telegram.queue(telegram.press(telegram.sent[0], "t"))
    worker = Worker(polling)
    worker.wait_for(1)
    assert telegram.wait_for(lambda: len(telegram.acknowledged) == 1)
    worker.end()


# The operator's check


def test_check_registers_the_webhook_with_its_secret(telegram: TelegramStandIn, channel: Telegram) -> None:
    assert [finding.ok for finding in channel.check(register=False)] == [True, False]
    assert all(finding.ok for finding in channel.check(register=True))
    assert telegram.webhook["url"] == f"{PUBLIC_URL}/hooks/telegram"
    assert telegram.webhook["secret_token"] == SECRET
    assert json.loads(telegram.webhook["allowed_updates"]) == ["message", "callback_query", "my_chat_member"]
    assert all(finding.ok for finding in channel.check(register=False))


def test_check_without_a_secret_removes_the_webhook(telegram: TelegramStandIn, polling: Telegram) -> None:
    telegram.webhook = {"url": "https://left.over.test/"}
    assert [finding.ok for finding in polling.check(register=False)] == [True, False]
    assert all(finding.ok for finding in polling.check(register=True))
    assert telegram.webhook["url"] == ""


def test_register_sets_the_menu_of_every_language_and_one_for_the_others(telegram: TelegramStandIn) -> None:
    menus = {"pl": (("human", "rozmowa z człowiekiem"),), "en": (("human", "talk to a person"),)}
    one = Telegram(settings_for(telegram.url), menus)
    try:
        assert "commands are not set" in [f.what for f in one.check(register=False) if not f.ok]
        assert all(finding.ok for finding in one.check(register=True))
        shown = {language: menu[0]["description"] for language, menu in telegram.commands.items()}
        assert shown == {"pl": "rozmowa z człowiekiem", "en": "talk to a person", "": "rozmowa z człowiekiem"}
        telegram.commands["en"] = []
        assert [f.what for f in one.check(register=False) if not f.ok] == ["commands are not set"]
    finally:
        one.close()


@pytest.mark.parametrize("command", ["/human", "/stop AGREST"])
def test_a_command_addressed_to_the_bot_is_the_command(telegram: TelegramStandIn, command: str) -> None:
    name, blank, rest = command.partition(" ")
    assert read(telegram.text(f"{name}@whosent_bot{blank}{rest}")).text == command


def test_check_sees_a_webhook_that_fails(telegram: TelegramStandIn, channel: Telegram) -> None:
    channel.check(register=True)
    telegram.webhook |= {"last_error_date": int(datetime.now(UTC).timestamp()), "last_error_message": "503"}
    telegram.queue(telegram.text("waits"))
    wrong = [finding.what for finding in channel.check(register=False) if not finding.ok]
    assert len(wrong) == 1
    assert "1 updates wait" in wrong[0]


def test_check_says_that_the_token_is_refused(telegram: TelegramStandIn, channel: Telegram) -> None:
    telegram.token = "1:other"
    (finding,) = channel.check(register=True)
    assert not finding.ok
    assert TOKEN not in finding.what


def test_nothing_says_the_token_a_number_or_a_text(
    telegram: TelegramStandIn,
    channel: Telegram,
    caplog: pytest.LogCaptureFixture,
    capsys: pytest.CaptureFixture[str],
) -> None:
    caplog.set_level(logging.DEBUG)
    channel.send(outgoing("zapisane"))
    findings = channel.check(register=True)
    telegram.fail_next(Answer(200, b"<html>48500100200 zapisane"))
    telegram.drop_next()
    said = repr(findings) + repr(channel) + repr(settings_for())
    for _ in range(2):
        with pytest.raises(SendFailed) as caught:
            channel.send(outgoing("zapisane"))
        said += repr(caught.value) + repr(caught.value.__cause__)
    read({"update_id": 1, "message": {"text": "zapisane", "contact": {"phone_number": "48500100200"}}})
    said += caplog.text + "".join(capsys.readouterr())
    assert "hook not understood" in said
    for secret in (TOKEN, TOKEN.partition(":")[2], SECRET, "48500100200", "zapisane"):
        assert secret not in said


def test_several_threads_send_at_once(telegram: TelegramStandIn, channel: Telegram) -> None:
    threads = [threading.Thread(target=channel.send, args=(outgoing(f"text {i}"),)) for i in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=20)
    assert sorted(sent["text"] for sent in telegram.sent) == sorted(f"text {i}" for i in range(20))
