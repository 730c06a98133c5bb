"""Promises about reading numbers and sender names: nobody becomes somebody else."""

import string

import phonenumbers
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.domain.numbers import (
    _home_numbers,
    country,
    is_answerable,
    is_mobile_like,
    masked,
    sender_key,
    to_e164,
)

NINE_DIGITS = st.integers(min_value=500_000_000, max_value=889_999_999).map(str)


@pytest.mark.parametrize(
    ("raw", "e164"),
    [
        ("48500100200", "+48500100200"),
        ("+48500100200", "+48500100200"),
        ("+48 500-100-200", "+48500100200"),
        ("380671234567", "+380671234567"),
        ("4915112345678", "+4915112345678"),
        ("500100200", None),  # no country code: a provider always gives one
        ("71240", None),
        ("", None),
        ("+", None),
    ],
)
def test_a_providers_digits_carry_their_country_code(raw: str, e164: str | None):
    assert to_e164(raw) == e164


@pytest.mark.parametrize(
    ("raw", "e164"),
    [
        ("500100200", "+48500100200"),
        ("500 100 200", "+48500100200"),
        ("(500) 100-200", "+48500100200"),
        ("500\u00a0100\u00a0200", "+48500100200"),
        ("48500100200", "+48500100200"),
        ("0048 500 100 200", "+48500100200"),
        ("+48 500 100 200", "+48500100200"),
        ("+380 67 123 45 67", "+380671234567"),
        ("380671234567", "+380671234567"),
        ("22 123 45 67", "+48221234567"),
        ("50010020", None),
        ("71240", None),
        ("112", None),
    ],
)
def test_what_a_person_typed_is_read_as_polish_first(raw: str, e164: str | None):
    assert to_e164(raw, region="PL") == e164


@pytest.mark.parametrize("region", [None, "PL"])
@pytest.mark.parametrize(
    "raw",
    [
        "US.500100200",
        "PL.1357924680",
        "whatsapp:+48500100200",
        "whatsapp:PL.500100200",
        "wa 500100200 x",
        "500.100.200",
        "48500100200;ext=3",
        "500100200 ext 3",
        "500100200,1",
        "500100200\n",
        "500\t100200",
        "\x00500100200",
        "５００１００２００",
        "٥٠٠١٠٠٢٠٠",
        "48+500100200",
        "++48500100200",
        "500100200#",
        "*100#500100200",
        "0" * 31,
    ],
)
def test_what_is_not_written_as_a_number_is_never_read_as_one(raw: str, region: str | None):
    assert to_e164(raw, region=region) is None


@given(NINE_DIGITS, st.sampled_from(string.ascii_letters + ".,;:#*@_\t\n\r\x00\x7f٣５"), st.integers(0, 9))
def test_one_strange_character_is_enough_to_refuse(digits: str, strange: str, place: int):
    typed = digits[:place] + strange + digits[place:]
    assert to_e164(typed, region="PL") is None
    assert to_e164("48" + typed) is None


@given(st.text(max_size=30), st.sampled_from([None, "PL"]))
def test_whatever_comes_back_is_e164_and_stays_the_same(raw: str, region: str | None):
    found = to_e164(raw, region=region)
    assert found is None or to_e164(found, region=region) == to_e164(found[1:]) == found


@pytest.mark.parametrize("rest", [0, 19_000, 54_321, 99_999])
def test_the_short_way_to_a_polish_number_takes_what_phonenumbers_takes(rest: int):
    """Every beginning of four digits there is; what the pattern does not know goes the long way."""
    for start in range(10_000):
        written = f"+48{start:04}{rest:05}"
        if _home_numbers().fullmatch(written):
            number = phonenumbers.parse(written)
            assert phonenumbers.is_valid_number(number)
            assert phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164) == written
    assert _home_numbers().fullmatch("+48500100200")


@given(NINE_DIGITS)
def test_a_typed_number_and_the_providers_spelling_are_one(digits: str):
    assert to_e164(digits, region="PL") == to_e164("48" + digits)


