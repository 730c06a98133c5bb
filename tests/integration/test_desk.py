"""What the desk promises to staff, and what it refuses to everybody else."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from html.parser import HTMLParser

import pytest
from argon2 import PasswordHasher
from httpx2 import Response
from sqlalchemy import func, select
from starlette.testclient import TestClient

from bot.domain.clients import Entry
from bot.domain.conversation import Owner
from bot.domain.errors import BadInput
from bot.domain.messages import Address, Delivery, Inbound, Kind, Medium, Received
from bot.ledger import clients, conversations, queues, staff, transcripts
from bot.ledger.book import Book, Ledger
from bot.ledger.tables import counts
from bot.services import escalate, sign_in
from bot.services.contracts import House
from bot.services.receive import receive
from bot.web.app import build
from tests.conftest import Clock
from tests.web_house import WEB, house_of

PASSWORD = "correct horse battery"
NUMBER = "+48500100200"
OURS = {"Sec-Fetch-Site": "same-origin"}
ADDRESS = Address("simulator", "demo", Medium.SMS, NUMBER, "+48732000001")

HOSTILE = (
    "<script>document.title='owned'</script>",
    "<img src=x onerror=alert(1)>",
    '"><svg/onload=alert(1)>',
    "' autofocus onfocus=alert(1) x='",
    "</textarea><script>alert(1)</script>",
    "</title><script>alert(1)</script>",
    "{{ 7*7 }}{% for x in y %}",
    "javascript:alert(1)",
    "<a href=javascript:alert(1)>x</a>",
    "<iframe srcdoc='<script>alert(1)</script>'>",
    "<!--><script>alert(1)</script>-->",
    "\u202e<b>turned round</b>\u202c",
    "<math><mi xlink:href='javascript:alert(1)'>x",
    "<style>*{display:none}</style>",
    "<meta http-equiv=refresh content=0;url=//evil.example>",
    "&lt;script&gt;alert(1)&lt;/script&gt;",
)


@dataclass(slots=True)
class Hasher:
    """argon2id as cheap as it gets, or the tests take minutes; counts how often it is asked."""

    inner: PasswordHasher = field(
        default_factory=lambda: PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
    )
    asked: int = 0

    def hash(self, password: str) -> str:
        return self.inner.hash(password)

    def verify(self, password_hash: str, password: str) -> bool:
        self.asked += 1
        return self.inner.verify(password_hash, password)


@pytest.fixture(autouse=True)
def hasher(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hasher]:
    cheap = Hasher()
    monkeypatch.setattr(sign_in, "_hasher", lambda: cheap)
    sign_in._nobodys_hash.cache_clear()
    yield cheap
    sign_in._nobodys_hash.cache_clear()


@pytest.fixture
def house(ledger: Ledger, clock: Clock) -> House:
    for name, role in (("Anna", "agent"), ("Berta", "lead"), ("Cyryl", "auditor")):
        sign_in.create(ledger, name, role, PASSWORD, now=clock())
    return house_of(ledger)


@pytest.fixture
def enter(house: House, clock: Clock) -> Iterator[Callable[[str], TestClient]]:
    """A browser of somebody who signed in; each has its own cookies."""
    app = build(house, {}, WEB, clock=clock, readiness=lambda: {"database": True}, simulator=False)
    opened: list[TestClient] = []

    def browser(name: str) -> TestClient:
        client = TestClient(app, base_url="https://bot.example.org", follow_redirects=False)
        client.__enter__()
        opened.append(client)
        if name:
            answer = _sign_in(client, name, PASSWORD)
            assert (answer.status_code, answer.headers["location"]) == (303, "/desk")
        return client

    yield browser
    for client in opened:
        client.__exit__(None, None, None)


@pytest.fixture
def waiting(house: House, clock: Clock) -> int:
    """A conversation that waits for somebody, with a case that has a due date."""
    return _asked_for_help(house, clock, "please call me")


def test_without_a_session_every_page_leads_to_the_door(
    enter: Callable[[str], TestClient], waiting: int
) -> None:
    browser = enter("")
    for path in ("/desk", f"/desk/conversations/{waiting}"):
        answer = browser.get(path)
        assert (answer.status_code, answer.headers["location"]) == (303, "/desk/sign-in")
    for act in ("claim", "answer", "hand-back", "close"):
        assert browser.post(f"/desk/conversations/{waiting}/{act}", headers=OURS).status_code == 303


def test_the_list_tells_what_an_agent_needs_and_no_number(
    enter: Callable[[str], TestClient], waiting: int
) -> None:
    page = enter("Anna").get("/desk").text
    assert NUMBER not in page
    for told in ("+48 *** *** 200", "SMS", "access request", "20.11.2026 13:00", "21.12.2026", "unverified"):
        assert told in page


def test_a_client_whose_webhook_is_gone_or_fails_for_long_is_seen_until_it_is_set_anew(
    enter: Callable[[str], TestClient], house: House, clock: Clock
) -> None:
    with house.ledger.write() as book:
        for name in ("gone", "slow", "well"):
            clients.save(book, Entry(name, name, f"Sklep {name}"), now=clock())
        ids = clients.ids(book, ["gone", "slow", "well"])
        clients.webhook_is_gone(book, ids["gone"], now=clock())
        for client in ("slow", "well"):
            clients.webhook_failed(book, ids[client], now=clock(), pause=None)
        clients.webhook_answered(book, ids["well"])
    seen = enter("Anna").get("/desk").text
    assert "Sklep gone" in seen
    assert "Sklep slow" not in seen  # it may be back any minute
    clock.move(timedelta(hours=1, minutes=1))
    with house.ledger.write() as book:
        for client in ("slow", "well"):
            clients.webhook_failed(book, ids[client], now=clock(), pause=None)
    seen = enter("Anna").get("/desk").text
    told = [row for row in re.findall(r"<tr>.*?</tr>", seen, re.DOTALL) if "Sklep" in row]
    assert [re.search(r"Sklep (\w+)", row)[1] for row in told] == ["gone", "slow"]  # type: ignore[index]
    assert all("20.11.2026 13:00" in row for row in told)  # of one that fails, the first time
    assert "410" in told[0]
    assert "2 times in a row" in told[1]
    assert "whosent client secret gone" in told[0]
    assert "whosent import clients" in seen
    with house.ledger.write() as book:
        clients.set_webhook_secret(book, ids["gone"], "whsec_" + "A" * 32, now=clock())
        clients.webhook_answered(book, ids["slow"])
    assert "Sklep" not in enter("Anna").get("/desk").text


def test_a_case_is_seen_although_the_bot_still_has_the_conversation(
    enter: Callable[[str], TestClient], house: House, waiting: int, clock: Clock
) -> None:
    with house.ledger.write() as book:
        conversations.give_to(book, waiting, Owner.BOT)
        escalate.open_case(
            book, conversations.get(book, waiting), topic="report_scam", audience="recipient", text="a link",
            language="pl", received_at=clock(),
        )  # fmt: skip
    browser = enter("Anna")
    due, _, others = browser.get("/desk").text.partition("With the bot, a case without a date is open")
    assert f"/desk/conversations/{waiting}" in due
    assert "21.12.2026" in due
    assert f"/desk/conversations/{waiting}" in others
    _act(browser, waiting, "claim")
    assert f"/desk/conversations/{waiting}" not in browser.get("/desk").text.partition("With the bot")[2]


def test_a_conversation_is_claimed_answered_and_handed_back(
    enter: Callable[[str], TestClient], house: House, waiting: int
) -> None:
    anna = enter("Anna")
    assert _act(anna, waiting, "claim").status_code == 303
    assert _act(anna, waiting, "answer", text="Dzień dobry\r\ntu Anna").status_code == 303
    page = anna.get(f"/desk/conversations/{waiting}").text
    assert "please call me" in page
    assert "Dzien dobry\ntu Anna" in page
    assert _act(anna, waiting, "hand-back").headers["location"] == "/desk"
    with house.ledger.read() as book:
        assert conversations.get(book, waiting).owner == "bot"


def test_closing_ends_the_case(enter: Callable[[str], TestClient], waiting: int) -> None:
    anna = enter("Anna")
    _act(anna, waiting, "claim")
    _act(anna, waiting, "close")
    assert "No open case." in anna.get(f"/desk/conversations/{waiting}").text


def test_of_two_agents_one_gets_the_conversation_and_the_other_a_clear_line(
    enter: Callable[[str], TestClient], waiting: int
) -> None:
    anna, berta = enter("Anna"), enter("Berta")
    csrf = _csrf(berta, waiting)
    assert _act(anna, waiting, "claim").status_code == 303
    late = berta.post(f"/desk/conversations/{waiting}/claim", data={"csrf": csrf}, headers=OURS)
    assert late.status_code == 409
    assert 'role="alert">Another agent has this conversation.' in late.text
    assert "<bdi>Anna</bdi> has this conversation" in late.text
    lost = berta.post(
        f"/desk/conversations/{waiting}/answer", data={"csrf": csrf, "text": "my long answer"}, headers=OURS
    )
    assert lost.status_code == 409
    assert "my long answer" in lost.text


@pytest.mark.parametrize(
    ("text", "line"), [("  ", "An answer needs a text."), ("x" * 1001, "At most 1000 characters.")]
)
def test_an_answer_that_cannot_go_is_kept_for_mending(
    enter: Callable[[str], TestClient], waiting: int, text: str, line: str
) -> None:
    anna = enter("Anna")
    _act(anna, waiting, "claim")
    answer = _act(anna, waiting, "answer", text=text)
    assert answer.status_code == 400
    assert line in answer.text
    assert f">{text}</textarea>" in answer.text


def test_an_auditor_reads_and_cannot_act(
    enter: Callable[[str], TestClient], house: House, waiting: int
) -> None:
    cyryl = enter("Cyryl")
    page = cyryl.get(f"/desk/conversations/{waiting}").text
    assert "please call me" in page
    assert 'action="/desk/conversations/' not in page
    csrf = _field(page, "csrf")
    for act in ("claim", "answer", "hand-back", "close"):
        refused = cyryl.post(
            f"/desk/conversations/{waiting}/{act}", data={"csrf": csrf, "text": "x"}, headers=OURS
        )
        assert refused.status_code == 403
        assert "may read, but not act" in refused.text
    with house.ledger.read() as book:
        assert conversations.get(book, waiting).owner == "waiting"


@pytest.mark.parametrize(
    ("headers", "has_token"),
    [
        ({"Sec-Fetch-Site": "cross-site"}, True),
        ({"Sec-Fetch-Site": "same-site"}, True),
        ({"Origin": "https://evil.example"}, True),
        ({"Origin": "null"}, True),
        ({}, True),
        (OURS, False),
    ],
)
def test_a_form_of_another_site_does_nothing(
    enter: Callable[[str], TestClient], house: House, waiting: int, headers: dict[str, str], has_token: bool
) -> None:
    anna = enter("Anna")
    csrf = _csrf(anna, waiting) if has_token else "guessed"
    answer = anna.post(f"/desk/conversations/{waiting}/claim", data={"csrf": csrf}, headers=headers)
    assert answer.status_code == 403
    with house.ledger.read() as book:
        assert conversations.get(book, waiting).owner == "waiting"


def test_a_browser_that_tells_only_its_origin_is_let_in(
    enter: Callable[[str], TestClient], waiting: int
) -> None:
    anna = enter("Anna")
    data = {"csrf": _csrf(anna, waiting)}
    answer = anna.post(
        f"/desk/conversations/{waiting}/claim", data=data, headers={"Origin": "https://bot.example.org"}
    )
    assert answer.status_code == 303


def test_a_sign_in_form_of_another_site_signs_nobody_in(enter: Callable[[str], TestClient]) -> None:
    browser = enter("")
    csrf = _field(browser.get("/desk/sign-in").text, "csrf")
    data = {"name": "Anna", "password": PASSWORD, "csrf": csrf}
    assert (
        browser.post("/desk/sign-in", data=data, headers={"Origin": "https://evil.example"}).status_code
        == 403
    )
    browser.cookies.clear()
    assert browser.post("/desk/sign-in", data=data, headers=OURS).status_code == 403


@pytest.mark.parametrize("text", HOSTILE)
def test_what_people_write_is_text_and_nothing_else(
    enter: Callable[[str], TestClient], house: House, clock: Clock, text: str
) -> None:
    number = _asked_for_help(house, clock, text)
    anna = enter("Anna")
    _act(anna, number, "claim")
    page = _act(anna, number, "answer", text=text + "x" * 1000)
    assert page.status_code == 400
    shown = _Shown()
    shown.feed(page.text)
    assert text in shown.bdi
    assert shown.scripts == ["/desk/static/desk.js"]
    assert shown.odd == []


def test_what_did_not_reach_the_person_is_seen(
    enter: Callable[[str], TestClient], house: House, clock: Clock, waiting: int
) -> None:
    with house.ledger.write() as book:
        for text in ("one", "two"):
            queues.put(book, queues.Draft(conversation=waiting, kind="agent", text=text), now=clock())
            row = queues.claim_outbox(book, now=clock())[0]
            queues.settle_outbox(
                book, row, "failed" if text == "one" else "sent", now=clock(), provider_id=text
            )
        queues.report(book, None, "two", Delivery.FAILED, "30005")
    with house.ledger.read() as book:
        assert [line.is_failed for line in transcripts.of(book, waiting)] == [False, True, True]
    page = enter("Anna").get(f"/desk/conversations/{waiting}").text
    assert page.count("is-failed") == 2
    assert "not delivered (30005)" in page


def test_the_session_cookie_is_bound_to_this_host_and_kept_from_scripts(
    enter: Callable[[str], TestClient],
) -> None:
    given = _sign_in(enter(""), "Anna", PASSWORD).headers["set-cookie"]
    assert given.startswith("__Host-whosent=")
    for part in ("HttpOnly", "Secure", "Path=/", "SameSite=lax"):
        assert part in given
    assert "Domain" not in given


def test_a_session_ends_when_idle_when_old_and_when_left(
    enter: Callable[[str], TestClient], clock: Clock
) -> None:
    anna = enter("Anna")
    for _ in range(3):
        clock.move(timedelta(minutes=20))
        assert anna.get("/desk").status_code == 200
    for _ in range(2):  # the script's own reloads do not count as somebody being there
        clock.move(timedelta(minutes=20))
        status = anna.get("/desk", headers={"X-Refresh": "1"}).status_code
    assert status == 303
    assert _sign_in(anna, "Anna", PASSWORD).status_code == 303
    for _ in range(12 * 3 + 1):
        clock.move(timedelta(minutes=20))
        status = anna.get("/desk").status_code
    assert status == 303
    assert _sign_in(anna, "Anna", PASSWORD).status_code == 303
    held = dict(anna.cookies)
    csrf = _field(anna.get("/desk").text, "csrf")
    assert anna.post("/desk/sign-out", data={"csrf": csrf}, headers=OURS).status_code == 303
    anna.cookies.update(held)
    assert anna.get("/desk").status_code == 303


def test_signing_in_again_ends_the_session_before(enter: Callable[[str], TestClient]) -> None:
    anna = enter("Anna")
    held = anna.cookies["__Host-whosent"]
    assert _sign_in(anna, "Anna", PASSWORD).status_code == 303
    assert anna.cookies["__Host-whosent"] != held
    anna.cookies.clear()
    anna.cookies.set("__Host-whosent", held)
    assert anna.get("/desk").status_code == 303


def test_no_page_is_kept_and_none_runs_inline_code(enter: Callable[[str], TestClient], waiting: int) -> None:
    anna = enter("Anna")
    for path in ("/desk", f"/desk/conversations/{waiting}", "/desk/sign-in"):
        answer = anna.get(path)
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["referrer-policy"] == "same-origin"
        shown = _Shown()
        shown.feed(answer.text)
        assert shown.odd == []


def test_what_is_not_there_reads_so(enter: Callable[[str], TestClient]) -> None:
    anna = enter("Anna")
    assert "There is no such conversation." in anna.get("/desk/conversations/999999").text
    csrf = _field(anna.get("/desk").text, "csrf")
    answer = anna.post("/desk/conversations/999999/claim", data={"csrf": csrf}, headers=OURS)
    assert answer.status_code == 404


# sign_in


def test_guessing_gets_slower_for_known_and_unknown_names_alike(
    ledger: Ledger, house: House, clock: Clock
) -> None:
    for name in ("Anna", "Nobody"):
        began = clock()
        looked_at = 0
        for _ in range(3_600):
            with ledger.read() as book:
                before = _tries(book, name)
            if looked_at == 6:
                break
            sign_in.sign_in(ledger, name, "wrong", now=clock.now)
            with ledger.read() as book:
                looked_at += _tries(book, name) != before
            clock.move(timedelta(seconds=1))
        # Three at once, then 2, 4 and 8 seconds apart.
        assert (clock() - began) == timedelta(seconds=2 + 2 + 4 + 8 + 1), name


def test_the_right_password_is_not_looked_at_too_soon_and_is_later(
    house: House, ledger: Ledger, clock: Clock
) -> None:
    for _ in range(3):
        assert sign_in.sign_in(ledger, "Anna", "wrong", now=clock()) is None
    assert sign_in.sign_in(ledger, "Anna", PASSWORD, now=clock()) is None
    assert sign_in.sign_in(ledger, "Berta", PASSWORD, now=clock()) is not None
    clock.move(timedelta(seconds=3))
    assert sign_in.sign_in(ledger, "Anna", PASSWORD, now=clock()) is not None
    # And nothing is left of the wrong ones.
    assert sign_in.sign_in(ledger, "Anna", "wrong", now=clock()) is None
    assert sign_in.sign_in(ledger, "Anna", PASSWORD, now=clock()) is not None


def test_a_name_nobody_has_costs_as_much_as_one_somebody_has(
    house: House, ledger: Ledger, clock: Clock, hasher: Hasher
) -> None:
    for name in ("Anna", "Nobody"):
        before = hasher.asked
        assert sign_in.sign_in(ledger, name, "wrong", now=clock()) is None
        assert hasher.asked == before + 1, name


def test_the_wait_grows_and_has_an_end() -> None:
    waits = [sign_in.wait_after(n) for n in range(1_000)]
    assert waits[:4] == [timedelta(0), timedelta(0), timedelta(0), timedelta(seconds=2)]
    assert waits == sorted(waits)
    assert waits[-1] == timedelta(minutes=5)


def test_a_disabled_account_and_its_session_are_over(house: House, ledger: Ledger, clock: Clock) -> None:
    token = sign_in.sign_in(ledger, "Anna", PASSWORD, now=clock())
    assert token is not None
    with ledger.write() as book:
        book.run(staff.staff.update().where(staff.staff.c.name == "Anna").values(disabled_at=clock()))
    assert sign_in.sign_in(ledger, "Anna", PASSWORD, now=clock()) is None
    with ledger.read() as book:
        assert staff.session(book, token, now=clock()) is None


def test_a_reset_password_ends_the_sessions_and_the_wait(house: House, ledger: Ledger, clock: Clock) -> None:
    token = sign_in.sign_in(ledger, "Anna", PASSWORD, now=clock())
    assert token is not None
    for _ in range(5):
        sign_in.sign_in(ledger, "Anna", "wrong", now=clock())
    sign_in.create_or_reset(ledger, "Anna", "agent", "another long password", now=clock())
    with ledger.read() as book:
        assert staff.session(book, token, now=clock()) is None
    assert sign_in.sign_in(ledger, "Anna", "another long password", now=clock()) is not None


@pytest.mark.parametrize(
    ("name", "role", "password"),
    [
        ("", "agent", PASSWORD),
        ("n" * 65, "agent", PASSWORD),
        ("Ewa", "boss", PASSWORD),
        ("Ewa", "agent", "short"),
        ("Anna", "agent", PASSWORD),
    ],
)
def test_a_bad_account_is_refused(
    house: House, ledger: Ledger, clock: Clock, name: str, role: str, password: str
) -> None:
    with pytest.raises(BadInput):
        sign_in.create(ledger, name, role, password, now=clock())


class _Shown(HTMLParser):
    """What a browser would make of a page: texts inside <bdi>, scripts, and anything that could run."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.bdi: list[str] = []
        self.scripts: list[str] = []
        self.odd: list[str] = []
        self._depth = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        named = dict(attrs)
        if tag == "script":
            self.scripts.append(named.get("src") or "inline")
        if tag in ("iframe", "object", "embed", "style", "base") or (tag == "meta" and "http-equiv" in named):
            self.odd.append(tag)
        self.odd += [name for name in named if name.startswith("on") or name == "style"]
        self.odd += [v for n, v in attrs if n in ("href", "src", "action") and not re.match(r"[/#]", v or "")]
        if tag == "bdi":
            self._depth += 1
            self.bdi.append("")

    def handle_endtag(self, tag: str) -> None:
        self._depth -= tag == "bdi"

    def handle_data(self, data: str) -> None:
        if self._depth:
            self.bdi[-1] += data


