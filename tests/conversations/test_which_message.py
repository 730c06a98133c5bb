"""Which message is meant: by a day, a part of it, a name; one, several, none, not yet visible, too old."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

import pytest

from bot.domain.conversation import Level
from bot.domain.messages import Medium
from bot.ledger import conversations, people
from bot.ledger.tables import conversations as table
from bot.services.import_files import import_clients, import_senders
from bot.services.take_sent import take_sent
from tests.conftest import Clock
from tests.world import ALA, BOT_NUMBER, CLIENTS, CLINIC_NUMBER, SHARED_NUMBER, SHOP_NUMBER, World

TELEGRAM = {"as_": "5550001", "to": "42", "medium": Medium.TELEGRAM}
DAY = timedelta(days=1)
EVENING = timedelta(hours=18)
"""Before the clock of the tests, Friday 13:00 in Warsaw: yesterday at 19:00."""


def said(world: World, text: str, **more: object) -> str:
    return " ".join(world.says(text, **more))


def asks(world: World, text: str, **more: object) -> str:
    """The same for a text that the model reads as the question who sent it."""
    world.model.known[text] = ("who_sent", 0.9)
    return said(world, text, **more)


def prove(world: World, number: str = ALA) -> None:
    """A code came back: whoever writes has the number."""
    with world.house.ledger.write() as book:
        person = people.ensure(book, number)
        for row in book.rows(table.select()):
            conversations.know(
                book, row["id"], person=person, level=Level.PROVEN, until=world.now + timedelta(hours=1)
            )


YESTERDAY_EVENING = {
    "pl": [
        "kto pisał wczoraj wieczorem",
        "kto wyslal tego smsa wczoraj o 19",
        "czyj to sms z czwartku wieczorem",
    ],
    "en": ["who texted me yesterday evening", "whose message was that on Thursday at 7pm"],
    "uk": ["хто надіслав це повідомлення вчора ввечері"],
    "de": ["wer hat mir gestern Abend geschrieben"],
}


@pytest.mark.parametrize("text", [text for texts in YESTERDAY_EVENING.values() for text in texts])
def test_a_time_in_words_tells_which_message_of_a_shared_number_is_meant(world: World, text: str) -> None:
    world.sent("books", SHARED_NUMBER, ago=EVENING)
    world.sent("shop", SHARED_NUMBER, ago=timedelta(hours=1))
    answered = asks(world, text, to=SHARED_NUMBER)
    assert "19.11.2026 19:00" in answered
    assert "Stronica" in answered
    assert "Agrest" not in answered


@pytest.mark.parametrize("is_away", [False, True])
@pytest.mark.parametrize("text", ["kto pisał wczoraj wieczorem", "who texted me yesterday evening"])
def test_who_wrote_at_a_time_needs_no_model(world: World, text: str, is_away: bool) -> None:
    """Models take a question that is mostly a time for ordinary talk."""
    world.sent("books", SHARED_NUMBER, ago=EVENING)
    world.sent("shop", SHARED_NUMBER)
    world.model.known[text] = ("out_of_scope", 0.95)
    world.model.is_away = is_away
    assert "Stronica" in said(world, text, to=SHARED_NUMBER)


def test_the_hour_is_remembered_less_well_than_the_day(world: World) -> None:
    world.sent("books", SHARED_NUMBER, ago=EVENING)
    world.sent("shop", SHARED_NUMBER)
    assert "Stronica" in asks(world, "kto pisał wczoraj rano", to=SHARED_NUMBER)


@pytest.mark.parametrize(
    ("first", "then"),
    [
        ("KTO", "a ten wczoraj?"),
        ("WHO", "and the one yesterday?"),
        ("ХТО", "а те вчора?"),
        ("WER", "und der von gestern?"),
    ],
)
@pytest.mark.parametrize("is_away", [False, True])
def test_after_an_answer_a_time_alone_asks_for_another_message(
    world: World, first: str, then: str, is_away: bool
) -> None:
    world.sent("books", SHARED_NUMBER, ago=DAY)
    world.sent("shop", SHARED_NUMBER)
    world.model.known[first] = ("who_sent", 0.9)
    world.model.is_away = is_away and first in ("KTO", "WHO")
    assert "Agrest" in said(world, first, to=SHARED_NUMBER)
    assert "Stronica" in said(world, then, to=SHARED_NUMBER)


def test_a_day_of_another_wish_stays_the_other_wish(world: World) -> None:
    world.sent("shop", SHOP_NUMBER)
    world.says("KTO")
    world.model.known["wczoraj prosilem, przestancie pisac te smsy"] = ("opt_out", 0.99)
    assert "nie wysle" in said(world, "wczoraj prosilem, przestancie pisac te smsy")


def test_none_of_that_day_is_said_with_the_day_and_what_to_do(world: World) -> None:
    world.sent("shop", SHOP_NUMBER)
    world.says("KTO")
    answered = said(world, "a ten we wtorek?")
    assert "(17.11.2026) nie widze wiadomosci" in answered
    assert "nadawcy" in answered


def test_a_time_in_what_is_quoted_is_not_that_of_the_message(world: World) -> None:
    world.sent("shop", SHOP_NUMBER)
    answered = asks(world, 'kto wysłał: "zapraszamy na wizytę 12.11 o 10:00"')
    assert "nie widze" not in answered
    assert "Agrest" in answered


def test_none_in_a_longer_question_tells_the_last_one_too(world: World) -> None:
    """The day may be one of what the message is about."""
    world.sent("shop", SHOP_NUMBER)
    answered = asks(world, "we wtorek mam wizytę i przyszło przypomnienie, kto to wysłał")
    assert "(17.11.2026) nie widze" in answered
    assert "Agrest" in answered


def test_of_a_vague_time_with_nothing_the_day_is_asked_for(world: World) -> None:
    world.sent("shop", SHOP_NUMBER, ago=timedelta(hours=2))
    world.says("KTO")
    answered = said(world, "a ten sprzed kilku dni?")
    assert "(12.11-19.11.2026) nie widze" in answered
    assert "Kiedy dokladnie?" in answered


def test_while_the_feed_is_old_that_day_is_not_said_to_be_empty(world: World, clock: Clock) -> None:
    world.sent("shop", SHOP_NUMBER, ago=timedelta(hours=5))
    world.says("KTO")
    clock.move(timedelta(minutes=20))
    assert "jeszcze nie widze" in said(world, "a ten we wtorek?")
    take_sent(world.house.ledger, (), world.now)
    assert "(17.11.2026) nie widze" in asks(world, "kto pisal we wtorek")


def test_the_feed_must_have_spoken_after_the_time_asked_about(world: World, clock: Clock) -> None:
    clock.move(timedelta(minutes=10))
    world.sent("shop", SHOP_NUMBER, ago=timedelta(days=4))
    clock.move(timedelta(minutes=14))
    assert "jeszcze nie widze" not in asks(world, "kto pisal przed godzina")


def test_beyond_twelve_months_it_is_said_plainly(world: World) -> None:
    world.sent("shop", SHOP_NUMBER)
    assert "do 12 miesiecy" in asks(world, "kto do mnie pisał 12 listopada 2024")
    assert "up to 12 months" in asks(world, "who sent me that message on 12 November 2024")


@pytest.mark.parametrize("ago", [timedelta(days=45), timedelta(days=300)])
def test_beyond_thirty_days_a_code_is_needed_whether_there_is_anything_or_not(
    world: World, ago: timedelta
) -> None:
    question = f"kto pisał {(world.now - ago):%d.%m.%Y}"
    said(world, "POMOC")  # the first answer has the notice too
    empty = asks(world, question)
    world.sent("shop", SHOP_NUMBER, ago=ago)
    assert "po kodzie" in empty
    assert said(world, question) == empty
    prove(world)
    assert "Agrest" in said(world, question)


def test_a_proven_number_is_told_all_of_a_day_and_chooses_by_digit_or_name(world: World) -> None:
    world.sent("shop", "AGREST", ago=DAY)
    world.sent("books", "STRONICA", ago=DAY + timedelta(hours=1))
    world.sent("clinic", "JASNA", ago=DAY)
    world.sent("books", "STRONICA", ago=timedelta(hours=1))
    world.says("POMOC", to=BOT_NUMBER)
    prove(world)
    question = asks(world, "kto pisał wczoraj", to=BOT_NUMBER)
    assert "1=AGREST" in question
    assert "2=STRONICA" in question
    assert "JASNA" not in question
    by_name = said(world, "stronica", to=BOT_NUMBER)
    assert "19.11.2026 12:00" in by_name
    assert "Stronica" in by_name
    said(world, "kto pisał wczoraj", to=BOT_NUMBER)
    assert "Agrest Moda" in said(world, "1", to=BOT_NUMBER)


def test_in_a_chat_with_a_proven_number_english_works_the_same(world: World) -> None:
    world.sent("shop", "AGREST", ago=DAY)
    world.sent("books", "STRONICA", ago=DAY)
    asks(world, "hello, who wrote to me yesterday evening", **TELEGRAM)
    prove(world)
    question = asks(world, "hello, who wrote to me yesterday", **TELEGRAM)
    assert "Several senders wrote" in question
    assert "sent by our client" in said(world, "2", **TELEGRAM)


def test_without_a_proven_number_a_chat_is_asked_for_the_name_and_told_its_holder_that_day(
    world: World,
) -> None:
    world.sent("books", "STRONICA", ago=EVENING)
    asked = asks(world, "kto do mnie pisał wczoraj wieczorem", **TELEGRAM)
    assert "nazwa nadawcy" in asked
    answered = said(world, "Stronica", **TELEGRAM)
    assert "wtedy (19.11.2026 17:00-24:00) Stronica" in answered


@pytest.mark.parametrize("has_contact", [False, True])
def test_a_chat_learns_no_more_by_naming_a_day(world: World, has_contact: bool) -> None:
    if has_contact:
        world.shares(ALA, **TELEGRAM)
    world.says("POMOC", **TELEGRAM)
    before = asks(world, "kto to? STRONICA, wczoraj", **TELEGRAM)
    world.sent("books", "STRONICA", ago=DAY)
    assert said(world, "kto to? STRONICA, wczoraj", **TELEGRAM) == before


def test_a_name_and_a_day_in_one_answer_are_both_taken(world: World) -> None:
    world.says("KTO", to=BOT_NUMBER)
    world.sent("books", "STRONICA", ago=DAY)
    world.sent("books", "STRONICA", ago=timedelta(hours=1))
    assert "19.11.2026 13:00" in said(world, "od STRONICA, wczoraj", to=BOT_NUMBER)


def hand_on(world: World, folder: Path, days_ago: int) -> None:
    """The name SALON went from the books to the shop."""
    day = (world.now - timedelta(days=days_ago)).date().isoformat()
    rows = f"sender,client_id,channel,valid_from,valid_to\nSALON,books,sms,,{day}\nSALON,shop,sms,{day},\n"
    (folder / "handed.csv").write_text(rows)
    assert not import_senders(world.house.ledger, folder / "handed.csv", None, world.now).refused


def test_of_a_name_that_was_handed_on_the_day_is_asked_for(world: World, tmp_path: Path) -> None:
    hand_on(world, tmp_path, days_ago=5)
    world.says("KTO", **TELEGRAM)
    assert "zmieniła niedawno właściciela" in said(world, "SALON", **TELEGRAM)
    answered = said(world, "10 dni temu", **TELEGRAM)
    assert "Stronica" in answered
    assert "Agrest" not in answered


@pytest.mark.parametrize(
    ("day", "holder", "other"), [("wczoraj", "Agrest", "Stronica"), ("1.11", "Stronica", "Agrest")]
)
def test_who_held_a_name_is_told_for_the_day_asked(
    world: World, tmp_path: Path, day: str, holder: str, other: str
) -> None:
    hand_on(world, tmp_path, days_ago=5)
    answered = asks(world, f"kto to SALON {day}", **TELEGRAM)
    assert holder in answered
    assert other not in answered


def test_a_name_handed_on_long_ago_is_its_present_holders(world: World, tmp_path: Path) -> None:
    hand_on(world, tmp_path, days_ago=60)
    world.says("KTO", **TELEGRAM)
    assert "Agrest" in said(world, "SALON", **TELEGRAM)


def test_a_message_under_a_name_that_was_handed_on_is_its_senders(world: World, tmp_path: Path) -> None:
    hand_on(world, tmp_path, days_ago=5)
    world.sent("books", "SALON", ago=timedelta(days=10))
    world.says("KTO", to=BOT_NUMBER)
    assert "Stronica" in said(world, "SALON", to=BOT_NUMBER)


def test_a_name_nobody_held_then_is_said_to_be_none_of_ours(world: World, tmp_path: Path) -> None:
    hand_on(world, tmp_path, days_ago=5)
    world.says("KTO", **TELEGRAM)
    unknown = said(world, "NIKTOXY wczoraj", **TELEGRAM)
    assert "nie było wtedy (19.11.2026)" in unknown
    assert "8080" in unknown


@pytest.mark.parametrize("name", ["STRONICA", "STRONICA wczoraj"])
def test_nothing_from_a_registered_name_is_said_beside_who_holds_it(world: World, name: str) -> None:
    world.says("KTO", to=BOT_NUMBER)
    answered = said(world, name, to=BOT_NUMBER)
    assert "nie widze wiadomosci na ten numer" in answered
    assert "u nas" in answered


def test_a_slip_in_a_name_is_asked_back_only_of_who_wrote(world: World) -> None:
    world.sent("books", "STRONICA")
    world.says("KTO", to=BOT_NUMBER)
    assert "1=STRONICA" in said(world, "STRONCIA", to=BOT_NUMBER)
    assert "wyslal nasz klient: Stronica" in said(world, "1", to=BOT_NUMBER)
    world.says("KTO", **TELEGRAM)
    assert "STRONICA" not in said(world, "STRONCIA", **TELEGRAM)


def test_somebody_elses_number_brings_the_same_words_known_or_not(world: World) -> None:
    """F5: whoever asks for the messages of another number learns nothing, not even that it is one."""
    known, unknown = "+48500100777", "+48500100778"
    world.sent("shop", SHOP_NUMBER, to=known)
    world.says("POMOC", **TELEGRAM)
    answers = {asks(world, f"kto pisze na numer {number}", **TELEGRAM) for number in (known, unknown)}
    assert len(answers) == 1
    assert "kto potwierdzi go kodem" in answers.pop()


def test_their_own_number_in_the_question_is_no_sender(world: World) -> None:
    world.sent("shop", SHOP_NUMBER)
    assert "Agrest" in asks(world, "kto pisze na mój numer 500 100 200")


def test_a_chat_is_told_five_names_a_day(world: World, clock: Clock) -> None:
    for _ in range(5):
        world.says("KTO", **TELEGRAM)
        assert "stronica.example" in said(world, "STRONICA", **TELEGRAM)
        clock.move(timedelta(minutes=11))
    world.says("KTO", **TELEGRAM)
    refused = said(world, "AGREST", **TELEGRAM)
    assert "dziś nie sprawdzę" in refused
    assert "Agrest" not in refused
    world.says("KTO", **TELEGRAM)
    assert said(world, "PEWNYBANK", **TELEGRAM) == refused
    clock.move(DAY)
    world.says("KTO", **TELEGRAM)
    assert "agrest.example" in said(world, "AGREST", **TELEGRAM)


def test_a_clinic_is_not_named_by_its_day_either(world: World) -> None:
    world.sent("clinic", CLINIC_NUMBER, ago=DAY)
    answered = asks(world, "kto pisał wczoraj", to=CLINIC_NUMBER)
    assert "nazwy tego nadawcy nie podaje" in answered
    assert "Jasna" not in answered


def test_a_new_holder_of_a_number_learns_nothing_of_the_day_before_it_was_theirs(world: World) -> None:
    world.sent("books", SHARED_NUMBER, ago=timedelta(days=4))
    with world.house.ledger.write() as book:
        people.set_holder_since(book, people.ensure(book, ALA), world.now - timedelta(days=2))
    assert "Stronica" not in asks(world, "kto pisał 4 dni temu", to=SHARED_NUMBER)


@pytest.mark.parametrize(
    "text",
    ["mam ten numer od tygodnia, kto to do mnie pisał", "i have this number for a week, who is texting me"],
)
def test_whoever_says_since_when_a_number_is_theirs_is_told_of_nothing_before(
    world: World, text: str
) -> None:
    world.sent("books", SHARED_NUMBER, ago=timedelta(days=9))
    answered = asks(world, text, to=SHARED_NUMBER)
    assert "Stronica" not in answered
    assert "13.11-20.11.2026" in answered


def test_where_a_number_is_from_is_asked_of_no_time(world: World) -> None:
    world.sent("shop", SHOP_NUMBER)
    world.model.known["numer kupiłem tydzień temu, skąd go macie"] = ("number_source", 0.9)
    answered = said(world, "numer kupiłem tydzień temu, skąd go macie")
    assert "nie widze" not in answered
    assert "Agrest" in answered


@pytest.mark.parametrize("text", ["gdzie mam tego szukać na tym telefonie", "nie wiem", "nie mam pojęcia"])
def test_an_answer_that_is_no_name_is_asked_again(world: World, text: str) -> None:
    world.says("KTO", to=BOT_NUMBER)
    assert "nadawcy" in said(world, text, to=BOT_NUMBER)


def test_days_are_warsaws_at_the_end_of_summer_time(world: World, clock: Clock) -> None:
    clock.now = datetime.fromisoformat("2026-10-26T12:00:00+00:00")
    take_sent(world.house.ledger, (), world.now)
    world.sent("books", SHARED_NUMBER, ago=timedelta(hours=13, minutes=30))  # Sunday 23:30, CET
    world.sent("shop", SHARED_NUMBER, ago=timedelta(hours=12, minutes=30))  # Monday 00:30
    assert "Stronica" in asks(world, "kto pisał wczoraj", to=SHARED_NUMBER)
    assert "Agrest" in asks(world, "kto pisał dziś", to=SHARED_NUMBER)


def test_who_became_sensitive_since_it_was_offered_is_not_named_when_it_is_chosen(
    world: World, tmp_path: Path
) -> None:
    world.says("KTO", **TELEGRAM)
    assert "2. Stronica" in said(world, "NOWOSCI", **TELEGRAM)
    (tmp_path / "clients.csv").write_text(
        CLIENTS.replace("stronica.example,pl,no", "stronica.example,pl,yes")
    )
    import_clients(world.house.ledger, tmp_path / "clients.csv", None, world.now)
    assert "tronica" not in said(world, "2", **TELEGRAM)
