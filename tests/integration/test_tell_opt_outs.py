"""What clients get to know of opt-outs: each that is covered, in order, once, and what holds now."""

from __future__ import annotations

import base64
import json
import secrets
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from bot.egress import Egress
from bot.ledger import client_opt_outs, clients, notices, people
from bot.ledger.book import Ledger
from bot.services import erase
from bot.services.notify_controller import SCHEDULE, notify
from bot.services.purge import purge
from bot.services.tell_opt_outs import replay
from bot.settings import MailSettings
from tests.conftest import Clock
from tests.standins import Answer
from tests.standins.client_hook import SECRET, ClientHook, takes, verifies
from tests.standins.smtp import SmtpStandIn
from tests.world import ALA, BOT_NUMBER, SHARED_NUMBER, SHOP_NUMBER, World

OLA = "+48500100201"
NO_MAIL = MailSettings("", "")
CREATED, LIFTED = "optout.created", "optout.lifted"


@pytest.fixture
def other_hook() -> Iterator[ClientHook]:
    with ClientHook() as hook:
        yield hook


@pytest.fixture
def world(ledger: Ledger, clock: Clock, tmp_path: Path) -> World:
    world = World(ledger, clock, tmp_path)
    world.house = replace(world.house, ways_to_clients={"webhook": True, "mail": False})
    return world


def sends(world: World, egress: Egress, mail: MailSettings = NO_MAIL) -> int:
    """The worker tells all that is due now."""
    count = 0
    while notify(world.house, egress, mail, now=world.now, limit=1):
        count += 1
    return count


def works_for(
    world: World, egress: Egress, clock: Clock, time: timedelta, mail: MailSettings = NO_MAIL
) -> None:
    """The worker looks every five minutes for so long."""
    until = clock.now + time
    while clock.now < until:
        sends(world, egress, mail)
        clock.move(timedelta(minutes=5))
    sends(world, egress, mail)


def starts(world: World, **more: str) -> None:
    """The person takes it back, with the code."""
    [asks] = [text for text in world.says("START", **more) if "START " in text]
    world.says(asks.split("START ")[1][:2], **more)


def kinds(told: Sequence[dict[str, Any]]) -> list[tuple[str, str, str, str]]:
    """Type, number, scope and what is covered."""
    return [(t["type"], t["data"]["number"], t["data"]["scope"], t["data"]["covers"]) for t in told]


def test_a_stop_reaches_the_client_signed_and_with_nothing_but_what_it_needs(
    world: World, hook: ClientHook, egress: Egress, tmp_path: Path
) -> None:
    takes(world, tmp_path, hook.url)
    world.says("Stop, prosze!")
    assert sends(world, egress) == 1
    [call] = hook.calls
    assert verifies(call, SECRET)
    [told] = hook.told
    reference = told["data"].pop("reference")
    assert told == {
        "type": CREATED,
        "timestamp": world.now.isoformat(),
        "data": {
            "client_id": "shop",
            "number": ALA,
            "scope": "client",
            "covers": "marketing",
            "time": world.now.isoformat(),
        },
    }
    assert len(reference) == 16
    assert not any(word in call.body.lower() for word in (b"prosze", b"sms", b"simulator"))


