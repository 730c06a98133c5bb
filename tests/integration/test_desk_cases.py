"""What the desk shows of cases and lets staff decide: nothing is missed, and the person is told what the law wants."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from httpx2 import Response
from sqlalchemy import select
from starlette.testclient import TestClient

from bot.domain.deadlines import due_on, extended
from bot.domain.messages import Medium
from bot.domain.segments import count
from bot.ledger import cases
from bot.ledger.book import Ledger
from bot.ledger.cases import Case
from bot.ledger.tables import acts, notices
from bot.services import audit, escalate, sign_in
from bot.services.remind import remind
from bot.services.seal import seal
from bot.web.app import build
from tests.conftest import Clock
from tests.integration.test_desk import OURS, PASSWORD, Hasher, _field, _sign_in
from tests.web_house import WEB
from tests.world import ALA, BOT_NUMBER, SHOP_NUMBER, World

ASKS = "chce dostac kopie swoich danych"
TELEGRAM = {"as_": "5550001", "to": "42", "medium": Medium.TELEGRAM}
WHY = "Szukamy w archiwum, które jest na taśmach"


@pytest.fixture(autouse=True)
def hasher(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hasher]:
    cheap = Hasher()
    monkeypatch.setattr(sign_in, "_hasher", lambda: cheap)
    sign_in._nobodys_hash.cache_clear()
    yield cheap
    sign_in._nobodys_hash.cache_clear()


@pytest.fixture
def world(ledger: Ledger, clock: Clock, tmp_path: Path) -> World:
    for name, role in (("Anna", "agent"), ("Berta", "lead"), ("Cyryl", "auditor")):
        sign_in.create(ledger, name, role, PASSWORD, now=clock())
    return World(ledger, clock, tmp_path, {ASKS: ("rights_access", 0.95)})


@pytest.fixture
def enter(world: World, clock: Clock) -> Iterator[Callable[[str], TestClient]]:
    app = build(world.house, {}, WEB, clock=clock, readiness=lambda: {"database": True}, simulator=False)
    opened: list[TestClient] = []

    def browser(name: str) -> TestClient:
        client = TestClient(app, base_url="https://bot.example.org", follow_redirects=False)
        client.__enter__()
        opened.append(client)
        assert _sign_in(client, name, PASSWORD).status_code == 303
        return client

    yield browser
    for client in opened:
        client.__exit__(None, None, None)


def ours(world: World, **more: object) -> Case:
    """A request that the provider must answer, in a conversation that waits for a human."""
    place = more or {"to": BOT_NUMBER}
    world.says(ASKS, **place)
    world.says("CZLOWIEK", **place)
    with world.house.ledger.read() as book:
        return max((c for c in cases.listed(book) if c.is_right), key=lambda c: c.id)


def passed_on(world: World) -> Case:
    """A request that the shop was told of by mail, and has not acknowledged."""
    world.sent("shop", SHOP_NUMBER)
    world.says(ASKS)
    world.says("1")
    with world.house.ledger.write() as book:
        book.run(notices.update().values(state="sent", settled_at=world.now))
    return now(world)


def now(world: World, ref: str = "") -> Case:
    with world.house.ledger.read() as book:
        found = [c for c in cases.listed(book, include_closed=True) if c.is_right]
    return next(c for c in found if not ref or c.ref == ref)


def claim(browser: TestClient, case: Case) -> None:
    page = browser.get(f"/desk/conversations/{case.conversation}").text
    path = f"/desk/conversations/{case.conversation}/claim"
    assert browser.post(path, data={"csrf": _field(page, "csrf")}, headers=OURS).status_code == 303


def decide(browser: TestClient, case: Case, act: str, **fields: str) -> Response:
    page = browser.get(f"/desk/conversations/{case.conversation}").text
    data = {"csrf": _field(page, "csrf"), **fields}
    return browser.post(f"/desk/cases/{case.id}/{act}", data=data, headers=OURS)


def deeds(world: World) -> list[str]:
    with world.house.ledger.read() as book:
        return list(book.run(select(acts.c.act).order_by(acts.c.id)).scalars())


# --- more time ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("months", [1, 2])
def test_more_time_moves_the_date_by_the_rule_and_the_person_is_told_why(
    world: World, enter: Callable[[str], TestClient], months: int
) -> None:
    anna, case = enter("Anna"), ours(world)
    claim(anna, case)
    assert decide(anna, case, "extend", months=str(months), reason=WHY).status_code == 303
    assert now(world).due_on == extended(case.received_at, months)
    [told] = world.answers()
    assert case.ref in told
    assert f"{extended(case.received_at, months):%d.%m.%Y}" in told
    assert told.endswith("Szukamy w archiwum, ktore jest na tasmach.")
    assert count(told).alphabet == "gsm7"
    page = anna.get(f"/desk/conversations/{case.conversation}").text
    assert "extended" in page
    assert "Take more time" not in page


def test_more_time_is_taken_once_and_within_the_first_month_only(
    world: World, enter: Callable[[str], TestClient], clock: Clock
) -> None:
    case = ours(world)
    clock.now = datetime(2026, 12, 21, 22, 30, tzinfo=UTC)  # the last day, 23:30 in Warsaw
    anna = enter("Anna")
    claim(anna, case)
    assert decide(anna, case, "extend", months="2", reason=WHY).status_code == 303
    assert decide(anna, case, "extend", months="2", reason=WHY).status_code == 409
    assert len(world.answers()) == 1


def test_after_the_first_month_no_more_time_can_be_taken(
    world: World, enter: Callable[[str], TestClient], clock: Clock
) -> None:
    case = ours(world)
    clock.now = datetime(2026, 12, 21, 23, 30, tzinfo=UTC)  # the day after, in Warsaw
    anna = enter("Anna")
    claim(anna, case)
    refused = decide(anna, case, "extend", months="1", reason=WHY)
    assert refused.status_code == 400
    assert "first month is over" in refused.text
    assert now(world).due_on == due_on(case.received_at)
    assert world.answers() == []


@pytest.mark.parametrize(
    ("fields", "line"),
    [
        ({"months": "1", "reason": "  "}, "must be told the reason"),
        ({"months": "3", "reason": WHY}, "further months"),
        ({"months": "x", "reason": WHY}, "further months"),
        ({"reason": WHY}, "further months"),
        ({"months": "1", "reason": "x" * 601}, "At most 600"),
    ],
)
def test_more_time_without_a_reason_or_beyond_the_law_is_refused_and_what_was_written_kept(
    world: World, enter: Callable[[str], TestClient], fields: dict[str, str], line: str
) -> None:
    anna, case = enter("Anna"), ours(world)
    claim(anna, case)
    refused = decide(anna, case, "extend", **fields)
    assert refused.status_code == 400
    assert line in refused.text
    assert f">{fields['reason']}</textarea>" in refused.text
    assert now(world).extended_at is None
    assert world.answers() == []


# --- a refusal --------------------------------------------------------------------------------------------


def test_a_refusal_says_why_and_where_to_turn_and_closes_the_case(
    world: World, enter: Callable[[str], TestClient]
) -> None:
    anna, case = enter("Anna"), ours(world)
    claim(anna, case)
    assert decide(anna, case, "refuse", reason="Nie mamy takich danych").status_code == 303
    [told] = world.answers()
    assert case.ref in told
    for part in ("Powod: Nie mamy takich danych.", "UODO", "sadu"):
        assert part in told
    refused = now(world)
    assert (refused.state, refused.is_refused) == ("closed", True)


def test_a_refusal_speaks_the_persons_language_on_their_channel(
    world: World, enter: Callable[[str], TestClient]
) -> None:
    english = "please send me a copy of the data you hold about me"
    world.model.known[english] = ("rights_access", 0.95)
    world.says(english, **TELEGRAM)
    world.says("HUMAN", **TELEGRAM)
    anna, case = enter("Anna"), now(world)
    claim(anna, case)
    decide(anna, case, "refuse", reason="We hold nothing")
    [told] = world.answers()
    assert told.startswith(f"In case {case.ref} we cannot do")
    assert "We hold nothing." in told
    assert "court" in told


def test_a_refusal_needs_a_reason(world: World, enter: Callable[[str], TestClient]) -> None:
    anna, case = enter("Anna"), ours(world)
    claim(anna, case)
    assert decide(anna, case, "refuse", reason=" ").status_code == 400
    assert now(world).state == "open"


def test_whoever_asks_after_a_refusal_hears_of_it(world: World, enter: Callable[[str], TestClient]) -> None:
    anna, case = enter("Anna"), ours(world)
    claim(anna, case)
    decide(anna, case, "refuse", reason="Nie mamy takich danych")
    world.says("BOT", to=BOT_NUMBER)
    assert "odmowa" in " ".join(world.says(f"status {case.ref}", to=BOT_NUMBER))


def test_what_a_client_must_answer_is_not_ours_to_decide(
    world: World, enter: Callable[[str], TestClient]
) -> None:
    anna, case = enter("Anna"), passed_on(world)
    claim(anna, case)
    for act, fields in (("refuse", {}), ("extend", {"months": "1"})):
        answer = decide(anna, case, act, reason=WHY, **fields)
        assert (answer.status_code, "the client decides" in answer.text.casefold()) == (400, True)
    assert now(world).state == "forwarded"
    assert world.answers() == []


def test_only_whoever_has_the_conversation_decides(world: World, enter: Callable[[str], TestClient]) -> None:
    anna, berta, case = enter("Anna"), enter("Berta"), ours(world)
    assert decide(anna, case, "refuse", reason=WHY).status_code == 409
    claim(berta, case)
    assert decide(anna, case, "extend", months="1", reason=WHY).status_code == 409
    assert now(world).state == "open"


def test_an_auditor_decides_nothing(world: World, enter: Callable[[str], TestClient]) -> None:
    cyryl, case = enter("Cyryl"), ours(world)
    for act in ("extend", "refuse", "passed-on", "acknowledged", "verified"):
        assert decide(cyryl, case, act, reason=WHY, months="1").status_code == 403
    page = cyryl.get(f"/desk/conversations/{case.conversation}").text
    assert 'action="/desk/cases/' not in page


def test_every_decision_stands_in_the_chain(
    world: World, enter: Callable[[str], TestClient], tmp_path: Path
) -> None:
    anna, case = enter("Anna"), ours(world)
    claim(anna, case)
    decide(anna, case, "verified")
    decide(anna, case, "extend", months="2", reason=WHY)
    decide(anna, case, "refuse", reason=WHY)
    assert deeds(world)[-3:] == ["verified", "extended", "refused"]
    heads = tmp_path / "audit.jsonl"
    seal(world.house.ledger, heads, now=world.now)
    assert audit.verify(world.house.ledger, [heads]).finding is None
    with world.house.ledger.read() as book:
        said = " ".join(book.run(select(acts.c.detail)).scalars())
    assert "archiwum" not in said  # the reason is in the case's file, sealed


# --- what is due ------------------------------------------------------------------------------------------


def test_the_most_overdue_stands_first_and_says_what_to_do(
    world: World, enter: Callable[[str], TestClient], clock: Clock
) -> None:
    early = ours(world)
    clock.move(timedelta(days=10))
    late = ours(world, as_="+48500100777", to=BOT_NUMBER)
    clock.now = datetime(2026, 12, 22, 12, 0, tzinfo=UTC)
    page = enter("Anna").get("/desk").text
    due = page.partition("Yours")[0]
    assert due.index(early.ref) < due.index(late.ref)
    assert "1 overdue" in due
    assert re.search(rf"{early.ref}.*?overdue.*?answer", due, re.S)
    assert "soon" in due


def test_what_a_client_has_been_told_is_not_due_until_it_is_silent_too_long(
    world: World, enter: Callable[[str], TestClient], clock: Clock
) -> None:
    case = passed_on(world)
    assert case.ref not in enter("Anna").get("/desk").text
    clock.now += timedelta(days=10)
    remind(world.house, now=clock.now)
    anna = enter("Anna")
    due = anna.get("/desk").text.partition("Yours")[0]
    assert case.ref in due
    assert "call Agrest Moda: they do not acknowledge it" in due
    assert "client silent" in due
    page = anna.get(f"/desk/conversations/{case.conversation}").text
    for told in ("Reminded", "Escalated", "the client was reminded"):
        assert told in page
    assert decide(anna, case, "acknowledged").status_code == 303
    assert case.ref not in anna.get("/desk").text
    assert decide(anna, case, "acknowledged").status_code == 409
    assert deeds(world)[-1] == "acknowledged"


def test_what_the_client_has_not_taken_by_its_date_is_overdue(
    world: World, enter: Callable[[str], TestClient], clock: Clock
) -> None:
    case = passed_on(world)
    with world.house.ledger.write() as book:
        book.run(notices.update().values(state="ready", settled_at=None))
    clock.now += timedelta(days=4)
    anna = enter("Anna")
    assert re.search(rf"{case.ref}.*?overdue.*?bring it to Agrest Moda", anna.get("/desk").text, re.S)
    assert "overdue" in anna.get(f"/desk/conversations/{case.conversation}").text


def test_what_has_no_way_to_its_client_is_passed_on_by_hand_and_then_followed_up(
    world: World, enter: Callable[[str], TestClient], clock: Clock
) -> None:
    world.house = replace(world.house, ways_to_clients={})
    world.sent("shop", SHOP_NUMBER)
    world.says(ASKS)
    world.says("1")
    case, anna = now(world), enter("Anna")
    assert "pass it on to Agrest Moda" in anna.get("/desk").text
    assert decide(anna, case, "passed-on").status_code == 303
    assert now(world).state == "forwarded"
    assert case.ref not in anna.get("/desk").text
    assert decide(anna, case, "passed-on").status_code == 409
    clock.now += timedelta(days=10)
    assert remind(world.house, now=clock.now) == 1
    assert case.ref in enter("Anna").get("/desk").text


def test_what_may_be_a_request_is_listed_apart(world: World, enter: Callable[[str], TestClient]) -> None:
    world.model.known["co tam o mnie jest"] = ("rights_access", 0.5)
    world.says("co tam o mnie jest")
    page = enter("Anna").get("/desk").text
    due, _, rest = page.partition("Possibly requests")
    ref = now(world).ref
    assert ref not in due
    assert ref in rest


def test_an_agent_who_made_sure_marks_it_and_nothing_takes_it_back(
    world: World, enter: Callable[[str], TestClient]
) -> None:
    anna, case = enter("Anna"), ours(world)
    assert decide(anna, case, "verified").status_code == 303
    assert decide(anna, case, "verified").status_code == 409
    world.says("BOT", to=BOT_NUMBER)
    world.says(ASKS, to=BOT_NUMBER)
    assert now(world).is_verified


def test_a_case_that_is_not_there_reads_so(world: World, enter: Callable[[str], TestClient]) -> None:
    anna = enter("Anna")
    csrf = _field(anna.get("/desk").text, "csrf")
    answer = anna.post("/desk/cases/999999/refuse", data={"csrf": csrf, "reason": WHY}, headers=OURS)
    assert answer.status_code == 404
    assert "There is no such case." in answer.text


def test_closing_leaves_what_the_client_has(world: World, enter: Callable[[str], TestClient]) -> None:
    case = passed_on(world)
    anna = enter("Anna")
    claim(anna, case)
    with world.house.ledger.read() as book:
        agent = escalate.card(book, int(case.conversation or 0)).conversation.claimed_by
    assert agent is not None
    escalate.close(world.house, int(case.conversation or 0), staff=agent, now=world.now)
    assert now(world).state == "forwarded"
    assert ALA not in anna.get("/desk").text
