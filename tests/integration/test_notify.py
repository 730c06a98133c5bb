"""What reaches a client when somebody makes a request: signed, once, by the schedule, nothing too much."""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from bot.egress import Egress
from bot.ledger import cases, clients, notices, people
from bot.ledger.book import Ledger
from bot.ledger.cases import Case
from bot.ledger.notices import Draft, EventType, Way
from bot.services.notify_controller import SCHEDULE, notify, sign
from bot.settings import MailSettings
from tests.conftest import Clock
from tests.standins import Answer
from tests.standins.client_hook import SECRET, ClientHook, takes, verifies
from tests.standins.smtp import SmtpStandIn
from tests.world import ALA, SHOP_NUMBER, World

ASKS = "chce dostac kopie swoich danych, mieszkam na Jasminowej"
NO_MAIL = MailSettings("", "")


@pytest.fixture
def world(ledger: Ledger, clock: Clock, tmp_path: Path) -> World:
    return World(ledger, clock, tmp_path, {ASKS: ("rights_access", 0.9)})


def requests(world: World, *, as_: str = ALA) -> str:
    """Somebody who got a message from the shop asks for their data and wants it passed on; the receipt."""
    world.sent("shop", SHOP_NUMBER, to=as_)
    world.says(ASKS, as_=as_)
    return " ".join(world.says("1", as_=as_))


def case_of(world: World) -> Case:
    with world.house.ledger.read() as book:
        [case] = cases.listed(book)
    return case


def rest(world: World, egress: Egress, mail: MailSettings = NO_MAIL) -> None:
    """Nothing is due any more."""
    assert notify(world.house, egress, mail, now=world.now + timedelta(days=30)) == 0


def test_the_signature_is_that_of_the_specifications_example() -> None:
    # https://github.com/standard-webhooks/standard-webhooks, the vector its libraries are tested with
    signature = sign(
        "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        "msg_p5jXN8AQM9LWM0D4loKWxJek",
        1614265330,
        b'{"test": 2432232314}',
    )
    assert signature == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_a_request_reaches_the_clients_webhook_signed_and_with_nothing_but_what_it_needs(
    world: World, hook: ClientHook, egress: Egress, tmp_path: Path
) -> None:
    takes(world, tmp_path, f"{hook.url}/whosent?of=shop")
    receipt = requests(world)
    assert notify(world.house, egress, NO_MAIL, now=world.now) == 1
    [call] = hook.calls
    assert (call.method, call.path, call.query) == ("POST", "/whosent", {"of": "shop"})
    assert verifies(call, SECRET)
    assert not verifies(call, "whsec_" + base64.b64encode(b"another secret entirely").decode())
    assert call.headers["webhook-timestamp"] == str(int(world.now.timestamp()))
    told = json.loads(call.body)
    case = case_of(world)
    assert told == {
        "type": "rights_request.forwarded",
        "timestamp": world.now.isoformat(),
        "data": {
            "reference": case.ref,
            "client_id": "shop",
            "number": ALA,
            "request": "rights_access",
            "received_at": world.now.isoformat(),
        },
    }
    assert (case.state, case.ref in receipt) == ("forwarded", True)
    assert b"Jasminow" not in call.body
    rest(world, egress)


def test_a_client_that_does_not_answer_is_asked_again_by_the_schedule_under_the_same_id(
    world: World, hook: ClientHook, egress: Egress, clock: Clock, tmp_path: Path
) -> None:
    takes(world, tmp_path, hook.url)
    requests(world)
    hook.fail_next(Answer(500), times=2)
    hook.fail_next(Answer(302, headers={"Location": f"{hook.url}/elsewhere"}))
    hook.drop_next(taken=False)
    hook.fail_next(Answer(404))
    for seconds in SCHEDULE[:5]:
        assert notify(world.house, egress, NO_MAIL, now=clock.now) == 1
        assert notify(world.house, egress, NO_MAIL, now=clock.now + timedelta(seconds=seconds - 1)) == 0
        clock.move(timedelta(seconds=seconds))
    assert notify(world.house, egress, NO_MAIL, now=clock.now) == 1
    assert {call.path for call in hook.calls} <= {"/", ""}
    assert len(hook.calls) == 6
    assert len({call.headers["webhook-id"] for call in hook.calls}) == 1
    assert len({call.headers["webhook-timestamp"] for call in hook.calls}) == 6
    assert all(verifies(call, SECRET) for call in hook.calls)
    assert case_of(world).state == "forwarded"
    rest(world, egress)


