"""What is said around a code fits its medium in every language, with every way that is offered beside it."""

from __future__ import annotations

from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest

from actions import account, proof
from bot.domain.conversation import Asked, Level, Outcome, Turn, Wish
from bot.domain.messages import Medium
from bot.domain.segments import count
from bot.services import wording
from tests.world import TEXTS

LANGUAGES = TEXTS.languages
NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
HOUSE: Any = SimpleNamespace(texts=TEXTS, sms_from=None, ways_to_clients={"mail": True})
READS: Any = SimpleNamespace(book=None, house=HOUSE)
PROOFS: tuple[dict[str, str], ...] = (
    {},
    {"proof": "wrong", "left": "4"},
    {"proof": "locked", "left": "0"},
    {"proof": "expired", "left": "0"},
)


def turn(wish: Wish, facts: dict[str, str], medium: Medium = Medium.SMS) -> Turn:
    return Turn(
        wish=wish, text="", medium=medium, language="pl", level=Level.ASSERTED, person=1, ours="",
        received_at=NOW, now=NOW, facts=facts,
    )  # fmt: skip


def asked(outcome: Outcome) -> list[Asked]:
    return [a for a in (outcome.ask, *(a for do in outcome.do for a in do.asks.values())) if a is not None]


def questions(medium: Medium = Medium.SMS) -> list[Asked]:
    """Every question of a proof that an SMS may bear."""
    named = Wish("prove_account", "slot", slots={"account": "login"})
    outcomes = [proof.number(turn(Wish("prove_number", "option"), {}, medium), READS)]
    outcomes += [account.named(turn(wish, {}, medium), READS) for wish in (named, Wish("prove_account", "option"))]
    for facts in PROOFS:
        outcomes.append(proof.proven(turn(Wish("number_proof", "keyword"), facts, medium), READS))
        outcomes.append(account.proven(turn(Wish("account_proof", "keyword"), facts, medium), READS))
    found = [one for outcome in outcomes for one in asked(outcome)]
    found += [one for do in account.check(turn(named, {}), "+48500100290") for one in do.asks.values()]
    assert len({one.question for one in found}) >= 8
    return found


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_question_of_a_proof_fits_two_parts_of_an_sms_with_its_ways(language: str) -> None:
    conversation: Any = SimpleNamespace(address=SimpleNamespace(medium=Medium.SMS))
    for one in questions():
        text = f"{TEXTS.provider.brand} bot: {wording.question(HOUSE, one, language, conversation)}"
        assert count(text).parts <= 2, text


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("key", ["proof.sms", "account.sms"])
def test_a_code_comes_in_one_part_with_no_link_and_says_what_it_is_for(key: str, language: str) -> None:
    text = TEXTS.say(key, language, Medium.SMS, {"digits": "482913"})
    assert count(text).parts == 1, text
    assert text.count("482913") == 1
    assert "10" in text  # minutes
    assert not any(mark in text for mark in ("http", "www", "://", ".pl", ".com"))


def test_a_code_of_a_number_and_one_of_an_account_are_told_apart() -> None:
    for language in LANGUAGES:
        texts = {
            TEXTS.say(key, language, Medium.SMS, {"digits": "1"}) for key in ("proof.sms", "account.sms")
        }
        assert len(texts) == 2


def test_where_one_writes_from_a_number_no_other_one_is_offered() -> None:
    for medium, is_offered in ((Medium.SMS, False), (Medium.WHATSAPP, False), (Medium.TELEGRAM, True)):
        labels = {option.label for one in questions(medium) for option in one.options}
        assert ("label.other_number" in labels) is is_offered
