"""What machines are told: the feed taken, the gate answered, and nothing of others."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from httpx import Response

from bot.domain.clients import Entry
from bot.domain.consent import EVERY_CLIENT, Covers, OptOut
from bot.ledger import clients, consents, people, sent, tables, tokens
from bot.ledger.book import Ledger
from bot.ledger.consents import Act
from bot.ledger.tokens import Right
from bot.settings import WebSettings
from bot.web import client_api
from tests.conftest import Clock

FIRST_USE = "a-token-of-the-settings"
NUMBER = "+48500100200"


@dataclass
class Api:
    """The client API with a shop and a bank, and tokens of every kind."""

    ledger: Ledger
    clock: Clock
    http: TestClient
    ids: dict[str, int] = field(default_factory=dict)
    tokens: dict[str, str] = field(default_factory=dict)

    def post(self, path: str, body: Any, *, token: str = "gate", kind: str = "application/json") -> Response:
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        headers = {"authorization": f"Bearer {self.tokens.get(token, token)}", "content-type": kind}
        return self.http.post(path, content=content, headers=headers)

    def stop(self, number: str, whom: Sequence[int], covers: Covers = Covers.MARKETING) -> None:
        with self.ledger.write() as book:
            person = people.ensure(book, number)
            act = Act(
                act="stop",
                person=person,
                conversation=None,
                cause=None,
                provider="simulator",
                scope="sender",
                rule="keyword",
                span=(0, 4),
                matcher="1",
                signature="signed",
                text="STOP",
                clients=tuple(whom),
                received_at=self.clock.now,
                effective_at=self.clock.now,
            )
            evidence = consents.record(book, act)
            put = [OptOut(client, covers, self.clock.now) for client in whom]
            consents.stop(book, person, put, evidence=evidence)


@pytest.fixture
def api(ledger: Ledger, clock: Clock) -> Api:
    settings = WebSettings(public_url="http://t", api_tokens=(("ops", FIRST_USE),), simulator=False)
    app = FastAPI()
    app.include_router(client_api.router(ledger, settings, clock))
    made = Api(ledger, clock, TestClient(app))
    with ledger.write() as book:
        for name in ("shop", "bank"):
            clients.save(book, Entry(name, name, name), now=clock.now)
        made.ids = clients.ids(book, ["shop", "bank"])
        for right in (Right.FEED, Right.GATE):
            made.tokens[right] = tokens.add(book, right, right, now=clock.now)
        shop = tokens.add(book, "shop's", Right.CLIENT, now=clock.now, client=made.ids["shop"])
        made.tokens["shop"] = shop
    return made


def row(message_id: str = "m1", **other: Any) -> dict[str, Any]:
    return {
        "message_id": message_id,
        "client_id": "shop",
        "sender": "SHOP",
        "recipient": NUMBER,
        "sent_at": "2026-11-20T11:00:00Z",
        **other,
    }


def asked(client_id: str = "shop", number: str = NUMBER, message_class: str = "marketing") -> dict[str, str]:
    return {"number": number, "client_id": client_id, "class": message_class}


def test_the_feed_is_taken_once_and_bad_rows_are_told(api: Api) -> None:
    rows = [row("m1"), row("m2", recipient="CANARY"), row("m3", text=None), "CANARY"]
    first = api.post("/v1/sent", rows, token="feed")
    assert first.status_code == 200
    assert {k: first.json()[k] for k in ("read", "new", "unchanged")} == {"read": 4, "new": 2, "unchanged": 0}
    assert [(r["row"], r["column"]) for r in first.json()["refused"]] == [(2, "recipient"), (4, "row")]
    assert "CANARY" not in first.text
    again = api.post("/v1/sent", rows, token="feed")
    assert (again.json()["new"], again.json()["unchanged"]) == (0, 2)


def test_one_message_a_line_is_taken_too(api: Api) -> None:
    lines = b"\n".join([json.dumps(row("m1")).encode(), b"{broken", b"", json.dumps(row("m2")).encode(), b""])
    answer = api.post("/v1/sent", lines, token="feed", kind="application/x-ndjson; charset=utf-8")
    assert (answer.json()["new"], [r["row"] for r in answer.json()["refused"]]) == (2, [2])


def test_an_empty_list_is_a_sign_of_life(api: Api) -> None:
    assert api.post("/v1/sent", [], token="feed").status_code == 200
    with api.ledger.read() as book:
        heard = sent.feed(book)
    assert heard is not None
    assert heard.heard_at == api.clock.now


@pytest.mark.parametrize(
    ("path", "token", "status"),
    [
        ("/v1/sent", "wrong", 401),
        ("/v1/sent", "", 401),
        ("/v1/sent", "gate", 403),
        ("/v1/sent", "shop", 403),
        ("/v1/sent", FIRST_USE, 200),
        ("/v1/check", "wrong", 401),
        ("/v1/check", "feed", 403),
        ("/v1/check", FIRST_USE, 200),
        ("/v1/check", "shop", 200),
    ],
)
def test_a_token_does_what_it_was_made_for_and_nothing_else(
    api: Api, path: str, token: str, status: int
) -> None:
    answer = api.post(path, [], token=token)
    assert answer.status_code == status
    if status != 200:
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json()["status"] == status


def test_a_revoked_token_opens_nothing(api: Api) -> None:
    with api.ledger.write() as book:
        assert tokens.revoke(book, "gate", now=api.clock.now) == 1
        assert tokens.revoke(book, "gate", now=api.clock.now) == 0
    assert api.post("/v1/check", asked()).status_code == 401


def test_a_scheme_that_is_not_bearer_opens_nothing(api: Api) -> None:
    headers = {"authorization": f"Basic {api.tokens['gate']}"}
    assert api.http.post("/v1/check", json=asked(), headers=headers).status_code == 401
    assert api.http.post("/v1/check", json=asked()).status_code == 401


def test_from_a_stop_on_the_gate_denies_what_it_covers(api: Api) -> None:
    assert api.post("/v1/check", asked()).json() == {"allowed": True, "reason": None, "since": None}
    api.stop(NUMBER, [api.ids["shop"]])
    denied = {"allowed": False, "reason": "stopped", "since": "2026-11-20T12:00:00Z"}
    assert api.post("/v1/check", asked()).json() == denied
    assert api.post("/v1/check", asked(message_class="")).json() == denied
    assert api.post("/v1/check", {"number": NUMBER, "client_id": "shop"}).json() == denied
    for free in (
        asked(message_class="service"),
        asked(message_class="code"),
        asked("bank"),
        asked(number="+48500100201"),
    ):
        assert api.post("/v1/check", free).json()["allowed"] is True


def test_a_stop_to_everybody_denies_every_client_and_class(api: Api) -> None:
    api.stop(NUMBER, [EVERY_CLIENT], Covers.ALL)
    batch = [
        asked(c, message_class=m) for c in ("shop", "bank") for m in ("marketing", "service", "code", "")
    ]
    answers = api.post("/v1/check", batch).json()
    assert [a["allowed"] for a in answers] == [False] * 8


def test_a_lifted_stop_denies_nothing(api: Api) -> None:
    api.stop(NUMBER, [api.ids["shop"]])
    with api.ledger.write() as book:
        person = people.ensure(book, NUMBER)
        evidence = book.scalar(tables.evidence.select().with_only_columns(tables.evidence.c.id))
        consents.lift(
            book, person, [api.ids["shop"]], evidence=evidence, now=api.clock.move(timedelta(hours=1))
        )
    assert api.post("/v1/check", asked()).json()["allowed"] is True


def test_a_batch_is_answered_in_its_order_and_says_what_is_wrong(api: Api) -> None:
    api.stop(NUMBER, [api.ids["shop"]])
    batch = [asked("bank"), asked(), asked("nobody"), asked(number="12")]
    answers = api.post("/v1/check", batch).json()
    assert [(a["allowed"], a["reason"]) for a in answers] == [
        (True, None),
        (False, "stopped"),
        (False, "unknown_client"),
        (False, "not_a_number"),
    ]


@pytest.mark.parametrize("number", ["", "12", "500100200", "US.500100200", "+48\u0000", "\ud800"])
def test_what_is_no_number_is_denied(api: Api, number: str) -> None:
    denied = {"allowed": False, "reason": "not_a_number", "since": None}
    assert api.post("/v1/check", asked(number=number)).json() == denied


def test_a_clients_token_hears_of_no_other_client(api: Api) -> None:
    api.stop(NUMBER, [api.ids["bank"]])
    assert api.post("/v1/check", asked("shop"), token="shop").json()["allowed"] is True
    foreign = api.post("/v1/check", asked("bank"), token="shop")
    unknown = api.post("/v1/check", asked("nobody"), token="shop")
    assert foreign.status_code == unknown.status_code == 404
    assert foreign.content == unknown.content
    batch = api.post("/v1/check", [asked("bank"), asked("nobody")], token="shop").json()
    assert batch[0] == batch[1]


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("/v1/check", b"{", 400),
        ("/v1/check", b"\xff", 400),
        ("/v1/check", b"[" * 100_000, 400),
        ("/v1/check", 7, 422),
        ("/v1/check", {}, 422),
        ("/v1/check", {"number": 48500100200, "client_id": "shop"}, 422),
        ("/v1/check", {"number": NUMBER, "client_id": "\ud800"}, 404),
        ("/v1/check", {"number": NUMBER, "client_id": "\u0000"}, 404),
        ("/v1/check", {"number": NUMBER, "client_id": "shop", "class": "advert"}, 422),
        ("/v1/check", {"number": NUMBER, "client_id": "shop", "class": ["marketing"]}, 422),
        ("/v1/check", [{}] * 10_001, 422),
        ("/v1/sent", {}, 400),
        ("/v1/sent", b"", 400),
        ("/v1/sent", [{}] * 10_001, 422),
        ("/v1/sent", b" " * (client_api.MAX_BODY + 1), 413),
    ],
    ids=lambda value: str(value)[:20] if not isinstance(value, bytes) else f"{len(value)} bytes",
)  # fmt: skip
def test_bad_bodies_are_a_problem_and_not_a_fault(api: Api, path: str, body: Any, status: int) -> None:
    answer = api.post(path, body, token=FIRST_USE)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert NUMBER not in answer.text


@pytest.mark.parametrize("path", ["/v1/check", "/v1/sent"])
def test_nobody_without_a_token_has_a_long_body_read(api: Api, path: str) -> None:
    too_long = b" " * (client_api.MAX_BODY + 1)
    assert api.post(path, too_long, token="wrong").status_code == 401  # and not 413, which is told who read it
    chunks = (too_long[:length] for length in (client_api.MAX_BODY, 1))
    headers = {"authorization": "Bearer wrong"}
    assert api.http.post(path, content=chunks, headers=headers).status_code == 401


def test_a_batch_of_ten_thousand_is_one_query_for_opt_outs(api: Api) -> None:
    api.stop("+48500107777", [EVERY_CLIENT], Covers.ALL)
    batch = [asked(number=f"+4850010{n:04d}") for n in range(10_000)]
    answers = api.post("/v1/check", batch).json()
    assert [n for n, a in enumerate(answers) if not a["allowed"]] == [7777]


def test_times_are_told_in_utc(api: Api) -> None:
    api.stop(NUMBER, [api.ids["shop"]])
    since = datetime.fromisoformat(api.post("/v1/check", asked()).json()["since"])
    assert since == api.clock.now