def test_a_client_that_hangs_is_asked_again(
    world: World, hook: ClientHook, egress: Egress, clock: Clock, tmp_path: Path
) -> None:
    takes(world, tmp_path, hook.url)
    requests(world)
    gate = hook.slow_next()
    assert notify(world.house, egress, NO_MAIL, now=clock.now) == 1
    gate.set()
    clock.move(timedelta(seconds=SCHEDULE[0]))
    assert notify(world.house, egress, NO_MAIL, now=clock.now) == 1
    rest(world, egress)


def test_a_client_that_takes_no_more_ends_it_and_support_has_the_case_again(
    world: World, hook: ClientHook, egress: Egress, tmp_path: Path
) -> None:
    takes(world, tmp_path, hook.url)
    requests(world)
    hook.fail_next(Answer(410))
    assert notify(world.house, egress, NO_MAIL, now=world.now) == 1
    assert case_of(world).state == "open"
    rest(world, egress)


def test_after_the_last_attempt_support_has_the_case_again(
    world: World, hook: ClientHook, egress: Egress, clock: Clock, tmp_path: Path
) -> None:
    takes(world, tmp_path, hook.url)
    requests(world)
    hook.fail_next(Answer(503), times=50)
    began = clock.now
    while notify(world.house, egress, NO_MAIL, now=clock.now):
        assert len(hook.calls) <= len(SCHEDULE) + 1
        if len(hook.calls) <= len(SCHEDULE):
            assert case_of(world).state == "forwarded"
            clock.move(timedelta(seconds=SCHEDULE[len(hook.calls) - 1]))
    assert len(hook.calls) == len(SCHEDULE) + 1
    assert timedelta(hours=72) < clock.now - began < timedelta(hours=78)
    assert case_of(world).state == "open"


@pytest.mark.parametrize(
    ("said", "seconds"), [("60", 60), ("1", SCHEDULE[0]), ("9" * 30, 86400), ("never", SCHEDULE[0])]
)
def test_a_pause_the_client_asks_for_is_kept_within_reason(
    said: str, seconds: int, world: World, hook: ClientHook, egress: Egress, clock: Clock, tmp_path: Path
) -> None:
    takes(world, tmp_path, hook.url)
    requests(world)
    hook.fail_next(Answer(429, headers={"Retry-After": said}))
    assert notify(world.house, egress, NO_MAIL, now=clock.now) == 1
    assert notify(world.house, egress, NO_MAIL, now=clock.now + timedelta(seconds=seconds - 1)) == 0
    assert notify(world.house, egress, NO_MAIL, now=clock.now + timedelta(seconds=seconds)) == 1


def test_an_address_inside_is_never_told_and_support_has_the_case_again(
    world: World, hook: ClientHook, tmp_path: Path
) -> None:
    takes(world, tmp_path, hook.url.replace("http:", "https:"))
    requests(world)
    strict = Egress()
    assert notify(world.house, strict, NO_MAIL, now=world.now) == 1
    strict.close()
    assert not hook.calls
    assert case_of(world).state == "open"


def test_a_secret_that_is_none_keeps_no_other_client_waiting(
    world: World, hook: ClientHook, egress: Egress, tmp_path: Path, smtp: SmtpStandIn
) -> None:
    takes(world, tmp_path, hook.url, secret="whsec_!!!")
    requests(world)
    with world.house.ledger.write() as book:
        books = clients.find(book, "books")
        assert books is not None
        draft = Draft(
            EventType.RIGHTS, books, people.ensure(book, ALA), Way.MAIL, {"data": {"reference": "R"}},
            case=case_of(world).id,
        )  # fmt: skip
        notices.put(book, draft, now=world.now)
    mail = MailSettings(smtp.url, "bot@whosent.example")
    assert notify(world.house, egress, mail, now=world.now) == 2
    assert [m["To"] for m in smtp.arrived] == ["rodo@stronica.example"]


