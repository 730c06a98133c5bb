"""What counts as a code that somebody typed, and what does not."""

from __future__ import annotations

import pytest

from bot.domain.codes import TERMS, Purpose, code_in

CODES = [
    "482913",
    " 482913 ",
    "482 913",
    "482-913",
    "482\u00a0913",
    "482913.",
    "kod: 482913",
    "to ten kod 482 913, dzieki",
    "Mein Code lautet 482913",
    "код 482913",
    "４８２９１３",
    "482\u200b913",
    "\u202a482913\u202c",
]
NONE = [
    "",
    "48291",
    "4829130",
    "500 100 200",
    "+48 500 100 200",
    "482913 112233",
    "٤٨٢٩١٣",
    "482.913",
    "zamówienie 482913 miało przyjść we wtorek, gdzie ono jest",
    "4 8 2 9 1",
    "482913" * 40,
]


@pytest.mark.parametrize("text", CODES)
def test_a_code_is_found_however_it_is_typed(text: str) -> None:
    assert code_in(text) == "482913"


@pytest.mark.parametrize("text", NONE)
def test_what_is_no_code_takes_no_try(text: str) -> None:
    assert code_in(text) is None


def test_a_code_that_discloses_is_worth_a_guess_in_many_thousand() -> None:
    for purpose in (Purpose.PROOF, Purpose.ACCOUNT):
        terms = TERMS[purpose]
        assert 9 * 10 ** (terms.digits - 1) / terms.tries >= 100_000
        assert terms.lasts.total_seconds() == 600
