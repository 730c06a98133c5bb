"""The person's own language: told from what they write, kept, changed when they wish, in their letters."""

from __future__ import annotations

from pathlib import Path

import pytest

from bot.domain.messages import Medium
from bot.domain.segments import count
from bot.services.import_files import import_clients
from bot.understanding import INTENTS
from tests.world import BOT_NUMBER, CLINIC_NUMBER, SHOP_NUMBER, World

TELEGRAM = {"as_": "5550001", "to": "42", "medium": Medium.TELEGRAM}


def said(world: World, text: str, **more: object) -> str:
    return " ".join(world.says(text, **more))


@pytest.mark.parametrize(
    ("stop", "receipt"),
    [
        ("REZYGNUJĘ", "nie wysle Ci wiecej reklam"),
        ("UNSUBSCRIBE", "will send you no more marketing"),
        ("ВІДПИСАТИСЯ", "не слатиме Вам реклами"),
        ("ABMELDEN", "keine Werbung mehr"),
        ("ОТПИСАТЬСЯ", "не слатиме Вам реклами"),
        ("VIDPYSATYSIA", "ne slatyme Vam reklamy"),
    ],
)
def test_a_stop_is_confirmed_in_the_language_of_its_word(world: World, stop: str, receipt: str) -> None:
    world.sent("shop", SHOP_NUMBER)
    assert receipt in said(world, stop)


def test_a_stop_in_a_language_without_texts_is_confirmed_in_the_one_spoken_so_far(world: World) -> None:
    world.sent("shop", SHOP_NUMBER)
    world.says("in English please")
    assert "will send you no more marketing" in said(world, "BAJA")


@pytest.mark.parametrize(
    ("wish", "spoken"),
    [
        ("po polsku proszę", "po polsku"),
        ("in English please", "I write English"),
        ("українською", "українською"),
        ("auf Deutsch bitte", "ich schreibe Deutsch"),
        ("mów po angielsku", "I write English"),
        ("Sprechen Sie Deutsch?", "ich schreibe Deutsch"),
    ],
)
def test_a_language_wished_for_is_spoken_without_a_model_and_kept(
    world: World, wish: str, spoken: str
) -> None:
    world.model.is_away = True
    world.says("KTO")
    assert spoken in said(world, wish)
    greeted = said(world, "HELP")
    assert spoken not in greeted
    answer = {"p": "odpisz", "I": "reply", "у": "напишіть", "i": "antworten sie"}[spoken[0]]
    assert answer in greeted.casefold()


def test_a_question_that_is_open_is_put_again_in_the_language_wished_for(world: World) -> None:
    world.sent("shop", SHOP_NUMBER)
    world.says("KTO")
    assert "1=STOP für diese Firma" in said(world, "auf Deutsch bitte")
    assert "keine Werbung mehr" in said(world, "1")


def test_a_wish_for_another_language_that_names_none_is_asked_back(world: World) -> None:
    question = said(world, "zmień język", **TELEGRAM)
    assert [line for line in question.splitlines() if line[:1].isdigit()] == [
        "1. Deutsch",
        "2. English",
        "3. Polski",
        "4. Українська",
    ]
    assert "Добре, пишу українською." in said(world, "4", **TELEGRAM)


def test_a_language_we_do_not_have_is_answered_with_those_we_have(world: World) -> None:
    assert "1=Deutsch 2=English 3=Polski" in said(world, "in French please")


def test_ukrainian_in_latin_letters_is_answered_in_them_by_sms(world: World) -> None:
    world.sent("shop", SHOP_NUMBER)
    world.model.known["khto ce meni napysav"] = ("who_sent", 0.95)
    [answer] = world.says("khto ce meni napysav")
    assert "nadislav nash kliient Agrest Moda" in answer
    assert "1=STOP firmi" in answer
    assert count(answer).alphabet == "gsm7"


def test_the_letters_stay_for_short_answers_and_go_with_cyrillic_ones(world: World) -> None:
    world.model.known["khto ce meni napysav"] = ("who_sent", 0.95)
    world.says("khto ce meni napysav", to=BOT_NUMBER)
    assert "STOP, NAZAD, NEVAZHLYVO chy LIUDYNA" in said(world, "help", to=BOT_NUMBER)
    assert "напишіть" in said(world, "допомога", to=BOT_NUMBER)


def test_a_chat_shows_cyrillic_to_whoever_types_latin_letters(world: World) -> None:
    world.model.known["khto ce meni napysav"] = ("who_sent", 0.95)
    assert "Яка назва відправника" in said(world, "khto ce meni napysav", **TELEGRAM)


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("wer hat mir das denn geschickt", "hat unser Kunde Agrest Moda geschickt"),
        ("хто мені це надіслав скажіть", "надіслав наш клієнт Agrest Moda"),
    ],
)
def test_the_answer_speaks_german_and_ukrainian_to_who_writes_them(
    world: World, text: str, answer: str
) -> None:
    world.sent("shop", SHOP_NUMBER)
    world.model.known[text] = ("who_sent", 0.95)
    assert answer in said(world, text)
    assert answer in said(world, "KTO")


SPOKEN = {  # what is wished for, and the alphabet of every SMS from then on
    "uk": ("українською", "ucs2"),
    "uk-Latn": ("ukrainskoiu", "gsm7"),
    "de": ("auf Deutsch", "gsm7"),
}
TEXT = "xyzzy plugh"  # no words of any language, read by the model
PLACES = {  # where it is written, and what was said before
    "to a shop": (SHOP_NUMBER, ()),
    "to a clinic": (CLINIC_NUMBER, ()),
    "to the bot": (BOT_NUMBER, ()),
    "after who": (SHOP_NUMBER, ("KTO",)),
    "after a name that several hold": (BOT_NUMBER, ("KTO", "NOWOSCI")),
    "after a right": (SHOP_NUMBER, ("xyzzy",)),
    "after a stop": (SHOP_NUMBER, ("STOP",)),
}
WIDEST = f"""\
client_id,legal_name,public_name,website,privacy_email,language,sensitive,contacts
shop,Agrest sp. z o.o.,{"W" * 30},https://{"w" * 18}.example,rodo@agrest.example,pl,no,
books,Stronica S.A.,{"M" * 30},https://{"m" * 18}.example,rodo@stronica.example,pl,no,
"""


@pytest.mark.parametrize("ledger", ["sqlite"], indirect=True)
@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("language", SPOKEN)
def test_every_answer_fits_two_segments_with_the_widest_names_in_every_language(
    world: World, tmp_path: Path, language: str, place: str
) -> None:
    """The whole message: prefix, text, the question after it and its options, in the letters of the language."""
    (tmp_path / "widest.csv").write_text(WIDEST)
    assert not import_clients(world.house.ledger, tmp_path / "widest.csv", None, world.now).refused
    wish, alphabet = SPOKEN[language]
    to, before = PLACES[place]
    world.model.known["xyzzy"] = ("rights_access", 0.99)
    for number, intent in enumerate(sorted(i for i in INTENTS if not i.startswith("faq/"))):
        person = f"+485001003{number:02}"
        world.sent("shop", SHOP_NUMBER, to=person)
        world.sent("clinic", CLINIC_NUMBER, to=person)
        world.model.known[TEXT] = (intent, 0.99)
        for text in (wish, *before, TEXT):
            for answer in world.says(text, as_=person, to=to):
                segments = count(answer)
                assert segments.parts <= 2, (intent, answer)
                assert segments.alphabet == alphabet, (intent, answer)