def test_without_a_webhook_the_client_gets_a_mail_with_the_same_fields(
    world: World, egress: Egress, smtp: SmtpStandIn
) -> None:
    requests(world)
    mail = MailSettings(smtp.url, "bot@whosent.example")
    assert notify(world.house, egress, mail, now=world.now) == 1
    [arrived] = smtp.arrived
    case = case_of(world)
    assert (arrived["To"], arrived["From"]) == ("rodo@agrest.example", "bot@whosent.example")
    assert case.ref in arrived["Subject"]
    text = arrived.get_content()
    fields = dict(line.split(": ", 1) for line in text.splitlines() if ": " in line)
    assert fields == {
        "reference": case.ref,
        "client_id": "shop",
        "number": ALA,
        "request": "rights_access",
        "received_at": world.now.isoformat(),
    }
    assert "Jasminow" not in text
    assert smtp.recipients == ["rodo@agrest.example"]
    rest(world, egress, mail)


def test_a_webhook_without_a_secret_is_not_used(
    world: World, hook: ClientHook, egress: Egress, smtp: SmtpStandIn, tmp_path: Path
) -> None:
    takes(world, tmp_path, hook.url, secret=None)
    requests(world)
    assert notify(world.house, egress, MailSettings(smtp.url, "bot@whosent.example"), now=world.now) == 1
    assert (len(hook.calls), len(smtp.arrived)) == (0, 1)


def test_a_mailbox_that_says_not_now_is_asked_again_with_the_same_id(
    world: World, egress: Egress, smtp: SmtpStandIn, clock: Clock
) -> None:
    mail = MailSettings(smtp.url, "bot@whosent.example")
    requests(world)
    smtp.refusals.append("450 4.2.0 greylisted")
    assert notify(world.house, egress, mail, now=clock.now) == 1
    assert case_of(world).state == "forwarded"
    clock.move(timedelta(seconds=SCHEDULE[0]))
    assert notify(world.house, egress, mail, now=clock.now) == 1
    assert smtp.arrived[0]["Message-ID"].startswith("<msg_")


def test_a_mailbox_that_is_not_there_ends_it_and_support_has_the_case_again(
    world: World, egress: Egress, smtp: SmtpStandIn
) -> None:
    requests(world)
    smtp.refusals.append("550 5.1.1 no such mailbox")
    assert notify(world.house, egress, MailSettings(smtp.url, "bot@whosent.example"), now=world.now) == 1
    assert case_of(world).state == "open"
    rest(world, egress)


def test_a_mail_server_that_is_away_is_asked_again(world: World, egress: Egress, clock: Clock) -> None:
    with SmtpStandIn() as gone:
        mail = MailSettings(gone.url, "bot@whosent.example")
    requests(world)
    assert notify(world.house, egress, mail, now=clock.now) == 1
    assert case_of(world).state == "forwarded"
    clock.move(timedelta(seconds=SCHEDULE[0]))
    assert notify(world.house, egress, mail, now=clock.now) == 1


def test_a_client_with_no_way_leaves_the_case_with_support(world: World, egress: Egress) -> None:
    world.house = replace(world.house, ways_to_clients={"webhook": True, "mail": False})
    receipt = requests(world)
    case = case_of(world)
    assert (case.state, case.client is not None) == ("open", True)
    assert "przekaz" in receipt
    rest(world, egress)


def test_saying_yes_twice_tells_the_client_once(
    world: World, hook: ClientHook, egress: Egress, tmp_path: Path
) -> None:
    takes(world, tmp_path, hook.url)
    requests(world)
    requests(world)
    notify(world.house, egress, NO_MAIL, now=world.now)
    assert len(hook.calls) == 1


def test_of_two_at_once_each_request_is_told_by_one(
    world: World, hook: ClientHook, egress: Egress, tmp_path: Path
) -> None:
    takes(world, tmp_path, hook.url)
    requests(world)
    with world.house.ledger.write() as book:
        mine = notices.claim(book, now=world.now)
    assert mine is not None
    assert notify(world.house, egress, NO_MAIL, now=world.now) == 0
    later = world.now + notices.LEASE + timedelta(seconds=1)
    assert notify(world.house, egress, NO_MAIL, now=later) == 1
    with world.house.ledger.write() as book:
        notices.settle(book, [mine], "ready", now=later, ready_at=later)  # the one whose lease ran out
    rest(world, egress)
    assert hook.calls[0].headers["webhook-id"] == mine.event
