"""Promises about the length and the letters of an SMS."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.domain.segments import BASIC, EXTENDED, Segments, count, fits, to_gsm7

GSM7 = st.text(alphabet=sorted(BASIC | EXTENDED), max_size=700)
# Every letter of Latin-1 and Latin Extended-A but the micro sign (Greek) and kra, with marks and blanks.
LATIN_TEXT = st.text(
    alphabet=st.characters(
        min_codepoint=0x20,
        max_codepoint=0x17F,
        categories=["L", "Nd", "Zs", "Ps", "Pe"],
        exclude_characters="µĸ",
    )
)


def cut(text: str, widths: dict[str, int], size: int) -> list[list[str]]:
    """Lay a text out part by part: the slow way to know how many parts it takes."""
    parts: list[list[str]] = [[]]
    for char in text:
        if sum(widths[other] for other in parts[-1]) + widths[char] > size:
            parts.append([])
        parts[-1].append(char)
    return parts


def test_the_alphabet_is_the_whole_of_gsm_03_38():
    # 128 positions: 127 characters and the escape; 10 characters behind the escape.
    assert len(BASIC) == 127
    assert len(EXTENDED) == 10
    assert not BASIC & EXTENDED


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", Segments(1, 0, "gsm7")),
        ("a" * 160, Segments(1, 160, "gsm7")),
        ("a" * 161, Segments(2, 161, "gsm7")),
        ("a" * 306, Segments(2, 306, "gsm7")),
        ("a" * 307, Segments(3, 307, "gsm7")),
        ("€" * 80, Segments(1, 160, "gsm7")),
        ("a" * 159 + "€", Segments(2, 161, "gsm7")),
        # The 153rd septet stays empty, so 306 septets no longer fit two parts.
        ("a" * 152 + "€" + "a" * 152, Segments(3, 306, "gsm7")),
        ("a" * 152 + "€" + "a" * 151, Segments(2, 305, "gsm7")),
        ("ż" * 70, Segments(1, 70, "ucs2")),
        ("ż" * 71, Segments(2, 71, "ucs2")),
        ("ї" * 134, Segments(2, 134, "ucs2")),
        ("ї" * 135, Segments(3, 135, "ucs2")),
        ("😀" * 35, Segments(1, 70, "ucs2")),
        ("😀" * 36, Segments(2, 72, "ucs2")),
        # The same with a surrogate pair at the 67th unit.
        ("ż" * 66 + "😀" + "ż" * 66, Segments(3, 134, "ucs2")),
        ("€ż", Segments(1, 2, "ucs2")),
        ("ó", Segments(1, 1, "ucs2")),
        ("ò", Segments(1, 1, "gsm7")),
    ],
)
def test_parts_and_units_are_those_of_the_standard(text: str, expected: Segments):
    assert count(text) == expected


@given(GSM7)
def test_a_gsm7_text_is_laid_out_without_splitting_an_escape(text: str):
    widths = {char: 2 if char in EXTENDED else 1 for char in text}
    found = count(text)
    assert found.alphabet == "gsm7"
    assert found.units == sum(widths[char] for char in text)
    assert found.parts == (1 if found.units <= 160 else len(cut(text, widths, 153)))


@given(st.text(alphabet="żї😀a", max_size=400).map(lambda text: "ż" + text))
def test_a_ucs2_text_is_laid_out_without_splitting_a_surrogate_pair(text: str):
    found = count(text)
    assert found.alphabet == "ucs2"
    assert found.units == len(text.encode("utf-16-le")) // 2
    widths = {char: len(char.encode("utf-16-le")) // 2 for char in text}
    assert found.parts == (1 if found.units <= 70 else len(cut(text, widths, 67)))


@given(st.text(max_size=300), st.text(max_size=20))
def test_a_longer_text_never_takes_fewer_parts(text: str, more: str):
    assert count(text + more).parts >= count(text).parts


def test_fits_asks_for_two_parts_unless_told():
    assert fits("a" * 306)
    assert not fits("a" * 307)
    assert fits("a" * 307, parts=3)
    assert not fits("a" * 161, parts=1)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Zażółć gęślą jaźń", "Zazolc gesla jazn"),
        ("ZAŻÓŁĆ GĘŚLĄ JAŹŃ", "ZAZOLC GESLA JAZN"),
        ("z\u0307o\u0301l\u0328", "zol"),
        ("äöüßéèøåñà", "äöüßéèøåñà"),
        ("a\u0308", "ä"),
        ("êëîïçÈ", "eeiicE"),
        ("Đorđe Šarčević, Þór, œuvre", "Dorde Sarcevic, Thor, oeuvre"),
        ("„Tak” – powiedział…", '"Tak" - powiedzial...'),
        ("don’t", "don't"),
        ("5\u00a0000\u202fzł", "5 000 zl"),
        ("½ ﬁ ™ №", "1/2 fi TM No"),
        ("a\u200bb\u00adc", "abc"),
        ("Привіт ї", "Привіт ї"),
        ("ok 😀", "ok 😀"),
        ("", ""),
    ],
)
def test_letters_outside_gsm7_get_their_nearest_form(text: str, expected: str):
    assert to_gsm7(text) == expected


@given(LATIN_TEXT)
def test_a_text_in_latin_letters_ends_up_in_gsm7(text: str):
    assert count(to_gsm7(text)).alphabet == "gsm7"


@given(GSM7)
def test_a_gsm7_text_is_left_alone(text: str):
    assert to_gsm7(text) == text


@given(st.text())
def test_writing_it_twice_changes_nothing_more(text: str):
    assert to_gsm7(to_gsm7(text)) == to_gsm7(text)
