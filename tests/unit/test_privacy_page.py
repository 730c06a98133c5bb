"""The bot's own notice: the same facts in every language, the reader's own on top."""

from __future__ import annotations

import re

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from bot.domain import keywords
from bot.web import privacy
from bot.web.privacy import notices
from tests.world import DATA, TEXTS, WORDS

LANGUAGES = TEXTS.languages


@pytest.fixture(scope="module")
def page() -> TestClient:
    app = FastAPI()
    app.include_router(privacy.router(TEXTS, DATA, first="pl"))
    return TestClient(app)


def source(language: str) -> str:
    return (DATA / "privacy" / f"{language}.html").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("header", "top"),
    [
        ("de-AT,de;q=0.9,en;q=0.8", "de"),
        ("fr,uk;q=0.5,en;q=0.7", "en"),
        ("uk-UA", "uk"),
        ("fr, *;q=0.1", "pl"),
        ("en;q=0, de;q=0.001", "de"),
        ("en;q=many", "pl"),
        ("", "pl"),
    ],
)
def test_the_notice_begins_in_the_language_that_the_browser_asks_for(
    page: TestClient, header: str, top: str
) -> None:
    answer = page.get("/privacy", headers={"Accept-Language": header})
    assert re.findall('<article id="(..)"', answer.text)[0] == top
    assert f'<html lang="{top}">' in answer.text
    assert answer.headers["vary"] == "Accept-Language"


def test_every_language_is_on_the_page_and_can_be_chosen_by_its_own_name(page: TestClient) -> None:
    text = page.get("/privacy").text
    for language, name in (("pl", "Polski"), ("en", "English"), ("uk", "Українська"), ("de", "Deutsch")):
        assert text.count(f'<article id="{language}"') == 1
        assert re.search(f'href="#{language}"[^>]*>{name}<', text)


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_language_tells_the_same_periods_and_contacts(language: str) -> None:
    def filled(language: str) -> list[str]:
        return sorted(set(re.findall(r"\{\{ ([\w.]+) \}\}", source(language))))

    def sections(language: str) -> int:
        return len(re.findall("<h2>|<tr>|<li>|<p", source(language)))

    assert filled(language) == filled("pl")
    assert sections(language) == sections("pl")


def test_the_word_for_a_human_that_a_notice_gives_is_understood() -> None:
    for notice in notices(TEXTS, DATA):
        [word] = re.findall("<strong>(.*?)</strong>", notice.body)
        assert keywords.match(word, WORDS).intent == "human"
