"""What leaves for the language model and what is believed of its answers, against a real loopback server."""

from __future__ import annotations

import json
import math
import re
import threading
import time
import unicodedata
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bot.understanding import (
    INTENTS,
    REPORTED_AS,
    Breaker,
    Reading,
    Understanding,
    masked,
    outside_name,
    reported,
)

SECRET = "a-secret-only-for-tests"
Answer = Callable[[BaseHTTPRequestHandler, dict[str, Any]], None]


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


class Model(ThreadingHTTPServer):
    """Stands in for the nlu process; `answer` decides how well it feels."""

    daemon_threads = True

    def __init__(self, answer: Answer) -> None:
        self.answer = answer
        self.asked: list[dict[str, Any]] = []
        self.secrets: list[str | None] = []
        self.released = threading.Event()
        super().__init__(("127.0.0.1", 0), _Handler)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Handler(BaseHTTPRequestHandler):
    server: Model

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        self.server.asked.append({"path": self.path, **body})
        self.server.secrets.append(self.headers["authorization"])
        self.server.answer(self, body)

    def log_message(self, *_: Any) -> None:
        pass


def send(handler: BaseHTTPRequestHandler, body: bytes, status: int = 200) -> None:
    handler.send_response(status)
    handler.send_header("content-length", str(len(body)))
    handler.end_headers()
    handler.wfile.write(body)


def reading(intent: str = "who_sent", confidence: Any = 0.9, **other: Any) -> dict[str, Any]:
    ranking = [[intent, confidence], ["faq_role", 0.05]]
    return {"intent": intent, "confidence": confidence, "ranking": ranking, "entities": [], **other}


def saying(*readings: dict[str, Any]) -> Answer:
    return lambda handler, _: send(handler, json.dumps({"model": "m1", "readings": readings}).encode())


def echo(handler: BaseHTTPRequestHandler, body: dict[str, Any]) -> None:
    """Confidence tells the length of each text, so that order shows."""
    answers = [reading("faq_role", 1 - len(text) / 1000, ranking=[["faq_role", 1 - len(text) / 1000]])
               for text in body["texts"]]  # fmt: skip
    send(handler, json.dumps({"model": "m1", "readings": answers}).encode())


@contextmanager
def a_model(answer: Answer) -> Iterator[Model]:
    model = Model(answer)
    thread = threading.Thread(target=model.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield model
    finally:
        model.released.set()
        model.shutdown()
        model.server_close()
        thread.join()


@contextmanager
def asking(answer: Answer, **options: Any) -> Iterator[tuple[Understanding, Model]]:
    with a_model(answer) as model:
        understanding = Understanding(model.url, SECRET, **options)
        try:
            yield understanding, model
        finally:
            understanding.close()


# --- what leaves -----------------------------------------------------------------------------------------

people_write = st.one_of(
    st.text(),
    st.text(alphabet="0123456789 +-.()/#@:abPL,\n\u00a0", max_size=80),
    st.lists(
        st.sampled_from(
            ["600 100 200", "+48600100200", "1234", "12345678", "www.", "x.pl/a", "a@b.pl", "/", "\\",
             "#code", "\u200b", "PL61109010140000071219812874", "4111 1111 1111 1111", "①②③④",
             "٠١٢٣٤٥٦٧", "０４８", "\u3164", "½", "."]
        )
    ).map("".join),
)  # fmt: skip


@given(people_write)
@example("\u200b/opt_out{}")
@example("/ / \u2800/greet")
@example("1\u200b2\u200b3\u200b4\u200b5\u200b6\u200b7")
@example("1-2-3-4-5-6-7-8-9")
@example("9" * 3000)
def test_no_number_leaves_and_no_order_is_given(text: str) -> None:
    left = masked(text)
    assert not re.search(r"\d{4,}", left)
    assert not left.startswith(("/", "\\"))
    assert left == left.strip()
    assert len(left) <= 1000
    assert not {unicodedata.category(letter) for letter in left} & {"Cc", "Cf", "Cs"}
    left.encode("utf-8")


@given(people_write)
def test_masking_twice_is_masking_once(text: str) -> None:
    assert masked(masked(text)) == masked(text)


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("kto dzwonił z 600 100 200?", "kto dzwonił z #number?"),
        ("+48 600-100-200 to mój numer", "#number to mój numer"),
        ("0048600100200", "#number"),
        ("(22) 123 45 67", "(#number"),
        ("kod 4821", "kod #code"),
        ("kod: 12345678.", "kod: #code."),
        ("karta 4111 1111 1111 1111", "karta #card"),
        ("PL61 1090 1014 0000 0712 1981 2874", "#iban"),
        ("61109010140000071219812874", "#iban"),
        ("DE89370400440532013000 ist meine", "#iban ist meine"),
        ("mój pesel 44051401359", "mój pesel #pesel"),
        ("https://zly.example/a?b=1 co to", "#link co to"),
        ("kliknąłem bit.ly/3xYz", "kliknąłem #link"),
        ("sklep allegro.pl pisze", "sklep #link pisze"),
        ("pisz na jan.kowalski@example.com", "pisz na #mail"),
        ("koniec.Nie chcę", "koniec.Nie chcę"),
        ("stop shop24 i 4F 123", "stop shop24 i 4F 123"),
        ("  \u00a0\u2003/opt_out{}", "opt_out{}"),
        ("nie\nchcę\ttego", "nie chcę tego"),
        ("///", ""),
    ],
)
def test_what_stands_for_a_person_becomes_its_mask_word(text: str, left: str) -> None:
    assert masked(text) == left


