"""What is the same message and what is not."""

from __future__ import annotations

import hashlib
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.domain.fingerprints import Fingerprint, fingerprint, is_alike, normalised, shingles


def mark(value: str) -> bytes:
    return hashlib.sha256(value.encode()).digest()[:16]


def marks(text: str) -> Fingerprint:
    found = fingerprint(text, mark)
    assert found is not None
    return found


SAME = [
    ("Anna, paczka 123 czeka do 12.11.2026", "Oksana, paczka 98 765 czeka do 1.12.2026"),
    ("Dzień dobry Jan Kowalski, rata 1 299,00 zł mija", "Dzien dobry Ola, rata 49,99 zl mija"),
    ("Kod: 483920 do logowania. Nie podawaj nikomu", "Kod: AB12-99 do logowania. Nie podawaj nikomu"),
    ("Zobacz https://a.example/x?y=1 i wygraj", "Zobacz www.b.example/ZZZ i wygraj"),
    ("Rabat\u200b dla ciebie w sklepie", "  RABAT dla   ciebie w SKLEPIE! "),
    ("Ваша посилка №123 чекає, Олено", "Ваша посилка №77 чекає, Іване"),
]


@pytest.mark.parametrize(("one", "other"), SAME)
def test_numbers_links_names_and_spelling_make_no_difference(one: str, other: str) -> None:
    assert marks(one).text == marks(other).text


def test_another_wording_is_another_text() -> None:
    assert marks("Twoja paczka czeka na odbior w punkcie").text != marks("Twoja paczka wraca do nadawcy").text


def test_what_is_replaced_is_gone() -> None:
    words = " ".join(normalised("Zenobio, PESEL 44051401458, tel. +48 500 100 200, zenobia@poczta.example"))
    assert not any(part in words for part in ("zenobi", "4405", "500", "poczta"))


def test_a_part_of_a_message_still_shares_half_its_shingles() -> None:
    sent = marks("Twoja paczka jest juz w drodze i dotrze do ciebie jutro przed godzina dwunasta w poludnie")
    pasted = marks("kto to wyslal: paczka jest juz w drodze i dotrze do ciebie jutro")
    agreeing = len(set(sent.shingles) & set(pasted.shingles))
    kept = len(sent.shingles)
    assert is_alike(is_whole=False, agreeing=agreeing, pasted=len(pasted.shingles), kept=kept)


def test_two_messages_with_a_common_ending_are_not_alike() -> None:
    ending = " aby zrezygnowac wyslij stop pod ten numer"
    one = marks(
        "wielka wyprzedaz butow i plaszczy zimowych tylko w ten weekend zapraszamy do sklepow" + ending
    )
    other = marks(
        "przypominamy o wizycie u dentysty jutro rano prosimy o potwierdzenie przybycia dzisiaj" + ending
    )
    agreeing = len(set(one.shingles) & set(other.shingles))
    assert agreeing > 0
    sizes = {"pasted": len(one.shingles), "kept": len(other.shingles)}
    assert not is_alike(is_whole=False, agreeing=agreeing, **sizes)


def test_numbers_alone_are_no_text() -> None:
    assert fingerprint("500 100 200", mark) is None
    assert fingerprint("", mark) is None


def test_what_is_kept_may_never_change() -> None:
    """The texts are gone: marks made by another rule would never be found again."""
    words = normalised("Cześć Anna! Twój kod to 4821, ważny 5 min. Szczegóły: https://x.example/a")
    assert words == ("czesc", "@", "twoj", "kod", "to", "#", "wazny", "#", "min", "szczegoly", "%")
    assert shingles(words)[0] == "czesc @ twoj kod to"


@given(st.text())
def test_any_text_is_taken(text: str) -> None:
    assert all(len(run.split()) == 5 for run in shingles(normalised(text)))


@pytest.mark.parametrize("text", ["a." * 1_000, "a-" * 1_000, "1." * 1_000, "a@" * 1_000, "-" * 2_000])
def test_a_text_made_to_be_slow_is_not(text: str) -> None:
    """Whoever writes to the bot chooses the text; the same work on a message of words takes 0.2 ms."""
    start = time.process_time()
    normalised(text)
    assert time.process_time() - start < 0.5
