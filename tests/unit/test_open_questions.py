"""One question is open at a time; what was begun is taken up again, what was only offered waits or goes."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from bot.domain.conversation import Asked, Leaves, Option, Wish
from bot.domain.questions import Open, after, behind, beside, from_text, is_answer, other, over, to_text

UNTIL = datetime(2026, 11, 21, 12, tzinfo=UTC)
TWO = (Option("who_sent_client", "10:15", {"client": 1}), Option("who_sent_client", "11:20", {"client": 2}))
INTAKE = Asked("rights.whom", UNTIL, options=TWO)
OFFER = Asked("who_sent.next", UNTIL, options=TWO, is_offer=True)
YES_NO_OFFER = Asked("policy.ask_human", UNTIL, options=TWO, is_yes_no=True, is_offer=True)
NAME = Asked("who_sent.ask_name", UNTIL, slot="sender", topic="who_sent")


def test_an_intake_is_put_again_after_something_else() -> None:
    assert after(INTAKE, None, [Leaves.AGAIN]) == Open(INTAKE, is_put=True)


def test_thanks_in_between_leave_it_open_without_repeating_it() -> None:
    assert after(INTAKE, None, [Leaves.STANDING]) == Open(INTAKE)


def test_what_is_given_up_is_asked_no_more() -> None:
    assert after(INTAKE, None, [Leaves.NOTHING]) == Open()
    assert after(replace(NAME, then=INTAKE), None, [Leaves.AGAIN, Leaves.NOTHING]) == Open()


def test_an_offer_waits_for_its_digit_and_a_yes_no_offer_is_over() -> None:
    assert after(OFFER, None, [Leaves.AGAIN]) == Open(OFFER)
    assert after(YES_NO_OFFER, None, [Leaves.AGAIN]) == Open()


def test_an_offer_never_displaces_an_intake() -> None:
    assert after(INTAKE, OFFER, [Leaves.AGAIN]) == Open(INTAKE, is_put=True)
    assert after(OFFER, INTAKE, [Leaves.AGAIN]) == Open(INTAKE, is_put=True)


def test_an_intake_that_interrupts_another_has_it_follow() -> None:
    opened = after(INTAKE, NAME, [Leaves.AGAIN])
    assert opened.is_put
    assert opened.asked is not None
    assert opened.asked.question == NAME.question
    assert opened.asked.then is not None
    assert opened.asked.then.question == INTAKE.question


def test_the_same_question_asked_anew_takes_the_place_of_the_old_one() -> None:
    anew = replace(INTAKE, options=TWO[:1])
    assert over(anew, INTAKE) == anew


def test_only_one_question_waits_behind_another() -> None:
    opened = over(replace(INTAKE, question="opt_out.near"), replace(INTAKE, then=NAME))
    assert opened.then is not None
    assert opened.then.then is None


def test_no_button_of_a_question_is_one_of_the_question_behind_it() -> None:
    opened = over(replace(NAME, options=TWO), INTAKE)
    assert opened.then is not None
    assert not set(opened.buttons) & set(opened.then.buttons)


def test_a_guess_that_was_wrong_gives_way_to_what_it_held_up() -> None:
    guess = replace(OFFER, question="menu.did_you_mean", then=INTAKE)
    assert over(guess, INTAKE) == guess
    assert after(guess, None, [Leaves.AGAIN]) == Open(INTAKE, is_put=True)


def test_the_other_one_is_the_only_other_of_its_kind() -> None:
    wish = other(INTAKE, 1)
    assert wish is not None
    assert wish.slots["client"] == 2
    third = Option("who_sent_client", "12:30", {"client": 3})
    assert other(replace(INTAKE, options=(*TWO, third)), 1) is None


def test_the_other_one_never_stops_messages() -> None:
    stop = Option("opt_out", "STOP", is_opt_out=True)
    assert other(replace(INTAKE, options=(replace(stop, label="A"), stop)), 1) is None


def test_the_wish_that_an_option_stands_for_answers_the_question_in_words() -> None:
    which = replace(INTAKE, options=(Option("rights_access"), Option("rights_erasure")))
    assert is_answer(Wish("rights_erasure", "model"), which)
    assert is_answer(Wish("who_sent", "keyword"), NAME)
    assert not is_answer(Wish("who_sent", "keyword"), which)


def test_a_number_that_is_known_answers_both_questions_that_wait_for_it() -> None:
    shared = Wish("contact_shared", "keyword")
    name_or_contact = replace(NAME, arguments={"asks_contact": True})
    number = Asked("proof.number", UNTIL, slot="number", topic="prove_number")
    assert is_answer(shared, number)
    assert behind(replace(number, then=name_or_contact), shared) is None
    assert behind(replace(number, then=INTAKE), shared) == INTAKE


def test_what_an_effect_asked_meanwhile_waits_for_the_question_of_the_turn() -> None:
    assert beside(Open(), NAME) == Open(NAME)
    opened = beside(Open(INTAKE, is_put=True), NAME)
    assert opened.is_put
    assert opened.asked is not None
    assert opened.asked.question == INTAKE.question
    assert opened.asked.then is not None


@pytest.mark.parametrize("asked", [INTAKE, OFFER, YES_NO_OFFER, NAME, replace(NAME, then=INTAKE)])
def test_a_question_is_kept_as_it_is(asked: Asked) -> None:
    assert from_text(to_text(asked)) == asked
