"""Promises about Ukrainian in Latin letters: written by the official table, told from Polish, English and German."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.domain.latin_ukrainian import is_ukrainian, romanized
from bot.domain.segments import to_gsm7


@pytest.mark.parametrize(
    ("ukrainian", "latin"),
    [  # the examples of resolution 55 of 2010
        ("Алушта", "Alushta"),
        ("Борщагівка", "Borshchahivka"),
        ("Борисенко", "Borysenko"),
        ("Гадяч", "Hadiach"),
        ("Згорани", "Zghorany"),
        ("Розгон", "Rozghon"),
        ("Ґалаґан", "Galagan"),
        ("Єнакієве", "Yenakiieve"),
        ("Гаєвич", "Haievych"),
        ("Короп’є", "Koropie"),
        ("Житомир", "Zhytomyr"),
        ("Їжакевич", "Yizhakevych"),
        ("Кадиївка", "Kadyivka"),
        ("Мар'їне", "Marine"),
        ("Йосипівка", "Yosypivka"),
        ("Стрий", "Stryi"),
        ("Харків", "Kharkiv"),
        ("Біла Церква", "Bila Tserkva"),
        ("Щербухи", "Shcherbukhy"),
        ("Юрій", "Yurii"),
        ("Корюківка", "Koriukivka"),
        ("Яготин", "Yahotyn"),
        ("Знам’янка", "Znamianka"),
        ("Феодосія", "Feodosiia"),
        ("Русь", "Rus"),
    ],
)
def test_names_are_written_as_in_a_passport(ukrainian: str, latin: str):
    assert romanized(ukrainian) == latin


def test_capitals_slots_and_what_is_latin_already_stay():
    said = "ЛЮДИНА, № {ref}: SMS від {client} на 8080. Я?"
    assert romanized(said) == "LIUDYNA, № {ref}: SMS vid {client} na 8080. Ya?"


@given(st.text("абвгґдеєжзиіїйклмнопрстуфхцчшщьюяАБВГҐДЕЄЖЗИІЇЙКЛМНОПРСТУФХЦЧШЩЬЮЯ’' .,1", max_size=80))
def test_nothing_cyrillic_is_left(text: str):
    assert to_gsm7(romanized(text)).isascii()


@pytest.mark.parametrize(
    "text",
    [
        "khto ce napysav",
        "hto meni prislav cu sms",
        "chto meni napysaw",
        "Zvidky u vas mij nomer telefonu",
        "vydalit bud laska moyi dani",
        "szczo wy pro mene znajete",
        "bilshe ne pyshit meni",
    ],
)
def test_it_is_told_however_it_is_spelled(text: str):
    assert is_ukrainian(text.split())


@pytest.mark.parametrize(
    "text",
    [
        "kto do mnie napisal i czego chce",
        "czy wy macie moje dane i skad",
        "prosze usunac moj numer z bazy",
        "to ja, czy mozna jutro",
        "who sent me this and why",
        "please delete my number",
        "wer hat mir das geschickt",
        "ja bitte keine Werbung mehr",
        "vid",
    ],
)
def test_other_languages_in_those_letters_are_not_taken_for_it(text: str):
    assert not is_ukrainian(text.split())