def _asked_for_help(house: House, clock: Clock, text: str) -> int:
    message = Inbound(f"m-{clock():%H%M%S}", ADDRESS, Kind.TEXT, received_at=clock(), text=text)
    receive(house, Received(inbound=(message,)), now=clock())
    with house.ledger.write() as book:
        number = conversations.find(book, ADDRESS)
        assert number is not None
        found = conversations.get(book, number)
        escalate.open_case(
            book, found, topic="rights_access", audience="direct_client", text=text, language="pl",
            received_at=clock(), is_ours=True,
        )  # fmt: skip
        escalate.hand_over(book, found)
    return number


def _sign_in(browser: TestClient, name: str, password: str) -> Response:
    csrf = _field(browser.get("/desk/sign-in").text, "csrf")
    data = {"name": name, "password": password, "csrf": csrf}
    return browser.post("/desk/sign-in", data=data, headers=OURS)


def _act(browser: TestClient, number: int, act: str, **fields: str) -> Response:
    data = {"csrf": _csrf(browser, number), **fields}
    return browser.post(f"/desk/conversations/{number}/{act}", data=data, headers=OURS)


def _csrf(browser: TestClient, number: int) -> str:
    return _field(browser.get(f"/desk/conversations/{number}").text, "csrf")


def _field(page: str, name: str) -> str:
    found = re.search(rf'name="{name}" value="([^"]+)"', page)
    assert found is not None
    return found.group(1)


def _tries(book: Book, name: str) -> int:
    here = counts.c.whom_key == book.keys.find(f"sign_in\n{name}")
    return int(book.scalar(select(func.max(counts.c.n)).where(here)) or 0)