def test_only_the_masked_text_is_sent_with_the_secret() -> None:
    with asking(saying(reading())) as (understanding, model):
        understanding.read([" /kto to? 600100200"])
    assert model.asked == [{"path": "/webhooks/parse/", "texts": ["kto to? #number"]}]
    assert model.secrets == [f"Bearer {SECRET}"]


# --- what is believed ------------------------------------------------------------------------------------


def test_a_reading_comes_with_outside_names() -> None:
    with asking(saying(reading("faq_legal_basis", 0.8))) as (understanding, _):
        assert understanding.read(["na jakiej podstawie?"]) == [
            Reading("faq/legal_basis", 0.8, (("faq/legal_basis", 0.8), ("faq/role", 0.05)), "m1")
        ]


def test_many_texts_keep_their_order_and_go_in_parts_of_64() -> None:
    texts = ["a" * (1 + n) if n % 7 else "//" for n in range(150)]
    with asking(echo) as (understanding, model):
        readings = understanding.read(texts)
    assert [len(call["texts"]) for call in model.asked] == [64, 64]
    for text, found in zip(texts, readings, strict=True):
        assert found is not None
        assert found.intent == ("out_of_scope" if text == "//" else "faq/role")
        assert text == "//" or found.confidence == pytest.approx(1 - len(text) / 1000)


@pytest.mark.parametrize(
    "bad",
    [
        reading("order_pizza"),
        reading(confidence=math.nan),
        reading(confidence=1.2),
        reading(confidence=-0.1),
        reading(confidence=True),
        reading(confidence="0.9"),
        reading(intent="opt_out", ranking=[["who_sent", 0.9]]),
        reading(ranking=[["who_sent", 0.9], ["faq_role", 0.95]]),
        reading(ranking=[["who_sent", 0.9], ["no_such", 0.05]]),
        reading(ranking=[["who_sent", 0.9]] * 6),
        reading(ranking=[]),
    ],
)
def test_one_reading_that_cannot_be_believed_is_none_and_the_others_stay(bad: dict[str, Any]) -> None:
    with asking(saying(reading(), bad)) as (understanding, _):
        good, none = understanding.read(["kto", "to"])
    assert good is not None
    assert none is None


def garbage(body: bytes, status: int = 200) -> Answer:
    return lambda handler, _: send(handler, body, status)


def hang_up(handler: BaseHTTPRequestHandler, _: dict[str, Any]) -> None:
    handler.connection.close()


@pytest.mark.parametrize(
    "answer",
    [
        garbage(b"<html>"),
        garbage(b""),
        garbage(b"[]"),
        garbage(b"null"),
        garbage(b'{"model": 1, "readings": []}'),
        garbage(b'{"model": "m", "readings": {}}'),
        garbage(b'{"model": "m", "readings": [null]}'),
        garbage(b'{"model": "m", "readings": [{"intent": null, "confidence": 1, "ranking": [[null, 1]]}]}'),
        garbage(b"[" * 100_000),
        garbage(b"\xff\xfe\x00"),
        garbage(b'{"a": "' + b"x" * 300_000 + b'"}'),
        garbage(b"{}", status=500),
        garbage(b"{}", status=401),
        saying(reading(), reading()),
        hang_up,
    ],
)
def test_an_answer_that_is_nonsense_is_not_read(answer: Answer) -> None:
    with asking(answer) as (understanding, _):
        assert understanding.read(["kto to"]) == [None]


