"""What a client reads of its opt-outs: all of its own, each once, and nothing of others."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from httpx import Response

from bot.domain.consent import EVERY_CLIENT, Covers, OptOut
from bot.ledger import clients, consents, people, tokens
from bot.ledger.book import Ledger
from bot.ledger.tokens import Right
from bot.services import list_opt_outs
from bot.settings import WebSettings
from bot.web import client_api
from tests.conftest import Clock
from tests.world import ALA, BOT_NUMBER, World

OLA = "+48500100201"


class Api:
    """The client API over a small world, with a token of each client."""

    def __init__(self, world: World) -> None:
        self.world = world
        settings = WebSettings(public_url="http://t", api_tokens=(), simulator=False)
        app = FastAPI()
        app.include_router(client_api.router(world.house.ledger, settings, lambda: world.now))
        self.http = TestClient(app)
        with world.house.ledger.write() as book:
            self.ids = clients.ids(book, ["shop", "books", "clinic"])
            self.tokens = {
                name: tokens.add(book, name, Right.CLIENT, now=world.now, client=row)
                for name, row in self.ids.items()
            }
            self.tokens["gate"] = tokens.add(book, "gate", Right.GATE, now=world.now)

    def get(self, path: str, *, token: str = "shop", **query: str) -> Response:
        headers = {"authorization": f"Bearer {self.tokens.get(token, token)}"}
        return self.http.get(path, params=query, headers=headers)

    def walk(self, **query: str) -> Iterator[list[dict[str, Any]]]:
        """Page by page, as a client does it."""
        cursor = None
        while True:
            answer = self.get("/v1/optouts", **query, **({"cursor": cursor} if cursor else {}))
            assert answer.status_code == 200, answer.text
            yield answer.json()["optouts"]
            cursor = answer.json()["cursor"]
            if cursor is None:
                return

    def stop_many(self, client: int, first: int, count: int, *, at: datetime) -> list[str]:
        """Opt-outs of many numbers, written straight into the ledger, all by one piece of evidence."""
        numbers = [f"+4850020{n:04d}" for n in range(first, first + count)]
        with self.world.house.ledger.write() as book:
            evidence = book.scalar(consents.opt_outs.select().with_only_columns(consents.opt_outs.c.evidence))
            for person in people.ensure_many(book, numbers).values():
                consents.stop(book, person, [OptOut(client, Covers.MARKETING, at)], evidence=evidence)
        return numbers


@pytest.fixture
def world(ledger: Ledger, clock: Clock, tmp_path: Path) -> World:
    return World(ledger, clock, tmp_path)


@pytest.fixture
def api(world: World) -> Api:
    return Api(world)


def numbers(api: Api, **query: str) -> list[str]:
    return [row["number"] for page in api.walk(**query) for row in page]


def starts(world: World) -> None:
    [asks] = [text for text in world.says("START") if "START " in text]
    world.says(asks.split("START ")[1][:2])


def test_a_client_sees_what_it_was_told(api: Api, world: World) -> None:
    world.says("STOP")
    [row] = api.get("/v1/optouts", client_id="shop").json()["optouts"]
    assert len(row.pop("reference")) == 16
    assert row == {
        "number": ALA,
        "scope": "client",
        "covers": "marketing",
        "since": "2026-11-20T12:00:00Z",
        "lifted_at": None,
    }


def test_a_client_sees_nothing_of_another_and_a_stop_to_all_only_of_people_it_wrote_to(
    api: Api, world: World
) -> None:
    world.sent("books", "STRONICA", to=OLA)
    world.says("STOP STRONICA", to=BOT_NUMBER, as_=OLA)
    world.sent("books", "STRONICA")
    world.says("STOP ALL", to=BOT_NUMBER)
    assert numbers(api, token="shop") == []
    assert numbers(api, token="books") == [OLA, ALA]
    assert numbers(api, token="clinic") == []


def test_what_is_lifted_is_listed_with_since_alone(api: Api, world: World, clock: Clock) -> None:
    world.says("STOP")
    clock.move(timedelta(hours=2))
    before_start = clock.now
    starts(world)
    assert numbers(api) == []
    [[row]] = api.walk(since=before_start.isoformat())
    assert (row["number"], row["lifted_at"]) == (ALA, "2026-11-20T14:00:00Z")
    assert numbers(api, since=(clock.now + timedelta(seconds=1)).isoformat()) == []


def test_one_that_became_wider_is_a_change(api: Api, world: World, clock: Clock) -> None:
    world.sent("shop", "AGREST")
    world.says("STOP", to=BOT_NUMBER)
    clock.move(timedelta(hours=2))
    world.says("STOP ALL", to=BOT_NUMBER)
    assert ALA in numbers(api, since=clock.now.isoformat())


@pytest.mark.parametrize("since", ["2026-11-20", "2026-11-20T13:00:00+01:00", "2026-11-20T13:00:00"])
def test_since_is_a_day_or_a_moment_and_warsaws_without_a_zone(api: Api, world: World, since: str) -> None:
    world.says("STOP")
    assert numbers(api, since=since) == [ALA]
    answer = api.http.get(
        f"/v1/optouts?since={since}", headers={"authorization": f"Bearer {api.tokens['shop']}"}
    )
    assert len(answer.json()["optouts"]) == 1  # the plus not escaped


def test_a_walk_has_every_opt_out_once_however_many_are_made_meanwhile(
    api: Api, world: World, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(list_opt_outs.page, "__kwdefaults__", {**_defaults(), "limit": 7})
    world.sent("shop", "AGREST", to=OLA)
    world.says("STOP ALL", to=BOT_NUMBER, as_=OLA)
    wanted = [OLA, *api.stop_many(api.ids["shop"], 0, 40, at=clock.now)]
    api.stop_many(api.ids["books"], 100, 40, at=clock.now)
    api.stop_many(EVERY_CLIENT, 200, 10, at=clock.now)
    seen: list[str] = []
    for count, page in enumerate(api.walk()):
        assert len(page) <= 7
        seen += [row["number"] for row in page]
        api.stop_many(api.ids["shop"], 1_000 + 10 * count, 3, at=clock.now)
    assert sorted(seen) == sorted(wanted)


def test_a_walk_ends_with_a_full_last_page(api: Api, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(list_opt_outs.page, "__kwdefaults__", {**_defaults(), "limit": 2})
    world.says("STOP")
    world.says("STOP", as_=OLA)
    assert [len(page) for page in api.walk()] == [2]


def _defaults() -> dict[str, Any]:
    return dict(list_opt_outs.page.__kwdefaults__ or {})


def test_a_page_has_a_thousand(api: Api, world: World, clock: Clock) -> None:
    world.says("STOP")
    api.stop_many(api.ids["shop"], 0, 1_500, at=clock.now)
    assert [len(page) for page in api.walk()] == [1_000, 501]


def test_a_cursor_is_one_clients_and_shows_nothing(api: Api, world: World, clock: Clock) -> None:
    world.says("STOP")
    api.stop_many(api.ids["shop"], 0, 1_500, at=clock.now)
    cursor = api.get("/v1/optouts").json()["cursor"]
    assert "client" not in cursor
    for token, given in (
        ("books", cursor),
        ("shop", cursor[:-4]),
        ("shop", "AAAA"),
        ("shop", ""),
        ("shop", "ł"),
    ):
        answer = api.get("/v1/optouts", token=token, cursor=given)
        assert answer.status_code == 422
        assert answer.json()["detail"] == "cursor: is none of ours"


@pytest.mark.parametrize("path", ["/v1/optouts", "/v1/optouts.csv"])
def test_somebody_elses_name_and_one_that_nobody_has_read_the_same(api: Api, path: str) -> None:
    foreign = api.get(path, client_id="books")
    unknown = api.get(path, client_id="nobody")
    odd = api.get(path, client_id="no\0body")
    assert (foreign.status_code, foreign.content) == (404, unknown.content)
    assert (unknown.status_code, unknown.content) == (404, odd.content)
    assert dict(foreign.headers) == dict(unknown.headers)
    assert foreign.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("path", ["/v1/optouts", "/v1/optouts.csv"])
def test_only_a_clients_own_token_opens_a_list(api: Api, path: str) -> None:
    assert api.get(path, token="gate").status_code == 403
    assert api.get(path, token="wrong").status_code == 401
    assert api.get(path, since="tomorrow").status_code == 422


def test_the_file_holds_the_same_and_no_spreadsheet_runs_it(api: Api, world: World) -> None:
    world.says("STOP")
    world.says("STOP", as_=OLA)
    answer = api.get("/v1/optouts.csv")
    assert answer.headers["content-type"].startswith("text/csv")
    assert answer.headers["content-disposition"] == 'attachment; filename="optouts.csv"'
    assert answer.headers["x-content-type-options"] == "nosniff"
    read = list(csv.DictReader(io.StringIO(answer.text, newline="")))
    listed = api.get("/v1/optouts").json()["optouts"]
    assert [row["number"] for row in read] == [f"'{row['number']}" for row in listed]
    assert [row["reference"] for row in read] == [row["reference"] for row in listed]
    assert answer.text.count("\r\n") == 3


def test_the_file_is_walked_over_every_page(api: Api, world: World, clock: Clock) -> None:
    world.says("STOP")
    api.stop_many(api.ids["shop"], 0, 1_200, at=clock.now)
    assert api.get("/v1/optouts.csv").text.count("\r\n") == 1_202
    assert quote(ALA) not in api.get("/v1/optouts.csv", since="2030-01-01").text
