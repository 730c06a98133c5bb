"""What a person pastes or passes on is a message of a client's: it is looked up, and none of it is their wish."""

from __future__ import annotations

import pytest

from bot.domain.messages import Medium
from tests.conversations.test_stop import allowed
from tests.world import SHOP_NUMBER, World

TELEGRAM = {"as_": "5550001", "to": "42", "medium": Medium.TELEGRAM}
ADVERT = "Nowa kolekcja juz w sklepach, tylko dzis -{n}% na plaszcze. Odpisz STOP aby nie otrzymywac SMS-ow"
ADVERT_EN = "The new collection is in, only today -{n}% on all coats. Text us to stop receiving our messages"


@pytest.mark.parametrize("advert", [ADVERT, ADVERT_EN])
@pytest.mark.parametrize("before", ["", "kto to: ", "who is this?\n"])
def test_an_instruction_to_stop_in_a_pasted_text_stops_nothing(world: World, advert: str, before: str) -> None:
    world.sent("shop", SHOP_NUMBER, text=advert.format(n=20))
    world.says(f"{before}{advert.format(n=35)}")
    assert allowed(world, "shop")


@pytest.mark.parametrize("advert", [ADVERT, ADVERT_EN])
@pytest.mark.parametrize("form", ["STOP {}", "{} STOP", "STOP\n{}", "{}\n\nSTOP!"])
def test_a_stop_beside_a_pasted_text_stops(world: World, advert: str, form: str) -> None:
    world.sent("shop", SHOP_NUMBER, text=advert.format(n=20))
    world.says(form.format(advert.format(n=35)))
    assert not allowed(world, "shop")


def test_a_stop_in_a_forwarded_message_waits_for_nobody(world: World) -> None:
    answers = world.says("Nie chcesz SMS-ow? STOP", is_forwarded=True, **TELEGRAM)
    assert not any("24 godziny" in answer for answer in answers)
    assert any("24 godziny" in answer for answer in world.says("STOP", **TELEGRAM))