def test_a_model_that_is_down_is_not_read() -> None:
    with a_model(echo) as gone:
        url = gone.url
    understanding = Understanding(url, SECRET)
    assert understanding.read(["kto to"]) == [None]
    assert not understanding.is_up()


def silent(handler: BaseHTTPRequestHandler, _: dict[str, Any]) -> None:
    handler.server.released.wait(10)  # type: ignore[attr-defined]


def dripping(handler: BaseHTTPRequestHandler, _: dict[str, Any]) -> None:
    handler.send_response(200)
    handler.end_headers()
    try:
        while not handler.server.released.wait(0.05):  # type: ignore[attr-defined]
            handler.wfile.write(b" ")
            handler.wfile.flush()
    except OSError:
        pass


@pytest.mark.parametrize("answer", [silent, dripping])
def test_a_slow_model_costs_its_deadline_and_no_more(answer: Answer) -> None:
    with asking(answer, deadline=0.3) as (understanding, _):
        began = time.monotonic()
        assert understanding.read(["kto to"]) == [None]
        assert 0.25 < time.monotonic() - began < 1.5


# --- the breaker -----------------------------------------------------------------------------------------


def test_after_three_failures_the_model_is_left_alone_for_five_seconds() -> None:
    clock = Clock()
    with asking(garbage(b"no"), breaker=Breaker(clock=clock)) as (understanding, model):
        for _ in range(6):
            understanding.read(["kto"])
        assert len(model.asked) == 3
        clock.now += 4.9
        understanding.read(["kto"])
        assert len(model.asked) == 3
        clock.now += 0.2
        understanding.read(["kto"])
        understanding.read(["kto"])
        assert len(model.asked) == 4, "one probe, and closed again when it fails"


def test_a_probe_that_succeeds_brings_the_model_back() -> None:
    clock = Clock()
    with asking(garbage(b"no"), breaker=Breaker(clock=clock)) as (understanding, model):
        for _ in range(3):
            understanding.read(["kto"])
        model.answer = saying(reading())
        assert understanding.read(["kto"]) == [None]
        clock.now += 5.1
        assert [understanding.read(["kto"])[0] is not None for _ in range(5)] == [True] * 5


def test_failures_that_are_not_in_a_row_open_nothing() -> None:
    breaker = Breaker(clock=Clock())
    for _ in range(5):
        breaker.failed()
        breaker.failed()
        breaker.succeeded()
    assert breaker.may_ask()


def test_only_one_caller_probes_at_a_time() -> None:
    clock = Clock()
    breaker = Breaker(clock=clock)
    for _ in range(3):
        breaker.failed()
    clock.now += 6
    assert [breaker.may_ask() for _ in range(4)] == [True, False, False, False]


# --- the words nobody may see ----------------------------------------------------------------------------


def test_nothing_of_a_text_is_logged(
    capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level("DEBUG"), asking(garbage(b"kanarek w odpowiedzi")) as (understanding, _):
        for _ in range(4):
            understanding.read(["kanarek 600100200"])
    seen = capsys.readouterr()
    assert "text not read" in seen.out + seen.err + caplog.text
    assert "kanarek" not in seen.out + seen.err + caplog.text


# --- names -----------------------------------------------------------------------------------------------


def test_names_inside_and_outside() -> None:
    assert outside_name("faq_role") == "faq/role"
    assert outside_name("faq_legal_basis") == "faq/legal_basis"
    assert outside_name("who_sent") == "who_sent"
    assert all(outside_name(name.replace("/", "_")) == name for name in INTENTS)


def test_every_further_intent_is_reported_as_one_of_the_contract() -> None:
    assert set(REPORTED_AS.values()) <= INTENTS
    assert not set(REPORTED_AS) & INTENTS
    assert all(reported(name) == name for name in INTENTS)
