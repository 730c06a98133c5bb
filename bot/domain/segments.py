"""Count what a text takes as an SMS and write it in GSM-7. Sends nothing, shortens nothing.

The rule: 3GPP TS 23.038 (GSM 03.38), https://www.3gpp.org/dynareport/23038.htm. One character outside the
table makes the whole message UCS-2, which leaves 70 characters of a part instead of 160.
"""

import unicodedata
from dataclasses import dataclass
from itertools import groupby
from typing import Literal

Alphabet = Literal["gsm7", "ucs2"]

BASIC = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿"
    "abcdefghijklmnopqrstuvwxyzäöñüà"
)
# Each of these takes two septets: the escape and the character.
EXTENDED = frozenset("\f^{}\\[~]|€")
GSM7 = BASIC | EXTENDED

# Units of a message alone, and of each part of a longer one (the rest is the header that joins the parts).
ALONE: dict[Alphabet, int] = {"gsm7": 160, "ucs2": 70}
JOINED: dict[Alphabet, int] = {"gsm7": 153, "ucs2": 67}

# What Unicode does not take apart by itself; "ł" is no l with an accent to it, and would stay.
LATIN = {
    "ł": "l", "Ł": "L", "đ": "d", "Đ": "D", "ð": "d", "Ð": "D", "þ": "th", "Þ": "Th", "ħ": "h", "Ħ": "H",
    "ı": "i", "œ": "oe", "Œ": "OE", "ŋ": "n", "Ŋ": "N", "ŧ": "t", "Ŧ": "T", "ẞ": "SS", "ƒ": "f",
    "‘": "'", "’": "'", "‚": "'", "‛": "'", "‹": "'", "›": "'", "′": "'", "`": "'", "´": "'", "ʼ": "'",
    "“": '"', "”": '"', "„": '"', "‟": '"', "«": '"', "»": '"', "″": '"',
    "‐": "-", "‑": "-", "‒": "-", "–": "-", "—": "-", "―": "-", "−": "-",
    "•": "*", "·": ".", "×": "x", "⁄": "/", "©": "(c)", "®": "(R)", "\t": " ", "\u2028": "\n", "\u2029": "\n",
    "\u00ad": "", "\u200b": "", "\u200e": "", "\u200f": "", "\u2060": "", "\ufeff": "",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Segments:
    """What a text takes: `parts` messages, `units` septets (gsm7) or UTF-16 code units (ucs2).

    `units` are the text's own. A pair that would straddle two parts is moved whole to the next, and the unit
    left empty by that is seen in `parts` only.
    """

    parts: int
    units: int
    alphabet: Alphabet


def count(text: str) -> Segments:
    """Return the parts, units and alphabet of `text` as an SMS. An empty text is one message."""
    alphabet: Alphabet = "gsm7" if _is_gsm7(text) else "ucs2"
    widths = [_width(char, alphabet) for char in text]
    units = sum(widths)
    if units <= ALONE[alphabet]:
        return Segments(parts=1, units=units, alphabet=alphabet)
    parts, free = 1, JOINED[alphabet]
    for width in widths:
        if width > free:
            parts, free = parts + 1, JOINED[alphabet]
        free -= width
    return Segments(parts=parts, units=units, alphabet=alphabet)


def fits(text: str, parts: int = 2) -> bool:
    """Return whether `text` goes out in `parts` SMS parts or fewer."""
    return count(text).parts <= parts


def to_gsm7(text: str) -> str:
    """Return `text` with Latin letters, quotes, dashes and blanks outside GSM-7 written with what is in it.

    "Zażółć" becomes "Zazolc"; what GSM-7 has (ä ö ü ß é ø) stays. What has no Latin form (Cyrillic, emoji)
    stays too, rather than becoming a question mark: `count` then says ucs2.
    """
    composed = unicodedata.normalize("NFC", text)
    if _is_gsm7(composed):
        return composed
    written = ""
    for is_mark, run in groupby(composed, key=_is_accent):
        if not is_mark:
            written += "".join(map(_latin, run))
        # An accent left over by NFC ("x̂") goes with a Latin letter, and stays with any other.
        elif not written or not _is_gsm7(written[-1]):
            written += "".join(run)
    return written


def _width(char: str, alphabet: Alphabet) -> int:
    if alphabet == "gsm7":
        return 2 if char in EXTENDED else 1
    return 2 if ord(char) > 0xFFFF else 1


def _latin(char: str) -> str:
    if _is_gsm7(char):
        return char
    if char in LATIN:
        return LATIN[char]
    taken_apart = [part for part in unicodedata.normalize("NFKD", char) if not _is_accent(part)]
    letters = "".join(LATIN.get(part, part) for part in taken_apart)
    return letters if letters and _is_gsm7(letters) else char


def _is_gsm7(text: str) -> bool:
    return GSM7.issuperset(text)


def _is_accent(char: str) -> bool:
    return unicodedata.category(char) == "Mn"