def test_the_notice_and_the_stop_commit_together_or_not_at_all(
    world: World, hook: ClientHook, egress: Egress, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    takes(world, tmp_path, hook.url)

    def breaks(*_: object, **__: object) -> str:
        raise RuntimeError("the disk is full")

    with monkeypatch.context() as broken:
        broken.setattr(notices, "put", breaks)
        with pytest.raises(RuntimeError):
            world.says("STOP")
    with world.house.ledger.read() as book:
        person = people.find(book, ALA)
        assert person is None or client_opt_outs.of_person(book, person) == []
    world.says("STOP")
    assert sends(world, egress) == 1


def test_a_repeated_stop_is_told_once(world: World, hook: ClientHook, egress: Egress, tmp_path: Path) -> None:
    takes(world, tmp_path, hook.url)
    world.says("STOP")
    world.says("STOP")
    assert sends(world, egress) == 1


def test_a_start_is_told_under_the_reference_of_what_it_lifts(
    world: World, hook: ClientHook, egress: Egress, tmp_path: Path, clock: Clock
) -> None:
    takes(world, tmp_path, hook.url)
    world.says("STOP")
    clock.move(timedelta(hours=1))
    starts(world)
    assert sends(world, egress) == 2
    created, lifted = hook.told
    assert (created["type"], lifted["type"]) == (CREATED, LIFTED)
    assert created["data"]["reference"] == lifted["data"]["reference"]
    assert lifted["data"]["time"] == world.now.isoformat()


def test_each_client_of_a_shared_sender_is_told_of_itself_alone(
    world: World, hook: ClientHook, other_hook: ClientHook, egress: Egress, tmp_path: Path
) -> None:
    takes(world, tmp_path, hook.url)
    other = "whsec_" + base64.b64encode(secrets.token_bytes(32)).decode()
    takes(world, tmp_path, other_hook.url, client="books", secret=other)
    world.sent("shop", SHARED_NUMBER)
    world.sent("books", SHARED_NUMBER)
    world.says("STOP", to=SHARED_NUMBER)
    assert sends(world, egress) == 2
    assert kinds(hook.told) == kinds(other_hook.told) == [(CREATED, ALA, "client", "marketing")]
    [shop], [books] = hook.told, other_hook.told
    assert (shop["data"]["client_id"], books["data"]["client_id"]) == ("shop", "books")
    assert shop["data"]["reference"] != books["data"]["reference"]
    assert verifies(other_hook.calls[0], other)
    assert not verifies(other_hook.calls[0], SECRET)


def test_a_stop_to_all_is_told_to_those_who_wrote_within_a_year(
    world: World, hook: ClientHook, other_hook: ClientHook, egress: Egress, tmp_path: Path
) -> None:
    takes(world, tmp_path, hook.url)
    takes(world, tmp_path, other_hook.url, client="books")
    world.sent("shop", "AGREST", ago=timedelta(days=300))
    world.sent("books", "STRONICA", to=OLA)
    world.says("STOP ALL", to=BOT_NUMBER)
    sends(world, egress)
    assert kinds(hook.told) == [(CREATED, ALA, "all", "all")]
    assert other_hook.told == []  # it wrote to somebody else: it learns by the gate


def test_what_is_left_after_a_start_is_told_as_an_opt_out(
    world: World, hook: ClientHook, other_hook: ClientHook, egress: Egress, tmp_path: Path
) -> None:
    takes(world, tmp_path, hook.url)
    takes(world, tmp_path, other_hook.url, client="books")
    for client, sender in (("shop", SHOP_NUMBER), ("books", "STRONICA")):
        world.sent(client, sender)
    world.says("STOP STRONICA")
    world.says("STOP ALL")
    starts(world, to=SHOP_NUMBER)
    sends(world, egress)
    assert kinds(hook.told) == [(CREATED, ALA, "all", "all"), (LIFTED, ALA, "all", "all")]
    assert kinds(other_hook.told) == [
        (CREATED, ALA, "client", "marketing"),
        (CREATED, ALA, "all", "all"),
        (CREATED, ALA, "client", "marketing"),
    ]


def test_through_an_outage_of_three_hours_each_is_delivered_once_and_in_order(
    world: World, hook: ClientHook, egress: Egress, tmp_path: Path, clock: Clock
) -> None:
    takes(world, tmp_path, hook.url)
    world.says("STOP")
    world.says("STOP", as_=OLA)
    hook.fail_next(Answer(503), times=10_000)
    works_for(world, egress, clock, timedelta(hours=1))
    starts(world)
    works_for(world, egress, clock, timedelta(hours=1))
    world.says("STOP")
    works_for(world, egress, clock, timedelta(hours=1))
    assert hook.told == []
    outage = len(hook.calls)
    hook.recovers()
    works_for(world, egress, clock, timedelta(hours=12))
    assert kinds([t for t in hook.told if t["data"]["number"] == ALA]) == [
        (CREATED, ALA, "client", "marketing"),
        (LIFTED, ALA, "client", "marketing"),
        (CREATED, ALA, "client", "marketing"),
    ]
    assert kinds([t for t in hook.told if t["data"]["number"] == OLA]) == [
        (CREATED, OLA, "client", "marketing")
    ]
    assert len(hook.calls) == outage + 4
    ids = {call.headers["webhook-id"]: call.body for call in hook.calls}
    assert len(ids) == 4
    assert all(ids[c.headers["webhook-id"]] == c.body and verifies(c, SECRET) for c in hook.calls)


def test_an_earlier_one_that_has_failed_for_good_holds_nothing_back(
    world: World, hook: ClientHook, egress: Egress, tmp_path: Path, clock: Clock
) -> None:
    takes(world, tmp_path, hook.url)
    world.says("STOP")
    starts(world)
    hook.fail_next(Answer(500), times=len(SCHEDULE) + 1)
    while not hook.told:
        assert clock.now < world_ends(clock)
        sends(world, egress)
        clock.move(timedelta(hours=1))
    assert [t["type"] for t in hook.told] == [LIFTED]
    assert len({c.headers["webhook-id"] for c in hook.calls}) == 2


def world_ends(clock: Clock) -> datetime:
    """A moment by which everything must be over."""
    return Clock().now + timedelta(days=30)


def test_of_several_workers_at_once_each_notice_is_told_by_one_and_in_order(
    world: World, hook: ClientHook, egress: Egress, tmp_path: Path
) -> None:
    takes(world, tmp_path, hook.url)
    everybody = [f"+4850010{n:04d}" for n in range(400, 406)]
    for number in everybody * 2:
        world.says("STOP", as_=number)
        starts(world, as_=number)
    with ThreadPoolExecutor(4) as workers:
        while sum(workers.map(lambda _: sends(world, egress), range(4))):
            pass
    assert len(hook.told) == len({call.headers["webhook-id"] for call in hook.calls}) == 24
    for number in everybody:
        told = [t["type"] for t in hook.told if t["data"]["number"] == number]
        assert told == [CREATED, LIFTED, CREATED, LIFTED]


def test_a_redirect_is_not_followed_and_is_tried_again(
    world: World, hook: ClientHook, other_hook: ClientHook, egress: Egress, tmp_path: Path, clock: Clock
) -> None:
    takes(world, tmp_path, hook.url)
    world.says("STOP")
    hook.fail_next(Answer(307, headers={"Location": other_hook.url}))
    assert sends(world, egress) == 1
    assert (hook.told, other_hook.calls) == ([], [])
    clock.move(timedelta(seconds=SCHEDULE[0]))
    assert sends(world, egress) == 1
    assert len(hook.told) == 1


def test_410_closes_the_webhook_until_the_client_has_a_new_address_or_secret(
    world: World, hook: ClientHook, egress: Egress, tmp_path: Path, clock: Clock
) -> None:
    takes(world, tmp_path, hook.url)
    world.says("STOP")
    world.says("STOP", as_=OLA)
    hook.fail_next(Answer(410))
    sends(world, egress)
    works_for(world, egress, clock, timedelta(hours=2))
    assert (len(hook.calls), hook.told) == (1, [])
    with world.house.ledger.read() as book:
        shop = clients.find(book, "shop")
        assert shop is not None
        assert clients.webhook(book, shop).gone_at is not None
        assert {(c.state, c.count) for c in notices.counts(book, shop)} == {("failed", 2)}
    starts(world)
    assert sends(world, egress) == 0
    takes(world, tmp_path, f"{hook.url}/new", secret=None)
    world.says("STOP")
    assert sends(world, egress) == 1
    assert hook.calls[-1].path == "/new"


def test_what_a_closed_webhook_did_not_take_goes_by_mail(
    world: World, hook: ClientHook, egress: Egress, smtp: SmtpStandIn, tmp_path: Path
) -> None:
    world.house = replace(world.house, ways_to_clients={"webhook": True, "mail": True})
    mail = MailSettings(smtp.url, "bot@whosent.example")
    takes(world, tmp_path, hook.url)
    world.says("STOP")
    world.says("STOP", as_=OLA)
    hook.fail_next(Answer(410))
    sends(world, egress, mail)
    [arrived] = smtp.arrived
    assert [ALA in arrived.get_content(), OLA in arrived.get_content()] == [True, True]


def test_a_client_that_fails_rests_and_keeps_no_other_waiting(
    world: World, hook: ClientHook, other_hook: ClientHook, egress: Egress, tmp_path: Path, clock: Clock
) -> None:
    takes(world, tmp_path, hook.url)
    takes(world, tmp_path, other_hook.url, client="books")
    people_of_shop = [f"+4850010{n:04d}" for n in range(300, 320)]
    for number in people_of_shop:
        world.says("STOP", as_=number)
    hook.fail_next(Answer(500), times=10_000)
    works_for(world, egress, clock, timedelta(hours=1))
    assert len(hook.calls) < 20  # twenty notices with three tries each would be sixty
    world.sent("books", "STRONICA")
    world.says("STOP STRONICA", to=BOT_NUMBER)
    sends(world, egress)
    assert kinds(other_hook.told) == [(CREATED, ALA, "client", "marketing")]
    hook.recovers()
    works_for(world, egress, clock, timedelta(hours=3))
    assert sorted(t["data"]["number"] for t in hook.told) == people_of_shop


def test_while_a_secret_is_changed_both_verify_and_after_a_day_only_the_new_one(
    world: World, hook: ClientHook, egress: Egress, tmp_path: Path, clock: Clock
) -> None:
    takes(world, tmp_path, hook.url)
    new = "whsec_" + base64.b64encode(secrets.token_bytes(32)).decode()
    with world.house.ledger.write() as book:
        shop = clients.find(book, "shop")
        assert shop is not None
        clients.set_webhook_secret(book, shop, new, now=world.now, keep_old=timedelta(hours=24))
    clock.move(timedelta(hours=23))
    world.says("STOP")
    sends(world, egress)
    clock.move(timedelta(hours=2))
    world.says("STOP", as_=OLA)
    sends(world, egress)
    changing, changed = hook.calls
    assert len(changing.headers["webhook-signature"].split()) == 2
    assert (verifies(changing, SECRET), verifies(changing, new)) == (True, True)
    assert (verifies(changed, SECRET), verifies(changed, new)) == (False, True)


def test_a_replay_tells_how_it_stands_now_under_new_ids(
    world: World, hook: ClientHook, egress: Egress, tmp_path: Path, clock: Clock
) -> None:
    takes(world, tmp_path, hook.url)
    old = "+48500100999"
    world.says("STOP", as_=old)
    clock.move(timedelta(days=3))
    began = clock.now
    world.says("STOP")
    clock.move(timedelta(minutes=1))
    world.says("STOP", as_=OLA)
    starts(world)
    world.sent("shop", "AGREST", to="+48500100888")
    world.says("STOP ALL", as_="+48500100888", to=BOT_NUMBER)
    sends(world, egress)
    first = {call.headers["webhook-id"] for call in hook.calls}
    hook.told.clear()
    told = replay(world.house.ledger, "shop", since=began, ways=world.house.ways_to_clients, now=world.now)
    assert (told, sends(world, egress)) == (3, 3)
    assert sorted(kinds(hook.told)) == [
        (CREATED, OLA, "client", "marketing"),
        (CREATED, "+48500100888", "all", "all"),
        (LIFTED, ALA, "client", "marketing"),
    ]
    assert first.isdisjoint(call.headers["webhook-id"] for call in hook.calls[len(first) :])


def test_without_a_webhook_one_mail_a_day_tells_all_that_is_new(
    world: World, egress: Egress, smtp: SmtpStandIn, clock: Clock
) -> None:
    world.house = replace(world.house, ways_to_clients={"webhook": True, "mail": True})
    mail = MailSettings(smtp.url, "bot@whosent.example")
    works_for(world, egress, clock, timedelta(hours=1), mail)
    assert smtp.arrived == []
    world.says("STOP")
    sends(world, egress, mail)
    world.says("STOP", as_=OLA)
    starts(world)
    works_for(world, egress, clock, timedelta(hours=23, minutes=50), mail)
    assert len(smtp.arrived) == 1
    works_for(world, egress, clock, timedelta(hours=30), mail)
    first, second = smtp.arrived
    assert first["To"] == second["To"] == "rodo@agrest.example"
    assert rows(first.get_content()) == [(CREATED, ALA)]
    assert rows(second.get_content()) == [(CREATED, OLA), (LIFTED, ALA)]


def rows(text: str) -> list[tuple[str, str]]:
    cells = [line.split("; ") for line in text.splitlines() if line.startswith("optout.")]
    return [(row[0], row[1]) for row in cells]


def test_a_digest_that_fails_is_sent_later_with_what_came_since(
    world: World, egress: Egress, smtp: SmtpStandIn, clock: Clock
) -> None:
    world.house = replace(world.house, ways_to_clients={"webhook": True, "mail": True})
    mail = MailSettings(smtp.url, "bot@whosent.example")
    world.says("STOP")
    smtp.refusals += ["450 4.2.0 greylisted"]
    assert sends(world, egress, mail) == 1
    starts(world)
    assert sends(world, egress, mail) == 0
    clock.move(timedelta(seconds=SCHEDULE[0]))
    assert sends(world, egress, mail) == 1
    [arrived] = smtp.arrived
    assert rows(arrived.get_content()) == [(CREATED, ALA), (LIFTED, ALA)]


def test_erasing_a_person_leaves_what_keeps_the_opt_out_known(
    world: World, hook: ClientHook, egress: Egress, tmp_path: Path
) -> None:
    takes(world, tmp_path, hook.url)
    world.says("STOP")
    erase.erase(world.house.ledger, ALA, world.now)
    assert sends(world, egress) == 1
    assert kinds(hook.told) == [(CREATED, ALA, "client", "marketing")]


def test_what_was_told_loses_its_words_in_time_and_stays_known(
    world: World, hook: ClientHook, egress: Egress, tmp_path: Path, clock: Clock
) -> None:
    takes(world, tmp_path, hook.url)
    world.says("STOP")
    sends(world, egress)
    purge(world.house.ledger, clock.move(timedelta(days=91)))
    with world.house.ledger.read() as book:
        shop = clients.find(book, "shop")
        assert shop is not None
        assert [(c.state, c.count) for c in notices.counts(book, shop)] == [("sent", 1)]
        assert book.scalar(notices.notices.select().with_only_columns(notices.notices.c.body_enc)) is None


def test_payloads_are_small(world: World, hook: ClientHook, egress: Egress, tmp_path: Path) -> None:
    takes(world, tmp_path, hook.url)
    world.says("STOP")
    sends(world, egress)
    assert len(json.dumps(hook.told[0])) < 20_000  # what Standard Webhooks asks to stay below
