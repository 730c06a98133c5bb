"""A machine's reply is not answered; somebody who tells of one is."""

from __future__ import annotations

import pytest

from bot.domain.automata import is_automatic


@pytest.mark.parametrize(
    "text",
    [
        "Prowadzę samochód, oddzwonię później.",
        "AUTOMATYCZNA ODPOWIEDŹ: jestem na urlopie do 5.12",
        "Sorry, I can't talk right now.",
        "Out of office until Monday",
        "Ich fahre gerade und melde mich später",
        "Автоматична відповідь: я у відпустці",
    ],
)
def test_replies_of_machines_are_known(text: str) -> None:
    assert is_automatic(text)


@pytest.mark.parametrize(
    "text",
    ["czy to jest automatyczna odpowiedź?", "STOP", "", "jade samochodem i pisze, kto to wyslal", "who is this"],
)
def test_people_are_heard(text: str) -> None:
    assert not is_automatic(text)
