"""Say what a code is for, how long it lasts, and find one in what was typed. Makes, keeps and compares none.

Six digits, ten minutes, five tries: a guess succeeds once in 200 000 codes, and three are sent to a number in a day.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum


class Purpose(StrEnum):
    """What a right code shows. One made for one purpose says nothing of another."""

    START = "start"  #: that the person wants messages again
    PROOF = "proof"  #: that the number it was texted to is the person's
    ACCOUNT = "account"  #: that the person speaks for the client whose contact it was sent to


class Proof(StrEnum):
    """How holding a typed code against the one that was made ended."""

    OK = "ok"
    WRONG = "wrong"
    EXPIRED = "expired"
    LOCKED = "locked"  #: no try is left


@dataclass(frozen=True, slots=True)
class Terms:
    """What codes of a purpose are like."""

    digits: int
    tries: int
    lasts: timedelta


TERMS: Mapping[Purpose, Terms] = {
    Purpose.START: Terms(digits=2, tries=3, lasts=timedelta(hours=24)),
    Purpose.PROOF: Terms(digits=6, tries=5, lasts=timedelta(minutes=10)),
    Purpose.ACCOUNT: Terms(digits=6, tries=5, lasts=timedelta(minutes=10)),
}
A_DAY_MOST = 3  #: codes for one number, of whichever conversation
A_DAY_MOST_ASKED = 5  #: codes that one conversation may ask for, to whichever numbers
PROVEN_LASTS = timedelta(hours=1)  #: how long what a code showed is believed

_BESIDE = (
    40  #: characters that may stand beside a code: "to ten kod: 123 456", and no sentence about something
)
_LONGEST = 80
_JOINED = re.compile(r"(?<=[0-9])[ \u00a0-](?=[0-9])")
_SIX = re.compile(r"(?<![0-9])[0-9]{6}(?![0-9])")


def code_in(text: str) -> str | None:
    """The six digits that a text gives as its code, in groups or not; None if it gives none, or more than one.

    A longer text is somebody's sentence, in which six digits are an order number or the like.
    """
    if len(text) > _LONGEST:
        return None
    shown = (c for c in unicodedata.normalize("NFKC", text) if unicodedata.category(c) not in ("Cf", "Cc"))
    joined = _JOINED.sub("", "".join(shown))
    found = _SIX.findall(joined)
    return found[0] if len(found) == 1 and len(joined) - 6 <= _BESIDE else None
