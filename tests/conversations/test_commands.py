"""A command does what its word says, wherever it is typed, and its buttons are digits as well."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bot.domain.messages import Kind, Medium
from bot.services.commands import COMMANDS, offered
from tests.world import BOT_NUMBER, TEXTS, World

TELEGRAM = {"as_": "5550001", "to": "42", "medium": Medium.TELEGRAM}


def said(world: World, text: str, **more: object) -> str:
    return " ".join(world.says(text, **more))


@pytest.mark.parametrize("name", COMMANDS)
@pytest.mark.parametrize("place", [TELEGRAM, {"to": BOT_NUMBER}], ids=["telegram", "sms"])
def test_every_command_is_answered_without_a_model(world: World, name: str, place: dict[str, object]) -> None:
    world.model.is_away = True
    assert world.says(f"/{name}", **place)
    assert world.model.seen == []


def test_privacy_says_what_becomes_of_what_is_written_and_where_all_of_it_stands(world: World) -> None:
    answered = said(world, "/privacy", **TELEGRAM)
    assert "90 dni" in answered
    assert TEXTS.provider.slots["privacy_url"] in answered
    world.house = replace(world.house, public_url="https://bot.example")
    assert "bot.example/privacy" in said(world, "/privacy", **TELEGRAM)


def test_human_hands_over(world: World) -> None:
    assert "przejmie człowiek" in said(world, "/human", **TELEGRAM)
    assert world.says("hej", **TELEGRAM) == []


@pytest.mark.parametrize("answer", ["button", "2", "English"])
def test_language_is_chosen_by_button_digit_or_name_and_spoken_from_then_on(world: World, answer: str) -> None:
    asked = said(world, "/language", **TELEGRAM)
    assert [label for _, label in world.phone.arrived[-1].buttons] == list(_names(asked))
    chosen = world.presses(2, **TELEGRAM) if answer == "button" else world.says(answer, **TELEGRAM)
    assert "I write English" in " ".join(chosen)
    assert "A person will take case" in said(world, "/human", **TELEGRAM)


def test_a_command_tells_no_language_but_the_phone_does(world: World) -> None:
    assert "Odpowiada automat" in said(world, "/privacy", **TELEGRAM)
    german = {**TELEGRAM, "as_": "5550002", "language_hint": "de"}
    assert "Hier antwortet" in said(world, "/privacy", **german)


def test_start_begins_anew_and_offers_to_share_the_number(world: World) -> None:
    world.says("KTO", **TELEGRAM)
    [opened] = world.says("", kind=Kind.START, **TELEGRAM)
    assert "automat" in opened
    assert world.phone.arrived[-1].asks_contact


def test_a_command_is_no_sender_name(world: World) -> None:
    world.says("KTO", **TELEGRAM)
    assert "90 dni" in said(world, "/privacy", **TELEGRAM)


def test_stop_as_a_command_is_a_stop(world: World) -> None:
    assert "24 godziny" in said(world, "/stop", **TELEGRAM)


def test_a_command_nobody_knows_is_read_as_its_word(world: World) -> None:
    world.model.known["/retention"] = ("faq/retention", 0.95)
    assert "12 miesięcy" in said(world, "/retention", **TELEGRAM)


@pytest.mark.parametrize("language", TEXTS.languages)
def test_every_command_has_a_few_words_in_every_language(language: str) -> None:
    menu = offered(TEXTS)[language]
    assert [name for name, _ in menu] == list(COMMANDS)
    assert all(3 <= len(description) <= 60 for _, description in menu)


def _names(asked: str) -> list[str]:
    return [line.partition(". ")[2] for line in asked.splitlines() if line[:1].isdigit()]
