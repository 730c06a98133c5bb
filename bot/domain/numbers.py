"""Read phone numbers and sender names into one spelling. Looks nothing up and proves nobody.

phonenumbers is generous: it reads a valid Polish number out of "US.500100200", of "wa 500100200 x" and of
full-width digits, so that a WhatsApp user id would become some other person's number. Hence form comes first.
"""

import re
from collections.abc import Collection
from functools import cache, lru_cache

import phonenumbers
from phonenumbers import PhoneMetadata, PhoneNumber, PhoneNumberType

from bot.domain.folding import fold_character, latin_disguise, one_script

HOME = "PL"
# Digits, blanks and the marks people group them with. No letter, dot, comma, semicolon or control character.
NUMBER_FORM = re.compile(r"[ \u00a0(]*\+?[0-9 \u00a0()/-]{4,30}")
NOT_A_DIGIT = re.compile(r"[^0-9]")
# Where a number may stand in a sentence; what it is, its form decides.
NUMBER_RUN = re.compile(r"(?<![\w.,@])[+(]?[0-9][0-9 \u00a0()/-]{5,24}[0-9](?![\w@])")
LONGEST_TYPED = 200  # characters looked at
# Digits of a Polish number without its country code, and of the shortest that is surely written with one.
HOME_DIGITS = 9
WITH_COUNTRY_DIGITS = 11

# What an SMS can reach; elsewhere (North America) mobile and fixed numbers cannot be told apart.
MOBILE_LIKE = frozenset({PhoneNumberType.MOBILE, PhoneNumberType.FIXED_LINE_OR_MOBILE})
# Valid numbers behind which there is a service or a bill, but no person.
NOBODYS = frozenset(
    {
        PhoneNumberType.PREMIUM_RATE,
        PhoneNumberType.SHARED_COST,
        PhoneNumberType.TOLL_FREE,
        PhoneNumberType.UAN,
        PhoneNumberType.PAGER,
        PhoneNumberType.VOICEMAIL,
    }
)
# Ids of platforms on which only people (and no short codes) write.
PERSON_ID = re.compile(r"(?:whatsapp|messenger):[0-9A-Za-z._-]+")
HIDDEN = "*** ***"


def to_e164(raw: str, *, region: str | None = None) -> str | None:
    """Return `raw` as an E.164 number ("+48500100200"), or None if it is no valid phone number.

    Args:
        raw: what a provider delivered, or what a person typed. A channel's prefix (`whatsapp:`) is not part
            of it.
        region: None for a provider's digits, which carry their country code with or without the plus;
            "PL" only for what a person typed, who may leave the country code out.
    """
    if not NUMBER_FORM.fullmatch(raw):
        return None
    digits = NOT_A_DIGIT.sub("", raw)
    if region is None or "+" in raw:
        e164 = f"+{digits}"
        return e164 if _home_numbers().fullmatch(e164) else _valid(e164, None)
    home = _valid(digits, region)
    if home is None and len(digits) >= WITH_COUNTRY_DIGITS:
        # "380 67 123 45 67": typed with its country code, but without the plus.
        return _valid(f"+{digits}", None)
    return home


def is_mobile_like(e164: str) -> bool:
    """Return whether a valid E.164 number is a mobile one, or may be one where the plan does not tell."""
    number = _parsed(e164, None)
    return number is not None and phonenumbers.number_type(number) in MOBILE_LIKE


def number_in(text: str, *, region: str = HOME) -> str | None:
    """Return the one phone number that stands in a text somebody typed, as E.164; None if none or several do."""
    found = {to_e164(run.strip(" -(/"), region=region) for run in NUMBER_RUN.findall(text[:LONGEST_TYPED])}
    numbers = found - {None}
    return numbers.pop() if len(numbers) == 1 else None


def takes_codes(e164: str, countries: Collection[str]) -> bool:
    """Return whether a code may be texted to a valid E.164 number: a mobile one of these countries (ISO 3166).

    So neither to premium and shared-cost numbers nor to landlines and countries where somebody earns by it.
    """
    return is_mobile_like(e164) and country(e164) in countries


