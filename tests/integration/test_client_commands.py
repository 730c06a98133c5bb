"""What an operator does for a client on the command line."""

from __future__ import annotations

import base64
from datetime import timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from bot import cli
from bot.domain.errors import NotKnown
from bot.ledger import clients, notices
from bot.ledger.book import Ledger
from bot.settings import NAMES
from tests.conftest import Clock
from tests.standins.client_hook import SECRET, takes
from tests.world import World

HOOK = "https://hooks.agrest.example/whosent"


@pytest.fixture
def world(
    ledger: Ledger, keys_file: Path, clock: Clock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> World:
    for name in NAMES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("WHOSENT_DATABASE_URL", ledger.engine.url.render_as_string(hide_password=False))
    monkeypatch.setenv("WHOSENT_KEYS_FILE", str(keys_file))
    monkeypatch.setattr(cli, "_now", clock)
    return World(ledger, clock, tmp_path)


def runs(*arguments: str) -> Result:
    return CliRunner().invoke(cli.app, ["client", *arguments])


def shop(world: World) -> int:
    with world.house.ledger.read() as book:
        found = clients.find(book, "shop")
    assert found is not None
    return found


def secrets_of(world: World) -> tuple[str, ...]:
    with world.house.ledger.read() as book:
        return clients.webhook_secrets(book, shop(world), now=world.now)


def test_a_new_secret_is_shown_once_and_the_old_one_signs_for_a_day_more(
    world: World, tmp_path: Path, clock: Clock
) -> None:
    takes(world, tmp_path, HOOK)
    second = runs("secret", "shop").output.strip()
    assert len(base64.b64decode(second.removeprefix("whsec_"))) == 32
    clock.move(timedelta(hours=1))
    third = runs("secret", "shop").output.strip()
    assert secrets_of(world) == (third, second, SECRET)
    clock.move(timedelta(hours=23, minutes=30))
    assert secrets_of(world) == (third, second)
    fourth = runs("secret", "shop", "--at-once").output.strip()
    assert secrets_of(world) == (fourth,)


def test_show_says_how_the_client_is_told_and_that_its_webhook_is_gone(world: World, tmp_path: Path) -> None:
    assert "no way" in runs("show", "shop").output
    takes(world, tmp_path, HOOK)
    world.says("STOP")
    shown = runs("show", "shop").output
    assert "by: webhook" in shown
    assert "optout.created by webhook: ready 1" in shown
    with world.house.ledger.write() as book:
        clients.webhook_is_gone(book, shop(world), now=world.now)
    assert "webhook gone (410) since 2026-11-20 12:00 UTC" in runs("show", "shop").output
    runs("secret", "shop")
    assert "gone" not in runs("show", "shop").output


def test_replay_writes_a_notice_for_each_number_since_the_date(world: World, tmp_path: Path) -> None:
    world.says("STOP")
    takes(world, tmp_path, HOOK)
    assert "0 notices" in runs("replay", "shop", "--since", "2026-11-21").output
    assert "1 notices" in runs("replay", "shop", "--since", "2026-11-20").output
    with world.house.ledger.read() as book:
        counts = notices.counts(book, shop(world))
    # The one of the STOP itself goes by mail, since there was no webhook yet.
    assert {(c.event_type, c.way, c.count) for c in counts} == {
        ("optout.created", "digest", 1),
        ("optout.created", "webhook", 1),
    }


def test_a_replay_for_a_client_that_cannot_be_told_says_so(world: World) -> None:
    for client in ("shop", "nobody"):
        answer = runs("replay", client, "--since", "2026-11-20")
        assert isinstance(answer.exception, NotKnown), answer.output
    assert runs("replay", "shop").exit_code == 2
