"""Whoever names a reference hears how their own case goes, without a model; of anybody else's nothing shows."""

from __future__ import annotations

from datetime import timedelta

import pytest

from bot.domain.messages import Medium
from bot.domain.segments import count
from bot.ledger import cases
from bot.ledger.cases import Case
from bot.services.acknowledge import acknowledge
from bot.services.escalate import claim, close
from bot.services.sign_in import create
from tests.conftest import Clock
from tests.conversations.test_scope import change_hands
from tests.conversations.test_stop import allowed
from tests.world import ALA, BOT_NUMBER, SHOP_NUMBER, World

TELEGRAM = {"as_": "5550001", "to": "42", "medium": Medium.TELEGRAM}
STRANGER = "+48500100777"
ASKS = "chce dostac kopie swoich danych"
NOBODYS = "AB23CD45"


def said(world: World, text: str, **more: object) -> str:
    return " ".join(world.says(text, **more))


def passed_on(world: World) -> Case:
    """A request of Ala's that the shop was told of."""
    world.sent("shop", SHOP_NUMBER)
    world.model.known[ASKS] = ("rights_access", 0.95)
    world.says(ASKS)
    world.says("1")
    return the_case(world)


def ours(world: World) -> Case:
    """A request of Ala's that is the provider's to answer."""
    world.model.known[ASKS] = ("rights_access", 0.95)
    world.says(ASKS, to=BOT_NUMBER)
    return the_case(world)


def the_case(world: World) -> Case:
    with world.house.ledger.read() as book:
        [case] = cases.listed(book, include_closed=True)
    return case


@pytest.mark.parametrize("question", ["status {}", "co z moją sprawą {}?", "{}", "what about case {} please"])
def test_the_owner_hears_state_and_date_without_a_model(world: World, question: str) -> None:
    case = ours(world)
    world.model.is_away = True
    answered = said(world, question.format(case.ref.lower()), to=BOT_NUMBER)
    assert case.ref in answered
    assert "21.12.2026" in answered
    assert world.model.seen.count(ASKS) == len(world.model.seen)


def test_what_was_passed_on_says_when_and_whether_it_was_acknowledged(world: World, clock: Clock) -> None:
    case = passed_on(world)
    assert "odbioru jeszcze nie potwierdzil" in said(world, f"status {case.ref}")
    clock.move(timedelta(days=1))
    assert case.client is not None
    acknowledge(world.house.ledger, case.ref, client=case.client, now=world.now)
    answered = said(world, f"status {case.ref}")
    assert "potwierdzil odbior 21.11.2026" in answered
    assert "21.12.2026" in answered


def test_every_state_fits_two_segments(world: World) -> None:
    case = passed_on(world)
    [answer] = world.says(f"status {case.ref}")
    assert count(answer).parts <= 2
    assert "TAK albo NIE" in answer


def test_whoever_says_yes_hears_of_the_acknowledgement(world: World) -> None:
    case = passed_on(world)
    said(world, f"status {case.ref}")
    assert "dam znac" in said(world, "tak")
    assert the_case(world).wants_word
    assert "TAK albo NIE" not in said(world, f"status {case.ref}")


def test_nothing_is_promised_that_a_stop_would_hold_back(world: World) -> None:
    case = passed_on(world)
    world.says("STOP")
    answered = said(world, f"status {case.ref}")
    assert case.ref in answered
    assert "TAK albo NIE" not in answered


def test_a_closed_case_says_so(world: World) -> None:
    case = ours(world)
    agent = create(world.house.ledger, "ola", "agent", "a long enough passphrase", now=world.now)
    assert case.conversation is not None
    claim(world.house, case.conversation, staff=agent, now=world.now)
    close(world.house, case.conversation, staff=agent, now=world.now)
    assert "zamknieta" in said(world, f"status {case.ref}", to=BOT_NUMBER)


def test_the_same_person_may_ask_in_another_conversation(world: World) -> None:
    case = ours(world)
    world.shares(ALA, **TELEGRAM)
    assert "21.12.2026" in said(world, f"status {case.ref}", **TELEGRAM)


def test_anothers_reference_reads_like_one_that_nobody_has(world: World) -> None:
    case = ours(world)
    theirs = said(world, f"status {case.ref}", as_=STRANGER, to=BOT_NUMBER)
    nobodys = said(world, f"status {NOBODYS}", as_="+48500100778", to=BOT_NUMBER)
    assert theirs == nobodys
    assert "nie znajduje" in theirs
    assert case.ref not in theirs


def test_without_a_reference_the_newest_case_is_meant(world: World) -> None:
    case = ours(world)
    world.model.is_away = True
    assert case.ref in said(world, "co z moją sprawą?", to=BOT_NUMBER)


def test_without_a_case_the_question_is_read_like_any_other(world: World) -> None:
    world.model.known["what about my request"] = ("rights_access", 0.95)
    assert "1=" in said(world, "what about my request", to=BOT_NUMBER)


def test_a_reference_alone_that_is_not_theirs_is_read_like_any_word(world: World) -> None:
    """A sender's name may look like one, so nothing shows either way."""
    case = ours(world)
    theirs = said(world, case.ref, as_=STRANGER, to=BOT_NUMBER)
    nobodys = said(world, NOBODYS, as_="+48500100778", to=BOT_NUMBER)
    assert theirs == nobodys


def test_a_senders_name_that_looks_like_a_reference_stays_a_name(world: World) -> None:
    world.says("KTO", **TELEGRAM)
    assert "8080" in said(world, "SKLEPY24", **TELEGRAM)  # nobody holds that name


def test_the_next_holder_of_a_number_hears_nothing_of_what_was_before(world: World, clock: Clock) -> None:
    case = ours(world)
    change_hands(world, clock)
    assert "nie znajduje" in said(world, f"status {case.ref}", to=BOT_NUMBER)


def test_a_right_claimed_beside_a_reference_is_not_swallowed(world: World) -> None:
    case = ours(world)
    text = f"sprawa {case.ref}, usuncie wszystko co o mnie macie"
    world.model.known[text] = ("rights_erasure", 0.95)
    said(world, text, to=BOT_NUMBER)
    with world.house.ledger.read() as book:
        assert {c.topic for c in cases.listed(book)} == {"rights_access", "rights_erasure"}


def test_a_stop_beside_a_reference_stops(world: World) -> None:
    case = passed_on(world)
    world.says(f"STOP, sprawa {case.ref}")
    world.says("tak")  # where it was asked back
    assert not allowed(world, "shop")


def test_more_words_about_the_case_are_still_about_the_case(world: World) -> None:
    case = ours(world)
    text = f"niecierpliwie czekam juz tydzien na wiadomosc w sprawie {case.ref}"
    world.model.known[text] = ("faq/retention", 0.9)
    assert "21.12.2026" in said(world, text, to=BOT_NUMBER)


def test_guessing_is_limited_like_everything_not_understood(world: World) -> None:
    answers = [world.says(f"status AB23CD{n}{n}") for n in range(2, 10)]
    answers += [world.says(f"status EF23CD{n}{n}") for n in range(2, 6)]
    assert sum(1 for answer in answers if answer) <= 8
    assert answers[-1] == []


def test_while_a_human_has_it_the_question_goes_to_them(world: World) -> None:
    case = ours(world)
    world.says("CZLOWIEK", to=BOT_NUMBER)
    assert world.says(f"status {case.ref}", to=BOT_NUMBER) == []
