"""What becomes of a request that a client does not acknowledge: reminded once, support told once, whatever dies."""

from __future__ import annotations

import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import select

from bot.egress import Egress
from bot.ledger import cases
from bot.ledger.book import Ledger
from bot.ledger.cases import Case
from bot.ledger.tables import notices
from bot.services.acknowledge import acknowledge
from bot.services.notify_controller import SCHEDULE, notify
from bot.services.remind import remind
from bot.settings import MailSettings
from tests.conftest import Clock
from tests.standins.client_hook import ClientHook, takes
from tests.standins.smtp import SmtpStandIn
from tests.world import SHOP_NUMBER, World

ASKS = "chce dostac kopie swoich danych"
NO_MAIL = MailSettings("", "")
FORWARDED, REMINDER = "rights_request.forwarded", "rights_request.reminder"
# The clock stands on Friday, 20.11.2026, 13:00 in Warsaw.
TUESDAY, WEDNESDAY = timedelta(days=4), timedelta(days=5)  # the second working day after, and the third
FRIDAY, MONDAY = timedelta(days=7), timedelta(days=10)  # the fifth, and the sixth


@pytest.fixture
def world(ledger: Ledger, clock: Clock, tmp_path: Path) -> World:
    world = World(ledger, clock, tmp_path, {ASKS: ("rights_access", 0.9)})
    world.sent("shop", SHOP_NUMBER)
    world.says(ASKS)
    world.says("1")
    return world


@pytest.fixture
def told(world: World, hook: ClientHook, egress: Egress, tmp_path: Path) -> World:
    """The shop's webhook took the request, and the shop has said nothing yet."""
    takes(world, tmp_path, hook.url)
    with world.house.ledger.write() as book:
        book.run(notices.update().values(way="webhook"))  # it was put on its way before there was a webhook
    assert notify(world.house, egress, NO_MAIL, now=world.now) == 1
    return world


def case_of(world: World) -> Case:
    with world.house.ledger.read() as book:
        [case] = cases.listed(book, include_closed=True)
    return case


def told_of(world: World) -> list[str]:
    with world.house.ledger.read() as book:
        return list(book.run(select(notices.c.event_type).order_by(notices.c.id)).scalars())


def bot_notes(world: World) -> list[str]:
    with world.house.ledger.read() as book:
        return [n.body for n in cases.notes_of(book, case_of(world).id) if n.author == "bot"]


def every_hour(world: World, *, since: timedelta, until: timedelta) -> list[int]:
    """Look each hour between two moments after the clock's."""
    hours = int((until - since) / timedelta(hours=1))
    return [remind(world.house, now=world.now + since + timedelta(hours=n)) for n in range(hours)]


def test_a_silent_client_is_reminded_once_after_two_working_days(
    told: World, hook: ClientHook, egress: Egress
) -> None:
    assert sum(every_hour(told, since=timedelta(0), until=TUESDAY)) == 0
    assert sum(every_hour(told, since=TUESDAY, until=FRIDAY)) == 1
    assert told_of(told) == [FORWARDED, REMINDER]
    assert notify(told.house, egress, NO_MAIL, now=told.now + FRIDAY) == 1
    first, again = hook.told
    assert again["type"] == REMINDER
    assert again["data"] == first["data"]
    assert bot_notes(told) == ["the client was reminded (webhook)"]


def test_support_is_called_in_once_after_five_working_days(told: World) -> None:
    every_hour(told, since=timedelta(0), until=FRIDAY)
    assert case_of(told).escalated_at is None
    assert sum(every_hour(told, since=FRIDAY, until=MONDAY + timedelta(days=30))) == 1
    case = case_of(told)
    assert case.escalated_at is not None
    assert str(case.due_on) == "2026-12-01"  # the working day after Monday
    assert told_of(told) == [FORWARDED, REMINDER]
    assert len(bot_notes(told)) == 2
    with told.house.ledger.read() as book:
        assert [c.id for c in cases.due(book, states=("open", "forwarded"))] == [case.id]


@pytest.mark.parametrize("at", [timedelta(hours=1), WEDNESDAY, MONDAY])
def test_once_it_is_acknowledged_nothing_more_follows(told: World, clock: Clock, at: timedelta) -> None:
    every_hour(told, since=timedelta(0), until=at)
    before = told_of(told)
    case = case_of(told)
    assert case.client is not None
    acknowledge(told.house.ledger, case.ref, client=case.client, now=told.now + at)
    assert sum(every_hour(told, since=at, until=timedelta(days=40))) == 0
    assert told_of(told) == before
    with told.house.ledger.read() as book:
        assert cases.due(book, states=("open", "forwarded")) == []


def test_while_the_client_is_still_tried_no_reminder_is_due(
    world: World, hook: ClientHook, egress: Egress, tmp_path: Path
) -> None:
    assert sum(every_hour(world, since=timedelta(0), until=MONDAY)) == 0
    with world.house.ledger.read() as book:
        assert [c.state for c in cases.due(book, states=("forwarded",))] == [
            "forwarded"
        ]  # ours to bring there


