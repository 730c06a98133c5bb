"""A direct client's request, from their phone over the desk in a real Chromium and back to their phone."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from bot.domain.deadlines import due_on
from bot.domain.numbers import masked
from tests.conftest import REQUIRE_SERVICES
from tests.e2e.conftest import AGENT, System
from tests.world import BOT_NUMBER

pytestmark = [pytest.mark.e2e, pytest.mark.nlu]

DIRECT_CLIENT = "+48500100290"  #: a contact of the shop in tests.world.CLIENTS
ASKS = "chcę dostać kopię swoich danych"
ANSWER = "Dzień dobry, kopię danych wyślemy pocztą do piątku. Ola"
NAMES = ("chromium", "chromium-browser", "google-chrome")
SWITCHES = (
    "--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync"
)
PATIENCE = 20_000  #: milliseconds; three Pythons and a browser may share two cores


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    found = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)
    if found is None:
        reason = "no Chromium is here; name one in CHROMIUM"
        if REQUIRE_SERVICES:
            pytest.fail(reason)
        pytest.skip(reason)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=SWITCHES.split())
        yield browser
        browser.close()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    page = context.new_page()
    page.set_default_timeout(PATIENCE)
    yield page
    context.close()


def says(deployment: System, text: str) -> None:
    hook = f"{deployment.url}/hooks/twilio"
    reply = deployment.twilio.post_inbound(hook, text, from_=DIRECT_CLIENT, to=BOT_NUMBER)
    assert reply.status == 200


def arrives(deployment: System, words: str) -> str:
    """The text with these words that reaches the direct client."""

    def texts() -> list[str]:
        return [str(m["Body"]) for m in deployment.twilio.sent if m["To"] == DIRECT_CLIENT]

    assert deployment.twilio.wait_for(lambda: any(words in t for t in texts()), seconds=20), texts()
    return next(t for t in texts() if words in t)


def test_a_direct_clients_request_is_answered_by_an_agent_from_the_desk(
    deployment: System, page: Page
) -> None:
    due = due_on(datetime.now(UTC))
    says(deployment, ASKS)
    receipt = arrives(deployment, f"{due:%d.%m.%Y}")

    page.goto(f"{deployment.url}/desk")
    page.get_by_label("Name").fill(AGENT[0])
    page.get_by_label("Password").fill("not this one at all")
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("alert")).to_be_visible(timeout=PATIENCE)
    page.get_by_label("Name").fill(AGENT[0])
    page.get_by_label("Password").fill(AGENT[1])
    page.get_by_role("button", name="Sign in").click()

    row = (
        page.get_by_role("region", name=re.compile("^Due"))
        .get_by_role("row")
        .filter(has_text="access request")
    )
    expect(row.locator(f"time[datetime='{due.isoformat()}']")).to_be_visible(timeout=PATIENCE)
    expect(row.get_by_text(masked(DIRECT_CLIENT))).to_be_visible()
    row.get_by_role("link").click()
    reference = page.get_by_role("complementary").locator("dd").first.inner_text()
    assert reference in receipt
    expect(page.get_by_text(ASKS)).to_be_visible()
    assert DIRECT_CLIENT not in page.content()

    page.get_by_role("button", name="Claim").click()
    expect(page.get_by_text("This conversation is yours")).to_be_visible(timeout=PATIENCE)
    page.get_by_label("Answer by SMS").fill(ANSWER)
    page.get_by_role("button", name="Send").click()
    answer = arrives(deployment, "kopie danych wyslemy poczta")
    assert answer.endswith("do piatku. Ola")
    expect(page.get_by_text("kopie danych wyslemy poczta")).to_be_visible(timeout=PATIENCE)

    says(deployment, "dziekuje")
    page.reload()
    expect(page.get_by_text("dziekuje")).to_be_visible()
    page.get_by_role("button", name="Hand back to the bot").click()
    expect(page.get_by_text("You have none at the moment.")).to_be_visible(timeout=PATIENCE)
    says(deployment, "POMOC")
    arrives(deployment, "1=")