def country(e164: str) -> str | None:
    """Return the ISO 3166 code of the country of a valid E.164 number ("PL"), or None."""
    number = _parsed(e164, None)
    return None if number is None else phonenumbers.region_code_for_number(number)


def is_answerable(address: str) -> bool:
    """Return whether a person may be behind the address of an SMS, WhatsApp or Messenger message.

    Not so: an alphanumeric sender, a short code, a premium or service number. For these media only: a
    Telegram chat id is a bare number too, and looks like a short code.
    """
    if PERSON_ID.fullmatch(address):
        return True
    e164 = to_e164(address.removeprefix("whatsapp:"))
    number = None if e164 is None else _parsed(e164, None)
    return number is not None and phonenumbers.number_type(number) not in NOBODYS


def masked(e164: str) -> str:
    """Return a number as the desk shows it, country code and last three digits: "+48 *** *** 123"."""
    number = _parsed(e164, None)
    if number is None:
        return HIDDEN
    return f"+{number.country_code} {HIDDEN} {e164[-3:]}"


_WHATSAPP_NUMBER = "whatsapp:+"  #: as Twilio writes it, https://www.twilio.com/docs/whatsapp/api


def sender_key(sender: str) -> str:
    """Return the one spelling under which a sender name or number is kept and found.

    Case, accents, blanks, punctuation and letters of another alphabet that look the same make no difference:
    "Pani Sukienka", "PANI-SUKIENKA" and one with a Cyrillic "а" are one key. 0 and O stay different, for
    names like that are registered to different clients. A number becomes E.164, a short code its digits; a
    WhatsApp address is its number, under which the registry has it. Empty if nothing of it is a letter or a digit.
    """
    if sender.startswith(_WHATSAPP_NUMBER):
        sender = sender.removeprefix(_WHATSAPP_NUMBER[:-1])
    letters = "".join(piece for piece in map(fold_character, sender) if piece.isalnum())
    if letters.isascii() and letters.isdigit():
        return _number_key(letters, has_country_code="+" in sender)
    # After joining, so that a blank between two alphabets makes no difference either.
    key = one_script(letters)
    return latin_disguise(key) or key


def _number_key(digits: str, *, has_country_code: bool) -> str:
    if has_country_code:
        # The plus stays with what is no number, or the key's own key would be read as a Polish one.
        return to_e164(digits) or f"+{digits}"
    # Nine digits first as a Polish number: +508 and +687 leave six for the number, and would take it.
    region = HOME if len(digits) == HOME_DIGITS or digits.startswith("00") else None
    return to_e164(digits, region=region) or digits


@cache
def _home_numbers() -> re.Pattern[str]:
    """Valid numbers of HOME with all their digits, by the plan of phonenumbers itself, at a twentieth of its time.

    What it does not match is left to phonenumbers. A plan with prefixes to take off first would match nothing.
    """
    plan = PhoneMetadata.metadata_for_region(HOME, None)
    kinds = ("fixed_line", "mobile", "toll_free", "premium_rate", "shared_cost", "personal_number", "voip", "pager",
             "uan", "voicemail")  # fmt: skip
    if plan is None or plan.general_desc is None or plan.national_prefix_for_parsing:
        return re.compile(r"(?!)")
    known = [d for d in (getattr(plan, kind) for kind in kinds) if d and HOME_DIGITS in d.possible_length]
    valid = "|".join(d.national_number_pattern for d in known)
    general = plan.general_desc.national_number_pattern
    return re.compile(rf"\+{plan.country_code}(?=(?:{general})\Z)(?=[0-9]{{{HOME_DIGITS}}}\Z)(?:{valid})")


def _valid(raw: str, region: str | None) -> str | None:
    number = _parsed(raw, region)
    if number is None:
        return None
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


@lru_cache(maxsize=256)  # one message has its number read five times over
def _parsed(raw: str, region: str | None) -> PhoneNumber | None:
    try:
        number = phonenumbers.parse(raw, region)
    except phonenumbers.NumberParseException:
        return None
    return number if phonenumbers.is_valid_number(number) else None