def test_a_reminder_that_does_not_get_through_leaves_the_request_where_it_is(
    told: World, hook: ClientHook, egress: Egress
) -> None:
    now = told.now + WEDNESDAY
    remind(told.house, now=now)
    hook.drop_next(taken=False)
    for seconds in (*SCHEDULE, 0):
        notify(told.house, egress, NO_MAIL, now=now)
        hook.drop_next(taken=False)
        now += timedelta(seconds=seconds + 600)
    assert case_of(told).state == "forwarded"
    assert remind(told.house, now=told.now + MONDAY) == 1


def test_a_client_that_cannot_be_told_any_more_is_supports_at_once(told: World, tmp_path: Path) -> None:
    told.house = replace(told.house, ways_to_clients={})
    assert remind(told.house, now=told.now + WEDNESDAY) == 1
    assert case_of(told).escalated_at is not None
    assert told_of(told) == [FORWARDED]


def test_by_mail_the_reminder_has_the_link_too(world: World, smtp: SmtpStandIn, egress: Egress) -> None:
    world.house = replace(world.house, public_url="https://bot.example.org")
    mail = MailSettings(smtp.url, "bot@whosent.example")
    assert notify(world.house, egress, mail, now=world.now) == 1
    remind(world.house, now=world.now + WEDNESDAY)
    assert notify(world.house, egress, mail, now=world.now + WEDNESDAY) == 1
    _, reminder = smtp.arrived
    assert "Przypominamy" in reminder.get_content()
    assert f"/v1/requests/{case_of(world).ref}/ack?" in reminder.get_content().replace("=\n", "")


class Died(Exception):
    """The process is gone."""


@pytest.mark.parametrize("step", ["tell_client", "cases.note"])
def test_a_crash_on_the_way_loses_no_reminder_and_doubles_none(
    told: World, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    def dies(*_: object, **__: object) -> None:
        raise Died

    with monkeypatch.context() as patch:
        patch.setattr(f"bot.services.remind.{step}", dies)
        with pytest.raises(Died):
            remind(told.house, now=told.now + WEDNESDAY)
    assert told_of(told) == [FORWARDED]
    assert remind(told.house, now=told.now + WEDNESDAY) == 1
    assert told_of(told) == [FORWARDED, REMINDER]
    with monkeypatch.context() as patch:
        patch.setattr("bot.services.remind.cases.note", dies)
        with pytest.raises(Died):
            remind(told.house, now=told.now + MONDAY)
    assert case_of(told).escalated_at is None
    assert remind(told.house, now=told.now + MONDAY) == 1


def test_of_several_workers_one_reminds(told: World) -> None:
    faults: list[BaseException] = []
    start = threading.Barrier(4)

    def work() -> None:
        start.wait(timeout=10)
        try:
            remind(told.house, now=told.now + MONDAY)
        except BaseException as fault:
            faults.append(fault)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=30)
    assert faults == []
    assert told_of(told) == [FORWARDED, REMINDER]
    assert len(bot_notes(told)) == 2


def acknowledged_and_wanted(world: World) -> None:
    case = case_of(world)
    assert case.client is not None
    with world.house.ledger.write() as book:
        assert cases.want_word(book, case.id, wants=True)
    acknowledge(world.house.ledger, case.ref, client=case.client, now=world.now)


def test_whoever_asked_to_hear_of_it_hears_once_and_by_day(told: World, clock: Clock) -> None:
    acknowledged_and_wanted(told)
    clock.now = datetime(2026, 11, 20, 21, 0, tzinfo=UTC)  # Friday night
    remind(told.house, now=clock.now)
    assert told.answers() == []
    clock.now = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)  # Sunday
    remind(told.house, now=clock.now)
    assert told.answers() == []
    clock.now = datetime(2026, 11, 23, 7, 30, tzinfo=UTC)
    remind(told.house, now=clock.now)
    [word] = told.answers()
    assert case_of(told).ref in word
    assert "potwierdzil" in word
    remind(told.house, now=clock.now + timedelta(hours=1))
    assert told.answers() == []


def test_after_a_stop_nobody_is_told_unprompted(told: World) -> None:
    acknowledged_and_wanted(told)
    told.says("STOP")
    remind(told.house, now=told.now)
    assert told.answers() == []


def test_while_a_human_speaks_the_word_waits(told: World) -> None:
    acknowledged_and_wanted(told)
    told.says("CZLOWIEK")
    remind(told.house, now=told.now)
    assert told.answers() == []
    told.says("BOT")
    assert remind(told.house, now=told.now) == 1
    assert len(told.answers()) == 1


def test_what_the_client_has_is_closed_when_its_longest_term_is_over(told: World) -> None:
    case = case_of(told)
    assert case.client is not None
    acknowledge(told.house.ledger, case.ref, client=case.client, now=told.now)
    assert remind(told.house, now=datetime(2027, 2, 22, 12, 0, tzinfo=UTC)) == 0  # 20.02.2027 is a Saturday
    assert remind(told.house, now=datetime(2027, 2, 23, 12, 0, tzinfo=UTC)) == 1
    assert case_of(told).state == "closed"
