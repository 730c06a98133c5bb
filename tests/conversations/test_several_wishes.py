"""Whoever asks for two things at once gets both: the STOP first, then who it was, then the right."""

from __future__ import annotations

import pytest
from sqlalchemy import select

from bot.domain.messages import Medium
from bot.domain.segments import count
from bot.ledger import cases
from bot.ledger.tables import inbox
from tests.conversations.test_stop import allowed
from tests.world import SHOP_NUMBER, World

TELEGRAM = {"as_": "5550001", "to": "42", "medium": Medium.TELEGRAM}
WHO_AND_STOP = "kto to wysłał i proszę mnie już wypisać z tych smsów"
WHO_AND_ERASE = "kto to wysłał i proszę usunąć moje dane"


def knows(world: World, **readings: str) -> None:
    """What the model makes of texts, surely."""
    world.model.known |= {text: (intent, 0.97) for text, intent in readings.items()}


def topics(world: World) -> list[str]:
    with world.house.ledger.read() as book:
        return sorted(case.topic for case in cases.listed(book))


def test_who_and_stop_in_one_message_are_both_done(world: World) -> None:
    world.sent("shop", SHOP_NUMBER)
    knows(world, **{
        WHO_AND_STOP: "who_sent", "kto to wysłał": "who_sent", "proszę mnie już wypisać z tych smsów": "opt_out",
    })  # fmt: skip
    receipt, answer = world.says(WHO_AND_STOP)
    assert "Agrest Moda nie wysle Ci wiecej reklam" in receipt
    assert "wyslal nasz klient: Agrest Moda" in answer
    assert not allowed(world, "shop")


def test_a_stop_just_given_is_not_offered_again(world: World) -> None:
    world.sent("shop", SHOP_NUMBER)
    knows(world, **{
        WHO_AND_STOP: "who_sent", "kto to wysłał": "who_sent", "proszę mnie już wypisać z tych smsów": "opt_out",
    })  # fmt: skip
    _, answer = world.says(WHO_AND_STOP)
    assert "1=moje dane" in answer


def test_every_sms_of_such_an_answer_fits_and_they_are_as_few_as_fit(world: World) -> None:
    world.sent("shop", SHOP_NUMBER)
    knows(world, **{
        WHO_AND_ERASE: "who_sent", "kto to wysłał": "who_sent", "proszę usunąć moje dane": "rights_erasure",
    })  # fmt: skip
    answers = world.says(WHO_AND_ERASE)
    assert all(count(answer).parts <= 2 for answer in answers)
    assert len(answers) == 3  # the receipt of the STOP, who it was, and whether to pass the request on
    assert "Przekazac im" in answers[-1]
    assert topics(world) == ["rights_erasure"]


def test_the_texts_of_one_message_are_read_in_one_request(world: World) -> None:
    asked: list[int] = []
    read = world.model.read
    world.model.read = lambda texts: (asked.append(len(texts)), read(texts))[1]  # type: ignore[method-assign]
    world.says(WHO_AND_ERASE)
    assert asked == [3]


@pytest.mark.parametrize("text", ["STOP. And delete my data", "stop! and delete my data"])
def test_what_stands_beside_a_stop_is_answered_too(world: World, text: str) -> None:
    world.sent("shop", SHOP_NUMBER)
    knows(world, **{"delete my data": "rights_erasure"})
    world.says(text)
    assert not allowed(world, "shop")
    assert topics(world) == ["rights_erasure"]


def test_a_stop_that_is_only_half_said_is_still_asked_back(world: World) -> None:
    [question, *_] = world.says("stop, ja tego nie rozumiem")
    assert "TAK albo NIE" in question
    assert allowed(world, "shop")


def test_a_stop_beside_other_words_is_in_force_before_anybody_reads_them(world: World) -> None:
    world.model.is_away = True
    world.receive(world.inbound("STOP. And delete my data"))
    assert not allowed(world, "shop")
    assert len(world.answers()) == 1


def test_the_rest_of_a_stop_is_read_when_the_model_is_back(world: World) -> None:
    world.sent("shop", SHOP_NUMBER)
    knows(world, **{"delete my data": "rights_erasure"})
    world.model.is_away = True
    world.says("STOP. And delete my data")
    world.model.is_away = False
    assert "Agrest Moda" in " ".join(world.reread())
    assert topics(world) == ["rights_erasure"]
    assert world.reread() == []


def test_talk_after_a_stop_gets_no_answer_but_the_receipt(world: World) -> None:
    assert len(world.says("STOP. I told you twice already")) == 1
    with world.house.ledger.read() as book:
        assert set(book.run(select(inbox.c.state)).scalars()) == {"settled"}


def test_the_stop_of_a_chat_that_waits_for_a_number_leaves_the_rest_its_answer(world: World) -> None:
    knows(world, **{"delete my data": "rights_erasure"})
    answers = world.says("STOP. And delete my data", **TELEGRAM)
    assert any("24 godziny" in answer or "24 hours" in answer for answer in answers)
    assert topics(world) == ["rights_erasure"]


def test_a_stop_beside_a_question_that_needs_no_model_is_not_lost(world: World) -> None:
    world.sent("shop", SHOP_NUMBER)
    text = "kto do mnie pisał wczoraj? moglibyście mi tych smsów już oszczędzić"
    knows(world, **{text: "who_sent", "moglibyście mi tych smsów już oszczędzić": "opt_out"})
    world.says(text)
    assert not allowed(world, "shop")


def test_a_human_asked_for_beside_something_else_comes_last_and_nothing_stays_open(world: World) -> None:
    world.sent("shop", SHOP_NUMBER)
    text = "kto to wysłał i proszę o kontakt z kimś od was"
    knows(world, **{text: "human", "kto to wysłał": "who_sent", "proszę o kontakt z kimś od was": "human"})
    answered = " ".join(world.says(text))
    assert "Agrest Moda" in answered
    assert "przejmie czlowiek" in answered
    assert "1=" not in answered
    assert world.says("1") == []


def test_a_case_holds_all_that_was_said_not_the_part_alone(world: World) -> None:
    world.sent("shop", SHOP_NUMBER)
    knows(world, **{
        WHO_AND_ERASE: "who_sent", "kto to wysłał": "who_sent", "proszę usunąć moje dane": "rights_erasure",
    })  # fmt: skip
    world.says(WHO_AND_ERASE)
    with world.house.ledger.read() as book:
        [case] = cases.listed(book)
        [note] = cases.notes_of(book, case.id)
    assert note.body == WHO_AND_ERASE
