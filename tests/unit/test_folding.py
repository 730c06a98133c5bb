"""Promises of the folding: what people type in many ways comes out as the same plain words."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.domain.folding import fold, latin_disguise, unrepeated, words_of


@pytest.mark.parametrize(
    ("typed", "folded"),
    [
        ("Wyłącz SMS-y!", "wylacz sms y"),
        ("ŻÓŁĆ, gęś", "zolc ges"),
        ("Straße ÆØÅ đ ı", "strasse aeoa d i"),
        ("ＳＴＯＰ", "stop"),
        ("S\u200bT\ufe0fO\u00adP", "stop"),
        ("Ⓢⓣⓞⓟ 🆂🆃🅾🅿 ꜱᴛᴏᴘ", "stop stop stop"),
        ("STОP CТOП", "stop стоп"),
        ("Не пишіть, її ґава", "не пишіть іі гава"),
        ("don't пам'ятаю", "dont памятаю"),
        ("1️⃣ ٣ ²", "1 3 2"),
        ("STOP™ ½", "stop 12"),
        ("🛑🙏", ""),
    ],
)
def test_folded_words(typed: str, folded: str) -> None:
    assert fold(typed) == folded


def test_words_know_where_they_stand_and_what_mark_is_before_them() -> None:
    found, end = words_of("Stop, S\u200bMS!  Kto?")
    assert [(w.text, w.start, w.end, w.mark) for w in found] == [
        ("stop", 0, 4, " "),
        ("sms", 6, 10, ","),
        ("kto", 13, 16, "."),
    ]
    assert end == "?"


def test_a_word_of_one_alphabet_is_left_alone_but_its_disguise_is_known() -> None:
    assert fold("СТОР") == "стор"
    assert latin_disguise("ѕтор") == "stop"
    assert latin_disguise("стоп") is None


def test_stuttered_letters() -> None:
    assert "stop" in unrepeated("sttttopppp")
    assert "stopp" in unrepeated("stoppppp")
    assert list(unrepeated("stoop")) == []


@given(st.text(max_size=300))
def test_folding_twice_is_folding_once_and_ignores_how_accents_are_stored(text: str) -> None:
    once = fold(text)
    assert fold(once) == once
    assert fold(unicodedata.normalize("NFD", text)) == fold(unicodedata.normalize("NFC", text))


@given(st.text())
def test_offsets_point_into_the_original(text: str) -> None:
    place = 0
    for word in words_of(text)[0]:
        assert place <= word.start < word.end <= len(text)
        assert word.text
        place = word.end
