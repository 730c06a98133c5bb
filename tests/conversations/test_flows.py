"""Each flow, held with the real model in Polish and English, goes as docs/conversations.md shows it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conversations.playing import LANGUAGES, Played, as_markdown, flows, model, play

DOCUMENT = Path(__file__).parents[2] / "docs" / "conversations.md"
AGAIN = "python -m tests.conversations --write docs/conversations.md"

# The first of them lays the model's environment and trains it, which takes minutes on a fresh machine.
pytestmark = [pytest.mark.nlu, pytest.mark.timeout(900), pytest.mark.xdist_group("nlu")]


@pytest.fixture(scope="module")
def played() -> dict[tuple[str, str], Played]:
    with model() as understanding:
        return {
            (flow.name, language): play(flow, language, understanding)
            for flow in flows()
            for language in LANGUAGES
        }


def test_there_are_all_twenty_five() -> None:
    assert [flow.name for flow in flows()] == [f"F{number}" for number in range(1, 26)]


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("name", [flow.name for flow in flows()])
def test_what_must_hold_after_a_flow_holds(
    played: dict[tuple[str, str], Played], name: str, language: str
) -> None:
    assert played[name, language].faults == []
    assert played[name, language].answers


def test_the_document_is_what_running_the_flows_gives(played: dict[tuple[str, str], Played]) -> None:
    assert DOCUMENT.read_text(encoding="utf-8") == as_markdown(played.values()), f"write it anew: {AGAIN}"