def test_mobile_numbers_are_told_from_fixed_ones():
    assert is_mobile_like("+48500100200")
    assert is_mobile_like("+12125550123")  # North America: cannot be told
    assert not is_mobile_like("+48221234567")
    assert not is_mobile_like("SHOPXYZ")


def test_the_country_of_a_number_is_its_own():
    assert country("+48500100200") == "PL"
    assert country("+380671234567") == "UA"
    assert country("+48112") is None
    assert country("SHOPXYZ") is None


@pytest.mark.parametrize(
    "address",
    [
        "+48500100200",
        "48500100200",
        "whatsapp:+48500100200",
        "+380671234567",
        "messenger:1234567890",
        "whatsapp:PL.1357",
    ],
)
def test_a_person_is_answered(address: str):
    assert is_answerable(address)


@pytest.mark.parametrize(
    "address",
    ["SHOPXYZ", "2way", "InPost 24", "71240", "+71240", "8080", "112", "", "+48700123456", "+48800123456",
     "+48801123456", "messenger:", "whatsapp:"],
)  # fmt: skip
def test_a_name_a_short_code_or_a_service_is_not_answered(address: str):
    assert not is_answerable(address)


def test_a_masked_number_shows_three_digits_and_the_country():
    assert masked("+48500100123") == "+48 *** *** 123"
    assert masked("+380671234567") == "+380 *** *** 567"


@given(st.text(max_size=30))
def test_what_is_no_number_is_masked_whole(text: str):
    assert masked(text) == "*** ***" or to_e164(text) is not None


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("SHOPXYZ", "shopxyz"),
        ("Pani Sukienka", "PANI-SUKIENKA"),
        ("Pani Sukienka", "P\u0430ni Sukienk\u0430"),  # Cyrillic а
        ("ECO", "\u0415\u0421\u041e"),  # wholly in Cyrillic look-alikes
        ("Apteka.pl", "aptekapl"),
        ("Bułeczka", "Buleczka"),
        ("ＳＨＯＰ", "shop"),
        ("Sho\u200bp", "Shop"),
        ("48500100200", "+48 500 100 200"),
        ("500 100 200", "+48500100200"),
        ("0048500100200", "+48500100200"),
        ("508412345", "+48508412345"),
        ("71 240", "71240"),
    ],
)
def test_spellings_of_one_sender_have_one_key(one: str, other: str):
    assert sender_key(one) == sender_key(other) != ""


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("SHOP", "SH0P"),
        ("SHOP1", "SHOP2"),
        ("508412345", "+508412345"),
        ("71240", "712400"),
        ("US.500100200", "500100200"),
    ],
)
def test_different_senders_have_different_keys(one: str, other: str):
    assert sender_key(one) != sender_key(other)


def test_a_number_is_kept_as_e164_and_a_short_code_as_digits():
    assert sender_key("48500100200") == "+48500100200"
    assert sender_key("71240") == "71240"
    assert sender_key(" !? ") == ""


def test_a_plus_is_not_forgotten_by_the_key_of_what_is_no_number():
    # +221 is Senegal, and this is too short for it; 22 123 45 67 is a number in Warsaw.
    assert sender_key(sender_key("+221234567")) == sender_key("+221234567") != sender_key("221234567")


@given(
    st.one_of(
        st.text(max_size=20),
        st.text(alphabet="0123456789+ -", max_size=15),
        NINE_DIGITS.map("+{}".format),
        st.text(alphabet="abcABCаеосіАЕОСпжλω019 .-", max_size=11),
    )
)
def test_the_key_of_a_key_is_itself(sender: str):
    assert sender_key(sender_key(sender)) == sender_key(sender)


@given(
    st.text(alphabet=string.ascii_letters + string.digits, min_size=1, max_size=11), st.sampled_from(" .-_&!")
)
def test_case_blanks_and_punctuation_make_no_difference(sender: str, between: str):
    assert sender_key(between.join(sender).swapcase()) == sender_key(sender)
